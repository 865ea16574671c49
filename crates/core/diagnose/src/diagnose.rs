//! Alerts in, incidents out.

use crate::debounce;
use crate::impact::{date_ahead, hurts, wakes};
use crate::recovery;
use crate::scope::{self, Healthy};
use crate::state::{Case, State};
use crate::summary::{self, Facts, NearestChange};
use crate::symptoms;
use crate::topology::Topology;
use crate::traffic;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::event::Event;
use types::incident::{Diagnosis, Stage};
use types::time::{between, later};
use types::{
    Alert, AlertId, Config, Context, EventKind, Events, Fault, Incident, IncidentId, Kind, LikelyCause,
    ProbeId, Resource, Severity, Time,
};

mod assignment;
mod early;
mod reopen;

use assignment::Assignment;

/// Shortest time between two diagnoses that differ in details only.
const DETAILS_INTERVAL: Duration = Duration::from_secs(5);
/// Shortest time between two diagnoses of a large incident that differ in the affected services: each lists all of
/// them.
const SPREAD_INTERVAL: Duration = Duration::from_secs(1);
/// Number of affected services from which on an incident is large.
const LARGE_INCIDENT: usize = 100;
/// Time after the opening during which the scope is measured with early probes.
const SCOPE_FOR: Duration = Duration::from_secs(60);
/// Monitoring time after a fault that comes in waves: clients that the edge holds back after a surge are let in again
/// within about a minute, and what the surge left behind fails only then.
const RECURRENT_FOR: Duration = Duration::from_secs(90);
/// A cause that fails again within this time after an incident is flapping.
const FLAPPING_WITHIN: Duration = Duration::from_secs(600);
/// Monitoring time after a flapping cause.
const FLAPPING_FOR: Duration = Duration::from_secs(90);

/// Groups alerts into incidents.
#[derive(Debug, Default)]
pub struct Diagnose {
    state: State,
    volatile: Volatile,
}

/// Caches and timers since boot.
#[derive(Debug, Default)]
struct Volatile {
    /// Probes by resource, for the configuration with this digest and number of probes.
    probes: BTreeMap<Resource, Vec<ProbeId>>,
    fits: Option<(String, usize)>,
    topology: Topology,
    /// Whether an event was folded since the last reaction.
    changed: bool,
    last_reaction: Option<Time>,
    next: Option<Time>,
}

impl Diagnose {
    /// Folds one event. Events about unknown items change nothing.
    pub fn apply(&mut self, event: &Event) {
        self.state.apply(event);
        self.volatile.changed = true;
        if matches!(event.kind, EventKind::ConfigAdopted { .. }) {
            self.volatile.fits = None;
        }
    }

    /// Adds the events that follow from alerts and results: nothing when called again after they were applied.
    pub fn react(&mut self, context: &Context<'_>, events: &mut Events) {
        let Context { config, now, .. } = *context;
        self.follow_config(config);
        let idle = self.state.histories.is_empty()
            && context.alerts.values().all(|alert| alert.severity < Severity::Warning);
        if idle {
            self.volatile.next = None;
            self.volatile.changed = false;
            return;
        }
        let pause_end = self.pause_end(config);
        if pause_end.is_some_and(|end| now < end) {
            self.volatile.next = pause_end;
            return;
        }
        self.volatile.last_reaction = Some(now);
        self.volatile.changed = false;
        self.volatile.next = self.reopens(context).filter(|at| *at > now);

        for alert in context.alerts.values() {
            self.volatile.topology.learn(config, &alert.about);
        }
        for incident in self.state.open() {
            self.volatile.topology.learn(config, &incident.diagnosis.cause);
        }
        let assignment = self.assign(context);
        for (incident, into) in &assignment.merged {
            events.push(EventKind::IncidentMerged { incident: *incident, into: *into });
        }
        let merged_into = |into: &IncidentId| {
            assignment.merged.iter().filter(|(_, to)| *to == into).map(|(from, _)| *from).collect()
        };
        let open: Vec<IncidentId> =
            self.state.histories.keys().filter(|id| !assignment.merged.contains_key(*id)).copied().collect();
        for id in open {
            let parts: Vec<IncidentId> = merged_into(&id);
            events.extend(self.update(context, id, &parts, &assignment));
        }
        let mut last = self.state.last_incident;
        for (cause, alerts) in &assignment.groups {
            if let Some((since, diagnosis)) = self.opening(context, cause, alerts, &assignment) {
                last += 1;
                events.push(EventKind::IncidentOpened { incident: IncidentId(last), since, diagnosis });
            }
        }
    }

