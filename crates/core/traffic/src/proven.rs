//! The number of concurrent clients that were served without a slowdown: it may be doubled without harm, and
//! slowness beyond it is a sign of overload.

use crate::tick::Tick;
use std::time::Duration;

/// For how long what was seen counts: after it, it has faded to a third.
const REMEMBERED: Duration = Duration::from_secs(20);
/// Of what the slower answers usually take: below, they are as quick as ever; and how much more where times scatter.
const QUICK: (f64, f64) = (1.25, 0.5);
/// Less than this above the usual, in microseconds, is no sign of anything.
const NOISE: f64 = 5_000.0;
/// How the usual follows: of the gap, when it falls and when it rises.
const FOLLOWS: (f64, f64) = (0.05, 0.02);
/// Windows that make the first opinion.
const LEARNING: u32 = 5;

#[derive(Clone, Debug)]
pub(crate) struct Proven {
    /// The initial assumption.
    begin: f64,
    clients: f64,
    at: Tick,
    /// The upper quartile of answers in quiet windows, in microseconds, and of how many windows.
    high: f64,
    windows: u32,
}

impl Proven {
    pub(crate) fn new(begin: f64, now: Tick) -> Self {
        Self { begin, clients: 0.0, at: now, high: 0.0, windows: 0 }
    }

    /// Returns the number of concurrent clients that were served without a slowdown.
    pub(crate) fn clients(&self) -> f64 {
        self.clients.max(self.begin)
    }

    /// Returns the most clients to admit before more is known.
    pub(crate) fn most(&self) -> f64 {
        (2.0 * self.clients).max(self.begin)
    }

    /// Whether the slower answers, too, are as quick as ever. `scatter`: how much times scatter, from 0 to 1.
    pub(crate) fn is_quick(&self, high: f64, scatter: f64) -> bool {
        let times = QUICK.0 + QUICK.1 * scatter;
        self.windows == 0 || high <= (times * self.high).max(self.high + NOISE)
    }

    /// A window in which nothing was slow, with `clients` clients at the most.
    pub(crate) fn saw(&mut self, high: f64, clients: f64, now: Tick) {
        self.windows = self.windows.saturating_add(1);
        self.high = if self.windows <= LEARNING {
            self.high + (high - self.high) / f64::from(self.windows)
        } else {
            let (falls, rises) = FOLLOWS;
            self.high + if high < self.high { falls } else { rises } * (high - self.high)
        };
        self.fade(now);
        self.clients = self.clients.max(clients);
    }

    pub(crate) fn fade(&mut self, now: Tick) {
        let span = now.since(std::mem::replace(&mut self.at, now));
        self.clients *= (-span.as_secs_f64() / REMEMBERED.as_secs_f64()).exp();
    }

    /// The servers are slower by themselves, by this factor.
    pub(crate) fn slow_down(&mut self, times: f64) {
        self.high *= times.max(1.0);
    }

    /// Only this share of the servers is left.
    pub(crate) fn shrink_to(&mut self, share: f64) {
        self.clients *= share;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proven_clients_are_doubled_and_fade() {
        let mut proven = Proven::new(8.0, Tick(0));
        assert_eq!((proven.clients(), proven.most()), (8.0, 8.0));
        proven.saw(50_000.0, 20.0, Tick(0));
        assert_eq!((proven.clients(), proven.most()), (20.0, 40.0));
        proven.fade(Tick(20_000_000));
        assert_eq!((proven.clients(), proven.most().round()), (8.0, 15.0));
        assert!(
            proven.is_quick(60_000.0, 0.0)
                && !proven.is_quick(70_000.0, 0.0)
                && proven.is_quick(80_000.0, 1.0)
        );
    }
}
