//! Observations: what was measured, and what came of a delivery.

use crate::{Delivery, ProbeResult, Rollup};

/// One observation. It is never refused.
#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "results of probes are nearly all inputs, and each lives for one call"
)]
pub enum Observation {
    /// A probe has a result.
    ProbeResult(ProbeResult),
    /// The edge reports its traffic of the last second.
    Rollup(Rollup),
    /// A delivery attempt has ended.
    Delivery(Delivery),
}

impl From<ProbeResult> for Observation {
    fn from(result: ProbeResult) -> Self {
        Self::ProbeResult(result)
    }
}

impl From<Rollup> for Observation {
    fn from(rollup: Rollup) -> Self {
        Self::Rollup(rollup)
    }
}

impl From<Delivery> for Observation {
    fn from(delivery: Delivery) -> Self {
        Self::Delivery(delivery)
    }
}
