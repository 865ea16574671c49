//! Fixture of the tests: a small configuration, and the loop of the engine.

use crate::{Facts, Publisher, StatusPage};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::config::{Config, Dns, Escalation, Registry, Service, Site, StatusPage as StatusPageConfig};
use types::event::{Event, UpdateStatus};
use types::fault::Fault;
use types::incident::{Acknowledgement, Diagnosis, Stage};
use types::time::later;
use types::{
    Alert, AlertId, EscalationId, EventKind, Graph, Incident, IncidentId, LastResult, Resource, Severity,
    Time,
};

pub(crate) fn at(text: &str) -> Time {
    text.parse().unwrap()
}

fn service(name: &str, title: &str, hosts: &[&str], public: bool) -> Service {
    Service {
        id: name.into(),
        title: title.to_owned(),
        group: (name != "auth").then(|| "Rest".to_owned()),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        declared_hosts: Vec::new(),
        depends_on: BTreeSet::new(),
        schedule: None,
        escalation: "default".into(),
        public,
        traffic: None,
    }
}

/// Sign-in on two hosts, an API and a shop on one each, and a service that is not public.
pub(crate) fn config() -> Config {
    let services = [
        service("api", "API", &["api.acme.com"], true),
        service("auth", "Sign-in", &["auth.acme.com", "demo.acme.app"], true),
        service("inner", "Inner queue", &["queue.acme.com"], false),
        service("shop", "Shop", &["shop.acme.net"], true),
    ];
    let mut graph = Graph::default();
    for service in &services {
        for host in &service.hosts {
            graph.add_dependency(Resource::service(&service.id.0), Resource::host(host));
        }
    }
    let escalation = Escalation { id: "default".into(), steps: Vec::new(), repeat: 0, fallback: Vec::new() };
    Config {
        digest: String::new(),
        site: Site {
            name: "Acme".to_owned(),
            timezone: TimeZone::get("Europe/Tallinn").unwrap(),
            data: "data".into(),
            listen: "127.0.0.1:0".parse().unwrap(),
            url: "https://status.acme.net".to_owned(),
            extra_ca_files: Vec::new(),
            allow_private: Vec::new(),
        },
        dns: Dns { resolvers: Vec::new(), roots: Vec::new(), port: 53 },
        registry: Registry::default(),
        services: services.into_iter().map(|service| (service.id.clone(), service)).collect(),
        probes: BTreeMap::new(),
        domains: BTreeMap::new(),
        people: BTreeMap::new(),
        schedules: BTreeMap::new(),
        escalations: BTreeMap::from([(EscalationId::from("default"), escalation)]),
        channels: BTreeMap::new(),
        edge: None,
        pools: Default::default(),
        callers: Default::default(),
        status_page: StatusPageConfig {
            title: "Acme status".to_owned(),
            history_days: 90,
            ..StatusPageConfig::default()
        },
        graph,
    }
}

/// Engine around the publisher: journal, alerts, incidents, probe results.
pub(crate) struct Fixture {
    pub(crate) config: Config,
    pub(crate) publisher: Publisher,
    pub(crate) now: Time,
    pub(crate) journal: Vec<Event>,
    pub(crate) incidents: BTreeMap<IncidentId, Incident>,
    pub(crate) alerts: BTreeMap<AlertId, Alert>,
    pub(crate) last_results: BTreeMap<Resource, LastResult>,
    pub(crate) isolated: bool,
}

impl Fixture {
    pub(crate) fn new(now: &str) -> Self {
        Self {
            config: config(),
            publisher: Publisher::default(),
            now: at(now),
            journal: Vec::new(),
            incidents: BTreeMap::new(),
            alerts: BTreeMap::new(),
            last_results: BTreeMap::new(),
            isolated: false,
        }
    }

