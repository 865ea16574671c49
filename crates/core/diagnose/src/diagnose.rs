//! The thinker itself: findings in, incidents out.

use crate::cause::{date_ahead, hurts, wakes};
use crate::known::{Case, Known};
use crate::mend;
use crate::place::Places;
use crate::scope::{self, Well};
use crate::sentence::Facts;
use crate::settle;
use crate::traffic;
use types::event::Event;
use types::incident::{Diagnosis, Stage};
use types::time::{between, later};
use types::{
    Finding, FindingId, Happened, Incident, IncidentId, Kind, Looked, Plan, ProbeId, SeenAt, Thing, Time,
    Weight,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

mod reopen;
mod sort;
mod wanted;

use sort::Sorted;

/// A diagnosis that only counts differently is not told again before this long.
const DETAILS_EVERY: Duration = Duration::from_secs(5);
/// Shortest time between two diagnoses of a large incident that differ in the affected services: each lists all of them.
const SPREAD_EVERY: Duration = Duration::from_secs(1);
/// Number of affected services from which on an incident is large.
const LARGE_INCIDENT: usize = 100;
/// How far the trouble reaches is looked at for this long after an incident opened.
const REACH_SPAN: Duration = Duration::from_secs(60);
/// What comes in waves has ended when nothing came for so long.
const BETWEEN_WAVES: Duration = Duration::from_secs(30);
/// What failed again so soon after it was over comes and goes.
const AGAIN_WITHIN: Duration = Duration::from_secs(600);
/// What comes and goes is over when nothing failed for so long.
const BETWEEN_FAILURES: Duration = Duration::from_secs(90);

/// What `watch` sees.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// Open findings.
    pub findings: &'a BTreeMap<FindingId, Finding>,
    /// When a thing was last looked at, and whether it was well.
    pub looked: &'a dyn Fn(&Thing) -> Option<Looked>,
    /// What else is asked at the addresses, or behind the alias, where a finding was seen; at most so many.
    pub beside: &'a dyn Fn(&SeenAt, usize) -> BTreeSet<Thing>,
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
        let free = self.free_at(plan);
        if free.is_some_and(|free| now < free) {
            self.fresh.next = free;
            return Vec::new();
        }
        self.fresh.thought = Some(now);
        self.fresh.changed = false;
        self.fresh.next = self.reopens(seen).filter(|at| *at > now);

        for finding in seen.findings.values() {
            self.fresh.places.learn(plan, &finding.about);
        }
        for incident in self.known.open() {
            self.fresh.places.learn(plan, &incident.diagnosis.cause);
        }
        let sorted = self.sort(plan, now, seen);
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
        let free = self.free_at(plan).map_or(now, |free| now.max(free));
        if self.fresh.changed { Some(free) } else { self.fresh.next }
    }

    /// The end of the pause after the last reaction; `None` without one.
    fn free_at(&self, plan: &Plan) -> Option<Time> {
        Some(later(self.fresh.thought?, plan.reaction_pause()?))
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
    fn counts(&self, finding: &Finding, now: Time, seen: &Seen<'_>) -> bool {
        finding.weight >= Weight::Warns
            && self.known.dismissed.get(&finding.id).is_none_or(|was| {
                was.weight != finding.weight
                    || reopen::is_back(finding, was.at, now, (seen.looked)(&finding.about))
            })
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
        if matches!(cause.kind, Kind::Service | Kind::Address | Kind::Host) && own().next().is_none() {
            mend::last_closed(cases.iter().copied())
        } else {
            mend::last_closed(own())
        }
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
        let looks = settle::Looks {
            graph: &plan.graph,
            places: &self.fresh.places,
            asked: &asked,
            failing: &sorted.about,
        };
        if let Err(until) = settle::settled(&looks, cause, &cases, now, seen) {
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
            if let Some(into) = self.heir(seen, id, &cases, sorted) {
                return Some(Happened::IncidentMerged { incident: id, into });
            }
            let closed = mend::last_closed(cases.iter().copied()).unwrap_or(now);
            let span = self.watched_for(incident, cause, &cases);
            calm = span.map(|span| later(closed, span)).filter(|calm| now < *calm);
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
        let spread = diagnosis.affected != was.affected;
        let is_large = was.affected.len() >= LARGE_INCIDENT;
        let matters = diagnosis.cause != was.cause
            || diagnosis.stage != was.stage
            || diagnosis.wakes != was.wakes
            || diagnosis.ahead != was.ahead
            || diagnosis.calm != was.calm
            || (spread && !is_large)
            || !left.is_empty();
        let told = self.known.memories.get(&id).map_or(incident.opened, |memory| memory.diagnosed);
        let due = later(told, if spread && is_large { SPREAD_EVERY } else { DETAILS_EVERY });
        if !matters && now < due {
            self.wake_at(calm.map_or(due, |calm| due.min(calm)));
            return None;
        }
        Some(Happened::IncidentDiagnosed { incident: id, diagnosis })
    }

    /// How long an incident is watched when nothing of it fails any more.
    fn watched_for(&self, incident: &Incident, cause: &Thing, cases: &[&Case]) -> Option<Duration> {
        let waves = || cases.iter().any(|case| traffic::comes_in_waves(&case.finding.fault));
        match () {
            () if self.comes_and_goes(incident, cause) => Some(BETWEEN_FAILURES),
            () if waves() => Some(BETWEEN_WAVES),
            () => None,
        }
    }

    /// Whether the same had failed and was over a moment before an incident began: people are not told each time that it is
    /// over, and called again.
    fn comes_and_goes(&self, incident: &Incident, cause: &Thing) -> bool {
        let before = self.known.incidents.values().filter(|other| other.diagnosis.wakes);
        let ends = before.filter(|other| other.id < incident.id && other.diagnosis.cause == *cause);
        let mut ends = ends.filter_map(|other| other.resolved);
        incident.diagnosis.wakes
            && ends.any(|end| end <= incident.opened && between(end, incident.opened) < AGAIN_WITHIN)
    }

    /// The incident that goes on where this one seems to end: one fault took the place of another, and the new one is part
    /// of something larger. Nobody is told that it is over then.
    fn heir(&self, seen: &Seen<'_>, id: IncidentId, cases: &[&Case], sorted: &Sorted) -> Option<IncidentId> {
        let homes = sorted.homes.get_or_init(|| {
            let mut homes: BTreeMap<Thing, Vec<(FindingId, IncidentId)>> = BTreeMap::new();
            for (incident, findings) in &sorted.members {
                for finding in findings.iter().filter_map(|finding| seen.findings.get(finding)) {
                    homes.entry(finding.about.clone()).or_default().push((finding.id, *incident));
                }
            }
            homes
        });
        let took_over = |case: &&Case| {
            let opened = |finding: &FindingId| self.known.cases.get(finding).map(|case| case.opened);
            let mut others = homes.get(&case.finding.about).into_iter().flatten();
            let heir = others.find(|(finding, home)| *home != id && opened(finding) == case.closed);
            heir.map(|(_, home)| *home)
        };
        cases.iter().copied().filter(|case| hurts(&case.finding)).find_map(|case| took_over(&case))
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
        let open = || cases.iter().filter(|case| case.closed.is_none()).map(|case| &case.finding);
        let dates: Option<Vec<Time>> =
            open().filter(|finding| wakes(finding)).map(|finding| date_ahead(&finding.fault)).collect();
        Diagnosis {
            cause: cause.clone(),
            sentence,
            findings: cases.iter().map(|case| case.finding.id).collect(),
            affected: scope.affected,
            unaffected: scope.unaffected,
            wakes: open().any(wakes),
            stage,
            ahead: dates.and_then(|dates| dates.into_iter().min()),
            calm: open().next().is_none(),
        }
    }
}
