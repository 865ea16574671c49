//! Probes that are wanted before their interval is over.

use super::{Diagnose, SCOPE_FOR};
use crate::debounce;
use crate::observations::Observations;
use crate::recovery;
use crate::topology::{Latest, NEIGHBOURS_MAX};
use std::collections::{BTreeMap, BTreeSet};
use types::time::later;
use types::{AlertId, Config, ProbeId, Resource, SeenAt, Time};

/// Maximum number of early probes.
const WANTED_MAX: usize = 512;

impl Diagnose {
    /// Probes that are wanted before their interval is over, and when: possible causes of new alerts, the scope of an
    /// incident, the recovery of what failed.
    #[must_use]
    pub fn sooner(&self, config: &Config, now: Time, seen: &Observations<'_>) -> BTreeMap<ProbeId, Time> {
        let mut wanted: BTreeMap<ProbeId, Time> = BTreeMap::new();
        let mut want = |resource: &Resource, at: Time| {
            for probe in self.volatile.probes.get(resource).into_iter().flatten() {
                if wanted.len() < WANTED_MAX || wanted.contains_key(probe) {
                    wanted.entry(probe.clone()).and_modify(|was| *was = at.max(*was)).or_insert(at);
                }
            }
        };
        for (resource, at) in self.unconfirmed(seen) {
            want(resource, at);
        }
        let mut member: BTreeSet<&AlertId> = BTreeSet::new();
        for incident in self.state.open() {
            member.extend(&incident.diagnosis.alerts);
        }
        let loose =
            seen.alerts.values().filter(|alert| self.counts(alert, now, seen) && !member.contains(&alert.id));
        // Possible causes first, then the neighbours, once for all alerts with the same neighbours.
        let mut neighbours: BTreeMap<usize, Latest<'_>> = BTreeMap::new();
        let mut placed: BTreeMap<&SeenAt, Latest<'_>> = BTreeMap::new();
        for alert in loose {
            let Some(case) = self.state.cases.get(&alert.id) else { continue };
            if !alert.seen_at.is_empty() {
                placed.entry(&alert.seen_at).or_default().note(case.opened, &alert.about);
            }
            let Some(position) = self.volatile.topology.get(&alert.about) else { continue };
            if let Some(group) = position.neighbours {
                neighbours.entry(group).or_default().note(case.opened, &alert.about);
            }
            for resource in &position.below {
                let last = (seen.last_result)(resource);
                if !debounce::has_result_since(resource, last, &alert.about, alert.since, case.opened) {
                    want(resource, case.opened);
                }
            }
        }
        for (place, latest) in &placed {
            for resource in &(seen.colocated)(place, NEIGHBOURS_MAX) {
                let Some(opened) = latest.beside(resource) else { continue };
                if (seen.last_result)(resource).is_none_or(|last| last.at <= opened) {
                    want(resource, opened);
                }
            }
        }
        for (group, latest) in &neighbours {
            for resource in self.volatile.topology.neighbours.get(*group).into_iter().flatten() {
                let Some(opened) = latest.beside(resource) else { continue };
                if (seen.last_result)(resource).is_none_or(|last| last.at <= opened) {
                    want(resource, opened);
                }
            }
        }
        for incident in self.state.open() {
            let cause = &incident.diagnosis.cause;
            if incident.diagnosis.wakes && now <= later(incident.opened, SCOPE_FOR) {
                for resource in self.volatile.topology.neighbours(cause) {
                    let last = (seen.last_result)(resource);
                    if !debounce::has_result_since(resource, last, cause, incident.opened, incident.opened) {
                        want(resource, incident.opened);
                    }
                }
            }
            let cases = self.cases(&incident.diagnosis.alerts);
            let closed = recovery::last_closed(cases.iter().copied());
            let Some(closed) = closed.or_else(|| self.recovered_at(cause, &cases)) else { continue };
            for resource in recovery::to_verify(&config.graph, cause, &cases) {
                if (seen.last_result)(&resource).is_none_or(|last| last.at < closed) {
                    want(&resource, closed);
                }
            }
        }
        wanted
    }
}
