//! What happened in a period: the content of a digest.

use crate::OnCall;
use crate::recent::{AlertRecord, Lost};
use crate::state::IncidentRecord;
use std::collections::BTreeMap;
use std::time::Duration;
use types::audit::Criterion;
use types::time::between;
use types::{Config, Context, Incident, RecordedChange, Resource, Severity, Time};

/// What happened, each list from the oldest to the newest.
pub(super) struct News<'a> {
    pub(super) since: Time,
    pub(super) until: Time,
    /// Incidents that were open in the period, with the messages about them.
    pub(super) incidents: Vec<(&'a Incident, Option<&'a IncidentRecord>)>,
    /// Criteria that fail the audit and were lost in the period.
    pub(super) lost: Vec<(Criterion, &'a Resource, &'a Lost)>,
    /// Alerts about slowness that were part of no incident.
    pub(super) slow: Vec<Repeated<'a>>,
    /// Other alerts that were part of no incident.
    pub(super) alerts: Vec<Repeated<'a>>,
    /// Changes that came into effect in the period.
    pub(super) changes: Vec<&'a RecordedChange>,
    /// Periods in which nothing was monitored.
    pub(super) gaps: Vec<(Time, Time)>,
}

/// Alerts of the same resource and fault.
pub(super) struct Repeated<'a> {
    /// The text of the newest.
    pub(super) text: &'a str,
    /// When the first one opened.
    pub(super) first: Time,
    /// Their number.
    pub(super) times: usize,
    /// Time for which they were open, together.
    pub(super) duration: Duration,
    /// Whether the newest is open.
    pub(super) open: bool,
}

impl News<'_> {
    /// Whether there is nothing to say.
    pub(super) fn is_empty(&self) -> bool {
        self.incidents.is_empty()
            && self.lost.is_empty()
            && self.slow.is_empty()
            && self.alerts.is_empty()
            && self.changes.is_empty()
            && self.gaps.is_empty()
    }
}

impl OnCall {
    /// What happened from `since` until just before `until`. An incident or alert counts from its opening, which is never
    /// added to the past.
    pub(super) fn news<'a>(&'a self, context: &Context<'a>, (since, until): (Time, Time)) -> News<'a> {
        let Context { config, incidents, changes, .. } = *context;
        let recent = &self.state.recent;
        let is_within = |at: Time| since <= at && at < until;
        let was_open = |incident: &&Incident| {
            incident.opened < until
                && incident.merged_into.is_none()
                && incident.resolved.is_none_or(|end| since <= end)
        };
        let incidents = incidents.values().filter(was_open);
        let lost = recent.lost.iter().filter(|((criterion, resource), lost)| {
            is_within(lost.at)
                && context.musts.contains(criterion)
                && !is_accepted(config, (*criterion, resource), until)
        });
        let mut lost: Vec<_> =
            lost.map(|((criterion, resource), lost)| (*criterion, resource, lost)).collect();
        lost.sort_by_key(|(_, _, lost)| lost.at);
        let mut changes: Vec<_> =
            changes.values().filter(|recorded| is_within(recorded.change.in_effect())).collect();
        changes.sort_by_key(|recorded| recorded.change.in_effect());
        let alerts = |slow: bool| {
            let all = recent.alerts.values().filter(|record| is_within(record.opened) && is_alone(record));
            repeated(all.filter(|record| record.slow == slow), context.now)
        };
        News {
            since,
            until,
            incidents: incidents.map(|it| (it, self.state.incidents.get(&it.id))).collect(),
            lost,
            slow: alerts(true),
            alerts: alerts(false),
            changes,
            gaps: recent.gaps.iter().copied().filter(|(_, end)| is_within(*end)).collect(),
        }
    }
}

/// Whether an alert is part of no incident, and will not be: an open one of a higher severity is about to.
fn is_alone(record: &AlertRecord) -> bool {
    !record.in_incident && (record.closed.is_some() || record.severity == Severity::Info)
}

/// Whether an exception of the configuration accepts that a criterion is not met.
fn is_accepted(config: &Config, (criterion, resource): (Criterion, &Resource), at: Time) -> bool {
    let mut exceptions = config.audit.exceptions.iter();
    exceptions.any(|exception| exception.is_about(criterion, resource) && at < exception.until)
}

/// Alerts by resource and fault, in the order in which the first of each opened.
fn repeated<'a>(records: impl Iterator<Item = &'a AlertRecord>, now: Time) -> Vec<Repeated<'a>> {
    let mut all: BTreeMap<(&Resource, &str), Repeated<'a>> = BTreeMap::new();
    for record in records {
        let one = all.entry((&record.about, record.code)).or_insert_with(|| Repeated {
            text: &record.text,
            first: record.opened,
            times: 0,
            duration: Duration::ZERO,
            open: false,
        });
        one.text = &record.text;
        one.times += 1;
        one.duration += between(record.opened, record.closed.unwrap_or(now));
        one.open = record.closed.is_none();
    }
    let mut all: Vec<Repeated<'a>> = all.into_values().collect();
    all.sort_by_key(|one| one.first);
    all
}
