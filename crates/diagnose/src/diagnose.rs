//! The thinker itself: findings in, incidents out.

use crate::cause::{self, hurts, is_endpoint};
use crate::known::{Case, Known};
use crate::mend;
use crate::place::{Latest, Places};
use crate::scope::{self, Well};
use crate::sentence::Facts;
use crate::settle;
use crate::traffic;
use model::event::Event;
use model::incident::{Diagnosis, Stage};
use model::time::later;
use model::{
    Finding, FindingId, Graph, Happened, Incident, IncidentId, Kind, Looked, Plan, ProbeId, Thing, Time,
    Weight,
};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// A diagnosis that only counts differently is not told again before this long.
const DETAILS_EVERY: Duration = Duration::from_secs(5);
/// How far the trouble reaches is looked at for this long after an incident opened.
const REACH_SPAN: Duration = Duration::from_secs(60);
/// In a large plan everything is thought over only so often: thousands of findings open one by one.
const THINK_EVERY: Duration = Duration::from_millis(250);
/// What a large plan is, in probes.
const LARGE: usize = 500;
/// What comes in waves has ended when nothing came for so long.
const BETWEEN_WAVES: Duration = Duration::from_secs(30);
/// So many probes at most are wanted at once.
const WANTED_MAX: usize = 512;

/// What `watch` sees.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// Open findings.
    pub findings: &'a BTreeMap<FindingId, Finding>,
    /// When a thing was last looked at, and whether it was well.
    pub looked: &'a dyn Fn(&Thing) -> Option<Looked>,
}

impl fmt::Debug for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen").field("findings", self.findings).finish_non_exhaustive()
    }
}

/// Turns findings into incidents.
#[derive(Debug, Default)]
pub struct Diagnose {
    known: Known,
    fresh: Fresh,
}

/// Since boot: nothing that a decision could be lost with.
#[derive(Debug, Default)]
struct Fresh {
    /// Probes by what they are about, for the plan with this digest and number of probes.
    asked: BTreeMap<Thing, Vec<ProbeId>>,
    fits: Option<(String, usize)>,
    places: Places,
    /// Something was folded since the last thought.
    changed: bool,
    thought: Option<Time>,
    next: Option<Time>,
}

/// Where every finding belongs now.
#[derive(Default)]
struct Sorted {
    /// The cause of each open incident, by what is known now.
    causes: BTreeMap<IncidentId, Thing>,
    merged: BTreeMap<IncidentId, IncidentId>,
    /// Open findings of each incident.
    members: BTreeMap<IncidentId, BTreeSet<FindingId>>,
    /// Findings that belong to no incident yet, by cause.
    groups: BTreeMap<Thing, BTreeSet<FindingId>>,
    /// Found out when somebody first asks for it.
    well: OnceCell<Well>,
}

impl Diagnose {
    /// Folds one event. Events about unknown things change nothing.
    pub fn apply(&mut self, event: &Event) {
        self.known.apply(event);
        self.fresh.changed = true;
        if matches!(event.happened, Happened::PlanAdopted { .. }) {
            self.fresh.fits = None;
        }
    }

    /// What follows from the findings as they are now. Asked again after its events were applied, it answers nothing.
    pub fn react(&mut self, plan: &Plan, now: Time, seen: &Seen<'_>) -> Vec<Happened> {
        self.settle_in(plan);
        let idle = self.known.memories.is_empty()
            && seen.findings.values().all(|finding| finding.weight < Weight::Warns);
        if idle {
            self.fresh.next = None;
            self.fresh.changed = false;
            return Vec::new();
        }
        if let Some(thought) = self.fresh.thought
            && plan.probes.len() >= LARGE
            && now < later(thought, THINK_EVERY)
        {
            self.fresh.next = Some(later(thought, THINK_EVERY));
            return Vec::new();
        }
        self.fresh.thought = Some(now);
        self.fresh.changed = false;
        self.fresh.next = None;

        for finding in seen.findings.values() {
            self.fresh.places.learn(plan, &finding.about);
        }
        for incident in self.known.open() {
            self.fresh.places.learn(plan, &incident.diagnosis.cause);
        }
        let sorted = self.sort(plan, seen);
        let mut happened = Vec::new();
        for (incident, into) in &sorted.merged {
            happened.push(Happened::IncidentMerged { incident: *incident, into: *into });
        }
        let swallowed = |into: &IncidentId| {
            sorted.merged.iter().filter(|(_, to)| *to == into).map(|(from, _)| *from).collect()
        };
        let open: Vec<IncidentId> =
            self.known.memories.keys().filter(|id| !sorted.merged.contains_key(*id)).copied().collect();
        for id in open {
            let parts: Vec<IncidentId> = swallowed(&id);
            happened.extend(self.follow(plan, now, seen, id, &parts, &sorted));
        }
        let mut last = self.known.last_incident;
        for (cause, findings) in &sorted.groups {
            if let Some((since, diagnosis)) = self.begin(plan, now, seen, cause, findings, &sorted) {
                last += 1;
                happened.push(Happened::IncidentOpened { incident: IncidentId(last), since, diagnosis });
            }
        }
        happened
    }

