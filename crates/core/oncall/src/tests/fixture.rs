//! Test fixture: a small configuration, and the loop of the engine.

use crate::OnCall;
use crate::queue::REPEAT_INTERVAL;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::config::{
    Channel, ChannelKind, Config, Dns, Escalation, Layer, Person, Registry, Rotation, Schedule, Service,
    Site, StatusPage, Step,
};
use types::event::Event;
use types::incident::{Acknowledgement, Diagnosis, Stage};
use types::notification::{Contact, Delivered, Undelivered};
use types::time::later;
use types::{
    ChannelId, Delivery, EscalationId, EventKind, Graph, Incident, IncidentId, Notification, PersonId,
    Resource, ScheduleId, ServiceId, Time,
};

pub(super) fn at(text: &str) -> Time {
    text.parse().unwrap()
}

pub(super) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// 12:00 in UTC, 14:00 in Tallinn, the timezone of all people here. Ana is on call this week.
pub(super) fn monday() -> Time {
    at("2026-11-16T12:00:00Z")
}

pub(super) fn escalation(config: &mut Config) -> &mut Escalation {
    config.escalations.get_mut(&EscalationId::from("default")).unwrap()
}

/// Keys of notifications.
pub(super) fn keys(notifications: &[Notification]) -> Vec<&str> {
    notifications.iter().map(|notification| notification.key.0.as_str()).collect()
}

pub(super) fn person(name: &str, contact: &[&str]) -> Person {
    let contact = contact.iter().map(|text| {
        let (channel, address) = text.split_once(':').unwrap();
        Contact { channel: channel.into(), address: address.to_owned() }
    });
    Person {
        id: name.into(),
        name: name.to_owned(),
        timezone: TimeZone::get("Europe/Tallinn").unwrap(),
        waking_hours: None,
        contacts: contact.collect(),
    }
}

pub(super) fn step(schedules: &[&str], people: &[&str], wait: u64) -> Step {
    Step {
        schedules: schedules.iter().map(|name| ScheduleId::from(*name)).collect(),
        people: people.iter().map(|name| PersonId::from(*name)).collect(),
        prefer_awake: false,
        escalate_after: secs(wait),
    }
}

pub(super) fn schedule(name: &str, people: &[&str], start: &str, until: Option<&str>) -> Schedule {
    let layer = Layer {
        people: people.iter().map(|name| PersonId::from(*name)).collect(),
        start: start.parse().unwrap(),
        rotation: Rotation::Weeks(1),
        until: until.map(|until| until.parse().unwrap()),
    };
    Schedule { id: name.into(), timezone: TimeZone::UTC, layers: vec![layer] }
}

pub(super) fn service(name: &str, title: &str, schedule: Option<&str>, escalation: &str) -> Service {
    Service {
        id: name.into(),
        title: title.to_owned(),
        group: None,
        hosts: Vec::new(),
        declared_hosts: Vec::new(),
        depends_on: BTreeSet::new(),
        schedule: schedule.map(ScheduleId::from),
        escalation: escalation.into(),
        public: true,
        traffic: None,
    }
}

