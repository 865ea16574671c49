//! The thinker itself: alerts in, incidents out.

use crate::cause::{date_ahead, hurts, wakes};
use crate::known::{Case, Known};
use crate::mend;
use crate::place::Places;
use crate::scope::{self, Well};
use crate::settle;
use crate::summary::Facts;
use crate::traffic;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;
use types::event::Event;
use types::incident::{Diagnosis, Stage};
use types::time::{between, later};
use types::{
    Alert, AlertId, Config, EventKind, Incident, IncidentId, Kind, LastResult, ProbeId, Resource, SeenAt,
    Severity, Time,
};

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
    /// Open alerts.
    pub alerts: &'a BTreeMap<AlertId, Alert>,
    /// When a thing was last looked at, and whether it was well.
    pub looked: &'a dyn Fn(&Resource) -> Option<LastResult>,
    /// What else is asked at the addresses, or behind the alias, where an alert was seen; at most so many.
    pub beside: &'a dyn Fn(&SeenAt, usize) -> BTreeSet<Resource>,
}

impl fmt::Debug for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen").field("alerts", self.alerts).finish_non_exhaustive()
    }
}

/// Turns alerts into incidents.
#[derive(Debug, Default)]
pub struct Diagnose {
    known: Known,
    fresh: Fresh,
}

