//! Where every finding belongs: to an open incident, or to others that have the same cause.

use super::{Diagnose, Seen};
use crate::cause::{self, hurts, is_endpoint};
use crate::event::{self, Held};
use crate::scope::Well;
use crate::traffic;
use types::{Finding, FindingId, Graph, Incident, IncidentId, Kind, Plan, Thing, Time};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

/// Where every finding belongs now.
#[derive(Default)]
pub(super) struct Sorted {
    /// The cause of each open incident, by what is known now.
    pub(super) causes: BTreeMap<IncidentId, Thing>,
    pub(super) merged: BTreeMap<IncidentId, IncidentId>,
    /// Open findings of each incident.
    pub(super) members: BTreeMap<IncidentId, BTreeSet<FindingId>>,
    /// Findings that belong to no incident yet, by cause.
    pub(super) groups: BTreeMap<Thing, BTreeSet<FindingId>>,
    /// What has any finding.
    pub(super) about: BTreeSet<Thing>,
    /// Which open findings each thing has, and the incidents that they belong to: found out when one seems to end.
    pub(super) homes: OnceCell<BTreeMap<Thing, Vec<(FindingId, IncidentId)>>>,
    /// Found out when somebody first asks for it.
    pub(super) well: OnceCell<Well>,
}

impl Diagnose {
    /// Open incidents whose cause is a place, with what failed there before.
    fn held(&self) -> Vec<Held<'_>> {
        let mut all = Vec::new();
        for incident in self.known.open() {
            let (cause, members) = (&incident.diagnosis.cause, &incident.diagnosis.findings);
            let cases = || members.iter().filter_map(|id| self.known.cases.get(id));
            if event::is_place(cause, cases().map(|case| &case.finding)) {
                let closed = cases().filter_map(|case| Some((&case.finding, case.closed?))).collect();
                all.push(Held { cause, members, closed });
            }
        }
        all
    }

    /// Finds out where every finding belongs.
    pub(super) fn sort(&self, plan: &Plan, now: Time, seen: &Seen<'_>) -> Sorted {
        let counted: Vec<&Finding> =
            seen.findings.values().filter(|finding| self.counts(finding, now, seen)).collect();
        let held = self.held();
        let well_again = event::parts(&held);
        // A part of an event that was well in between while the rest of it was not, or fails in another way now.
        let parts = counted.iter().filter_map(|finding| {
            let opened = self.known.cases.get(&finding.id)?.opened;
            let mut parts = well_again.get(&finding.about)?.iter();
            Some((finding.id, parts.find(|part| part.goes_on(plan, finding, opened))?.of))
        });
        let parts: BTreeMap<FindingId, &Held<'_>> = parts.collect();
        let roots = cause::roots(plan, &self.fresh.places, &counted, &held, &parts);
        let by_id: BTreeMap<FindingId, &Finding> =
            counted.iter().map(|finding| (finding.id, *finding)).collect();
        // Whether anything is wrong with a thing, and whether all of that hurts.
        let mut about: BTreeMap<&Thing, bool> = BTreeMap::new();
        for finding in &counted {
            let all_hurt = about.entry(&finding.about).or_insert(true);
            *all_hurt &= hurts(finding);
        }
        let mut sorted =
            Sorted { about: about.keys().map(|about| (*about).clone()).collect(), ..Sorted::default() };
        let mut claims: BTreeMap<Thing, IncidentId> = BTreeMap::new();
        let mut home: BTreeMap<FindingId, IncidentId> = BTreeMap::new();
        // A service that surges as part of an incident brings its failing names along.
        let mut shared: BTreeMap<Thing, IncidentId> = BTreeMap::new();

        for incident in self.known.open() {
            let members: Vec<&Finding> =
                incident.diagnosis.findings.iter().filter_map(|id| by_id.get(id).copied()).collect();
            let was = &incident.diagnosis.cause;
            let cause = if held.iter().any(|held| held.cause == was) {
                followed_from_place(was, &members, &roots)
            } else {
                followed(&plan.graph, was, &members, &roots)
            };
            let older = *claims.entry(cause.clone()).or_insert(incident.id);
            if older != incident.id {
                sorted.merged.insert(incident.id, older);
            }
            for finding in &members {
                home.insert(finding.id, older);
                if let Some(root) = roots.get(&finding.id).filter(|root| root.kind == Kind::Service) {
                    shared.entry(root.clone()).or_insert(older);
                }
            }
            sorted.causes.entry(older).or_insert(cause);
            sorted.members.entry(older).or_default();
        }

        for finding in counted {
            let Some(root) = roots.get(&finding.id) else { continue };
            let stays = || {
                let incident = home.get(&finding.id)?;
                let cause = sorted.causes.get(incident)?;
                let mending = !about.contains_key(cause);
                let explains = mending || cause.kind == Kind::Service;
                explains.then_some(*incident)
            };
            let rejoins = || {
                let held = parts.get(&finding.id).filter(|_| is_endpoint(root.kind))?;
                claims.get(held.cause).copied()
            };
            match claims
                .get(root)
                .or_else(|| shared.get(root))
                .copied()
                .or_else(stays)
                .or_else(|| self.joins(plan, finding, root, &sorted.causes, &about))
                .or_else(rejoins)
                .or_else(|| self.goes_on(plan, finding, &sorted.causes))
            {
                Some(incident) => _ = sorted.members.entry(incident).or_default().insert(finding.id),
                None => _ = sorted.groups.entry(root.clone()).or_default().insert(finding.id),
            }
        }
        sorted
    }

    /// The open incident that takes in a further finding because of its cause.
    fn joins(
        &self,
        plan: &Plan,
        finding: &Finding,
        root: &Thing,
        causes: &BTreeMap<IncidentId, Thing>,
        about: &BTreeMap<&Thing, bool>,
    ) -> Option<IncidentId> {
        let places = &self.fresh.places;
        let mut open = self.known.open().filter(|incident| incident.diagnosis.wakes);
        let open = open.find(|incident| {
            let Some(cause) = causes.get(&incident.id) else { return false };
            match cause.kind {
                // A service at fault takes in further names of its own; too many visitors explain no certificate.
                Kind::Service => {
                    is_endpoint(root.kind)
                        && hurts(finding)
                        && (traffic::is_of_overload(&finding.fault) || !self.is_of_the_edge(incident))
                        && places.of(&plan.graph, root).services.contains(cause)
                }
                // A mended cause still explains what caches hand out.
                Kind::Domain | Kind::Dns => {
                    hurts(finding)
                        && about.get(cause) != Some(&false)
                        && places.of(&plan.graph, &finding.about).under.contains(cause)
                }
                _ => false,
            }
        });
        open.map(|incident| incident.id)
    }

    /// The open incident that a finding of the edge goes on with.
    fn goes_on(
        &self,
        plan: &Plan,
        finding: &Finding,
        causes: &BTreeMap<IncidentId, Thing>,
    ) -> Option<IncidentId> {
        let mut open = self.known.open().filter(|incident| incident.diagnosis.wakes);
        let goes_on = |incident: &&Incident| {
            let cause = causes.get(&incident.id);
            cause.is_some_and(|cause| traffic::goes_on(plan, finding, cause))
        };
        open.find(goes_on).map(|incident| incident.id)
    }
}

