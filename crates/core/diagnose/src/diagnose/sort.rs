//! Where every alert belongs: to an open incident, or to others that have the same cause.

use super::{Diagnose, Seen};
use crate::cause::{self, hurts, is_endpoint};
use crate::event::{self, Held};
use crate::scope::Well;
use crate::traffic;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use types::{Alert, AlertId, Config, Graph, Incident, IncidentId, Kind, Resource, Time};

/// Where every alert belongs now.
#[derive(Default)]
pub(super) struct Sorted {
    /// The cause of each open incident, by what is known now.
    pub(super) causes: BTreeMap<IncidentId, Resource>,
    pub(super) merged: BTreeMap<IncidentId, IncidentId>,
    /// Open alerts of each incident.
    pub(super) members: BTreeMap<IncidentId, BTreeSet<AlertId>>,
    /// Alerts that belong to no incident yet, by cause.
    pub(super) groups: BTreeMap<Resource, BTreeSet<AlertId>>,
    /// What has any alert.
    pub(super) about: BTreeSet<Resource>,
    /// Which open alerts each thing has, and the incidents that they belong to: found out when one seems to end.
    pub(super) homes: OnceCell<BTreeMap<Resource, Vec<(AlertId, IncidentId)>>>,
    /// Found out when somebody first asks for it.
    pub(super) well: OnceCell<Well>,
}

impl Diagnose {
    /// Open incidents whose cause is a place, with what failed there before.
    fn held(&self) -> Vec<Held<'_>> {
        let mut all = Vec::new();
        for incident in self.known.open() {
            let (cause, members) = (&incident.diagnosis.cause, &incident.diagnosis.alerts);
            let cases = || members.iter().filter_map(|id| self.known.cases.get(id));
            if event::is_place(cause, cases().map(|case| &case.alert)) {
                let closed = cases().filter_map(|case| Some((&case.alert, case.closed?))).collect();
                all.push(Held { cause, members, closed });
            }
        }
        all
    }

    /// Finds out where every alert belongs.
    pub(super) fn sort(&self, config: &Config, now: Time, seen: &Seen<'_>) -> Sorted {
        let counted: Vec<&Alert> =
            seen.alerts.values().filter(|alert| self.counts(alert, now, seen)).collect();
        let held = self.held();
        let well_again = event::parts(&held);
        // A part of an event that was well in between while the rest of it was not, or fails in another way now.
        let parts = counted.iter().filter_map(|alert| {
            let opened = self.known.cases.get(&alert.id)?.opened;
            let mut parts = well_again.get(&alert.about)?.iter();
            Some((alert.id, parts.find(|part| part.goes_on(config, alert, opened))?.of))
        });
        let parts: BTreeMap<AlertId, &Held<'_>> = parts.collect();
        let roots = cause::roots(config, &self.fresh.places, &counted, &held, &parts);
        let by_id: BTreeMap<AlertId, &Alert> = counted.iter().map(|alert| (alert.id, *alert)).collect();
        // Whether anything is wrong with a thing, and whether all of that hurts.
        let mut about: BTreeMap<&Resource, bool> = BTreeMap::new();
        for alert in &counted {
            let all_hurt = about.entry(&alert.about).or_insert(true);
            *all_hurt &= hurts(alert);
        }
        let mut sorted =
            Sorted { about: about.keys().map(|about| (*about).clone()).collect(), ..Sorted::default() };
        let mut claims: BTreeMap<Resource, IncidentId> = BTreeMap::new();
        let mut home: BTreeMap<AlertId, IncidentId> = BTreeMap::new();
        // A service that surges as part of an incident brings its failing names along.
        let mut shared: BTreeMap<Resource, IncidentId> = BTreeMap::new();

        for incident in self.known.open() {
            let members: Vec<&Alert> =
                incident.diagnosis.alerts.iter().filter_map(|id| by_id.get(id).copied()).collect();
            let was = &incident.diagnosis.cause;
            let cause = if held.iter().any(|held| held.cause == was) {
                followed_from_place(was, &members, &roots)
            } else {
                followed(&config.graph, was, &members, &roots)
            };
            let older = *claims.entry(cause.clone()).or_insert(incident.id);
            if older != incident.id {
                sorted.merged.insert(incident.id, older);
            }
            for alert in &members {
                home.insert(alert.id, older);
                if let Some(root) = roots.get(&alert.id).filter(|root| root.kind == Kind::Service) {
                    shared.entry(root.clone()).or_insert(older);
                }
            }
            sorted.causes.entry(older).or_insert(cause);
            sorted.members.entry(older).or_default();
        }

        for alert in counted {
            let Some(root) = roots.get(&alert.id) else { continue };
            let stays = || {
                let incident = home.get(&alert.id)?;
                let cause = sorted.causes.get(incident)?;
                let mending = !about.contains_key(cause);
                let explains = mending || cause.kind == Kind::Service;
                explains.then_some(*incident)
            };
            let rejoins = || {
                let held = parts.get(&alert.id).filter(|_| is_endpoint(root.kind))?;
                claims.get(held.cause).copied()
            };
            match claims
                .get(root)
                .or_else(|| shared.get(root))
                .copied()
                .or_else(stays)
                .or_else(|| self.joins(config, alert, root, &sorted.causes, &about))
                .or_else(rejoins)
                .or_else(|| self.goes_on(config, alert, &sorted.causes))
            {
                Some(incident) => _ = sorted.members.entry(incident).or_default().insert(alert.id),
                None => _ = sorted.groups.entry(root.clone()).or_default().insert(alert.id),
            }
        }
        sorted
    }

    /// The open incident that takes in a further alert because of its cause.
    fn joins(
        &self,
        config: &Config,
        alert: &Alert,
        root: &Resource,
        causes: &BTreeMap<IncidentId, Resource>,
        about: &BTreeMap<&Resource, bool>,
    ) -> Option<IncidentId> {
        let places = &self.fresh.places;
        let mut open = self.known.open().filter(|incident| incident.diagnosis.wakes);
        let open = open.find(|incident| {
            let Some(cause) = causes.get(&incident.id) else { return false };
            match cause.kind {
                // A service at fault takes in further names of its own; too many visitors explain no certificate.
                Kind::Service => {
                    is_endpoint(root.kind)
                        && hurts(alert)
                        && (traffic::is_of_overload(&alert.fault) || !self.is_of_the_edge(incident))
                        && places.of(&config.graph, root).services.contains(cause)
                }
                // A mended cause still explains what caches hand out.
                Kind::Domain | Kind::Dns => {
                    hurts(alert)
                        && about.get(cause) != Some(&false)
                        && places.of(&config.graph, &alert.about).under.contains(cause)
                }
                _ => false,
            }
        });
        open.map(|incident| incident.id)
    }

    /// The open incident that an alert of the edge goes on with.
    fn goes_on(
        &self,
        config: &Config,
        alert: &Alert,
        causes: &BTreeMap<IncidentId, Resource>,
    ) -> Option<IncidentId> {
        let mut open = self.known.open().filter(|incident| incident.diagnosis.wakes);
        let goes_on = |incident: &&Incident| {
            let cause = causes.get(&incident.id);
            cause.is_some_and(|cause| traffic::goes_on(config, alert, cause))
        };
        open.find(goes_on).map(|incident| incident.id)
    }
}

