//! Streaks: consecutive good or bad answers of one aspect, and the action that follows.

use crate::alert::NewAlert;
use crate::aspect::same_meaning;
use crate::violation::{Judgement, Threshold, Violation, hurts_now};
use std::collections::VecDeque;
use std::time::Duration;
use types::config::Probe;
use types::time::{between, earlier, spoken};
use types::{Alert, AlertId, Fault, Severity, Time};

/// This many changes of state ...
const FLAPS: usize = 5;
/// ... within this time make an aspect flapping ...
const FLAP_WINDOW: Duration = Duration::from_secs(600);
/// ... and it is stable again after this long without a bad answer ...
const CALM: Duration = Duration::from_secs(300);
/// ... or it is down after this long without a good one.
const DOWN_AFTER: Duration = Duration::from_secs(30);

/// Consecutive answers of one aspect of one probe since boot.
#[derive(Debug, Default)]
pub(crate) struct Streak {
    pub(crate) good: u32,
    pub(crate) bad: u32,
    first_bad: Option<Time>,
    /// Time of the first answer with the code of the present fault.
    code_since: Option<Time>,
    /// Time of the first good answer after the last bad one.
    first_good: Option<Time>,
    fault: Option<(Fault, Severity)>,
    /// Consecutive answers whose fault has the same code, and those whose fault means the same.
    same_code: u32,
    same: u32,
    changes: VecDeque<Time>,
    /// The alert of the newest answer while it is held back.
    held_back: Option<NewAlert>,
}

fn is_crash_loop(fault: &Fault) -> bool {
    matches!(fault, Fault::CrashLoop { .. })
}

/// Action that follows from an answer in one aspect.
#[derive(Debug)]
pub(crate) enum Action {
    /// Does nothing.
    None,
    /// Asks again soon: the next answer decides.
    Recheck,
    /// Opens an alert.
    Open(NewAlert),
    /// Updates an open alert.
    Change(AlertId, NewAlert),
    /// Closes an alert and opens one for the fault that replaced it.
    Replace(AlertId, NewAlert),
    /// Closes an alert.
    Close(AlertId),
}

