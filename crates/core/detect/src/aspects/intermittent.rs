//! Share of bad answers: frequent failures that never reach the failure threshold in a row.
//!
//! Round robin over a dead server fails every second or third time. Each bad answer is followed by a good one, so a
//! streak never finds it while a third of the clients get an error. Failures that reach the threshold have an alert of
//! their own and are not counted here.

use crate::alert::{Decision, NewAlert};
use std::collections::VecDeque;
use std::time::Duration;
use types::time::between;
use types::{Fault, Severity, Time};

/// Number of newest answers that are considered.
const WINDOW: u64 = 40;
/// Minimum of bad answers: 4 of 40 are 10 %.
const BAD_MIN: usize = 4;
/// Minimum of separate runs of bad answers: one restart is one run.
const RUNS_MIN: usize = 3;
/// Minimum time between the first and the last: a rolling restart is shorter.
const SPREAD_MIN: Duration = Duration::from_secs(20);
/// Bad answers older than this do not count.
const AGE_MAX: Duration = Duration::from_secs(3600);
/// Share in per cent from which on the alert is critical ...
const CRITICAL_FROM: usize = 50;
/// ... and below which a critical alert becomes a warning.
const CRITICAL_UNTIL: usize = 35;
/// An alert stays open for at least this long after the last bad answer, and for twice the longest gap between bad
/// answers: failures every ten seconds are not over after six good answers.
const GOOD_FOR: Duration = Duration::from_secs(5);
/// Minimum of consecutive good answers that resolve an alert; more where bad ones were rare.
const GOOD_MIN: u32 = 5;

/// The newest answers of one probe since boot.
#[derive(Debug, Default)]
pub(crate) struct ResultWindow {
    /// Number of answers counted.
    answers: u64,
    good: u32,
    /// Bad answers within the window.
    bad: VecDeque<Bad>,
    /// Time of the first bad answer since the window had none.
    first_bad: Option<Time>,
    last_bad: Option<Time>,
}

#[derive(Debug)]
struct Bad {
    /// Number of answers before it.
    number: u64,
    at: Time,
    severity: Severity,
}

impl ResultWindow {
    /// Counts one answer. `bad` is the severity and text of a violation, `open` the fault and severity of the open
    /// alert.
    pub(crate) fn count(
        &mut self,
        bad: Option<(Severity, &str)>,
        open: Option<(&Fault, Severity)>,
        now: Time,
    ) -> Decision {
        let number = self.answers;
        self.answers += 1;
        match bad {
            None => self.good = self.good.saturating_add(1),
            Some((severity, _)) => {
                self.good = 0;
                self.first_bad.get_or_insert(now);
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
            self.first_bad = None;
        }
        match (bad, open) {
            (None, Some((fault, _))) if self.good >= good_to_resolve(fault) && self.is_calm(now) => {
                *self = Self::default();
                Decision::Resolve
            }
            (Some((_, seen)), open) => self.judge(seen, open, now),
            _ => Decision::Keep,
        }
    }

    /// Forgets everything: an alert has opened that explains the bad answers.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn judge(&self, seen: &str, open: Option<(&Fault, Severity)>, now: Time) -> Decision {
        let (Some(since), Some(first)) = (self.first_bad, self.bad.front()) else { return Decision::Keep };
        let of = self.answers.min(WINDOW);
        let percent = |count: usize| count * 100 / usize::try_from(of).unwrap_or(usize::MAX).max(1);
        let hurting = percent(self.bad.iter().filter(|bad| bad.severity == Severity::Critical).count());
        let was = open.map(|(_, severity)| severity);
        let critical = if was == Some(Severity::Critical) { CRITICAL_UNTIL } else { CRITICAL_FROM };
        let severity = if hurting >= critical { Severity::Critical } else { Severity::Warning };
        let enough = self.bad.len() >= BAD_MIN
            && self.runs() >= RUNS_MIN
            && percent(self.bad.len()) >= 10
            && between(since, now) >= SPREAD_MIN;
        if !enough || was == Some(severity) {
            return Decision::Keep;
        }
        let bad = u32::try_from(self.bad.len()).unwrap_or(u32::MAX);
        let of = u32::try_from(of).unwrap_or(u32::MAX);
        let span = types::time::spoken(between(first.at, now));
        let evidence = format!("{bad} of the last {of} answers were bad within {span}, last: {seen}");
        let fault = Fault::Intermittent { bad, of, last: seen.to_owned() };
        Decision::Raise(NewAlert { fault, severity, since, evidence })
    }

