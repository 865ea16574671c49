//! Ends and starts of the process of one server, and whether that is a crash loop: it ends, is started again, and ends again soon,
//! several times in a row.
//!
//! Only a process that listens or does not is a sign: connections that are accepted or refused, or a newer time of start.
//! Timeouts and errors are none, because a process that is alive has them too. A deploy ends a process once; two deploys
//! are minutes apart, and a process that ran for minutes is not in a loop.

use std::collections::VecDeque;
use std::time::Duration;
use types::Time;
use types::time::{between, later};
use types::traffic::ConnectsStatus;

/// Ends in a row that are a loop: a deploy is one, a deploy and its rollback are two.
const ENDS: u32 = 3;
/// A process that runs for longer than this before its next end is not in a loop ...
const LIFE_MAX: Duration = Duration::from_mins(2);
/// ... and neither is one that runs for this many times its longest life of the loop, but at least this long.
const CALM_LIVES: u32 = 3;
const CALM_MIN: Duration = Duration::from_secs(30);
/// A server that is down for longer is no longer started again: the longest pause of Kubernetes is 5 minutes.
const DOWN_MAX: Duration = Duration::from_mins(10);
/// Refusals in a row, or the time between two of them, that show an end. One alone may be that of one of several processes
/// behind an address, of which each is restarted in a deploy.
const REFUSALS: u32 = 3;
const REFUSED_FOR: Duration = Duration::from_secs(1);
/// More changes in one second are those of several processes behind one address.
const CHANGES_MAX: u32 = 6;
/// Lives that are remembered.
const LIVES_MAX: usize = 16;
/// Two times of start of one process differ by less: they are the difference of two clocks.
const SAME_START: Duration = Duration::from_secs(3);

/// Ends and starts of one server since boot.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    state: State,
    /// Ends in a row, with short lives between them.
    ends: u32,
    first: Option<Time>,
    last: Option<Time>,
    /// The last lives between them.
    lives: VecDeque<Duration>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Unknown,
    /// It listens, since then if that was seen.
    Up { since: Option<Time> },
    /// It refuses connections. Not counted as an end until that is certain.
    Refusing { up_since: Option<Option<Time>>, from: Time, refusals: u32 },
    /// It has ended.
    Down { since: Time },
}

/// A crash loop of one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Looping {
    /// How often it ended.
    pub(crate) times: u32,
    /// The first end.
    pub(crate) since: Time,
    /// Time from the first end to the last.
    pub(crate) within: Duration,
    /// The last end.
    pub(crate) last: Time,
    /// Median of its lives.
    pub(crate) up: Duration,
}

impl Restarts {
    /// Notes the attempts to connect of an interval that ends now.
    pub(crate) fn note(&mut self, seen: &ConnectsStatus, now: Time) {
        let ConnectsStatus { accepted, refused, changes, listens, .. } = *seen;
        // Of several bursts in one second only one refusal is certain to belong to the last.
        let burst = |one_burst: u32| if changes <= one_burst { refused } else { 1 };
        match (accepted > 0, refused > 0) {
            _ if changes > CHANGES_MAX => *self = Self::default(),
            (false, false) => {}
            (true, false) => self.listens(now),
            (false, true) => self.refuses(refused, now),
            (true, true) if listens => {
                self.refuses(burst(2), now);
                self.listens(now);
            }
            (true, true) => {
                self.listens(now);
                self.refuses(burst(1), now);
            }
        }
    }

    /// It accepted a connection.
    pub(crate) fn listens(&mut self, now: Time) {
        self.state = match self.state {
            State::Up { since } => State::Up { since },
            // One of several processes behind the address, or a flicker.
            State::Refusing { up_since: Some(since), .. } => State::Up { since },
            State::Unknown => State::Up { since: None },
            State::Refusing { up_since: None, .. } | State::Down { .. } => State::Up { since: Some(now) },
        };
    }

