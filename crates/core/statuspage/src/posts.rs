//! When words are due, and about what. The words themselves stand in `words`.

use crate::known::{Known, Told};
use crate::traffic::{self, Trouble};
use crate::{Facts, felt, public, words};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::config::Publish;
use types::event::{PostStatus, ServiceState};
use types::incident::Stage;
use types::time::later;
use types::{Config, EventKind, Incident, IncidentId, PostId, ServiceId, Time};

/// Nothing is published automatically before clients have been failing for so long: most short failures are deploys.
pub(crate) const HOLD: Duration = Duration::from_secs(60);

/// Recovery is announced only when it takes so long; what has recovered by then is simply over.
pub(crate) const RECOVERY: Duration = Duration::from_secs(120);

/// Mainstay writes about one incident at most this often. Its end may come sooner, unless recovery was just announced.
pub(crate) const APART: Duration = Duration::from_secs(60);

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
    config: &Config,
    known: &Known,
    facts: &Facts<'a>,
    state: &States<'_>,
) -> Vec<(&'a Incident, Draft)> {
    if config.status_page.publish == Publish::Manual {
        return Vec::new();
    }
    let open = known.told.iter().filter(|(_, told)| !told.is_done());
    let incidents = open.filter_map(|(id, told)| Some((facts.incidents.get(id)?, told)));
    incidents
        .filter_map(|(incident, told)| Some((incident, news(config, known, told, incident, facts, state)?)))
        .collect()
}

fn news(
    config: &Config,
    known: &Known,
    told: &Told,
    incident: &Incident,
    facts: &Facts<'_>,
    state: &States<'_>,
) -> Option<Draft> {
    let newest = told.newest();
    if !incident.is_open() {
        return end(told, incident, facts, state);
    }
    let diagnosis = &incident.diagnosis;
    let affected = experienced(config, incident, state);
    let worst = affected.values().max().copied();
    let fails = felt::failing(incident, facts.alerts).next().is_some();
    let begun = newest.filter(|(status, _)| *status != PostStatus::Resolved);
    let Some((status_before, before)) = begun else {
        let out = worst >= Some(ServiceState::PartialOutage);
        let elsewhere = || is_told_elsewhere(known, incident, &affected);
        let before = told.posts.last().map(|post| post.status);
        let draft = Draft { status: status(diagnosis.stage, before), reason: Reason::News };
        return (fails && out && !elsewhere()).then_some(draft);
    };
    let status = status(diagnosis.stage, Some(status_before));
    let draft = Draft { status, reason: Reason::News };
    if diagnosis.stage == Stage::Recovering {
        let news = told.stage_told != Stage::Recovering && status_before < PostStatus::Monitoring;
        return (news && !told.posts.is_empty()).then_some(draft);
    }
    if !fails {
        // What is left is for the team alone: clients find everything working.
        let well = !told.posts.is_empty()
            && before.keys().all(|service| state(service) == ServiceState::Operational);
        return well.then_some(Draft { status: PostStatus::Resolved, reason: Reason::News });
    }
    // When the edge sees another cause than before, visitors can expect something else.
    let other_cause =
        traffic::trouble(config, incident, facts).is_some() && diagnosis.cause != told.cause_told;
    let further = diagnosis.stage != told.stage_told && status != status_before;
    let spread = affected.keys().any(|service| !before.contains_key(service));
    let shrank = !affected.is_empty() && before.keys().any(|service| !affected.contains_key(service));
    let worse = worst > before.values().max().copied();
    (further || other_cause || spread || shrank || worse).then_some(draft)
}

/// The end, of what was spoken of. Nothing is called over while what it broke is still out, for whatever reason.
fn end(told: &Told, incident: &Incident, facts: &Facts<'_>, state: &States<'_>) -> Option<Draft> {
    let last = told.posts.last().filter(|post| post.status != PostStatus::Resolved)?;
    if told.waiting.as_ref().is_some_and(|draft| draft.status == PostStatus::Resolved) {
        return None;
    }
    if incident.merged_into.is_some() {
        return Some(Draft { status: PostStatus::Resolved, reason: Reason::Merged });
    }
    if felt::failing(incident, facts.alerts).next().is_some() {
        return None;
    }
    let out = last.affected.iter().any(|(service, _)| state(service) >= ServiceState::PartialOutage);
    (!out).then_some(Draft { status: PostStatus::Resolved, reason: Reason::News })
}

