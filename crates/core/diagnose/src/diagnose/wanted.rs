//! Which probes are wanted before their usual turn.

use super::{Diagnose, REACH_SPAN, Seen};
use crate::mend;
use crate::place::Latest;
use crate::settle;
use types::time::later;
use types::{FindingId, Plan, ProbeId, SeenAt, Thing, Time};
use std::collections::{BTreeMap, BTreeSet};

/// So many probes at most are wanted at once.
const WANTED_MAX: usize = 512;

impl Diagnose {
    /// Probes that are wanted before their usual turn, and when: what may explain a fresh finding, how far an incident
    /// reaches, whether what it broke is well again.
    #[must_use]
    pub fn sooner(&self, plan: &Plan, now: Time, seen: &Seen<'_>) -> BTreeMap<ProbeId, Time> {
        let mut wanted: BTreeMap<ProbeId, Time> = BTreeMap::new();
        let mut want = |thing: &Thing, at: Time| {
            for probe in self.fresh.asked.get(thing).into_iter().flatten() {
                if wanted.len() < WANTED_MAX || wanted.contains_key(probe) {
                    wanted.entry(probe.clone()).and_modify(|was| *was = at.max(*was)).or_insert(at);
                }
            }
        };
        for (thing, at) in self.to_hear_of(seen) {
            want(thing, at);
        }
        let mut member: BTreeSet<&FindingId> = BTreeSet::new();
        for incident in self.known.open() {
            member.extend(&incident.diagnosis.findings);
        }
        let loose = seen
            .findings
            .values()
            .filter(|finding| self.counts(finding, now, seen) && !member.contains(&finding.id));
        // What may explain them comes first; then the neighbours, looked up once for all findings that have the same.
        let mut beside: BTreeMap<usize, Latest<'_>> = BTreeMap::new();
        let mut placed: BTreeMap<&SeenAt, Latest<'_>> = BTreeMap::new();
        for finding in loose {
            let Some(case) = self.known.cases.get(&finding.id) else { continue };
            if !finding.seen_at.is_empty() {
                placed.entry(&finding.seen_at).or_default().note(case.opened, &finding.about);
            }
            let Some(place) = self.fresh.places.get(&finding.about) else { continue };
            if let Some(group) = place.beside {
                beside.entry(group).or_default().note(case.opened, &finding.about);
            }
            for thing in &place.under {
                let looked = (seen.looked)(thing);
                if !settle::looked_since(thing, looked, &finding.about, finding.since, case.opened) {
                    want(thing, case.opened);
                }
            }
        }
        for (place, latest) in &placed {
            for thing in &(seen.beside)(place, settle::NEIGHBOURS_MAX) {
                let Some(opened) = latest.beside(thing) else { continue };
                if (seen.looked)(thing).is_none_or(|looked| looked.at <= opened) {
                    want(thing, opened);
                }
            }
        }
        for (group, latest) in &beside {
            for thing in self.fresh.places.beside.get(*group).into_iter().flatten() {
                let Some(opened) = latest.beside(thing) else { continue };
                if (seen.looked)(thing).is_none_or(|looked| looked.at <= opened) {
                    want(thing, opened);
                }
            }
        }
        for incident in self.known.open() {
            let cause = &incident.diagnosis.cause;
            if incident.diagnosis.wakes && now <= later(incident.opened, REACH_SPAN) {
                for thing in self.fresh.places.beside(cause) {
                    let looked = (seen.looked)(thing);
                    if !settle::looked_since(thing, looked, cause, incident.opened, incident.opened) {
                        want(thing, incident.opened);
                    }
                }
            }
            let cases = self.cases(&incident.diagnosis.findings);
            let closed = mend::last_closed(cases.iter().copied());
            let Some(closed) = closed.or_else(|| self.mended(cause, &cases)) else { continue };
            for thing in mend::to_verify(&plan.graph, cause, &cases) {
                if (seen.looked)(&thing).is_none_or(|looked| looked.at < closed) {
                    want(&thing, closed);
                }
            }
        }
        wanted
    }
}
