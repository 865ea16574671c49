//! Observations: what was measured, and what came of a delivery.

use crate::audit::CriterionChange;
use crate::effect::{ChangePoint, Effect};
use crate::series::{LevelSeries, Medians};
use crate::{Delivery, IncidentId, LikelyCause, ProbeResult, Resource, Rollup, Time};

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
    /// The effect of a note or change was measured.
    Effect {
        /// The note or change.
        of: ChangePoint,
        /// Its effect so far.
        effect: Effect,
        /// Whether more points would not change it.
        is_final: bool,
    },
    /// The resources of an incident were ranked by their measurements.
    CausesRanked {
        /// The incident.
        incident: IncidentId,
        /// Those that stand out, the most exceptional first.
        likely: Vec<LikelyCause>,
    },
    /// Peaks of a pool or database were read from stored samples.
    PeaksRead {
        /// The pool or database.
        resource: Resource,
        /// Begin of each hour in UTC, with the highest half minute in it: requests a second, or the share of connection
        /// slots in use. An hour without samples is not there.
        hours: Vec<(Time, f64)>,
        /// Requests a second of one server in each ten seconds in which the edge limited the pool, with their time.
        at_limit: Vec<(Time, f64)>,
    },
    /// Medians of a level that has a limit were read from stored samples.
    MediansRead {
        /// The series.
        of: LevelSeries,
        /// Steps that ended since the last read; at first ten days.
        medians: Medians,
        /// End of the last step that was read.
        until: Time,
    },
    /// Two audits in a row agree on what changed.
    CriteriaChanged(Vec<CriterionChange>),
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