/// Ana and Bo take weekly turns; three steps (schedule, Bo, Cy), one repeat, one fallback contact.
pub(super) fn config() -> Config {
    let channel = |name: &str| {
        let kind = ChannelKind::Ntfy { url: "http://127.0.0.1:1".to_owned() };
        (ChannelId::from(name), Channel { id: name.into(), kind, secret: None, accepted_when: None })
    };
    let people = [
        person("ana", &["ntfy:ana", "hook:ana"]),
        person("bo", &["ntfy:bo"]),
        person("cy", &["hook:cy"]),
        person("dumb", &["gone:dumb"]),
    ];
    let escalation = Escalation {
        id: "default".into(),
        steps: vec![step(&["platform"], &[], 300), step(&[], &["bo"], 300), step(&[], &["cy"], 600)],
        repeat: 1,
        fallback: vec![Contact { channel: "ntfy".into(), address: "last".to_owned() }],
    };
    let services = [service("api", "API", None, "default"), service("auth", "Sign-in", None, "default")];
    Config {
        digest: String::new(),
        site: Site {
            name: "Acme".to_owned(),
            timezone: TimeZone::UTC,
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
        people: people.into_iter().map(|person| (person.id.clone(), person)).collect(),
        schedules: BTreeMap::from([(
            "platform".into(),
            schedule("platform", &["ana", "bo"], "2026-11-16T09:00", None),
        )]),
        escalations: BTreeMap::from([(EscalationId::from("default"), escalation)]),
        channels: BTreeMap::from([channel("ntfy"), channel("hook")]),
        edge: None,
        pools: Default::default(),
        callers: Default::default(),
        status_page: StatusPage {
            title: "Acme status".to_owned(),
            history_days: 90,
            ..StatusPage::default()
        },
        graph: Graph::default(),
    }
}

pub(super) fn diagnosis(wakes: bool, affected: &[&str]) -> Diagnosis {
    Diagnosis {
        cause: Resource::domain("acme.app"),
        summary: "acme.app expired at 15:28; 2 services fail because of it".to_owned(),
        alerts: BTreeSet::new(),
        affected: affected.iter().map(|name| Resource::service(*name)).collect(),
        unaffected: BTreeSet::from([Resource::service(ServiceId::from("api").0)]),
        wakes,
        stage: Stage::Failing,
        ahead: None,
        calm: false,
    }
}

/// A stand-in for the engine: clock, journal, incidents folded as `diagnose` folds them.
pub(super) struct Fixture {
    pub(super) config: Config,
    pub(super) oncall: OnCall,
    pub(super) now: Time,
    pub(super) journal: Vec<Event>,
    pub(super) incidents: BTreeMap<IncidentId, Incident>,
    /// Notifications without a delivery result.
    pub(super) in_flight: Vec<Notification>,
    /// All notifications that were due, with the time.
    pub(super) sent: Vec<(Time, Notification)>,
}

impl Fixture {
    pub(super) fn new(config: Config, now: Time) -> Self {
        Self {
            config,
            oncall: OnCall::default(),
            now,
            journal: Vec::new(),
            incidents: BTreeMap::new(),
            in_flight: Vec::new(),
            sent: Vec::new(),
        }
    }

    pub(super) fn commit(&mut self, events: Vec<EventKind>) {
        for kind in events {
            let event = Event { seq: self.journal.len() as u64 + 1, at: self.now, kind };
            self.fold(&event);
            self.oncall.apply(&event);
            self.journal.push(event);
        }
    }

    /// Reacts to a fixpoint, then returns the notifications that are due.
    pub(super) fn run_batch(&mut self) -> Vec<Notification> {
        for round in 0.. {
            assert!(
                round < 20,
                "does not reach a fixpoint: {:?}",
                self.journal.iter().rev().take(5).collect::<Vec<_>>()
            );
            let events = self.oncall.react(&self.config, self.now, &self.incidents);
            if events.is_empty() {
                break;
            }
            self.commit(events);
        }
        let notifications = self.oncall.due(&self.config, self.now, &self.incidents);
        assert!(self.oncall.due(&self.config, self.now, &self.incidents).is_empty(), "returned twice");
        if let Some(next) = self.oncall.next_deadline(&self.config, self.now) {
            assert!(next > self.now, "deadline {next} is not after now, {}", self.now);
        }
        self.sent.extend(notifications.iter().map(|notification| (self.now, notification.clone())));
        self.in_flight.extend(notifications.iter().cloned());
        notifications
    }

    /// Runs until `end`. `answer` gives the result of each attempt immediately.
    pub(super) fn run_until(
        &mut self,
        end: Time,
        answer: impl Fn(&Notification) -> Result<Delivered, Undelivered>,
    ) {
        loop {
            for notification in std::mem::take(&mut self.in_flight) {
                let result = answer(&notification);
                self.answer(&notification, result);
            }
            self.run_batch();
            if !self.in_flight.is_empty() {
                continue;
            }
            let next = self.oncall.next_deadline(&self.config, self.now).unwrap_or(end);
            if next >= end {
                self.now = end;
                self.run_batch();
                return;
            }
            self.now = next;
        }
    }

    pub(super) fn answer(&mut self, notification: &Notification, result: Result<Delivered, Undelivered>) {
        let delivery = Delivery { key: notification.key.clone(), result };
        let kind = self.oncall.attempted(&self.config, self.now, &delivery);
        self.commit(kind);
    }

    pub(super) fn advance(&mut self, span: Duration) {
        self.now = later(self.now, span);
    }

    pub(super) fn open(&mut self, id: u64, wakes: bool, affected: &[&str]) {
        let diagnosis = diagnosis(wakes, affected);
        self.commit(vec![EventKind::IncidentOpened { incident: IncidentId(id), since: self.now, diagnosis }]);
    }

    pub(super) fn diagnose(&mut self, id: u64, wakes: bool) {
        let diagnosis = Diagnosis { wakes, ..self.incidents[&IncidentId(id)].diagnosis.clone() };
        self.commit(vec![EventKind::IncidentDiagnosed { incident: IncidentId(id), diagnosis }]);
    }

    pub(super) fn acknowledge(&mut self, id: u64) {
        self.commit(vec![EventKind::IncidentAcknowledged {
            incident: IncidentId(id),
            by: "ana".to_owned(),
            via: "link".to_owned(),
            until: later(self.now, secs(1_800)),
        }]);
    }

    pub(super) fn resolve(&mut self, id: u64) {
        let summary = "acme.app had expired and was renewed".to_owned();
        self.commit(vec![EventKind::IncidentResolved { incident: IncidentId(id), summary }]);
    }

    pub(super) fn merge(&mut self, id: u64, into: u64) {
        self.commit(vec![EventKind::IncidentMerged { incident: IncidentId(id), into: IncidentId(into) }]);
    }

    /// Crash and restart: only the journal is kept.
    pub(super) fn crash(&mut self) {
        self.oncall = OnCall::default();
        for event in &self.journal {
            self.oncall.apply(event);
        }
        self.in_flight.clear();
    }

    fn fold(&mut self, event: &Event) {
        match &event.kind {
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
                let ack = Acknowledgement { by: by.clone(), at: event.at, until: *until };
                self.incidents.get_mut(incident).unwrap().acknowledged = Some(ack);
            }
            EventKind::AcknowledgementExpired { incident } => {
                self.incidents.get_mut(incident).unwrap().acknowledged = None;
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

    /// The events of this crate, one short line each.
    pub(super) fn story(&self) -> String {
        let start = self.journal.first().map_or(self.now, |event| event.at);
        let mut lines = String::new();
        for event in &self.journal {
            let what = match &event.kind {
                EventKind::PageOpened { page, incident, escalation } => {
                    format!("{page} opened for {incident} by {escalation}")
                }
                EventKind::PageStep { page, round, step, people, until } => {
                    let people: Vec<&str> = people.iter().map(|person| person.0.as_str()).collect();
                    let wait = types::time::between(start, *until).as_secs();
                    format!("{page} r{round}/{step} [{}] until {wait}", people.join(" "))
                }
                EventKind::PageClosed { page } => format!("{page} closed"),
                EventKind::NoticeQueued { incident, occasion, people, fallback } => {
                    let people: Vec<&str> = people.iter().map(|person| person.0.as_str()).collect();
                    let more = if *fallback { " and the fallback" } else { "" };
                    format!("{incident} {occasion} for [{}]{more}", people.join(" "))
                }
                EventKind::AttemptEnded { delivery, contact, .. } => {
                    format!(
                        "{} {} via {contact}",
                        delivery.key,
                        if delivery.result.is_ok() { "ok" } else { "failed" }
                    )
                }
                EventKind::AttemptsAbandoned { key, .. } => format!("{key} abandoned"),
                EventKind::AcknowledgementExpired { incident } => {
                    format!("{incident} acknowledgement expired")
                }
                EventKind::IncidentAcknowledged { incident, by, .. } => {
                    format!("{incident} acknowledged by {by}")
                }
                EventKind::IncidentResolved { incident, .. } => format!("{incident} resolved"),
                EventKind::IncidentMerged { incident, into } => format!("{incident} merged into {into}"),
                _ => continue,
            };
            lines += &format!("{:>5} {what}\n", types::time::between(start, event.at).as_secs());
        }
        lines
    }
}

pub(super) fn accepted(_: &Notification) -> Result<Delivered, Undelivered> {
    Ok(Delivered { receipt: None })
}

pub(super) fn refused(_: &Notification) -> Result<Delivered, Undelivered> {
    Err(Undelivered { why: "401".to_owned(), retriable: false, retry_after: None })
}

pub(super) fn failing(_: &Notification) -> Result<Delivered, Undelivered> {
    Err(Undelivered { why: "503".to_owned(), retriable: true, retry_after: None })
}

/// Maximum time between attempts while anybody can be paged and results arrive in time.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(REPEAT_INTERVAL.as_secs() * 2 + 30);
