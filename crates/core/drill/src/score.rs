//! The score of a run.

pub mod fix;
pub mod management;
pub mod pool;
pub mod power;

use crate::reached::reached;
use crate::script::{Limits, Milestone, Script};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::event::ServiceState;
use types::incident::Stage;
use types::{Effect, Event, EventKind, Time};

/// The score of a run. Its JSON is an interface; a value that the drill does not have is null.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Name of the drill.
    pub drill: String,
    /// Time of the fault.
    pub fault_at: Time,
    /// Seconds from the fault to the first true alert.
    pub alert_secs: Option<f64>,
    /// Seconds from the fault to the right cause.
    pub cause_secs: Option<f64>,
    /// The named cause: the right one, or, when it was never found, the last one.
    pub cause: Option<String>,
    /// The summary of that cause, from the diagnosis with the most alerts.
    pub cause_text: Option<String>,
    /// Seconds from the fault to the first delivered page.
    pub human_secs: Option<f64>,
    /// Seconds from the fault to the first public update.
    pub update_secs: Option<f64>,
    /// Number of delivered pages; a repetition with the same key is the same page.
    pub pages: u32,
    /// Alerts about resources that the outage does not affect, or from before the fault.
    pub false_alerts: u32,
    /// Requests of clients since the fault.
    pub clients: Clients,
    /// The same behind a plain round-robin proxy, where a drill compares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_mainstay: Option<Clients>,
    /// Seconds from the start of a flood until an incident named it with its sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub surge_secs: Option<f64>,
    /// Seconds from the end of the flood, or from the start of the conflict of limits, if that was later, until an
    /// incident had the conflict as its cause; 0 when it had it before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict_secs: Option<f64>,
    /// Score of a shrinking pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<pool::PoolScore>,
    /// Score of servers that restart again and again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub management: Option<management::ManagementScore>,
    /// Score of a power cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<power::PowerScore>,
    /// Duration of the reported outage.
    pub reported_in_life: Option<String>,
    /// Seconds from the fault to the beginning of the public outage that the first update is about: 0, unless every service
    /// was operational again in between. Not part of the JSON.
    #[serde(skip)]
    pub outage_secs: f64,
    /// Seconds from the fault to the acknowledgement. Not part of the JSON.
    #[serde(skip)]
    pub answered_secs: Option<f64>,
    /// Seconds from the fault until the first cached answer expired. Not part of the JSON.
    #[serde(skip)]
    pub caches_secs: Option<f64>,
    /// Seconds from the fault until every incident was resolved. Not part of the JSON.
    #[serde(skip)]
    pub resolved_secs: Option<f64>,
}

/// Requests of clients since the fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Clients {
    /// Clients that the edge recognizes; in a drill without edge, those whose resolver had the names in its cache.
    pub recognized: Served,
    /// First-time clients.
    pub first: Served,
}

/// Counts of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Served {
    /// Requests sent.
    pub asked: Option<u64>,
    /// Requests with the wanted response.
    pub served: Option<u64>,
}

impl std::ops::Add for Served {
    type Output = Self;

    /// The sum; what was not counted counts as 0.
    fn add(self, other: Self) -> Self {
        let add = |a: Option<u64>, b: Option<u64>| Some(a.unwrap_or(0) + b.unwrap_or(0));
        Self { asked: add(self.asked, other.asked), served: add(self.served, other.served) }
    }
}

/// Records of the fixture, independent of mainstay. All are optional.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observations {
    /// Time of the first call, by the record of the phone.
    pub asked: Option<Time>,
    /// Time of the acknowledgement, by the record of the phone.
    pub answered: Option<Time>,
    /// Keys of the pages that the phone received.
    pub keys: BTreeSet<String>,
    /// Time at which the first cached answer of a resolver expired.
    pub caches_expire_at: Option<Time>,
    /// Requests of clients since the fault.
    pub clients: Clients,
    /// End of the flood.
    pub flood_ended: Option<Time>,
    /// Last time at which limits began to reject the internal caller.
    pub conflict_began: Option<Time>,
    /// Records of a shrinking pool.
    pub pool: Option<pool::PoolObservations>,
    /// Records of the management proxies.
    pub management: Option<management::ManagementObservations>,
    /// Records of a power cut.
    pub power: Option<power::PowerObservations>,
    /// Verdicts of mainstay about the notes on its incidents, by the text of the note.
    pub judged: BTreeMap<String, Effect>,
}

