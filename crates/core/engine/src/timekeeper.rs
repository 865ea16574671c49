//! Engine time: advanced by monotonic time, reconciled with the wall clock.
//!
//! The wall clock gives the date, the running time of the machine gives the elapsed time. Every deadline follows the
//! second. The rules are in docs/concepts/clock.md; the clocks are read elsewhere.

use std::time::Duration;
use types::{Time, time};

/// Difference in milliseconds from which on the wall clock has stepped; smaller ones are slewed.
const STEP: i64 = 5_000;
/// Slewing changes the speed of engine time by at most 1/SLEW.
const SLEW: i64 = 10;
/// Duration of a step ahead before it is confirmed. A wrong clock of a virtual machine, firmware or time server is
/// usually corrected earlier.
const AHEAD_FOR: Duration = Duration::from_secs(300);
/// The same for a step back. It makes no deadline due, so displayed times are corrected earlier.
const BACK_FOR: Duration = Duration::from_secs(30);
/// Downtime up to which the wall clock is accepted at the start; after a longer one it must be confirmed.
const DOWN_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Difference in milliseconds that slewing may cause in a long run.
const SLEWED_MAX: i64 = 60_000;
/// Shortest time between two reports of a changing step, so that an unstable clock cannot fill the journal.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);
/// 2026-01-01T00:00:00Z: before the first release, so an earlier wall clock is wrong.
const EARLIEST_SECS: i64 = 1_767_225_600;

/// Both clocks at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock.
    pub wall: Time,
    /// How long the machine has been running, suspended time included. Never steps.
    pub running: Duration,
}

/// Change that a reading shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The wall clock stepped by this many milliseconds relative to engine time.
    Jumped {
        /// Negative when it is behind.
        by_ms: i64,
    },
    /// It returned before it was confirmed.
    Returned,
    /// The step lasted. Engine time must continue from `to`; see [`Timekeeper::set`].
    Confirmed {
        /// The wall clock.
        to: Time,
    },
}

/// Turns readings of two clocks into engine time.
#[derive(Clone, Debug)]
pub struct Timekeeper {
    now: Time,
    running: Duration,
    step: Option<Step>,
    reported: Option<Duration>,
    /// Whether engine time started without a plausible source.
    is_guess: bool,
}

/// A step that is not confirmed.
#[derive(Clone, Copy, Debug)]
struct Step {
    by_ms: i64,
    since: Duration,
    reported: bool,
}

impl Timekeeper {
    /// Engine time at the start of a process. `last` is the time of the journal's last event; `anchored` is computed
    /// from the machine's running time and an earlier anchor of the same boot, independent of the wall clock.
    #[must_use]
    pub fn start(reading: Reading, last: Option<Time>, anchored: Option<Time>) -> Self {
        let wall = reading.wall;
        let (now, is_guess) = match (anchored, last) {
            (Some(anchored), last) => {
                let anchored = last.map_or(anchored, |last| last.max(anchored));
                let is_near = off_ms(anchored, wall).abs() < SLEWED_MAX;
                (if is_near { last.map_or(wall, |last| wall.max(last)) } else { anchored }, false)
            }
            (None, Some(last)) => {
                let is_likely = last <= wall && time::between(last, wall) <= DOWN_MAX;
                (if is_likely { wall } else { last }, false)
            }
            (None, None) => (wall.max(earliest()), wall < earliest()),
        };
        Self { now, running: reading.running, step: None, reported: None, is_guess }
    }

    /// Engine time as of the last reading.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// Milliseconds by which the wall clock is ahead of engine time, while a step is not confirmed.
    #[must_use]
    pub fn distrusted(&self) -> Option<i64> {
        self.step.map(|step| step.by_ms)
    }

    /// Engine time at a reading, and a change if there is one. Engine time never runs backwards here.
    pub fn read(&mut self, reading: Reading) -> (Time, Option<News>) {
        let passed = reading.running.saturating_sub(self.running);
        self.running = self.running.max(reading.running);
        self.now = time::later(self.now, passed);
        let off = off_ms(self.now, reading.wall);
        if off.abs() < STEP {
            let most = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX) / SLEW;
            self.now = moved(self.now, off.clamp(-most, most));
            let news = self.step.take().map(|_| News::Returned);
            return (self.now, news);
        }
        (self.now, self.stepped(off, reading))
    }

    /// Continues from `to`, which was confirmed at the last reading.
    pub fn set(&mut self, to: Time) {
        self.now = to;
        self.step = None;
        self.is_guess = false;
    }

    fn stepped(&mut self, off: i64, reading: Reading) -> Option<News> {
        let same = self.step.filter(|step| step.by_ms.abs_diff(off) < STEP.unsigned_abs());
        let step =
            self.step.insert(same.unwrap_or(Step { by_ms: off, since: self.running, reported: false }));
        let lasted = self.running.saturating_sub(step.since);
        let enough = match off {
            _ if self.is_guess => Duration::ZERO,
            ..0 => BACK_FOR,
            _ => AHEAD_FOR,
        };
        if !step.reported && self.reported.is_none_or(|at| self.running.saturating_sub(at) >= REPORT_INTERVAL)
        {
            step.reported = true;
            self.reported = Some(self.running);
            return Some(News::Jumped { by_ms: off });
        }
        (lasted >= enough && reading.wall >= earliest()).then_some(News::Confirmed { to: reading.wall })
    }
}

/// A time before a confirmed step as it is read after it: a step back moves the times of the clock that was ahead.
#[must_use]
pub fn carried(at: Time, from: Time, to: Time) -> Time {
    time::earlier(at, time::between(to, from))
}

fn earliest() -> Time {
    Time::from_second(EARLIEST_SECS).unwrap_or(Time::UNIX_EPOCH)
}