/// Since boot: nothing that a decision could be lost with.
#[derive(Debug, Default)]
struct Fresh {
    /// Probes by what they are about, for the configuration with this digest and number of probes.
    asked: BTreeMap<Resource, Vec<ProbeId>>,
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
        if matches!(event.kind, EventKind::ConfigAdopted { .. }) {
            self.fresh.fits = None;
        }
    }

    /// What follows from the alerts as they are now. Asked again after its events were applied, it answers nothing.
    pub fn react(&mut self, config: &Config, now: Time, seen: &Seen<'_>) -> Vec<EventKind> {
        self.settle_in(config);
        let idle = self.known.memories.is_empty()
            && seen.alerts.values().all(|alert| alert.severity < Severity::Warning);
        if idle {
            self.fresh.next = None;
            self.fresh.changed = false;
            return Vec::new();
        }
        let free = self.free_at(config);
        if free.is_some_and(|free| now < free) {
            self.fresh.next = free;
            return Vec::new();
        }
        self.fresh.thought = Some(now);
        self.fresh.changed = false;
        self.fresh.next = self.reopens(seen).filter(|at| *at > now);

        for alert in seen.alerts.values() {
            self.fresh.places.learn(config, &alert.about);
        }
        for incident in self.known.open() {
            self.fresh.places.learn(config, &incident.diagnosis.cause);
        }
        let sorted = self.sort(config, now, seen);
        let mut events = Vec::new();
        for (incident, into) in &sorted.merged {
            events.push(EventKind::IncidentMerged { incident: *incident, into: *into });
        }
        let swallowed = |into: &IncidentId| {
            sorted.merged.iter().filter(|(_, to)| *to == into).map(|(from, _)| *from).collect()
        };
        let open: Vec<IncidentId> =
            self.known.memories.keys().filter(|id| !sorted.merged.contains_key(*id)).copied().collect();
        for id in open {
            let parts: Vec<IncidentId> = swallowed(&id);
            events.extend(self.follow(config, now, seen, id, &parts, &sorted));
        }
        let mut last = self.known.last_incident;
        for (cause, alerts) in &sorted.groups {
            if let Some((since, diagnosis)) = self.begin(config, now, seen, cause, alerts, &sorted) {
                last += 1;
                events.push(EventKind::IncidentOpened { incident: IncidentId(last), since, diagnosis });
            }
        }
        events
    }

    /// When to ask again if nothing else happens.
    #[must_use]
    pub fn next(&self, config: &Config, now: Time) -> Option<Time> {
        let free = self.free_at(config).map_or(now, |free| now.max(free));
        if self.fresh.changed { Some(free) } else { self.fresh.next }
    }

    /// The end of the pause after the last reaction; `None` without one.
    fn free_at(&self, config: &Config) -> Option<Time> {
        Some(later(self.fresh.thought?, config.reaction_pause()?))
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
    fn settle_in(&mut self, config: &Config) {
        let fits =
            |(digest, probes): &(String, usize)| *digest == config.digest && *probes == config.probes.len();
        if !self.fresh.fits.as_ref().is_some_and(fits) {
            self.fresh.asked.clear();
            self.fresh.places.clear();
            for probe in config.probes.values() {
                self.fresh.asked.entry(probe.about.clone()).or_default().push(probe.id.clone());
            }
            self.fresh.fits = Some((config.digest.clone(), config.probes.len()));
        }
    }

    /// Whether an alert may belong to an incident at all.
    fn counts(&self, alert: &Alert, now: Time, seen: &Seen<'_>) -> bool {
        alert.severity >= Severity::Warning
            && self.known.dismissed.get(&alert.id).is_none_or(|was| {
                was.severity != alert.severity
                    || reopen::is_back(alert, was.at, now, (seen.looked)(&alert.about))
            })
    }

    /// Whether the edge saw the cause of an incident, now or when it began.
    fn is_of_the_edge(&self, incident: &Incident) -> bool {
        let cases = self.cases(&incident.diagnosis.alerts);
        cases.iter().any(|case| case.alert.about.kind == Kind::Service)
    }

    fn cases(&self, alerts: &BTreeSet<AlertId>) -> Vec<&Case> {
        alerts.iter().filter_map(|id| self.known.cases.get(id)).collect()
    }

    /// When the cause itself ended, while other alerts of the incident go on.
    fn mended(&self, cause: &Resource, cases: &[&Case]) -> Option<Time> {
        let own = || cases.iter().copied().filter(|case| case.alert.about == *cause);
        if matches!(cause.kind, Kind::Service | Kind::Address | Kind::Host) && own().next().is_none() {
            mend::last_closed(cases.iter().copied())
        } else {
            mend::last_closed(own())
        }
    }

    /// Opens an incident once its alerts have settled.
    fn begin(
        &mut self,
        config: &Config,
        now: Time,
        seen: &Seen<'_>,
        cause: &Resource,
        alerts: &BTreeSet<AlertId>,
        sorted: &Sorted,
    ) -> Option<(Time, Diagnosis)> {
        let cases = self.cases(alerts);
        let asked = |resource: &Resource| self.fresh.asked.contains_key(resource);
        let looks = settle::Looks {
            graph: &config.graph,
            places: &self.fresh.places,
            asked: &asked,
            failing: &sorted.about,
        };
        if let Err(until) = settle::settled(&looks, cause, &cases, now, seen) {
            self.wake_at(until);
            return None;
        }
        let since = cases.iter().map(|case| case.alert.since).min()?;
        let diagnosis = self.diagnosis(config, now, seen, cause, &cases, sorted);
        Some((since, diagnosis))
    }

    fn wake_at(&mut self, at: Time) {
        self.fresh.next = Some(self.fresh.next.map_or(at, |next| next.min(at)));
    }

    /// Follows an open incident: a better diagnosis, or its end.
    fn follow(
        &mut self,
        config: &Config,
        now: Time,
        seen: &Seen<'_>,
        id: IncidentId,
        parts: &[IncidentId],
        sorted: &Sorted,
    ) -> Option<EventKind> {
        let incident = self.known.incidents.get(&id)?;
        let cause = sorted.causes.get(&id).unwrap_or(&incident.diagnosis.cause);
        let open = sorted.members.get(&id).cloned().unwrap_or_default();
        // Closed ones stay part of the story; open ones that moved elsewhere do not.
        let of_parts = parts.iter().filter_map(|part| self.known.incidents.get(part));
        let mut alerts: BTreeSet<AlertId> = of_parts
            .chain([incident])
            .flat_map(|incident| incident.diagnosis.alerts.iter().copied())
            .filter(|id| self.known.cases.get(id).is_some_and(|case| case.closed.is_some()))
            .collect();
        alerts.extend(&open);
        let cases = self.cases(&alerts);
        // Alerts that belong elsewhere now leave before anything ends: their incident goes with them when it is the last.
        let left: BTreeSet<AlertId> = (incident.diagnosis.alerts.iter().copied())
            .filter(|id| seen.alerts.contains_key(id) && !open.contains(id))
            .collect();
        if open.is_empty() && parts.is_empty() && !left.is_empty() {
            let home =
                |id: &AlertId| sorted.members.iter().find(|(_, all)| all.contains(id)).map(|(home, _)| *home);
            let homes: BTreeSet<Option<IncidentId>> = left.iter().map(home).collect();
            if let (1, Some(Some(into))) = (homes.len(), homes.first().copied()) {
                return Some(EventKind::IncidentMerged { incident: id, into });
            }
        }
        let mut calm = None;
        if open.is_empty() && parts.is_empty() && left.is_empty() {
            if let Some(into) = self.heir(seen, id, &cases, sorted) {
                return Some(EventKind::IncidentMerged { incident: id, into });
            }
            let closed = mend::last_closed(cases.iter().copied()).unwrap_or(now);
            let span = self.watched_for(incident, cause, &cases);
            calm = span.map(|span| later(closed, span)).filter(|calm| now < *calm);
            if calm.is_none() && self.verified(config, seen, cause, &cases, closed) {
                return Some(self.end(config, seen, incident, cause, &cases, closed));
            }
        }
        let mut diagnosis = self.diagnosis(config, now, seen, cause, &cases, sorted);
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
        Some(EventKind::IncidentDiagnosed { incident: id, diagnosis })
    }

    /// How long an incident is watched when nothing of it fails any more.
    fn watched_for(&self, incident: &Incident, cause: &Resource, cases: &[&Case]) -> Option<Duration> {
        let waves = || cases.iter().any(|case| traffic::comes_in_waves(&case.alert.fault));
        match () {
            () if self.comes_and_goes(incident, cause) => Some(BETWEEN_FAILURES),
            () if waves() => Some(BETWEEN_WAVES),
            () => None,
        }
    }

    /// Whether the same had failed and was over a moment before an incident began: people are not told each time that it is
    /// over, and called again.
    fn comes_and_goes(&self, incident: &Incident, cause: &Resource) -> bool {
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
            let mut homes: BTreeMap<Resource, Vec<(AlertId, IncidentId)>> = BTreeMap::new();
            for (incident, alerts) in &sorted.members {
                for alert in alerts.iter().filter_map(|alert| seen.alerts.get(alert)) {
                    homes.entry(alert.about.clone()).or_default().push((alert.id, *incident));
                }
            }
            homes
        });
        let took_over = |case: &&Case| {
            let opened = |alert: &AlertId| self.known.cases.get(alert).map(|case| case.opened);
            let mut others = homes.get(&case.alert.about).into_iter().flatten();
            let heir = others.find(|(alert, home)| *home != id && opened(alert) == case.closed);
            heir.map(|(_, home)| *home)
        };
        cases.iter().copied().filter(|case| hurts(&case.alert)).find_map(|case| took_over(&case))
    }

    /// Whether everything that had failed was seen well since the last alert closed.
    fn verified(
        &self,
        config: &Config,
        seen: &Seen<'_>,
        cause: &Resource,
        cases: &[&Case],
        closed: Time,
    ) -> bool {
        // What fails for a reason of its own has an incident of its own, or was set aside by a person.
        let own_reason: BTreeSet<&Resource> =
            seen.alerts.values().filter(|alert| hurts(alert)).map(|alert| &alert.about).collect();
        let excused = |resource: &Resource| {
            !self.fresh.asked.contains_key(resource)
                || own_reason.contains(resource)
                || config.graph.beneath(resource).iter().any(|below| own_reason.contains(below))
        };
        let to_verify = mend::to_verify(&config.graph, cause, cases);
        to_verify.iter().all(|resource| excused(resource) || mend::seen_well((seen.looked)(resource), closed))
    }

    fn end(
        &self,
        config: &Config,
        seen: &Seen<'_>,
        incident: &Incident,
        cause: &Resource,
        cases: &[&Case],
        closed: Time,
    ) -> EventKind {
        let scope = scope::scope(config, cause, cases, Some(closed), seen, &Well::default());
        let facts = Facts { config, now: closed, cause, cases, scope: &scope, mended: None };
        let nobody = BTreeSet::new();
        let affected = self.known.memories.get(&incident.id).map_or(&nobody, |memory| &memory.affected);
        let summary = facts.story(affected, incident.since, closed);
        EventKind::IncidentResolved { incident: incident.id, summary }
    }

    fn diagnosis(
        &self,
        config: &Config,
        now: Time,
        seen: &Seen<'_>,
        cause: &Resource,
        cases: &[&Case],
        sorted: &Sorted,
    ) -> Diagnosis {
        let mended = self.mended(cause, cases);
        let well = sorted.well.get_or_init(|| Well::now(config, seen));
        let scope = scope::scope(config, cause, cases, mended, seen, well);
        let summary = Facts { config, now, cause, cases, scope: &scope, mended }.present();
        let known = cases.iter().any(|case| case.alert.about == *cause);
        let others_hurt = cases.iter().any(|case| case.closed.is_none() && hurts(&case.alert));
        let stage = match mended {
            // The surge is over and something still fails: there is another cause, which is not known yet.
            Some(_) if cause.kind == Kind::Service && known && others_hurt => Stage::Looking,
            Some(_) => Stage::Mending,
            None if cause.kind == Kind::Service && !known => Stage::Looking,
            None => Stage::Failing,
        };
        let open = || cases.iter().filter(|case| case.closed.is_none()).map(|case| &case.alert);
        let dates: Option<Vec<Time>> =
            open().filter(|alert| wakes(alert)).map(|alert| date_ahead(&alert.fault)).collect();
        Diagnosis {
            cause: cause.clone(),
            summary,
            alerts: cases.iter().map(|case| case.alert.id).collect(),
            affected: scope.affected,
            unaffected: scope.unaffected,
            wakes: open().any(wakes),
            stage,
            ahead: dates.and_then(|dates| dates.into_iter().min()),
            calm: open().next().is_none(),
        }
    }
}
