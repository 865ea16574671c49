//! A small configuration, a clock that a story moves, probes that answer as the story says, and a phone that takes every message.

use crate::surge;
use engine::Engine;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use testkit::config::read;
use testkit::probe::{certificate, handshake, http_from, registration, result};
use types::config::ProbeKind;
use types::event::UpdateStatus;
use types::fault::TlsFault;
use types::notification::{Delivered, Delivery};
use types::probe_result::{DnsSeen, DomainSeen, HttpSeen, ServerAnswer};
use types::traffic::Rollup;
use types::{
    Actor, Answer, Command, Config, Event, EventKind, Fault, IncidentId, Input, System, Time, Urgency, Via,
    time,
};

const CONFIG: &str = r#"
[site]
name = "Acme"
timezone = "Europe/Tallinn"

[service.shop]
title = "Shop"
hosts = ["shop.acme.com", "www.acme.com"]

[service.auth]
title = "Sign-in"
depends_on = ["service.api"]

[service.api]
title = "API"
public = false

[probe.login]
http = "http://192.0.2.7/"
interval = "5s"
service = "auth"

[probe.queue]
http = "http://192.0.2.9/"
interval = "5s"
service = "api"

[probe.pages]
http = "http://192.0.2.10/"
interval = "5s"
expect = { max_latency = "2s" }
service = "shop"

[person.ana]
contacts = ["hook:ana"]

[person.bo]
contacts = ["hook:bo"]

[escalation.default]
steps = [{ people = ["ana"], escalate_after = "5m" }, { people = ["bo"], escalate_after = "5m" }]

[channel.hook]
webhook = "https://hook.acme.net/"
"#;

const MORNING: &str = "2026-11-23T08:00:00Z";
const NIGHT: &str = "2026-11-23T00:58:00Z";

/// How the parts of the world answer, by probe; well where nothing is said.
type Bad = BTreeMap<&'static str, Answer>;

/// One situation as it is played.
pub(crate) struct Story {
    engine: Engine,
    config: Arc<Config>,
    now: Time,
    began: Time,
    events: Vec<Event>,
    /// Where the story begins among the events.
    from: usize,
    bad: Bad,
    /// Days that certificates and registrations are still good for.
    pub(crate) certificate_hours: i64,
    pub(crate) domain_hours: i64,
    pub(crate) servers: [&'static str; 2],
    traffic: Option<Rollup>,
    calls: Vec<(Time, String)>,
    looked: Vec<String>,
}

impl Story {
    /// Plays a story and tells it.
    pub(crate) fn transcript(name: &str, play: fn(&mut Self)) -> String {
        let mut story = Self::with(CONFIG, MORNING);
        play(&mut story);
        story.told_of(name)
    }

    fn with(config: &str, now: &str) -> Self {
        let config = Arc::new(read(config));
        let now = now.parse().unwrap();
        let mut story = Self {
            engine: Engine::new(config.clone()),
            config: config.clone(),
            now,
            began: now,
            events: Vec::new(),
            from: 0,
            bad: Bad::new(),
            certificate_hours: 60 * 24,
            domain_hours: 300 * 24,
            servers: ["ns1.acme.net", "ns2.acme.net"],
            traffic: None,
            calls: Vec::new(),
            looked: Vec::new(),
        };
        story.input(System::Booted { unmonitored_since: None });
        story.input(System::Config(config));
        story.pass(120);
        story.began();
        story
    }

    /// What was before is no part of the story.
    fn began(&mut self) {
        self.began = self.now;
        self.from = self.events.len();
        self.calls.clear();
    }

    /// Goes on with another configuration: the usual one with some text replaced.
    pub(crate) fn config(&mut self, from: &str, to: &str) {
        assert!(CONFIG.contains(from), "{from}");
        *self = Self::with(&CONFIG.replacen(from, to, 1), MORNING);
    }

    /// Goes on at three in the night, when Ana sleeps.
    pub(crate) fn at_night(&mut self) {
        let awake =
            "contacts = [\"hook:ana\"]\ntimezone = \"Europe/Tallinn\"\nwaking_hours = \"07:00-22:00\"";
        *self = Self::with(&CONFIG.replacen("contacts = [\"hook:ana\"]", awake, 1), NIGHT);
    }

    /// Goes on with an edge and two pools.
    pub(crate) fn edge(&mut self) {
        self.config = Arc::new(surge::config());
        self.input(System::Config(self.config.clone()));
        self.traffic = Some(surge::quiet());
        self.pass(120);
        self.began();
    }

