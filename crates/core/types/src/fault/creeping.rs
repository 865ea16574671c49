//! A level that creeps towards its limit.

use crate::Time;
use crate::trace::duration_text;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A measured level with a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Latency of a probe's good answers, or of a service at the edge. Its limit is `max_latency`, otherwise the timeout.
    Latency,
    /// Connection slots of a database in use, in percent.
    Connections,
    /// Memory of a database in use, in percent of its limit.
    Memory,
}

impl Level {
    /// The code of the alert.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Latency => "creeping-latency",
            Self::Connections => "creeping-connections",
            Self::Memory => "creeping-memory",
        }
    }

    /// A value as text. Values are in millionths of a second, or of a percent.
    fn text(self, value: u64) -> String {
        match self {
            Self::Latency => duration_text(value),
            Self::Connections | Self::Memory => {
                // Tenths of a percent say enough.
                let tenths = value.saturating_add(50_000) / 100_000;
                match tenths % 10 {
                    0 => format!("{} %", tenths / 10),
                    rest => format!("{}.{rest} %", tenths / 10),
                }
            }
        }
    }
}

/// A level that has risen for hours and will meet its limit. Values are in millionths of a second, or of a percent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct Creeping {
    /// What rises.
    pub level: Level,
    /// Time since when.
    pub since: Time,
    /// The level then.
    pub from: u64,
    /// The level now.
    pub to: u64,
    /// Rise of an hour.
    pub per_hour: u64,
    /// The limit.
    pub limit: u64,
    /// Time at which the limit is met at this rate.
    pub meets: Time,
    /// `since` and `meets` in the timezone of the site: `09:00 EET`, of another day `Tue 1 Dec 09:00 EET`.
    pub clocks: (String, String),
}

impl fmt::Display for Creeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value| self.level.text(value);
        let (since, meets) = &self.clocks;
        match self.level {
            Level::Latency => f.write_str("gets slower")?,
            Level::Connections => f.write_str("uses more and more connection slots")?,
            Level::Memory => f.write_str("uses more and more memory")?,
        }
        write!(
            f,
            ": {} more each hour since {since} ({} -> {}); ",
            text(self.per_hour),
            text(self.from),
            text(self.to)
        )?;
        if self.to >= self.limit {
            return write!(f, "its limit of {} is reached", text(self.limit));
        }
        write!(f, "at this rate it reaches its limit of {} at {meets}", text(self.limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_says_since_when_how_fast_and_when_the_limit_is_met() {
        let creeping = |level, from, to, per_hour, limit| Creeping {
            level,
            since: Time::UNIX_EPOCH,
            from,
            to,
            per_hour,
            limit,
            meets: Time::UNIX_EPOCH,
            clocks: ("09:00 EET".to_owned(), "17:30 EET".to_owned()),
        };
        for (creeping, words) in [
            (
                creeping(Level::Latency, 180_000, 420_000, 40_000, 2_000_000),
                "gets slower: 40 ms more each hour since 09:00 EET (180 ms -> 420 ms); at this rate it reaches its limit of \
                 2.00 s at 17:30 EET",
            ),
            (
                creeping(Level::Connections, 30_000_000, 62_000_000, 6_400_000, 100_000_000),
                "uses more and more connection slots: 6.4 % more each hour since 09:00 EET (30 % -> 62 %); at this rate it \
                 reaches its limit of 100 % at 17:30 EET",
            ),
            (
                creeping(Level::Memory, 30_000_000, 100_000_000, 6_400_000, 100_000_000),
                "uses more and more memory: 6.4 % more each hour since 09:00 EET (30 % -> 100 %); its limit of 100 % is \
                 reached",
            ),
        ] {
            assert_eq!(creeping.to_string(), words);
        }
    }
}
