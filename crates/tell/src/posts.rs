//! When words are due, and about what. The words themselves stand in `words`.

use crate::known::{Known, Told};
use crate::traffic::{self, Trouble};
use crate::{Facts, public, words};
use model::event::{PostStatus, ServiceState};
use model::incident::Stage;
use model::time::later;
use model::{Happened, Incident, IncidentId, Plan, PostId, ServiceId, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Mainstay writes about one incident at most this often, but for its end: nobody is kept waiting for good news.
const APART: Duration = Duration::from_secs(60);

/// The next words are promised within this time.
const PROMISE: Duration = Duration::from_secs(1_800);

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) status: PostStatus,
    pub(crate) reason: Reason,
}

/// Why it is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It began, went further, or spread.
    News,
    /// A promise came due.
    Promised,
    /// It became part of another incident.
    Merged,
}

pub(crate) type States<'a> = dyn Fn(&ServiceId) -> ServiceState + 'a;

/// Incidents about which there is something new to say, whether or not it is too soon.
pub(crate) fn wanted<'a>(
    plan: &Plan,
    known: &Known,
    facts: &Facts<'a>,
    state: &States<'_>,
) -> Vec<(&'a Incident, Draft)> {
    let open = known.told.iter().filter(|(_, told)| !told.is_done());
    let incidents = open.filter_map(|(id, told)| Some((facts.incidents.get(id)?, told)));
    let trouble = |incident| traffic::trouble(plan, incident, facts);
    incidents
        .filter_map(|(incident, told)| {
            Some((incident, news(plan, told, incident, trouble(incident), state)?))
        })
        .collect()
}

fn news(
    plan: &Plan,
    told: &Told,
    incident: &Incident,
    trouble: Option<Trouble>,
    state: &States<'_>,
) -> Option<Draft> {
    let last = told.posts.last();
    if !incident.is_open() {
        let reason = if incident.merged_into.is_some() { Reason::Merged } else { Reason::News };
        let untold = last.is_some_and(|post| post.status != PostStatus::Resolved);
        return untold.then_some(Draft { status: PostStatus::Resolved, reason });
    }
    let stage = incident.diagnosis.stage;
    let draft = Draft { status: status(stage), reason: Reason::News };
    let affected: BTreeSet<&ServiceId> = public(plan, &incident.diagnosis.affected).collect();
    let noticed = affected.iter().any(|service| state(service) > ServiceState::Unknown);
    let Some(last) = last else {
        return (!affected.is_empty() && (noticed || incident.diagnosis.wakes)).then_some(draft);
    };
    // When the edge sees another cause than before, visitors can expect something else.
    let other_cause = trouble.is_some() && incident.diagnosis.cause != told.cause_told;
    if stage != told.stage_told || other_cause {
        return Some(draft);
    }
    let before: BTreeSet<&ServiceId> = last.affected.iter().map(|(service, _)| service).collect();
    let spread = !affected.is_subset(&before);
    // While it mends, services drop out one by one; visitors see that in their states.
    let shrank = stage != Stage::Mending && !affected.is_empty() && !before.is_subset(&affected);
    let worst_before = last.affected.iter().map(|(_, state)| *state).max();
    let worse = stage != Stage::Mending && affected.iter().map(|service| state(service)).max() > worst_before;
    (spread || shrank || worse).then_some(draft)
}

fn status(stage: Stage) -> PostStatus {
    match stage {
        Stage::Looking => PostStatus::Investigating,
        Stage::Failing => PostStatus::Identified,
        Stage::Mending => PostStatus::Monitoring,
    }
}

/// Until when a draft is held back because mainstay wrote about the incident just before.
pub(crate) fn held_until(known: &Known, incident: IncidentId, draft: Draft) -> Option<Time> {
    let drafted = known.told.get(&incident)?.drafted?;
    (draft.status != PostStatus::Resolved).then(|| later(drafted, APART))
}

/// When the next words are promised: by whole minutes, because so it is written.
pub(crate) fn promise(at: Time) -> Time {
    let by = later(at, PROMISE);
    Time::from_second(by.as_second().div_euclid(60) * 60).unwrap_or(by)
}

