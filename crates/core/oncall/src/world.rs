//! A small declared world for tests, and the loop that the engine turns.

use crate::OnCall;
use crate::line::REDIAL;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::config::{
    Channel, ChannelKind, Config, Dns, Escalation, Layer, Person, Registry, Schedule, Service, Site,
    StatusPage, Step, Turn,
};
use types::event::Event;
use types::incident::{Acknowledgement, Diagnosis, Stage};
use types::notification::{Delivered, Reach, Undelivered};
use types::time::later;
use types::{
    ChannelId, Delivery, EscalationId, EventKind, Graph, Incident, IncidentId, Notification, PersonId,
    Resource, ScheduleId, ServiceId, Time,
};

pub(crate) fn at(text: &str) -> Time {
    text.parse().unwrap()
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn person(name: &str, reach: &[&str]) -> Person {
    let reach = reach.iter().map(|text| {
        let (channel, address) = text.split_once(':').unwrap();
        Reach { channel: channel.into(), address: address.to_owned() }
    });
    Person {
        id: name.into(),
        name: name.to_owned(),
        timezone: TimeZone::get("Europe/Tallinn").unwrap(),
        waking_hours: None,
        contacts: reach.collect(),
    }
}

pub(crate) fn step(schedules: &[&str], people: &[&str], wait: u64) -> Step {
    Step {
        schedules: schedules.iter().map(|name| ScheduleId::from(*name)).collect(),
        people: people.iter().map(|name| PersonId::from(*name)).collect(),
        prefer_awake: false,
        escalate_after: secs(wait),
    }
}

pub(crate) fn schedule(name: &str, people: &[&str], start: &str, until: Option<&str>) -> Schedule {
    let layer = Layer {
        people: people.iter().map(|name| PersonId::from(*name)).collect(),
        start: start.parse().unwrap(),
        rotation: Turn::Weeks(1),
        until: until.map(|until| until.parse().unwrap()),
    };
    Schedule { id: name.into(), timezone: TimeZone::UTC, layers: vec![layer] }
}

pub(crate) fn service(name: &str, title: &str, schedule: Option<&str>, escalation: &str) -> Service {
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

/// Ana and Bo take weekly turns, Cy is the chief; three steps, one repeat, a phone as last resort.
pub(crate) fn config() -> Config {
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
        fallback: vec![Reach { channel: "ntfy".into(), address: "last".to_owned() }],
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

pub(crate) fn diagnosis(wakes: bool, affected: &[&str]) -> Diagnosis {
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

/// The part of the engine that wake stands in: a clock, a journal, incidents folded as diagnose folds them.
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) wake: OnCall,
    pub(crate) now: Time,
    pub(crate) journal: Vec<Event>,
    pub(crate) incidents: BTreeMap<IncidentId, Incident>,
    /// What courier was handed and has not answered.
    pub(crate) flying: Vec<Notification>,
    /// Every effect ever handed out, when.
    pub(crate) sent: Vec<(Time, Notification)>,
}

impl World {
    pub(crate) fn new(config: Config, now: Time) -> Self {
        Self {
            config,
            wake: OnCall::default(),
            now,
            journal: Vec::new(),
            incidents: BTreeMap::new(),
            flying: Vec::new(),
            sent: Vec::new(),
        }
    }

    pub(crate) fn commit(&mut self, events: Vec<EventKind>) {
        for kind in events {
            let event = Event { seq: self.journal.len() as u64 + 1, at: self.now, kind };
            self.fold(&event);
            self.wake.apply(&event);
            self.journal.push(event);
        }
    }

    /// Reacts until nothing more follows, then hands out what is owed.
    pub(crate) fn settle(&mut self) -> Vec<Notification> {
        for round in 0.. {
            assert!(
                round < 20,
                "never comes to rest: {:?}",
                self.journal.iter().rev().take(5).collect::<Vec<_>>()
            );
            let events = self.wake.react(&self.config, self.now, &self.incidents);
            if events.is_empty() {
                break;
            }
            self.commit(events);
        }
        let notifications = self.wake.due(&self.config, self.now, &self.incidents);
        assert!(self.wake.due(&self.config, self.now, &self.incidents).is_empty(), "handed out twice");
        if let Some(next) = self.wake.next(&self.config, self.now) {
            assert!(next > self.now, "asks for a time that has come: {next}, now {}", self.now);
        }
        self.sent.extend(notifications.iter().map(|notification| (self.now, notification.clone())));
        self.flying.extend(notifications.iter().cloned());
        notifications
    }

    /// Everything happens as it does when nobody answers and providers accept: until an instant, at most every second.
    pub(crate) fn run_until(
        &mut self,
        end: Time,
        answer: impl Fn(&Notification) -> Result<Delivered, Undelivered>,
    ) {
        loop {
            for notification in std::mem::take(&mut self.flying) {
                let result = answer(&notification);
                self.answer(&notification, result);
            }
            self.settle();
            if !self.flying.is_empty() {
                continue;
            }
            let next = self.wake.next(&self.config, self.now).unwrap_or(end);
            if next >= end {
                self.now = end;
                self.settle();
                return;
            }
            self.now = next;
        }
    }

    pub(crate) fn answer(&mut self, notification: &Notification, result: Result<Delivered, Undelivered>) {
        let outcome = Delivery { key: notification.key.clone(), result };
        let kind = self.wake.attempted(&self.config, self.now, &outcome);
        self.commit(kind);
    }

    pub(crate) fn pass(&mut self, span: Duration) {
        self.now = later(self.now, span);
    }

    pub(crate) fn open(&mut self, id: u64, wakes: bool, affected: &[&str]) {
        let diagnosis = diagnosis(wakes, affected);
        self.commit(vec![EventKind::IncidentOpened { incident: IncidentId(id), since: self.now, diagnosis }]);
    }

    pub(crate) fn diagnose(&mut self, id: u64, wakes: bool) {
        let diagnosis = Diagnosis { wakes, ..self.incidents[&IncidentId(id)].diagnosis.clone() };
        self.commit(vec![EventKind::IncidentDiagnosed { incident: IncidentId(id), diagnosis }]);
    }

    pub(crate) fn acknowledge(&mut self, id: u64) {
        self.commit(vec![EventKind::IncidentAcknowledged {
            incident: IncidentId(id),
            by: "ana".to_owned(),
            via: "link".to_owned(),
            until: later(self.now, secs(1_800)),
        }]);
    }

    pub(crate) fn resolve(&mut self, id: u64) {
        let summary = "acme.app had expired and was renewed".to_owned();
        self.commit(vec![EventKind::IncidentResolved { incident: IncidentId(id), summary }]);
    }

    pub(crate) fn merge(&mut self, id: u64, into: u64) {
        self.commit(vec![EventKind::IncidentMerged { incident: IncidentId(id), into: IncidentId(into) }]);
    }

    /// kill -9 and a start: everything but the journal is lost.
    pub(crate) fn crash(&mut self) {
        self.wake = OnCall::default();
        for event in &self.journal {
            self.wake.apply(event);
        }
        self.flying.clear();
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

    /// The journal's lines of this crate, short.
    pub(crate) fn story(&self) -> String {
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
                EventKind::NoticeOwed { incident, occasion, people, fallback } => {
                    let people: Vec<&str> = people.iter().map(|person| person.0.as_str()).collect();
                    let more = if *fallback { " and the last resort" } else { "" };
                    format!("{incident} {occasion} for [{}]{more}", people.join(" "))
                }
                EventKind::AttemptEnded { outcome, reach, .. } => {
                    format!(
                        "{} {} over {reach}",
                        outcome.key,
                        if outcome.result.is_ok() { "ok" } else { "failed" }
                    )
                }
                EventKind::AttemptsAbandoned { key, .. } => format!("{key} given up"),
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

pub(crate) fn accepted(_: &Notification) -> Result<Delivered, Undelivered> {
    Ok(Delivered { receipt: None })
}

pub(crate) fn refused(_: &Notification) -> Result<Delivered, Undelivered> {
    Err(Undelivered { why: "401".to_owned(), retriable: false, retry_after: None })
}

pub(crate) fn failing(_: &Notification) -> Result<Delivered, Undelivered> {
    Err(Undelivered { why: "503".to_owned(), retriable: true, retry_after: None })
}

/// Longest wait between attempts that the crate promises while somebody can be called, outcomes in time.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(REDIAL.as_secs() * 2 + 30);
