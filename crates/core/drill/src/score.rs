//! How we did, as one object.

use crate::reached::reached;
use crate::script::{Limits, Milestone, Script};
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;
use types::incident::Stage;
use types::{Event, EventKind, Time};

/// The score of a run. Its JSON is a promise of the command line; a figure that the drill does not have is null.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Name of the drill.
    pub drill: String,
    /// When the fault came.
    pub fault_at: Time,
    /// Seconds from the fault to the first true alert.
    pub alert_secs: Option<f64>,
    /// Seconds from the fault to the right cause.
    pub cause_secs: Option<f64>,
    /// The cause that was named: the right one, or, when it was never found, the last that was held.
    pub cause: Option<String>,
    /// That cause in one sentence, as it stood when most was known.
    pub cause_text: Option<String>,
    /// Seconds from the fault to a human being asked.
    pub human_secs: Option<f64>,
    /// Seconds from the fault to the first public post.
    pub post_secs: Option<f64>,
    /// How many pages were delivered; a repetition with the same key is the same page.
    pub pages: u32,
    /// Alerts about things that the outage does not touch, or from before the fault.
    pub false_alerts: u32,
    /// How visitors fared.
    pub visitors: Visitors,
    /// How they fared in the same outage behind a plain round-robin proxy, where a drill compares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without: Option<Visitors>,
    /// Seconds from the beginning of a flood until an incident named it with its networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub surge_secs: Option<f64>,
    /// Seconds from the end of the flood, or from when limits began to fight, if that was later, until an incident had them
    /// as its cause; nothing when it had before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict_secs: Option<f64>,
    /// How long the outage lasted in life.
    pub reported_in_life: Option<String>,
    /// Seconds from the fault to a human's answer. Told in the timeline, not part of the object.
    #[serde(skip)]
    pub answered_secs: Option<f64>,
    /// Seconds from the fault until the first cached answer ran out. Not part of the object.
    #[serde(skip)]
    pub caches_secs: Option<f64>,
    /// Seconds from the fault until everything was over. Not part of the object.
    #[serde(skip)]
    pub resolved_secs: Option<f64>,
}

/// How visitors fared since the fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Visitors {
    /// Those whom the service knew before: here, those whose resolver had the names in its cache.
    pub known: Served,
    /// Those who came for the first time.
    pub first: Served,
}

/// A count of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Served {
    /// How many were made.
    pub asked: Option<u64>,
    /// How many of them got what they came for.
    pub served: Option<u64>,
}

/// What others than mainstay saw of the run. Everything may be missing: in virtual time there is no phone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witness {
    /// When the phone rang for the first time, by the phone's own record.
    pub asked: Option<Time>,
    /// When the person answered, by their own record.
    pub answered: Option<Time>,
    /// The keys of the pages that the phone received.
    pub keys: BTreeSet<String>,
    /// When the first cached answer of a resolver ran out.
    pub caches_expire_at: Option<Time>,
    /// How visitors fared.
    pub visitors: Visitors,
    /// How they fared without mainstay.
    pub without: Option<Visitors>,
    /// When the flood ended, if there was one.
    pub flood_ended: Option<Time>,
    /// When limits last began to refuse our own caller.
    pub fight_began: Option<Time>,
}

/// Scores a run.
///
/// `events` are all events of the journal from before the fault on. The phone's own record goes before ours: that a
/// call went out is proven by the phone that rang.
#[must_use]
pub fn score(script: &Script, fault_at: Time, events: &[Event], witness: &Witness) -> Score {
    let at = |milestone| reached(script, milestone, Some(fault_at), events);
    let secs = |time: Option<Time>| time.map(|time| secs_between(fault_at, time));
    let (cause, cause_text) = named_cause(script, fault_at, events).unzip();
    let pages = pages(events, witness);
    let fight = witness.flood_ended.map(|ended| witness.fight_began.map_or(ended, |began| began.max(ended)));
    let conflict = at(Milestone::ConflictNamed).zip(fight);
    Score {
        drill: script.name.clone(),
        fault_at,
        alert_secs: secs(at(Milestone::AlertOpen)),
        cause_secs: secs(at(Milestone::CauseFound)),
        cause,
        cause_text,
        human_secs: secs(witness.asked.or(at(Milestone::HumanAsked))),
        post_secs: secs(at(Milestone::UpdatePublished)),
        pages: u32::try_from(pages.len()).unwrap_or(u32::MAX),
        false_alerts: false_alerts(script, fault_at, events),
        visitors: witness.visitors,
        without: witness.without,
        surge_secs: secs(at(Milestone::SurgeNamed)),
        conflict_secs: conflict.map(|(named, began)| secs_between(began, named).max(0.0)),
        reported_in_life: script.in_life.clone(),
        answered_secs: secs(witness.answered.or(at(Milestone::HumanAnswered))),
        caches_secs: secs(witness.caches_expire_at),
        resolved_secs: secs(at(Milestone::Resolved)),
    }
}

/// Seconds to the millisecond; negative when `to` is before `from`, for a lie in the figures is worse than a sign.
fn secs_between(from: Time, to: Time) -> f64 {
    (to.duration_since(from).as_secs_f64() * 1_000.0).round() / 1_000.0
}

