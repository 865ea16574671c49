//! The words for what the edge sees.

use super::{Facts, Tense, clock, listed};
use crate::known::Case;
use jiff::Zoned;
use std::collections::BTreeSet;
use text::number::grouped;
use types::{Alert, Fault, Resource, Time};

/// One alert of the edge with its subject; nothing for any other.
pub(super) fn told(subject: &str, alert: &Alert, now: &Zoned, tense: Tense) -> Option<String> {
    let is = tense == Tense::Is;
    let since = if is { format!(" since {}", clock(alert.since, now)) } else { String::new() };
    Some(match &alert.fault {
        Fault::Surge { times, per_sec, share_percent, networks } => {
            let gets = if is { "gets" } else { "got" };
            let per_sec = grouped(u64::from(*per_sec));
            let much = match times {
                Some(times) => format!("{} times its usual traffic", grouped(u64::from(*times))),
                None => format!("{per_sec} requests a second, more than it can serve"),
            };
            let from = match networks.as_slice() {
                [] => String::new(),
                [one] => format!(", {share_percent} % of it from {one}"),
                many => {
                    let names: Vec<&str> = many.iter().map(String::as_str).collect();
                    format!(", {share_percent} % of it from {} networks: {}", many.len(), names.join(", "))
                }
            };
            let rate =
                if times.is_some() && is { format!("; {per_sec} requests a second") } else { String::new() };
            format!("{subject} {gets} {much}{since}{from}{rate}")
        }
        Fault::LimitConflict { caller, percent, trace, limits } => {
            let (refuses, hit) = if is { ("refuses", "hit") } else { ("refused", "hit") };
            let limits =
                if limits.is_empty() { String::new() } else { format!(" ({})", limits.join(", then ")) };
            let proof = match trace {
                Some(trace) if is => format!("; the proof: mainstay trace {trace}"),
                _ => String::new(),
            };
            format!(
                "{subject} {refuses} its own caller {caller}: {percent} % of its 429s {hit} it{limits}{since}{proof}"
            )
        }
        Fault::PoolBelowFloor { serving, declared, floor, out } => {
            let serves = if is { "serves" } else { "served" };
            let (wanted, out) = if is {
                let out: Vec<&str> = out.iter().map(String::as_str).collect();
                let out = if out.is_empty() { String::new() } else { format!(": {}", out.join(", ")) };
                (format!(", {floor} are wanted"), out)
            } else {
                (format!(" instead of at least {floor}"), String::new())
            };
            format!("the pool {subject} {serves} from {serving} of {declared} servers{since}{wanted}{out}")
        }
        Fault::ServerCertificate { expected, why } => {
            let present = if is { "present" } else { "presented" };
            format!(
                "the servers of {subject} {present} a certificate that is not for {expected}{since}: {why}"
            )
        }
        Fault::EdgeSilent { .. } => {
            let has = if is { "has" } else { "had" };
            format!("mainstay {has} heard nothing of its own edge{since}")
        }
        _ => return None,
    })
}

impl Facts<'_> {
    /// The other pools that lost the same servers.
    pub(super) fn other_pools(&self, first: &Case, tense: Tense) -> String {
        if !matches!(first.alert.fault, Fault::PoolBelowFloor { .. }) {
            return String::new();
        }
        let pools = self.cases.iter().filter(|case| case.closed.is_some() == first.closed.is_some());
        let pools = pools.filter(|case| matches!(case.alert.fault, Fault::PoolBelowFloor { .. }));
        let pools = pools.map(|case| case.alert.about.name.as_str());
        let others: BTreeSet<&str> = pools.filter(|name| *name != self.cause.name).collect();
        let others: Vec<&str> = others.into_iter().collect();
        let (do_so, pool) = match (tense, others.len()) {
            (_, 0) => return String::new(),
            (Tense::Is, 1) => ("does", "pool"),
            (Tense::Is, _) => ("do", "pools"),
            (Tense::Was, 1) => ("did", "pool"),
            (Tense::Was, _) => ("did", "pools"),
        };
        format!("; so {do_so} the {pool} {}", listed(&others))
    }

    /// The surge that the trouble began with, when it is over and something else goes on. One on what the cause needs came
    /// from the cause.
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
        let title = self.called(&surge.alert.about);
        Some(format!("it began with a surge on {title}{}{over}", much.unwrap_or_default()))
    }

    /// What is so when the surge is over: who still fails.
    pub(super) fn after_surge(&self, since: Time) -> Option<String> {
        let own = self.own();
        let own = own.first()?;
        let subject = self.called(self.cause);
        let at = clock(since, &self.zoned(self.now));
        let over = match &own.alert.fault {
            Fault::Surge { .. } => format!("{subject} gets no more than its usual traffic since {at}"),
            Fault::LimitConflict { caller, .. } => {
                format!("{subject} no longer refuses its own caller {caller} since {at}")
            }
            Fault::PoolBelowFloor { .. } => format!("enough servers of the pool {subject} serve since {at}"),
            Fault::ServerCertificate { expected, .. } => {
                format!("the servers of {subject} present the certificate for {expected} since {at}")
            }
            _ => return None,
        };
        let failing: Vec<&str> = self.scope.failing.iter().map(String::as_str).collect();
        Some(match failing.len() {
            0 => format!("{over}; it is being watched for a while"),
            1 => format!("{over}, but {} still fails", failing[0]),
            _ => format!("{over}, but {} still fail", listed(&failing)),
        })
    }
}
