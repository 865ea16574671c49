//! One line to one person: which of their ways is tried next, and when.
//!
//! Holds only what attempts that ended have taught. What a person's ways are stands in the configuration and is asked at the moment of
//! use, so that a reloaded configuration is obeyed at once.

use std::collections::BTreeMap;
use std::time::Duration;
use types::Time;
use types::notification::{Delivered, Undelivered};
use types::time::later;

/// A way that was accepted without a human answering is followed by the next one after this long, and no way is dialled
/// anew sooner. The longer nobody answers, the longer it is: see [`redial_after`].
pub const REDIAL: Duration = Duration::from_secs(60);

/// Until which age of a climb a person is redialled how often; afterwards every [`REDIAL_MAX`]. A day of it is 185 messages,
/// less than the 250 that a free account of a push service carries: who ran into such a quota would not be called at all.
const PACES: [(Duration, Duration); 3] = [
    (Duration::from_secs(600), REDIAL),
    (Duration::from_secs(3_600), Duration::from_secs(120)),
    (Duration::from_secs(3 * 3_600), Duration::from_secs(300)),
];

/// The slowest pace of redials.
pub const REDIAL_MAX: Duration = Duration::from_secs(600);

/// How long an accepted attempt without an answer rests, when the climb is that old.
#[must_use]
pub fn redial_after(age: Duration) -> Duration {
    PACES.iter().find(|(until, _)| age < *until).map_or(REDIAL_MAX, |(_, pace)| *pace)
}

/// Waits between retries of a way whose provider failed (P7). After the last one the way waits for its next turn.
pub const RETRIES: [Duration; 4] =
    [Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(30)];

/// A provider may ask us to wait, but not for longer than this: somebody must be woken.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(120);

/// The last resort is tried this often, for ever; no sooner than [`redial_after`] once it was accepted.
pub const FALLBACK_EVERY: Duration = Duration::from_secs(300);

/// Waits of a notice after each time that all ways failed; the last one repeats.
const NOTICE_PAUSES: [Duration; 5] = [
    Duration::from_secs(15),
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(900),
    Duration::from_secs(3_600),
];

/// A notice is given up on a way after so many attempts: about a day.
pub(crate) const NOTICE_ATTEMPTS_MAX: u32 = 28;

/// How a line is worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// One way after the other, again and again, until a human answers.
    Page,
    /// Every way by itself, again and again.
    Fallback,
    /// One way after the other until one is accepted.
    Notice,
    /// Every way by itself until it is accepted: a word to the last resort.
    NoticeToAll,
}

impl Manner {
    /// Whether it wakes nobody.
    pub(crate) fn is_notice(self) -> bool {
        matches!(self, Self::Notice | Self::NoticeToAll)
    }
}

/// An attempt that is due at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) way: usize,
    pub(crate) dial: u32,
    pub(crate) at: Time,
}

/// What the attempts on a line have taught so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    begun: Time,
    /// The way whose turn it is; past the last one it is the first one's again.
    turn: usize,
    /// When that turn comes.
    turn_at: Time,
    /// When it comes if it is the first one's again.
    again_at: Time,
    accepted: u32,
    ways: BTreeMap<usize, Way>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Way {
    /// Number of the present attempt: its retries carry it too, so that a provider that took it the first time and said so
    /// too late does not ring twice.
    dial: u32,
    ended: u32,
    failed: u32,
    accepted: bool,
    /// When it may be dialled anew.
    rests_until: Option<Time>,
    retry_at: Option<Time>,
    given_up: bool,
}

impl Line {
    pub(crate) fn new(begun: Time) -> Self {
        Self { begun, turn: 0, turn_at: begun, again_at: begun, accepted: 0, ways: BTreeMap::new() }
    }

    /// How many attempts a provider accepted. None of them is an answer (P6).
    #[must_use]
    pub fn accepted(&self) -> u32 {
        self.accepted
    }