/// Open incidents that were posted, and when the next words about each are promised.
pub(crate) fn promises<'a>(known: &Known, facts: &Facts<'a>) -> impl Iterator<Item = (&'a Incident, Time)> {
    known.told.iter().filter(|(_, told)| told.ended.is_none()).filter_map(|(id, told)| {
        let last = told.posts.last().filter(|post| post.status != PostStatus::Resolved)?;
        Some((facts.incidents.get(id).filter(|incident| incident.is_open())?, promise(last.at)))
    })
}

pub(crate) fn promises_due<'a>(known: &Known, facts: &Facts<'a>, now: Time) -> Vec<&'a Incident> {
    promises(known, facts).filter(|(_, by)| *by <= now).map(|(incident, _)| incident).collect()
}

/// The honest word that there is nothing new. It does not contradict what a person last said.
pub(crate) fn still_working(known: &Known, incident: IncidentId) -> Draft {
    let last = known.told.get(&incident).and_then(|told| told.posts.last());
    Draft { status: last.map_or(PostStatus::Investigating, |post| post.status), reason: Reason::Promised }
}

/// The services that a post speaks of: those affected now, or, at the end, those it spoke of before.
pub(crate) fn affected(
    plan: &Plan,
    known: &Known,
    incident: &Incident,
    status: PostStatus,
    state: &States<'_>,
) -> BTreeMap<ServiceId, ServiceState> {
    let now: BTreeSet<ServiceId> = public(plan, &incident.diagnosis.affected).cloned().collect();
    let last = known.told.get(&incident.id).and_then(|told| told.posts.last());
    let before = last.into_iter().flat_map(|post| &post.affected).map(|(service, _)| service.clone());
    let over = matches!(status, PostStatus::Resolved | PostStatus::Monitoring);
    let services: BTreeSet<ServiceId> =
        if over || now.is_empty() { before.chain(now).collect() } else { now };
    services.into_iter().map(|service| (service.clone(), state(&service))).collect()
}

/// The title for visitors. At the end it stays what it was: "is failing" names the incident, not the moment.
pub(crate) fn title(
    plan: &Plan,
    known: &Known,
    incident: &Incident,
    affected: &BTreeMap<ServiceId, ServiceState>,
    trouble: Option<Trouble>,
) -> String {
    let told = known.told.get(&incident.id);
    let over = !incident.is_open() || incident.diagnosis.stage == Stage::Mending;
    match told {
        Some(told) if !told.title.is_empty() && (over || affected.is_empty()) => told.title.clone(),
        _ => {
            let titles = words::titles(plan, affected.keys());
            let worst = affected.values().copied().chain(told.map(|told| told.impact)).max();
            traffic::title(trouble, &titles).unwrap_or_else(|| words::title(&titles, worst))
        }
    }
}

/// What is needed to write.
pub(crate) struct Desk<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) known: &'a Known,
    pub(crate) facts: &'a Facts<'a>,
    pub(crate) state: &'a States<'a>,
    pub(crate) now: Time,
}

impl Desk<'_> {
    /// A draft as the event that publishes it.
    pub(crate) fn written(&self, post: PostId, incident: &Incident, draft: Draft) -> Happened {
        let Self { plan, known, state, .. } = *self;
        let affected = affected(plan, known, incident, draft.status, state);
        let other = incident.merged_into.and_then(|into| self.facts.incidents.get(&into)).and_then(|other| {
            let affected = self::affected(plan, known, other, PostStatus::Investigating, state);
            // What affects no visitor is never posted: there would be nothing to follow.
            let trouble = traffic::trouble(plan, other, self.facts);
            (!affected.is_empty()).then(|| title(plan, known, other, &affected, trouble))
        });
        let trouble = traffic::trouble(plan, incident, self.facts);
        let since = known.told.get(&incident.id).map_or(incident.since, |told| told.since);
        Happened::PostPublished {
            post,
            incident: incident.id,
            status: draft.status,
            title: title(plan, known, incident, &affected, trouble),
            body: words::body(plan, incident, draft, &affected, trouble, (since, self.now), other.as_deref()),
            affected,
            by: None,
        }
    }
}
