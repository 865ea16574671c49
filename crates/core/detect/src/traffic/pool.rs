//! Pools: how many servers serve, and whether their certificates are for the name that they should be for.

use crate::tally::Opening;
use crate::traffic::{Says, bounded_u32};
use jiff::tz::TimeZone;
use types::time::{clock, earlier};
use types::traffic::{PoolStatus, ServerStatus};
use types::{Fault, Severity, Time};

/// Too few are believed to be too few when it was seen this often in a row; where no server is known at all, this often:
/// names are being looked up.
const SEEN_MIN: u32 = 2;
const SEEN_MIN_EMPTY: u32 = 5;
/// Enough again when it was seen this often in a row.
const WELL_MIN: u32 = 5;
/// A wrong certificate is gone when none was seen this often in a row.
const CERTIFIED_MIN: u32 = 5;
/// So many servers are told one by one.
const OUT_MAX: usize = 5;

/// What was counted of one pool since boot.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    few: Count,
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
    /// Whether enough servers serve. `floor` is how many are wanted; one, where the configuration does not say.
    pub(crate) fn judge_floor(
        &mut self,
        seen: &PoolStatus,
        floor: Option<u32>,
        now: Time,
        zone: &TimeZone,
    ) -> Says {
        let floor = floor.unwrap_or(1);
        let serving = bounded_u32(seen.servers.iter().filter(|server| server.state.serves()).count() as f64);
        let out: Vec<&ServerStatus> = seen.servers.iter().filter(|server| !server.state.serves()).collect();
        // The pool shrank when the last server that left it did.
        let left = out.iter().map(|server| earlier(now, server.since)).max().unwrap_or(now);
        self.few.note(serving < floor, left);
        let seen_min = if seen.servers.is_empty() { SEEN_MIN_EMPTY } else { SEEN_MIN };
        if self.few.bad >= seen_min {
            let fault = Fault::PoolBelowFloor {
                serving,
                declared: bounded_u32(seen.servers.len() as f64),
                floor,
                out: told(&out, now, zone),
            };
            let evidence = format!(
                "{} of {} servers serve; {} requests at once, {} wait{}",
                serving,
                seen.servers.len(),
                seen.inflight,
                seen.waiting,
                if seen.panic_mode {
                    "; too few are well, so that all but the draining get requests"
                } else {
                    ""
                }
            );
            let since = self.few.since.unwrap_or(now);
            return Says::Wrong(Opening { fault, severity: Severity::Critical, since, evidence });
        }
        if self.few.good >= WELL_MIN { Says::Right } else { Says::Unsure }
    }

    /// Whether servers present the right certificate.
    pub(crate) fn judge_certificate(&mut self, seen: &PoolStatus, now: Time) -> Says {
        self.certificate.note(seen.certificate.is_some(), now);
        match &seen.certificate {
            Some((expected, why)) if self.certificate.bad >= SEEN_MIN => {
                let fault = Fault::ServerCertificate { expected: expected.clone(), why: why.clone() };
                let evidence = format!("the edge asked for {expected}: {why}");
                let since = self.certificate.since.unwrap_or(now);
                Says::Wrong(Opening { fault, severity: Severity::Critical, since, evidence })
            }
            None if self.certificate.good >= CERTIFIED_MIN => Says::Right,
            _ => Says::Unsure,
        }
    }
}

fn told(out: &[&ServerStatus], now: Time, zone: &TimeZone) -> Vec<String> {
    let one = |server: &&ServerStatus| {
        let since = clock(earlier(now, server.since), zone);
        let why = server.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        format!("{} is {} since {since}{why}", server.address, server.state.as_str())
    };
    let mut told: Vec<String> = out.iter().take(OUT_MAX).map(one).collect();
    if out.len() > OUT_MAX {
        told.push(format!("and {} more", out.len() - OUT_MAX));
    }
    told
}

/// Whether a person would want to hear that too few have become fewer or others.
pub(crate) fn is_news(was: &Fault, now: &Fault) -> bool {
    let servers = |out: &[String]| -> Vec<String> {
        out.iter().map(|told| told.split(' ').next().unwrap_or_default().to_owned()).collect()
    };
    match (was, now) {
        (
            Fault::PoolBelowFloor { serving: a, floor: f, out: one, .. },
            Fault::PoolBelowFloor { serving: b, floor: g, out: other, .. },
        ) => a != b || f != g || servers(one) != servers(other),
        (one, other) => one != other,
    }
}
