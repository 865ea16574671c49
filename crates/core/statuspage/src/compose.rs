//! Writes an update: title, affected services, and the text. It names services, never machines.

use crate::edge_cause::{self, EdgeCause};
use crate::public;
use crate::state::State;
use crate::titles::{self, DETECTED, are, bounded, list, titles};
use crate::updates::{self, DueUpdate, Reason, States};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use types::config::Publish;
use types::event::{ServiceState, UpdateStatus};
use types::incident::Stage;
use types::incident::next_update_by;
use types::time::{between, clock, formatted, spoken};
use types::{Config, Context, EventKind, Incident, Kind, ServiceId, Time, UpdateId};

/// Returns the title of an incident on the status page. It does not change during recovery and at the end: "is failing"
/// names the incident, not the moment.
pub(crate) fn title(
    config: &Config,
    state: &State,
    incident: &Incident,
    affected: &BTreeMap<ServiceId, ServiceState>,
    cause: Option<EdgeCause>,
) -> String {
    let published = state.incidents.get(&incident.id);
    let over = !incident.is_open() || incident.diagnosis.stage == Stage::Recovering;
    match published {
        Some(published) if !published.title.is_empty() && (over || affected.is_empty()) => {
            published.title.clone()
        }
        _ => {
            let titles = titles(config, affected.keys());
            let worst = affected.values().copied().chain(published.map(|published| published.impact)).max();
            edge_cause::title(cause, &titles).unwrap_or_else(|| titles::title(&titles, worst))
        }
    }
}

/// Everything that an update is written from.
pub(crate) struct Composer<'a> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) state: &'a State,
    pub(crate) states: &'a States<'a>,
}

impl Composer<'_> {
    /// Returns the event that publishes an update, or that stores it as a draft.
    pub(crate) fn event(&self, update: UpdateId, incident: &Incident, due: DueUpdate) -> EventKind {
        let Self { context, state, states } = *self;
        let config = context.config;
        let affected = updates::affected(config, state, incident, due.status, states);
        let cause = edge_cause::edge_cause(context, incident);
        let title = title(config, state, incident, &affected, cause);
        let body = self.body(incident, due, &affected, cause);
        let (incident, status) = (incident.id, due.status);
        match config.status_page.publish {
            Publish::Approve => EventKind::UpdateDrafted { incident, status, title, body, affected },
            Publish::Automatic | Publish::Manual => {
                EventKind::UpdatePublished { update, incident, status, title, body, affected, by: None }
            }
        }
    }

    fn body(
        &self,
        incident: &Incident,
        due: DueUpdate,
        affected: &BTreeMap<ServiceId, ServiceState>,
        cause: Option<EdgeCause>,
    ) -> String {
        let mut sentences = match due.reason {
            Reason::Merged => vec![merged(self.other_title(incident).as_deref())],
            Reason::Promised | Reason::News if due.status == UpdateStatus::Resolved => {
                vec![self.resolved(incident, affected)]
            }
            Reason::Promised => self.no_news(incident, affected),
            Reason::News => self.news(incident, due.status, affected, cause),
        };
        if due.status < UpdateStatus::Resolved {
            sentences.extend(self.unaffected(incident, affected));
            if self.context.config.status_page.publish == Publish::Automatic {
                let by = clock(next_update_by(self.context.now), &self.context.config.site.timezone);
                sentences.push(format!("Next update by {by}."));
            }
        }
        bounded(sentences.join(" "))
    }

    fn no_news(&self, incident: &Incident, affected: &BTreeMap<ServiceId, ServiceState>) -> Vec<String> {
        let what = format!("{}.", symptom(&titles(self.context.config, affected.keys()), affected));
        let nothing = "There is nothing new to report since the last update.".to_owned();
        // Only an acknowledgement shows that a person works on it.
        let working =
            incident.is_acknowledged(self.context.now).then(|| "We are still working on it.".to_owned());
        working.into_iter().chain([what, nothing]).collect()
    }

    fn news(
        &self,
        incident: &Incident,
        status: UpdateStatus,
        affected: &BTreeMap<ServiceId, ServiceState>,
        edge_cause: Option<EdgeCause>,
    ) -> Vec<String> {
        let titles = titles(self.context.config, affected.keys());
        let acknowledged = incident.is_acknowledged(self.context.now);
        if status == UpdateStatus::Monitoring {
            let first = if titles.is_empty() {
                "The cause is fixed.".to_owned()
            } else {
                format!("The cause is fixed and {} recovering.", are(&titles))
            };
            let rest = "It can take a while until it works for everybody again. We keep watching.";
            return vec![first, rest.to_owned()];
        }
        if status == UpdateStatus::Investigating {
            let next = if acknowledged { "We are looking for the cause." } else { DETECTED };
            return vec![format!("{}.", symptom(&titles, affected)), next.to_owned()];
        }
        let by_edge = edge_cause.and_then(|cause| edge_cause::sentences(cause, &titles, acknowledged));
        by_edge.unwrap_or_else(|| {
            let cause = cause(incident.diagnosis.cause.kind, acknowledged);
            vec![format!("{}.", symptom(&titles, affected)), cause]
        })
    }

    fn resolved(&self, incident: &Incident, affected: &BTreeMap<ServiceId, ServiceState>) -> String {
        let state = self.state;
        let since = state.incidents.get(&incident.id).map_or(incident.since, |published| published.since);
        let ended = incident.resolved.unwrap_or(self.context.now);
        // A person may resolve it before the probes recover: then the text does not say that it works.
        let works = affected.values().all(|state| *state == ServiceState::Operational);
        // An incident is monitored for some time after all works again. That time is no part of what users noticed.
        let well_since = |service: &ServiceId| match state.service(service) {
            Some((ServiceState::Operational, well)) if well > since => well,
            _ => ended,
        };
        let well = affected.keys().map(well_since).max().filter(|_| works);
        let end = well.map_or(ended, |well| well.min(ended));
        let titles = if works { titles(self.context.config, affected.keys()) } else { Vec::new() };
        over(&titles, since, end, &self.context.config.site.timezone)
    }

    /// Title of the incident that this one was merged into, where that one is public.
    fn other_title(&self, incident: &Incident) -> Option<String> {
        let Self { context, state, states } = *self;
        let config = context.config;
        let other = incident.merged_into.and_then(|into| context.incidents.get(&into))?;
        let affected = updates::affected(config, state, other, UpdateStatus::Investigating, states);
        // An incident that affects no public service is never published: there would be nothing to follow.
        let cause = edge_cause::edge_cause(context, other);
        (!affected.is_empty()).then(|| title(config, state, other, &affected, cause))
    }

    fn unaffected(
        &self,
        incident: &Incident,
        affected: &BTreeMap<ServiceId, ServiceState>,
    ) -> Option<String> {
        let well = titles(
            self.context.config,
            public(self.context.config, &incident.diagnosis.unaffected)
                .filter(|id| !affected.contains_key(*id) && (self.states)(id) == ServiceState::Operational),
        );
        (!well.is_empty()).then(|| format!("{} not affected.", are(&well)))
    }
}

