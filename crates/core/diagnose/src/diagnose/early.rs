//! Probes that are wanted before their interval is over.

use super::{Diagnose, SCOPE_FOR};
use crate::debounce;
use crate::location;
use crate::recovery;
use crate::topology::{Latest, NEIGHBOURS_MAX};
use std::collections::{BTreeMap, BTreeSet};
use types::time::later;
use types::{AlertId, Context, Incident, ProbeId, Resource, SeenAt, Time};

/// Maximum number of early probes.
const WANTED_MAX: usize = 512;

/// Wanted probes; a probe is wanted from the latest time that was given.
struct Wanted<'a> {
    probes: &'a BTreeMap<Resource, Vec<ProbeId>>,
    all: BTreeMap<ProbeId, Time>,
}

impl Wanted<'_> {
    fn want(&mut self, resource: &Resource, at: Time) {
        for probe in self.probes.get(resource).into_iter().flatten() {
            if self.all.len() < WANTED_MAX || self.all.contains_key(probe) {
                self.all.entry(probe.clone()).and_modify(|was| *was = at.max(*was)).or_insert(at);
            }
        }
    }

    /// Wants what has no result since the latest alert beside it.
    fn want_beside(&mut self, resource: &Resource, latest: &Latest<'_>, context: &Context<'_>) {
        let Some(opened) = latest.beside(resource) else { return };
        if context.last_result(resource).is_none_or(|last| last.at <= opened) {
            self.want(resource, opened);
        }
    }
}

impl Diagnose {
    /// Probes that are wanted before their interval is over, and when: possible causes of new alerts, the scope of an
    /// incident, the recovery of what failed.
    #[must_use]
    pub fn sooner(&self, context: &Context<'_>) -> BTreeMap<ProbeId, Time> {
        let mut wanted = Wanted { probes: &self.volatile.probes, all: BTreeMap::new() };
        for (resource, at) in self.unconfirmed(context) {
            wanted.want(resource, at);
        }
        self.want_around_new_alerts(context, &mut wanted);
        for incident in self.state.open() {
            self.want_scope(incident, context, &mut wanted);
            self.want_recovery(incident, context, &mut wanted);
        }
        wanted.all
    }

    /// Alerts without an incident: possible causes first, then the neighbours, once for all alerts with the same
    /// neighbours.
    fn want_around_new_alerts(&self, context: &Context<'_>, wanted: &mut Wanted<'_>) {
        let mut member: BTreeSet<&AlertId> = BTreeSet::new();
        for incident in self.state.open() {
            member.extend(&incident.diagnosis.alerts);
        }
        let loose = context
            .alerts
            .values()
            .filter(|alert| self.counts(alert, context) && !member.contains(&alert.id));
        let mut neighbours: BTreeMap<usize, Latest<'_>> = BTreeMap::new();
        let mut placed: BTreeMap<&SeenAt, Latest<'_>> = BTreeMap::new();
        let mut locations: BTreeSet<&str> = BTreeSet::new();
        for alert in loose {
            let Some(case) = self.state.cases.get(&alert.id) else { continue };
            if location::is_silent(alert)
                && location::of(context.config, &alert.about)
                    .is_some_and(|location| locations.insert(location))
            {
                for resource in location::neighbours(context.config, &alert.about, NEIGHBOURS_MAX) {
                    if context.last_result(&resource).is_none_or(|last| last.at <= case.opened) {
                        wanted.want(&resource, case.opened);
                    }
                }
            }
            if !alert.seen_at.is_empty() {
                placed.entry(&alert.seen_at).or_default().note(case.opened, &alert.about);
            }
            let Some(position) = self.volatile.topology.get(&alert.about) else { continue };
            if let Some(group) = position.neighbours {
                neighbours.entry(group).or_default().note(case.opened, &alert.about);
            }
            for resource in &position.below {
                let last = context.last_result(resource);
                if !debounce::has_result_since(resource, last, &alert.about, alert.since, case.opened) {
                    wanted.want(resource, case.opened);
                }
            }
        }
        for (place, latest) in &placed {
            for resource in &context.colocated(place, NEIGHBOURS_MAX) {
                wanted.want_beside(resource, latest, context);
            }
        }
        for (group, latest) in &neighbours {
            for resource in self.volatile.topology.neighbours.get(*group).into_iter().flatten() {
                wanted.want_beside(resource, latest, context);
            }
        }
    }

    /// Neighbours of the cause of a new incident.
    fn want_scope(&self, incident: &Incident, context: &Context<'_>, wanted: &mut Wanted<'_>) {
        let cause = &incident.diagnosis.cause;
        if !incident.diagnosis.wakes || context.now > later(incident.opened, SCOPE_FOR) {
            return;
        }
        for resource in self.volatile.topology.neighbours(cause) {
            let last = context.last_result(resource);
            if !debounce::has_result_since(resource, last, cause, incident.opened, incident.opened) {
                wanted.want(resource, incident.opened);
            }
        }
    }

    /// What must be verified after the cause recovered.
    fn want_recovery(&self, incident: &Incident, context: &Context<'_>, wanted: &mut Wanted<'_>) {
        let cause = &incident.diagnosis.cause;
        let cases = self.cases(&incident.diagnosis.alerts);
        let closed = recovery::last_closed(cases.iter().copied());
        let Some(closed) = closed.or_else(|| self.recovered_at(cause, &cases)) else { return };
        for resource in recovery::to_verify(&context.config.graph, cause, &cases) {
            if context.last_result(&resource).is_none_or(|last| last.at < closed) {
                wanted.want(&resource, closed);
            }
        }
    }
}
