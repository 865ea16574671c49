//! Clauses for alerts of the edge.

use super::{Facts, Tense, clock, listed};
use crate::state::Case;
use jiff::ZonedDateTime;
use std::collections::BTreeSet;
use text::number::grouped;
use types::{Alert, Fault, Resource, Time};

/// Clause of an alert of the edge; `None` for any other.
pub(super) fn clause(subject: &str, alert: &Alert, now: &ZonedDateTime, tense: Tense) -> Option<String> {
    let is = tense == Tense::Is;
    let since = if is { format!(" since {}", clock(alert.since, now)) } else { String::new() };
    Some(match &alert.fault {
        Fault::Surge { times, per_sec, share_percent, networks } => {
            let receives = if is { "receives" } else { "received" };
            let per_sec = grouped(u64::from(*per_sec));
            let much = match times {
                Some(times) => format!("{} times its usual traffic", grouped(u64::from(*times))),
                None => format!("{per_sec} requests/s, more than it can serve"),
            };
            let from = match networks.as_slice() {
                [] => String::new(),
                [one] => format!(", {share_percent} % of it from {one}"),
                many => {
                    let names: Vec<&str> = many.iter().map(String::as_str).collect();
                    format!(", {share_percent} % of it from {} networks: {}", many.len(), names.join(", "))
                }
            };
            let rate = if times.is_some() && is { format!("; {per_sec} requests/s") } else { String::new() };
            format!("{subject} {receives} {much}{since}{from}{rate}")
        }
        Fault::LimitConflict { caller, percent, trace, limits } => {
            let limits_caller = if is { "rate-limits" } else { "rate-limited" };
            let limits =
                if limits.is_empty() { String::new() } else { format!(" ({})", limits.join(", then ")) };
            let example = match trace {
                Some(trace) if is => format!("; see `mainstay trace {trace}`"),
                _ => String::new(),
            };
            format!(
                "{subject} {limits_caller} its own caller {caller}: {percent} % of its 429 responses{limits}{since}{example}"
            )
        }
        Fault::PoolBelowMinimum { healthy, declared, min_healthy, out } => {
            let has = if is { "has" } else { "had" };
            let out = if is && !out.is_empty() { format!(": {}", out.join(", ")) } else { String::new() };
            format!(
                "pool {subject} {has} {healthy} of {declared} servers healthy (minimum {min_healthy}){since}{out}"
            )
        }
        Fault::ServerCertificate { expected, why } => {
            let present = if is { "present" } else { "presented" };
            format!(
                "the servers of {subject} {present} a certificate that is not for {expected}{since}: {why}"
            )
        }
        Fault::EdgeSilent { .. } => {
            let has = if is { "has" } else { "had" };
            format!("mainstay {has} received no traffic report from its edge{since}")
        }
        _ => return None,
    })
}

impl Facts<'_> {
    /// Other pools that lost the same servers.
    pub(super) fn other_pools(&self, first: &Case) -> String {
        if !matches!(first.alert.fault, Fault::PoolBelowMinimum { .. }) {
            return String::new();
        }
        let pools = self.cases.iter().filter(|case| case.closed.is_some() == first.closed.is_some());
        let pools = pools.filter(|case| matches!(case.alert.fault, Fault::PoolBelowMinimum { .. }));
        let pools = pools.map(|case| case.alert.about.name.as_str());
        let others: BTreeSet<&str> = pools.filter(|name| *name != self.cause.name).collect();
        let others: Vec<&str> = others.into_iter().collect();
        let pool = match others.len() {
            0 => return String::new(),
            1 => "pool",
            _ => "pools",
        };
        format!("; the same for {pool} {}", listed(&others))
    }

    /// The surge at the start of the incident, when another cause goes on. A surge on a dependency came from the cause.
    pub(super) fn began_with(&self) -> Option<String> {
        let came_from_it =
            |about: &Resource| about == self.cause || self.config.graph.beneath(self.cause).contains(about);
        let surge = self.cases.iter().find(|case| {
            matches!(case.alert.fault, Fault::Surge { .. }) && !came_from_it(&case.alert.about)
        })?;
        let Fault::Surge { times, .. } = &surge.alert.fault else { return None };
        let much = times.map(|times| format!(" ({} times its usual traffic)", grouped(u64::from(times))));
        let over = match surge.closed {
            Some(at) => format!(", over since {}", clock(at, &self.zoned(self.now))),
            None => String::new(),
        };
        let title = self.display_name(&surge.alert.about);
        Some(format!("it began with a surge on {title}{}{over}", much.unwrap_or_default()))
    }

    /// Summary after the recovery of a cause that the edge measures.
    pub(super) fn after_surge(&self, since: Time) -> Option<String> {
        let own = self.own();
        let own = own.first()?;
        let subject = self.display_name(self.cause);
        let at = clock(since, &self.zoned(self.now));
        let over = match &own.alert.fault {
            Fault::Surge { .. } => format!("{subject} receives its usual traffic again since {at}"),
            Fault::LimitConflict { caller, .. } => {
                format!("{subject} no longer rate-limits its own caller {caller} since {at}")
            }
            Fault::PoolBelowMinimum { .. } => format!("pool {subject} has enough healthy servers since {at}"),
            Fault::ServerCertificate { expected, .. } => {
                format!("the servers of {subject} present the certificate for {expected} since {at}")
            }
            _ => return None,
        };
        let failing: Vec<&str> = self.scope.failing.iter().map(String::as_str).collect();
        Some(match failing.len() {
            0 => format!("{over}; monitoring"),
            1 => format!("{over}, but {} still fails", failing[0]),
            _ => format!("{over}, but {} still fail", listed(&failing)),
        })
    }
}
