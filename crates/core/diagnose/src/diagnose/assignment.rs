//! Assignment of alerts to open incidents, or to groups with one cause.

use super::Diagnose;
use crate::cause;
use crate::colocation::{self, PlaceIncident};
use crate::impact::{hurts, is_endpoint};
use crate::scope::Healthy;
use crate::symptoms::SlowAlert;
use crate::traffic;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use types::{Alert, AlertId, Config, Context, Graph, Incident, IncidentId, Kind, Resource};

/// Incident or group of every alert.
#[derive(Default)]
pub(super) struct Assignment {
    /// Present cause of each open incident.
    pub(super) causes: BTreeMap<IncidentId, Resource>,
    pub(super) merged: BTreeMap<IncidentId, IncidentId>,
    /// Open alerts of each incident.
    pub(super) members: BTreeMap<IncidentId, BTreeSet<AlertId>>,
    /// Alerts without an incident, by cause.
    pub(super) groups: BTreeMap<Resource, BTreeSet<AlertId>>,
    /// Resources with an alert.
    pub(super) about: BTreeSet<Resource>,
    /// Open alerts of each resource with their incidents; computed when an incident seems to end.
    pub(super) homes: OnceCell<BTreeMap<Resource, Vec<(AlertId, IncidentId)>>>,
    /// Healthy services and names; computed on first use.
    pub(super) healthy: OnceCell<Healthy>,
    /// Alerts about slowness; found on first use.
    pub(super) slow: OnceCell<Vec<SlowAlert>>,
}

/// Incidents that an alert may belong to.
#[derive(Default)]
struct Claims {
    /// Incident by its present cause; the oldest, if several have the same.
    causes: BTreeMap<Resource, IncidentId>,
    /// Incident of each alert so far.
    homes: BTreeMap<AlertId, IncidentId>,
    /// A service with a surge in an incident brings its failing names into it.
    shared: BTreeMap<Resource, IncidentId>,
}

/// What stays with the incident that it is in, although that has another cause.
#[derive(Default)]
struct Staying<'a> {
    alerts: BTreeMap<AlertId, IncidentId>,
    /// Resources that a recovering cause broke: further alerts about them join its incident.
    broken: BTreeMap<&'a Resource, IncidentId>,
}

impl Claims {
    /// What stays where it is: `causes` are those of the incidents, `about` says whether all alerts of a resource affect users.
    fn staying<'a>(
        &self,
        counted: &[&'a Alert],
        causes: &BTreeMap<IncidentId, Resource>,
        about: &BTreeMap<&Resource, bool>,
    ) -> Staying<'a> {
        let mut staying = Staying::default();
        for alert in counted {
            let Some(incident) = self.homes.get(&alert.id) else { continue };
            let Some(cause) = causes.get(incident) else { continue };
            // A cause that only warns by now is on its way back: what it broke needs no incident of its own.
            let is_recovering = about.get(cause) != Some(&true);
            if is_recovering || cause.kind == Kind::Service {
                staying.alerts.insert(alert.id, *incident);
            }
            if is_recovering && alert.about != *cause {
                staying.broken.insert(&alert.about, *incident);
            }
        }
        staying
    }
}

impl Assignment {
    /// The incident that has all these alerts, if it is one.
    pub(super) fn common_incident(&self, alerts: &BTreeSet<AlertId>) -> Option<IncidentId> {
        let home =
            |id: &AlertId| self.members.iter().find(|(_, all)| all.contains(id)).map(|(home, _)| *home);
        let homes: BTreeSet<Option<IncidentId>> = alerts.iter().map(home).collect();
        homes.first().copied().flatten().filter(|_| homes.len() == 1)
    }
}

