//! Pools: number of healthy servers, and their certificates.

use crate::alert::{Decision, NewAlert};
use crate::pool::is_shrunken;
use crate::pool::memory::Numbers;
use crate::pool::words::{self, Out, count};
use crate::traffic::crash_loop::CrashLoops;
use crate::traffic::storm::Storm;
use jiff::tz::TimeZone;
use std::time::Duration;
use types::fault::pool::servers_of;
use types::time::{between, earlier};
use types::traffic::{PoolStatus, ServerState, ServerStatus};
use types::{Fault, Severity, Time};

/// Consecutive roll-ups that open an alert; the higher one while no server is known, as during name resolution.
const REPEATS: u32 = 2;
const REPEATS_EMPTY: u32 = 5;
/// Consecutive roll-ups with enough servers that resolve it.
const ENOUGH_REPEATS: u32 = 5;
/// Consecutive roll-ups without a wrong certificate that resolve it.
const CERTIFIED_REPEATS: u32 = 5;
/// Time for which fewer than half of the servers have to be healthy when no minimum is configured: a deploy ends.
const SHRUNKEN_FOR: Duration = Duration::from_mins(5);

/// Counters of one pool since boot.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    too_few: Count,
    shrunken: Count,
    /// The same, while clients are refused.
    refusing: Count,
    certificate: Count,
    /// Reconnects.
    pub(crate) storm: Storm,
    crash_loops: CrashLoops,
    /// Fewer than the minimum, or than half of them.
    short: Count,
    /// The newest numbers.
    pub(crate) newest: Option<Numbers>,
}

#[derive(Debug, Default)]
struct Count {
    bad: u32,
    good: u32,
    since: Option<Time>,
}

impl Count {
    fn note(&mut self, bad: bool, since: Time) {
        if bad {
            self.bad = self.bad.saturating_add(1);
            self.good = 0;
            self.since.get_or_insert(since);
        } else {
            self.good = self.good.saturating_add(1);
            self.bad = 0;
            self.since = None;
        }
    }
}

impl Pool {
    /// Judges a roll-up: a decision about each fault of a pool, by its code.
    pub(crate) fn judge(
        &mut self,
        seen: &PoolStatus,
        min_healthy: Option<u32>,
        refuses: bool,
        at: (Time, &TimeZone),
    ) -> [(&'static str, Decision); 4] {
        let servers = Servers::of(seen);
        self.note(&servers, min_healthy, at.0);
        let crash_loop = self.crash_loops.judge(seen, min_healthy, at);
        // Servers that serve between two ends end no shortage.
        let is_short = matches!(&crash_loop, Decision::Raise(new) if new.severity == Severity::Critical);
        let lasting = |decision| match decision {
            Decision::Resolve if is_short => Decision::Keep,
            decision => decision,
        };
        [
            ("pool-below-minimum", lasting(self.judge_healthy(&servers, min_healthy, refuses, at))),
            ("pool-shrunken", lasting(self.judge_shrunken(&servers, min_healthy, refuses, at))),
            ("server-certificate", self.judge_certificate(seen, at.0)),
            ("crash-loop", crash_loop),
        ]
    }

    /// Notes the newest numbers.
    fn note(&mut self, servers: &Servers<'_>, min_healthy: Option<u32>, now: Time) {
        let is_short = match min_healthy {
            Some(min) => servers.healthy() < min,
            None => is_shrunken(servers.healthy(), servers.expected()),
        };
        self.short.note(is_short, now);
        let since = self.newest.and_then(|newest| newest.short_since);
        let short_since = match is_short {
            true => since.or(Some(now)),
            false => since.filter(|_| self.short.good < ENOUGH_REPEATS),
        };
        self.newest = Some(Numbers { serving: servers.healthy(), of: servers.expected(), short_since });
    }

    /// Judges the number of healthy servers. The default of `min_healthy` is one.
    fn judge_healthy(
        &mut self,
        servers: &Servers<'_>,
        min_healthy: Option<u32>,
        refuses: bool,
        (now, zone): (Time, &TimeZone),
    ) -> Decision {
        let required = min_healthy.unwrap_or(1);
        // Too few since the last server left.
        let left = servers.out.iter().map(|server| earlier(now, server.since)).max().unwrap_or(now);
        self.too_few.note(servers.healthy() < required, left);
        let repeats = if servers.seen.servers.is_empty() { REPEATS_EMPTY } else { REPEATS };
        if self.too_few.bad >= repeats {
            let fault = Fault::PoolBelowMinimum {
                healthy: servers.healthy(),
                declared: count(servers.seen.servers.len()),
                min_healthy: required,
                out: servers.described(now, zone),
                serving: servers.named(),
                backups: 0,
                balancer: None,
                refuses,
            };
            let since = self.too_few.since.unwrap_or(now);
            let evidence = servers.evidence();
            return Decision::Raise(NewAlert { fault, severity: Severity::Critical, since, evidence });
        }
        if self.too_few.good >= ENOUGH_REPEATS { Decision::Resolve } else { Decision::Keep }
    }

    /// Judges a pool without a configured minimum: whether most of its servers have been failing for long, which the team
    /// should know, or clients are refused because of that, which wakes people immediately.
    fn judge_shrunken(
        &mut self,
        servers: &Servers<'_>,
        min_healthy: Option<u32>,
        refuses: bool,
        (now, zone): (Time, &TimeZone),
    ) -> Decision {
        let (healthy, expected) = (servers.healthy(), servers.expected());
        // Without any healthy server the other alert says so.
        let is_bad = min_healthy.is_none() && healthy > 0 && is_shrunken(healthy, expected);
        self.shrunken.note(is_bad, now);
        self.refusing.note(is_bad && refuses, now);
        let is_urgent = self.refusing.bad >= REPEATS;
        let severity = if is_urgent { Severity::Critical } else { Severity::Warning };
        match self.shrunken.since {
            Some(since) if is_urgent || between(since, now) >= SHRUNKEN_FOR => {
                let fault = Fault::PoolShrunken {
                    healthy,
                    peak: expected,
                    out: servers.described(now, zone),
                    serving: servers.named(),
                    balancer: None,
                    refuses: is_urgent,
                };
                let evidence = servers.evidence();
                Decision::Raise(NewAlert { fault, severity, since, evidence })
            }
            None if self.shrunken.good >= ENOUGH_REPEATS => Decision::Resolve,
            _ => Decision::Keep,
        }
    }

    /// Judges the certificates of the servers.
    fn judge_certificate(&mut self, seen: &PoolStatus, now: Time) -> Decision {
        self.certificate.note(seen.certificate.is_some(), now);
        match &seen.certificate {
            Some((expected, why)) if self.certificate.bad >= REPEATS => {
                let fault = Fault::ServerCertificate { expected: expected.clone(), why: why.clone() };
                let evidence = format!("the edge asked for {expected}: {why}");
                let since = self.certificate.since.unwrap_or(now);
                Decision::Raise(NewAlert { fault, severity: Severity::Critical, since, evidence })
            }
            None if self.certificate.good >= CERTIFIED_REPEATS => Decision::Resolve,
            _ => Decision::Keep,
        }
    }
}

/// The servers of a pool by whether they get requests.
struct Servers<'a> {
    seen: &'a PoolStatus,
    serving: Vec<&'a ServerStatus>,
    out: Vec<&'a ServerStatus>,
}

