//! The last look of each probe, since the process began: how long it took, and until when the certificate that it saw is good.

use crate::views::ProbeRow;
use std::collections::BTreeMap;
use std::time::Duration;
use types::probe_result::Answer;
use types::{Config, ProbeId, ProbeResult, Time};

/// One look a probe of the configuration in force.
#[derive(Debug, Default)]
pub(crate) struct Looks(BTreeMap<ProbeId, Look>);

#[derive(Debug)]
struct Look {
    took: Duration,
    /// Of the last certificate seen: a look that failed does not make it unknown.
    certificate_ends: Option<Time>,
}

impl Looks {
    pub(crate) fn note(&mut self, config: &Config, sample: &ProbeResult) {
        if !config.probes.contains_key(&sample.probe) {
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

    pub(crate) fn rows(&self, config: &Config) -> Vec<ProbeRow> {
        let row = |(id, look): (&ProbeId, &Look)| {
            let probe = config.probes.get(id)?;
            Some(ProbeRow {
                probe: id.clone(),
                resource: probe.about.clone(),
                duration: look.took,
                certificate_expires: look.certificate_ends,
            })
        };
        self.0.iter().filter_map(row).collect()
    }

    /// Forgets what the configuration no longer asks.
    pub(crate) fn follow(&mut self, config: &Config) {
        self.0.retain(|probe, _| config.probes.contains_key(probe));
    }
}
