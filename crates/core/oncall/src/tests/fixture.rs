//! Test fixture: a small configuration, and the loop of the engine.

use crate::OnCall;
use crate::queue::REPEAT_INTERVAL;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use testkit::config::{channel, contact, empty};
use testkit::incident::acknowledged;
use testkit::journal::Journal;
pub(super) use testkit::time::{at, secs};
use types::audit::Criterion;
use types::config::{ChannelKind, Config, Escalation, Layer, Person, Rotation, Schedule, Service, Step};
use types::incident::Diagnosis;
use types::notification::{Delivered, Undelivered};
use types::time::later;
use types::{
    ChangeId, Context, Delivery, EscalationId, EventKind, Events, IncidentId, Notification, PersonId,
    RecordedChange, Resource, ScheduleId, Time,
};

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

/// A person in Tallinn.
pub(super) fn person(name: &str, contacts: &[&str]) -> Person {
    testkit::config::person(name, TimeZone::get("Europe/Tallinn").unwrap(), contacts)
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
        people: people.iter().map(|name| vec![PersonId::from(*name)]).collect(),
        start: start.parse().unwrap(),
        rotation: Rotation::Weeks(1),
        restrictions: Vec::new(),
        until: until.map(|until| until.parse().unwrap()),
    };
    testkit::config::schedule(name, TimeZone::UTC, vec![layer])
}

pub(super) fn service(name: &str, title: &str, schedule: Option<&str>, escalation: &str) -> Service {
    Service {
        title: title.to_owned(),
        schedule: schedule.map(ScheduleId::from),
        escalation: escalation.into(),
        ..testkit::config::service(name)
    }
}

/// Ana and Bo take weekly turns; three steps (schedule, Bo, Cy), one repeat, one fallback contact.
pub(super) fn config() -> Config {
    let ntfy = |name: &str| channel(name, ChannelKind::Ntfy { url: "http://127.0.0.1:1".to_owned() });
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
        fallback: vec![contact("ntfy:last")],
    };
    let services = [service("api", "API", None, "default"), service("auth", "Sign-in", None, "default")];
    let platform = schedule("platform", &["ana", "bo"], "2026-11-16T09:00", None);
    Config {
        services: services.into_iter().map(|service| (service.id.clone(), service)).collect(),
        people: people.into_iter().map(|person| (person.id.clone(), person)).collect(),
        schedules: [(platform.id.clone(), platform)].into(),
        escalations: [(escalation.id.clone(), escalation)].into(),
        channels: [ntfy("ntfy"), ntfy("hook")].map(|channel| (channel.id.clone(), channel)).into(),
        ..empty()
    }
}

pub(super) fn diagnosis(wakes: bool, affected: &[&str]) -> Diagnosis {
    Diagnosis {
        summary: "acme.app expired at 15:28; 2 services fail because of it".to_owned(),
        unaffected: testkit::incident::services(&["api"]),
        wakes,
        ..testkit::incident::diagnosis(Resource::domain("acme.app"), affected)
    }
}

/// What the engine knows besides alerts and incidents.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) changes: BTreeMap<ChangeId, RecordedChange>,
    pub(super) musts: BTreeSet<Criterion>,
}

pub(super) fn context<'a>(
    config: &'a Config,
    now: Time,
    journal: &'a Journal,
    facts: &'a Facts,
) -> Context<'a> {
    let context = Context::new(config, now).diagnosed(&journal.incidents).changed(&facts.changes);
    Context { alerts: &journal.alerts, ..context.audited(&facts.musts) }
}

/// A stand-in for the engine: clock and journal.
pub(super) struct Fixture {
    pub(super) config: Config,
    pub(super) oncall: OnCall,
    pub(super) now: Time,
    pub(super) journal: Journal,
    /// Notifications without a delivery result.
    pub(super) in_flight: Vec<Notification>,
    /// All notifications that were due, with the time.
    pub(super) sent: Vec<(Time, Notification)>,
    pub(super) facts: Facts,
}

impl Fixture {
    pub(super) fn new(config: Config, now: Time) -> Self {
        Self {
            config,
            oncall: OnCall::default(),
            now,
            journal: Journal::default(),
            in_flight: Vec::new(),
            sent: Vec::new(),
            facts: Facts::default(),
        }
    }

    pub(super) fn commit(&mut self, events: Vec<EventKind>) {
        for kind in events {
            let event = self.journal.append(self.now, kind);
            self.oncall.apply(&event);
        }
    }

    /// Reacts to a fixpoint, then returns the notifications that are due.
    pub(super) fn run_batch(&mut self) -> Vec<Notification> {
        for round in 0.. {
            assert!(
                round < 20,
                "does not reach a fixpoint: {:?}",
                self.journal.events.iter().rev().take(5).collect::<Vec<_>>()
            );
            let mut events = Events::new();
            self.oncall.react(&context(&self.config, self.now, &self.journal, &self.facts), &mut events);
            if events.is_empty() {
                break;
            }
            self.commit(events);
        }
        let notifications = self.oncall.due(&context(&self.config, self.now, &self.journal, &self.facts));
        assert!(
            self.oncall.due(&context(&self.config, self.now, &self.journal, &self.facts)).is_empty(),
            "returned twice"
        );
        if let Some(next) = self.oncall.next_deadline(&Context::new(&self.config, self.now)) {
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
            let next = self.oncall.next_deadline(&Context::new(&self.config, self.now)).unwrap_or(end);
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
        let mut kind = Events::new();
        self.oncall.attempted(&Context::new(&self.config, self.now), &delivery, &mut kind);
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
        let diagnosis = Diagnosis { wakes, ..self.journal.incidents[&IncidentId(id)].diagnosis.clone() };
        self.commit(vec![EventKind::IncidentDiagnosed { incident: IncidentId(id), diagnosis }]);
    }

    pub(super) fn acknowledge(&mut self, id: u64) {
        self.commit(vec![acknowledged(id, self.now)]);
    }

    pub(super) fn resolve(&mut self, id: u64) {
        let summary = "acme.app had expired and was renewed".to_owned();
        self.commit(vec![EventKind::IncidentResolved { incident: IncidentId(id), summary, by: None }]);
    }

    pub(super) fn merge(&mut self, id: u64, into: u64) {
        self.commit(vec![EventKind::IncidentMerged { incident: IncidentId(id), into: IncidentId(into) }]);
    }

    /// Crash and restart: only the journal is kept.
    pub(super) fn crash(&mut self) {
        self.oncall = OnCall::default();
        for event in &self.journal.events {
            self.oncall.apply(event);
        }
        self.in_flight.clear();
    }

    /// The events of this crate, one short line each.
    pub(super) fn story(&self) -> String {
        let start = self.journal.events.first().map_or(self.now, |event| event.at);
        let mut lines = String::new();
        for event in &self.journal.events {
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
                EventKind::NoticeQueued { incident, occasion, people, fallback, .. } => {
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
