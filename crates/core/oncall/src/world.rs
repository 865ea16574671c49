//! A small declared world for tests, and the loop that the engine turns.

use crate::Wake;
use crate::line::REDIAL;
use jiff::tz::TimeZone;
use types::effect::{Delivered, Reach, Undelivered};
use types::event::Event;
use types::incident::{Acknowledgement, Diagnosis, Stage};
use types::plan::{
    Board, Channel, ChannelKind, Dns, Ladder, Layer, Person, Plan, Registry, Rota, Rung, Service, Site, Turn,
};
use types::time::later;
use types::{
    ChannelId, Effect, Graph, Happened, Incident, IncidentId, LadderId, Outcome, PersonId, RotaId, ServiceId,
    Thing, Time,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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
        zone: TimeZone::get("Europe/Tallinn").unwrap(),
        awake: None,
        reach: reach.collect(),
    }
}

pub(crate) fn rung(rotas: &[&str], people: &[&str], wait: u64) -> Rung {
    Rung {
        rotas: rotas.iter().map(|name| RotaId::from(*name)).collect(),
        people: people.iter().map(|name| PersonId::from(*name)).collect(),
        prefer_awake: false,
        wait: secs(wait),
    }
}

pub(crate) fn rota(name: &str, people: &[&str], start: &str, until: Option<&str>) -> Rota {
    let layer = Layer {
        people: people.iter().map(|name| PersonId::from(*name)).collect(),
        start: start.parse().unwrap(),
        every: Turn::Weeks(1),
        until: until.map(|until| until.parse().unwrap()),
    };
    Rota { id: name.into(), zone: TimeZone::UTC, layers: vec![layer] }
}

pub(crate) fn service(name: &str, title: &str, rota: Option<&str>, ladder: &str) -> Service {
    Service {
        id: name.into(),
        title: title.to_owned(),
        group: None,
        hosts: Vec::new(),
        declared_hosts: Vec::new(),
        needs: BTreeSet::new(),
        rota: rota.map(RotaId::from),
        ladder: ladder.into(),
        public: true,
        guard: None,
    }
}

/// Ana and Bo take weekly turns, Cy is the chief; three rungs, one repeat, a phone as last resort.
pub(crate) fn plan() -> Plan {
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
    let ladder = Ladder {
        id: "default".into(),
        rungs: vec![rung(&["platform"], &[], 300), rung(&[], &["bo"], 300), rung(&[], &["cy"], 600)],
        repeat: 1,
        last_resort: vec![Reach { channel: "ntfy".into(), address: "last".to_owned() }],
    };
    let services = [service("api", "API", None, "default"), service("auth", "Sign-in", None, "default")];
    Plan {
        digest: String::new(),
        site: Site {
            name: "Acme".to_owned(),
            zone: TimeZone::UTC,
            data: "data".into(),
            listen: "127.0.0.1:0".parse().unwrap(),
            url: "https://status.acme.net".to_owned(),
            trust: Vec::new(),
            inner: Vec::new(),
        },
        dns: Dns { resolvers: Vec::new(), roots: Vec::new(), port: 53 },
        registry: Registry::default(),
        services: services.into_iter().map(|service| (service.id.clone(), service)).collect(),
        probes: BTreeMap::new(),
        domains: BTreeMap::new(),
        people: people.into_iter().map(|person| (person.id.clone(), person)).collect(),
        rotas: BTreeMap::from([(
            "platform".into(),
            rota("platform", &["ana", "bo"], "2026-11-16T09:00", None),
        )]),
        ladders: BTreeMap::from([(LadderId::from("default"), ladder)]),
        channels: BTreeMap::from([channel("ntfy"), channel("hook")]),
        edge: None,
        pools: Default::default(),
        callers: Default::default(),
        board: Board { title: "Acme status".to_owned(), history_days: 90, ..Board::default() },
        graph: Graph::default(),
    }
}