    pub(crate) fn ask<T>(
        &mut self,
        question: impl FnOnce(&mut Publisher, &Config, Time, &Facts<'_>) -> T,
    ) -> T {
        let last_result = |resource: &Resource| self.last_results.get(resource).copied();
        let facts = Facts {
            incidents: &self.incidents,
            alerts: &self.alerts,
            last_result: &last_result,
            isolated: self.isolated,
        };
        question(&mut self.publisher, &self.config, self.now, &facts)
    }

    pub(crate) fn status_page(&mut self) -> StatusPage {
        self.ask(|publisher, config, now, facts| publisher.status_page(config, now, facts))
    }

    pub(crate) fn commit(&mut self, events: Vec<EventKind>) {
        for kind in events {
            let event = Event { seq: self.journal.len() as u64 + 1, at: self.now, kind };
            self.fold(&event);
            self.publisher.apply(&event);
            self.journal.push(event);
        }
    }

    /// Reacts until no event follows.
    pub(crate) fn react(&mut self) {
        for round in 0.. {
            assert!(round < 10, "reaches no fixpoint");
            let events = self.ask(|publisher, config, now, facts| publisher.react(config, now, facts));
            if events.is_empty() {
                break;
            }
            self.commit(events);
        }
        let next = self.ask(|publisher, config, now, facts| publisher.next_deadline(config, now, facts));
        assert!(next.is_none_or(|next| next > self.now), "deadline is in the past: {next:?}");
    }

    /// Advances the time and reacts at every deadline.
    pub(crate) fn advance(&mut self, secs: u64) {
        let end = later(self.now, Duration::from_secs(secs));
        loop {
            let next = self
                .ask(|publisher, config, now, facts| publisher.next_deadline(config, now, facts))
                .unwrap_or(end);
            self.now = next.min(end);
            self.react();
            if self.now == end {
                return;
            }
        }
    }

    pub(crate) fn probe(&mut self, host: &str, well: bool) {
        self.last_results.insert(Resource::host(host), LastResult { at: self.now, healthy: well });
    }

    pub(crate) fn succeed_everywhere(&mut self) {
        let hosts: Vec<String> =
            self.config.services.values().flat_map(|service| service.hosts.clone()).collect();
        hosts.iter().for_each(|host| self.probe(host, true));
    }

    pub(crate) fn fire(&mut self, id: u64, about: Resource, fault: Fault, severity: Severity) {
        let alert = Alert {
            id: AlertId(id),
            about,
            fault,
            severity,
            probe: "probe".into(),
            since: self.now,
            evidence: String::new(),
            seen_at: types::SeenAt::default(),
        };
        self.commit(vec![EventKind::AlertOpened { alert }]);
    }

    pub(crate) fn clear(&mut self, id: u64) {
        self.commit(vec![EventKind::AlertClosed { alert: AlertId(id) }]);
    }

    /// Opens an incident with every open alert, unless the diagnosis names its own.
    pub(crate) fn open(&mut self, id: u64, mut diagnosis: Diagnosis) {
        self.fill(&mut diagnosis);
        self.commit(vec![EventKind::IncidentOpened { incident: IncidentId(id), since: self.now, diagnosis }]);
    }

    fn fill(&self, diagnosis: &mut Diagnosis) {
        if diagnosis.alerts.is_empty() {
            diagnosis.alerts = self.alerts.keys().copied().collect();
        }
    }

    pub(crate) fn acknowledge(&mut self, id: u64) {
        self.commit(vec![EventKind::IncidentAcknowledged {
            incident: IncidentId(id),
            by: "ana".to_owned(),
            via: "link".to_owned(),
            until: later(self.now, Duration::from_secs(1_800)),
        }]);
    }

    pub(crate) fn diagnose(&mut self, id: u64, mut diagnosis: Diagnosis) {
        self.fill(&mut diagnosis);
        self.commit(vec![EventKind::IncidentDiagnosed { incident: IncidentId(id), diagnosis }]);
    }

    pub(crate) fn resolve(&mut self, id: u64) {
        self.commit(vec![EventKind::IncidentResolved {
            incident: IncidentId(id),
            summary: "over".to_owned(),
        }]);
    }

    pub(crate) fn write(&mut self, id: u64, status: UpdateStatus, body: &str) {
        let incident = self.incidents[&IncidentId(id)].clone();
        let by = Some("Ana".to_owned());
        let update = self.ask(|publisher, config, _, facts| {
            publisher.written(config, facts, &incident, status, body.to_owned(), by)
        });
        self.commit(vec![update]);
    }

    /// Crash and restart: everything but the journal is lost.
    pub(crate) fn restart(&mut self) {
        let live = self.publisher.state_text();
        self.publisher = Publisher::default();
        for event in &self.journal {
            self.publisher.apply(event);
        }
        assert_eq!(self.publisher.state_text(), live);
        self.last_results.clear();
    }

    fn fold(&mut self, event: &Event) {
        match &event.kind {
            EventKind::AlertOpened { alert } => {
                self.alerts.insert(alert.id, alert.clone());
            }
            EventKind::AlertClosed { alert } => {
                self.alerts.remove(alert);
            }
            EventKind::IncidentOpened { incident, since, diagnosis } => {
                let incident = Incident {
                    id: *incident,
                    since: *since,
                    opened: event.at,
                    diagnosis: diagnosis.clone(),
                    acknowledged: None,
                    notes: Vec::new(),
                    resolved: None,
                    merged_into: None,
                };
                self.incidents.insert(incident.id, incident);
            }
            EventKind::IncidentDiagnosed { incident, diagnosis } => {
                self.incidents.get_mut(incident).unwrap().diagnosis = diagnosis.clone();
            }
            EventKind::IncidentAcknowledged { incident, by, until, .. } => {
                self.incidents.get_mut(incident).unwrap().acknowledged =
                    Some(Acknowledgement { by: by.clone(), at: event.at, until: *until });
            }
            EventKind::IncidentResolved { incident, .. } => {
                self.incidents.get_mut(incident).unwrap().resolved = Some(event.at);
            }
            EventKind::IncidentMerged { incident, into } => {
                self.incidents.get_mut(incident).unwrap().merged_into = Some(*into);
            }
            _ => {}
        }
    }

    /// Transcript of the public events of the journal.
    pub(crate) fn transcript(&self) -> String {
        let mut lines = String::new();
        for event in &self.journal {
            let clock = event.at.strftime("%H:%M:%S");
            match &event.kind {
                EventKind::ServiceStateChanged { service, state } => {
                    lines += &format!("{clock} {service}: {}\n", state.title());
                }
                EventKind::UpdateDrafted { incident, status, body, .. } => {
                    lines += &format!("{clock} {incident} draft: {}: {body}\n", status.title());
                }
                EventKind::UpdatePublished { incident, status, title, body, affected, by, .. } => {
                    let affected: Vec<String> = affected
                        .iter()
                        .map(|(service, state)| format!("{service} {}", state.title()))
                        .collect();
                    let by = by.as_deref().unwrap_or("mainstay");
                    lines += &format!(
                        "{clock} {incident} {} by {by} [{}]\n    {title}\n    {body}\n",
                        status.title(),
                        affected.join(", ")
                    );
                }
                _ => {}
            }
        }
        lines
    }
}

pub(crate) fn diagnosis(
    cause: Resource,
    affected: &[&str],
    unaffected: &[&str],
    wakes: bool,
    stage: Stage,
) -> Diagnosis {
    let resources = |names: &[&str]| names.iter().map(|name| Resource::service(*name)).collect();
    Diagnosis {
        cause,
        summary: "secret-host-17.inner.acme.com is broken".to_owned(),
        alerts: BTreeSet::new(),
        affected: resources(affected),
        unaffected: resources(unaffected),
        wakes,
        stage,
        ahead: None,
        calm: false,
    }
}
