//! Counting: how often in a row, since when, and what follows from it.

use crate::lane::same_meaning;
use crate::verdict::{After, Charge, Judged, hurts_now};
use std::collections::VecDeque;
use std::time::Duration;
use types::config::Probe;
use types::time::{between, earlier, spoken};
use types::{Alert, AlertId, Fault, Severity, Time};

/// So many changes of state ...
const FLIPS: usize = 5;
/// ... within this span make a thing unsteady ...
const FLIP_SPAN: Duration = Duration::from_secs(600);
/// ... and it counts as steady again after this long without a bad answer ...
const CALM: Duration = Duration::from_secs(300);
/// ... or this long without a good one: then it is plainly down.
const SOLID: Duration = Duration::from_secs(30);

/// One lane of one probe, counted since boot.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) good: u32,
    pub(crate) bad: u32,
    first_bad: Option<Time>,
    /// Since when the fault bears the word that it bears.
    word_since: Option<Time>,
    /// When the first good answer after the last bad one came.
    first_good: Option<Time>,
    fault: Option<(Fault, Severity)>,
    /// How often in a row the fault bore the same word, and how often it meant the same.
    same_word: u32,
    same: u32,
    flips: VecDeque<Time>,
    /// What would have opened with the newest answer, had it not been held back.
    held: Option<Opening>,
}

/// What follows from an answer in one lane.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing, and nothing is about to follow.
    Rest,
    /// Nothing yet: the next answer is wanted soon.
    Soon,
    /// An alert opens.
    Open(Opening),
    /// An open alert means something else now, under the same word.
    Change { alert: AlertId, fault: Fault, severity: Severity, evidence: String },
    /// One fault took the place of another.
    Swap(AlertId, Opening),
    /// An alert closes.
    Close(AlertId),
}

/// An alert before it has a number.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) fault: Fault,
    pub(crate) severity: Severity,
    pub(crate) since: Time,
    pub(crate) evidence: String,
}

