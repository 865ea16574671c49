//! Clauses for alerts of the edge.

use super::{Facts, Tense, clock, listed};
use crate::impact::hurts;
use crate::state::Case;
use jiff::ZonedDateTime;
use std::collections::BTreeSet;
use text::number::grouped;
use types::fault::pool::{refuses as refused, who_serves};
use types::fault::{CrashLoop, DatabaseFault};
use types::{Alert, Fault, Kind, Resource, Time};

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
        Fault::PoolBelowMinimum { healthy, declared, min_healthy, out, serving, refuses, .. } => {
            let has = if is { "has" } else { "had" };
            let (who, refused) = (who(is, *healthy, serving, out), refused(is && *refuses));
            format!(
                "pool {subject} {has} {healthy} of {declared} servers healthy (minimum {min_healthy}){since}{refused}{who}"
            )
        }
        Fault::PoolShrunken { healthy, peak, out, serving, refuses, .. } => {
            let has = if is { "has" } else { "had" };
            let (who, refused) = (who(is, *healthy, serving, out), refused(is && *refuses));
            format!("pool {subject} {has} {healthy} servers healthy, {peak} before{since}{refused}{who}")
        }
        Fault::PoolUnseen { why } => {
            let cannot = if is { "cannot" } else { "could not" };
            format!(
                "mainstay {cannot} see pool {subject}{since}: {why}; whether its servers serve is not known"
            )
        }
        Fault::PoolMemberIdle { .. } | Fault::ReconnectStorm { .. } => {
            format!("pool {subject} {}", super::in_tense(&alert.fault.to_string(), tense))
        }
        Fault::CrashLoop { crash_loop } => crash_loop_clause(subject, crash_loop, &since, is),
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

fn crash_loop_clause(subject: &str, crash_loop: &CrashLoop, since: &str, is: bool) -> String {
    let (who, restart) = looping(crash_loop, subject);
    let (restarts, figures) = (if is { restart } else { "restarted" }, crash_loop.figures());
    let last = if is { format!("; last sign: {}", crash_loop.last) } else { String::new() };
    format!("{who} {restarts} again and again{since}: {figures}{last}")
}

/// What is in a crash loop, servers of a pool or the resource itself, and the verb.
fn looping(crash_loop: &CrashLoop, subject: &str) -> (String, &'static str) {
    let (looping, of) = (crash_loop.looping, crash_loop.of);
    if crash_loop.servers.is_empty() {
        return (subject.to_owned(), "restarts");
    }
    if crash_loop.is_every() {
        return (format!("every server of pool {subject}"), "restarts");
    }
    let restart = if looping == 1 { "restarts" } else { "restart" };
    (format!("{} of pool {subject} ({looping} of {of} servers)", crash_loop.names()), restart)
}

/// Which servers serve and which do not, while that lasts.
fn who(is: bool, healthy: u32, serving: &[String], out: &[String]) -> String {
    let who = if is { who_serves(healthy, serving, out) } else { Vec::new() };
    if who.is_empty() { String::new() } else { format!(": {}", who.join(", ")) }
}

impl Facts<'_> {
    /// Open alerts of the incident that are not about its cause.
    fn open_elsewhere(&self) -> impl Iterator<Item = &Case> {
        let is_open = |case: &&&Case| case.closed.is_none() && case.alert.about != *self.cause;
        self.cases.iter().filter(is_open).copied()
    }

    /// Pools that lost servers because of the cause.
    pub(super) fn pools_short(&self) -> String {
        // Pools that lost the same servers are named by `other_pools`.
        if self.cause.kind == Kind::Pool {
            return String::new();
        }
        let open = self.cases.iter().filter(|case| case.closed.is_none());
        let loops = open.filter(|case| matches!(case.alert.fault, Fault::CrashLoop { .. }));
        let loops: BTreeSet<&Resource> = loops.map(|case| &case.alert.about).collect();
        let pools = self.open_elsewhere().filter_map(|case| match &case.alert.fault {
            // What is said of a pool in a crash loop includes it.
            Fault::PoolBelowMinimum { healthy, declared, min_healthy, serving, out, .. }
                if !loops.contains(&case.alert.about) =>
            {
                let who = who(true, *healthy, serving, out);
                let name = &case.alert.about.name;
                Some(format!(
                    "; pool {name} has {healthy} of {declared} servers healthy (minimum {min_healthy}){who}"
                ))
            }
            _ => None,
        });
        pools.take(2).collect()
    }

    /// Services whose clients repeat requests because the cause makes them fail.
    pub(super) fn retries(&self) -> String {
        let storms =
            self.open_elsewhere().filter(|case| matches!(case.alert.fault, Fault::RetryStorm { .. }));
        let said = |case: &Case| format!("; {} {}", self.display_name(&case.alert.about), case.alert.fault);
        storms.take(2).map(said).collect()
    }

    /// Servers that end and are started again and again because of the cause.
    pub(super) fn crash_loops(&self) -> String {
        let loops = self.open_elsewhere().filter_map(|case| {
            let Fault::CrashLoop { crash_loop } = &case.alert.fault else { return None };
            let (who, restart) = looping(crash_loop, &self.display_name(&case.alert.about));
            Some(format!("; {who} {restart} again and again ({})", crash_loop.figures()))
        });
        loops.take(2).collect()
    }

    /// Capacity that sits idle because a layer above it is short.
    pub(super) fn idle_capacity(&self) -> String {
        let idle = self.open_elsewhere().filter_map(|case| {
            let by = case.alert.fault.starved_by()?;
            let what = match &case.alert.fault {
                Fault::Database { database: DatabaseFault::ReplicaIdle { node, .. } } => {
                    format!("the replica {node} of database {}", case.alert.about.name)
                }
                Fault::PoolMemberIdle { idle, .. } => {
                    format!("{} of pool {}", text::list::and(idle), case.alert.about.name)
                }
                _ => return None,
            };
            Some(format!("; {what} gets no work, {by}"))
        });
        idle.take(2).collect()
    }

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

    /// What the incident began with, when another cause goes on: a surge, or the failure of the pool's database.
    pub(super) fn began_with(&self) -> Option<String> {
        self.began_with_surge().or_else(|| self.began_with_database())
    }

    /// The database whose failure took the servers of the pool, with its statement, when it is well again.
    fn began_with_database(&self) -> Option<String> {
        let failed = self.cases.iter().filter_map(|case| {
            let is_failure = case.alert.about.kind == Kind::Database && hurts(&case.alert);
            Some((case.closed.filter(|_| is_failure)?, &case.alert))
        });
        // Of several alerts the first that has a statement.
        let key =
            |(_, alert): &(Time, &Alert)| (!alert.fault.to_string().contains('`'), alert.since, alert.id);
        let (closed, alert) = failed.min_by_key(key).filter(|_| self.cause.kind == Kind::Pool)?;
        let how = super::in_tense(&alert.fault.to_string(), Tense::Was);
        let (name, at) = (self.display_name(&alert.about), clock(closed, &self.zoned(self.now)));
        Some(format!("it began with {name}, which {how}, over since {at}"))
    }

    /// The surge at the start. A surge on a dependency came from the cause.
    fn began_with_surge(&self) -> Option<String> {
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
            Fault::PoolBelowMinimum { .. } | Fault::PoolShrunken { .. } => {
                format!("pool {subject} has enough healthy servers since {at}")
            }
            Fault::CrashLoop { crash_loop } if !crash_loop.servers.is_empty() => {
                format!("the servers of pool {subject} run without an end since {at}")
            }
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
