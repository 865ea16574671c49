//! Faults of DNS.

use super::listed;
use crate::shown::{clean, clean_all};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use thiserror::Error;

/// A fault of DNS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Error)]
#[serde(tag = "dns", rename_all = "snake_case")]
pub enum DnsFault {
    /// The parent zone delegates to other servers than before.
    #[error("is delegated to {} instead of {}", listed(to), listed(from))]
    DelegationMoved {
        /// The known servers.
        from: BTreeSet<String>,
        /// The servers in the parent zone now.
        to: BTreeSet<String>,
    },
    /// The parent zone has no delegation.
    #[error("is not delegated by its parent zone")]
    NotDelegated,
    /// The name does not exist.
    #[error("does not exist (NXDOMAIN)")]
    NxDomain,
    /// The server answers SERVFAIL.
    #[error("fails (SERVFAIL)")]
    ServFail,
    /// The server refuses the zone: a lame delegation.
    #[error("refuses to answer for the zone (REFUSED)")]
    Lame,
    /// The server does not answer.
    #[error("does not answer")]
    Silent,
    /// The answer is not authoritative.
    #[error("answers without authority")]
    NotAuthoritative,
    /// The answer is malformed.
    #[error("sends malformed answers: {why}")]
    Garbage {
        /// The error.
        why: String,
    },
    /// Servers disagree with one another.
    #[error("has name servers that disagree ({})", listed(servers))]
    Disagree {
        /// Those that differ from the majority.
        servers: BTreeSet<String>,
    },
    /// Some of the delegated servers do not serve the zone.
    #[error("has name servers that do not serve it: {}", listed(servers))]
    LameServers {
        /// Those servers.
        servers: BTreeSet<String>,
    },
    /// None of the delegated servers serves the zone.
    #[error("has no name server that answers for it")]
    NoServer,
}

impl DnsFault {
    /// Escapes external text in it.
    pub(crate) fn clean(&mut self) {
        match self {
            Self::DelegationMoved { from, to } => {
                clean_all(from);
                clean_all(to);
            }
            Self::Garbage { why } => clean(why),
            Self::Disagree { servers } | Self::LameServers { servers } => clean_all(servers),
            _ => {}
        }
    }

    /// The code for machines.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::DelegationMoved { .. } => "dns-delegation-moved",
            Self::NotDelegated => "dns-not-delegated",
            Self::NxDomain => "dns-nxdomain",
            Self::ServFail => "dns-servfail",
            Self::Lame => "dns-lame",
            Self::Silent => "dns-silent",
            Self::NotAuthoritative => "dns-not-authoritative",
            Self::Garbage { .. } => "dns-garbage",
            Self::Disagree { .. } => "dns-disagree",
            Self::LameServers { .. } => "dns-lame-servers",
            Self::NoServer => "dns-no-server",
        }
    }
}
