//! Faults of certificates.

use super::listed;
use crate::Time;
use crate::shown::clean;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A fault of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Error)]
#[serde(tag = "tls", rename_all = "snake_case")]
pub enum TlsFault {
    /// It has expired.
    #[error("serves a certificate that expired at {since}")]
    Expired {
        /// Expiry date.
        since: Time,
    },
    /// It is not valid yet.
    #[error("serves a certificate that is not valid before {from}")]
    NotYetValid {
        /// Start of its validity.
        from: Time,
    },
    /// It is for other names. Node.js calls this ERR_TLS_CERT_ALTNAME_INVALID, a common search term.
    #[error("serves a certificate for {} (ERR_TLS_CERT_ALTNAME_INVALID)", listed(presented))]
    WrongName {
        /// Its names.
        presented: Vec<String>,
    },
    /// It is self-signed.
    #[error("serves a self-signed certificate")]
    SelfSigned,
    /// Its chain ends in an untrusted root.
    #[error("serves a certificate whose root `{root}` is not trusted")]
    UntrustedRoot {
        /// Subject of the root.
        root: String,
    },
    /// An intermediate certificate is missing.
    #[error("serves an incomplete certificate chain: `{missing}` is missing")]
    IncompleteChain {
        /// Issuer of the last certificate served.
        missing: String,
    },
    /// Its key is weak.
    #[error("serves a certificate with a weak key ({key})")]
    WeakKey {
        /// Type and size.
        key: String,
    },
    /// It was revoked by its issuer (stapled OCSP).
    #[error("serves a certificate that its issuer revoked")]
    Revoked,
    /// It is valid, but little of its lifetime is left.
    #[error("serves a certificate that expires at {at}: {left_percent} % of its lifetime is left")]
    Expiring {
        /// Expiry date.
        at: Time,
        /// Remaining lifetime in per cent.
        left_percent: u8,
    },
    /// Another reason to reject it.
    #[error("serves a certificate that cannot be accepted: {why}")]
    Other {
        /// Error of the verifier.
        why: String,
    },
}

impl TlsFault {
    /// The first fault for which clients refuse a certificate. One that only expires soon is accepted.
    #[must_use]
    pub fn refusal(faults: &[Self]) -> Option<&Self> {
        faults.iter().find(|fault| !matches!(fault, Self::Expiring { .. }))
    }

    /// Escapes external text in it.
    pub(crate) fn clean(&mut self) {
        match self {
            Self::WrongName { presented } => presented.iter_mut().for_each(clean),
            Self::UntrustedRoot { root: text }
            | Self::IncompleteChain { missing: text }
            | Self::WeakKey { key: text }
            | Self::Other { why: text } => clean(text),
            _ => {}
        }
    }

    /// The code for machines.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Expired { .. } => "tls-expired",
            Self::NotYetValid { .. } => "tls-not-yet-valid",
            Self::WrongName { .. } => "tls-wrong-name",
            Self::SelfSigned => "tls-self-signed",
            Self::UntrustedRoot { .. } => "tls-untrusted-root",
            Self::IncompleteChain { .. } => "tls-incomplete-chain",
            Self::WeakKey { .. } => "tls-weak-key",
            Self::Revoked => "tls-revoked",
            Self::Expiring { .. } => "tls-expiring",
            Self::Other { .. } => "tls-other",
        }
    }
}
