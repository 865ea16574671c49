//! Far more traffic than usual, and whether it hurts.

use crate::tally::Opening;
use crate::traffic::flow::{Flow, Sum};
use crate::traffic::{Says, bounded_u32};
use std::time::Duration;
use text::number::grouped;
use types::time::{between, earlier, spoken};
use types::{Alert, Fault, Severity, Time};

/// The rate is that of so long.
const SPAN: Duration = Duration::from_secs(3);
/// So many times the usual are a surge; for a service that is hardly known, and as long as all are served, so many.
const TIMES_MIN: f64 = 5.0;
const TIMES_MIN_YOUNG: f64 = 20.0;
/// Fewer requests a second are none, however rare they are.
const RATE_MIN: f64 = 20.0;
/// It is believed when it was seen this often in a row; where nothing usual is known, this often.
const SEEN_MIN: u32 = 2;
const SEEN_MIN_UNKNOWN: u32 = 4;
/// It hurts when this share is turned away or fails, and so many a second.
const HURT_SHARE: f64 = 0.05;
const HURT_RATE: f64 = 5.0;
/// Where nothing usual is known it is a surge when this share is turned away, and so many a second.
const HURT_SHARE_UNKNOWN: f64 = 0.3;
const HURT_RATE_UNKNOWN: f64 = 20.0;
/// Over when the rate was back for so long,
const CALM: Duration = Duration::from_secs(3);
/// or lower than a surge, hurting nobody, for so long.
const CALM_BELOW: Duration = Duration::from_secs(60);
/// It no longer hurts when nobody was hurt for so long.
const UNHURT: Duration = Duration::from_secs(10);
/// A surge that was served for so long is the new usual.
const SERVED: Duration = Duration::from_secs(1_800);
/// Networks are named when they send at least this share of it, until most of it is named.
const SHARE_MIN: u8 = 5;
const SHARE_ENOUGH: u8 = 90;
const NETWORKS_MAX: usize = 5;

/// What was counted of one service since boot.
#[derive(Debug, Default)]
pub(crate) struct Surge {
    /// How often in a row it was one, and since when.
    seen: u32,
    since: Option<Time>,
    back_since: Option<Time>,
    below_since: Option<Time>,
    hurt_at: Option<Time>,
    served_since: Option<Time>,
}

impl Surge {
    /// What the newest roll-up says. `usual` is in thousandths of requests a second.
    pub(crate) fn judge(
        &mut self,
        flow: &Flow,
        usual: Option<u64>,
        young: bool,
        open: Option<&Alert>,
        now: Time,
    ) -> Says {
        let sum = flow.sum(SPAN);
        let newest = flow.sum(Duration::ZERO);
        let rate = sum.rate(sum.requests);
        let hurt_rate = sum.rate(sum.hurt());
        let hurt_share = if rate > 0.0 { hurt_rate / rate } else { 0.0 };
        let hurts = hurt_share >= HURT_SHARE && hurt_rate >= HURT_RATE;
        let usual_rate = usual.map(|milli| milli as f64 / 1_000.0);
        let is_surge = match usual_rate {
            Some(usual) => {
                let times = if young && !hurts { TIMES_MIN_YOUNG } else { TIMES_MIN };
                rate >= (usual * times).max(RATE_MIN)
            }
            None => hurt_share >= HURT_SHARE_UNKNOWN && hurt_rate >= HURT_RATE_UNKNOWN,
        };
        self.count(is_surge, hurts, newest.span, now);
        let severity = if self.hurt_at.is_some_and(|at| between(at, now) < UNHURT) {
            Severity::Critical
        } else {
            Severity::Warning
        };
        let seen_min = if usual.is_some() { SEEN_MIN } else { SEEN_MIN_UNKNOWN };
        if is_surge && (open.is_some() || self.seen >= seen_min) {
            let per_sec = rate.max(newest.rate(newest.requests));
            return Says::Wrong(self.opening(flow, &sum, per_sec, usual_rate, severity, now));
        }
        let Some(open) = open else { return Says::Unsure };
        let before = match &open.fault {
            Fault::Surge { per_sec, .. } => f64::from(*per_sec),
            _ => 0.0,
        };
        let back = match usual_rate {
            Some(usual) => rate < (usual * TIMES_MIN / 2.0).max(RATE_MIN / 2.0),
            None => rate < before / 2.0,
        };
        if !back {
            self.back_since = None;
        }
        let lasted = |since: Option<Time>, span| since.is_some_and(|since| between(since, now) >= span);
        if back && lasted(Some(*self.back_since.get_or_insert(now)), CALM)
            || lasted(self.below_since, CALM_BELOW)
        {
            return Says::Right;
        }
        Says::Unsure
    }