/// Scores a run.
///
/// `events` are all events of the journal. Records of the phone take precedence over the journal: they prove that the
/// call arrived.
#[must_use]
pub fn score(script: &Script, fault_at: Time, events: &[Event], observations: &Observations) -> Score {
    let at = |milestone| reached(script, milestone, Some(fault_at), events);
    let secs = |time: Option<Time>| time.map(|time| secs_between(fault_at, time));
    let (cause, cause_text) = named_cause(script, fault_at, events).unzip();
    let pages = pages(events, observations);
    let conflict_start = observations
        .flood_ended
        .map(|ended| observations.conflict_began.map_or(ended, |began| began.max(ended)));
    let conflict = at(Milestone::ConflictNamed).zip(conflict_start);
    let update = at(Milestone::UpdatePublished);
    let first_page = observations.asked.or(at(Milestone::PersonPaged));
    Score {
        drill: script.name.clone(),
        fault_at,
        alert_secs: secs(at(Milestone::AlertOpen)),
        cause_secs: secs(at(Milestone::CauseFound)),
        cause,
        cause_text,
        human_secs: secs(first_page),
        update_secs: secs(update),
        pages: u32::try_from(pages.len()).unwrap_or(u32::MAX),
        false_alerts: false_alerts(script, fault_at, events),
        clients: observations.clients,
        without_mainstay: None,
        surge_secs: secs(at(Milestone::SurgeNamed)),
        conflict_secs: conflict.map(|(named, began)| secs_between(began, named).max(0.0)),
        pool: observations
            .pool
            .as_ref()
            .map(|seen| pool::score(script, fault_at, events, seen, &observations.judged)),
        management: observations.management.as_ref().map(|seen| management::score(script, events, seen)),
        power: observations
            .power
            .as_ref()
            .map(|seen| power::score(script, fault_at, events, seen, first_page)),
        reported_in_life: script.in_life.clone(),
        outage_secs: update
            .map_or(0.0, |update| secs_between(fault_at, outage_before(update, fault_at, events))),
        answered_secs: secs(observations.answered.or(at(Milestone::Acknowledged))),
        caches_secs: secs(observations.caches_expire_at),
        resolved_secs: secs(at(Milestone::Resolved)),
    }
}

/// Beginning of the public outage that lasts at an instant: the fault, or when a service left its state Operational after all
/// of them had returned to it.
fn outage_before(at: Time, fault_at: Time, events: &[Event]) -> Time {
    let (mut affected, mut began) = (BTreeSet::new(), None);
    for event in events.iter().filter(|event| event.at >= fault_at && event.at <= at) {
        let EventKind::ServiceStateChanged { service, state } = &event.kind else { continue };
        let was_well = affected.is_empty();
        if *state == ServiceState::Operational {
            affected.remove(service);
        } else {
            affected.insert(service);
        }
        if was_well && !affected.is_empty() {
            began = Some(began.map_or(fault_at, |_| event.at));
        }
    }
    began.unwrap_or(fault_at)
}

/// Seconds, rounded to milliseconds; negative when `to` is before `from`.
fn secs_between(from: Time, to: Time) -> f64 {
    (to.duration_since(from).as_secs_f64() * 1_000.0).round() / 1_000.0
}

fn named_cause(script: &Script, fault_at: Time, events: &[Event]) -> Option<(String, String)> {
    let mut last = None;
    let mut right: Option<(usize, (String, String))> = None;
    for event in events.iter().filter(|event| event.at >= fault_at) {
        let (EventKind::IncidentOpened { diagnosis, .. } | EventKind::IncidentDiagnosed { diagnosis, .. }) =
            &event.kind
        else {
            continue;
        };
        // During recovery the summary describes the recovery, not the cause.
        if diagnosis.stage == Stage::Recovering {
            continue;
        }
        let named = (diagnosis.cause.to_string(), diagnosis.summary.clone());
        // The diagnosis with the most alerts wins; of equal ones, the latest.
        let known = diagnosis.alerts.len();
        if diagnosis.cause == script.cause && right.as_ref().is_none_or(|(most, _)| known >= *most) {
            right = Some((known, named.clone()));
        }
        last = Some(named);
    }
    right.map(|(_, named)| named).or(last)
}

fn pages<'a>(events: &'a [Event], observations: &'a Observations) -> BTreeSet<&'a str> {
    let delivered = events.iter().filter_map(|event| match &event.kind {
        EventKind::AttemptEnded { page: Some(_), delivery, .. } if delivery.result.is_ok() => {
            Some(delivery.key.0.as_str())
        }
        _ => None,
    });
    delivered.chain(observations.keys.iter().map(String::as_str)).collect()
}

