//! How often an answer was bad or good in a row, and whose alert it is where several probes ask about one thing.

use super::{Asked, Detect, Out};
use crate::lane::Lane;
use crate::share::Says;
use crate::tally::{Opening, Step, Tally};
use crate::verdict::{After, Judged};
use std::collections::BTreeMap;
use types::config::Probe;
use types::{Alert, AlertId, EventKind, Fault, ProbeId, Severity, Time};

/// The word of an alert about a share of bad answers.
const INTERMITTENT: &str = "intermittent";

/// The heaviest of what is wrong with an answer that one look may get and the next may not.
fn worst(lanes: &BTreeMap<Lane, Judged>) -> Option<(Severity, String)> {
    let counted = lanes.iter().filter(|(lane, _)| matches!(lane, Lane::Answer | Lane::Pace | Lane::Servers));
    let charges = counted.filter_map(|(_, judged)| match judged {
        Judged::Bad(charge) if charge.after == After::Repeats => Some((charge.severity, charge.seen.clone())),
        _ => None,
    });
    charges.max_by_key(|(severity, _)| *severity)
}

impl Detect {
    /// Counts every lane of an answer and writes down what follows.
    pub(crate) fn count(
        &mut self,
        probe: &Probe,
        lanes: BTreeMap<Lane, Judged>,
        hold: bool,
        now: Time,
        out: &mut Out,
    ) {
        let mut restless = false;
        let bad = worst(&lanes);
        let answered = lanes.contains_key(&Lane::Answer) || lanes.contains_key(&Lane::Servers);
        for (lane, judged) in lanes {
            let open = self
                .open
                .about(&self.known, &probe.about)
                .filter(|alert| Lane::of(&alert.fault) == lane)
                .find(|alert| alert.probe == probe.id || self.is_mine_to_close(probe, alert, lane));
            if hold && matches!(judged, Judged::Bad(_)) {
                self.fresh.held.insert(probe.id.clone(), probe.about.clone());
            }
            // Another probe has said the same about the same thing: once is enough.
            let hold =
                hold || matches!(&judged, Judged::Bad(charge) if self.said_by_another(probe, &charge.fault));
            let asked = self.fresh.probes.entry(probe.id.clone()).or_insert_with(|| Asked::new(now, true));
            let tally = asked.lanes.entry(lane).or_default();
            match tally.count(judged, probe, open, hold, now) {
                Step::Rest => {}
                Step::Soon => restless |= !self.covered(probe, lane),
                Step::Change { alert, fault, severity, evidence } => {
                    // Two alerts about one thing never bear the same word.
                    let other = self.open.worded(&probe.about, fault.word()).filter(|id| *id != alert);
                    if other.is_some() {
                        continue;
                    }
                    out.events.push(EventKind::AlertChanged { alert, fault, severity, evidence });
                }
                Step::Open(opening) => {
                    if self.open.worded(&probe.about, opening.fault.word()).is_none() {
                        out.open(&probe.about, &probe.id, opening);
                    }
                }
                Step::Swap(old, opening) => {
                    if !self.held_by_another(probe, old) {
                        out.close(old);
                    }
                    if self.open.worded(&probe.about, opening.fault.word()).is_none() {
                        out.open(&probe.about, &probe.id, opening);
                    }
                }
                Step::Close(alert) => {
                    if !self.held_by_another(probe, alert) {
                        out.close(alert);
                    }
                }
            }
        }
        if answered && !(hold && bad.is_some()) {
            self.count_share(probe, bad, now, out);
        }
        if restless {
            self.fresh.restless.insert(probe.id.clone());
        } else {
            self.fresh.restless.remove(&probe.id);
        }
    }

    /// Counts which share of the answers is bad. Bad answers of which enough came in a row have an alert already.
    fn count_share(&mut self, probe: &Probe, bad: Option<(Severity, String)>, now: Time, out: &mut Out) {
        let Some(asked) = self.fresh.probes.get_mut(&probe.id) else { return };
        let open = self.open.worded(&probe.about, INTERMITTENT).and_then(|id| self.known.alerts.get(&id));
        if open.is_some_and(|alert| alert.probe != probe.id) {
            return;
        }
        let fails = |alert: &Alert| {
            alert.probe == probe.id && matches!(Lane::of(&alert.fault), Lane::Answer | Lane::Servers)
        };
        let opens = |kind: &EventKind| matches!(kind, EventKind::AlertOpened { alert } if fails(alert));
        let failing = out.events.iter().any(opens) || self.open.about(&self.known, &probe.about).any(fails);
        if failing {
            asked.share.forget();
            // The failure in a row says it all.
            if let Some(alert) = open {
                out.close(alert.id);
            }
            return;
        }
        let bad = bad.as_ref().map(|(severity, seen)| (*severity, seen.as_str()));
        match asked.share.count(bad, open.map(|alert| (&alert.fault, alert.severity)), now) {
            Says::Nothing => {}
            Says::Over => open.into_iter().for_each(|alert| out.close(alert.id)),
            Says::Bad { fault, severity, since, evidence } => match open {
                None => out.open(&probe.about, &probe.id, Opening { fault, severity, since, evidence }),
                Some(open) => {
                    let alert = open.id;
                    out.events.push(EventKind::AlertChanged { alert, fault, severity, evidence });
                }
            },
        }
    }

    /// Whether another probe about the same thing holds an alert with the word that this one sees.
    fn covered(&self, probe: &Probe, lane: Lane) -> bool {
        let seen =
            self.fresh.probes.get(&probe.id).and_then(|asked| asked.lanes.get(&lane)).and_then(Tally::fault);
        seen.is_some_and(|fault| self.said_by_another(probe, fault))
    }

    fn said_by_another(&self, probe: &Probe, fault: &Fault) -> bool {
        let lane = Lane::of(fault);
        let worded = |word| self.open.worded(&probe.about, word).and_then(|id| self.known.alerts.get(&id));
        let unstable = worded("unstable").filter(|alert| Lane::of(&alert.fault) == lane);
        [worded(fault.word()), unstable].into_iter().flatten().any(|alert| alert.probe != probe.id)
    }

    /// An alert of a probe that has recovered meanwhile, kept open because this one still saw the same.
    fn is_mine_to_close(&self, probe: &Probe, alert: &Alert, lane: Lane) -> bool {
        let tally = |id: &ProbeId| self.fresh.probes.get(id).and_then(|asked| asked.lanes.get(&lane));
        let theirs_is_well = tally(&alert.probe).is_some_and(|theirs| theirs.good >= 1);
        theirs_is_well && alert.probe != probe.id
    }

    /// Whether another probe about the same thing still sees what an alert says.
    fn held_by_another(&self, probe: &Probe, alert: AlertId) -> bool {
        let Some(alert) = self.known.alerts.get(&alert) else { return false };
        let lane = Lane::of(&alert.fault);
        let others = self.fresh.index.as_ref().and_then(|index| index.about.get(&probe.about));
        others.into_iter().flatten().filter(|id| **id != probe.id).any(|id| {
            let tally = self.fresh.probes.get(id).and_then(|asked| asked.lanes.get(&lane));
            tally.and_then(Tally::fault).is_some_and(|fault| fault.word() == alert.fault.word())
        })
    }
}
