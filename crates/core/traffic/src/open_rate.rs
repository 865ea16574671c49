//! The rate at which one server is given opens: additive and multiplicative growth while they succeed quickly, back to
//! what it completed when they become slow or fail.
//!
//! An open is the request that begins a long-lived connection: a WebSocket, an event stream. It costs a server more
//! than an ordinary request (sign-in, state to be loaded), and after an outage all clients send one concurrently. What a
//! server takes is not known before, so the rate starts at what any server takes, doubles each second while it is used
//! and opens go well, and falls to a part of the measured rate when they do not.

use crate::tick::Tick;
use std::time::Duration;

/// The first rate, in opens a second: a deploy whose few hundred clients reconnect is not held.
pub(crate) const FIRST: f64 = 100.0;
/// The least and the highest rate.
const LEAST: f64 = 2.0;
const MOST: f64 = 10_000.0;
/// Opens that a server without trouble may get concurrently after a pause.
const BURST: f64 = 200.0;
/// The burst of any server, as seconds of its rate: the pool is looked at every 10 ms.
const BURST_SECS: f64 = 0.1;
/// Results that are judged together, and the longest time until fewer are.
const ENOUGH: u32 = 8;
const WINDOW: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);
/// The part of the measured rate that is kept after a fall.
const KEPT: f64 = 0.85;
/// Growth a second: up to the rate at which opens last became slow, beyond it, and back to the first rate when unused.
const TO_KNEE: f64 = 2.0;
const BEYOND_KNEE: f64 = 1.1;
const UNUSED: f64 = 1.2;
/// The part of that rate at which growth slows down.
const NEAR: f64 = 0.9;
/// After this duration without trouble it is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// The result of an open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// Within the usual time.
    Well,
    /// Slower than usual.
    Slow,
    /// It failed, or the server refused it.
    Failed,
}

/// Rate and budget of one server.
#[derive(Clone, Debug)]
pub(crate) struct OpenRate {
    /// Opens a second at full share.
    rate: f64,
    tokens: f64,
    filled: Tick,
    /// The rate at which opens last became slow, and when.
    knee: Option<(f64, Tick)>,
    /// Results since then.
    since: Tick,
    well: u32,
    slow: u32,
    failed: u32,
    /// Whether an open had to wait for this server.
    wanted: bool,
}

impl OpenRate {
    pub(crate) fn new(now: Tick) -> Self {
        Self {
            rate: FIRST,
            tokens: BURST,
            filled: now,
            knee: None,
            since: now,
            well: 0,
            slow: 0,
            failed: 0,
            wanted: false,
        }
    }

    /// Opens a second at this share of a server.
    pub(crate) fn rate(&self, share: f64) -> f64 {
        self.rate * share
    }

    /// The server is out, or comes back: it begins with an empty budget, at the first rate.
    pub(crate) fn restart(&mut self, now: Tick) {
        *self = Self { tokens: 0.0, ..Self::new(now) };
    }

    /// Whether an open may be sent now. `false` is remembered: more is wanted.
    pub(crate) fn is_ready(&mut self, share: f64, now: Tick) -> bool {
        let secs = now.since(self.filled).as_secs_f64();
        self.filled = self.filled.max(now);
        let burst = if self.knee.is_none() { BURST.min(2.0 * self.rate) } else { 0.0 };
        let most = (share * burst.max(BURST_SECS * self.rate)).max(1.0);
        self.tokens = (self.tokens + secs * self.rate(share)).min(most);
        let is_ready = self.tokens >= 1.0;
        self.wanted |= !is_ready;
        is_ready
    }

    /// An open waits for this server though its budget allows it.
    pub(crate) fn want(&mut self) {
        self.wanted = true;
    }

    /// An open is sent.
    pub(crate) fn take(&mut self) {
        self.tokens = (self.tokens - 1.0).max(0.0);
    }

    /// Returns how long until an open may be sent.
    pub(crate) fn wait(&self, share: f64) -> Duration {
        Duration::from_secs_f64(((1.0 - self.tokens) / self.rate(share).max(0.01)).clamp(0.0, 60.0))
    }

    /// Counts a result.
    pub(crate) fn count(&mut self, opened: Opened) {
        let count = match opened {
            Opened::Well => &mut self.well,
            Opened::Slow => &mut self.slow,
            Opened::Failed => &mut self.failed,
        };
        *count = count.saturating_add(1);
    }