/// The same for an incident whose cause is a place: what fails there alike may turn out to have a cause beneath it.
fn followed_from_place(cause: &Thing, members: &[&Finding], roots: &BTreeMap<FindingId, Thing>) -> Thing {
    let is_seen = |root: &Thing| members.iter().any(|finding| finding.about == *root);
    let roots = members.iter().filter_map(|finding| roots.get(&finding.id));
    let beneath = roots.filter(|root| match root.kind {
        Kind::Service => is_seen(root),
        kind => kind != Kind::Address && !is_endpoint(kind),
    });
    beneath.max_by_key(|root| root.kind).unwrap_or(cause).clone()
}

/// The cause of an incident by what is known now: its own, or a deeper one, or one that several share.
fn followed(graph: &Graph, cause: &Thing, members: &[&Finding], roots: &BTreeMap<FindingId, Thing>) -> Thing {
    let root = |finding: &&&Finding| roots.get(&finding.id).filter(|root| !is_endpoint(root.kind));
    let any_root = |finding: &&&Finding| roots.get(&finding.id);
    if cause.kind == Kind::Service {
        // What the edge saw of it turns out to come from elsewhere: visitors that another service passes on.
        let own = || members.iter().filter(|finding| finding.about == *cause);
        if let Some(from) = own().filter_map(|finding| roots.get(&finding.id)).find(|root| *root != cause) {
            return from.clone();
        }
        // It is over, and the edge sees something else that still hurts.
        let other =
            members.iter().filter(|finding| hurts(finding) && traffic::is_of_the_edge(&finding.fault));
        if own().next().is_none()
            && let Some(root) = other.filter_map(|finding| roots.get(&finding.id)).next()
        {
            return root.clone();
        }
        // Names that seemed to fail each for itself turn out to have a cause: the one that explains most of them. A service
        // gives way to one that it needs, never the other way round, and in a circle not at all.
        let deeper = |root: &Thing| match root.kind {
            Kind::Service => graph.beneath(cause).contains(root) && !graph.beneath(root).contains(cause),
            _ => true,
        };
        let mut explained: BTreeMap<&Thing, usize> = BTreeMap::new();
        for root in members.iter().filter_map(|finding| root(&finding)).filter(|root| *root != cause) {
            *explained.entry(root).or_default() += 1;
        }
        explained.retain(|root, _| deeper(root));
        let best = explained.into_iter().max_by_key(|(root, count)| (*count, root.kind));
        return best.map_or(cause, |(root, _)| root).clone();
    }
    let mut own = members.iter().filter(|finding| finding.about == *cause);
    if let Some(first) =
        own.clone().find(|finding| roots.get(&finding.id) != Some(cause)).or_else(|| own.next())
    {
        return roots.get(&first.id).unwrap_or(cause).clone();
    }
    if (is_endpoint(cause.kind) || cause.kind == Kind::Pool)
        && let Some(root) = members.iter().find_map(|finding| any_root(&finding))
    {
        return root.clone();
    }
    cause.clone()
}