impl Diagnose {
    /// Open incidents with a place as the cause, and the recovered alerts of each.
    fn place_incidents(&self) -> Vec<PlaceIncident<'_>> {
        let mut all = Vec::new();
        for incident in self.state.open() {
            let (cause, members) = (&incident.diagnosis.cause, &incident.diagnosis.alerts);
            let cases = || members.iter().filter_map(|id| self.state.cases.get(id));
            if colocation::is_place(cause, cases().map(|case| &case.alert)) {
                let closed = cases().filter_map(|case| Some((&case.alert, case.closed?))).collect();
                all.push(PlaceIncident { cause, members, closed });
            }
        }
        all
    }

    /// Assigns every alert.
    pub(super) fn assign(&self, context: &Context<'_>) -> Assignment {
        let config = context.config;
        let counted: Vec<&Alert> =
            context.alerts.values().filter(|alert| self.counts(alert, context)).collect();
        let place_incidents = self.place_incidents();
        let recovered = colocation::recovered_members(&place_incidents);
        // Alerts of resources that had recovered from a failure at the same place, or that fail differently now.
        let parts = counted.iter().filter_map(|alert| {
            let opened = self.state.cases.get(&alert.id)?.opened;
            let mut parts = recovered.get(&alert.about)?.iter();
            Some((alert.id, parts.find(|part| part.goes_on(config, alert, opened))?.of))
        });
        let parts: BTreeMap<AlertId, &PlaceIncident<'_>> = parts.collect();
        let closed = self.state.cases.values().filter(|case| case.closed.is_some());
        let closed: Vec<&Alert> = closed.map(|case| &case.alert).collect();
        let topology = &self.volatile.topology;
        let known = self.state.open().map(|incident| &incident.diagnosis.cause);
        let locations: BTreeSet<&str> =
            known.filter(|cause| cause.kind == Kind::Location).map(|cause| cause.name.as_str()).collect();
        let causes = cause::causes(config, topology, &counted, &place_incidents, &parts, &closed, &locations);
        // Resources with an alert, and whether all their alerts affect users.
        let mut about: BTreeMap<&Resource, bool> = BTreeMap::new();
        for alert in &counted {
            let all_hurt = about.entry(&alert.about).or_insert(true);
            *all_hurt &= hurts(alert);
        }
        let mut assignment = Assignment {
            about: about.keys().map(|about| (*about).clone()).collect(),
            ..Assignment::default()
        };
        let claims = self.claims(config, &counted, &place_incidents, &causes, &mut assignment);
        let staying = claims.staying(&counted, &assignment.causes, &about);
        for alert in &counted {
            let Some(root) = causes.get(&alert.id) else { continue };
            let rejoins = || {
                let place_incidents = parts.get(&alert.id).filter(|_| is_endpoint(root.kind))?;
                claims.causes.get(place_incidents.cause).copied()
            };
            match (claims.causes.get(root))
                .or_else(|| claims.shared.get(root))
                .copied()
                .or_else(|| staying.alerts.get(&alert.id).copied())
                .or_else(|| staying.broken.get(root).copied())
                .or_else(|| self.joins(config, alert, root, &assignment.causes, &about))
                .or_else(rejoins)
                .or_else(|| self.goes_on(config, alert, &assignment.causes))
            {
                Some(incident) => _ = assignment.members.entry(incident).or_default().insert(alert.id),
                None => _ = assignment.groups.entry(root.clone()).or_default().insert(alert.id),
            }
        }
        self.release_idle(context, &mut assignment);
        assignment
    }

    /// Takes alerts about idle capacity out of an incident with a page of which nothing else is open: they are no reason
    /// to go on with it.
    fn release_idle(&self, context: &Context<'_>, assignment: &mut Assignment) {
        let Assignment { members, groups, .. } = assignment;
        for (incident, alerts) in members {
            let wakes = self.state.incidents.get(incident).is_some_and(|known| known.diagnosis.wakes);
            let of = |id: &AlertId| context.alerts.get(id);
            if wakes && alerts.iter().filter_map(of).all(|alert| alert.fault.is_idle_capacity()) {
                for alert in std::mem::take(alerts).iter().filter_map(of) {
                    groups.entry(alert.about.clone()).or_default().insert(alert.id);
                }
            }
        }
    }

    /// The open incidents by their present causes; incidents with the same cause are merged into the oldest.
    fn claims(
        &self,
        config: &Config,
        counted: &[&Alert],
        place_incidents: &[PlaceIncident<'_>],
        causes: &BTreeMap<AlertId, Resource>,
        assignment: &mut Assignment,
    ) -> Claims {
        let by_id: BTreeMap<AlertId, &Alert> = counted.iter().map(|alert| (alert.id, *alert)).collect();
        let mut claims = Claims::default();
        for incident in self.state.open() {
            let members: Vec<&Alert> =
                incident.diagnosis.alerts.iter().filter_map(|id| by_id.get(id).copied()).collect();
            let was = &incident.diagnosis.cause;
            // Idle capacity is no cause of anything else.
            let reasons: Vec<&Alert> =
                members.iter().copied().filter(|alert| !alert.fault.is_idle_capacity()).collect();
            let cause = if place_incidents.iter().any(|place_incident| place_incident.cause == was) {
                followed_from_place(was, &members, causes)
            } else {
                followed(&config.graph, was, &reasons, causes)
            };
            let older = *claims.causes.entry(cause.clone()).or_insert(incident.id);
            if older != incident.id {
                assignment.merged.insert(incident.id, older);
            }
            for alert in &members {
                claims.homes.insert(alert.id, older);
                if let Some(root) = causes.get(&alert.id).filter(|root| root.kind == Kind::Service) {
                    claims.shared.entry(root.clone()).or_insert(older);
                }
            }
            assignment.causes.entry(older).or_insert(cause);
            assignment.members.entry(older).or_default();
        }
        claims
    }

    /// The open incident that an alert joins because of its cause.
    fn joins(
        &self,
        config: &Config,
        alert: &Alert,
        root: &Resource,
        causes: &BTreeMap<IncidentId, Resource>,
        about: &BTreeMap<&Resource, bool>,
    ) -> Option<IncidentId> {
        let topology = &self.volatile.topology;
        let mut open = self.state.open().filter(|incident| incident.diagnosis.wakes);
        let open = open.find(|incident| {
            let Some(cause) = causes.get(&incident.id) else { return false };
            match cause.kind {
                // A failing service explains its other names; a surge does not explain a certificate.
                Kind::Service => {
                    is_endpoint(root.kind)
                        && hurts(alert)
                        && (traffic::is_overload(&alert.fault) || !self.is_edge_incident(incident))
                        && topology.of(&config.graph, root).services.contains(cause)
                }
                // A recovered cause still explains outdated caches.
                Kind::Domain | Kind::Dns => {
                    hurts(alert)
                        && about.get(cause) != Some(&false)
                        && topology.of(&config.graph, &alert.about).below.contains(cause)
                }
                _ => false,
            }
        });
        open.map(|incident| incident.id)
    }

    /// The open incident that an alert of the edge continues.
    fn goes_on(
        &self,
        config: &Config,
        alert: &Alert,
        causes: &BTreeMap<IncidentId, Resource>,
    ) -> Option<IncidentId> {
        let mut open = self.state.open().filter(|incident| incident.diagnosis.wakes);
        let goes_on = |incident: &&Incident| {
            let cause = causes.get(&incident.id);
            cause.is_some_and(|cause| traffic::goes_on(config, alert, cause))
        };
        open.find(goes_on).map(|incident| incident.id)
    }
}