    /// Time went by. `may_grow`: whether the pool has no other trouble.
    pub(crate) fn turn(&mut self, share: f64, may_grow: bool, now: Tick) {
        let span = now.since(self.since);
        let all = self.well.saturating_add(self.slow).saturating_add(self.failed);
        if span < WINDOW || all < ENOUGH && span < LONGEST {
            return;
        }
        let secs = span.min(LONGEST).as_secs_f64();
        let troubled = all > 0 && (self.slow.saturating_add(self.failed)) as f64 > 0.5 * f64::from(all);
        if self.knee.is_some_and(|(_, at)| now.since(at) > FORGOTTEN) {
            self.knee = None;
        }
        if !self.wanted {
            if self.rate < FIRST {
                self.rate = (self.rate * UNUSED.powf(secs)).min(FIRST);
            }
        } else if troubled {
            let done = f64::from(self.well.saturating_add(self.slow)) / span.as_secs_f64();
            self.knee = Some((self.rate, now));
            self.rate = (KEPT * done / share.max(1e-3)).min(self.rate).max(LEAST);
            self.tokens = self.tokens.min(1.0);
        } else if self.well > 0 && may_grow {
            let growth = match self.knee {
                Some((knee, _)) if self.rate >= NEAR * knee => BEYOND_KNEE,
                _ => TO_KNEE,
            };
            self.rate = (self.rate * growth.powf(secs)).min(MOST);
        }
        self.since = now;
        (self.well, self.slow, self.failed, self.wanted) = (0, 0, 0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000;

    /// A second in which opens are wanted without end and end like this; how many were sent.
    fn second(rate: &mut OpenRate, from: u64, opened: Opened) -> u32 {
        let mut sent = 0;
        for ms in (0..1_000).step_by(10) {
            let now = Tick((from * 1_000 + ms) * MS);
            while rate.is_ready(1.0, now) {
                rate.take();
                rate.count(opened);
                sent += 1;
            }
            rate.turn(1.0, true, now);
        }
        sent
    }

    #[test]
    fn rate_doubles_each_second_while_opens_go_well() {
        let mut rate = OpenRate::new(Tick(0));
        let sent: Vec<u32> = (0..5).map(|at| second(&mut rate, at, Opened::Well)).collect();
        assert!((300..400).contains(&sent[0]), "the burst comes first: {sent:?}");
        for pair in sent[1..].windows(2) {
            let growth = f64::from(pair[1]) / f64::from(pair[0]);
            assert!((1.8..2.2).contains(&growth), "{sent:?}");
        }
    }

    #[test]
    fn trouble_makes_it_fall_and_quiet_lets_it_recover() {
        for trouble in [Opened::Slow, Opened::Failed] {
            let mut rate = OpenRate::new(Tick(0));
            second(&mut rate, 0, Opened::Well);
            let before = rate.rate(1.0);
            (1..6).for_each(|at| _ = second(&mut rate, at, trouble));
            let after = rate.rate(1.0);
            assert!(after < 0.6 * before, "{before} {after}");
            (6..60).for_each(|at| rate.turn(1.0, true, Tick(at * 1_000 * MS)));
            assert!(rate.rate(1.0) >= FIRST && rate.knee.is_none());
        }
    }

    #[test]
    fn server_that_was_out_has_no_budget() {
        let mut rate = OpenRate::new(Tick(0));
        (0..4).for_each(|at| _ = second(&mut rate, at, Opened::Well));
        let now = Tick(4_000 * MS);
        rate.restart(now);
        assert!(!rate.is_ready(0.1, now) && rate.rate(0.1) <= 0.1 * FIRST);
        assert!(rate.is_ready(0.1, now.after(rate.wait(0.1) + Duration::from_millis(1))));
    }

    #[test]
    fn slowness_without_demand_changes_nothing() {
        let mut rate = OpenRate::new(Tick(0));
        for at in 1..100 {
            rate.count(Opened::Slow);
            rate.turn(1.0, true, Tick(at * 1_000 * MS));
        }
        assert!((rate.rate(1.0) - FIRST).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn rate_stays_within_its_bounds(
            steps in prop::collection::vec((0_u8..4, 1_u64..500, 0.01_f64..4.0, any::<bool>()), 0..300),
        ) {
            let (mut rate, mut now) = (OpenRate::new(Tick(0)), 0);
            for (what, ms, share, may_grow) in steps {
                now += ms * MS;
                let ready = rate.is_ready(share, Tick(now));
                if ready {
                    rate.take();
                }
                match what {
                    0 => rate.count(Opened::Well),
                    1 => rate.count(Opened::Slow),
                    2 => rate.count(Opened::Failed),
                    _ => rate.restart(Tick(now)),
                }
                rate.turn(share, may_grow, Tick(now));
                let each = rate.rate(1.0);
                prop_assert!((LEAST..=MOST).contains(&each), "{each}");
                prop_assert!(rate.tokens >= 0.0 && rate.tokens <= (share * BURST.max(BURST_SECS * MOST)).max(BURST));
                prop_assert!(rate.wait(share) <= Duration::from_secs(60));
            }
        }
    }
}