/// The same for an incident whose cause is a place: what fails there alike may turn out to have a cause beneath it.
fn followed_from_place(
    cause: &Resource,
    members: &[&Alert],
    roots: &BTreeMap<AlertId, Resource>,
) -> Resource {
    let is_seen = |root: &Resource| members.iter().any(|alert| alert.about == *root);
    let roots = members.iter().filter_map(|alert| roots.get(&alert.id));
    let beneath = roots.filter(|root| match root.kind {
        Kind::Service => is_seen(root),
        kind => kind != Kind::Address && !is_endpoint(kind),
    });
    beneath.max_by_key(|root| root.kind).unwrap_or(cause).clone()
}

/// The cause of an incident by what is known now: its own, or a deeper one, or one that several share.
fn followed(
    graph: &Graph,
    cause: &Resource,
    members: &[&Alert],
    roots: &BTreeMap<AlertId, Resource>,
) -> Resource {
    let root = |alert: &&&Alert| roots.get(&alert.id).filter(|root| !is_endpoint(root.kind));
    let any_root = |alert: &&&Alert| roots.get(&alert.id);
    if cause.kind == Kind::Service {
        // What the edge saw of it turns out to come from elsewhere: visitors that another service passes on.
        let own = || members.iter().filter(|alert| alert.about == *cause);
        if let Some(from) = own().filter_map(|alert| roots.get(&alert.id)).find(|root| *root != cause) {
            return from.clone();
        }
        // It is over, and the edge sees something else that still hurts.
        let other = members.iter().filter(|alert| hurts(alert) && traffic::is_of_the_edge(&alert.fault));
        if own().next().is_none()
            && let Some(root) = other.filter_map(|alert| roots.get(&alert.id)).next()
        {
            return root.clone();
        }
        // Names that seemed to fail each for itself turn out to have a cause: the one that explains most of them. A service
        // gives way to one that it needs, never the other way round, and in a circle not at all.
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
    if let Some(first) = own.clone().find(|alert| roots.get(&alert.id) != Some(cause)).or_else(|| own.next())
    {
        return roots.get(&first.id).unwrap_or(cause).clone();
    }
    if (is_endpoint(cause.kind) || cause.kind == Kind::Pool)
        && let Some(root) = members.iter().find_map(|alert| any_root(&alert))
    {
        return root.clone();
    }
    cause.clone()
}