    /// It refused connections, a number of them in a row.
    pub(crate) fn refuses(&mut self, number: u32, now: Time) {
        let (up_since, from, before) = match self.state {
            State::Down { since } => {
                if between(since, now) > DOWN_MAX {
                    self.forget();
                }
                return;
            }
            State::Refusing { up_since, from, refusals } => (up_since, from, refusals),
            State::Up { since } => (Some(since), now, 0),
            State::Unknown => (None, now, 0),
        };
        let refusals = before.saturating_add(number);
        // Of a server that is known to end again and again one refusal is enough.
        let is_certain = refusals >= REFUSALS
            || (before > 0 && between(from, now) >= REFUSED_FOR)
            || self.looping(now).is_some();
        if !is_certain {
            self.state = State::Refusing { up_since, from, refusals };
            return;
        }
        // What ended before it was known is no end that was seen.
        if let Some(since) = up_since {
            self.ended(from, since.map(|since| between(since, from)));
        }
        self.state = State::Down { since: from };
    }

    /// It runs, and started then.
    pub(crate) fn started(&mut self, start: Time) {
        if let State::Up { since: Some(known) } = self.state {
            if start <= later(known, SAME_START) {
                return;
            }
            // It ended some time in between.
            self.ended(start, Some(between(known, start)));
        }
        self.state = State::Up { since: Some(start) };
    }

    fn ended(&mut self, at: Time, life: Option<Duration>) {
        match life.filter(|life| *life <= self.longest_life()) {
            Some(life) if self.ends > 0 => {
                if self.lives.len() >= LIVES_MAX {
                    self.lives.pop_front();
                }
                self.lives.push_back(life);
            }
            _ => self.forget(),
        }
        self.ends = self.ends.saturating_add(1);
        self.first.get_or_insert(at);
        self.last = Some(at);
    }

    fn forget(&mut self) {
        (self.ends, self.first, self.last) = (0, None, None);
        self.lives.clear();
    }

    /// The longest life after which a next end belongs to the same row.
    fn longest_life(&self) -> Duration {
        let longest = self.lives.iter().max().copied().unwrap_or_default();
        if self.ends < ENDS { LIFE_MAX } else { (longest * CALM_LIVES).clamp(CALM_MIN, LIFE_MAX) }
    }

