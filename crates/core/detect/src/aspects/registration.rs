//! Registrations: dates, status codes and name servers.
//!
//! There are two dates. The **registry's** is the one after which the name is deleted; the **registrar's** is the one
//! that was paid for. The earlier of both counts. If the registrar's is later (paid in advance, not yet passed on), the
//! registry's counts until it moves. In the auto renew period the registry has moved its date although the renewal may
//! be unpaid: that change resolves nothing.
//!
//! A date without confirmation is stale after three days, also across restarts. Confirmations without news write no
//! event, so the journal cannot distinguish them from failed lookups: a registry that does not answer for an hour
//! therefore opens an alert of severity info, and after a restart the days count from its start. A process that runs
//! for less than an hour forgets its failed lookups.
//!
//! An answer without a date does not delete the last known one. If there is no date at all, neither published nor
//! configured, an alert of severity info says that the expiry is not monitored.
//!
//! Severity: warning at 60, 30, 14 and 7 days; critical on the last day and after it.

use crate::aspect::Aspect;
use crate::state::Expired;
use crate::violation::{Verdict, Violation};
use std::collections::BTreeSet;
use std::time::Duration;
use types::fault::DomainFault;
use types::probe_result::DomainSeen;
use types::time::{between, earlier, later};
use types::{Fault, Severity, Time};

const DAY: Duration = Duration::from_secs(86_400);

/// Duration of failed lookups after which an alert opens.
const LOOKUP_FAILED_FOR: Duration = Duration::from_secs(3600);

/// Remaining days at which an expiry alert is updated.
const STEPS: [u16; 5] = [1, 7, 14, 30, 60];

/// Knowledge about a domain from before this answer.
#[derive(Debug, Default)]
pub(crate) struct Before<'a> {
    /// Configured date, for registries that hide it.
    pub(crate) declared: Option<Time>,
    /// Intended name servers.
    pub(crate) servers: Option<&'a BTreeSet<String>>,
    /// Name servers in the parent zone, when they differ.
    pub(crate) moved_to: Option<&'a BTreeSet<String>>,
    /// The last registration without trouble.
    pub(crate) settled: Option<&'a DomainSeen>,
    /// The expiry that an open alert reports.
    pub(crate) expired: Option<Expired>,
}

/// Whether the answer differs from the last one. The registry's own bookkeeping does not count.
pub(crate) fn has_news(was: &DomainSeen, seen: &DomainSeen) -> bool {
    let plain =
        |seen: &DomainSeen| DomainSeen { database_updated: None, source: String::new(), ..seen.clone() };
    plain(was) != plain(seen)
}

/// The answer, with the last known dates if it has none: a registry may leave the date out, or its WHOIS may be down.
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

/// Judges a registration.
pub(crate) fn judge(seen: &DomainSeen, before: &Before<'_>, now: Time) -> Verdict {
    let has = |status: &str| seen.statuses.contains(status);
    let verdict = Verdict::default().good(Aspect::Confirmation);

    let (verdict, deleted) = match worst(seen, before, now) {
        // No page, but it must be visible that no expiry date is monitored.
        None if due(seen, before).is_none() => {
            (verdict.bad(violation(DomainFault::Undated, Severity::Info, seen, before)), false)
        }
        None => (verdict.good(Aspect::Registration), false),
        Some((fault, severity)) => {
            let deleted = matches!(fault, DomainFault::Redemption | DomainFault::PendingDelete);
            (verdict.bad(violation(fault, severity, seen, before)), deleted)
        }
    };

    let hold = [("client hold", "registrar"), ("server hold", "registry"), ("inactive", "registry")];
    let verdict = match hold.into_iter().find(|(status, _)| has(status)) {
        // A deleted domain is on hold as well; one alert is enough.
        Some((status, by)) if !deleted => {
            let fault = DomainFault::Held { by: by.to_owned(), status: status.to_owned() };
            verdict.bad(violation(fault, Severity::Critical, seen, before))
        }
        _ => verdict.good(Aspect::Hold),
    };
    let verdict = if has("pending transfer") {
        verdict.bad(violation(DomainFault::PendingTransfer, Severity::Warning, seen, before))
    } else {
        verdict.good(Aspect::Transfer)
    };
    verdict.with_health()
}

