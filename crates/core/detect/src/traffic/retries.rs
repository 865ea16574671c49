//! Retry storms: requests fail, and the usual clients send far more of them.
//!
//! A retry storm is a consequence: something failed before. It is a warning about the service, so that it belongs to the
//! incident of what failed, and pages no one. Three facts distinguish it from a surge: requests failed before they became more,
//! the number of distinct clients did not rise, and no single client sends most of them.

use crate::alert::{Decision, NewAlert};
use crate::traffic::bounded_u32;
use crate::traffic::flow::Flow;
use std::collections::VecDeque;
use std::time::Duration;
use types::time::{between, spoken};
use types::traffic::ServiceTraffic;
use types::{Fault, Severity, Time};

/// Window of the rates.
const WINDOW: Duration = Duration::from_secs(5);
/// Factor over the usual rate that is a storm, and the one from which on it rises, or goes on.
const TIMES_MIN: f64 = 3.0;
const TIMES_RISES: f64 = 1.5;
/// Minimum rate of a storm, in requests per second.
const RATE_MIN: f64 = 5.0;
/// Share of the requests that fail or are refused, and their number in the window.
const FAILING_SHARE: f64 = 0.2;
const FAILING_MIN: u64 = 5;
/// Requests fail no longer when they did not for this long.
const FAILING_FOR: Duration = Duration::from_secs(10);
/// Clients, compared with the usual number, up to which they count as the usual ones.
const SAME_CLIENTS: f64 = 1.5;
/// Fewer clients are too few to tell retries from one busy client.
const CLIENTS_MIN: u64 = 5;
/// Share in percent of the busiest client from which on the requests are its own.
const BUSIEST_PERCENT: u8 = 40;
/// Roll-ups in a row that open an alert, and without a storm that resolve it.
const REPEATS: u32 = 5;
const CALM_REPEATS: u32 = 15;
/// Time until the edge counts a whole window of clients, interval at which their number is learned, and how many are kept.
const LEARNED_AFTER: Duration = Duration::from_secs(300);
const LEARN_EVERY: Duration = Duration::from_secs(30);
const LEARNED_MAX: usize = 240;
/// Numbers of clients that are needed to know what is usual.
const LEARNED_MIN: usize = 4;

/// Clients and failures of one service since boot.
#[derive(Debug, Default)]
pub(crate) struct Retries {
    counted: Duration,
    learned: Duration,
    /// Distinct clients in quiet times.
    clients: VecDeque<u64>,
    failing_since: Option<Time>,
    failed_at: Option<Time>,
    rising_since: Option<Time>,
    bad: u32,
    good: u32,
    since: Option<Time>,
    highest: f64,
}

/// What a roll-up is compared with.
pub(crate) struct Usual {
    /// Usual requests, in thousandths per second.
    pub(crate) rate_milli: Option<u64>,
    /// Whether an alert about a surge is open: a flood is not called retries when it abates.
    pub(crate) is_surge: bool,
}

