//! Surges: far more traffic than usual, and whether clients are affected.

use crate::alert::{Decision, NewAlert};
use crate::traffic::bounded_u32;
use crate::traffic::flow::{Flow, Sum};
use std::time::Duration;
use text::number::grouped;
use types::time::{between, earlier, spoken};
use types::{Alert, Fault, Severity, Time};

/// Window of the request rate.
const WINDOW: Duration = Duration::from_secs(3);
/// Factor over the usual rate that is a surge; the higher one for a young service while all requests are served.
const TIMES_MIN: f64 = 5.0;
const TIMES_MIN_YOUNG: f64 = 20.0;
/// Minimum rate of a surge, in requests per second.
const RATE_MIN: f64 = 20.0;
/// Consecutive roll-ups that open an alert; the higher one while the usual rate is unknown.
const REPEATS: u32 = 2;
const REPEATS_UNKNOWN: u32 = 4;
/// Clients are affected when this share of requests, and this many per second, are refused or fail.
const AFFECTED_SHARE: f64 = 0.05;
const AFFECTED_RATE: f64 = 5.0;
/// While the usual rate is unknown, a surge is when this share of requests, and this many per second, are refused.
const REFUSED_SHARE_UNKNOWN: f64 = 0.3;
const REFUSED_RATE_UNKNOWN: f64 = 20.0;
/// Resolved when the rate was back to normal for this long,
const NORMAL_FOR: Duration = Duration::from_secs(3);
/// or below a surge without affected clients for this long.
const BELOW_FOR: Duration = Duration::from_secs(60);
/// Critical until no client was affected for this long.
const UNAFFECTED_AFTER: Duration = Duration::from_secs(10);
/// A surge that was served completely for this long is the new usual rate.
const SERVED_FOR: Duration = Duration::from_secs(1_800);
/// Networks are named from this share in per cent on, until the named ones together reach the second.
const SHARE_MIN: u8 = 5;
const SHARE_ENOUGH: u8 = 90;
const NETWORKS_MAX: usize = 5;

/// Counters of one service since boot.
#[derive(Debug, Default)]
pub(crate) struct Surge {
    /// Consecutive roll-ups with a surge, and since when.
    repeats: u32,
    since: Option<Time>,
    normal_since: Option<Time>,
    below_since: Option<Time>,
    affected_at: Option<Time>,
    served_since: Option<Time>,
}

impl Surge {
    /// Judges the newest roll-up. `usual` is in thousandths of requests per second.
    pub(crate) fn judge(
        &mut self,
        flow: &Flow,
        usual: Option<u64>,
        young: bool,
        open: Option<&Alert>,
        now: Time,
    ) -> Decision {
        let sum = flow.sum(WINDOW);
        let newest = flow.sum(Duration::ZERO);
        let rate = sum.rate(sum.requests);
        let affected_rate = sum.rate(sum.affected());
        let affected_share = if rate > 0.0 { affected_rate / rate } else { 0.0 };
        let affected = affected_share >= AFFECTED_SHARE && affected_rate >= AFFECTED_RATE;
        let usual_rate = usual.map(|milli| milli as f64 / 1_000.0);
        let is_surge = match usual_rate {
            Some(usual) => {
                let times = if young && !affected { TIMES_MIN_YOUNG } else { TIMES_MIN };
                rate >= (usual * times).max(RATE_MIN)
            }
            // Failures of servers alone say nothing of the number of clients.
            None => {
                let refused_rate = sum.rate(sum.refused());
                refused_rate >= (rate * REFUSED_SHARE_UNKNOWN).max(REFUSED_RATE_UNKNOWN)
            }
        };
        self.count(is_surge, affected, newest.span, now);
        let severity = if self.affected_at.is_some_and(|at| between(at, now) < UNAFFECTED_AFTER) {
            Severity::Critical
        } else {
            Severity::Warning
        };
        let repeats = if usual.is_some() { REPEATS } else { REPEATS_UNKNOWN };
        if is_surge && (open.is_some() || self.repeats >= repeats) {
            let per_sec = rate.max(newest.rate(newest.requests));
            return Decision::Raise(self.new_alert(flow, &sum, per_sec, usual_rate, severity, now));
        }
        let Some(open) = open else { return Decision::Keep };
        let before = match &open.fault {
            Fault::Surge { per_sec, .. } => f64::from(*per_sec),
            _ => 0.0,
        };
        let is_normal = match usual_rate {
            Some(usual) => rate < (usual * TIMES_MIN / 2.0).max(RATE_MIN / 2.0),
            None => rate < before / 2.0,
        };
        if !is_normal {
            self.normal_since = None;
        }
        let lasted = |since: Option<Time>, span| since.is_some_and(|since| between(since, now) >= span);
        if is_normal && lasted(Some(*self.normal_since.get_or_insert(now)), NORMAL_FOR)
            || lasted(self.below_since, BELOW_FOR)
        {
            return Decision::Resolve;
        }
        Decision::Keep
    }

