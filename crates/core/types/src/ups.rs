//! One look at an uninterruptible power supply (UPS): its state as its daemon gives it, without judgement. The prober fills it
//! in; `detect` judges it.

use crate::shown::clean;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// State of a UPS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpsSeen {
    /// Address of the daemon that answered.
    pub address: SocketAddr,
    /// Flags of `ups.status`: `OL`, `OB`, `LB`, `CHRG` and others.
    pub status: BTreeSet<String>,
    /// Charge of the battery in percent, `battery.charge`.
    pub charge_percent: Option<u8>,
    /// How long the battery lasts at this load, `battery.runtime`.
    pub runtime: Option<Duration>,
    /// Load in percent of what it can carry, `ups.load`.
    pub load_percent: Option<u32>,
}

impl UpsSeen {
    /// Whether a flag is set.
    #[must_use]
    pub fn is(&self, flag: &str) -> bool {
        self.status.contains(flag)
    }

    pub(crate) fn clean(&mut self) {
        self.status = std::mem::take(&mut self.status)
            .into_iter()
            .map(|mut flag| {
                clean(&mut flag);
                flag
            })
            .collect();
    }
}
