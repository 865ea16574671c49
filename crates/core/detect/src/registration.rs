//! What a registration means: dates, status codes, and who was handed the name servers.
//!
//! Two dates are kept apart. The **registry's** is the one that takes a name away; the **registrar's** is the one that
//! was paid for. The earlier of both counts. Where the registrar's is later (paid ahead, the registry not told yet), the
//! registry's decides until it moves. In the auto renew period the registry has moved its date ahead though nobody may
//! have paid: that jump clears nothing.
//!
//! A date that nobody confirms any longer is stale after three days, restarts or not. Confirmations without news write no
//! line, so the journal alone cannot tell a quiet registry from a mute one: a registry that does not answer for an hour
//! is therefore noted in an alert, and from its beginning the days are counted after a restart. A process that never
//! lives for that hour forgets how long it asked in vain.
//!
//! An answer without a date does not take the last known one back. Where nobody tells a date and the configuration declares none,
//! that is said in a note: it wakes nobody, but the date is not watched.
//!
//! Weights: 60, 30, 14 and 7 days ahead warn; the last day wakes somebody, as does everything after.

use crate::lane::Lane;
use crate::verdict::{Charge, Verdict};
use std::collections::BTreeSet;
use std::time::Duration;
use types::fault::DomainFault;
use types::probe_result::DomainSeen;
use types::time::{between, earlier, later};
use types::{Fault, Severity, Time};

const DAY: Duration = Duration::from_secs(86_400);

/// A registry may fail to answer for this long before it is worth a note.
const UNANSWERED: Duration = Duration::from_secs(3600);

/// Days ahead at which an expiry is told again.
const STEPS: [u16; 5] = [1, 7, 14, 30, 60];

/// What was known about a domain before this answer.
#[derive(Debug, Default)]
pub(crate) struct Before<'a> {
    /// The configuration's own date, for registries that hide it.
    pub(crate) declared: Option<Time>,
    /// Name servers that we hold to be meant.
    pub(crate) servers: Option<&'a BTreeSet<String>>,
    /// Name servers that the parent zone names now, when they are others.
    pub(crate) moved_to: Option<&'a BTreeSet<String>>,
    /// The last registration that had nothing against it.
    pub(crate) settled: Option<&'a DomainSeen>,
    /// Whether it is held to be expired already.
    pub(crate) expired: Option<Expired>,
}

/// What an open alert says about an expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expired {
    pub(crate) at: Option<Time>,
    pub(crate) parked: bool,
}

/// Whether a registration has neither a passed date nor a status that tells of trouble.
pub(crate) fn nothing_against(seen: &DomainSeen, now: Time) -> bool {
    const TROUBLE: [&str; 7] = [
        "auto renew period",
        "redemption period",
        "pending delete",
        "pending restore",
        "client hold",
        "server hold",
        "inactive",
    ];
    let passed = |date: Option<Time>| date.is_some_and(|date| date <= now);
    !TROUBLE.iter().any(|status| seen.statuses.contains(*status))
        && !passed(seen.registry_expires)
        && !passed(seen.registrar_expires)
}

/// Whether the registry told anything that it had not told before. Its own bookkeeping does not count.
pub(crate) fn told_anew(was: &DomainSeen, seen: &DomainSeen) -> bool {
    let plain =
        |seen: &DomainSeen| DomainSeen { database_updated: None, source: String::new(), ..seen.clone() };
    plain(was) != plain(seen)
}

/// What was told, with the last known date where this answer has none: a registry that leaves its date out, or one whose
/// WHOIS cannot be asked just now, takes nothing back.
pub(crate) fn with_last_date(seen: &DomainSeen, last: Option<&DomainSeen>) -> DomainSeen {
    let is_dated = seen.registry_expires.is_some() || seen.registrar_expires.is_some();
    match last {
        Some(last) if !is_dated => DomainSeen {
            registry_expires: last.registry_expires,
            registrar_expires: last.registrar_expires,
            ..seen.clone()
        },
        _ => seen.clone(),
    }
}

/// The date that counts.
fn due(seen: &DomainSeen, before: &Before<'_>) -> Option<Time> {
    match (seen.registry_expires, seen.registrar_expires) {
        (Some(registry), Some(registrar)) => Some(registry.min(registrar)),
        (Some(one), None) | (None, Some(one)) => Some(one),
        (None, None) => before.declared,
    }
}