    /// Time of the next reaction if nothing else happens.
    #[must_use]
    pub fn next_deadline(&self, context: &Context<'_>) -> Option<Time> {
        let now = context.now;
        let pause_end = self.pause_end(context.config).map_or(now, |end| now.max(end));
        if self.volatile.changed { Some(pause_end) } else { self.volatile.next }
    }

    /// End of the pause after the last reaction; `None` without one.
    fn pause_end(&self, config: &Config) -> Option<Time> {
        Some(later(self.volatile.last_reaction?, config.reaction_pause()?))
    }

    /// Open incidents and the last 200 ended ones.
    #[must_use]
    pub fn incidents(&self) -> &BTreeMap<IncidentId, Incident> {
        &self.state.incidents
    }

    /// Everything folded from events, as text: equal for two folds of one journal.
    #[must_use]
    pub fn state_text(&self) -> String {
        format!("{:#?}", self.state)
    }
}

impl Diagnose {
    fn follow_config(&mut self, config: &Config) {
        let fits =
            |(digest, probes): &(String, usize)| *digest == config.digest && *probes == config.probes.len();
        if !self.volatile.fits.as_ref().is_some_and(fits) {
            self.volatile.probes.clear();
            self.volatile.topology.clear();
            for probe in config.probes.values() {
                self.volatile.probes.entry(probe.about.clone()).or_default().push(probe.id.clone());
            }
            self.volatile.fits = Some((config.digest.clone(), config.probes.len()));
        }
    }

    /// Whether an alert can belong to an incident.
    fn counts(&self, alert: &Alert, context: &Context<'_>) -> bool {
        alert.severity >= Severity::Warning
            && self.state.dismissed.get(&alert.id).is_none_or(|was| {
                was.severity != alert.severity
                    || reopen::is_back(alert, was.at, context.now, context.last_result(&alert.about))
            })
    }

    /// Whether the edge measured the cause of an incident, now or at its start.
    fn is_edge_incident(&self, incident: &Incident) -> bool {
        let cases = self.cases(&incident.diagnosis.alerts);
        let is_of_edge = |case: &&Case| {
            case.alert.about.kind == Kind::Service && !matches!(case.alert.fault, Fault::External { .. })
        };
        cases.iter().any(is_of_edge)
    }

    fn cases(&self, alerts: &BTreeSet<AlertId>) -> Vec<&Case> {
        alerts.iter().filter_map(|id| self.state.cases.get(id)).collect()
    }

    /// Recovery time of the cause, while other alerts of the incident are open.
    fn recovered_at(&self, cause: &Resource, cases: &[&Case]) -> Option<Time> {
        let own = || cases.iter().copied().filter(|case| case.alert.about == *cause);
        if matches!(cause.kind, Kind::Service | Kind::Address | Kind::Host | Kind::Location)
            && own().next().is_none()
        {
            recovery::last_closed(cases.iter().copied())
        } else {
            recovery::last_closed(own())
        }
    }

    /// The opening of an incident, once its alerts are debounced.
    fn opening(
        &mut self,
        context: &Context<'_>,
        cause: &Resource,
        alerts: &BTreeSet<AlertId>,
        assignment: &Assignment,
    ) -> Option<(Time, Diagnosis)> {
        let cases = self.cases(alerts);
        let has_probe = |resource: &Resource| self.volatile.probes.contains_key(resource);
        let checks = debounce::Checks {
            graph: &context.config.graph,
            topology: &self.volatile.topology,
            has_probe: &has_probe,
            failing: &assignment.about,
        };
        if let Err(until) = debounce::debounced(&checks, cause, &cases, context) {
            self.wake_at(until);
            return None;
        }
        let since = cases.iter().map(|case| case.alert.since).min()?;
        let diagnosis = self.diagnosis(context, cause, &cases, &[], assignment);
        Some((since, diagnosis))
    }

    fn wake_at(&mut self, at: Time) {
        self.volatile.next = Some(self.volatile.next.map_or(at, |next| next.min(at)));
    }