fn false_alerts(script: &Script, fault_at: Time, events: &[Event]) -> u32 {
    let count = events
        .iter()
        .filter(|event| match &event.kind {
            EventKind::AlertOpened { alert } if event.at < fault_at => !script.expects(&alert.about),
            EventKind::AlertOpened { alert } => !script.touches(&alert.about),
            _ => false,
        })
        .count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The limits that were missed, one text each; empty when all were met.
#[must_use]
pub fn judge(score: &Score, limits: &Limits) -> Vec<String> {
    let mut missed = Vec::new();
    for (what, got, limit) in [
        ("the first alert", score.alert_secs, limits.alert),
        ("the right cause", score.cause_secs, limits.cause),
        ("naming the surge with its sources", score.surge_secs, limits.surge),
        ("naming the conflicting limits", score.conflict_secs, limits.conflict),
        ("paging a person", score.human_secs, limits.human),
        ("the public update", score.update_secs.map(|secs| secs - score.outage_secs), limits.update),
    ] {
        missed.extend(limit.and_then(|limit| late(what, got, limit)));
    }
    missed.extend(score.pool.iter().flat_map(|pool| pool::judge(pool, limits)));
    missed.extend(score.management.iter().flat_map(|management| management::judge(management, limits)));
    missed.extend(score.power.iter().flat_map(|power| power::judge(power, limits)));
    if limits.cause_before_caches {
        match (score.cause_secs, score.caches_secs) {
            (Some(cause), Some(caches)) if cause >= caches => missed.push(format!(
                "the right cause took {cause:.1} s, but the first cached answer expired after {caches:.1} s"
            )),
            (Some(_), None) => missed.push("the expiry of the caches was not recorded".to_owned()),
            _ => {}
        }
    }
    // None at all is wrong, too: a person must be paged.
    if let Some(limit) = limits.pages.filter(|limit| score.pages > *limit || score.pages < (*limit).min(1)) {
        missed.push(format!("{} pages were delivered instead of {limit}", score.pages));
    }
    if let Some(limit) = limits.false_alerts.filter(|limit| score.false_alerts > *limit) {
        missed.push(format!("{} false alerts; the limit is {limit}", score.false_alerts));
    }
    missed
}

/// Why a time misses its limit, if it does.
fn late(what: &str, got: Option<f64>, limit: Duration) -> Option<String> {
    let limit = limit.as_secs_f64();
    match got {
        None => Some(format!("{what} never happened; the limit is {limit} s")),
        Some(got) if got > limit => Some(format!("{what} took {got:.1} s; the limit is {limit} s")),
        Some(got) if got < 0.0 => Some(format!("{what} happened {:.1} s before the fault", -got)),
        Some(_) => None,
    }
}

/// The score as a table: values beside their limits.
#[must_use]
pub fn table(score: &Score, limits: &Limits) -> Vec<String> {
    let secs = |secs: Option<f64>| secs.map_or_else(|| "never".to_owned(), |secs| format!("{secs:.1} s"));
    let within = |limit: Option<Duration>| limit.map(|limit| format!("{} s", limit.as_secs_f64()));
    let count = |limit: Option<u32>| limit.map(|limit| limit.to_string());
    let served = |served: Served| match (served.served, served.asked) {
        (Some(served), Some(asked)) => format!("{served} of {asked}"),
        _ => "not counted".to_owned(),
    };
    let mut rows = vec![
        ("first true alert", secs(score.alert_secs), within(limits.alert)),
        ("right cause", secs(score.cause_secs), within(limits.cause)),
        ("first cached answer expired", secs(score.caches_secs), None),
        ("public update", secs(score.update_secs), within(limits.update)),
        ("person paged", secs(score.human_secs), within(limits.human)),
        ("acknowledged", secs(score.answered_secs), None),
        ("resolved", secs(score.resolved_secs), None),
        ("pages", score.pages.to_string(), count(limits.pages)),
        ("false alerts", score.false_alerts.to_string(), count(limits.false_alerts)),
        ("recognized clients served", served(score.clients.recognized), None),
        ("first-time clients served", served(score.clients.first), None),
    ];
    if score.surge_secs.is_some() || limits.surge.is_some() {
        rows.push(("surge named", secs(score.surge_secs), within(limits.surge)));
    }
    if score.conflict_secs.is_some() || limits.conflict.is_some() {
        rows.push(("conflict named, after the flood", secs(score.conflict_secs), within(limits.conflict)));
    }
    if let Some(management) = &score.management {
        let (loops, percent) = (secs(management.crash_loop_secs), limits.configuration);
        rows.push(("crash loop named, after 3 restarts", loops, within(limits.crash_loop)));
        let percent = percent.map(|percent| format!("{percent} %"));
        rows.push(("sign-in configuration served", served(management.configuration), percent));
    }
    if let Some(without) = score.without_mainstay {
        rows.push(("recognized clients, without", served(without.recognized), None));
        rows.push(("first-time clients, without", served(without.first), None));
    }
    if let Some(power) = &score.power {
        let limits = &limits.power;
        rows.push(("loss named, after the return", secs(power.loss_secs), within(limits.loss)));
        rows.push(("promotion named", secs(power.promotion_secs), within(limits.promotion)));
        rows.push(("wrong connection named", secs(power.connection_secs), within(limits.connection)));
    }
    rows.push(("reported outage", score.reported_in_life.clone().unwrap_or_else(|| "?".to_owned()), None));
    let line = |(what, got, limit): (&str, String, Option<String>)| {
        let limit = limit.map_or_else(String::new, |limit| format!("   limit {limit}"));
        format!("{what:<34}{got:>12}{limit}")
    };
    rows.into_iter().map(line).collect()
}

#[cfg(test)]
mod surge;
#[cfg(test)]
mod tests;