pub(crate) fn judge(seen: &DomainSeen, before: &Before<'_>, now: Time) -> Verdict {
    let has = |status: &str| seen.statuses.contains(status);
    let verdict = Verdict::default().well(Lane::Confirmation);

    let (verdict, gone) = match fate(seen, before, now) {
        // Nobody is woken by it, but nobody shall believe either that a date is watched.
        None if due(seen, before).is_none() => {
            (verdict.bad(charge(DomainFault::Undated, Severity::Info, seen, before)), false)
        }
        None => (verdict.well(Lane::Registration), false),
        Some((fault, severity)) => {
            let gone = matches!(fault, DomainFault::Redemption | DomainFault::PendingDelete);
            (verdict.bad(charge(fault, severity, seen, before)), gone)
        }
    };

    let hold = [("client hold", "registrar"), ("server hold", "registry"), ("inactive", "registry")];
    let verdict = match hold.into_iter().find(|(status, _)| has(status)) {
        // A deleted domain is held as well: once is enough.
        Some((status, by)) if !gone => {
            let fault = DomainFault::Held { by: by.to_owned(), status: status.to_owned() };
            verdict.bad(charge(fault, Severity::Critical, seen, before))
        }
        _ => verdict.well(Lane::Hold),
    };
    let verdict = if has("pending transfer") {
        verdict.bad(charge(DomainFault::PendingTransfer, Severity::Warning, seen, before))
    } else {
        verdict.well(Lane::Transfer)
    };
    verdict.weighed()
}

/// The worst of what dates and status codes say about whether the domain is ours.
fn fate(seen: &DomainSeen, before: &Before<'_>, now: Time) -> Option<(DomainFault, Severity)> {
    let has = |status: &str| seen.statuses.contains(status);
    if has("redemption period") || has("pending restore") {
        return Some((DomainFault::Redemption, Severity::Critical));
    }
    if has("pending delete") {
        return Some((DomainFault::PendingDelete, Severity::Critical));
    }

    let auto_renew = has("auto renew period");
    let parked_on = parked(seen, before);
    let passed = |date: Option<Time>| date.filter(|date| *date <= now);
    let unpaid = passed(seen.registrar_expires);
    let run_out = if auto_renew { None } else { passed(due(seen, before)) };
    // A registrar's date in the future says that it was paid for; the registry's status lingers for 45 days even then.
    let paid = seen.registrar_expires.is_some_and(|date| date > now);
    // Without that word, an expiry ends when the name servers come back, or else when the registry says so.
    let lingers = before.expired.is_some_and(|expired| !expired.parked);
    if unpaid.is_some() || run_out.is_some() || (auto_renew && !paid && (parked_on.is_some() || lingers)) {
        let at = [unpaid, run_out].into_iter().flatten().min();
        // The registry moved its date; the one from before the jump is the one that was paid for.
        let paid_until = || before.settled.and_then(|settled| passed(due(settled, &Before::default())));
        let at = at.or_else(|| before.expired.and_then(|expired| expired.at)).or_else(paid_until);
        return Some((DomainFault::Expired { at, parked_on }, Severity::Critical));
    }
    if auto_renew && !paid {
        return Some((DomainFault::AutoRenew, Severity::Warning));
    }
    let at = due(seen, before)?;
    step(at, now).map(|days| {
        let severity = if days <= 1 { Severity::Critical } else { Severity::Warning };
        (DomainFault::Expires { at, days }, severity)
    })
}

/// The name servers it was handed to, when they are not those that we hold to be meant.
fn parked(seen: &DomainSeen, before: &Before<'_>) -> Option<BTreeSet<String>> {
    let meant = before.servers.or_else(|| before.settled.map(|settled| &settled.name_servers))?;
    if meant.is_empty() {
        return None;
    }
    let told = Some(&seen.name_servers).filter(|told| !told.is_empty() && *told != meant);
    told.or(before.moved_to).cloned()
}

/// The step of the escalation that a coming date has reached.
pub(crate) fn step(at: Time, now: Time) -> Option<u16> {
    let left = between(now, at);
    STEPS.into_iter().find(|days| left <= DAY * u32::from(*days))
}

