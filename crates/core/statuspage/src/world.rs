//! A small declared world for tests, and the loop that the engine turns.

use crate::{Facts, Publisher, StatusPage};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::config::{Config, Dns, Escalation, Registry, Service, Site, StatusPage as PlannedStatusPage};
use types::event::{Event, PostStatus};
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

/// Sign-in on two hosts, an API and a shop on one each, and something inside that visitors do not know.
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
            graph.add_need(Resource::service(&service.id.0), Resource::host(host));
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
        status_page: PlannedStatusPage {
            title: "Acme status".to_owned(),
            history_days: 90,
            ..PlannedStatusPage::default()
        },
        graph,
    }
}

/// The part of the engine that tell stands in.
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) tell: Publisher,
    pub(crate) now: Time,
    pub(crate) journal: Vec<Event>,
    pub(crate) incidents: BTreeMap<IncidentId, Incident>,
    pub(crate) alerts: BTreeMap<AlertId, Alert>,
    pub(crate) looked: BTreeMap<Resource, LastResult>,
    pub(crate) blind: bool,
}

impl World {
    pub(crate) fn new(now: &str) -> Self {
        Self {
            config: config(),
            tell: Publisher::default(),
            now: at(now),
            journal: Vec::new(),
            incidents: BTreeMap::new(),
            alerts: BTreeMap::new(),
            looked: BTreeMap::new(),
            blind: false,
        }
    }

    pub(crate) fn ask<T>(
        &mut self,
        question: impl FnOnce(&mut Publisher, &Config, Time, &Facts<'_>) -> T,
    ) -> T {
        let looked = |resource: &Resource| self.looked.get(resource).copied();
        let facts =
            Facts { incidents: &self.incidents, alerts: &self.alerts, looked: &looked, blind: self.blind };
        question(&mut self.tell, &self.config, self.now, &facts)
    }

    pub(crate) fn status_page(&mut self) -> StatusPage {
        self.ask(|tell, config, now, facts| tell.status_page(config, now, facts))
    }

    pub(crate) fn commit(&mut self, events: Vec<EventKind>) {
        for kind in events {
            let event = Event { seq: self.journal.len() as u64 + 1, at: self.now, kind };
            self.fold(&event);
            self.tell.apply(&event);
            self.journal.push(event);
        }
    }

    /// Reacts until nothing more follows.
    pub(crate) fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 10, "never comes to rest");
            let events = self.ask(|tell, config, now, facts| tell.react(config, now, facts));
            if events.is_empty() {
                break;
            }
            self.commit(events);
        }
        let next = self.ask(|tell, config, now, facts| tell.next(config, now, facts));
        assert!(next.is_none_or(|next| next > self.now), "asks for a time that has come: {next:?}");
    }

    /// Time goes by; tell is asked whenever it wanted to be.
    pub(crate) fn pass(&mut self, secs: u64) {
        let end = later(self.now, Duration::from_secs(secs));
        loop {
            let next = self.ask(|tell, config, now, facts| tell.next(config, now, facts)).unwrap_or(end);
            self.now = next.min(end);
            self.settle();
            if self.now == end {
                return;
            }
        }
    }

    pub(crate) fn look(&mut self, host: &str, well: bool) {
        self.looked.insert(Resource::host(host), LastResult { at: self.now, healthy: well });
    }

    pub(crate) fn look_everywhere(&mut self) {
        let hosts: Vec<String> =
            self.config.services.values().flat_map(|service| service.hosts.clone()).collect();
        hosts.iter().for_each(|host| self.look(host, true));
    }

    pub(crate) fn find(&mut self, id: u64, about: Resource, fault: Fault, severity: Severity) {
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

    pub(crate) fn close(&mut self, id: u64) {
        self.commit(vec![EventKind::AlertClosed { alert: AlertId(id) }]);
    }

    /// Opens an incident of every open alert, where the diagnosis names none.
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

    pub(crate) fn say(&mut self, id: u64, status: PostStatus, body: &str) {
        let incident = self.incidents[&IncidentId(id)].clone();
        let by = Some("Ana".to_owned());
        let post = self.ask(|tell, config, _, facts| {
            tell.drafted(config, facts, &incident, status, body.to_owned(), by)
        });
        self.commit(vec![post]);
    }

    /// kill -9 and a start: everything but the journal is lost.
    pub(crate) fn crash(&mut self) {
        let live = self.tell.known_text();
        self.tell = Publisher::default();
        for event in &self.journal {
            self.tell.apply(event);
        }
        assert_eq!(self.tell.known_text(), live);
        self.looked.clear();
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

    /// The journal's lines of this crate.
    pub(crate) fn story(&self) -> String {
        let mut lines = String::new();
        for event in &self.journal {
            let clock = event.at.strftime("%H:%M:%S");
            match &event.kind {
                EventKind::ServiceStateChanged { service, state } => {
                    lines += &format!("{clock} {service}: {}\n", state.title());
                }
                EventKind::PostDrafted { incident, status, body, .. } => {
                    lines += &format!("{clock} {incident} draft: {}: {body}\n", status.title());
                }
                EventKind::PostPublished { incident, status, title, body, affected, by, .. } => {
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