    /// How many attempts ended, well or badly.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.ways.values().map(|way| way.ended).sum()
    }

    /// The number of the next attempt over a way; every smaller one has ended.
    pub(crate) fn dial(&self, way: usize) -> u32 {
        self.ways.get(&way).map_or(0, |way| way.dial)
    }

    /// How many attempts over a way ended.
    pub(crate) fn tries(&self, way: usize) -> u32 {
        self.ways.get(&way).map_or(0, |way| way.ended)
    }

    /// Until when whoever sits at the other end has been called often enough.
    pub(crate) fn rests_until(&self) -> Option<Time> {
        self.ways.values().filter(|way| way.accepted).filter_map(|way| way.rests_until).max()
    }

    /// Somebody was just reached over some way: what waits for a provider to come back is tried now.
    pub(crate) fn hurry(&mut self, at: Time) {
        self.again_at = self.again_at.min(at);
        for way in self.ways.values_mut() {
            way.rests_until = way.rests_until.map(|until| until.min(at));
        }
    }

    /// Whether none of the ways can be used any more. `usable` tells what the configuration knows of.
    pub(crate) fn is_dead(&self, usable: &[bool]) -> bool {
        !(0..usable.len()).any(|way| self.is_open(way, usable))
    }

    pub(crate) fn give_up(&mut self, way: usize) {
        let way = self.ways.entry(way).or_default();
        way.given_up = true;
        way.retry_at = None;
    }

    /// An attempt ended. Ignored when it ended before. `pace` is how long an accepted one rests.
    pub(crate) fn ended(
        &mut self,
        (way, dial): (usize, u32),
        at: Time,
        result: &Result<Delivered, Undelivered>,
        (manner, pace): (Manner, Duration),
    ) {
        let known = self.ways.entry(way).or_default();
        if dial < known.dial {
            return;
        }
        // Journals of earlier versions gave each retry a number of its own.
        known.dial = dial;
        known.ended = known.ended.saturating_add(1);
        known.accepted = result.is_ok();
        let was_retry = known.retry_at.take().is_some();
        let mut ends = true;
        match result {
            Ok(_) => {
                known.failed = 0;
                self.accepted = self.accepted.saturating_add(1);
            }
            // One word, one key: it is the same message however often it is tried.
            Err(_) if manner.is_notice() => ends = false,
            Err(undelivered) if undelivered.retriable => {
                let pause = usize::try_from(known.failed).ok().and_then(|failed| RETRIES.get(failed));
                ends = pause.is_none();
                known.failed = if ends { 0 } else { known.failed + 1 };
                known.retry_at = pause
                    .map(|pause| later(at, undelivered.retry_after.unwrap_or(*pause).min(RETRY_AFTER_MAX)));
            }
            Err(_) => {}
        }
        let pace = if result.is_ok() { pace } else { REDIAL };
        let rest = match manner {
            Manner::Page => pace,
            Manner::Fallback => pace.max(FALLBACK_EVERY),
            Manner::Notice | Manner::NoticeToAll => {
                let round = usize::try_from(known.ended).unwrap_or(usize::MAX).min(NOTICE_PAUSES.len());
                NOTICE_PAUSES[round - 1]
            }
        };
        known.rests_until = Some(later(at, rest));
        known.dial = known.dial.saturating_add(u32::from(ends));
        if was_retry {
            return;
        }
        self.turn = way + 1;
        self.turn_at = if result.is_ok() { later(at, pace) } else { at };
        self.again_at = later(at, rest);
    }

    /// Every attempt that is due now or will be, if nothing else happens.
    pub(crate) fn calls(&self, usable: &[bool], manner: Manner) -> Vec<Call> {
        let open = |way: &usize| self.is_open(*way, usable);
        let retry_at = |way: usize| self.ways.get(&way).and_then(|way| way.retry_at);
        let rests_until = |way: usize| self.ways.get(&way).and_then(|way| way.rests_until);
        let accepted = |way: &usize| self.ways.get(way).is_some_and(|way| way.accepted);
        let call = |way: usize, at: Time| Call { way, dial: self.dial(way), at };
        if matches!(manner, Manner::Fallback | Manner::NoticeToAll) {
            let at = |way| retry_at(way).or_else(|| rests_until(way)).unwrap_or(self.begun);
            let owed = |way: &usize| open(way) && !(manner == Manner::NoticeToAll && accepted(way));
            return (0..usable.len()).filter(owed).map(|way| call(way, at(way))).collect();
        }
        if manner == Manner::Notice && self.accepted > 0 {
            return Vec::new();
        }
        let mut calls: Vec<Call> =
            (0..usable.len()).filter(open).filter_map(|way| Some(call(way, retry_at(way)?))).collect();
        let turn = (self.turn..usable.len())
            .find(open)
            .map(|way| (way, self.turn_at))
            .or_else(|| (0..self.turn.min(usable.len())).find(open).map(|way| (way, self.again_at)));
        if let Some((way, at)) = turn
            && retry_at(way).is_none()
        {
            let rested = rests_until(way).filter(|_| manner == Manner::Page);
            calls.push(call(way, rested.map_or(at, |rested| rested.max(at))));
        }
        calls
    }

    fn is_open(&self, way: usize, usable: &[bool]) -> bool {
        usable.get(way).copied().unwrap_or(false) && !self.ways.get(&way).is_some_and(|way| way.given_up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::time::between;

    const OK: Result<Delivered, Undelivered> = Ok(Delivered { receipt: None });

    fn failed(retriable: bool, retry_after: Option<u64>) -> Result<Delivered, Undelivered> {
        let retry_after = retry_after.map(Duration::from_secs);
        Err(Undelivered { why: "503".to_owned(), retriable, retry_after })
    }

    fn at(secs: u64) -> Time {
        later(Time::UNIX_EPOCH, Duration::from_secs(secs))
    }

    /// Works a line by always making the call that is due first; every attempt takes a second. Tells what was dialled when.
    fn story(
        ways: usize,
        manner: Manner,
        calls: usize,
        answer: impl Fn(usize, u32) -> Result<Delivered, Undelivered>,
    ) -> String {
        let usable = vec![true; ways];
        let mut line = Line::new(at(0));
        let mut now = at(0);
        let mut told = Vec::new();
        for _ in 0..calls {
            let Some(call) = line.calls(&usable, manner).into_iter().min_by_key(|call| (call.at, call.way))
            else {
                told.push("end".to_owned());
                break;
            };
            now = now.max(call.at);
            told.push(format!("{}:{}.{}", now.as_second(), call.way, call.dial));
            now = later(now, Duration::from_secs(1));
            let result = answer(call.way, call.dial);
            line.ended((call.way, call.dial), now, &result, (manner, redial_after(between(at(0), now))));
            if manner != Manner::Fallback && matches!(&result, Err(undelivered) if !undelivered.retriable) {
                line.give_up(call.way);
            }
        }
        told.join(" ")
    }

    #[test]
    fn lines_are_worked_in_order_and_for_ever() {
        type Answer = fn(usize, u32) -> Result<Delivered, Undelivered>;
        let table: [(usize, Manner, Answer, &str, &str); 11] = [
            (
                3,
                Manner::Page,
                |_, _| OK,
                "0:0.0 61:1.0 122:2.0 183:0.1 244:1.1 305:2.1",
                "accepted, nobody answers",
            ),
            (1, Manner::Page, |_, _| OK, "0:0.0 61:0.1 122:0.2 183:0.3 244:0.4 305:0.5", "one way only"),
            (
                2,
                Manner::Page,
                |way, _| if way == 0 { failed(true, None) } else { OK },
                "0:0.0 1:1.0 3:0.0 9:0.0 25:0.0 56:0.0",
                "the second way at once, the first one retried beside it",
            ),
            (
                1,
                Manner::Page,
                |_, _| failed(true, None),
                "0:0.0 3:0.0 9:0.0 25:0.0 56:0.0 117:0.1",
                "retries under the same key, then its next turn",
            ),
            (
                1,
                Manner::Page,
                |_, _| failed(true, Some(900)),
                "0:0.0 121:0.0 242:0.0 363:0.0 484:0.0 545:0.1",
                "asked to wait, within reason",
            ),
            (
                2,
                Manner::Page,
                |way, _| if way == 0 { failed(false, None) } else { OK },
                "0:0.0 1:1.0 62:1.1 123:1.2 184:1.3 245:1.4",
                "a refused token is not tried again",
            ),
            (2, Manner::Page, |_, _| failed(false, None), "0:0.0 1:1.0 end", "nothing is left"),
            (
                2,
                Manner::Fallback,
                |_, _| failed(false, None),
                "0:0.0 1:1.0 301:0.1 302:1.1 602:0.2 603:1.2",
                "never given up",
            ),
            (
                2,
                Manner::Notice,
                |_, _| failed(true, None),
                "0:0.0 1:1.0 17:0.0 18:1.0 79:0.0 80:1.0",
                "one word keeps its key",
            ),
            (
                2,
                Manner::Notice,
                |way, _| if way == 0 { failed(true, None) } else { OK },
                "0:0.0 1:1.0 end",
                "once is enough",
            ),
            (
                2,
                Manner::NoticeToAll,
                |way, _| if way == 0 { failed(false, None) } else { OK },
                "0:0.0 1:1.0 end",
                "every address of the last resort, each once",
            ),
        ];
        for (ways, manner, answer, expected, why) in table {
            assert_eq!(story(ways, manner, 6, answer), expected, "{why}");
        }
    }

    #[test]
    fn redials_that_nobody_answers_become_rarer_and_fit_a_quota() {
        let mut line = Line::new(at(0));
        let (mut now, mut times) = (at(0), Vec::new());
        while now < at(86_400) {
            times.push(now.as_second());
            line.ended((0, line.dial(0)), now, &OK, (Manner::Page, redial_after(between(at(0), now))));
            now = line.calls(&[true], Manner::Page)[0].at;
        }
        assert_eq!(times[..12], [0, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 720]);
        assert!(times.len() < 200, "{} messages a day", times.len());
        let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert_eq!(longest, i64::try_from(REDIAL_MAX.as_secs()).ok());
    }

    #[test]
    fn an_outcome_told_twice_counts_once() {
        let mut line = Line::new(at(0));
        line.ended((0, 0), at(1), &OK, (Manner::Page, REDIAL));
        let once = line.clone();
        line.ended((0, 0), at(9), &failed(true, None), (Manner::Page, REDIAL));
        assert_eq!(line, once);
    }
}