    fn count(&mut self, is_surge: bool, affected: bool, span: Duration, now: Time) {
        if is_surge {
            self.repeats = self.repeats.saturating_add(1);
            self.since.get_or_insert(earlier(now, span));
            self.normal_since = None;
        } else {
            self.repeats = 0;
            self.since = None;
        }
        if is_surge || affected {
            self.below_since = None;
        } else {
            self.below_since.get_or_insert(now);
        }
        if affected {
            self.affected_at = Some(now);
        }
        if is_surge && !affected {
            self.served_since.get_or_insert(now);
        } else {
            self.served_since = None;
        }
    }

    /// Whether the newest roll-up was the first of a possible surge.
    pub(crate) fn is_suspected(&self) -> bool {
        self.repeats == 1
    }

    /// Whether this traffic must not count as usual.
    pub(crate) fn is_unusual(&self, open: bool, now: Time) -> bool {
        let served = self.served_since.is_some_and(|since| between(since, now) >= SERVED_FOR);
        let affected = self.affected_at.is_some_and(|at| between(at, now) < UNAFFECTED_AFTER);
        affected || (!served && (open || self.repeats > 0))
    }

    fn new_alert(
        &self,
        flow: &Flow,
        sum: &Sum,
        per_sec: f64,
        usual: Option<f64>,
        severity: Severity,
        now: Time,
    ) -> NewAlert {
        let (share_percent, networks) = sources(flow);
        let fault = Fault::Surge {
            times: usual.map(|usual| bounded_u32(rounded(per_sec / usual))),
            per_sec: bounded_u32(rounded(per_sec)),
            share_percent,
            networks,
        };
        let since = self.since.unwrap_or(now);
        NewAlert { fault, severity, since, evidence: evidence(sum, usual) }
    }
}

/// The networks that send most, and their total share in per cent.
fn sources(flow: &Flow) -> (u8, Vec<String>) {
    let mut share: u8 = 0;
    let mut named = Vec::new();
    for (network, of_it) in flow.networks(WINDOW) {
        if of_it < SHARE_MIN || share >= SHARE_ENOUGH || named.len() >= NETWORKS_MAX {
            break;
        }
        share = share.saturating_add(of_it).min(100);
        named.push(network.to_owned());
    }
    (share, named)
}

/// Rounds to two significant digits: the number changes every second.
fn rounded(number: f64) -> f64 {
    let digits = number.max(1.0).log10().floor();
    let step = 10f64.powf((digits - 1.0).max(0.0));
    (number / step).round() * step
}

fn evidence(sum: &Sum, usual: Option<f64>) -> String {
    let mut text = format!("in {}: {} requests", spoken(sum.span), grouped(sum.requests));
    for (count, what) in [
        (sum.denied, "denied"),
        (sum.limited, "rate-limited"),
        (sum.shed, "shed"),
        (sum.server_429, "answered 429 by servers"),
        (sum.failed, "failed"),
        (sum.held, "held out by the valve"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {} {what}", grouped(count)));
        }
    }
    match usual {
        Some(usual) => text.push_str(&format!("; usual rate {usual:.1} requests/s")),
        None => text.push_str("; usual rate not known yet"),
    }
    text
}

/// Whether an open alert should be updated: twice the rate, or new facts.
pub(crate) fn is_news(was: &Fault, now: &Fault) -> bool {
    let (
        Fault::Surge { times: t0, per_sec: p0, networks: n0, .. },
        Fault::Surge { times: t1, per_sec: p1, networks: n1, .. },
    ) = (was, now)
    else {
        return true;
    };
    *p1 >= p0.saturating_mul(2) || t0.is_some() != t1.is_some() || (n0.is_empty() && !n1.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_rounded_to_two_digits() {
        for (number, rounded_number) in
            [(0.4, 0.0), (7.4, 7.0), (99.6, 100.0), (5_437.0, 5_400.0), (1_080_321.0, 1_100_000.0)]
        {
            assert_eq!(rounded(number), rounded_number);
        }
    }
}