    /// When to ask again if nothing else happens.
    #[must_use]
    pub fn next(&self, plan: &Plan, now: Time) -> Option<Time> {
        let thought = self.fresh.thought.filter(|_| plan.probes.len() >= LARGE);
        let free = thought.map_or(now, |thought| now.max(later(thought, THINK_EVERY)));
        if self.fresh.changed { Some(free) } else { self.fresh.next }
    }

    /// Open incidents, and the last 200 that ended.
    #[must_use]
    pub fn incidents(&self) -> &BTreeMap<IncidentId, Incident> {
        &self.known.incidents
    }

    /// Everything folded from events, as text: equal for two folds of one journal.
    #[must_use]
    pub fn known_text(&self) -> String {
        format!("{:#?}", self.known)
    }

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
        let mut member: BTreeSet<&FindingId> = BTreeSet::new();
        for incident in self.known.open() {
            member.extend(&incident.diagnosis.findings);
        }
        let loose =
            seen.findings.values().filter(|finding| self.counts(finding) && !member.contains(&finding.id));
        // What may explain them comes first; then the neighbours, looked up once for all findings that have the same.
        let mut beside: BTreeMap<usize, Latest<'_>> = BTreeMap::new();
        for finding in loose {
            let Some(case) = self.known.cases.get(&finding.id) else { continue };
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

impl Diagnose {
    fn settle_in(&mut self, plan: &Plan) {
        let fits =
            |(digest, probes): &(String, usize)| *digest == plan.digest && *probes == plan.probes.len();
        if !self.fresh.fits.as_ref().is_some_and(fits) {
            self.fresh.asked.clear();
            self.fresh.places.clear();
            for probe in plan.probes.values() {
                self.fresh.asked.entry(probe.about.clone()).or_default().push(probe.id.clone());
            }
            self.fresh.fits = Some((plan.digest.clone(), plan.probes.len()));
        }
    }

    /// Whether a finding may belong to an incident at all.
    fn counts(&self, finding: &Finding) -> bool {
        finding.weight >= Weight::Warns && self.known.dismissed.get(&finding.id) != Some(&finding.weight)
    }

    /// Whether the edge saw the cause of an incident, now or when it began.
    fn is_of_the_edge(&self, incident: &Incident) -> bool {
        let cases = self.cases(&incident.diagnosis.findings);
        cases.iter().any(|case| case.finding.about.kind == Kind::Service)
    }

    fn cases(&self, findings: &BTreeSet<FindingId>) -> Vec<&Case> {
        findings.iter().filter_map(|id| self.known.cases.get(id)).collect()
    }

    /// When the cause itself ended, while other findings of the incident go on.
    fn mended(&self, cause: &Thing, cases: &[&Case]) -> Option<Time> {
        let own = || cases.iter().copied().filter(|case| case.finding.about == *cause);
        if cause.kind == Kind::Service && own().next().is_none() {
            mend::last_closed(cases.iter().copied())
        } else {
            mend::last_closed(own())
        }
    }

    /// Finds out where every finding belongs.
    fn sort(&self, plan: &Plan, seen: &Seen<'_>) -> Sorted {
        let counted: Vec<&Finding> = seen.findings.values().filter(|finding| self.counts(finding)).collect();
        let roots = cause::roots(&plan.graph, &self.fresh.places, &counted);
        let by_id: BTreeMap<FindingId, &Finding> =
            counted.iter().map(|finding| (finding.id, *finding)).collect();
        // Whether anything is wrong with a thing, and whether all of that hurts.
        let mut about: BTreeMap<&Thing, bool> = BTreeMap::new();
        for finding in &counted {
            let all_hurt = about.entry(&finding.about).or_insert(true);
            *all_hurt &= hurts(finding);
        }
        let mut sorted = Sorted::default();
        let mut claims: BTreeMap<Thing, IncidentId> = BTreeMap::new();
        let mut home: BTreeMap<FindingId, IncidentId> = BTreeMap::new();
        // A service that surges as part of an incident brings its failing names along.
        let mut shared: BTreeMap<Thing, IncidentId> = BTreeMap::new();

        for incident in self.known.open() {
            let members: Vec<&Finding> =
                incident.diagnosis.findings.iter().filter_map(|id| by_id.get(id).copied()).collect();
            let cause = followed(&plan.graph, &incident.diagnosis.cause, &members, &roots);
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
            let joins = || {
                let mut open = self.known.open().filter(|incident| incident.diagnosis.wakes);
                let open = open.find(|incident| {
                    let Some(cause) = sorted.causes.get(&incident.id) else { return false };
                    match cause.kind {
                        // A service at fault takes in further names of its own; too many visitors explain no
                        // certificate.
                        Kind::Service => {
                            is_endpoint(root.kind)
                                && hurts(finding)
                                && (traffic::is_of_overload(&finding.fault) || !self.is_of_the_edge(incident))
                                && self.fresh.places.of(&plan.graph, root).services.contains(cause)
                        }
                        // A mended cause still explains what caches hand out.
                        Kind::Domain | Kind::Dns => {
                            hurts(finding)
                                && about.get(cause) != Some(&false)
                                && self.fresh.places.of(&plan.graph, &finding.about).under.contains(cause)
                        }
                        _ => false,
                    }
                });
                open.map(|incident| incident.id)
            };
            let goes_on = || {
                let mut open = self.known.open().filter(|incident| incident.diagnosis.wakes);
                let goes_on = |incident: &&Incident| {
                    let cause = sorted.causes.get(&incident.id);
                    cause.is_some_and(|cause| traffic::goes_on(plan, finding, cause))
                };
                open.find(goes_on).map(|incident| incident.id)
            };
            match claims
                .get(root)
                .or_else(|| shared.get(root))
                .copied()
                .or_else(stays)
                .or_else(joins)
                .or_else(goes_on)
            {
                Some(incident) => _ = sorted.members.entry(incident).or_default().insert(finding.id),
                None => _ = sorted.groups.entry(root.clone()).or_default().insert(finding.id),
            }
        }
        sorted
    }

    /// Opens an incident once its findings have settled.
    fn begin(
        &mut self,
        plan: &Plan,
        now: Time,
        seen: &Seen<'_>,
        cause: &Thing,
        findings: &BTreeSet<FindingId>,
        sorted: &Sorted,
    ) -> Option<(Time, Diagnosis)> {
        let cases = self.cases(findings);
        let asked = |thing: &Thing| self.fresh.asked.contains_key(thing);
        if let Err(until) = settle::settled(&plan.graph, &self.fresh.places, &asked, cause, &cases, now, seen)
        {
            self.wake_at(until);
            return None;
        }
        let since = cases.iter().map(|case| case.finding.since).min()?;
        let diagnosis = self.diagnosis(plan, now, seen, cause, &cases, sorted);
        Some((since, diagnosis))
    }

    fn wake_at(&mut self, at: Time) {
        self.fresh.next = Some(self.fresh.next.map_or(at, |next| next.min(at)));
    }

    /// Follows an open incident: a better diagnosis, or its end.
    fn follow(
        &mut self,
        plan: &Plan,
        now: Time,
        seen: &Seen<'_>,
        id: IncidentId,
        parts: &[IncidentId],
        sorted: &Sorted,
    ) -> Option<Happened> {
        let incident = self.known.incidents.get(&id)?;
        let cause = sorted.causes.get(&id).unwrap_or(&incident.diagnosis.cause);
        let open = sorted.members.get(&id).cloned().unwrap_or_default();
        // Closed ones stay part of the story; open ones that moved elsewhere do not.
        let of_parts = parts.iter().filter_map(|part| self.known.incidents.get(part));
        let mut findings: BTreeSet<FindingId> = of_parts
            .chain([incident])
            .flat_map(|incident| incident.diagnosis.findings.iter().copied())
            .filter(|id| self.known.cases.get(id).is_some_and(|case| case.closed.is_some()))
            .collect();
        findings.extend(&open);
        let cases = self.cases(&findings);
        // Findings that belong elsewhere now leave before anything ends: their incident goes with them when it is the last.
        let left: BTreeSet<FindingId> = (incident.diagnosis.findings.iter().copied())
            .filter(|id| seen.findings.contains_key(id) && !open.contains(id))
            .collect();
        if open.is_empty() && parts.is_empty() && !left.is_empty() {
            let home = |id: &FindingId| {
                sorted.members.iter().find(|(_, all)| all.contains(id)).map(|(home, _)| *home)
            };
            let homes: BTreeSet<Option<IncidentId>> = left.iter().map(home).collect();
            if let (1, Some(Some(into))) = (homes.len(), homes.first().copied()) {
                return Some(Happened::IncidentMerged { incident: id, into });
            }
        }
        let mut calm = None;
        if open.is_empty() && parts.is_empty() && left.is_empty() {
            let closed = mend::last_closed(cases.iter().copied()).unwrap_or(now);
            let waves = cases.iter().any(|case| traffic::comes_in_waves(&case.finding.fault));
            calm = waves.then(|| later(closed, BETWEEN_WAVES)).filter(|calm| now < *calm);
            if calm.is_none() && self.verified(plan, seen, cause, &cases, closed) {
                return Some(self.end(plan, seen, incident, cause, &cases, closed));
            }
        }
        let mut diagnosis = self.diagnosis(plan, now, seen, cause, &cases, sorted);
        // Once it had to wake somebody it does so until it ends: a page must not fall silent half way.
        diagnosis.wakes |= incident.diagnosis.wakes;
        if diagnosis == incident.diagnosis {
            calm.into_iter().for_each(|calm| self.wake_at(calm));
            return None;
        }
        let was = &incident.diagnosis;
        let matters = diagnosis.cause != was.cause
            || diagnosis.stage != was.stage
            || diagnosis.wakes != was.wakes
            || diagnosis.affected != was.affected
            || !left.is_empty();
        let told = self.known.memories.get(&id).map_or(incident.opened, |memory| memory.diagnosed);
        let due = later(told, DETAILS_EVERY);
        if !matters && now < due {
            self.wake_at(calm.map_or(due, |calm| due.min(calm)));
            return None;
        }
        Some(Happened::IncidentDiagnosed { incident: id, diagnosis })
    }

    /// Whether everything that had failed was seen well since the last finding closed.
    fn verified(&self, plan: &Plan, seen: &Seen<'_>, cause: &Thing, cases: &[&Case], closed: Time) -> bool {
        // What fails for a reason of its own has an incident of its own, or was set aside by a person.
        let own_reason: BTreeSet<&Thing> =
            seen.findings.values().filter(|finding| hurts(finding)).map(|finding| &finding.about).collect();
        let excused = |thing: &Thing| {
            !self.fresh.asked.contains_key(thing)
                || own_reason.contains(thing)
                || plan.graph.beneath(thing).iter().any(|below| own_reason.contains(below))
        };
        let to_verify = mend::to_verify(&plan.graph, cause, cases);
        to_verify.iter().all(|thing| excused(thing) || mend::seen_well((seen.looked)(thing), closed))
    }

    fn end(
        &self,
        plan: &Plan,
        seen: &Seen<'_>,
        incident: &Incident,
        cause: &Thing,
        cases: &[&Case],
        closed: Time,
    ) -> Happened {
        let scope = scope::scope(plan, cause, cases, Some(closed), seen, &Well::default());
        let facts = Facts { plan, now: closed, cause, cases, scope: &scope, mended: None };
        let nobody = BTreeSet::new();
        let affected = self.known.memories.get(&incident.id).map_or(&nobody, |memory| &memory.affected);
        let sentence = facts.story(affected, incident.since, closed);
        Happened::IncidentResolved { incident: incident.id, sentence }
    }

    fn diagnosis(
        &self,
        plan: &Plan,
        now: Time,
        seen: &Seen<'_>,
        cause: &Thing,
        cases: &[&Case],
        sorted: &Sorted,
    ) -> Diagnosis {
        let mended = self.mended(cause, cases);
        let well = sorted.well.get_or_init(|| Well::now(plan, seen));
        let scope = scope::scope(plan, cause, cases, mended, seen, well);
        let sentence = Facts { plan, now, cause, cases, scope: &scope, mended }.present();
        let known = cases.iter().any(|case| case.finding.about == *cause);
        let others_hurt = cases.iter().any(|case| case.closed.is_none() && hurts(&case.finding));
        let stage = match mended {
            // The surge is over and something still fails: there is another cause, which is not known yet.
            Some(_) if cause.kind == Kind::Service && known && others_hurt => Stage::Looking,
            Some(_) => Stage::Mending,
            None if cause.kind == Kind::Service && !known => Stage::Looking,
            None => Stage::Failing,
        };
        let open_breaks =
            cases.iter().any(|case| case.closed.is_none() && case.finding.weight == Weight::Breaks);
        Diagnosis {
            cause: cause.clone(),
            sentence,
            findings: cases.iter().map(|case| case.finding.id).collect(),
            affected: scope.affected,
            unaffected: scope.unaffected,
            wakes: open_breaks,
            stage,
        }
    }
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