    /// Whether the last bad answer is older than twice the longest gap between bad answers.
    fn is_calm(&self, now: Time) -> bool {
        let at = || self.bad.iter().map(|bad| bad.at);
        let gap = at().zip(at().skip(1)).map(|(one, next)| between(one, next)).max().unwrap_or_default();
        self.last_bad.is_none_or(|last| between(last, now) >= GOOD_FOR.max(gap * 2))
    }

    /// Number of runs of bad answers without a good one in between.
    fn runs(&self) -> usize {
        let numbers = self.bad.iter().map(|bad| bad.number);
        let apart = numbers.clone().zip(numbers.skip(1)).filter(|(one, next)| one + 1 < *next).count();
        apart + usize::from(!self.bad.is_empty())
    }
}

/// Consecutive good answers that resolve an alert: three times the average number of answers per bad one.
fn good_to_resolve(fault: &Fault) -> u32 {
    match fault {
        Fault::Intermittent { bad, of, .. } => of.saturating_mul(3).div_ceil((*bad).max(1)).max(GOOD_MIN),
        _ => GOOD_MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::time::later;

    /// Counts 80 answers, one per second. Returns each decision with the number of its answer.
    fn run(bad: impl Fn(u64) -> bool) -> Vec<(u64, String)> {
        let mut now: Time = "2026-11-22T12:00:00Z".parse().unwrap();
        let (mut window, mut decisions) = (ResultWindow::default(), Vec::new());
        let mut open: Option<(Fault, Severity)> = None;
        for number in 1..=80 {
            now = later(now, Duration::from_secs(1));
            let seen = bad(number).then_some((Severity::Critical, "503"));
            match window.count(seen, open.as_ref().map(|(fault, severity)| (fault, *severity)), now) {
                Decision::Keep => {}
                Decision::Raise(NewAlert { fault, severity, .. }) => {
                    decisions.push((number, format!("{severity:?}: {fault}")));
                    open = Some((fault, severity));
                }
                Decision::Resolve => {
                    decisions.push((number, "resolved".to_owned()));
                    open = None;
                }
            }
        }
        decisions
    }

    #[test]
    fn frequent_failures_raise_an_alert_and_rare_ones_do_not() {
        for (bad, words) in [
            (&(|_| false) as &dyn Fn(u64) -> bool, ""),
            (&|n| n % 40 == 7, ""),
            (&|n| n % 20 == 7, ""),
            (&|n| (20..30).contains(&n), ""),
            (&|n| n % 2 == 0, "22 Critical 11 of the last 22"),
            (&|n| n % 3 == 0, "24 Warning 8 of the last 24"),
            (&|n| n % 3 != 0, "22 Critical 15 of the last 22"),
            (&|n| n % 10 == 0, "40 Warning 4 of the last 40"),
            (&|n| n % 2 == 0 && n < 40, "22 Critical 11 of the last 22, 44 resolved"),
            (&|n| n % 3 == 0 && n < 40, "24 Warning 8 of the last 24, 48 resolved"),
        ] {
            let decisions: Vec<String> = run(bad)
                .into_iter()
                .map(|(at, said)| {
                    let said = said.replace(": fails intermittently:", "");
                    format!("{at} {}", said.split(" answers").next().unwrap_or_default())
                })
                .collect();
            assert_eq!(decisions.join(", "), words);
        }
    }
}
