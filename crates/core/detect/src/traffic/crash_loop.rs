//! Servers of a pool in a crash loop: one alert about the pool, for one server and for all of them.
//!
//! A server in a loop is a lost server, also while it serves for some seconds: nothing but the alert about it says so, since
//! the number of healthy servers rises and falls with it.

use crate::alert::{Decision, NewAlert};
use crate::pool::words::count;
use crate::restarts::{Looping, Restarts};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use types::fault::CrashLoop;
use types::time::clock;
use types::traffic::{PoolStatus, ServerState, ServerStatus};
use types::{Fault, Severity, Time};

/// Servers that are named, and those that the evidence describes.
const NAMED_MAX: usize = 3;
const DESCRIBED_MAX: usize = 5;
/// Roll-ups after which an alert from before the start is over when none of its servers was seen to end.
const UNSEEN_REPEATS: u32 = 150;

/// Servers of a pool since boot.
#[derive(Debug, Default)]
pub(crate) struct CrashLoops {
    servers: BTreeMap<String, Server>,
    /// Whether a loop was seen since boot, and roll-ups without one.
    was_seen: bool,
    good: u32,
}

#[derive(Debug, Default)]
struct Server {
    restarts: Restarts,
    /// The last sign of an end.
    last: String,
}

impl CrashLoops {
    /// Judges a roll-up.
    pub(crate) fn judge(
        &mut self,
        seen: &PoolStatus,
        min_healthy: Option<u32>,
        (now, zone): (Time, &TimeZone),
    ) -> Decision {
        // What is drained is stopped on purpose.
        let meant = || seen.servers.iter().filter(|server| server.state != ServerState::Draining);
        let addresses: BTreeSet<&str> = meant().map(|server| server.address.as_str()).collect();
        self.servers.retain(|address, _| addresses.contains(address.as_str()));
        for status in meant() {
            self.servers.entry(status.address.clone()).or_default().note(status, now);
        }
        let mut looping: Vec<(&str, &Server, Looping)> = self
            .servers
            .iter()
            .filter_map(|(address, server)| Some((address.as_str(), server, server.restarts.looping(now)?)))
            .collect();
        looping.sort_by_key(|(_, _, looping)| std::cmp::Reverse(looping.times));
        let Some((_, first, worst)) = looping.first() else {
            self.good = self.good.saturating_add(1);
            let is_over = self.was_seen || self.good >= UNSEEN_REPEATS;
            return if is_over { Decision::Resolve } else { Decision::Keep };
        };
        let crash_loop = CrashLoop {
            servers: looping.iter().take(NAMED_MAX).map(|(address, ..)| (*address).to_owned()).collect(),
            looping: count(looping.len()),
            of: count(addresses.len()),
            times: worst.times,
            within: worst.within,
            up: worst.up,
            last: first.last.clone(),
        };
        let since = looping.iter().map(|(_, _, looping)| looping.since).min().unwrap_or(now);
        let severity = severity(&crash_loop, min_healthy);
        let evidence = evidence(&looping, zone);
        (self.was_seen, self.good) = (true, 0);
        Decision::Raise(NewAlert { fault: Fault::CrashLoop { crash_loop }, severity, since, evidence })
    }
}

impl Server {
    fn note(&mut self, status: &ServerStatus, now: Time) {
        let connects = &status.connects;
        self.restarts.note(connects, now);
        match &connects.request {
            Some(request) if connects.broken > 0 => self.last = format!("reset while it served {request}"),
            // Refusals follow a reset; they say less.
            _ if connects.refused > 0 && !(self.last.starts_with("reset") && connects.accepted == 0) => {
                "connection refused".clone_into(&mut self.last);
            }
            _ => {}
        }
    }
}

/// Too few servers are left, as when those in a loop were gone; otherwise only spare ones are lost.
fn severity(crash_loop: &CrashLoop, min_healthy: Option<u32>) -> Severity {
    let is_short = crash_loop.steady() < min_healthy.unwrap_or(1);
    if is_short { Severity::Critical } else { Severity::Warning }
}

/// Each server with its figures, and what to look at.
fn evidence(looping: &[(&str, &Server, Looping)], zone: &TimeZone) -> String {
    let described = looping.iter().take(DESCRIBED_MAX).map(|(address, server, looping)| {
        let since = clock(looping.since, zone);
        let (times, up) = (looping.times, looping.up.as_secs_f64());
        format!("{address} ended {times} times since {since}, up {up:.0} s, last sign: {}", server.last)
    });
    let described: Vec<String> = described.collect();
    format!(
        "{}; look at the last lines of its log before an end and at its exit status (an error that nothing caught, memory), \
         and at what it calls",
        described.join("; ")
    )
}

/// Whether an open alert should be updated: other servers, or twice as many ends.
pub(crate) fn is_news(was: &Fault, now: &Fault) -> bool {
    match (was, now) {
        (Fault::CrashLoop { crash_loop: was }, Fault::CrashLoop { crash_loop: now }) => {
            let shown =
                |it: &CrashLoop| (it.looping, it.of, it.servers.iter().cloned().collect::<BTreeSet<_>>());
            shown(was) != shown(now) || now.times >= was.times.saturating_mul(2)
        }
        _ => was != now,
    }
}
