//! How strictly TLS is required on the connection to a node.

use crate::kinds::tls::HandshakeResult;
use types::Fault;
use types::database::Encryption;
use types::fault::TlsFault;

/// How strictly TLS is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encrypt {
    /// No TLS.
    Never,
    /// TLS if the server has it, with any certificate.
    IfOffered,
    /// TLS with any certificate.
    Always,
    /// TLS with a certificate that is valid for the name.
    Verified,
}

impl Encrypt {
    /// Protection of a connection after a handshake, or why the password is not sent over it.
    pub(crate) fn judge(self, shaken: &HandshakeResult) -> Result<Encryption, Fault> {
        let faults = shaken.seen.as_ref().map(|seen| seen.faults.as_slice()).unwrap_or_default();
        match (TlsFault::refusal(faults).cloned(), self) {
            // The password is not sent to a server that is not the right one.
            (Some(tls), Self::Verified) => Err(Fault::Tls { tls }),
            (Some(tls), _) => Ok(Encryption::Unverified { why: tls.to_string() }),
            (None, _) => Ok(Encryption::Verified),
        }
    }
}