/// Describes what clients notice, without a full stop.
fn symptom(titles: &[String], affected: &BTreeMap<ServiceId, ServiceState>) -> String {
    if titles.is_empty() {
        return "Some of what we do is not working as it should".to_owned();
    }
    let best = affected.values().min().copied();
    let worst = affected.values().max().copied();
    let how = match (best, worst) {
        (_, None | Some(ServiceState::Operational | ServiceState::Unknown)) => "working at the moment",
        (_, Some(ServiceState::Degraded)) => "slow or not working well",
        (Some(ServiceState::MajorOutage), _) => "failing",
        _ => "failing, or may fail, for some of you",
    };
    format!("{} {how}", are(titles))
}

/// Describes the cause for readers outside the team.
fn cause(kind: Kind, acknowledged: bool) -> String {
    let known = match kind {
        Kind::Domain => Some("The cause is a problem with the registration of a domain name"),
        Kind::Dns => Some("The cause is a problem with name servers"),
        Kind::Tls => Some("The cause is a problem with a certificate"),
        Kind::Database => Some("The cause is a problem with a database"),
        Kind::Location => Some("The cause is a problem with power or network where our servers stand"),
        _ => None,
    };
    match (known, acknowledged) {
        (Some(known), true) => format!("{known}, and we are working on it."),
        (Some(known), false) => format!("{known}. {DETECTED}"),
        (None, true) => "We know what is failing, and we are working on it.".to_owned(),
        (None, false) => DETECTED.to_owned(),
    }
}

fn over(titles: &[String], since: Time, end: Time, zone: &TimeZone) -> String {
    let day = |at: Time| at.to_zoned_datetime(zone.clone()).date();
    let pattern = if day(since) == day(end) { "%H:%M" } else { "%-d %b, %H:%M" };
    let (from, until) = (formatted(since, zone, pattern), formatted(end, zone, pattern));
    let lasted = format!("from {from} until {until} ({})", spoken(between(since, end)));
    match titles {
        [] => format!("It is over. It lasted {lasted}."),
        [one] => format!("{one} works again. It was affected {lasted}."),
        all => format!("{} work again. They were affected {lasted}.", list(all)),
    }
}

fn merged(other: Option<&str>) -> String {
    match other.filter(|title| !title.is_empty()) {
        Some(title) => {
            format!("This is part of a larger problem. Please follow the updates under “{title}”.")
        }
        None => "This is part of a larger problem.".to_owned(),
    }
}
