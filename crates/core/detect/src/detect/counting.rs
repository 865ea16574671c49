//! Counting of answers, and which probe's alert it is when several probes measure one resource.

use super::Detect;
use crate::alert::{AlertEvents, Decision};
use crate::aspect::Aspect;
use crate::streak::{Action, Streak};
use crate::violation::{Judgement, Threshold};
use std::collections::BTreeMap;
use types::config::Probe;
use types::{Alert, AlertId, EventKind, Fault, ProbeId, Severity, Time};

/// Code of an alert about a share of bad answers.
const INTERMITTENT: &str = "intermittent";

/// The most severe violation that may differ from answer to answer.
fn worst(aspects: &BTreeMap<Aspect, Judgement>) -> Option<(Severity, String)> {
    let counted = aspects
        .iter()
        .filter(|(aspect, _)| matches!(aspect, Aspect::Answer | Aspect::Latency | Aspect::Servers));
    let violations = counted.filter_map(|(_, judgement)| match judgement {
        Judgement::Bad(violation) if violation.threshold == Threshold::OfProbe => {
            Some((violation.severity, violation.seen.clone()))
        }
        _ => None,
    });
    violations.max_by_key(|(severity, _)| *severity)
}

impl Detect {
    /// Counts every aspect of an answer and records the events that follow.
    pub(super) fn count(
        &mut self,
        probe: &Probe,
        aspects: BTreeMap<Aspect, Judgement>,
        hold: bool,
        now: Time,
        events: &mut AlertEvents,
    ) {
        let mut undecided = false;
        let bad = worst(&aspects);
        let answered = aspects.contains_key(&Aspect::Answer) || aspects.contains_key(&Aspect::Servers);
        for (aspect, judgement) in aspects {
            let open = self
                .open
                .about(&self.state, &probe.about)
                .filter(|alert| Aspect::of(&alert.fault) == aspect)
                .find(|alert| alert.probe == probe.id || self.may_close(probe, alert, aspect));
            let fault = match &judgement {
                Judgement::Good => None,
                Judgement::Bad(violation) => Some(&violation.fault),
            };
            if hold && fault.is_some() {
                self.volatile.held_back.insert(probe.id.clone(), probe.about.clone());
            }
            // One alert is enough if another probe has found the same fault of the same resource.
            let hold = hold || fault.is_some_and(|fault| self.reported_by_another(probe, fault));
            let history = self.volatile.history(&probe.id, now, true);
            let streak = history.streaks.entry(aspect).or_default();
            let action = streak.count(judgement, probe, open, hold, now);
            undecided |= matches!(action, Action::Recheck) && !self.covered_by_another(probe, aspect);
            self.perform(probe, action, events);
        }
        if answered && !(hold && bad.is_some()) {
            self.count_share(probe, bad, now, events);
        }
        if undecided {
            self.volatile.undecided.insert(probe.id.clone());
        } else {
            self.volatile.undecided.remove(&probe.id);
        }
    }

    /// Records the events of an action. No two alerts about one resource have the same code.
    fn perform(&self, probe: &Probe, action: Action, events: &mut AlertEvents) {
        match action {
            Action::None | Action::Recheck => {}
            Action::Change(alert, new) => {
                if self.with_fault(probe, &new.fault, events).is_none_or(|id| id == alert) {
                    events.change(alert, new);
                }
            }
            Action::Open(new) => {
                if self.with_fault(probe, &new.fault, events).is_none() {
                    events.open(&probe.about, &probe.id, new);
                }
            }
            Action::Replace(old, new) => {
                if !self.still_failing_elsewhere(probe, old) {
                    events.close(old);
                }
                if self.with_fault(probe, &new.fault, events).is_none() {
                    events.open(&probe.about, &probe.id, new);
                }
            }
            Action::Close(alert) => {
                if !self.still_failing_elsewhere(probe, alert) {
                    events.close(alert);
                }
            }
        }
    }

