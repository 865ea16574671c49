//! What can be wrong with name servers' answers.

use super::listed;
use crate::shown::{clean, clean_all};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use thiserror::Error;

/// What is wrong with name servers' answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Error)]
#[serde(tag = "dns", rename_all = "snake_case")]
pub enum DnsFault {
    /// The parent delegates to other servers than it did.
    #[error("is delegated to {} instead of {}", listed(to), listed(from))]
    DelegationMoved {
        /// The servers we knew.
        from: BTreeSet<String>,
        /// The servers the parent names now.
        to: BTreeSet<String>,
    },
    /// The parent does not know the domain.
    #[error("is not delegated by its parent zone")]
    NotDelegated,
    /// The name does not exist.
    #[error("does not exist (NXDOMAIN)")]
    NxDomain,
    /// The server failed.
    #[error("fails (SERVFAIL)")]
    ServFail,
    /// The server will not answer for this zone: a lame delegation.
    #[error("refuses to answer for the zone (REFUSED)")]
    Lame,
    /// No answer in time.
    #[error("does not answer")]
    Silent,
    /// An answer, but not from authority.
    #[error("answers without authority")]
    NotAuthoritative,
    /// The answer could not be read.
    #[error("answers with garbage: {why}")]
    Garbage {
        /// Where it went wrong.
        why: String,
    },
    /// Servers disagree with one another.
    #[error("is answered differently by its name servers ({})", listed(servers))]
    Disagree {
        /// Those in the minority.
        servers: BTreeSet<String>,
    },
    /// Some of the delegated servers do not serve the zone.
    #[error("has name servers that do not serve it: {}", listed(servers))]
    LameServers {
        /// Which.
        servers: BTreeSet<String>,
    },
    /// None of the delegated servers serves the zone.
    #[error("has no name server that answers for it")]
    NoServer,
}

impl DnsFault {
    /// Makes what outsiders wrote in it safe to show.
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

    /// The machine word.
    #[must_use]
    pub fn word(&self) -> &'static str {
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