/// The worst fault by dates and status codes, with its severity.
fn worst(seen: &DomainSeen, before: &Before<'_>, now: Time) -> Option<(DomainFault, Severity)> {
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
    // A registrar's date in the future means that it is paid; the registry keeps the status for 45 days even then.
    let paid = seen.registrar_expires.is_some_and(|date| date > now);
    // Without that date, an expiry ends when the name servers are back, or when the registry's status changes.
    let lingers = before.expired.is_some_and(|expired| !expired.parked);
    if unpaid.is_some() || run_out.is_some() || (auto_renew && !paid && (parked_on.is_some() || lingers)) {
        let at = [unpaid, run_out].into_iter().flatten().min();
        // The registry moved its date; the date before that is the one that was paid for.
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

/// The name servers of the registration, when they are not the intended ones.
fn parked(seen: &DomainSeen, before: &Before<'_>) -> Option<BTreeSet<String>> {
    let intended = before.servers.or_else(|| before.settled.map(|settled| &settled.name_servers))?;
    if intended.is_empty() {
        return None;
    }
    let listed = Some(&seen.name_servers).filter(|listed| !listed.is_empty() && *listed != intended);
    listed.or(before.moved_to).cloned()
}

/// The number of days of [`STEPS`] that a coming date has reached.
pub(crate) fn step(at: Time, now: Time) -> Option<u16> {
    let left = between(now, at);
    STEPS.into_iter().find(|days| left <= DAY * u32::from(*days))
}

/// The next time at which the dates alone change the judgement.
pub(crate) fn next_step(seen: &DomainSeen, before: &Before<'_>, now: Time) -> Option<Time> {
    let at = due(seen, before)?;
    let steps = STEPS.into_iter().map(|days| earlier(at, DAY * u32::from(days)));
    steps.chain([at]).filter(|step| *step > now).min()
}

/// A registration that is known from the configuration only.
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

/// Violation for a date without confirmation for too long.
pub(crate) fn stale(since: Time, last_known: Option<&DomainSeen>) -> Violation {
    let seen_text = match last_known.map(|seen| seen.registry_expires.or(seen.registrar_expires)) {
        Some(Some(at)) => format!("not confirmed since {since}; last known date: {at}"),
        Some(None) => format!("not confirmed since {since}; no known date"),
        None => format!("no successful lookup since {since}; no known date"),
    };
    let fault = Fault::Domain { domain: DomainFault::Stale { since } };
    Violation::new(fault, Severity::Warning).seen(seen_text).after_count(1)
}

/// Violation for a registry that does not answer. Its alert also keeps the start of the failures across a restart.
pub(crate) fn lookup_failed(fault: Fault) -> Violation {
    Violation::new(fault, Severity::Info).after_lasting(LOOKUP_FAILED_FOR)
}

/// Time at which a date becomes stale: after three days or three intervals of the probe, whichever is longer.
pub(crate) fn stale_at(confirmed: Time, interval: Duration) -> Time {
    later(confirmed, (DAY * 3).max(interval.saturating_mul(3)))
}

fn violation(fault: DomainFault, severity: Severity, seen: &DomainSeen, before: &Before<'_>) -> Violation {
    // A registry may answer "not found" for a moment during a restart; everything else is a fact immediately.
    let times = if fault == DomainFault::NotRegistered { 2 } else { 1 };
    let seen_text = facts(seen, before);
    Violation::new(Fault::Domain { domain: fault }, severity).seen(seen_text).after_count(times)
}

/// The facts behind a violation.
fn facts(seen: &DomainSeen, before: &Before<'_>) -> String {
    let mut parts = Vec::new();
    match (seen.registry_expires, seen.registrar_expires) {
        (Some(registry), Some(registrar)) => {
            parts.push(format!("expires {registry} by the registry, {registrar} by the registrar"));
            if registrar > registry {
                parts.push("the registry's date counts until it moves".to_owned());
            }
        }
        (Some(registry), None) => parts.push(format!("expires {registry} by the registry")),
        (None, Some(registrar)) => parts.push(format!("expires {registrar} by the registrar")),
        (None, None) => match before.declared {
            Some(at) => parts.push(format!("expires {at} by the configuration; the registry hides the date")),
            None => parts.push(format!(
                "no date is published; set it in the configuration: [domain.\"{}\"] expires",
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

/// Verdict for a name that the registry does not know.
pub(crate) fn unregistered(fault: &DomainFault) -> Verdict {
    let times = if *fault == DomainFault::NotRegistered { 2 } else { 1 };
    let fault = Fault::Domain { domain: fault.clone() };
    Verdict::default()
        .good(Aspect::Confirmation)
        .bad(Violation::new(fault, Severity::Critical).after_count(times))
        .with_health()
}