impl Retries {
    /// Judges the newest roll-up, which `flow` has already.
    pub(crate) fn judge(
        &mut self,
        flow: &Flow,
        traffic: &ServiceTraffic,
        span: Duration,
        usual: &Usual,
        now: Time,
    ) -> Decision {
        let sum = flow.sum(WINDOW);
        let rate = sum.rate(sum.requests);
        let failing = sum.affected();
        let share = if sum.requests > 0 { failing as f64 / sum.requests as f64 } else { 0.0 };
        let is_failing = share >= FAILING_SHARE && failing >= FAILING_MIN;
        let usual_rate = usual.rate_milli.map(|milli| milli as f64 / 1_000.0);
        let times = usual_rate.filter(|usual| *usual > 0.0).map_or(0.0, |usual| rate / usual);
        self.note_order(is_failing, times >= TIMES_RISES, now);
        self.learn(traffic.distinct_clients, span, !is_failing && times < TIMES_RISES && !usual.is_surge);
        let clients = self.usual_clients();
        let is_same = clients.is_some_and(|usual| {
            usual >= CLIENTS_MIN && traffic.distinct_clients as f64 <= SAME_CLIENTS * usual as f64
        });
        let failed_first = match (self.failing_since, self.rising_since) {
            (Some(failing), Some(rising)) => failing <= rising,
            _ => false,
        };
        let is_one = traffic.clients.first().is_some_and(|(_, share)| *share >= BUSIEST_PERCENT);
        let begins = times >= TIMES_MIN && rate >= RATE_MIN && failed_first && is_same && !is_one;
        let goes_on = self.since.is_some() && times >= TIMES_RISES && is_same;
        if self.failing_since.is_some() && !usual.is_surge && (begins || goes_on) {
            self.bad = self.bad.saturating_add(1);
            self.good = 0;
            self.since.get_or_insert(now);
            self.highest = self.highest.max(times);
        } else {
            self.good = self.good.saturating_add(1);
            if self.bad < REPEATS || self.good >= CALM_REPEATS {
                (self.bad, self.since, self.highest) = (0, None, 0.0);
            }
        }
        match self.since {
            Some(since) if self.bad >= REPEATS => {
                let fault = Fault::RetryStorm {
                    times_tenths: bounded_u32((self.highest * 10.0).round()),
                    per_sec: bounded_u32(rate.round()),
                    clients: u32::try_from(traffic.distinct_clients).unwrap_or(u32::MAX),
                    usual_clients: u32::try_from(clients.unwrap_or(0)).unwrap_or(u32::MAX),
                };
                let (of, rate) = (sum.requests, usual_rate.unwrap_or(0.0));
                let evidence = format!(
                    "in {}: {failing} of {of} requests failed or were refused; usual rate {rate:.1} requests/s",
                    spoken(sum.span)
                );
                Decision::Raise(NewAlert { fault, severity: Severity::Warning, since, evidence })
            }
            _ if self.good >= CALM_REPEATS => Decision::Resolve,
            _ => Decision::Keep,
        }
    }

    /// Whether a rise of the requests is one of retries, so that it is no surge.
    pub(crate) fn is_storm(&self) -> bool {
        self.since.is_some()
    }

    /// Notes which came first: failures, or more requests.
    fn note_order(&mut self, is_failing: bool, rises: bool, now: Time) {
        if is_failing {
            self.failing_since.get_or_insert(now);
            self.failed_at = Some(now);
        } else if self.failed_at.is_none_or(|at| between(at, now) >= FAILING_FOR) {
            self.failing_since = None;
        }
        if rises {
            self.rising_since.get_or_insert(now);
        } else {
            self.rising_since = None;
        }
    }

    /// Learns how many clients are usual, from quiet times.
    fn learn(&mut self, clients: u64, span: Duration, is_quiet: bool) {
        self.counted += span;
        self.learned += span;
        if !is_quiet || self.counted < LEARNED_AFTER || self.learned < LEARN_EVERY {
            return;
        }
        self.learned = Duration::ZERO;
        if self.clients.len() >= LEARNED_MAX {
            self.clients.pop_front();
        }
        self.clients.push_back(clients);
    }

    /// The most clients of the quiet times, as the usual rate is that of the busiest hour.
    fn usual_clients(&self) -> Option<u64> {
        (self.clients.len() >= LEARNED_MIN).then(|| self.clients.iter().copied().max().unwrap_or(0))
    }
}