/// Present cause of an incident at a place: the failures there may have a cause beneath them.
fn followed_from_place(
    cause: &Resource,
    members: &[&Alert],
    causes: &BTreeMap<AlertId, Resource>,
) -> Resource {
    let is_seen = |root: &Resource| members.iter().any(|alert| alert.about == *root);
    let causes = members.iter().filter_map(|alert| causes.get(&alert.id));
    let beneath = causes.filter(|root| match root.kind {
        Kind::Service => is_seen(root),
        kind => kind != Kind::Address && !is_endpoint(kind),
    });
    beneath.max_by_key(|root| root.kind).unwrap_or(cause).clone()
}

/// Present cause of an incident: its own, a deeper one, or a shared one.
fn followed(
    graph: &Graph,
    cause: &Resource,
    members: &[&Alert],
    causes: &BTreeMap<AlertId, Resource>,
) -> Resource {
    let root = |alert: &&&Alert| causes.get(&alert.id).filter(|root| !is_endpoint(root.kind));
    let any_root = |alert: &&&Alert| causes.get(&alert.id);
    if cause.kind == Kind::Service {
        // The surge comes from a service that calls this one.
        let own = || members.iter().filter(|alert| alert.about == *cause);
        if let Some(from) = own().filter_map(|alert| causes.get(&alert.id)).find(|root| *root != cause) {
            return from.clone();
        }
        // It is over, and the edge has another alert that affects users.
        let other = members.iter().filter(|alert| hurts(alert) && traffic::is_edge_fault(&alert.fault));
        if own().next().is_none()
            && let Some(root) = other.filter_map(|alert| causes.get(&alert.id)).next()
        {
            return root.clone();
        }
        // Names without a common cause have one now: the one that explains most of them. A service is replaced by one
        // that it depends on, never the reverse, and not at all in a cycle.
        let deeper = |root: &Resource| match root.kind {
            Kind::Service => graph.beneath(cause).contains(root) && !graph.beneath(root).contains(cause),
            _ => true,
        };
        let mut explained: BTreeMap<&Resource, usize> = BTreeMap::new();
        for root in members.iter().filter_map(|alert| root(&alert)).filter(|root| *root != cause) {
            *explained.entry(root).or_default() += 1;
        }
        explained.retain(|root, _| deeper(root));
        let best = explained.into_iter().max_by_key(|(root, count)| (*count, root.kind));
        return best.map_or(cause, |(root, _)| root).clone();
    }
    let mut own = members.iter().filter(|alert| alert.about == *cause);
    if let Some(first) = own.clone().find(|alert| causes.get(&alert.id) != Some(cause)).or_else(|| own.next())
    {
        return causes.get(&first.id).unwrap_or(cause).clone();
    }
    // The database is well again, and the pool that it took down is not: now the pool is what has to recover.
    if cause.kind == Kind::Database
        && let Some(root) =
            members.iter().filter_map(|alert| root(&alert)).find(|root| root.kind == Kind::Pool)
    {
        return root.clone();
    }
    if (is_endpoint(cause.kind) || cause.kind == Kind::Pool)
        && let Some(root) = members.iter().find_map(|alert| any_root(&alert))
    {
        return root.clone();
    }
    cause.clone()
}
