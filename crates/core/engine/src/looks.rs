//! The last look of each probe, since the process began: how long it took, and until when the certificate that it saw is good.

use crate::views::LookRow;
use types::sample::Answer;
use types::{Plan, ProbeId, Sample, Time};
use std::collections::BTreeMap;
use std::time::Duration;

/// One look a probe of the plan in force.
#[derive(Debug, Default)]
pub(crate) struct Looks(BTreeMap<ProbeId, Look>);

#[derive(Debug)]
struct Look {
    took: Duration,
    /// Of the last certificate seen: a look that failed does not make it unknown.
    certificate_ends: Option<Time>,
}

impl Looks {
    pub(crate) fn note(&mut self, plan: &Plan, sample: &Sample) {
        if !plan.probes.contains_key(&sample.probe) {
            return;
        }
        let ends = match &sample.answer {
            Answer::Tls(seen) => seen.chain.iter().map(|certificate| certificate.not_after).min(),
            _ => None,
        };
        let before = self.0.get(&sample.probe).and_then(|look| look.certificate_ends);
        let look = Look { took: sample.phases.total, certificate_ends: ends.or(before) };
        self.0.insert(sample.probe.clone(), look);
    }

    pub(crate) fn rows(&self, plan: &Plan) -> Vec<LookRow> {
        let row = |(id, look): (&ProbeId, &Look)| {
            let probe = plan.probes.get(id)?;
            Some(LookRow {
                probe: id.clone(),
                thing: probe.about.clone(),
                took: look.took,
                certificate_ends: look.certificate_ends,
            })
        };
        self.0.iter().filter_map(row).collect()
    }

    /// Forgets what the plan no longer asks.
    pub(crate) fn follow(&mut self, plan: &Plan) {
        self.0.retain(|probe, _| plan.probes.contains_key(probe));
    }
}