/// Whether an incident that is over, but not yet for visitors, already speaks of all that is affected.
fn is_told_elsewhere(
    known: &Known,
    incident: &Incident,
    affected: &BTreeMap<ServiceId, ServiceState>,
) -> bool {
    known.told.iter().any(|(id, other)| {
        let last = other.posts.last().filter(|_| {
            *id != incident.id && other.ended.is_some() && other.merged_into.is_none() && !other.is_done()
        });
        last.is_some_and(|post| {
            affected.keys().all(|service| post.affected.iter().any(|(of, _)| of == service))
        })
    })
}

/// Services that visitors know, that an incident affects, and that clients find not working well.
fn experienced(
    config: &Config,
    incident: &Incident,
    state: &States<'_>,
) -> BTreeMap<ServiceId, ServiceState> {
    let services = public(config, &incident.diagnosis.affected);
    let states = services.map(|service| (service.clone(), state(service)));
    states.filter(|(_, state)| *state >= ServiceState::Degraded).collect()
}

/// How far along: never back to the search for a cause that was known, nor from a recovery to anything but a known cause.
fn status(stage: Stage, before: Option<PostStatus>) -> PostStatus {
    match (stage, before) {
        (Stage::Recovering, _) => PostStatus::Monitoring,
        (Stage::Investigating, None | Some(PostStatus::Investigating)) => PostStatus::Investigating,
        (Stage::Investigating | Stage::Failing, _) => PostStatus::Identified,
    }
}

/// Until when a draft is held back.
pub(crate) fn held_until(config: &Config, known: &Known, incident: &Incident, draft: Draft) -> Option<Time> {
    let told = known.told.get(&incident.id)?;
    let apart = told.drafted.map(|drafted| later(drafted, APART));
    match draft.status {
        PostStatus::Resolved if incident.is_open() => {
            let last = told.posts.last().into_iter().flat_map(|post| &post.affected);
            let well = last.filter_map(|(service, _)| known.state(service)).map(|(_, since)| since).max();
            well.map(|since| later(since, RECOVERY)).max(apart)
        }
        PostStatus::Resolved => {
            let announced = told.posts.last().is_some_and(|post| post.status == PostStatus::Monitoring);
            apart.filter(|_| announced)
        }
        PostStatus::Monitoring => told.mending_since.map(|since| later(since, RECOVERY)).max(apart),
        _ if told.newest().is_none_or(|(status, _)| status == PostStatus::Resolved) => {
            let out = public(config, &incident.diagnosis.affected)
                .filter_map(|service| known.histories.get(service)?.out_since())
                .min();
            // A state that is only about to be written down counts from now on; we are asked again then.
            let again = told.posts.last().map(|post| later(post.at, HOLD));
            Some(out.map_or(Time::MAX, |since| later(since, HOLD))).max(again)
        }
        _ => apart,
    }
}

/// When the next words are promised: by whole minutes, because so it is written.
pub(crate) fn promise(at: Time) -> Time {
    let by = later(at, PROMISE);
    Time::from_second(by.as_second().div_euclid(60) * 60).unwrap_or(by)
}

/// Open incidents that were posted, and when the next words about each are promised.
/// Only what mainstay itself publishes can be promised.
pub(crate) fn promises<'a>(
    config: &Config,
    known: &Known,
    facts: &Facts<'a>,
) -> impl Iterator<Item = (&'a Incident, Time)> {
    let promised = config.status_page.publish == Publish::Automatic;
    known.told.iter().filter(move |(_, told)| promised && told.ended.is_none()).filter_map(|(id, told)| {
        let last = told.posts.last().filter(|post| post.status != PostStatus::Resolved)?;
        Some((facts.incidents.get(id).filter(|incident| incident.is_open())?, promise(last.at)))
    })
}

