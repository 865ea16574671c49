//! The words for visitors: what is affected, what is not, what we do, when the next words come. No names of machines.

use crate::posts::{Draft, Reason, promise};
use crate::public;
use crate::traffic::{self, Trouble};
use model::event::{PostStatus, ServiceState};
use model::time::{between, spoken};
use model::{Incident, Kind, Plan, ServiceId, Time};
use std::collections::BTreeMap;

/// Longest text of one post, in bytes.
const BODY_MAX: usize = 8_000;

/// Services named before the rest is only counted.
const NAMES_MAX: usize = 4;

/// Titles of services, as visitors know them.
pub(crate) fn titles<'a>(plan: &Plan, services: impl IntoIterator<Item = &'a ServiceId>) -> Vec<String> {
    let title =
        |id: &ServiceId| plan.services.get(id).map_or_else(|| id.0.clone(), |service| service.title.clone());
    services.into_iter().map(title).collect()
}

/// "Sign-in and API are failing".
pub(crate) fn title(titles: &[String], worst: Option<ServiceState>) -> String {
    if titles.is_empty() {
        return "We are looking into a problem".to_owned();
    }
    let how = if worst == Some(ServiceState::Degraded) { "not working well" } else { "failing" };
    format!("{} {how}", are(titles))
}

/// A drafted post.
pub(crate) fn body(
    plan: &Plan,
    incident: &Incident,
    draft: Draft,
    affected: &BTreeMap<ServiceId, ServiceState>,
    trouble: Option<Trouble>,
    (since, now): (Time, Time),
    other: Option<&str>,
) -> String {
    let titles = titles(plan, affected.keys());
    let seen = trouble.and_then(|trouble| traffic::sentences(trouble, &titles));
    let mut sentences = match (draft.status, draft.reason) {
        (_, Reason::Merged) => vec![merged(other)],
        (PostStatus::Resolved, _) => {
            // A person may say that it is over before the probes do: then we do not say that it works.
            let works = affected.values().all(|state| *state == ServiceState::Operational);
            vec![over(if works { &titles } else { &[] }, since, incident.resolved.unwrap_or(now))]
        }
        (_, Reason::Promised) => vec![
            format!("We are still working on it. {}.", what(&titles, affected)),
            "There is nothing new to report since the last update.".to_owned(),
        ],
        (PostStatus::Monitoring, _) => {
            let first = if titles.is_empty() {
                "The cause is fixed.".to_owned()
            } else {
                format!("The cause is fixed and {} recovering.", are(&titles))
            };
            vec![
                first,
                "It can take a while until it works for everybody again. We keep watching.".to_owned(),
            ]
        }
        (PostStatus::Identified, _) if seen.is_some() => seen.unwrap_or_default(),
        (PostStatus::Identified, _) => {
            vec![format!("{}.", what(&titles, affected)), cause(incident.diagnosis.cause.kind)]
        }
        (PostStatus::Investigating, _) => {
            vec![format!("{}.", what(&titles, affected)), "We are looking for the cause.".to_owned()]
        }
    };
    if draft.status < PostStatus::Resolved {
        let well = self::titles(
            plan,
            public(plan, &incident.diagnosis.unaffected).filter(|id| !affected.contains_key(*id)),
        );
        if !well.is_empty() {
            let verb = if well.len() == 1 { "is" } else { "are" };
            sentences.push(format!("{} {verb} not affected.", list(&well)));
        }
        sentences.push(format!("Next update by {}.", clock(promise(now))));
    }
    bounded(sentences.join(" "))
}

/// What visitors notice, without a full stop.
fn what(titles: &[String], affected: &BTreeMap<ServiceId, ServiceState>) -> String {
    if titles.is_empty() {
        return "Some of what we do is not working as it should".to_owned();
    }
    let best = affected.values().min().copied();
    let worst = affected.values().max().copied();
    let how = match (best, worst) {
        (_, Some(ServiceState::Degraded)) => "slow or not working well",
        (Some(ServiceState::MajorOutage), _) => "failing",
        _ => "failing, or may fail, for some of you",
    };
    format!("{} {how}", are(titles))
}

/// What is broken, in the words of somebody who does not run it.
fn cause(kind: Kind) -> String {
    let known = match kind {
        Kind::Domain => "The cause is a problem with the registration of a domain name",
        Kind::Dns => "The cause is a problem with name servers",
        Kind::Tls => "The cause is a problem with a certificate",
        _ => "We know what is failing",
    };
    format!("{known}, and we are working on it.")
}

fn over(titles: &[String], since: Time, end: Time) -> String {
    let lasted = format!("from {} until {} ({})", clock(since), clock(end), spoken(between(since, end)));
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
        None => "This is part of a larger problem that we are working on.".to_owned(),
    }
}

pub(crate) fn are(titles: &[String]) -> String {
    format!("{} {}", list(titles), if titles.len() == 1 { "is" } else { "are" })
}

/// "A", "A and B", "A, B and C", "A, B, C and 3 more".
pub(crate) fn list(titles: &[String]) -> String {
    match titles {
        [] => String::new(),
        [one] => one.clone(),
        all if all.len() > NAMES_MAX => {
            format!("{} and {} more", all[..NAMES_MAX - 1].join(", "), all.len() + 1 - NAMES_MAX)
        }
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn clock(at: Time) -> String {
    at.strftime("%H:%M UTC").to_string()
}

/// At most so many bytes, never half a character.
pub(crate) fn bounded(mut text: String) -> String {
    if text.len() > BODY_MAX {
        let end = (0..=BODY_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}
