//! Servers with which the TLS library has no version or cipher in common: their side, read from the plaintext part of a TLS 1.2 handshake.
//!
//! Up to TLS 1.2 a server sends its version, cipher suite and certificates in plaintext. So
//! a ClientHello that offers everything that browsers and curl have ever offered distinguishes a limit of the library from
//! an outage, and gets the certificate. Nothing secret is sent, and the handshake ends there.

mod hello;
mod reply;

use crate::connect;
use reply::{Ended, Reply};
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};
use types::probe_result::Phases;

pub(super) use hello::Offer;

/// Bytes that a server sends at most before it waits for the client.
const REPLY_BYTES_MAX: usize = 128 * 1024;

/// The protocol of a server that the TLS library does not support.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Legacy {
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// Its version, where that is older than TLS 1.2.
    pub(super) outdated: Option<&'static str>,
    /// The unsupported part.
    pub(super) what: String,
}

/// Finds the protocol of a server with which the handshake failed. `None` if the library supports it, or the server sends
/// nothing: then the failure is not a limit of the library.
pub(super) async fn look(
    address: SocketAddr,
    name: &ServerName<'_>,
    random: [u8; 32],
    deadline: Instant,
) -> Option<Legacy> {
    let all = ask(address, &hello::write(Offer::All, name, random), deadline).await?;
    let what = all.beyond_us()?;
    // A server that also supports what the library supports failed for another reason.
    let ours = ask(address, &hello::write(Offer::Ours, name, random), deadline).await;
    if ours.is_some_and(|reply| reply.beyond_us().is_none()) {
        return None;
    }
    Some(Legacy { outdated: all.outdated(), what, chain: all.chain })
}

async fn ask(address: SocketAddr, hello: &[u8], deadline: Instant) -> Option<Reply> {
    let mut phases = Phases::default();
    let (mut stream, _) = connect::connect(&[address], deadline, &mut phases).await.ok()?;
    let talk = async {
        stream.write_all(hello).await.ok()?;
        let mut bytes = Vec::new();
        let mut reader = stream.take(REPLY_BYTES_MAX as u64);
        loop {
            match reply::read(&bytes) {
                Ended::Reply(reply) => return Some(reply),
                Ended::Never => return None,
                Ended::NotYet => {}
            }
            if reader.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        }
    };
    timeout_at(deadline, talk).await.ok()?
}
