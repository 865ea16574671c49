//! Faults of a job that reports by heartbeats.

use crate::Time;
use crate::shown::clean;
use crate::time::spoken;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use thiserror::Error;

/// A fault of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[serde(tag = "heartbeat", rename_all = "snake_case")]
pub enum HeartbeatFault {
    /// It did not report in time.
    #[error("did not report when it was due, {}{}", utc(*due), success(*last))]
    Late {
        /// When it was due; the grace is over, too.
        due: Time,
        /// Its last success.
        last: Option<Time>,
    },
    /// It reported that it failed.
    #[error("failed{}{}", exit.map(|exit| format!(" with exit status {exit}")).unwrap_or_default(),
        output.as_ref().map(|output| format!(": {output}")).unwrap_or_default())]
    Failed {
        /// Its exit status.
        exit: Option<u8>,
        /// The last line that it wrote.
        output: Option<String>,
    },
    /// It began and has not ended.
    #[error("began at {} and has not ended within {}", utc(*started), spoken(*most))]
    TooLong {
        /// When it began.
        started: Time,
        /// The longest run that is allowed.
        most: Duration,
    },
}

impl HeartbeatFault {
    /// The code of the alert.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Late { .. } => "heartbeat-late",
            Self::Failed { .. } => "heartbeat-failed",
            Self::TooLong { .. } => "heartbeat-too-long",
        }
    }

    pub(crate) fn clean(&mut self) {
        if let Self::Failed { output: Some(output), .. } = self {
            clean(output);
        }
    }
}

fn utc(at: Time) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn success(at: Option<Time>) -> String {
    match at {
        Some(at) => format!("; its last success was at {}", utc(at)),
        None => "; it has never reported a success".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_says_when_it_was_due() {
        let at = |text: &str| -> Time { text.parse().unwrap() };
        let due = at("2026-12-01T03:00:00Z");
        let cases = [
            (
                HeartbeatFault::Late { due, last: Some(at("2026-11-30T03:04:10Z")) },
                "did not report when it was due, 2026-12-01 03:00 UTC; its last success was at 2026-11-30 03:04 UTC",
            ),
            (
                HeartbeatFault::Late { due, last: None },
                "did not report when it was due, 2026-12-01 03:00 UTC; it has never reported a success",
            ),
            (HeartbeatFault::Failed { exit: None, output: None }, "failed"),
            (
                HeartbeatFault::Failed { exit: Some(1), output: Some("no space left".to_owned()) },
                "failed with exit status 1: no space left",
            ),
            (
                HeartbeatFault::TooLong { started: due, most: Duration::from_secs(5_400) },
                "began at 2026-12-01 03:00 UTC and has not ended within 1 h 30 min",
            ),
        ];
        for (fault, text) in cases {
            assert_eq!(fault.to_string(), text);
        }
    }
}