    /// Update of an open incident: a merge, a new diagnosis, or its end.
    fn update(
        &mut self,
        context: &Context<'_>,
        id: IncidentId,
        parts: &[IncidentId],
        assignment: &Assignment,
    ) -> Option<EventKind> {
        let now = context.now;
        let incident = self.state.incidents.get(&id)?;
        let cause = assignment.causes.get(&id).unwrap_or(&incident.diagnosis.cause);
        let open = assignment.members.get(&id).cloned().unwrap_or_default();
        // Closed alerts stay part of the incident; open ones that moved to another do not.
        let of_parts = parts.iter().filter_map(|part| self.state.incidents.get(part));
        let mut alerts: BTreeSet<AlertId> = of_parts
            .chain([incident])
            .flat_map(|incident| incident.diagnosis.alerts.iter().copied())
            .filter(|id| self.state.cases.get(id).is_some_and(|case| case.closed.is_some()))
            .collect();
        alerts.extend(&open);
        let cases = self.cases(&alerts);
        // Alerts that belong to another incident leave first. With the last one the incident is merged.
        let left: BTreeSet<AlertId> = (incident.diagnosis.alerts.iter().copied())
            .filter(|id| context.alerts.contains_key(id) && !open.contains(id))
            .collect();
        if open.is_empty()
            && parts.is_empty()
            && !left.is_empty()
            && let Some(into) = assignment.common_incident(&left)
        {
            return Some(EventKind::IncidentMerged { incident: id, into });
        }
        let mut calm = None;
        if open.is_empty() && parts.is_empty() && left.is_empty() {
            if let Some(into) = self.successor(context, id, &cases, assignment) {
                return Some(EventKind::IncidentMerged { incident: id, into });
            }
            let closed = recovery::last_closed(cases.iter().copied()).unwrap_or(now);
            let span = self.monitoring_time(incident, cause, &cases);
            calm = span.map(|span| later(closed, span)).filter(|calm| now < *calm);
            if calm.is_none() && self.verified(context, cause, &cases, closed) {
                return Some(self.resolution(context, incident, cause, &cases, closed));
            }
        }
        let mut diagnosis = self.diagnosis(context, cause, &cases, &incident.likely_causes, assignment);
        // An incident with a page keeps it until it ends.
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
            || !left.is_empty()
            || self.reaches_further(&diagnosis.alerts, &was.alerts);
        let last = self.state.histories.get(&id).map_or(incident.opened, |history| history.diagnosed);
        let due = later(last, if spread && is_large { SPREAD_INTERVAL } else { DETAILS_INTERVAL });
        if !matters && now < due {
            self.wake_at(calm.map_or(due, |calm| due.min(calm)));
            return None;
        }
        Some(EventKind::IncidentDiagnosed { incident: id, diagnosis })
    }

    /// Whether alerts include one that users notice, about a kind of resource without such an alert before: a further layer
    /// fails, which people on call learn at once.
    fn reaches_further(&self, alerts: &BTreeSet<AlertId>, before: &BTreeSet<AlertId>) -> bool {
        let kinds = |alerts: &BTreeSet<AlertId>| -> BTreeSet<Kind> {
            let hurting = self.cases(alerts).into_iter().filter(|case| hurts(&case.alert));
            hurting.map(|case| case.alert.about.kind).collect()
        };
        alerts != before && !kinds(alerts).is_subset(&kinds(before))
    }

    /// Time for which an incident is monitored after nothing of it fails any more.
    fn monitoring_time(&self, incident: &Incident, cause: &Resource, cases: &[&Case]) -> Option<Duration> {
        let recurrent = || cases.iter().any(|case| traffic::is_recurrent(&case.alert.fault));
        match () {
            () if self.is_flapping(incident, cause) => Some(FLAPPING_FOR),
            () if recurrent() => Some(RECURRENT_FOR),
            () => None,
        }
    }

    /// Whether an incident with the same cause ended shortly before: people are not notified of every end and start.
    fn is_flapping(&self, incident: &Incident, cause: &Resource) -> bool {
        let before = self.state.incidents.values().filter(|other| other.diagnosis.wakes);
        let ends = before.filter(|other| other.id < incident.id && other.diagnosis.cause == *cause);
        let mut ends = ends.filter_map(|other| other.resolved);
        incident.diagnosis.wakes
            && ends.any(|end| end <= incident.opened && between(end, incident.opened) < FLAPPING_WITHIN)
    }