pub(crate) fn promises_due<'a>(
    config: &Config,
    known: &Known,
    facts: &Facts<'a>,
    now: Time,
) -> Vec<&'a Incident> {
    promises(config, known, facts).filter(|(_, by)| *by <= now).map(|(incident, _)| incident).collect()
}

/// The honest word that there is nothing new. It does not contradict what a person last said.
pub(crate) fn still_working(known: &Known, incident: IncidentId) -> Draft {
    let last = known.told.get(&incident).and_then(|told| told.posts.last());
    Draft { status: last.map_or(PostStatus::Investigating, |post| post.status), reason: Reason::Promised }
}

/// The services that a post speaks of: those that do not work well now; at the end, and where all work, those it spoke of
/// before or that the incident is about.
pub(crate) fn affected(
    config: &Config,
    known: &Known,
    incident: &Incident,
    status: PostStatus,
    state: &States<'_>,
) -> BTreeMap<ServiceId, ServiceState> {
    let now = experienced(config, incident, state);
    if !now.is_empty() && status < PostStatus::Monitoring {
        return now;
    }
    let last = known.told.get(&incident.id).and_then(|told| told.posts.last());
    let mut services: BTreeSet<ServiceId> = now.into_keys().collect();
    services.extend(last.into_iter().flat_map(|post| &post.affected).map(|(service, _)| service.clone()));
    if services.is_empty() {
        services.extend(public(config, &incident.diagnosis.affected).cloned());
    }
    services.into_iter().map(|service| (service.clone(), state(&service))).collect()
}

/// The title for visitors. At the end it stays what it was: "is failing" names the incident, not the moment.
pub(crate) fn title(
    config: &Config,
    known: &Known,
    incident: &Incident,
    affected: &BTreeMap<ServiceId, ServiceState>,
    trouble: Option<Trouble>,
) -> String {
    let told = known.told.get(&incident.id);
    let over = !incident.is_open() || incident.diagnosis.stage == Stage::Recovering;
    match told {
        Some(told) if !told.title.is_empty() && (over || affected.is_empty()) => told.title.clone(),
        _ => {
            let titles = words::titles(config, affected.keys());
            let worst = affected.values().copied().chain(told.map(|told| told.impact)).max();
            traffic::title(trouble, &titles).unwrap_or_else(|| words::title(&titles, worst))
        }
    }
}

/// What is needed to write.
pub(crate) struct Desk<'a> {
    pub(crate) config: &'a Config,
    pub(crate) known: &'a Known,
    pub(crate) facts: &'a Facts<'a>,
    pub(crate) state: &'a States<'a>,
    pub(crate) now: Time,
}

impl Desk<'_> {
    /// A draft as the event that publishes it.
    pub(crate) fn written(&self, post: PostId, incident: &Incident, draft: Draft) -> EventKind {
        let Self { config, known, state, .. } = *self;
        let affected = affected(config, known, incident, draft.status, state);
        let other = incident.merged_into.and_then(|into| self.facts.incidents.get(&into)).and_then(|other| {
            let affected = self::affected(config, known, other, PostStatus::Investigating, state);
            // What affects no visitor is never posted: there would be nothing to follow.
            let trouble = traffic::trouble(config, other, self.facts);
            (!affected.is_empty()).then(|| title(config, known, other, &affected, trouble))
        });
        let trouble = traffic::trouble(config, incident, self.facts);
        let since = known.told.get(&incident.id).map_or(incident.since, |told| told.since);
        let well =
            || affected.keys().filter_map(|service| known.state(service)).map(|(_, since)| since).max();
        let end = incident.resolved.unwrap_or_else(|| well().unwrap_or(self.now));
        let title = title(config, known, incident, &affected, trouble);
        let body = words::body(
            config,
            incident,
            draft,
            &affected,
            (trouble, other.as_deref()),
            state,
            (since, end, self.now),
        );
        let (incident, status) = (incident.id, draft.status);
        match config.status_page.publish {
            Publish::Approve => EventKind::PostDrafted { incident, status, title, body, affected },
            Publish::Automatic | Publish::Manual => {
                EventKind::PostPublished { post, incident, status, title, body, affected, by: None }
            }
        }
    }
}