impl Tally {
    /// What is wrong by the newest answer.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref().map(|(fault, _)| fault)
    }

    fn unsteady(&self, now: Time) -> bool {
        let from = earlier(now, FLIP_SPAN);
        self.flips.iter().filter(|at| **at > from).count() >= FLIPS
    }

    fn flip(&mut self, now: Time) {
        if self.flips.len() > FLIPS * 2 {
            self.flips.pop_front();
        }
        self.flips.push_back(now);
    }

    /// Counts an answer. `open` is the alert of this lane, if any; with `hold`, none may open now.
    pub(crate) fn count(
        &mut self,
        judged: Judged,
        probe: &Probe,
        open: Option<&Alert>,
        hold: bool,
        now: Time,
    ) -> Step {
        self.held = None;
        match judged {
            Judged::Well => self.count_good(probe, open, now),
            Judged::Bad(charge) => self.count_bad(charge, probe, open, hold, now),
        }
    }

    fn count_good(&mut self, probe: &Probe, open: Option<&Alert>, now: Time) -> Step {
        self.good = self.good.saturating_add(1);
        let well_since = *self.first_good.get_or_insert(now);
        self.bad = 0;
        self.same = 0;
        self.same_word = 0;
        self.first_bad = None;
        self.fault = None;
        let Some(alert) = open else { return Step::Rest };
        if self.good < probe.success_threshold {
            return Step::Soon;
        }
        let calm = between(well_since, now) >= CALM;
        if !calm && matches!(alert.fault, Fault::Unstable { .. }) {
            return Step::Rest;
        }
        if !calm && self.unsteady(now) {
            return self.unstable(alert, now);
        }
        self.flip(now);
        Step::Close(alert.id)
    }

    /// Neither "fails" nor "is well" stays true for long: one state, told once, that is true in both.
    fn unstable(&self, alert: &Alert, now: Time) -> Step {
        let from = earlier(now, FLIP_SPAN);
        // It opened, and closed, and opened ... the last time it opened has not been followed by a close.
        let times = self.flips.iter().filter(|at| **at > from).count().div_ceil(2);
        let evidence = format!(
            "stays open until it has been well for {}; the last time: {}",
            spoken(CALM),
            alert.evidence
        );
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        let fault = Fault::Unstable { times, within: FLIP_SPAN, last: Box::new(alert.fault.clone()) };
        Step::Change { alert: alert.id, fault, severity: Severity::Warning, evidence }
    }

    fn count_bad(
        &mut self,
        charge: Charge,
        probe: &Probe,
        open: Option<&Alert>,
        hold: bool,
        now: Time,
    ) -> Step {
        let (alike, same) = self.fault.as_ref().map_or((false, false), |(fault, severity)| {
            (
                fault.word() == charge.fault.word(),
                same_meaning(fault, &charge.fault) && *severity == charge.severity,
            )
        });
        self.good = 0;
        self.bad = self.bad.saturating_add(1);
        self.same_word = if alike { self.same_word.saturating_add(1) } else { 1 };
        self.same = if same { self.same.saturating_add(1) } else { 1 };
        self.first_good = None;
        if !alike {
            self.word_since = Some(now);
        }
        let since = *self.first_bad.get_or_insert(now);
        self.fault = Some((charge.fault.clone(), charge.severity));

        // A change of an open alert is believed when it was seen twice, facts at once: an answer that alternates
        // between two faults must not write a line each time.
        let believed = self.same >= 2 || matches!(charge.after, After::Times(1));
        match open {
            None => {
                let enough = match charge.after {
                    After::Repeats => {
                        self.bad >= probe.failure_threshold && between(since, now) >= probe.failing_for
                    }
                    After::Times(times) => self.same_word >= times,
                    After::Lasting(span) => between(since, now) >= span,
                };
                if !enough {
                    return Step::Soon;
                }
                let opening = self.opening(charge, since, now);
                if hold {
                    self.held = Some(opening);
                    return Step::Soon;
                }
                self.flip(now);
                Step::Open(opening)
            }
            Some(alert) if matches!(alert.fault, Fault::Unstable { .. }) => {
                if !believed || between(since, now) < SOLID.max(probe.failing_for) {
                    return Step::Soon;
                }
                let evidence = self.evidence(&charge, since, now);
                Step::Change { alert: alert.id, fault: charge.fault, severity: charge.severity, evidence }
            }
            Some(alert) if alert.fault.word() == charge.fault.word() => {
                if same_meaning(&alert.fault, &charge.fault) && alert.severity == charge.severity {
                    Step::Rest
                } else if believed {
                    let evidence = self.evidence(&charge, since, now);
                    Step::Change { alert: alert.id, fault: charge.fault, severity: charge.severity, evidence }
                } else {
                    Step::Soon
                }
            }
            Some(_) if self.unsteady(now) => Step::Rest,
            Some(alert) if believed => {
                // A date that was coming close is no part of what began when it had come.
                let begins =
                    !hurts_now(&alert.fault, alert.severity) && hurts_now(&charge.fault, charge.severity);
                let since = if begins { self.word_since.unwrap_or(now) } else { alert.since };
                Step::Swap(alert.id, self.opening(charge, since, now))
            }
            Some(_) => Step::Soon,
        }
    }

    /// What was held back at the newest answer and is not any longer.
    pub(crate) fn release(&mut self, now: Time) -> Option<Opening> {
        let opening = self.held.take()?;
        self.flip(now);
        Some(opening)
    }

    fn opening(&self, charge: Charge, since: Time, now: Time) -> Opening {
        let evidence = self.evidence(&charge, since, now);
        Opening { fault: charge.fault, severity: charge.severity, since, evidence }
    }

    fn evidence(&self, charge: &Charge, since: Time, now: Time) -> String {
        let seen = &charge.seen;
        match (charge.after, self.bad) {
            (After::Repeats | After::Lasting(_), times @ 2..) => {
                format!("{times} bad answers in {}, the last: {seen}", spoken(between(since, now)))
            }
            _ => seen.clone(),
        }
    }
}
