//! The words for visitors: what is affected, what is not, what we do, when the next words come. No names of machines.

use crate::posts::{Draft, Reason, States, promise};
use crate::public;
use crate::traffic::{self, Trouble};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use text::list;
use types::config::Publish;
use types::event::{PostStatus, ServiceState};
use types::time::{between, clock, formatted, spoken};
use types::{Config, Incident, Kind, ServiceId, Time};

/// Longest text of one post, in bytes.
const BODY_MAX: usize = 8_000;

/// Services named before the rest is only counted.
const NAMES_MAX: usize = 4;

/// Titles of services, as visitors know them.
pub(crate) fn titles<'a>(config: &Config, services: impl IntoIterator<Item = &'a ServiceId>) -> Vec<String> {
    let title = |id: &ServiceId| {
        config.services.get(id).map_or_else(|| id.0.clone(), |service| service.title.clone())
    };
    services.into_iter().map(title).collect()
}

/// "Sign-in and API are failing".
pub(crate) fn title(titles: &[String], worst: Option<ServiceState>) -> String {
    if titles.is_empty() {
        return "A problem with our services".to_owned();
    }
    let how = if worst == Some(ServiceState::Degraded) { "not working well" } else { "failing" };
    format!("{} {how}", are(titles))
}

/// A drafted post.
pub(crate) fn body(
    config: &Config,
    incident: &Incident,
    draft: Draft,
    affected: &BTreeMap<ServiceId, ServiceState>,
    (trouble, other): (Option<Trouble>, Option<&str>),
    state: &States<'_>,
    (since, end, now): (Time, Time, Time),
) -> String {
    let titles = titles(config, affected.keys());
    let zone = &config.site.timezone;
    // Only a person who said so works on it.
    let acknowledged = incident.is_acknowledged(now);
    let seen = trouble.and_then(|trouble| traffic::summaries(trouble, &titles, acknowledged));
    let mut summaries = match (draft.status, draft.reason) {
        (_, Reason::Merged) => vec![merged(other)],
        (PostStatus::Resolved, _) => {
            // A person may say that it is over before the probes do: then we do not say that it works.
            let works = affected.values().all(|state| *state == ServiceState::Operational);
            vec![over(if works { &titles } else { &[] }, since, end, zone)]
        }
        (_, Reason::Promised) => {
            let mut summaries = vec![format!("{}.", what(&titles, affected))];
            if acknowledged {
                summaries.insert(0, "We are still working on it.".to_owned());
            }
            summaries.push("There is nothing new to report since the last update.".to_owned());
            summaries
        }
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
            vec![format!("{}.", what(&titles, affected)), cause(incident.diagnosis.cause.kind, acknowledged)]
        }
        (PostStatus::Investigating, _) => {
            let next = if acknowledged { "We are looking for the cause." } else { DETECTED };
            vec![format!("{}.", what(&titles, affected)), next.to_owned()]
        }
    };
    if draft.status < PostStatus::Resolved {
        let well = self::titles(
            config,
            public(config, &incident.diagnosis.unaffected)
                .filter(|id| !affected.contains_key(*id) && state(id) == ServiceState::Operational),
        );
        if !well.is_empty() {
            let verb = if well.len() == 1 { "is" } else { "are" };
            summaries.push(format!("{} {verb} not affected.", list(&well)));
        }
        if config.status_page.publish == Publish::Automatic {
            summaries.push(format!("Next update by {}.", clock(promise(now), zone)));
        }
    }
    bounded(summaries.join(" "))
}

/// What visitors notice, without a full stop.
fn what(titles: &[String], affected: &BTreeMap<ServiceId, ServiceState>) -> String {
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

/// What is so before anybody has said that they work on it.
pub(crate) const DETECTED: &str = "This was detected automatically, and our team is being notified.";

/// What is broken, in the words of somebody who does not run it.
fn cause(kind: Kind, acknowledged: bool) -> String {
    let known = match kind {
        Kind::Domain => Some("The cause is a problem with the registration of a domain name"),
        Kind::Dns => Some("The cause is a problem with name servers"),
        Kind::Tls => Some("The cause is a problem with a certificate"),
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
    let day = |at: Time| at.to_zoned(zone.clone()).date();
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

pub(crate) fn are(titles: &[String]) -> String {
    format!("{} {}", list(titles), if titles.len() == 1 { "is" } else { "are" })
}

/// "A", "A and B", "A, B and C", "A, B, C and 3 more".
pub(crate) fn list(titles: &[String]) -> String {
    list::and_more(titles, NAMES_MAX)
}

/// At most so many bytes, never half a character.
pub(crate) fn bounded(mut text: String) -> String {
    if text.len() > BODY_MAX {
        let end = (0..=BODY_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}
