//! Alerts that are part of no incident: notices to the team, several alerts in one.

use crate::OnCall;
use crate::notice::ALERTS;
use std::collections::BTreeSet;
use std::time::Duration;
use types::time::later;
use types::{Alert, AlertId, Context, EventKind, Severity, Time};

/// Time for which an alert is open before the team is notified: until then others join it, and it may end or become part
/// of an incident.
const GROUP_WAIT: Duration = Duration::from_secs(60);
/// Shortest time between two notices.
const GROUP_INTERVAL: Duration = Duration::from_secs(600);
/// Shortest time between two notices about the same fault of the same resource, which comes and goes.
const REPEAT_AFTER: Duration = Duration::from_secs(4 * 3_600);

impl OnCall {
    /// The notice about all alerts of which the team should know and does not.
    pub(crate) fn alert_notice(&self, context: &Context<'_>) -> Option<EventKind> {
        let now = context.now;
        if self.interval_ends().is_some_and(|end| now < end) {
            return None;
        }
        let due: BTreeSet<AlertId> =
            self.not_notified(context).filter(|(_, at)| *at <= now).map(|(id, _)| id).collect();
        let first = due.first()?;
        let opened = due.iter().filter_map(|id| Some(self.state.recent.alerts.get(id)?.opened));
        Some(EventKind::TeamNoticeQueued {
            occasion: format!("{ALERTS}{}", first.0),
            since: opened.min().unwrap_or(now),
            until: now,
            alerts: due,
        })
    }

    /// When the next notice is due, if nothing else happens.
    pub(super) fn next_alert_notice(&self, context: &Context<'_>) -> Option<Time> {
        let earliest = self.interval_ends();
        let at = self.not_notified(context).map(|(_, at)| earliest.map_or(at, |end| end.max(at)));
        at.filter(|at| context.now < *at).min()
    }

    fn interval_ends(&self) -> Option<Time> {
        self.state.team.last_alerts().map(|at| later(at, GROUP_INTERVAL))
    }

    /// Open alerts of severity info of which the team was not notified, each with the time at which it should be.
    fn not_notified<'a>(&'a self, context: &'a Context<'_>) -> impl Iterator<Item = (AlertId, Time)> + 'a {
        let has_team = context.config.notices.is_some();
        let low = context.alerts.values().filter(move |it| has_team && it.severity == Severity::Info);
        low.filter_map(|alert| {
            let record = self.state.recent.alerts.get(&alert.id)?;
            if record.in_incident || record.notified || is_explained(context, alert) {
                return None;
            }
            let at = later(record.opened, GROUP_WAIT);
            let again = self.state.recent.last_notified(record).map(|last| later(last, REPEAT_AFTER));
            Some((alert.id, again.map_or(at, |again| again.max(at))))
        })
    }
}

/// Whether a maintenance that goes on explains an alert, or a silence covers it.
fn is_explained(context: &Context<'_>, alert: &Alert) -> bool {
    if context.silence_of(alert).is_some() {
        return true;
    }
    context.maintenances.values().any(|one| {
        one.holds_until().is_some_and(|until| context.now < until)
            && one.explains(&context.config.graph, alert)
    })
}
