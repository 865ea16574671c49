//! Which probes are wanted before their usual turn.

use super::{Diagnose, REACH_SPAN, Seen};
use crate::mend;
use crate::place::Latest;
use crate::settle;
use std::collections::{BTreeMap, BTreeSet};
use types::time::later;
use types::{AlertId, Config, ProbeId, Resource, SeenAt, Time};

/// So many probes at most are wanted at once.
const WANTED_MAX: usize = 512;

impl Diagnose {
    /// Probes that are wanted before their usual turn, and when: what may explain a fresh alert, how far an incident
    /// reaches, whether what it broke is well again.
    #[must_use]
    pub fn sooner(&self, config: &Config, now: Time, seen: &Seen<'_>) -> BTreeMap<ProbeId, Time> {
        let mut wanted: BTreeMap<ProbeId, Time> = BTreeMap::new();
        let mut want = |resource: &Resource, at: Time| {
            for probe in self.fresh.asked.get(resource).into_iter().flatten() {
                if wanted.len() < WANTED_MAX || wanted.contains_key(probe) {
                    wanted.entry(probe.clone()).and_modify(|was| *was = at.max(*was)).or_insert(at);
                }
            }
        };
        for (resource, at) in self.to_hear_of(seen) {
            want(resource, at);
        }
        let mut member: BTreeSet<&AlertId> = BTreeSet::new();
        for incident in self.known.open() {
            member.extend(&incident.diagnosis.alerts);
        }
        let loose =
            seen.alerts.values().filter(|alert| self.counts(alert, now, seen) && !member.contains(&alert.id));
        // What may explain them comes first; then the neighbours, looked up once for all alerts that have the same.
        let mut beside: BTreeMap<usize, Latest<'_>> = BTreeMap::new();
        let mut placed: BTreeMap<&SeenAt, Latest<'_>> = BTreeMap::new();
        for alert in loose {
            let Some(case) = self.known.cases.get(&alert.id) else { continue };
            if !alert.seen_at.is_empty() {
                placed.entry(&alert.seen_at).or_default().note(case.opened, &alert.about);
            }
            let Some(place) = self.fresh.places.get(&alert.about) else { continue };
            if let Some(group) = place.beside {
                beside.entry(group).or_default().note(case.opened, &alert.about);
            }
            for resource in &place.under {
                let looked = (seen.looked)(resource);
                if !settle::looked_since(resource, looked, &alert.about, alert.since, case.opened) {
                    want(resource, case.opened);
                }
            }
        }
        for (place, latest) in &placed {
            for resource in &(seen.beside)(place, settle::NEIGHBOURS_MAX) {
                let Some(opened) = latest.beside(resource) else { continue };
                if (seen.looked)(resource).is_none_or(|looked| looked.at <= opened) {
                    want(resource, opened);
                }
            }
        }
        for (group, latest) in &beside {
            for resource in self.fresh.places.beside.get(*group).into_iter().flatten() {
                let Some(opened) = latest.beside(resource) else { continue };
                if (seen.looked)(resource).is_none_or(|looked| looked.at <= opened) {
                    want(resource, opened);
                }
            }
        }
        for incident in self.known.open() {
            let cause = &incident.diagnosis.cause;
            if incident.diagnosis.wakes && now <= later(incident.opened, REACH_SPAN) {
                for resource in self.fresh.places.beside(cause) {
                    let looked = (seen.looked)(resource);
                    if !settle::looked_since(resource, looked, cause, incident.opened, incident.opened) {
                        want(resource, incident.opened);
                    }
                }
            }
            let cases = self.cases(&incident.diagnosis.alerts);
            let closed = mend::last_closed(cases.iter().copied());
            let Some(closed) = closed.or_else(|| self.mended(cause, &cases)) else { continue };
            for resource in mend::to_verify(&config.graph, cause, &cases) {
                if (seen.looked)(&resource).is_none_or(|looked| looked.at < closed) {
                    want(&resource, closed);
                }
            }
        }
        wanted
    }
}
