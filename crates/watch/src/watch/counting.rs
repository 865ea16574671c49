//! How often an answer was bad or good in a row, and whose finding it is where several probes ask about one thing.

use super::{Asked, Out, Watch};
use crate::lane::Lane;
use crate::tally::{Step, Tally};
use crate::verdict::Judged;
use model::plan::Probe;
use model::{Fault, Finding, FindingId, Happened, ProbeId, Time};
use std::collections::BTreeMap;

impl Watch {
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
        for (lane, judged) in lanes {
            let open = self
                .open
                .about(&self.known, &probe.about)
                .filter(|finding| Lane::of(&finding.fault) == lane)
                .find(|finding| finding.probe == probe.id || self.is_mine_to_close(probe, finding, lane));
            if hold && matches!(judged, Judged::Bad(_)) {
                self.fresh.held.insert(probe.id.clone(), probe.about.clone());
            }
            // Another probe has said the same about the same thing: once is enough.
            let hold =
                hold || matches!(&judged, Judged::Bad(charge) if self.said_by_another(probe, &charge.fault));
            let asked = self.fresh.probes.entry(probe.id.clone()).or_insert_with(|| Asked {
                last: now,
                well: true,
                lanes: BTreeMap::new(),
            });
            let tally = asked.lanes.entry(lane).or_default();
            match tally.count(judged, probe, open, hold, now) {
                Step::Rest => {}
                Step::Soon => restless |= !self.covered(probe, lane),
                Step::Change { finding, fault, weight, evidence } => {
                    out.happened.push(Happened::FindingChanged { finding, fault, weight, evidence });
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
                Step::Close(finding) => {
                    if !self.held_by_another(probe, finding) {
                        out.close(finding);
                    }
                }
            }
        }
        if restless {
            self.fresh.restless.insert(probe.id.clone());
        } else {
            self.fresh.restless.remove(&probe.id);
        }
    }

    /// Whether another probe about the same thing holds a finding with the word that this one sees.
    fn covered(&self, probe: &Probe, lane: Lane) -> bool {
        let seen =
            self.fresh.probes.get(&probe.id).and_then(|asked| asked.lanes.get(&lane)).and_then(Tally::fault);
        seen.is_some_and(|fault| self.said_by_another(probe, fault))
    }

    fn said_by_another(&self, probe: &Probe, fault: &Fault) -> bool {
        let said = self.open.worded(&probe.about, fault.word()).and_then(|id| self.known.findings.get(&id));
        said.is_some_and(|finding| finding.probe != probe.id)
    }

    /// A finding of a probe that has recovered meanwhile, kept open because this one still saw the same.
    fn is_mine_to_close(&self, probe: &Probe, finding: &Finding, lane: Lane) -> bool {
        let tally = |id: &ProbeId| self.fresh.probes.get(id).and_then(|asked| asked.lanes.get(&lane));
        let theirs_is_well = tally(&finding.probe).is_some_and(|theirs| theirs.good >= 1);
        theirs_is_well && finding.probe != probe.id
    }

    /// Whether another probe about the same thing still sees what a finding says.
    fn held_by_another(&self, probe: &Probe, finding: FindingId) -> bool {
        let Some(finding) = self.known.findings.get(&finding) else { return false };
        let lane = Lane::of(&finding.fault);
        let others = self.fresh.index.as_ref().and_then(|index| index.about.get(&probe.about));
        others.into_iter().flatten().filter(|id| **id != probe.id).any(|id| {
            let tally = self.fresh.probes.get(id).and_then(|asked| asked.lanes.get(&lane));
            tally.and_then(Tally::fault).is_some_and(|fault| fault.word() == finding.fault.word())
        })
    }
}
