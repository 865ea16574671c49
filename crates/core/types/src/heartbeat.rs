//! Heartbeats: jobs that report when they begin, end and fail.

use crate::Time;
use crate::cron::Cron;
use crate::shown::clean;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;
use text::truncate;

/// Maximum of what a job writes with a ping that is kept, in bytes: its end, where errors are.
pub const OUTPUT_MAX: usize = 10_000;
/// The same of a ping that says that all is well.
pub const OUTPUT_MAX_WELL: usize = 500;
/// Maximum length of the id of a run, in characters: that of a UUID, and then some.
pub const RUN_MAX: usize = 64;

/// When a job is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// This long after its last success.
    Every(Duration),
    /// By a crontab expression, in a timezone.
    Cron {
        /// The expression: `0 3 * * *`.
        cron: Box<Cron>,
        /// Its timezone.
        timezone: TimeZone,
    },
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(period) => write!(f, "every {}", crate::time::spoken(*period)),
            Self::Cron { cron, timezone } => {
                write!(f, "{cron} ({})", timezone.iana_name().unwrap_or("UTC"))
            }
        }
    }
}

/// A ping: what a job says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// What it says.
    #[serde(flatten)]
    pub kind: PingKind,
    /// The run that it is about, where several can overlap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The end of its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

impl Ping {
    /// A ping with its texts made safe to show, and cut to their limits.
    #[must_use]
    pub fn new(kind: PingKind, run: Option<&str>, output: Option<&str>) -> Self {
        let most = if matches!(kind, PingKind::Failed { .. }) { OUTPUT_MAX } else { OUTPUT_MAX_WELL };
        let output = output
            .map(str::trim_end)
            .filter(|output| !output.is_empty())
            .map(|output| text::escape::replace_unsafe(&end(output, most)));
        let run = run.filter(|run| !run.is_empty()).map(|run| {
            let mut run = truncate::chars(run, RUN_MAX);
            clean(&mut run);
            run
        });
        Self { kind, run, output }
    }
}

/// The last `most` bytes of a text, from the beginning of a character.
fn end(text: &str, most: usize) -> String {
    let mut from = text.len().saturating_sub(most);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.get(from..).unwrap_or_default().to_owned()
}

/// What a ping says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ping", rename_all = "snake_case")]
pub enum PingKind {
    /// The job begins.
    Started,
    /// It has ended well.
    Succeeded,
    /// It has failed.
    Failed {
        /// Its exit status, if it said one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit: Option<u8>,
    },
    /// Only a line for the log.
    Logged,
}

impl PingKind {
    /// The ping of an exit status: 0 is success.
    #[must_use]
    pub fn of_exit(exit: u8) -> Self {
        if exit == 0 { Self::Succeeded } else { Self::Failed { exit: Some(exit) } }
    }
}

impl fmt::Display for PingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("started"),
            Self::Succeeded => f.write_str("succeeded"),
            Self::Failed { exit: None } => f.write_str("failed"),
            Self::Failed { exit: Some(exit) } => write!(f, "failed with exit status {exit}"),
            Self::Logged => f.write_str("logged"),
        }
    }
}

/// A ping with its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pinged {
    /// Time at which it arrived.
    pub at: Time,
    /// The ping.
    #[serde(flatten)]
    pub ping: Ping,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_the_output_is_kept_and_made_safe() {
        let failed = |output: &str| Ping::new(PingKind::of_exit(2), Some("r\u{1b}1"), Some(output));
        assert_eq!(
            failed("dump\n\u{1b}[31mno space left\n").output.unwrap(),
            "dump\n\u{fffd}[31mno space left"
        );
        assert_eq!(failed("a").run.unwrap().chars().filter(char::is_ascii_control).count(), 0);
        let long = format!("{}é{}", "x".repeat(20_000), "y".repeat(OUTPUT_MAX - 1));
        assert_eq!(failed(&long).output.unwrap(), "y".repeat(OUTPUT_MAX - 1), "no half of a character");
        let well = Ping::new(PingKind::Succeeded, Some(""), Some(&"z".repeat(1_000)));
        assert_eq!((well.output.unwrap().len(), well.run), (OUTPUT_MAX_WELL, None));
        assert_eq!(Ping::new(PingKind::Succeeded, None, Some(" \n")).output, None);
        assert_eq!(PingKind::of_exit(0), PingKind::Succeeded);
    }

    #[test]
    fn ping_is_read_as_it_was_written() {
        for kind in
            [PingKind::Started, PingKind::of_exit(0), PingKind::of_exit(137), PingKind::Failed { exit: None }]
        {
            let ping = Ping::new(kind, Some("7"), Some("x"));
            let json = serde_json::to_string(&ping).unwrap();
            assert_eq!(serde_json::from_str::<Ping>(&json).unwrap(), ping, "{json}");
        }
    }
}