/// The next instant at which the dates alone change the judgement.
pub(crate) fn next_step(seen: &DomainSeen, before: &Before<'_>, now: Time) -> Option<Time> {
    let at = due(seen, before)?;
    let steps = STEPS.into_iter().map(|days| earlier(at, DAY * u32::from(days)));
    steps.chain([at]).filter(|step| *step > now).min()
}

/// A registration about which nothing is known but the configuration's date.
pub(crate) fn declared_only(domain: &str) -> DomainSeen {
    DomainSeen {
        domain: domain.to_owned(),
        source: "config".to_owned(),
        registry_expires: None,
        registrar_expires: None,
        statuses: BTreeSet::new(),
        name_servers: BTreeSet::new(),
        registrar: None,
        database_updated: None,
    }
}

/// The domain could not be asked about for so long that its date is no longer known.
pub(crate) fn stale(since: Time, last_known: Option<&DomainSeen>) -> Charge {
    let told = match last_known.map(|seen| seen.registry_expires.or(seen.registrar_expires)) {
        Some(Some(at)) => format!("not confirmed since {since}; the last date known is {at}"),
        Some(None) => format!("not confirmed since {since}; no date is known"),
        None => format!("never looked up, not since {since}; no date is known"),
    };
    let fault = Fault::Domain { domain: DomainFault::Stale { since } };
    Charge::new(fault, Severity::Warning).seen(told).sure(1)
}

/// A registry that does not answer: worth a note once it lasts. The note is also what a restart remembers of it.
pub(crate) fn unanswered(fault: Fault) -> Charge {
    Charge::new(fault, Severity::Info).lasting(UNANSWERED)
}

/// How long a date may stay unconfirmed: three days, or three times the usual pace, whichever is longer.
pub(crate) fn stale_at(confirmed: Time, every: Duration) -> Time {
    later(confirmed, (DAY * 3).max(every.saturating_mul(3)))
}

fn charge(fault: DomainFault, severity: Severity, seen: &DomainSeen, before: &Before<'_>) -> Charge {
    // A registry facing a restart may know nothing for a moment; all else it says is a fact at once.
    let times = if fault == DomainFault::NotRegistered { 2 } else { 1 };
    let told = told(seen, before);
    Charge::new(Fault::Domain { domain: fault }, severity).seen(told).sure(times)
}

/// The facts for a person who doubts the judgement.
fn told(seen: &DomainSeen, before: &Before<'_>) -> String {
    let mut parts = Vec::new();
    match (seen.registry_expires, seen.registrar_expires) {
        (Some(registry), Some(registrar)) => {
            parts.push(format!("expires {registry} by the registry, {registrar} by the registrar"));
            if registrar > registry {
                parts.push("the registry decides until its date moves".to_owned());
            }
        }
        (Some(registry), None) => parts.push(format!("expires {registry} by the registry")),
        (None, Some(registrar)) => parts.push(format!("expires {registrar} by the registrar")),
        (None, None) => match before.declared {
            Some(at) => parts.push(format!("expires {at} by the configuration; the registry hides the date")),
            None => parts.push(format!(
                "no date is told; declare it where you know it: [domain.\"{}\"] expires",
                seen.domain
            )),
        },
    }
    if !seen.statuses.is_empty() {
        let statuses: Vec<&str> = seen.statuses.iter().map(String::as_str).collect();
        parts.push(format!("status {}", statuses.join(", ")));
    }
    if !seen.name_servers.is_empty() {
        let servers: Vec<&str> = seen.name_servers.iter().map(String::as_str).collect();
        parts.push(format!("name servers {}", servers.join(", ")));
    }
    format!("{} says: {}", seen.source, parts.join("; "))
}

/// The registry does not know the name.
pub(crate) fn unregistered(fault: &DomainFault) -> Verdict {
    let times = if *fault == DomainFault::NotRegistered { 2 } else { 1 };
    let fault = Fault::Domain { domain: fault.clone() };
    Verdict::default()
        .well(Lane::Confirmation)
        .bad(Charge::new(fault, Severity::Critical).sure(times))
        .weighed()
}
