//! What can be wrong with a registration.

use crate::Time;
use crate::shown::{clean, clean_all};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use thiserror::Error;

/// What is wrong with a registration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Error)]
#[serde(tag = "domain", rename_all = "snake_case")]
pub enum DomainFault {
    /// It runs out soon.
    #[error("expires in {days} days, at {at}")]
    Expires {
        /// When.
        at: Time,
        /// The step of the escalation 60/30/14/7/1 that was reached.
        days: u16,
    },
    /// It ran out. `at` is the date that was paid for, by the best knowledge there is.
    #[error("expired{}", at.map(|at| format!(" at {at}")).unwrap_or_default())]
    Expired {
        /// When, where anybody says so.
        at: Option<Time>,
        /// The name servers it was handed to, when they are not the ones we knew.
        parked_on: Option<BTreeSet<String>>,
    },
    /// In the auto renew period: the registry moved the date, nobody may have paid.
    #[error("is in its auto renew period: the registry moved the date, but it may not have been paid for")]
    AutoRenew,
    /// Taken out of the zone.
    #[error("is taken out of the zone by its {by} ({status})")]
    Held {
        /// `registrar` or `registry`.
        by: String,
        /// The status code.
        status: String,
    },
    /// Deleted, may still be restored.
    #[error("was deleted and can be restored for at most 30 days (redemption period)")]
    Redemption,
    /// About to be free for anybody.
    #[error("is about to be released to anybody (pending delete)")]
    PendingDelete,
    /// Being moved to another registrar.
    #[error("is being transferred to another registrar")]
    PendingTransfer,
    /// The registry does not know it.
    #[error("is not registered")]
    NotRegistered,
    /// It is registered, but neither the registry nor the configuration tells until when.
    #[error("has no known expiry date: its registry does not tell one")]
    Undated,
    /// The date has not been confirmed for a long time.
    #[error("has an expiry date that could not be confirmed since {since}")]
    Stale {
        /// When it was last confirmed.
        since: Time,
    },
}

impl DomainFault {
    /// Makes what outsiders wrote in it safe to show.
    pub(crate) fn clean(&mut self) {
        match self {
            Self::Expired { parked_on: Some(servers), .. } => clean_all(servers),
            Self::Held { by, status } => {
                clean(by);
                clean(status);
            }
            _ => {}
        }
    }

    /// The machine word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Expires { .. } => "domain-expires",
            Self::Expired { .. } => "domain-expired",
            Self::AutoRenew => "domain-auto-renew",
            Self::Held { .. } => "domain-held",
            Self::Redemption => "domain-redemption",
            Self::PendingDelete => "domain-pending-delete",
            Self::PendingTransfer => "domain-pending-transfer",
            Self::NotRegistered => "domain-not-registered",
            Self::Undated => "domain-undated",
            Self::Stale { .. } => "domain-stale",
        }
    }
}
