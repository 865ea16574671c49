//! Scheduled maintenance: planned work on services, and which alerts it explains.

use crate::time::later;
use crate::{Actor, Alert, AlertId, Graph, Incident, Kind, MaintenanceId, Resource, ServiceId, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Maximum length of a title, in characters.
pub const TITLE_MAX: usize = 120;
/// Maximum length of a text, in characters.
pub const TEXT_MAX: usize = 2_000;
/// Maximum length of one maintenance: longer work is not a maintenance, but another way of operation.
pub const LASTING_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Time after the end during which what still fails is not paged: services that were started last need it to answer.
pub const GRACE: Duration = Duration::from_secs(300);

/// One scheduled maintenance, as it is planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Its number.
    pub id: MaintenanceId,
    /// What is done, in words for the public.
    pub title: String,
    /// More about it, in words for the public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The services that are worked on.
    pub services: BTreeSet<ServiceId>,
    /// The databases, pools and other resources that are worked on. Either these or the services are never empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resources: BTreeSet<Resource>,
    /// Its planned start.
    pub from: Time,
    /// Its planned end.
    pub to: Time,
    /// Its section of the configuration; `None` when a person or a program added it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
}

/// A maintenance before it has a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMaintenance {
    /// What is done.
    pub title: String,
    /// More about it.
    pub text: Option<String>,
    /// The services that are worked on.
    pub services: BTreeSet<ServiceId>,
    /// The databases, pools and other resources that are worked on.
    pub resources: BTreeSet<Resource>,
    /// Its start; now when `None`.
    pub from: Option<Time>,
    /// How long it takes.
    pub lasting: Duration,
}

/// A maintenance and its state. Folded from the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledMaintenance {
    /// The maintenance.
    #[serde(flatten)]
    pub planned: Maintenance,
    /// Who scheduled it last.
    pub by: Actor,
    /// When it was scheduled first.
    pub added: Time,
    /// When anything of it last changed.
    pub changed: Time,
    /// How often its plan was changed.
    pub revision: u32,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Time>,
    /// When its planned end passed while a service of it was still failing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overran: Option<Time>,
    /// When it ended; before its start it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Time>,
}

/// State of a maintenance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaintenanceState {
    /// It has not started.
    Scheduled,
    /// It goes on.
    InProgress,
    /// Its end has passed, and a service of it still fails.
    Overrun,
    /// It ended.
    Completed,
    /// It ended before it started.
    Cancelled,
}

impl MaintenanceState {
    /// Name in the API and in texts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::InProgress => "in progress",
            Self::Overrun => "overrun",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Capitalised name, as the status page shows it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Scheduled => "Scheduled",
            Self::InProgress => "In progress",
            Self::Overrun => "Takes longer than planned",
            Self::Completed => "Completed",
            Self::Cancelled => "Cancelled",
        }
    }

    /// Whether it has started and not ended.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Self::InProgress | Self::Overrun)
    }
}

impl ScheduledMaintenance {
    /// Its state.
    #[must_use]
    pub fn state(&self) -> MaintenanceState {
        match (self.started, self.overran, self.ended) {
            (None, _, Some(_)) => MaintenanceState::Cancelled,
            (Some(_), _, Some(_)) => MaintenanceState::Completed,
            (None, _, None) => MaintenanceState::Scheduled,
            (Some(_), Some(_), None) => MaintenanceState::Overrun,
            (Some(_), None, None) => MaintenanceState::InProgress,
        }
    }

    /// Whether it has started and not ended.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state().is_active()
    }

    /// Until when it holds the pages of what it explains: its end and [`GRACE`]; `None` before it started, and when it
    /// was cancelled.
    #[must_use]
    pub fn holds_until(&self) -> Option<Time> {
        self.started?;
        Some(later(self.end(), GRACE))
    }

    /// Its end: the planned one, or an earlier one. Time that it took longer is no part of it.
    #[must_use]
    pub fn end(&self) -> Time {
        self.ended.map_or(self.planned.to, |ended| ended.min(self.planned.to))
    }

    /// Whether it explains an alert: the alert began during it, and is about what is worked on.
    #[must_use]
    pub fn explains(&self, graph: &Graph, alert: &Alert) -> bool {
        self.covers(alert.since) && self.planned.concerns(graph, &alert.about)
    }

    /// Whether it explains an incident of which no alert is open any more.
    fn explains_past(&self, graph: &Graph, incident: &Incident) -> bool {
        let diagnosis = &incident.diagnosis;
        let concerns = |resource: &Resource| self.planned.concerns(graph, resource);
        let are_affected = || !diagnosis.affected.is_empty() && diagnosis.affected.iter().all(concerns);
        self.covers(incident.since) && (concerns(&diagnosis.cause) || are_affected())
    }

    /// Whether something that began at an instant began during it.
    #[must_use]
    pub fn covers(&self, since: Time) -> bool {
        // What failed before the maintenance was known is not a consequence of it.
        let from = self.planned.from.max(self.added);
        self.started.is_some() && from <= since && since < self.end()
    }
}

