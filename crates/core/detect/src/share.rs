//! The share of bad answers: what fails often, but never as many times in a row as an alert takes.
//!
//! A round robin over a dead server fails every second or third time. Each bad answer is followed by a good one, so
//! counting in a row never finds it, while a third of the clients are turned away. What failed enough times in a row has a
//! alert of its own and is not counted again here.

use std::collections::VecDeque;
use std::time::Duration;
use types::time::between;
use types::{Fault, Severity, Time};

/// Among this many of the newest answers bad ones are counted.
const WINDOW: u64 = 40;
/// Fewer bad answers than this prove nothing: 4 of 40 are 10 %.
const BAD_MIN: usize = 4;
/// They must be apart: one restart is one spell of bad answers.
const SPELLS_MIN: usize = 3;
/// They must not all come from one rolling restart.
const SPREAD: Duration = Duration::from_secs(20);
/// A bad answer older than this no longer counts, however rarely is asked.
const AGE_MAX: Duration = Duration::from_secs(3600);
/// From this share on, in per cent, clients are turned away as often as not: that wakes somebody.
const HALF: usize = 50;
/// An alert that wakes goes on waking until the share is below this.
const HALF_OVER: usize = 35;
/// An alert stays open for at least this long after the last bad answer, and twice as long as bad answers were apart: what
/// comes every ten seconds is not over after six good ones.
const WELL_FOR: Duration = Duration::from_secs(5);
/// Good answers in a row that end an alert at least; more where bad ones were rare.
const GOOD_MIN: u32 = 5;

/// The newest answers of one probe, since boot.
#[derive(Debug, Default)]
pub(crate) struct Share {
    /// How many answers were counted.
    answers: u64,
    good: u32,
    /// The bad ones among the newest.
    bad: VecDeque<Bad>,
    /// When the first bad answer came, since there was none among the newest.
    begun: Option<Time>,
    last_bad: Option<Time>,
}

#[derive(Debug)]
struct Bad {
    /// The answers before it.
    number: u64,
    at: Time,
    severity: Severity,
}

/// What the share of bad answers says.
#[derive(Debug, PartialEq)]
pub(crate) enum Says {
    /// Nothing new.
    Nothing,
    /// A share of the answers is bad.
    Bad {
        /// The fault.
        fault: Fault,
        /// How much it weighs.
        severity: Severity,
        /// When the first of the bad answers came.
        since: Time,
        /// For a person who doubts it.
        evidence: String,
    },
    /// An open alert is over.
    Over,
}

impl Share {
    /// Counts one answer. `bad` is the weight and the text of what was wrong, `open` the open alert of this kind.
    pub(crate) fn count(
        &mut self,
        bad: Option<(Severity, &str)>,
        open: Option<(&Fault, Severity)>,
        now: Time,
    ) -> Says {
        let number = self.answers;
        self.answers += 1;
        match bad {
            None => self.good = self.good.saturating_add(1),
            Some((severity, _)) => {
                self.good = 0;
                self.begun.get_or_insert(now);
                self.last_bad = Some(now);
                self.bad.push_back(Bad { number, at: now, severity });
            }
        }
        let oldest = self.answers.saturating_sub(WINDOW);
        let is_old = |bad: &Bad| bad.number < oldest || between(bad.at, now) > AGE_MAX;
        while self.bad.front().is_some_and(is_old) {
            self.bad.pop_front();
        }
        if self.bad.is_empty() {
            self.begun = None;
        }
        match (bad, open) {
            (None, Some((fault, _))) if self.good >= enough(fault) && self.is_calm(now) => {
                *self = Self::default();
                Says::Over
            }
            (Some((_, seen)), open) => self.judge(seen, open, now),
            _ => Says::Nothing,
        }
    }