/// Whether an open alert should be updated: half as many requests again.
pub(crate) fn is_news(was: &Fault, now: &Fault) -> bool {
    match (was, now) {
        (Fault::RetryStorm { times_tenths: was, .. }, Fault::RetryStorm { times_tenths: now, .. }) => {
            now.saturating_mul(2) >= was.saturating_mul(3)
        }
        _ => was != now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::time::later;

    /// One second: requests, of which failed, distinct clients of the last minutes, share of the busiest client.
    #[derive(Clone, Copy)]
    struct Second(u64, u64, u64, u8);

    struct World {
        retries: Retries,
        flow: Flow,
        now: Time,
    }

    impl World {
        /// Ten minutes with 20 requests a second of 200 clients.
        fn usual() -> Self {
            let now = "2026-12-01T12:00:00Z".parse().unwrap();
            let mut world = Self { retries: Retries::default(), flow: Flow::default(), now };
            world.pass(600, Second(20, 0, 200, 3));
            world
        }

        fn pass(
            &mut self,
            secs: u32,
            Second(requests, failed, distinct_clients, busiest): Second,
        ) -> Decision {
            let traffic = ServiceTraffic {
                requests,
                failed,
                distinct_clients,
                clients: vec![("192.0.2.7".to_owned(), busiest)],
                ..ServiceTraffic::default()
            };
            let (span, usual) = (Duration::from_secs(1), Usual { rate_milli: Some(20_000), is_surge: false });
            let mut last = Decision::Keep;
            for _ in 0..secs {
                self.now = later(self.now, span);
                self.flow.note(self.now, span, &traffic);
                last = self.retries.judge(&self.flow, &traffic, span, &usual, self.now);
            }
            last
        }
    }

    #[test]
    fn usual_clients_that_repeat_failed_requests_are_a_retry_storm() {
        let mut world = World::usual();
        let decision = world.pass(3, Second(20, 18, 200, 3));
        assert!(!matches!(decision, Decision::Raise(_)), "they fail");
        world.pass(7, Second(50, 45, 205, 3));
        let decision = world.pass(8, Second(82, 80, 210, 3));
        let Decision::Raise(alert) = decision else { panic!("{decision:?}") };
        assert_eq!(alert.severity, Severity::Warning);
        let text = "receives 4.1 times its usual requests from the usual number of clients (210, usually 200), 82 \
                    requests/s: clients retry what fails";
        assert_eq!(alert.fault.to_string(), text);
        assert!(matches!(world.pass(20, Second(60, 50, 220, 3)), Decision::Raise(_)), "it goes on");
        assert_eq!(world.pass(30, Second(20, 0, 220, 3)), Decision::Resolve);
        assert!(!world.retries.is_storm());
    }

    #[test]
    fn ordinary_days_and_floods_are_no_retry_storm() {
        let fails = Second(20, 18, 200, 3);
        let cases: [(&str, &[(u32, Second)]); 9] = [
            ("requests fail, and are not more", &[(60, fails)]),
            ("a flood of new clients after failures", &[(5, fails), (60, Second(200, 190, 900, 1))]),
            (
                "a flood: more first, then failures",
                &[(10, Second(200, 0, 205, 1)), (60, Second(200, 150, 205, 1))],
            ),
            ("one busy client", &[(5, fails), (60, Second(120, 100, 201, 83))]),
            ("a busy hour that is served", &[(600, Second(90, 0, 600, 1))]),
            (
                "a deploy: some seconds of failures",
                &[(4, Second(25, 20, 200, 3)), (60, Second(24, 0, 200, 3))],
            ),
            (
                "more after a deploy, all served",
                &[(4, fails), (15, Second(20, 0, 200, 3)), (60, Second(80, 0, 200, 3))],
            ),
            ("twice as many", &[(5, fails), (60, Second(45, 40, 200, 3))]),
            ("no one", &[(60, Second(0, 0, 0, 0))]),
        ];
        for (why, history) in cases {
            let mut world = World::usual();
            for (secs, second) in history {
                for _ in 0..*secs {
                    let decision = world.pass(1, *second);
                    assert!(!matches!(decision, Decision::Raise(_)), "{why}: {decision:?}");
                }
            }
        }
    }

    #[test]
    fn without_knowledge_of_the_usual_clients_nothing_is_said() {
        let now = "2026-12-01T12:00:00Z".parse().unwrap();
        let mut world = World { retries: Retries::default(), flow: Flow::default(), now };
        world.pass(200, Second(20, 0, 200, 3));
        world.pass(5, Second(20, 18, 200, 3));
        assert!(
            !matches!(world.pass(60, Second(100, 90, 200, 3)), Decision::Raise(_)),
            "right after a start"
        );
        let mut few = World { retries: Retries::default(), flow: Flow::default(), now };
        few.pass(600, Second(20, 0, 2, 30));
        few.pass(5, Second(20, 18, 2, 30));
        assert!(!matches!(few.pass(60, Second(100, 90, 2, 30)), Decision::Raise(_)), "two clients");
    }
}
