//! Score of a power cut: what was named before it, during it and after it, and which entries and updates arrived.

use super::secs_between;
use crate::reached::{connection_named, creeping_named, reached};
use crate::script::{Limits, Milestone, Script};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use types::{Event, EventKind, IncidentId, ServiceId, Time, UpdateId};

#[cfg(test)]
mod tests;

/// Records of the fixture about a power cut, independent of mainstay.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PowerObservations {
    /// Criteria of the audit that had to be named before the cut, and whether each was.
    pub audited: Vec<(String, bool)>,
    /// Time at which mainstay was back after the cut.
    pub back_at: Option<Time>,
    /// Time of the promotion.
    pub promoted_at: Option<Time>,
    /// Time at which the application connected to the old primary again.
    pub wrong_since: Option<Time>,
    /// Time since which the application becomes slower.
    pub leaks_since: Option<Time>,
    /// Time at which the first server crashed of that.
    pub crashed_at: Option<Time>,
    /// Entries of the browser.
    pub entries: Entries,
    /// Kills of the edge while it delivered entries.
    pub edge_kills: u32,
    /// Updates that the subscribers of the status page received.
    pub received: Vec<Received>,
}

/// Entries that a person recorded in a browser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Entries {
    /// Entries that were made.
    pub made: u64,
    /// Those of them that were made while the service could not record them.
    pub offline: u64,
    /// Different entries that the new primary has.
    pub recorded: u64,
    /// Entries that it has more than once.
    pub twice: u64,
    /// Deliveries that the application told by their key from new ones: the edge was killed before it had the answer on disk.
    pub repeated: u64,
    /// Whether they were recorded in the order in which they were made.
    pub in_order: bool,
}

/// The updates that one subscriber received, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Its name.
    pub subscriber: String,
    /// Its component; `None` for all.
    pub component: Option<ServiceId>,
    /// Numbers of the updates, as often as they came.
    pub updates: Vec<String>,
}

/// Score of a power cut.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PowerScore {
    /// Criteria that the audit named before the cut.
    pub named_before: Vec<String>,
    /// Criteria that it should have named, and did not.
    pub not_named_before: Vec<String>,
    /// Seconds from the return of mainstay until an incident named the loss of the primary.
    pub loss_secs: Option<f64>,
    /// Seconds from the return of mainstay to the first delivered page.
    pub first_page_secs: Option<f64>,
    /// Seconds from the promotion until it was named.
    pub promotion_secs: Option<f64>,
    /// Seconds from the return of the old primary until the connections of the application to it were named.
    pub connection_secs: Option<f64>,
    /// Creeping slowness.
    pub creeping: Creeping,
    /// Entries of the browser.
    pub entries: Entries,
    /// Kills of the edge while it delivered entries.
    pub edge_kills: u32,
    /// Most pages of one incident.
    pub pages_per_incident: u32,
    /// Pages from the start of the last maintenance to its end, and incidents that opened meanwhile.
    pub maintenance: Maintenance,
    /// Updates to subscribers.
    pub updates: Updates,
}

/// Creeping slowness: when it was named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Creeping {
    /// Seconds from its start to its alert.
    pub named_secs: Option<f64>,
    /// Seconds from its start to the crash of a server.
    pub crash_secs: Option<f64>,
    /// The first as a share of the second, in per cent.
    pub percent: Option<f64>,
}

/// What happened during a maintenance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Maintenance {
    /// Incidents that opened.
    pub incidents: u32,
    /// Pages that opened.
    pub pages: u32,
}

/// Updates to subscribers of the status page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Updates {
    /// Published updates.
    pub published: u64,
    /// Messages that subscribers should get.
    pub expected: u64,
    /// Those of them that came.
    pub received: u64,
    /// Messages that came more than once.
    pub twice: u64,
    /// Messages that came to subscribers of other components.
    pub misdirected: u64,
}

pub(super) fn score(
    script: &Script,
    fault_at: Time,
    events: &[Event],
    seen: &PowerObservations,
    first_page: Option<Time>,
) -> PowerScore {
    let at = |milestone| reached(script, milestone, Some(fault_at), events);
    // Mainstay may be quicker than the record of the fixture.
    let since = |from: Option<Time>, to: Option<Time>| Some(secs_between(from?, to?).max(0.0));
    let after =
        |from: Option<Time>| events.iter().filter(move |event| from.is_some_and(|from| event.at >= from));
    let (named, not_named): (Vec<_>, Vec<_>) = seen.audited.iter().cloned().partition(|(_, named)| *named);
    let criteria = |list: Vec<(String, bool)>| list.into_iter().map(|(criterion, _)| criterion).collect();
    let named_secs = since(seen.leaks_since, creeping_named(after(seen.leaks_since)));
    let crash_secs = since(seen.leaks_since, seen.crashed_at);
    let percent = named_secs.zip(crash_secs).map(|(named, crash)| (named / crash * 1_000.0).round() / 10.0);
    PowerScore {
        named_before: criteria(named),
        not_named_before: criteria(not_named),
        loss_secs: since(seen.back_at, at(Milestone::LossNamed)),
        first_page_secs: since(seen.back_at, first_page),
        promotion_secs: since(seen.promoted_at, at(Milestone::PromotionNamed)),
        connection_secs: since(seen.wrong_since, connection_named(after(seen.wrong_since))),
        creeping: Creeping { named_secs, crash_secs, percent },
        entries: seen.entries,
        edge_kills: seen.edge_kills,
        pages_per_incident: pages_per_incident(events),
        maintenance: maintenance(events),
        updates: updates(events, &seen.received),
    }
}

