//! How the board follows from what is known.

use crate::board::{Board, BoardIncident, Component, Group, PastDay};
use crate::history::{History, days};
use crate::known::{Known, Told};
use crate::{Facts, posts, words};
use jiff::tz::TimeZone;
use model::event::{PostStatus, ServiceState};
use model::plan::Service;
use model::{IncidentId, Plan, ServiceId, Time};
use std::time::Duration;

/// Past incidents are shown for so many days, quiet ones too.
const PAST_DAYS: u16 = 7;

pub(crate) fn board(plan: &Plan, known: &Known, now: Time, facts: &Facts<'_>) -> Board {
    let groups = groups(plan, known, now);
    let components = || groups.iter().flat_map(|group: &Group| &group.components);
    let state = components().map(|component| component.state).max().unwrap_or(ServiceState::Unknown);
    let worst: Vec<String> = components()
        .filter(|component| component.state == state)
        .map(|component| component.title.clone())
        .collect();
    let headline = headline(state, &worst, components().count());
    let open = known.told.iter().rev().filter(|(_, told)| !told.posts.is_empty() && !told.is_done());
    Board {
        name: plan.site.name.clone(),
        title: plan.board.title.clone(),
        url: plan.site.url.clone(),
        zone: plan.site.zone.iana_name().unwrap_or("UTC").to_owned(),
        changed: known.changed.unwrap_or(now),
        looked_every: plan.probes.values().map(|probe| probe.every).min().unwrap_or(Duration::ZERO),
        state,
        headline,
        open: open.map(|(id, told)| incident(plan, *id, told, facts)).collect(),
        past: past(plan, known, now, facts),
        groups,
    }
}

/// One sentence that names the broken thing.
fn headline(state: ServiceState, worst: &[String], all: usize) -> String {
    match state {
        ServiceState::Operational => "All systems operational".to_owned(),
        ServiceState::Unknown if worst.len() == all => {
            "No data: we cannot see whether anything works".to_owned()
        }
        _ => format!("{}: {}", state.title(), words::list(worst)),
    }
}

/// Services by group, both in the order of the plan; a group stands where its first service does.
fn groups(plan: &Plan, known: &Known, now: Time) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for service in plan.services.values().filter(|service| service.public) {
        let name = service.group.clone().unwrap_or_default();
        let component = component(plan, known, now, service);
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.components.push(component),
            None => groups.push(Group { name, components: vec![component] }),
        }
    }
    groups
}

fn component(plan: &Plan, known: &Known, now: Time, service: &Service) -> Component {
    let never = History::default();
    let history = known.histories.get(&service.id).unwrap_or(&never);
    let current = history.current();
    let days = plan.board.history_days.max(1);
    Component {
        id: service.id.clone(),
        title: service.title.clone(),
        state: current.map_or(ServiceState::Unknown, |(state, _)| state),
        since: current.map(|(_, since)| since),
        days: history.days(days, now),
        uptime_percent: history.uptime_percent(days, now),
    }
}

fn incident(plan: &Plan, id: IncidentId, told: &Told, facts: &Facts<'_>) -> BoardIncident {
    let title =
        |id: &ServiceId| plan.services.get(id).map_or_else(|| id.0.clone(), |service| service.title.clone());
    let last = told.posts.last();
    let affected = last.into_iter().flat_map(|post| &post.affected);
    let is_open = facts.incidents.get(&id).is_some_and(|incident| incident.is_open());
    let resolved = told.ended.filter(|_| told.is_done());
    BoardIncident {
        id,
        title: told.title.clone(),
        status: last.map_or(PostStatus::Investigating, |post| post.status),
        impact: told.impact,
        started: told.since,
        resolved,
        affected: affected.map(|(id, state)| (id.clone(), title(id), *state)).collect(),
        posts: told.posts.iter().rev().cloned().collect(),
        next_post_by: last
            .filter(|post| is_open && post.status != PostStatus::Resolved)
            .map(|post| posts::promise(post.at)),
    }
}

fn past(plan: &Plan, known: &Known, now: Time, facts: &Facts<'_>) -> Vec<PastDay> {
    let done = |told: &Told| told.ended.filter(|_| told.is_done() && !told.posts.is_empty());
    let mut past: Vec<PastDay> =
        days(PAST_DAYS, now).map(|(date, _, _)| PastDay { date, incidents: Vec::new() }).collect();
    for (id, told) in known.told.iter().rev() {
        let Some(ended) = done(told).map(|ended| TimeZone::UTC.to_datetime(ended).date()) else { continue };
        if let Some(day) = past.iter_mut().find(|day| day.date == ended) {
            day.incidents.push(incident(plan, *id, told, facts));
        }
    }
    past.reverse();
    past
}
