//! Probes that are wanted before their interval is over.

use super::Detect;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::time::later;
use types::{Config, Context, ProbeId, Time};

/// Time between a bad answer and the next question.
const FOLLOW_UP: Duration = Duration::from_secs(1);

impl Detect {
    /// Probes that are wanted before their interval is over, and when. An entry stays until a newer answer arrives.
    #[must_use]
    pub fn sooner(&self, context: &Context<'_>) -> BTreeMap<ProbeId, Time> {
        let Context { config, now, .. } = *context;
        let mut wanted: BTreeMap<ProbeId, Time> = BTreeMap::new();
        let mut want = |probe: &ProbeId, at: Time| {
            if config.probes.contains_key(probe) {
                wanted.entry(probe.clone()).and_modify(|was| *was = at.min(*was)).or_insert(at);
            }
        };
        let volatile = &self.volatile;
        for id in &volatile.undecided {
            if let Some(history) = volatile.probes.get(id)
                && !volatile.lookups.contains_key(id)
            {
                want(id, later(history.last, FOLLOW_UP));
            }
        }
        let Some(index) = &volatile.index else { return wanted };
        for (probe, at) in volatile.connectivity.wanted(index, self.isolated().is_some(), now) {
            want(&probe, at);
        }
        for (id, at) in self.lookups_wanted(config, now) {
            want(&id, at);
        }
        for (zone, trouble) in &volatile.troubles {
            let last = |id: &ProbeId| volatile.probes.get(id).map(|history| history.last);
            if let Some(id) = index.dns_probe.get(zone)
                && last(id).is_none_or(|last| last < trouble.since)
            {
                want(id, trouble.since);
            }
            if let Some(id) = index.domain_probe.get(zone)
                && !volatile.lookups.contains_key(id)
            {
                want(id, trouble.since);
            }
        }
        wanted
    }

    /// Registry lookups of troubled, undecided and urgent domains.
    fn lookups_wanted(&self, config: &Config, now: Time) -> Vec<(ProbeId, Time)> {
        let volatile = &self.volatile;
        let Some(index) = &volatile.index else { return Vec::new() };
        let troubled = volatile.troubles.keys().filter_map(|zone| index.domain_probe.get(zone));
        let undecided = volatile.undecided.iter().filter(|id| volatile.lookups.contains_key(*id));
        let probes: BTreeSet<&ProbeId> =
            volatile.urgent_lookups.iter().chain(troubled).chain(undecided).collect();
        let wanted = probes.into_iter().filter_map(|id| {
            let lookup = volatile.lookups.get(id)?;
            let trouble = self.zone_of(config, id).and_then(|zone| volatile.troubles.get(&zone));
            Some((id.clone(), lookup.wanted(trouble, volatile.undecided.contains(id), now)?))
        });
        wanted.collect()
    }
}