    /// The incident that continues this one: one fault replaced another, and the new alert belongs to that incident. No
    /// end is reported then.
    fn successor(
        &self,
        context: &Context<'_>,
        id: IncidentId,
        cases: &[&Case],
        assignment: &Assignment,
    ) -> Option<IncidentId> {
        let homes = assignment.homes.get_or_init(|| {
            let mut homes: BTreeMap<Resource, Vec<(AlertId, IncidentId)>> = BTreeMap::new();
            for (incident, alerts) in &assignment.members {
                for alert in alerts.iter().filter_map(|alert| context.alerts.get(alert)) {
                    homes.entry(alert.about.clone()).or_default().push((alert.id, *incident));
                }
            }
            homes
        });
        let successor_of = |case: &&Case| {
            let opened = |alert: &AlertId| self.state.cases.get(alert).map(|case| case.opened);
            let mut others = homes.get(&case.alert.about).into_iter().flatten();
            let successor = others.find(|(alert, home)| *home != id && opened(alert) == case.closed);
            successor.map(|(_, home)| *home)
        };
        cases.iter().copied().filter(|case| hurts(&case.alert)).find_map(|case| successor_of(&case))
    }

    /// Whether everything that failed has a healthy result since the last alert closed.
    fn verified(&self, context: &Context<'_>, cause: &Resource, cases: &[&Case], closed: Time) -> bool {
        // A resource with an alert of its own has another incident, or was dismissed by a person.
        let own_reason: BTreeSet<&Resource> =
            context.alerts.values().filter(|alert| hurts(alert)).map(|alert| &alert.about).collect();
        let excused = |resource: &Resource| {
            !self.volatile.probes.contains_key(resource)
                || own_reason.contains(resource)
                || context.config.graph.beneath(resource).iter().any(|below| own_reason.contains(below))
        };
        let to_verify = recovery::to_verify(&context.config.graph, cause, cases);
        to_verify.iter().all(|resource| {
            excused(resource) || recovery::is_healthy_since(context.last_result(resource), closed)
        })
    }

    fn resolution(
        &self,
        context: &Context<'_>,
        incident: &Incident,
        cause: &Resource,
        cases: &[&Case],
        closed: Time,
    ) -> EventKind {
        let scope = scope::scope(context, cause, cases, Some(closed), &Healthy::default());
        let nobody = BTreeSet::new();
        let affected = self.state.histories.get(&incident.id).map_or(&nobody, |history| &history.affected);
        let facts = Facts {
            config: context.config,
            now: closed,
            cause,
            cases,
            scope: &scope,
            recovered_at: None,
            change: NearestChange::find(context, cause, cases, affected),
            symptoms: &[],
            likely: &incident.likely_causes,
        };
        let mut summary = facts.resolved(affected, incident.since, closed);
        summary.push_str(&summary::promotion(context, cause));
        EventKind::IncidentResolved { incident: incident.id, summary, by: None }
    }

    fn diagnosis(
        &self,
        context: &Context<'_>,
        cause: &Resource,
        cases: &[&Case],
        likely: &[LikelyCause],
        assignment: &Assignment,
    ) -> Diagnosis {
        let recovered_at = self.recovered_at(cause, cases);
        let healthy = assignment.healthy.get_or_init(|| Healthy::now(context));
        let scope = scope::scope(context, cause, cases, recovered_at, healthy);
        let Context { config, now, .. } = *context;
        let change = NearestChange::find(context, cause, cases, &scope.affected);
        let slow = assignment.slow.get_or_init(|| symptoms::slow(context));
        let symptoms = symptoms::of(context, slow, cause, cases, &scope.affected);
        let facts = Facts {
            config,
            now,
            cause,
            cases,
            scope: &scope,
            recovered_at,
            change,
            symptoms: &symptoms,
            likely,
        };
        let summary = facts.present();
        let known = cases.iter().any(|case| case.alert.about == *cause);
        let others_hurt = cases.iter().any(|case| case.closed.is_none() && hurts(&case.alert));
        let stage = match recovered_at {
            // The surge is over and something still fails: the cause of that is not known yet.
            Some(_) if cause.kind == Kind::Service && known && others_hurt => Stage::Investigating,
            Some(_) => Stage::Recovering,
            None if cause.kind == Kind::Service && !known => Stage::Investigating,
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
            symptoms: symptoms.iter().map(|alert| alert.id).collect(),
        }
    }
}
