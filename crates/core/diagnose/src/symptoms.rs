//! Symptoms of an incident: alerts about slowness of what it concerns. They are of severity info, so they open no incident,
//! are never its cause and do not keep it open; they are named in its summary.

use crate::impact::hurts;
use crate::state::Case;
use std::collections::BTreeSet;
use types::{Alert, AlertId, Context, Fault, Resource};

/// Alerts about slowness that are considered: the earliest ones.
const SLOW_MAX: usize = 32;

/// An open alert about slowness, and everything that depends on its resource.
#[derive(Debug)]
pub(crate) struct SlowAlert {
    id: AlertId,
    above: BTreeSet<Resource>,
}

/// The earliest open alerts about slowness.
pub(crate) fn slow(context: &Context<'_>) -> Vec<SlowAlert> {
    let is_slow = |alert: &&Alert| matches!(alert.fault, Fault::SlowerThanUsual { .. });
    let mut all: Vec<&Alert> = context.alerts.values().filter(is_slow).collect();
    all.sort_by_key(|alert| (alert.since, alert.id));
    all.truncate(SLOW_MAX);
    let slow = |alert: &Alert| {
        let mut above = context.config.graph.above(&alert.about);
        above.insert(alert.about.clone());
        SlowAlert { id: alert.id, above }
    };
    all.into_iter().map(slow).collect()
}

/// Those that concern an incident in which users are affected: of its cause, of an affected service, or of what such a
/// service depends on. Earliest first.
pub(crate) fn of<'a>(
    context: &Context<'a>,
    slow: &[SlowAlert],
    cause: &Resource,
    cases: &[&Case],
    affected: &BTreeSet<Resource>,
) -> Vec<&'a Alert> {
    if !cases.iter().any(|case| case.closed.is_none() && hurts(&case.alert)) {
        return Vec::new();
    }
    let concerns = |slow: &&SlowAlert| slow.above.contains(cause) || !slow.above.is_disjoint(affected);
    slow.iter().filter(concerns).filter_map(|slow| context.alerts.get(&slow.id)).collect()
}
