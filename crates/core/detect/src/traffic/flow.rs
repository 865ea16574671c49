//! The last seconds of a service's traffic, summed over a window.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use types::traffic::{CallerRefused, ServiceTraffic};
use types::{CallerId, Time};

/// Retention: longer than any window.
const KEPT: Duration = Duration::from_secs(12);
/// Maximum of retained roll-ups; more arrive within the retention only if the edge misbehaves.
const ROLLUPS_MAX: usize = 64;

/// The newest roll-ups of one service.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    rollups: VecDeque<(Time, Duration, ServiceTraffic)>,
}

/// Sum of several roll-ups.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    pub(crate) span: Duration,
    /// Requests without those that the valve held out, whose pages ask again by themselves, and without opens: clients
    /// that connect again after a loss are no surge.
    pub(crate) requests: u64,
    /// Held out by the valve: neither traffic of the servers nor a failure.
    pub(crate) held: u64,
    pub(crate) denied: u64,
    pub(crate) shed: u64,
    /// Refused by limits of the edge.
    pub(crate) limited: u64,
    pub(crate) server_429: u64,
    pub(crate) failed: u64,
    /// Opens that were refused or failed; they are part of `shed`, `server_429` and `failed`.
    opens_refused: u64,
}

/// Requests that are compared with the usual rate.
pub(crate) fn usual_requests(traffic: &ServiceTraffic) -> u64 {
    traffic.requests.saturating_sub(traffic.held).saturating_sub(traffic.opens)
}

impl Sum {
    fn add(&mut self, span: Duration, traffic: &ServiceTraffic) {
        self.span += span;
        self.requests += usual_requests(traffic);
        self.held += traffic.held;
        self.denied += traffic.denied;
        self.shed += traffic.shed;
        self.limited += traffic.limited.values().sum::<u64>();
        self.server_429 += traffic.server_429;
        self.failed += traffic.failed;
        self.opens_refused += traffic.opens_refused;
    }

    /// Requests that failed or were refused, denials by the team and opens excepted.
    pub(crate) fn affected(&self) -> u64 {
        let all = self.shed + self.limited + self.server_429 + self.failed;
        all.saturating_sub(self.opens_refused)
    }

    /// Requests that limits and full servers refused, denials by the team and opens excepted.
    pub(crate) fn refused(&self) -> u64 {
        (self.shed + self.limited + self.server_429).saturating_sub(self.opens_refused)
    }

    /// Requests that were shed or failed, opens excepted.
    pub(crate) fn unserved(&self) -> u64 {
        (self.shed + self.failed).saturating_sub(self.opens_refused)
    }

    /// Responses with 429, by the edge and by servers.
    pub(crate) fn with_429(&self) -> u64 {
        self.limited + self.server_429
    }

    /// A count per second.
    pub(crate) fn rate(&self, count: u64) -> f64 {
        let secs = self.span.as_secs_f64();
        if secs > 0.0 { count as f64 / secs } else { 0.0 }
    }
}

impl Flow {
    pub(crate) fn note(&mut self, now: Time, span: Duration, traffic: &ServiceTraffic) {
        let old = types::time::earlier(now, KEPT);
        while self.rollups.len() >= ROLLUPS_MAX || self.rollups.front().is_some_and(|(at, ..)| *at <= old) {
            self.rollups.pop_front();
        }
        self.rollups.push_back((now, span, traffic.clone()));
    }

    /// The newest roll-ups that cover at most `span` together; at least one.
    fn newest(&self, span: Duration) -> impl Iterator<Item = (Duration, &ServiceTraffic)> {
        let mut left = Some(span);
        let fits = move |(_, one, _): &&(Time, Duration, ServiceTraffic)| {
            let fits = left.is_some();
            left = left.and_then(|left| left.checked_sub(*one)).filter(|left| !left.is_zero());
            fits
        };
        self.rollups.iter().rev().take_while(fits).map(|(_, span, traffic)| (*span, traffic))
    }

    pub(crate) fn sum(&self, span: Duration) -> Sum {
        let mut sum = Sum::default();
        self.newest(span).for_each(|(span, traffic)| sum.add(span, traffic));
        sum
    }

    /// The networks that send most, with their share in per cent of all requests, largest first.
    pub(crate) fn networks(&self, span: Duration) -> Vec<(&str, u8)> {
        let mut requests = 0;
        let mut sent: BTreeMap<&str, u64> = BTreeMap::new();
        for (_, traffic) in self.newest(span) {
            requests += traffic.requests;
            for (network, share) in &traffic.subnets {
                *sent.entry(network).or_default() += traffic.requests.saturating_mul(u64::from(*share));
            }
        }
        let mut shares: Vec<(&str, u8)> = sent
            .into_iter()
            .map(|(network, sent)| (network, u8::try_from(sent / requests.max(1)).unwrap_or(100).min(100)))
            .collect();
        shares.sort_by_key(|(network, share)| (std::cmp::Reverse(*share), *network));
        shares
    }

    /// Refusals of each own caller, with the trace and limits of the newest roll-up that has any.
    pub(crate) fn callers(&self, span: Duration) -> BTreeMap<&CallerId, CallerRefused> {
        let mut callers: BTreeMap<&CallerId, CallerRefused> = BTreeMap::new();
        for (_, traffic) in self.newest(span) {
            for (caller, refused) in &traffic.callers_refused {
                let all = callers.entry(caller).or_default();
                all.count += refused.count;
                // A trace with more limits explains more.
                if all.trace.is_none() || refused.limits.len() > all.limits.len() && refused.trace.is_some() {
                    all.trace.clone_from(&refused.trace);
                    all.limits.clone_from(&refused.limits);
                }
            }
        }
        callers
    }
}