impl Maintenance {
    /// Whether a resource is worked on, or only such resources depend on it, directly or by other resources.
    #[must_use]
    pub fn concerns(&self, graph: &Graph, resource: &Resource) -> bool {
        let mut seen = BTreeSet::new();
        let mut todo = vec![resource];
        while let Some(next) = todo.pop() {
            if self.names(next) {
                continue;
            }
            if next.kind == Kind::Service {
                return false;
            }
            if !seen.insert(next) {
                continue;
            }
            let before = todo.len();
            todo.extend(graph.dependents(next));
            if todo.len() == before {
                // No service depends on it: mainstay itself, a probe of its own.
                return false;
            }
        }
        true
    }

    /// Whether it names a resource.
    #[must_use]
    pub fn names(&self, resource: &Resource) -> bool {
        self.resources.contains(resource)
            || (resource.kind == Kind::Service
                && self.services.iter().any(|service| service.0 == resource.name))
    }

    /// The services that visitors may notice it at: those that it names, and those that depend on a resource that it
    /// names.
    #[must_use]
    pub fn noticed_at(&self, graph: &Graph) -> BTreeSet<ServiceId> {
        let above = self.resources.iter().flat_map(|resource| graph.above(resource));
        let services = above.filter(|resource| resource.kind == Kind::Service);
        services.map(|service| ServiceId(service.name)).chain(self.services.iter().cloned()).collect()
    }
}

/// A failure of what is worked on, after it was repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// What failed.
    pub about: Resource,
    /// Start of the failure.
    pub since: Time,
    /// Its end.
    pub closed: Time,
}

/// What decides whether a failure is explained by a maintenance.
#[derive(Clone, Copy, Debug)]
pub struct Reasons<'a> {
    /// Maintenances.
    pub all: &'a BTreeMap<MaintenanceId, ScheduledMaintenance>,
    /// Failures that were repaired during a maintenance.
    pub recoveries: &'a BTreeMap<AlertId, Recovery>,
    /// The dependency graph.
    pub graph: &'a Graph,
}

impl<'a> Reasons<'a> {
    /// The maintenance that explains an incident, and until when it holds pages, even if that has passed; `None` when
    /// something of the incident is not explained. An alert that several maintenances explain is held until the last of
    /// them ends; an incident is held as long as each of its open alerts is.
    #[must_use]
    pub fn of_incident(
        &self,
        incident: &Incident,
        alerts: &BTreeMap<AlertId, Alert>,
    ) -> Option<(&'a ScheduledMaintenance, Time)> {
        let mut first: Option<(&ScheduledMaintenance, Time)> = None;
        for alert in incident.diagnosis.alerts.iter().filter_map(|id| alerts.get(id)) {
            let found = self.of_alert(incident, alert)?;
            if first.is_none_or(|(_, until)| found.1 < until) {
                first = Some(found);
            }
        }
        // While its recovery is verified, no alert is open.
        let is_past = |one: &ScheduledMaintenance| {
            one.holds_until().filter(|_| one.explains_past(self.graph, incident))
        };
        first.or_else(|| self.last(is_past))
    }

    /// The maintenance that explains an alert of an incident and ends last, and until when it holds its page.
    pub(crate) fn of_alert(
        &self,
        incident: &Incident,
        alert: &Alert,
    ) -> Option<(&'a ScheduledMaintenance, Time)> {
        self.last(|one| self.until(one, incident, alert))
    }

    fn last(
        &self,
        until: impl Fn(&ScheduledMaintenance) -> Option<Time>,
    ) -> Option<(&'a ScheduledMaintenance, Time)> {
        self.all.values().filter_map(|one| Some((one, until(one)?))).max_by_key(|(_, until)| *until)
    }

    /// Until when a maintenance holds the page for an alert of an incident; `None` when it does not explain it. It
    /// explains what it is about, what such a cause takes down, and for a while what has not recovered with that cause.
    #[must_use]
    pub fn until(&self, one: &ScheduledMaintenance, incident: &Incident, alert: &Alert) -> Option<Time> {
        let end = one.holds_until().filter(|_| one.covers(alert.since))?;
        let is_own = |resource: &Resource| one.planned.concerns(self.graph, resource);
        if is_own(&alert.about) || is_own(&incident.diagnosis.cause) {
            return Some(end);
        }
        let causes = self.recoveries.values().filter(|recovery| {
            alert.since <= recovery.closed
                && one.covers(recovery.since)
                && self.is_above(&alert.about, &recovery.about)
                && is_own(&recovery.about)
        });
        causes.map(|recovery| later(recovery.closed, GRACE)).max().map(|until| until.min(end))
    }

