//! Pools: number of healthy servers, and their certificates.

use crate::alert::{Decision, NewAlert};
use crate::traffic::bounded_u32;
use jiff::tz::TimeZone;
use types::time::{clock, earlier};
use types::traffic::{PoolStatus, ServerStatus};
use types::{Fault, Severity, Time};

/// Consecutive roll-ups that open an alert; the higher one while no server is known, as during name resolution.
const REPEATS: u32 = 2;
const REPEATS_EMPTY: u32 = 5;
/// Consecutive roll-ups with enough servers that resolve it.
const ENOUGH_REPEATS: u32 = 5;
/// Consecutive roll-ups without a wrong certificate that resolve it.
const CERTIFIED_REPEATS: u32 = 5;
/// Maximum of servers listed one by one.
const OUT_MAX: usize = 5;

/// Counters of one pool since boot.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    too_few: Count,
    certificate: Count,
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
    /// Judges the number of healthy servers. The default of `min_healthy` is one.
    pub(crate) fn judge_healthy(
        &mut self,
        seen: &PoolStatus,
        min_healthy: Option<u32>,
        now: Time,
        zone: &TimeZone,
    ) -> Decision {
        let min_healthy = min_healthy.unwrap_or(1);
        let healthy = bounded_u32(seen.servers.iter().filter(|server| server.state.serves()).count() as f64);
        let out: Vec<&ServerStatus> = seen.servers.iter().filter(|server| !server.state.serves()).collect();
        // Too few since the last server left.
        let left = out.iter().map(|server| earlier(now, server.since)).max().unwrap_or(now);
        self.too_few.note(healthy < min_healthy, left);
        let repeats = if seen.servers.is_empty() { REPEATS_EMPTY } else { REPEATS };
        if self.too_few.bad >= repeats {
            let fault = Fault::PoolBelowMinimum {
                healthy,
                declared: bounded_u32(seen.servers.len() as f64),
                min_healthy,
                out: described(&out, now, zone),
            };
            let evidence = format!(
                "{} of {} servers healthy; {} requests in flight, {} queued{}",
                healthy,
                seen.servers.len(),
                seen.inflight,
                seen.waiting,
                if seen.panic_mode {
                    "; panic mode: all servers except draining ones get requests"
                } else {
                    ""
                }
            );
            let since = self.too_few.since.unwrap_or(now);
            return Decision::Raise(NewAlert { fault, severity: Severity::Critical, since, evidence });
        }
        if self.too_few.good >= ENOUGH_REPEATS { Decision::Resolve } else { Decision::Keep }
    }

    /// Judges the certificates of the servers.
    pub(crate) fn judge_certificate(&mut self, seen: &PoolStatus, now: Time) -> Decision {
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

fn described(out: &[&ServerStatus], now: Time, zone: &TimeZone) -> Vec<String> {
    let one = |server: &&ServerStatus| {
        let since = clock(earlier(now, server.since), zone);
        let why = server.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        format!("{} is {} since {since}{why}", server.address, server.state.as_str())
    };
    let mut lines: Vec<String> = out.iter().take(OUT_MAX).map(one).collect();
    if out.len() > OUT_MAX {
        lines.push(format!("and {} more", out.len() - OUT_MAX));
    }
    lines
}

/// Whether an open alert should be updated: other numbers or other servers.
pub(crate) fn is_news(was: &Fault, now: &Fault) -> bool {
    let servers = |out: &[String]| -> Vec<String> {
        out.iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
    };
    match (was, now) {
        (
            Fault::PoolBelowMinimum { healthy: a, min_healthy: f, out: one, .. },
            Fault::PoolBelowMinimum { healthy: b, min_healthy: g, out: other, .. },
        ) => a != b || f != g || servers(one) != servers(other),
        (one, other) => one != other,
    }
}
