//! What follows from the answer of a server.

use std::time::Duration;
use types::{Time, time};

/// Delays before the next attempt for one subscriber. After the last one it has failed.
const DELAYS: [Duration; 6] = [
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(900),
    Duration::from_secs(3_600),
    Duration::from_secs(4 * 3_600),
    Duration::from_secs(8 * 3_600),
];

/// Permanent failures in a row after which a subscriber gets no more updates.
const FAILURES_MAX: u32 = 3;

/// First and longest pause of a channel that takes nothing.
const PAUSE_MIN: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Answer to one message, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The server is responsible for it now.
    Accepted,
    /// The server refuses this subscriber for good: SMTP 5xx to the recipient, HTTP 404 or 410.
    Refused(String),
    /// The server refuses this message for now: SMTP 450 or 452, HTTP 429 or 5xx.
    Later(String),
    /// The message left, and the connection ended without an answer: it may have arrived.
    InDoubt(String),
    /// The server takes nothing from anyone: no connection, 421, a refused sender or password.
    Unavailable(String),
}

/// What follows for one subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It has the update.
    Sent,
    /// It may have the update. No further attempt: an update that arrives twice looks like a second outage. The next update
    /// of the incident has its words too.
    InDoubt,
    /// Another attempt at this time.
    Again(Time),
    /// No further attempt; with `pause` no more updates either.
    Failed {
        /// Whether the subscriber gets no more updates.
        pause: bool,
    },
}

/// Decides what follows. `attempts` is the number of attempts including this one, `failures` that of permanent failures
/// in a row before it.
#[must_use]
pub fn next(answer: &Answer, attempts: u32, failures: u32, now: Time) -> Next {
    match answer {
        Answer::Accepted => Next::Sent,
        Answer::InDoubt(_) => Next::InDoubt,
        Answer::Refused(_) => Next::Failed { pause: failures.saturating_add(1) >= FAILURES_MAX },
        // Not the fault of the subscriber: it waits for the channel, and no attempt counts.
        Answer::Unavailable(_) => Next::Again(now),
        Answer::Later(_) => {
            let delay = usize::try_from(attempts.saturating_sub(1)).ok().and_then(|place| DELAYS.get(place));
            delay.map_or(Next::Failed { pause: false }, |delay| Next::Again(time::later(now, *delay)))
        }
    }
}

/// Pauses of a channel that takes nothing, or does not answer: five seconds, then twice as long each time, at most five minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    until: Option<Time>,
    pause: Duration,
}

impl Backoff {
    /// Counts an answer. Answers of attempts that were begun before the pause do not lengthen it.
    pub fn observe(&mut self, answer: &Answer, now: Time) {
        if !matches!(answer, Answer::Unavailable(_) | Answer::InDoubt(_)) {
            *self = Self::default();
        } else if self.until(now).is_none() {
            self.pause = (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
            self.until = Some(time::later(now, self.pause));
        }
    }

    /// The end of the pause, if there is one now. One that is farther away than a pause lasts was set before the clock was set back.
    #[must_use]
    pub fn until(&self, now: Time) -> Option<Time> {
        self.until.filter(|until| *until > now && time::between(now, *until) <= PAUSE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Time {
        Time::from_second(1_800_000_000 + secs).unwrap()
    }

    #[test]
    fn answers_decide_what_follows() {
        let later = || Answer::Later("450".to_owned());
        let refused = || Answer::Refused("550".to_owned());
        for (answer, attempts, failures, expected) in [
            (Answer::Accepted, 1, 2, Next::Sent),
            (Answer::InDoubt(String::new()), 1, 2, Next::InDoubt),
            (later(), 1, 0, Next::Again(at(60))),
            (later(), 2, 0, Next::Again(at(300))),
            (later(), 6, 2, Next::Again(at(8 * 3_600))),
            (later(), 7, 2, Next::Failed { pause: false }),
            (later(), u32::MAX, 2, Next::Failed { pause: false }),
            (refused(), 1, 0, Next::Failed { pause: false }),
            (refused(), 1, 2, Next::Failed { pause: true }),
            (refused(), 1, u32::MAX, Next::Failed { pause: true }),
            (Answer::Unavailable("421".to_owned()), 9, 2, Next::Again(at(0))),
        ] {
            assert_eq!(next(&answer, attempts, failures, at(0)), expected, "{answer:?} {attempts}");
        }
    }

    #[test]
    fn pauses_of_a_channel_grow_and_end_with_a_success() {
        let down = Answer::Unavailable(String::new());
        let lost = Answer::InDoubt(String::new());
        let mut backoff = Backoff::default();
        let mut now = at(0);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            backoff.observe(&down, now);
            // Four connections fail together: one pause.
            backoff.observe(&lost, now);
            let until = backoff.until(now).unwrap();
            pauses.push(time::between(now, until).as_secs());
            now = until;
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(backoff.until(now), None, "the pause is over");
        backoff.observe(&Answer::Accepted, now);
        backoff.observe(&down, now);
        assert_eq!(backoff.until(now), Some(time::later(now, PAUSE_MIN)));
    }
}