    /// Forgets what was counted: an alert has opened that explains the bad answers.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    fn judge(&self, seen: &str, open: Option<(&Fault, Severity)>, now: Time) -> Says {
        let (Some(since), Some(first)) = (self.begun, self.bad.front()) else { return Says::Nothing };
        let of = self.answers.min(WINDOW);
        let percent = |count: usize| count * 100 / usize::try_from(of).unwrap_or(usize::MAX).max(1);
        let hurting = percent(self.bad.iter().filter(|bad| bad.severity == Severity::Critical).count());
        let was = open.map(|(_, severity)| severity);
        let half = if was == Some(Severity::Critical) { HALF_OVER } else { HALF };
        let severity = if hurting >= half { Severity::Critical } else { Severity::Warning };
        let enough = self.bad.len() >= BAD_MIN
            && self.spells() >= SPELLS_MIN
            && percent(self.bad.len()) >= 10
            && between(since, now) >= SPREAD;
        if !enough || was == Some(severity) {
            return Says::Nothing;
        }
        let bad = u32::try_from(self.bad.len()).unwrap_or(u32::MAX);
        let of = u32::try_from(of).unwrap_or(u32::MAX);
        let span = types::time::spoken(between(first.at, now));
        let evidence = format!("{bad} of the last {of} answers were bad within {span}, the last: {seen}");
        let fault = Fault::Intermittent { bad, of, last: seen.to_owned() };
        Says::Bad { fault, severity, since, evidence }
    }

    /// Whether the last bad answer is further away than bad answers were from one another.
    fn is_calm(&self, now: Time) -> bool {
        let at = || self.bad.iter().map(|bad| bad.at);
        let gap = at().zip(at().skip(1)).map(|(one, next)| between(one, next)).max().unwrap_or_default();
        self.last_bad.is_none_or(|last| between(last, now) >= WELL_FOR.max(gap * 2))
    }

    /// Runs of bad answers without a good one between them.
    fn spells(&self) -> usize {
        let numbers = self.bad.iter().map(|bad| bad.number);
        let apart = numbers.clone().zip(numbers.skip(1)).filter(|(one, next)| one + 1 < *next).count();
        apart + usize::from(!self.bad.is_empty())
    }
}

/// Good answers in a row after which a share of bad ones is no longer likely: three times as many as it took for one bad
/// answer on average.
fn enough(fault: &Fault) -> u32 {
    match fault {
        Fault::Intermittent { bad, of, .. } => of.saturating_mul(3).div_ceil((*bad).max(1)).max(GOOD_MIN),
        _ => GOOD_MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::time::later;

    /// Asks 80 times, a second apart; the answer at which something was said, and what.
    fn run(bad: impl Fn(u64) -> bool) -> Vec<(u64, String)> {
        let mut now: Time = "2026-11-22T12:00:00Z".parse().unwrap();
        let (mut share, mut said) = (Share::default(), Vec::new());
        let mut open: Option<(Fault, Severity)> = None;
        for number in 1..=80 {
            now = later(now, Duration::from_secs(1));
            let seen = bad(number).then_some((Severity::Critical, "503"));
            match share.count(seen, open.as_ref().map(|(fault, severity)| (fault, *severity)), now) {
                Says::Nothing => {}
                Says::Bad { fault, severity, .. } => {
                    said.push((number, format!("{severity:?}: {fault}")));
                    open = Some((fault, severity));
                }
                Says::Over => {
                    said.push((number, "over".to_owned()));
                    open = None;
                }
            }
        }
        said
    }

    #[test]
    fn a_share_of_bad_answers_is_found_and_a_rare_one_is_not() {
        for (bad, words) in [
            (&(|_| false) as &dyn Fn(u64) -> bool, ""),
            (&|n| n % 40 == 7, ""),
            (&|n| n % 20 == 7, ""),
            (&|n| (20..30).contains(&n), ""),
            (&|n| n % 2 == 0, "22 Breaks 11 of the last 22"),
            (&|n| n % 3 == 0, "24 Warns 8 of the last 24"),
            (&|n| n % 3 != 0, "22 Breaks 15 of the last 22"),
            (&|n| n % 10 == 0, "40 Warns 4 of the last 40"),
            (&|n| n % 2 == 0 && n < 40, "22 Breaks 11 of the last 22, 44 over"),
            (&|n| n % 3 == 0 && n < 40, "24 Warns 8 of the last 24, 48 over"),
        ] {
            let told: Vec<String> = run(bad)
                .into_iter()
                .map(|(at, said)| {
                    let said = said.replace(": fails intermittently:", "");
                    format!("{at} {}", said.split(" answers").next().unwrap_or_default())
                })
                .collect();
            assert_eq!(told.join(", "), words);
        }
    }
}
