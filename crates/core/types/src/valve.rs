//! The valve of a service: the share of its clients that the edge lets in, and limited mode.

use crate::{ServiceId, Time};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Positions of a ramp, in per cent: each lets in about half as many again as the one before.
pub const STEPS: [u8; 12] = [1, 2, 3, 5, 8, 12, 18, 27, 40, 60, 80, 100];

/// How long a position of a ramp must be healthy before the next one.
pub const STEP_HOLD: Duration = Duration::from_secs(30);

/// A valve that is not fully open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Valve {
    /// Counted from the first line of the journal. A valve keeps its number until it is open again, and with it the
    /// order in which clients are let in.
    pub number: u64,
    /// The service.
    pub service: ServiceId,
    /// Share of clients that are let in, in per cent: 0 to 100.
    pub percent: u8,
    /// Limited mode: only the service's `priority_paths` are served.
    #[serde(default)]
    pub limited: bool,
    /// The position below which its ramp does not step back; `None`: it stays where it was set.
    #[serde(default)]
    pub ramp_from: Option<u8>,
    /// Since when it is not fully open.
    pub since: Time,
    /// When it was set or moved last.
    pub changed: Time,
    /// The person who set it.
    pub by: String,
    /// What was usual before it was closed, as far as that was known.
    #[serde(default)]
    pub usual: Option<UsualHealth>,
}

/// What is usual at a service while its valve is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsualHealth {
    /// Median of the time to first byte, in microseconds.
    pub latency_us: u64,
    /// Failed requests of a thousand.
    pub failed_permille: u32,
}

impl Valve {
    /// Whether it lets everything through, so that it is no valve any more.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.percent >= 100 && !self.limited
    }

    /// Whether it opens by itself.
    #[must_use]
    pub fn ramps(&self) -> bool {
        self.ramp_from.is_some()
    }
}

/// `valve 20 %`; `limited mode, valve 20 %`.
impl fmt::Display for Valve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limited = if self.limited { "limited mode, " } else { "" };
        write!(f, "{limited}valve {} %", self.percent)
    }
}

/// Returns the next position of a ramp.
#[must_use]
pub fn step_after(percent: u8) -> u8 {
    STEPS.into_iter().find(|step| *step > percent).unwrap_or(100)
}

/// Returns the position of a ramp before this one, at least `lowest`.
#[must_use]
pub fn step_before(percent: u8, lowest: u8) -> u8 {
    STEPS.into_iter().rfind(|step| *step < percent).unwrap_or(0).max(lowest)
}

/// Why a valve was moved by itself, or stays where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ValveReason {
    /// All was well for this long.
    Healthy {
        /// Seconds.
        secs: u64,
    },
    /// Too few servers of the pool serve.
    TooFewServers {
        /// Healthy servers that get their full share.
        serving: u32,
        /// Declared servers.
        declared: u32,
        /// How many are needed.
        needed: u32,
    },
    /// No server of the pool serves, or it is in panic mode.
    PoolDown,
    /// Requests fail.
    Failures {
        /// Share of the forwarded requests, in per cent.
        percent: u8,
    },
    /// The pool sheds requests, or they queue.
    Overload {
        /// Share of the admitted requests that were shed or queued, in per cent.
        percent: u8,
    },
    /// Responses take longer than usual.
    Slow {
        /// Median of the time to first byte, in microseconds.
        latency_us: u64,
        /// The usual one.
        usual_us: u64,
    },
    /// The edge serves the service no longer, so that its valve has no effect.
    NotServed,
}

impl fmt::Display for ValveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Healthy { secs } => write!(f, "healthy for {secs} s"),
            Self::TooFewServers { serving, declared, needed } => {
                write!(f, "{serving} of {declared} servers serve, {needed} are needed")
            }
            Self::PoolDown => f.write_str("no server of the pool is healthy, or it is in panic mode"),
            Self::Failures { percent } => write!(f, "{percent} % of the requests fail"),
            Self::Overload { percent } => write!(f, "the pool sheds or queues {percent} % of the requests"),
            Self::Slow { latency_us, usual_us } => {
                let text = crate::trace::duration_text;
                write!(f, "p50 of the latency is {}, usually {}", text(*latency_us), text(*usual_us))
            }
            Self::NotServed => f.write_str("the edge no longer serves it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_go_up_to_100_and_back_to_the_lowest() {
        for (percent, after, before) in
            [(0, 1, 5), (20, 27, 18), (27, 40, 18), (99, 100, 80), (100, 100, 80), (5, 8, 5), (6, 8, 5)]
        {
            assert_eq!((step_after(percent), step_before(percent, 5)), (after, before), "{percent}");
        }
        assert_eq!(step_before(1, 0), 0);
    }
}