    /// Whether a resource, or a service that it is part of, depends on another resource.
    fn is_above(&self, resource: &Resource, other: &Resource) -> bool {
        let above = self.graph.above(other);
        above.contains(resource) || self.graph.dependents(resource).any(|service| above.contains(service))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fault, SeenAt, Severity};

    fn at(text: &str) -> Time {
        format!("2026-12-05T{text}:00Z").parse().unwrap()
    }

    /// 22:00 to 00:00 on the services `api` and `shop`; `shop` depends on `api`.
    fn maintenance(services: &[&str], ended: Option<&str>) -> ScheduledMaintenance {
        ScheduledMaintenance {
            planned: Maintenance {
                id: MaintenanceId(1),
                title: "Database upgrade".to_owned(),
                text: None,
                services: services.iter().map(|name| ServiceId::from(*name)).collect(),
                resources: BTreeSet::new(),
                from: at("20:00"),
                to: at("22:00"),
                section: None,
            },
            by: Actor::mainstay(),
            added: at("10:00"),
            changed: at("10:00"),
            revision: 0,
            started: Some(at("20:00")),
            overran: None,
            ended: ended.map(at),
        }
    }

    fn opened_at(since: &str) -> Alert {
        Alert {
            id: AlertId(1),
            about: Resource::host("api.acme.app"),
            fault: Fault::Unmonitored,
            severity: Severity::Critical,
            probe: "http.api.acme.app".into(),
            since: at(since),
            evidence: String::new(),
            seen_at: SeenAt::default(),
        }
    }

    fn incident_of(cause: &Resource, alerts: &[AlertId]) -> Incident {
        Incident {
            id: crate::IncidentId(1),
            since: at("20:30"),
            opened: at("20:30"),
            diagnosis: crate::incident::Diagnosis {
                cause: cause.clone(),
                summary: String::new(),
                alerts: alerts.iter().copied().collect(),
                affected: BTreeSet::new(),
                unaffected: BTreeSet::new(),
                wakes: true,
                stage: crate::incident::Stage::Failing,
                ahead: None,
                calm: false,
                symptoms: BTreeSet::new(),
            },
            acknowledged: None,
            notes: Vec::new(),
            resolved: None,
            merged_into: None,
            likely_causes: Vec::new(),
        }
    }

    fn graph() -> Graph {
        let mut graph = Graph::default();
        let (api, shop, blog) =
            (Resource::service("api"), Resource::service("shop"), Resource::service("blog"));
        graph.add_dependency(shop.clone(), api.clone());
        graph.add_dependency(api.clone(), Resource::host("api.acme.app"));
        graph.add_dependency(shop.clone(), Resource::host("shop.acme.app"));
        for service in [api, blog] {
            graph.add_dependency(service, Resource::new(Kind::Database, "main"));
        }
        graph.add_dependency(Resource::host("api.acme.app"), Resource::new(Kind::Domain, "acme.app"));
        graph.add_dependency(Resource::host("shop.acme.app"), Resource::new(Kind::Domain, "acme.app"));
        graph
    }

    #[test]
    fn resources_of_named_services_alone_are_explained() {
        let (host, domain) = (Resource::host("api.acme.app"), Resource::new(Kind::Domain, "acme.app"));
        let database = Resource::new(Kind::Database, "main");
        for (services, resource, expected, why) in [
            (&["api"][..], Resource::service("api"), true, "the service itself"),
            (&["api"], host.clone(), true, "a host of it, although shop depends on api"),
            (&["api"], Resource::service("shop"), false, "a service that is not named"),
            (&["api"], Resource::host("shop.acme.app"), false, "a host of another service"),
            (&["api"], database.clone(), false, "blog uses the database too"),
            (&["api", "blog"], database, true, "all that use the database are named"),
            (&["api"], domain.clone(), false, "shop is below the same domain"),
            (&["api", "shop"], domain, true, "all below the domain are named"),
            (&["api"], Resource::host("elsewhere.org"), false, "nothing depends on it"),
        ] {
            let found = maintenance(services, None).planned.concerns(&graph(), &resource);
            assert_eq!(found, expected, "{services:?} {resource}: {why}");
        }
    }

    #[test]
    fn named_resource_is_explained_with_what_only_it_is_built_on() {
        let mut graph = graph();
        let (main, volume) = (Resource::database("main"), Resource::address("192.0.2.9".parse().unwrap()));
        graph.add_dependency(main.clone(), volume.clone());
        let mut planned = maintenance(&[], None).planned;
        planned.resources.insert(main.clone());
        for (resource, expected) in [
            (main, true),
            (volume, true),
            (Resource::service("api"), false),
            (Resource::host("api.acme.app"), false),
        ] {
            assert_eq!(planned.concerns(&graph, &resource), expected, "{resource}");
        }
        let noticed: Vec<String> = planned.noticed_at(&graph).into_iter().map(|service| service.0).collect();
        assert_eq!(noticed, ["api", "blog", "shop"]);
    }

