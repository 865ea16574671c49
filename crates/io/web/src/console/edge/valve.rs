//! Valves that are not fully open.

use crate::design::{Clock, Moment};
use engine::views::Traffic;
use engine::views::traffic::ServiceNow;
use types::Valve;

/// A valve, as the console shows it.
pub(super) struct ValveView<'a> {
    pub(super) row: &'a ServiceNow,
    pub(super) valve: &'a Valve,
    pub(super) since: Moment,
    /// Why the ramp waits.
    pub(super) obstacle: Option<String>,
}

pub(super) fn views<'a>(traffic: &'a Traffic, clock: Clock<'_>) -> Vec<ValveView<'a>> {
    let not_open = traffic.services.iter().filter_map(|row| Some((row, row.valve.as_ref()?)));
    not_open
        .map(|(row, now)| ValveView {
            row,
            valve: &now.valve,
            since: clock.time(now.valve.since),
            obstacle: now.obstacle.as_ref().map(ToString::to_string),
        })
        .collect()
}