    pub(crate) fn traffic(&mut self, rollup: Rollup) {
        self.traffic = Some(rollup);
    }

    pub(crate) fn fails(&mut self, probe: &'static str, fault: Fault) {
        self.bad.insert(probe, Answer::Failed(fault));
    }

    pub(crate) fn answers(&mut self, probe: &'static str, answer: Answer) {
        self.bad.insert(probe, answer);
    }

    pub(crate) fn well(&mut self) {
        self.bad.clear();
    }

    pub(crate) fn http(&self, status: u16) -> Answer {
        http_from("192.0.2.7:80".parse().unwrap(), status)
    }

    pub(crate) fn input(&mut self, input: impl Into<Input>) {
        // What is refused to people is part of the story.
        match self.engine.handle(self.now, &input.into()) {
            Ok(events) => self.events.extend(events),
            Err(refused) => self.looked.push(format!("{} refused: {refused}", self.since(self.now))),
        }
        for notification in self.engine.due(self.now) {
            let whom = notification.person.as_ref().map_or("fallback", |person| person.0.as_str());
            let how = if notification.urgency == Urgency::Page { "page" } else { "notice" };
            self.calls.push((self.now, format!("{how} {whom}: {}", notification.title)));
            let result = Ok(Delivered { receipt: None });
            let outcome = Delivery { key: notification.key, result };
            if let Ok(events) = self.engine.handle(self.now, &outcome.into()) {
                self.events.extend(events);
            }
        }
    }

    /// The incident that is open, or else the first.
    fn incident(&self) -> IncidentId {
        let open = self.engine.incidents().values().filter(|incident| incident.is_open());
        open.map(|incident| incident.id).next_back().unwrap_or(IncidentId(1))
    }

    pub(crate) fn acknowledge(&mut self, by: &str) {
        let incident = self.incident();
        self.input((Actor::person(by, Via::Link), Command::Acknowledge { incident }));
    }

    pub(crate) fn resolve(&mut self) {
        let incident = self.incident();
        self.input((ana(), Command::Resolve { incident, force: true }));
    }

    pub(crate) fn approve(&mut self) {
        let incident = self.incident();
        self.input((ana(), Command::Approve { incident }));
    }

    pub(crate) fn post(&mut self, status: UpdateStatus, body: &str) {
        let (incident, body) = (self.incident(), body.to_owned());
        self.input((ana(), Command::Update { incident, status, body }));
    }

    /// The process is killed; another one starts after a while.
    pub(crate) fn restart(&mut self, after_secs: u64) {
        self.engine = Engine::new(self.config.clone());
        self.events.iter().for_each(|event| self.engine.apply(event));
        let unmonitored_since = Some(self.now);
        self.now = time::later(self.now, Duration::from_secs(after_secs));
        self.input(System::Booted { unmonitored_since });
        self.input(System::Config(self.config.clone()));
    }

    /// Time goes by; every probe is asked when it is due.
    pub(crate) fn pass(&mut self, secs: u64) {
        for _ in 0..secs {
            self.now = time::later(self.now, Duration::from_secs(1));
            self.input(System::Tick);
            if let Some(rollup) = self.traffic.clone() {
                self.input(rollup);
            }
            let sooner = self.engine.probe_targets().sooner;
            let second = self.now.as_second();
            let due = |probe: &&types::config::Probe| {
                let every = i64::try_from(probe.interval.as_secs()).unwrap_or(30).clamp(5, 30);
                sooner.get(&probe.id).is_some_and(|at| *at <= self.now) || second % every == 0
            };
            let due: Vec<_> = self.config.probes.values().filter(due).cloned().collect();
            for probe in due {
                let answer =
                    self.bad.get(probe.id.0.as_str()).cloned().unwrap_or_else(|| self.good(&probe.kind));
                let slow = matches!(answer, Answer::Http(HttpSeen { body_bytes: 999, .. }));
                let millis = if slow { 4_000 } else { 40 };
                self.input(result(&probe.id.0, millis, answer));
            }
        }
    }

