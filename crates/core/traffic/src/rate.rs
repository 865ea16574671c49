//! The arithmetic of a limit: the generic cell rate algorithm (ITU-T I.371), which keeps one instant instead of a
//! bucket.
//!
//! A limit grants one request every `step`; a client that asks sooner gets into debt, and may owe `burst` steps at
//! most.

use crate::facts::{Limit, Quota};
use crate::random::scale;
use crate::tick::{Tick, micros};
use std::time::Duration;
use types::config;

/// Fractions of a microsecond that debts are counted in, so that a limit of 300,000 a second is kept to 4 per cent.
pub(crate) const PARTS: u64 = 8;

/// The longest debt there can be: 25 days. Longer bursts are cut to it.
pub(crate) const LONGEST: u64 = 1 << 44;

/// A compiled limit. All durations in eighths of a microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    step: u64,
    burst: u32,
}

impl Rate {
    pub(crate) fn new(rate: config::Rate) -> Self {
        let per = micros(rate.per).saturating_mul(PARTS);
        // Rounded up: never more than allowed.
        let step = per.div_ceil(u64::from(rate.count.max(1))).clamp(1, LONGEST);
        let most = u32::try_from(LONGEST / step).unwrap_or(u32::MAX);
        Self { step, burst: rate.burst.clamp(1, most) }
    }

    pub(crate) fn step(self) -> u64 {
        self.step
    }

    /// The debt that a request may leave behind when it may use `share` (of 256) of the burst, and one at least.
    pub(crate) fn most(self, share: u64) -> u64 {
        (self.step * u64::from(self.burst) * share / 256).max(self.step)
    }

    /// Returns the quota for a debt, for headers.
    pub(crate) fn quota(self, limit: Limit, debt: u64) -> Quota {
        let whole = self.step * u64::from(self.burst);
        Quota {
            limit,
            burst: self.burst,
            window_secs: secs_up(whole).max(1),
            remaining: u32::try_from(whole.saturating_sub(debt) / self.step).unwrap_or(u32::MAX),
            reset_secs: secs_up(debt),
        }
    }

    /// Returns when a request is admitted again, with up to a quarter and a second of jitter, so that not all
    /// clients return together.
    pub(crate) fn retry_after(self, debt: u64, most: u64, chance: u64) -> Duration {
        let wait = Duration::from_micros((debt + self.step).saturating_sub(most).div_ceil(PARTS));
        let spread = wait / 4 + Duration::from_secs(1);
        wait + Duration::from_micros(scale(chance, micros(spread)))
    }
}

/// An instant in eighths of a microsecond.
pub(crate) fn parts(tick: Tick) -> u64 {
    tick.0.wrapping_mul(PARTS)
}

fn secs_up(parts: u64) -> u32 {
    u32::try_from(parts.div_ceil(PARTS * 1_000_000)).unwrap_or(u32::MAX)
}