impl Streak {
    /// The fault of the newest answer.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref().map(|(fault, _)| fault)
    }

    fn is_flapping(&self, now: Time) -> bool {
        let from = earlier(now, FLAP_WINDOW);
        self.changes.iter().filter(|at| **at > from).count() >= FLAPS
    }

    fn note_change(&mut self, now: Time) {
        if self.changes.len() > FLAPS * 2 {
            self.changes.pop_front();
        }
        self.changes.push_back(now);
    }

    /// Counts an answer. `open` is the alert of this aspect, if any; with `hold`, new alerts are held back.
    pub(crate) fn count(
        &mut self,
        judgement: Judgement,
        probe: &Probe,
        open: Option<&Alert>,
        hold: bool,
        now: Time,
    ) -> Action {
        self.held_back = None;
        match judgement {
            Judgement::Good => self.count_good(probe, open, now),
            Judgement::Bad(violation) => self.count_bad(violation, probe, open, hold, now),
        }
    }

    fn count_good(&mut self, probe: &Probe, open: Option<&Alert>, now: Time) -> Action {
        self.good = self.good.saturating_add(1);
        let good_since = *self.first_good.get_or_insert(now);
        self.bad = 0;
        self.same = 0;
        self.same_code = 0;
        self.first_bad = None;
        self.fault = None;
        let Some(alert) = open else { return Action::None };
        if self.good < probe.success_threshold {
            return Action::Recheck;
        }
        let calm = between(good_since, now) >= CALM;
        if !calm && matches!(alert.fault, Fault::Unstable { .. }) {
            return Action::None;
        }
        // Idle capacity and crash loops have a hysteresis of their own, and people look for them now, not for the last five
        // minutes.
        let has_hysteresis = alert.fault.is_idle_capacity() || is_crash_loop(&alert.fault);
        if !calm && self.is_flapping(now) && !has_hysteresis {
            return self.unstable(alert, now);
        }
        self.note_change(now);
        Action::Close(alert.id)
    }

    /// Turns an open alert into one of a flapping resource.
    fn unstable(&self, alert: &Alert, now: Time) -> Action {
        let from = earlier(now, FLAP_WINDOW);
        // Openings and closings alternate, and the last opening has no closing yet.
        let times = self.changes.iter().filter(|at| **at > from).count().div_ceil(2);
        let evidence = format!(
            "stays open until there is no failure for {}; last failure: {}",
            spoken(CALM),
            alert.evidence
        );
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        let fault = Fault::Unstable { times, within: FLAP_WINDOW, last: Box::new(alert.fault.clone()) };
        Action::Change(
            alert.id,
            NewAlert { fault, severity: Severity::Warning, since: alert.since, evidence },
        )
    }

    fn count_bad(
        &mut self,
        violation: Violation,
        probe: &Probe,
        open: Option<&Alert>,
        hold: bool,
        now: Time,
    ) -> Action {
        let since = self.note_bad(&violation, now);
        // A change of an open alert takes two answers, a fact one: an answer that alternates between two faults must
        // not write an event each time.
        let confirmed = self.same >= 2 || matches!(violation.threshold, Threshold::Count(1));
        match open {
            None => {
                let enough = match violation.threshold {
                    Threshold::OfProbe => {
                        self.bad >= probe.failure_threshold && between(since, now) >= probe.failing_for
                    }
                    Threshold::Count(times) => self.same_code >= times,
                    Threshold::Lasting(span) => between(since, now) >= span,
                };
                if !enough {
                    return Action::Recheck;
                }
                let new_alert = self.new_alert(violation, since, now);
                if hold {
                    self.held_back = Some(new_alert);
                    return Action::Recheck;
                }
                self.note_change(now);
                Action::Open(new_alert)
            }
            // It says what the failures are that came and went.
            Some(alert) if is_crash_loop(&violation.fault) && !is_crash_loop(&alert.fault) => {
                Action::Replace(alert.id, self.new_alert(violation, alert.since, now))
            }
            Some(alert) if matches!(alert.fault, Fault::Unstable { .. }) => {
                if !confirmed || between(since, now) < DOWN_AFTER.max(probe.failing_for) {
                    return Action::Recheck;
                }
                Action::Change(alert.id, self.new_alert(violation, since, now))
            }
            Some(alert) if alert.fault.as_str() == violation.fault.as_str() => {
                if same_meaning(&alert.fault, &violation.fault) && alert.severity == violation.severity {
                    Action::None
                } else if confirmed {
                    Action::Change(alert.id, self.new_alert(violation, since, now))
                } else {
                    Action::Recheck
                }
            }
            Some(_) if self.is_flapping(now) => Action::None,
            Some(alert) if confirmed => {
                // The time before an expiry date does not count as part of the failure after it.
                let begins = !hurts_now(&alert.fault, alert.severity)
                    && hurts_now(&violation.fault, violation.severity);
                let since = if begins { self.code_since.unwrap_or(now) } else { alert.since };
                Action::Replace(alert.id, self.new_alert(violation, since, now))
            }
            Some(_) => Action::Recheck,
        }
    }

    /// Counts a bad answer. Returns the time of the first one of the streak.
    fn note_bad(&mut self, violation: &Violation, now: Time) -> Time {
        let (alike, same) = self.fault.as_ref().map_or((false, false), |(fault, severity)| {
            (
                fault.as_str() == violation.fault.as_str(),
                same_meaning(fault, &violation.fault) && *severity == violation.severity,
            )
        });
        self.good = 0;
        self.bad = self.bad.saturating_add(1);
        self.same_code = if alike { self.same_code.saturating_add(1) } else { 1 };
        self.same = if same { self.same.saturating_add(1) } else { 1 };
        self.first_good = None;
        if !alike {
            self.code_since = Some(now);
        }
        self.fault = Some((violation.fault.clone(), violation.severity));
        *self.first_bad.get_or_insert(now)
    }

    /// Releases the alert that was held back.
    pub(crate) fn release(&mut self, now: Time) -> Option<NewAlert> {
        let new_alert = self.held_back.take()?;
        self.note_change(now);
        Some(new_alert)
    }

    fn new_alert(&self, violation: Violation, since: Time, now: Time) -> NewAlert {
        let evidence = self.evidence(&violation, since, now);
        NewAlert { fault: violation.fault, severity: violation.severity, since, evidence }
    }

    fn evidence(&self, violation: &Violation, since: Time, now: Time) -> String {
        let seen = &violation.seen;
        match (violation.threshold, self.bad) {
            (Threshold::OfProbe | Threshold::Lasting(_), times @ 2..) => {
                format!("{times} bad answers in {}, last: {seen}", spoken(between(since, now)))
            }
            _ => seen.clone(),
        }
    }
}