    fn good(&self, kind: &ProbeKind) -> Answer {
        let address = "192.0.2.7:443".parse().unwrap();
        let hours = |hours: i64| time::later(self.began, Duration::from_secs(3_600 * hours.unsigned_abs()));
        let servers = || self.servers.iter().map(|server| (*server).to_owned()).collect();
        match kind {
            ProbeKind::Http { .. } => self.http(200),
            ProbeKind::Tcp { .. } => Answer::Tcp { address },
            ProbeKind::Tls { host, .. } => {
                let from = time::earlier(self.began, Duration::from_secs(30 * 86_400));
                let chain = vec![certificate(host, from, hours(self.certificate_hours))];
                let faults = match self.certificate_hours {
                    0 => vec![TlsFault::Expired { since: hours(0) }],
                    _ => Vec::new(),
                };
                handshake(host, chain, faults)
            }
            ProbeKind::Dns { zone, names } => {
                let said = |server: &str| ServerAnswer {
                    server: server.to_owned(),
                    address: Some("192.0.2.53".parse().unwrap()),
                    soa: Ok(1),
                    names: names.iter().map(|_| Ok(["192.0.2.7".parse().unwrap()].into())).collect(),
                    zone_servers: [].into(),
                };
                Answer::Dns(DnsSeen {
                    zone: zone.clone(),
                    delegation: Ok(servers()),
                    servers: self.servers.iter().map(|server| said(server)).collect(),
                    resolvers: Vec::new(),
                })
            }
            ProbeKind::Domain { name } => Answer::Domain(DomainSeen {
                registry_expires: Some(hours(self.domain_hours)),
                statuses: ["active".to_owned()].into(),
                name_servers: servers(),
                ..registration(name)
            }),
            // No situation has one.
            ProbeKind::Database { .. } | ProbeKind::Pool { .. } | ProbeKind::Nut { .. } => {
                Answer::Failed(Fault::Refused)
            }
        }
    }

    fn since(&self, at: Time) -> String {
        let secs = time::between(self.began, at).as_secs();
        format!("+{}:{:02}", secs / 60, secs % 60)
    }

    /// What the team and programs see now.
    pub(crate) fn look(&mut self) {
        let now = self.engine.views().now;
        let at = self.since(self.now);
        for open in &now.open {
            let hand = match &open.incident.acknowledged {
                Some(ack) if open.unacknowledged_for.is_none() => format!("acknowledged by {}", ack.by),
                _ => "unacknowledged".to_owned(),
            };
            self.looked.push(format!(
                "team     {at} {}, {hand}: {}",
                open.incident.id, open.incident.diagnosis.summary
            ));
        }
        for draft in &now.drafts {
            self.looked.push(format!("team     {at} draft waits ({}): {}", draft.status.title(), draft.body));
        }
        if now.open.is_empty() {
            self.looked.push(format!("team     {at} no open incidents"));
        }
        let alerts: Vec<String> = now
            .alerts
            .iter()
            .map(|alert| format!("{} {} ({:?})", alert.about, alert.fault.as_str(), alert.severity))
            .collect();
        let states: Vec<String> =
            now.services.iter().map(|row| format!("{} {:?}", row.id, row.state)).collect();
        let alerts = if alerts.is_empty() { "none".to_owned() } else { alerts.join(", ") };
        let isolated = if now.isolated.is_some() { "; isolated" } else { "" };
        self.looked.push(format!("api      {at} {}; alerts: {alerts}{isolated}", states.join(", ")));
    }

    fn told_of(&self, name: &str) -> String {
        let mut text = format!("== {name}\n");
        let public =
            |id: &types::ServiceId| self.config.services.get(id).is_some_and(|service| service.public);
        let mut silent = true;
        for event in &self.events[self.from..] {
            let at = self.since(event.at);
            match &event.kind {
                EventKind::ServiceStateChanged { service, state } if public(service) => {
                    let _ = writeln!(text, "public   {at} {service}: {}", state.title());
                    silent = false;
                }
                EventKind::UpdatePublished { status, title, body, by, .. } => {
                    let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
                    let _ =
                        writeln!(text, "public   {at} [{}{by}] {title}\n           {body}", status.title());
                    silent = false;
                }
                _ => {}
            }
        }
        if silent {
            text.push_str("public   nothing\n");
        }
        // What is said again and again is listed once, with the last time.
        let mut calls: Vec<(Time, Time, usize, &str)> = Vec::new();
        for (at, call) in &self.calls {
            match calls.iter_mut().find(|(_, _, _, known)| *known == call.as_str()) {
                Some((_, last, times, _)) => (*last, *times) = (*at, *times + 1),
                None => calls.push((*at, *at, 1, call)),
            }
        }
        for (first, last, times, call) in calls {
            let again = if times > 1 {
                format!(" ({times} times until {})", self.since(last))
            } else {
                String::new()
            };
            let _ = writeln!(text, "on-call  {} {call}{again}", self.since(first));
        }
        if self.calls.is_empty() {
            text.push_str("on-call  nothing\n");
        }
        for line in &self.looked {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

fn ana() -> Actor {
    Actor::person("ana", Via::Console)
}