fn named_cause(script: &Script, fault_at: Time, events: &[Event]) -> Option<(String, String)> {
    let mut held = None;
    let mut right: Option<(usize, (String, String))> = None;
    for event in events.iter().filter(|event| event.at >= fault_at) {
        let (EventKind::IncidentOpened { diagnosis, .. } | EventKind::IncidentDiagnosed { diagnosis, .. }) =
            &event.kind
        else {
            continue;
        };
        // While it mends, the sentence tells of the recovery and no longer of the cause.
        if diagnosis.stage == Stage::Mending {
            continue;
        }
        let named = (diagnosis.cause.to_string(), diagnosis.summary.clone());
        // Most is known when most alerts are explained; later words of equal weight replace earlier ones.
        let known = diagnosis.alerts.len();
        if diagnosis.cause == script.cause && right.as_ref().is_none_or(|(most, _)| known >= *most) {
            right = Some((known, named.clone()));
        }
        held = Some(named);
    }
    right.map(|(_, named)| named).or(held)
}

fn pages<'a>(events: &'a [Event], witness: &'a Witness) -> BTreeSet<&'a str> {
    let delivered = events.iter().filter_map(|event| match &event.kind {
        EventKind::AttemptEnded { page: Some(_), outcome, .. } if outcome.result.is_ok() => {
            Some(outcome.key.0.as_str())
        }
        _ => None,
    });
    delivered.chain(witness.keys.iter().map(String::as_str)).collect()
}

fn false_alerts(script: &Script, fault_at: Time, events: &[Event]) -> u32 {
    let count = events
        .iter()
        .filter(|event| match &event.kind {
            EventKind::AlertOpened { alert } => event.at < fault_at || !script.touches(&alert.about),
            _ => false,
        })
        .count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What missed its target, a sentence each; empty when all is well.
#[must_use]
pub fn judge(score: &Score, limits: &Limits) -> Vec<String> {
    let mut missed = Vec::new();
    for (what, got, limit) in [
        ("the first alert", score.alert_secs, limits.alert),
        ("the right cause", score.cause_secs, limits.cause),
        ("naming the surge with its networks", score.surge_secs, limits.surge),
        ("naming the limits that fight", score.conflict_secs, limits.conflict),
        ("asking a human", score.human_secs, limits.human),
        ("the public post", score.post_secs, limits.post),
    ] {
        let Some(limit) = limit.map(|limit: Duration| limit.as_secs_f64()) else { continue };
        match got {
            None => missed.push(format!("{what} never came; the limit is {limit} s")),
            Some(got) if got > limit => {
                missed.push(format!("{what} took {got:.1} s; the limit is {limit} s"))
            }
            Some(got) if got < 0.0 => missed.push(format!("{what} came {:.1} s before the fault", -got)),
            Some(_) => {}
        }
    }
    if limits.cause_before_caches {
        match (score.cause_secs, score.caches_secs) {
            (Some(cause), Some(caches)) if cause >= caches => missed.push(format!(
                "the right cause took {cause:.1} s, but the first cached answer ran out after {caches:.1} s"
            )),
            (Some(_), None) => missed.push("nobody saw when the caches ran out".to_owned()),
            _ => {}
        }
    }
    if let Some(limit) = limits.pages.filter(|limit| *limit != score.pages) {
        missed.push(format!("{} pages were delivered instead of {limit}", score.pages));
    }
    if let Some(limit) = limits.false_alerts.filter(|limit| score.false_alerts > *limit) {
        missed.push(format!("{} alerts were not true; the limit is {limit}", score.false_alerts));
    }
    missed
}

/// The score for a person: what was reached, beside its limit.
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
        ("first true alert after", secs(score.alert_secs), within(limits.alert)),
        ("right cause after", secs(score.cause_secs), within(limits.cause)),
        ("first cached answer ran out after", secs(score.caches_secs), None),
        ("public post after", secs(score.post_secs), within(limits.post)),
        ("a human asked after", secs(score.human_secs), within(limits.human)),
        ("a human answered after", secs(score.answered_secs), None),
        ("all over after", secs(score.resolved_secs), None),
        ("pages", score.pages.to_string(), count(limits.pages)),
        ("alerts that were not true", score.false_alerts.to_string(), count(limits.false_alerts)),
        ("known visitors served", served(score.visitors.known), None),
        ("first-time visitors served", served(score.visitors.first), None),
    ];
    if score.surge_secs.is_some() || limits.surge.is_some() {
        rows.push(("surge named after", secs(score.surge_secs), within(limits.surge)));
    }
    if score.conflict_secs.is_some() || limits.conflict.is_some() {
        rows.push(("conflict named, after the flood", secs(score.conflict_secs), within(limits.conflict)));
    }
    if let Some(without) = score.without {
        rows.push(("known visitors served without", served(without.known), None));
        rows.push(("first-time visitors without", served(without.first), None));
    }
    rows.push((
        "the outage in life lasted",
        score.reported_in_life.clone().unwrap_or_else(|| "?".to_owned()),
        None,
    ));
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