/// Milliseconds by which `wall` is ahead of `now`.
fn off_ms(now: Time, wall: Time) -> i64 {
    i64::try_from(wall.duration_since(now).as_millis()).unwrap_or(i64::MAX)
}

fn moved(at: Time, by_ms: i64) -> Time {
    at.saturating_add(jiff::SignedDuration::from_millis(by_ms)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000;
    const YEARS: i64 = 20 * 365 * 24 * HOUR;

    fn noon() -> Time {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    /// The true time `secs` after noon, read by a wall clock that is off.
    fn reading(secs: u64, off_ms: i64) -> Reading {
        let at = time::later(noon(), Duration::from_secs(secs));
        Reading { wall: moved(at, off_ms), running: Duration::from_secs(1_000 + secs) }
    }

    fn off_truth_ms(now: Time, secs: u64) -> i64 {
        off_ms(time::later(noon(), Duration::from_secs(secs)), now)
    }

    #[test]
    fn steps_are_reported_confirmed_or_withdrawn() {
        use News::{Confirmed, Jumped, Returned};
        let wall = |secs, off| reading(secs, off).wall;
        for (why, readings) in [
            ("a second off is slewed", vec![(1, 1_000, None), (400, 1_000, None)]),
            (
                "an hour ahead for three seconds",
                vec![
                    (1, HOUR, Some(Jumped { by_ms: HOUR })),
                    (3, HOUR, None),
                    (4, 0, Some(Returned)),
                    (5, 0, None),
                ],
            ),
            (
                "an hour ahead to stay",
                vec![
                    (1, HOUR, Some(Jumped { by_ms: HOUR })),
                    (300, HOUR, None),
                    (301, HOUR, Some(Confirmed { to: wall(301, HOUR) })),
                ],
            ),
            (
                "an hour back to stay",
                vec![
                    (1, -HOUR, Some(Jumped { by_ms: -HOUR })),
                    (30, -HOUR, None),
                    (31, -HOUR, Some(Confirmed { to: wall(31, -HOUR) })),
                ],
            ),
            (
                "twenty years back cannot be true",
                vec![(1, -YEARS, Some(Jumped { by_ms: -YEARS })), (100_000, -YEARS, None)],
            ),
            (
                "an unstable clock is never confirmed and rarely reported",
                vec![
                    (1, HOUR, Some(Jumped { by_ms: HOUR })),
                    (200, 2 * HOUR, Some(Jumped { by_ms: 2 * HOUR })),
                    (201, HOUR, None),
                    (400, 2 * HOUR, Some(Jumped { by_ms: 2 * HOUR })),
                ],
            ),
        ] {
            let mut keeper = Timekeeper::start(reading(0, 0), Some(noon()), None);
            for (secs, off, wanted) in readings {
                let (now, news) = keeper.read(reading(secs, off));
                assert_eq!(news, wanted, "{why}, at second {secs}");
                assert!(off_truth_ms(now, secs).abs() <= 1_000, "{why}: {now} at second {secs}");
            }
        }
    }

    #[test]
    fn start_prefers_anchor_then_journal_then_wall_clock() {
        let last = Some(noon());
        for (why, off, last, anchored, wanted_off) in [
            ("no journal", HOUR, None, None, HOUR),
            ("down for an hour", HOUR, last, None, HOUR),
            ("down for three weeks, or a wrong clock", 21 * 24 * HOUR, last, None, 0),
            ("behind the journal", -HOUR, last, None, 0),
            ("the machine knows that no hour has passed", HOUR, last, last, 0),
            ("the machine knows that an hour has passed", 0, last, Some(moved(noon(), HOUR)), HOUR),
            ("the anchor drifted by ten seconds", 10_000, last, last, 10_000),
        ] {
            let keeper = Timekeeper::start(reading(0, off), last, anchored);
            assert_eq!(off_truth_ms(keeper.now(), 0), wanted_off, "{why}");
        }
    }

    #[test]
    fn start_before_first_release_takes_first_plausible_reading() {
        let mut keeper = Timekeeper::start(reading(0, -YEARS), None, None);
        assert_eq!(keeper.now(), earliest());
        assert!(matches!(keeper.read(reading(1, -YEARS)).1, Some(News::Jumped { .. })));
        assert_eq!(keeper.read(reading(2, -YEARS)).1, None);
        keeper.read(reading(3, 0));
        assert_eq!(keeper.read(reading(4, 0)).1, Some(News::Confirmed { to: reading(4, 0).wall }));
    }

    #[test]
    fn small_difference_is_slewed() {
        let mut keeper = Timekeeper::start(reading(0, 0), None, None);
        for (secs, off) in [(10, 4_000), (60, 4_000), (70, -500), (120, -500)] {
            keeper.read(reading(secs, off));
        }
        assert_eq!(off_truth_ms(keeper.now(), 120), -500);
    }

    proptest! {
        /// Whatever the wall clock does, engine time moves on by monotonic progress, within the slew, until it is set.
        #[test]
        fn progress_is_monotonic(steps in proptest::collection::vec((1u64..400, -2 * YEARS..2 * YEARS, any::<bool>()), 1..60)) {
            let mut secs = 0;
            let mut keeper = Timekeeper::start(reading(0, 0), Some(noon()), None);
            for (span, off, wild) in steps {
                secs += span;
                let before = keeper.now();
                let (now, news) = keeper.read(reading(secs, if wild { off } else { 0 }));
                let passed = time::between(before, now).as_millis();
                prop_assert!(passed >= u128::from(span * 900) && passed <= u128::from(span * 1_100), "{passed} in {span} s");
                if let Some(News::Confirmed { to }) = news {
                    prop_assert!(to >= earliest());
                    keeper.set(to);
                    prop_assert_eq!(keeper.now(), to);
                }
            }
        }
    }
}
