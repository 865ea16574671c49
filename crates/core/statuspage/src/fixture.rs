//! Fixture of the tests: a small configuration, and the loop of the engine.

use crate::{Publisher, StatusPage};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use testkit::config::empty;
use testkit::incident::{acknowledged, alert, services};
use testkit::journal::Journal;
pub(crate) use testkit::time::at;
use types::config::{Config, Service};
use types::event::{ServiceState, UpdateStatus};
use types::fault::Fault;
use types::incident::{Diagnosis, Stage};
use types::time::later;
use types::{
    Actor, Alert, AlertId, Context, EventKind, Events, IncidentId, LastResult, Observed, Resource, SeenAt,
    Severity, Time, Via,
};

fn service(name: &str, title: &str, hosts: &[&str], public: bool) -> Service {
    Service {
        title: title.to_owned(),
        group: (name != "auth").then(|| "Rest".to_owned()),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        public,
        ..testkit::config::service(name)
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
    let mut config = empty();
    config.site.timezone = TimeZone::get("Europe/Tallinn").unwrap();
    for service in services {
        for host in &service.hosts {
            config.graph.add_dependency(Resource::service(&service.id.0), Resource::host(host));
        }
        config.services.insert(service.id.clone(), service);
    }
    config
}

/// Engine around the publisher: journal and probe results.
pub(crate) struct Fixture {
    pub(crate) config: Config,
    pub(crate) publisher: Publisher,
    pub(crate) now: Time,
    pub(crate) journal: Journal,
    pub(crate) last_results: BTreeMap<Resource, LastResult>,
    pub(crate) isolated: bool,
}

/// What was observed.
struct World<'a> {
    last_results: &'a BTreeMap<Resource, LastResult>,
    isolated: bool,
}

impl Observed for World<'_> {
    fn last_result(&self, resource: &Resource) -> Option<LastResult> {
        self.last_results.get(resource).copied()
    }

    fn colocated(&self, _: &Config, _: &SeenAt, _: usize) -> BTreeSet<Resource> {
        BTreeSet::new()
    }

    fn is_isolated(&self) -> bool {
        self.isolated
    }
}

impl Fixture {
    pub(crate) fn new(now: &str) -> Self {
        Self {
            config: config(),
            publisher: Publisher::default(),
            now: at(now),
            journal: Journal::default(),
            last_results: BTreeMap::new(),
            isolated: false,
        }
    }

    pub(crate) fn ask<T>(&mut self, question: impl FnOnce(&mut Publisher, &Context<'_>) -> T) -> T {
        let observed = World { last_results: &self.last_results, isolated: self.isolated };
        let context = Context::new(&self.config, self.now).detected(&self.journal.alerts, &observed);
        question(&mut self.publisher, &context.diagnosed(&self.journal.incidents))
    }

    /// The overall state, and the titles of the services in it.
    pub(crate) fn worst(&mut self) -> (ServiceState, Vec<String>) {
        let status_page = self.status_page();
        let components = status_page.groups.into_iter().flat_map(|group| group.components);
        let worst = components.filter(|component| component.state == status_page.state);
        (status_page.state, worst.map(|component| component.title).collect())
    }

    pub(crate) fn status_page(&mut self) -> StatusPage {
        self.ask(|publisher, context| publisher.status_page(context))
    }

    pub(crate) fn commit(&mut self, events: Vec<EventKind>) {
        for kind in events {
            let event = self.journal.append(self.now, kind);
            self.publisher.apply(&event);
        }
    }

    /// Reacts until no event follows.
    pub(crate) fn react(&mut self) {
        for round in 0.. {
            assert!(round < 10, "reaches no fixpoint");
            let mut events = Events::new();
            self.ask(|publisher, context| publisher.react(context, &mut events));
            if events.is_empty() {
                break;
            }
            self.commit(events);
        }
        let next = self.ask(|publisher, context| publisher.next_deadline(context));
        assert!(next.is_none_or(|next| next > self.now), "deadline is in the past: {next:?}");
    }

    /// Advances the time and reacts at every deadline.
    pub(crate) fn advance(&mut self, secs: u64) {
        let end = later(self.now, Duration::from_secs(secs));
        loop {
            let next = self.ask(|publisher, context| publisher.next_deadline(context)).unwrap_or(end);
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
        let alert = Alert { severity, ..alert(id, about, fault, self.now) };
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
            diagnosis.alerts = self.journal.alerts.keys().copied().collect();
        }
    }

    pub(crate) fn acknowledge(&mut self, id: u64) {
        self.commit(vec![acknowledged(id, self.now)]);
    }

    pub(crate) fn diagnose(&mut self, id: u64, mut diagnosis: Diagnosis) {
        self.fill(&mut diagnosis);
        self.commit(vec![EventKind::IncidentDiagnosed { incident: IncidentId(id), diagnosis }]);
    }

    pub(crate) fn resolve(&mut self, id: u64) {
        self.commit(vec![EventKind::IncidentResolved {
            incident: IncidentId(id),
            summary: "over".to_owned(),
            by: None,
        }]);
    }

    pub(crate) fn write(&mut self, id: u64, status: UpdateStatus, body: &str) {
        let incident = self.journal.incidents[&IncidentId(id)].clone();
        let by = Actor::person("Ana", Via::Console);
        let update =
            self.ask(|publisher, context| publisher.written(context, &incident, status, body.to_owned(), by));
        self.commit(vec![update]);
    }

    /// Crash and restart: everything but the journal is lost.
    pub(crate) fn restart(&mut self) {
        let live = self.publisher.state_text();
        self.publisher = Publisher::default();
        for event in &self.journal.events {
            self.publisher.apply(event);
        }
        assert_eq!(self.publisher.state_text(), live);
        self.last_results.clear();
    }

    /// Transcript of the public events of the journal.
    pub(crate) fn transcript(&self) -> String {
        let mut lines = String::new();
        for event in &self.journal.events {
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
                    let by = by.as_ref().map_or("mainstay", |by| by.id.as_str());
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
    Diagnosis {
        summary: "secret-host-17.inner.acme.com is broken".to_owned(),
        unaffected: services(unaffected),
        wakes,
        stage,
        ..testkit::incident::diagnosis(cause, affected)
    }
}