    fn count(&mut self, is_surge: bool, hurts: bool, span: Duration, now: Time) {
        if is_surge {
            self.seen = self.seen.saturating_add(1);
            self.since.get_or_insert(earlier(now, span));
            self.back_since = None;
        } else {
            self.seen = 0;
            self.since = None;
        }
        if is_surge || hurts {
            self.below_since = None;
        } else {
            self.below_since.get_or_insert(now);
        }
        if hurts {
            self.hurt_at = Some(now);
        }
        if is_surge && !hurts {
            self.served_since.get_or_insert(now);
        } else {
            self.served_since = None;
        }
    }

    /// Whether the newest roll-up was the first that looks like one.
    pub(crate) fn is_suspected(&self) -> bool {
        self.seen == 1
    }

    /// Whether this traffic says nothing about what is usual.
    pub(crate) fn is_unusual(&self, open: bool, now: Time) -> bool {
        let served = self.served_since.is_some_and(|since| between(since, now) >= SERVED);
        let hurt = self.hurt_at.is_some_and(|at| between(at, now) < UNHURT);
        hurt || (!served && (open || self.seen > 0))
    }

    fn opening(
        &self,
        flow: &Flow,
        sum: &Sum,
        per_sec: f64,
        usual: Option<f64>,
        severity: Severity,
        now: Time,
    ) -> Opening {
        let (share_percent, networks) = sources(flow);
        let fault = Fault::Surge {
            times: usual.map(|usual| bounded_u32(rounded(per_sec / usual))),
            per_sec: bounded_u32(rounded(per_sec)),
            share_percent,
            networks,
        };
        let since = self.since.unwrap_or(now);
        Opening { fault, severity, since, evidence: evidence(sum, usual) }
    }
}

/// The networks that send most of it, and their share together.
fn sources(flow: &Flow) -> (u8, Vec<String>) {
    let mut share: u8 = 0;
    let mut named = Vec::new();
    for (network, of_it) in flow.networks(SPAN) {
        if of_it < SHARE_MIN || share >= SHARE_ENOUGH || named.len() >= NETWORKS_MAX {
            break;
        }
        share = share.saturating_add(of_it).min(100);
        named.push(network.to_owned());
    }
    (share, named)
}

/// Two digits tell enough of a number that changes every second.
fn rounded(number: f64) -> f64 {
    let digits = number.max(1.0).log10().floor();
    let step = 10f64.powf((digits - 1.0).max(0.0));
    (number / step).round() * step
}

fn evidence(sum: &Sum, usual: Option<f64>) -> String {
    let mut text = format!("in {}: {} requests", spoken(sum.span), grouped(sum.requests));
    for (count, what) in [
        (sum.denied, "denied"),
        (sum.limited, "over a limit"),
        (sum.shed, "shed"),
        (sum.server_429, "refused by servers"),
        (sum.failed, "failed"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {} {what}", grouped(count)));
        }
    }
    match usual {
        Some(usual) => text.push_str(&format!("; usual are {usual:.1} a second")),
        None => text.push_str("; what is usual is not known yet"),
    }
    text
}

/// Whether a person would want to hear that a surge has become another.
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
    fn numbers_are_rounded_to_two_digits() {
        for (number, told) in
            [(0.4, 0.0), (7.4, 7.0), (99.6, 100.0), (5_437.0, 5_400.0), (1_080_321.0, 1_100_000.0)]
        {
            assert_eq!(rounded(number), told);
        }
    }
}