pub(crate) fn diagnosis(wakes: bool, affected: &[&str]) -> Diagnosis {
    Diagnosis {
        cause: Thing::domain("acme.app"),
        sentence: "acme.app expired at 15:28; 2 services fail because of it".to_owned(),
        findings: BTreeSet::new(),
        affected: affected.iter().map(|name| Thing::service(*name)).collect(),
        unaffected: BTreeSet::from([Thing::service(ServiceId::from("api").0)]),
        wakes,
        stage: Stage::Failing,
        ahead: None,
        calm: false,
    }
}

/// The part of the engine that wake stands in: a clock, a journal, incidents folded as diagnose folds them.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) wake: Wake,
    pub(crate) now: Time,
    pub(crate) journal: Vec<Event>,
    pub(crate) incidents: BTreeMap<IncidentId, Incident>,
    /// What courier was handed and has not answered.
    pub(crate) flying: Vec<Effect>,
    /// Every effect ever handed out, when.
    pub(crate) sent: Vec<(Time, Effect)>,
}

impl World {
    pub(crate) fn new(plan: Plan, now: Time) -> Self {
        Self {
            plan,
            wake: Wake::default(),
            now,
            journal: Vec::new(),
            incidents: BTreeMap::new(),
            flying: Vec::new(),
            sent: Vec::new(),
        }
    }

    pub(crate) fn commit(&mut self, happened: Vec<Happened>) {
        for happened in happened {
            let event = Event { seq: self.journal.len() as u64 + 1, at: self.now, happened };
            self.fold(&event);
            self.wake.apply(&event);
            self.journal.push(event);
        }
    }

    /// Reacts until nothing more follows, then hands out what is owed.
    pub(crate) fn settle(&mut self) -> Vec<Effect> {
        for round in 0.. {
            assert!(
                round < 20,
                "never comes to rest: {:?}",
                self.journal.iter().rev().take(5).collect::<Vec<_>>()
            );
            let happened = self.wake.react(&self.plan, self.now, &self.incidents);
            if happened.is_empty() {
                break;
            }
            self.commit(happened);
        }
        let effects = self.wake.due(&self.plan, self.now, &self.incidents);
        assert!(self.wake.due(&self.plan, self.now, &self.incidents).is_empty(), "handed out twice");
        if let Some(next) = self.wake.next(&self.plan, self.now) {
            assert!(next > self.now, "asks for a time that has come: {next}, now {}", self.now);
        }
        self.sent.extend(effects.iter().map(|effect| (self.now, effect.clone())));
        self.flying.extend(effects.iter().cloned());
        effects
    }

    /// Everything happens as it does when nobody answers and providers accept: until an instant, at most every second.
    pub(crate) fn run_until(
        &mut self,
        end: Time,
        answer: impl Fn(&Effect) -> Result<Delivered, Undelivered>,
    ) {
        loop {
            for effect in std::mem::take(&mut self.flying) {
                let result = answer(&effect);
                self.answer(&effect, result);
            }
            self.settle();
            if !self.flying.is_empty() {
                continue;
            }
            let next = self.wake.next(&self.plan, self.now).unwrap_or(end);
            if next >= end {
                self.now = end;
                self.settle();
                return;
            }
            self.now = next;
        }
    }

    pub(crate) fn answer(&mut self, effect: &Effect, result: Result<Delivered, Undelivered>) {
        let outcome = Outcome { key: effect.key.clone(), result };
        let happened = self.wake.attempted(&self.plan, self.now, &outcome);
        self.commit(happened);
    }

    pub(crate) fn pass(&mut self, span: Duration) {
        self.now = later(self.now, span);
    }

    pub(crate) fn open(&mut self, id: u64, wakes: bool, affected: &[&str]) {
        let diagnosis = diagnosis(wakes, affected);
        self.commit(vec![Happened::IncidentOpened { incident: IncidentId(id), since: self.now, diagnosis }]);
    }

    pub(crate) fn diagnose(&mut self, id: u64, wakes: bool) {
        let diagnosis = Diagnosis { wakes, ..self.incidents[&IncidentId(id)].diagnosis.clone() };
        self.commit(vec![Happened::IncidentDiagnosed { incident: IncidentId(id), diagnosis }]);
    }

