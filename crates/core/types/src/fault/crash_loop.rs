//! A crash loop: servers that end and are started again, and again.

use crate::shown::clean;
use crate::time::spoken;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;
use text::list;

/// Servers that end and are started again, and again. Of several, `times`, `within`, `up` and `last` are those of the one that
/// ended most often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct CrashLoop {
    /// The first servers of a pool; empty when the resource is the server itself: a host, a database.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// Number of servers that do so.
    pub looping: u32,
    /// Number of servers that are meant to serve.
    pub of: u32,
    /// How often it ended.
    pub times: u32,
    /// Time between the first end and the last.
    pub within: Duration,
    /// Time for which it usually runs.
    pub up: Duration,
    /// The last sign: `connection refused`, `reset while it served GET /login`.
    pub last: String,
}

impl CrashLoop {
    /// Number of servers that do not restart again and again.
    #[must_use]
    pub fn steady(&self) -> u32 {
        self.of.saturating_sub(self.looping)
    }

    /// Whether it is every server of a pool of several.
    #[must_use]
    pub fn is_every(&self) -> bool {
        self.looping > 1 && self.looping >= self.of
    }

    /// `a, b and 3 more`.
    #[must_use]
    pub fn names(&self) -> String {
        let more = self.looping.saturating_sub(u32::try_from(self.servers.len()).unwrap_or(u32::MAX));
        match more {
            0 => list::and(&self.servers),
            more => format!("{} and {more} more", self.servers.join(", ")),
        }
    }

    /// How often, and for how long it runs: `5 times in 4 min, up 20 s each`.
    #[must_use]
    pub fn figures(&self) -> String {
        let most = if self.looping > 1 { "up to " } else { "" };
        let (within, up) = (rounded(self.within), rounded(self.up));
        format!("{most}{} times in {within}, up {up} each", self.times)
    }

    pub(super) fn clean(&mut self) {
        self.servers.iter_mut().for_each(clean);
        clean(&mut self.last);
    }
}

impl fmt::Display for CrashLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = self.figures();
        match self.looping {
            _ if self.servers.is_empty() => write!(f, "restarts again and again: {figures}")?,
            1 => write!(f, "has a server that restarts again and again: {}, {figures}", self.names())?,
            n if self.is_every() => {
                write!(f, "has {n} of {n} servers that restart again and again, {figures}")?;
            }
            n => {
                let (of, names) = (self.of, self.names());
                write!(f, "has {n} of {of} servers that restart again and again: {names}, {figures}")?;
            }
        }
        write!(f, "; last sign: {}", self.last)
    }
}

/// `4 min`, `20 s`, `1 s` for less.
fn rounded(span: Duration) -> String {
    let secs = (span.as_secs_f64().round() as u64).max(1);
    spoken(Duration::from_secs(if secs < 120 { secs } else { secs - secs % 60 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fault;

    #[test]
    fn text_says_which_servers_and_how_often() {
        let crash_loop = |servers: &[&str], looping, of| {
            let crash_loop = CrashLoop {
                servers: servers.iter().map(|name| (*name).to_owned()).collect(),
                looping,
                of,
                times: 5,
                within: Duration::from_secs(251),
                up: Duration::from_millis(20_300),
                last: "connection refused".to_owned(),
            };
            Fault::CrashLoop { crash_loop }.to_string()
        };
        for (got, text) in [
            (
                crash_loop(&[], 1, 1),
                "restarts again and again: 5 times in 4 min, up 20 s each; last sign: connection refused",
            ),
            (
                crash_loop(&["api-3"], 1, 6),
                "has a server that restarts again and again: api-3, 5 times in 4 min, up 20 s each; last sign: connection \
                 refused",
            ),
            (
                crash_loop(&["a", "b", "c"], 5, 6),
                "has 5 of 6 servers that restart again and again: a, b, c and 2 more, up to 5 times in 4 min, up 20 s each; \
                 last sign: connection refused",
            ),
            (
                crash_loop(&["a", "b", "c"], 6, 6),
                "has 6 of 6 servers that restart again and again, up to 5 times in 4 min, up 20 s each; last sign: \
                 connection refused",
            ),
        ] {
            assert_eq!(got, text);
        }
    }
}