    #[test]
    fn incident_is_held_while_each_of_its_alerts_is_explained() {
        let alert = |id: u64, host: &str, since: &str| Alert {
            id: AlertId(id),
            about: Resource::host(host),
            ..opened_at(since)
        };
        let api = || alert(1, "api.acme.app", "20:30");
        let shop = |since: &str| alert(2, "shop.acme.app", since);
        let (own, other) = (Resource::service("api"), Resource::service("shop"));
        let early = || ScheduledMaintenance {
            planned: Maintenance { to: at("21:00"), ..maintenance(&["api"], None).planned },
            ..maintenance(&["api"], None)
        };
        let long = || maintenance(&["api"], None);
        for (all, cause, alerts, expected, why) in [
            (vec![long()], &own, vec![api()], Some("22:05"), "its own alert"),
            (vec![long()], &own, vec![api(), shop("20:31")], Some("22:05"), "a dependant, by the cause"),
            (vec![long()], &other, vec![shop("20:31")], None, "the dependant by itself"),
            (vec![long()], &other, vec![shop("20:09")], Some("20:15"), "it has not recovered with its cause"),
            (vec![long()], &own, vec![api(), shop("19:50")], None, "the dependant failed before"),
            (vec![long()], &own, vec![], Some("22:05"), "its recovery is verified"),
            (vec![long()], &other, vec![], None, "the recovery of another one is verified"),
            (vec![early(), long()], &own, vec![api()], Some("22:05"), "the last of two"),
            (
                vec![
                    early(),
                    ScheduledMaintenance { planned: maintenance(&["shop"], None).planned, ..long() },
                ],
                &own,
                vec![api(), shop("20:31")],
                Some("21:05"),
                "each alert by another one: until the first ends",
            ),
        ] {
            let all: BTreeMap<MaintenanceId, ScheduledMaintenance> =
                (1..).map(MaintenanceId).zip(all).collect();
            let open: BTreeMap<AlertId, Alert> = alerts.into_iter().map(|alert| (alert.id, alert)).collect();
            let incident = incident_of(cause, &[AlertId(1), AlertId(2)]);
            let graph = graph();
            let recovery =
                Recovery { about: Resource::host("api.acme.app"), since: at("20:05"), closed: at("20:10") };
            let recoveries = BTreeMap::from([(AlertId(7), recovery)]);
            let reasons = Reasons { all: &all, recoveries: &recoveries, graph: &graph };
            let found = reasons.of_incident(&incident, &open).map(|(_, until)| until.to_string());
            assert_eq!(found, expected.map(|text| at(text).to_string()), "{why}");
        }
    }

    #[test]
    fn alert_is_explained_by_its_begin() {
        for (since, ended, expected, why) in [
            ("19:59", None, false, "it began before the maintenance"),
            ("20:00", None, true, "it began with the maintenance"),
            ("21:59", None, true, "it began shortly before the end"),
            ("22:00", None, false, "it began after the planned end"),
            ("21:30", Some("21:00"), false, "the maintenance had ended early"),
            ("20:30", Some("21:00"), true, "it began before the early end"),
        ] {
            let found = maintenance(&["api"], ended).explains(&graph(), &opened_at(since));
            assert_eq!(found, expected, "{since} {ended:?}: {why}");
        }
    }

    #[test]
    fn state_follows_start_and_end() {
        let ended = |started: Option<&str>, overran: Option<&str>, ended: Option<&str>| {
            let mut one = maintenance(&["api"], ended);
            (one.started, one.overran) = (started.map(at), overran.map(at));
            (one.state(), one.holds_until().map(|time| time.to_string()))
        };
        let until = |text: &str| Some(later(at(text), GRACE).to_string());
        for (found, expected) in [
            (ended(None, None, None), (MaintenanceState::Scheduled, None)),
            (ended(Some("20:00"), None, None), (MaintenanceState::InProgress, until("22:00"))),
            (ended(Some("20:00"), Some("22:00"), None), (MaintenanceState::Overrun, until("22:00"))),
            (ended(Some("20:00"), None, Some("21:00")), (MaintenanceState::Completed, until("21:00"))),
            (
                ended(Some("20:00"), Some("22:00"), Some("22:04")),
                (MaintenanceState::Completed, until("22:00")),
            ),
            (ended(None, None, Some("19:00")), (MaintenanceState::Cancelled, None)),
        ] {
            assert_eq!(found, expected);
        }
    }
}
