//! What can be wrong with a certificate.

use super::listed;
use crate::Time;
use crate::shown::clean;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What is wrong with a certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Error)]
#[serde(tag = "tls", rename_all = "snake_case")]
pub enum TlsFault {
    /// It ran out.
    #[error("serves a certificate that expired at {since}")]
    Expired {
        /// When.
        since: Time,
    },
    /// It is not valid yet.
    #[error("serves a certificate that is not valid before {from}")]
    NotYetValid {
        /// From when it will be.
        from: Time,
    },
    /// It is for other names. Node says ERR_TLS_CERT_ALTNAME_INVALID; people search for that word.
    #[error("serves a certificate for {} (ERR_TLS_CERT_ALTNAME_INVALID)", listed(presented))]
    WrongName {
        /// The names it is for.
        presented: Vec<String>,
    },
    /// It vouches for itself.
    #[error("serves a self-signed certificate")]
    SelfSigned,
    /// Its chain ends in a root that we do not trust.
    #[error("serves a certificate whose root `{root}` is not trusted")]
    UntrustedRoot {
        /// Subject of the root.
        root: String,
    },
    /// An intermediate is missing between the last certificate served and any root.
    #[error("serves an incomplete certificate chain: `{missing}` is missing")]
    IncompleteChain {
        /// Issuer of the last certificate served.
        missing: String,
    },
    /// Its key is too weak.
    #[error("serves a certificate with a weak key ({key})")]
    WeakKey {
        /// Kind and size.
        key: String,
    },
    /// Its issuer revoked it (stapled OCSP).
    #[error("serves a certificate that its issuer revoked")]
    Revoked,
    /// Little of its lifetime is left, though it is still valid.
    #[error("serves a certificate that expires at {at}: {left_percent} % of its lifetime is left")]
    Expiring {
        /// When it runs out.
        at: Time,
        /// What is left of the lifetime, in per cent.
        left_percent: u8,
    },
    /// Some other reason to refuse it.
    #[error("serves a certificate that cannot be accepted: {why}")]
    Other {
        /// The verifier's word.
        why: String,
    },
}

impl TlsFault {
    /// Makes what outsiders wrote in it safe to show.
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

    /// The machine word.
    #[must_use]
    pub fn word(&self) -> &'static str {
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