    /// The crash loop that it is in now.
    pub(crate) fn looping(&self, now: Time) -> Option<Looping> {
        let (first, last) = (self.first.filter(|_| self.ends >= ENDS)?, self.last?);
        let goes_on = match self.state {
            State::Up { since } | State::Refusing { up_since: Some(since), .. } => {
                since.is_some_and(|since| between(since, now) < self.longest_life())
            }
            State::Down { since } => between(since, now) <= DOWN_MAX,
            State::Unknown | State::Refusing { up_since: None, .. } => false,
        };
        let mut lives: Vec<Duration> = self.lives.iter().copied().collect();
        lives.sort_unstable();
        let up = lives.get(lives.len() / 2).copied().unwrap_or_default();
        goes_on.then(|| Looping { times: self.ends, since: first, within: between(first, last), last, up })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "2026-11-22T14:00:00Z";

    fn at(secs: u64) -> Time {
        later(START.parse().unwrap(), Duration::from_secs(secs))
    }

    /// Seconds of one server: `u` accepts, `d` refuses, `.` is not asked, `t` times out. A number repeats the next letter.
    fn run(text: &str) -> (Restarts, u64, Option<u64>) {
        let (mut restarts, mut now, mut first, mut count) = (Restarts::default(), 0, None, 0u64);
        for letter in text.chars().filter(|letter| *letter != ' ') {
            if let Some(digit) = letter.to_digit(10) {
                count = count * 10 + u64::from(digit);
                continue;
            }
            for _ in 0..std::mem::take(&mut count).max(1) {
                now += 1;
                match letter {
                    'u' => restarts.listens(at(now)),
                    'd' => restarts.refuses(2, at(now)),
                    _ => {}
                }
                if restarts.looping(at(now)).is_some() {
                    first.get_or_insert(now);
                }
            }
        }
        (restarts, now, first)
    }

    #[test]
    fn only_ends_soon_after_a_start_in_a_row_are_a_loop() {
        for (history, expected, why) in [
            ("60u 5d 20u 5d 20u 5d 20u", Some(112), "three ends, up 20 s each"),
            ("60u 5d 1u 10d 1u 20d 1u 40d 1u 80d", Some(79), "the pauses of Kubernetes"),
            ("60u 5d 110u 5d 110u 5d", Some(292), "minutes between them"),
            ("60u 5d 20u 5d 300u", None, "an operator restarts it twice"),
            ("300u 5d 280u 5d 300u", None, "two deploys within ten minutes"),
            ("300u 5d 130u 5d 130u 5d 300u", None, "three deploys, minutes apart"),
            ("60u 8d 600u", None, "a rolling deploy restarts it once"),
            ("60u 5t 60u 5t 60u 5t 60u 5t 60u", None, "health checks that time out"),
            ("60u 900d", None, "it stays down"),
            ("20d 60u 5d 300u", None, "a server that is added and restarted once"),
            ("20d 20u 5d 20u 5d 60u", None, "its end before the first look is not counted"),
        ] {
            assert_eq!(run(history).2, expected, "{why}");
        }
    }

    #[test]
    fn loop_has_figures_and_is_over_after_a_life_that_is_long_for_it() {
        let (mut restarts, now, _) = run("60u 5d 20u 5d 22u 5d 20u 5d 20u 5d 3u");
        let looping = restarts.looping(at(now)).unwrap();
        assert_eq!((looping.times, looping.since, looping.up.as_secs()), (5, at(61), 20));
        assert_eq!(looping.within, Duration::from_secs(102));
        for secs in 0..70 {
            restarts.listens(at(now + secs));
        }
        assert_eq!(restarts.looping(at(now + 69)), None, "it runs three times as long as before");
        restarts.refuses(9, at(now + 70));
        assert_eq!(restarts.looping(at(now + 70)), None, "one more end is none of the same row");

        let (restarts, now, first) = run("60u 5d 20u 5d 20u 5d");
        assert!(first.is_some() && restarts.looping(at(now + 590)).is_some(), "it may be started again");
        assert_eq!(restarts.looping(at(now + 700)), None, "it is not started again");
    }

    #[test]
    fn loop_that_is_seen_now_and_then_goes_on() {
        let (mut restarts, now, _) = run("60u 5d 20u 5d 20u 5d 3u");
        // Every 15 seconds one question, of which each third finds it down.
        for question in 1..40 {
            let now = at(now + 15 * question);
            if question % 3 == 0 {
                restarts.refuses(1, now)
            } else {
                restarts.listens(now)
            }
            assert!(restarts.looping(now).is_some(), "{question}");
        }
    }

    #[test]
    fn address_of_several_processes_is_in_no_loop() {
        let mixed = |accepted, refused, changes| ConnectsStatus {
            accepted,
            refused,
            changes,
            listens: true,
            ..ConnectsStatus::default()
        };
        let mut restarts = Restarts::default();
        for second in 0..120 {
            // Each process of the deploy refuses for one second, the others accept.
            let seen = match second % 10 {
                0 => mixed(9, 2, 2),
                1 => mixed(9, 9, 9),
                _ => mixed(10, 0, 0),
            };
            restarts.note(&seen, at(second));
            assert_eq!(restarts.looping(at(second)), None);
        }
    }

    #[test]
    fn second_with_both_is_read_in_order() {
        let mut restarts = Restarts::default();
        let (up, down) = (
            ConnectsStatus { accepted: 3, listens: true, ..ConnectsStatus::default() },
            ConnectsStatus { accepted: 1, refused: 4, changes: 2, listens: true, request: None, broken: 0 },
        );
        for second in 0..60 {
            restarts.note(if second % 5 == 4 { &down } else { &up }, at(second));
        }
        assert_eq!(restarts.looping(at(60)).map(|looping| looping.times), Some(12));
    }

    #[test]
    fn newer_start_is_a_restart_that_was_not_seen() {
        let mut restarts = Restarts::default();
        let mut looping = |start, now| {
            restarts.started(at(start));
            restarts.looping(at(now)).map(|looping| looping.times)
        };
        let seen = [(0, 900), (1, 910), (920, 930), (941, 950), (960, 970), (961, 980)];
        let times = seen.map(|(start, now)| looping(start, now));
        assert_eq!(times, [None, None, None, None, Some(3), Some(3)]);
    }

    proptest::proptest! {
        #[test]
        fn timeouts_and_lone_refusals_are_never_a_loop(seconds in proptest::collection::vec(0..3u8, 0..400)) {
            let mut restarts = Restarts::default();
            let mut before = false;
            for (second, what) in seconds.iter().enumerate() {
                let now = at(second as u64);
                match what {
                    0 if !before => restarts.refuses(1, now),
                    1 => {}
                    _ => restarts.listens(now),
                }
                // Between two refusals a connection is accepted.
                before = *what == 0 || (before && *what == 1);
                assert_eq!(restarts.looping(now), None);
            }
        }
    }
}