    /// The alert about the resource of a probe with the code of a fault: an open one, or one that another aspect of the
    /// same answer opened or changed.
    fn with_fault(&self, probe: &Probe, fault: &Fault, events: &AlertEvents) -> Option<AlertId> {
        let code = fault.as_str();
        let of_answer = || {
            events.kinds.iter().find_map(|kind| match kind {
                EventKind::AlertOpened { alert } if alert.about == probe.about => {
                    (alert.fault.as_str() == code).then_some(alert.id)
                }
                EventKind::AlertChanged { alert, fault, .. } if fault.as_str() == code => {
                    let open = self.state.alerts.get(alert)?;
                    (open.about == probe.about).then_some(open.id)
                }
                _ => None,
            })
        };
        self.open.with_fault(&probe.about, code).or_else(of_answer)
    }

    /// Counts the share of bad answers. Bad answers that reached the threshold in a row have an alert already.
    fn count_share(
        &mut self,
        probe: &Probe,
        bad: Option<(Severity, String)>,
        now: Time,
        events: &mut AlertEvents,
    ) {
        let Some(history) = self.volatile.probes.get_mut(&probe.id) else { return };
        let open = self.open.with_fault(&probe.about, INTERMITTENT).and_then(|id| self.state.alerts.get(&id));
        if open.is_some_and(|alert| alert.probe != probe.id) {
            return;
        }
        let fails = |alert: &Alert| {
            alert.probe == probe.id && matches!(Aspect::of(&alert.fault), Aspect::Answer | Aspect::Servers)
        };
        let opens = |kind: &EventKind| matches!(kind, EventKind::AlertOpened { alert } if fails(alert));
        let failing = events.kinds.iter().any(opens) || self.open.about(&self.state, &probe.about).any(fails);
        if failing {
            history.window.clear();
            // The alert about the streak replaces the one about the share.
            if let Some(alert) = open {
                events.close(alert.id);
            }
            return;
        }
        let bad = bad.as_ref().map(|(severity, seen)| (*severity, seen.as_str()));
        match history.window.count(bad, open.map(|alert| (&alert.fault, alert.severity)), now) {
            Decision::Keep => {}
            Decision::Resolve => open.into_iter().for_each(|alert| events.close(alert.id)),
            Decision::Raise(new) => match open {
                None => events.open(&probe.about, &probe.id, new),
                Some(open) => events.change(open.id, new),
            },
        }
    }

    /// Whether another probe of the same resource has an alert with the fault of this probe's newest answer.
    fn covered_by_another(&self, probe: &Probe, aspect: Aspect) -> bool {
        let history = self.volatile.probes.get(&probe.id);
        let fault = history.and_then(|history| history.streaks.get(&aspect)).and_then(Streak::fault);
        fault.is_some_and(|fault| self.reported_by_another(probe, fault))
    }

    fn reported_by_another(&self, probe: &Probe, fault: &Fault) -> bool {
        let aspect = Aspect::of(fault);
        let open = |code| self.open.with_fault(&probe.about, code).and_then(|id| self.state.alerts.get(&id));
        let unstable = open("unstable").filter(|alert| Aspect::of(&alert.fault) == aspect);
        [open(fault.as_str()), unstable].into_iter().flatten().any(|alert| alert.probe != probe.id)
    }

    /// Whether an alert belongs to a probe that has recovered, and stayed open only because of this one.
    fn may_close(&self, probe: &Probe, alert: &Alert, aspect: Aspect) -> bool {
        let streak =
            |id: &ProbeId| self.volatile.probes.get(id).and_then(|history| history.streaks.get(&aspect));
        let has_recovered = streak(&alert.probe).is_some_and(|streak| streak.good >= 1);
        has_recovered && alert.probe != probe.id
    }

    /// Whether another probe of the same resource still finds the fault of an alert.
    fn still_failing_elsewhere(&self, probe: &Probe, alert: AlertId) -> bool {
        let Some(alert) = self.state.alerts.get(&alert) else { return false };
        let aspect = Aspect::of(&alert.fault);
        let others = self.volatile.index.as_ref().and_then(|index| index.about.get(&probe.about));
        others.into_iter().flatten().filter(|id| **id != probe.id).any(|id| {
            let streak = self.volatile.probes.get(id).and_then(|history| history.streaks.get(&aspect));
            streak.and_then(Streak::fault).is_some_and(|fault| fault.as_str() == alert.fault.as_str())
        })
    }
}