    pub(crate) fn acknowledge(&mut self, id: u64) {
        self.commit(vec![Happened::IncidentAcknowledged {
            incident: IncidentId(id),
            by: "ana".to_owned(),
            via: "link".to_owned(),
            until: later(self.now, secs(1_800)),
        }]);
    }

    pub(crate) fn resolve(&mut self, id: u64) {
        let sentence = "acme.app had expired and was renewed".to_owned();
        self.commit(vec![Happened::IncidentResolved { incident: IncidentId(id), sentence }]);
    }

    pub(crate) fn merge(&mut self, id: u64, into: u64) {
        self.commit(vec![Happened::IncidentMerged { incident: IncidentId(id), into: IncidentId(into) }]);
    }

    /// kill -9 and a start: everything but the journal is lost.
    pub(crate) fn crash(&mut self) {
        self.wake = Wake::default();
        for event in &self.journal {
            self.wake.apply(event);
        }
        self.flying.clear();
    }

    fn fold(&mut self, event: &Event) {
        match &event.happened {
            Happened::IncidentOpened { incident, since, diagnosis } => {
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
            Happened::IncidentDiagnosed { incident, diagnosis } => {
                self.incidents.get_mut(incident).unwrap().diagnosis = diagnosis.clone();
            }
            Happened::IncidentAcknowledged { incident, by, until, .. } => {
                let ack = Acknowledgement { by: by.clone(), at: event.at, until: *until };
                self.incidents.get_mut(incident).unwrap().acknowledged = Some(ack);
            }
            Happened::AcknowledgementExpired { incident } => {
                self.incidents.get_mut(incident).unwrap().acknowledged = None;
            }
            Happened::IncidentResolved { incident, .. } => {
                self.incidents.get_mut(incident).unwrap().resolved = Some(event.at);
            }
            Happened::IncidentMerged { incident, into } => {
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
            let what = match &event.happened {
                Happened::PageOpened { page, incident, ladder } => {
                    format!("{page} opened for {incident} by {ladder}")
                }
                Happened::PageRung { page, round, rung, people, until } => {
                    let people: Vec<&str> = people.iter().map(|person| person.0.as_str()).collect();
                    let wait = types::time::between(start, *until).as_secs();
                    format!("{page} r{round}/{rung} [{}] until {wait}", people.join(" "))
                }
                Happened::PageClosed { page } => format!("{page} closed"),
                Happened::NoticeOwed { incident, occasion, people, last_resort } => {
                    let people: Vec<&str> = people.iter().map(|person| person.0.as_str()).collect();
                    let more = if *last_resort { " and the last resort" } else { "" };
                    format!("{incident} {occasion} for [{}]{more}", people.join(" "))
                }
                Happened::AttemptEnded { outcome, reach, .. } => {
                    format!(
                        "{} {} over {reach}",
                        outcome.key,
                        if outcome.result.is_ok() { "ok" } else { "failed" }
                    )
                }
                Happened::AttemptsAbandoned { key, .. } => format!("{key} given up"),
                Happened::AcknowledgementExpired { incident } => {
                    format!("{incident} acknowledgement expired")
                }
                Happened::IncidentAcknowledged { incident, by, .. } => {
                    format!("{incident} acknowledged by {by}")
                }
                Happened::IncidentResolved { incident, .. } => format!("{incident} resolved"),
                Happened::IncidentMerged { incident, into } => format!("{incident} merged into {into}"),
                _ => continue,
            };
            lines += &format!("{:>5} {what}\n", types::time::between(start, event.at).as_secs());
        }
        lines
    }
}

pub(crate) fn accepted(_: &Effect) -> Result<Delivered, Undelivered> {
    Ok(Delivered { receipt: None })
}

pub(crate) fn refused(_: &Effect) -> Result<Delivered, Undelivered> {
    Err(Undelivered { why: "401".to_owned(), retriable: false, retry_after: None })
}

pub(crate) fn failing(_: &Effect) -> Result<Delivered, Undelivered> {
    Err(Undelivered { why: "503".to_owned(), retriable: true, retry_after: None })
}

/// Longest wait between attempts that the crate promises while somebody can be called, outcomes in time.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(REDIAL.as_secs() * 2 + 30);
