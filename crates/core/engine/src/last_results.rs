//! Last result of each probe since boot: its duration, and the expiry of the certificate.

use crate::views::ProbeRow;
use std::collections::BTreeMap;
use std::time::Duration;
use types::probe_result::Answer;
use types::{Config, ProbeId, ProbeResult, Time};

/// Last results of the configured probes.
#[derive(Debug, Default)]
pub(crate) struct LastResults(BTreeMap<ProbeId, Entry>);

#[derive(Debug)]
struct Entry {
    took: Duration,
    /// Expiry of the last certificate chain; a failed run keeps it.
    certificate_ends: Option<Time>,
}

impl LastResults {
    pub(crate) fn note(&mut self, config: &Config, result: &ProbeResult) {
        if !config.probes.contains_key(&result.probe) {
            return;
        }
        let ends = match &result.answer {
            Answer::Tls(seen) => seen.chain.iter().map(|certificate| certificate.not_after).min(),
            _ => None,
        };
        let before = self.0.get(&result.probe).and_then(|entry| entry.certificate_ends);
        let entry = Entry { took: result.phases.total, certificate_ends: ends.or(before) };
        self.0.insert(result.probe.clone(), entry);
    }

    pub(crate) fn rows(&self, config: &Config) -> Vec<ProbeRow> {
        let row = |(id, entry): (&ProbeId, &Entry)| {
            let probe = config.probes.get(id)?;
            Some(ProbeRow {
                probe: id.clone(),
                resource: probe.about.clone(),
                interval: probe.interval,
                duration: entry.took,
                certificate_expires: entry.certificate_ends,
            })
        };
        self.0.iter().filter_map(row).collect()
    }

    /// Forgets probes that are no longer configured.
    pub(crate) fn follow(&mut self, config: &Config) {
        self.0.retain(|probe, _| config.probes.contains_key(probe));
    }
}
