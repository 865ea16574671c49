//! Faults of registrations.

use crate::Time;
use crate::shown::{clean, clean_all};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use thiserror::Error;

/// A fault of a registration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Error)]
#[serde(tag = "domain", rename_all = "snake_case")]
pub enum DomainFault {
    /// It expires soon.
    #[error("expires in {days} days, at {at}")]
    Expires {
        /// Expiry date.
        at: Time,
        /// The step that was reached: 60, 30, 14, 7 or 1 days.
        days: u16,
    },
    /// It expired. `at` is the date that was paid for, as far as known.
    #[error("expired{}", at.map(|at| format!(" at {at}")).unwrap_or_default())]
    Expired {
        /// Expiry date, if known.
        at: Option<Time>,
        /// Its name servers, when they are not the known ones.
        parked_on: Option<BTreeSet<String>>,
    },
    /// In the auto renew period: the registry moved the date, the renewal may be unpaid.
    #[error("is in its auto renew period: the registry moved the date, but it may not have been paid for")]
    AutoRenew,
    /// Removed from DNS by a hold.
    #[error("is removed from DNS by its {by} ({status})")]
    Held {
        /// `registrar` or `registry`.
        by: String,
        /// The status code.
        status: String,
    },
    /// Deleted, but can be restored.
    #[error("was deleted and can be restored for at most 30 days (redemption period)")]
    Redemption,
    /// Will be released soon.
    #[error("is about to be released for registration (pending delete)")]
    PendingDelete,
    /// In transfer to another registrar.
    #[error("is being transferred to another registrar")]
    PendingTransfer,
    /// The registry does not know it.
    #[error("is not registered")]
    NotRegistered,
    /// Registered without a known expiry date, neither published nor configured.
    #[error("has no known expiry date: its registry does not publish one")]
    Undated,
    /// The date has not been confirmed for a long time.
    #[error("has an expiry date that could not be confirmed since {since}")]
    Stale {
        /// Last confirmation.
        since: Time,
    },
}

impl DomainFault {
    /// Escapes external text in it.
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

    /// The code for machines.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
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