fn pages_per_incident(events: &[Event]) -> u32 {
    let mut pages: BTreeMap<IncidentId, u32> = BTreeMap::new();
    for event in events {
        if let EventKind::PageOpened { incident, .. } = &event.kind {
            *pages.entry(*incident).or_default() += 1;
        }
    }
    pages.into_values().max().unwrap_or(0)
}

/// From the start of the last maintenance to its end.
fn maintenance(events: &[Event]) -> Maintenance {
    let mut found = Maintenance::default();
    let mut goes_on = false;
    for event in events {
        match &event.kind {
            EventKind::MaintenanceStarted { .. } => (found, goes_on) = (Maintenance::default(), true),
            EventKind::MaintenanceEnded { .. } => goes_on = false,
            EventKind::IncidentOpened { .. } if goes_on => found.incidents += 1,
            EventKind::PageOpened { .. } if goes_on => found.pages += 1,
            _ => {}
        }
    }
    found
}

/// What the subscribers should have got, compared with what they got. An update is about the services of it and of those before it
/// of the same incident.
fn updates(events: &[Event], received: &[Received]) -> Updates {
    let mut concerned: BTreeMap<IncidentId, BTreeSet<ServiceId>> = BTreeMap::new();
    let mut published: Vec<(UpdateId, BTreeSet<ServiceId>)> = Vec::new();
    for event in events {
        if let EventKind::UpdatePublished { update, incident, affected, .. } = &event.kind {
            let services = concerned.entry(*incident).or_default();
            services.extend(affected.keys().cloned());
            published.push((*update, services.clone()));
        }
    }
    let mut found = Updates { published: count(published.len()), ..Updates::default() };
    for subscriber in received {
        let is_for = |services: &BTreeSet<ServiceId>| {
            subscriber.component.as_ref().is_none_or(|component| services.contains(component))
        };
        let due: BTreeSet<String> =
            published.iter().filter(|(_, services)| is_for(services)).map(|(id, _)| id.to_string()).collect();
        let got: BTreeSet<&String> = subscriber.updates.iter().collect();
        found.expected += count(due.len());
        found.received += count(got.iter().filter(|key| due.contains(**key)).count());
        found.misdirected += count(got.iter().filter(|key| !due.contains(**key)).count());
        found.twice += count(subscriber.updates.len() - got.len());
    }
    found
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The limits that were missed.
pub(super) fn judge(score: &PowerScore, limits: &Limits) -> Vec<String> {
    let limits = &limits.power;
    let mut missed = Vec::new();
    for criterion in &score.not_named_before {
        missed.push(format!("the audit did not name {criterion} before the cut"));
    }
    for (what, got, limit) in [
        ("naming the loss of the primary", score.loss_secs, limits.loss),
        ("the first page", score.first_page_secs, limits.first_page),
        ("naming the promotion", score.promotion_secs, limits.promotion),
        ("naming the wrong connection", score.connection_secs, limits.connection),
    ] {
        missed.extend(limit.and_then(|limit| super::late(what, got, limit)));
    }
    if let Some(limit) = limits.creeping {
        match score.creeping.percent {
            None => missed.push("the creeping slowness was not named, or no server crashed".to_owned()),
            Some(percent) if percent > f64::from(limit) => missed.push(format!(
                "the creeping slowness was named after {percent} % of the time to the crash; the limit is {limit} %"
            )),
            Some(_) => {}
        }
    }
    if let Some(limit) = limits.maintenance_pages {
        let Maintenance { incidents, pages } = score.maintenance;
        if pages > limit {
            missed.push(format!("{pages} pages during the maintenance; the limit is {limit}"));
        }
        if incidents == 0 {
            missed.push("no incident was held by the maintenance".to_owned());
        }
    }
    if limits.once {
        missed.extend(once(score));
    }
    missed
}

/// What did not happen exactly once.
fn once(score: &PowerScore) -> Vec<String> {
    let mut missed = Vec::new();
    let Entries { made, offline, recorded, twice, in_order, .. } = score.entries;
    if made == 0 || offline == 0 || recorded != made || twice > 0 || !in_order {
        let order = if in_order { "" } else { ", not in their order" };
        missed.push(format!(
            "{recorded} of {made} entries were recorded ({offline} of them made offline), {twice} more than once{order}"
        ));
    }
    let Updates { expected, received, twice, misdirected, .. } = score.updates;
    if expected == 0 || received != expected || twice > 0 || misdirected > 0 {
        missed.push(format!(
            "subscribers got {received} of {expected} updates, {twice} of them twice, and {misdirected} of other components"
        ));
    }
    if score.pages_per_incident > 1 {
        missed.push(format!("an incident had {} pages", score.pages_per_incident));
    }
    missed
}