impl<'a> Servers<'a> {
    fn of(seen: &'a PoolStatus) -> Self {
        let (serving, out) = seen.servers.iter().partition(|server| server.state.serves());
        Self { seen, serving, out }
    }

    fn healthy(&self) -> u32 {
        count(self.serving.len())
    }

    /// Servers that are meant to serve: all but the draining ones.
    fn expected(&self) -> u32 {
        let draining = self.out.iter().filter(|server| server.state == ServerState::Draining).count();
        count(self.serving.len() + self.out.len() - draining)
    }

    fn named(&self) -> Vec<String> {
        words::serving(self.serving.iter().map(|server| server.address.as_str()))
    }

    fn described(&self, now: Time, zone: &TimeZone) -> Vec<String> {
        let out = self.out.iter().map(|server| Out {
            name: &server.address,
            state: server.state.as_str(),
            since: Some(earlier(now, server.since)),
            why: server.why.as_deref(),
        });
        words::out(&out.collect::<Vec<_>>(), zone)
    }

    fn evidence(&self) -> String {
        let PoolStatus { servers, inflight, waiting, panic_mode, .. } = self.seen;
        let panic = match panic_mode {
            true => "; panic mode: all servers except draining ones get requests",
            false => "",
        };
        format!(
            "{} of {} servers healthy; {inflight} requests in flight, {waiting} queued{panic}",
            self.healthy(),
            servers.len()
        )
    }
}

/// Whether an open alert should be updated: other numbers or other servers.
pub(crate) fn is_news(was: &Fault, now: &Fault) -> bool {
    match (shortage(was), shortage(now)) {
        (Some(was), Some(now)) => was != now,
        _ => was != now,
    }
}

/// What an alert about too few servers says, without times and reasons.
fn shortage(fault: &Fault) -> Option<(&str, [u32; 2], bool, Vec<&str>)> {
    match fault {
        Fault::PoolBelowMinimum { healthy, min_healthy: of, out, refuses, .. }
        | Fault::PoolShrunken { healthy, peak: of, out, refuses, .. } => {
            let servers = out.iter().map(|line| servers_of(line).unwrap_or(line));
            Some((fault.as_str(), [*healthy, *of], *refuses, servers.collect()))
        }
        _ => None,
    }
}
