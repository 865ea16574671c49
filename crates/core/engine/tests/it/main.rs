//! One order in which the core crates are asked: a small outage from the first bad answer to the end, and people's part.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod causes;
mod changes;
mod colocation;
mod denials;
mod last_results;
mod maintenance;
mod notices;
mod shrinking_pool;
mod silences;
mod situations;
mod slowness;
mod speed;
mod surge;
mod valves;

use engine::Engine;
use std::sync::Arc;
use std::time::Duration;
use testkit::config::read;
use testkit::probe::{http, result};
use types::event::{ServiceState, UpdateStatus};
use types::input::Refused;
use types::{
    Actor, Answer, Command, Config, Event, EventKind, Fault, IncidentId, Input, System, Time, Urgency, Via,
    time,
};

const CONFIG: &str = r#"
[site]
name = "Acme"

[service.shop]
title = "Shop"

[probe.front]
http = "http://192.0.2.7/"
interval = "30s"
failure_threshold = 2
failing_for = "0s"
service = "shop"

[person.ana]
contacts = ["hook:ana"]

[channel.hook]
webhook = "https://hook.acme.net/"
"#;

/// The engine with a clock that a test moves.
struct Bench {
    engine: Engine,
    config: Arc<Config>,
    now: Time,
    events: Vec<Event>,
}

impl Bench {
    fn new() -> Self {
        Self::with(read(CONFIG))
    }

    fn with(config: Config) -> Self {
        let config = Arc::new(config);
        let now = "2026-11-22T03:00:00Z".parse().unwrap();
        let mut bench =
            Self { engine: Engine::new(config.clone()), config: config.clone(), now, events: Vec::new() };
        bench.input(System::Booted { unmonitored_since: None }).unwrap();
        bench.input(System::Config(config)).unwrap();
        bench
    }

    fn input(&mut self, input: impl Into<Input>) -> Result<Vec<Event>, Refused> {
        let events = self.engine.handle(self.now, &input.into())?;
        self.events.extend(events.clone());
        Ok(events)
    }

    fn later(&mut self, secs: u64) {
        self.now = time::later(self.now, Duration::from_secs(secs));
        self.input(System::Tick).unwrap();
    }

    fn sample(&mut self, answer: Answer) {
        self.sample_of("front", answer);
    }

    fn sample_of(&mut self, probe: &str, answer: Answer) {
        self.input(result(probe, 0, answer)).unwrap();
    }

    fn well(&mut self) {
        self.well_at("front");
    }

    fn well_at(&mut self, probe: &str) {
        self.sample_of(probe, http(200));
    }

    /// Two bad answers, and the time that an incident takes to settle.
    fn break_it(&mut self) {
        for _ in 0..2 {
            self.later(1);
            self.sample(Answer::Failed(Fault::Refused));
        }
        for _ in 0..7 {
            self.later(1);
        }
    }

    /// Two folds of one journal are equal, and equal to the live state.
    fn same_after_replay(&self) {
        let mut folded = Engine::new(self.config.clone());
        self.events.iter().for_each(|event| folded.apply(event));
        assert_eq!(folded.state_text(), self.engine.state_text());
    }

    fn count(&self, is: impl Fn(&EventKind) -> bool) -> usize {
        self.events.iter().filter(|event| is(&event.kind)).count()
    }
}

const FIRST: IncidentId = IncidentId(1);

fn person(id: &str) -> Actor {
    Actor::person(id, Via::CommandLine)
}

fn acknowledge(by: &str) -> (Actor, Command) {
    (person(by), Command::Acknowledge { incident: FIRST })
}

fn decide(bench: &mut Bench, (actor, command): (Actor, Command)) -> Result<Vec<Event>, Refused> {
    bench.engine.decide(bench.now, &actor, &command)
}

fn resolve(force: bool) -> (Actor, Command) {
    (person("bo"), Command::Resolve { incident: FIRST, force })
}

#[test]
fn outage_is_one_incident_and_one_page_and_ends_with_healthy_results() {
    let mut bench = Bench::new();
    bench.well();
    bench.break_it();
    assert_eq!(bench.count(|it| matches!(it, EventKind::IncidentOpened { .. })), 1);
    let notifications = bench.engine.due(bench.now);
    assert_eq!(notifications.len(), 1, "{notifications:?}");
    assert_eq!(notifications[0].urgency, Urgency::Page);
    assert!(bench.engine.due(bench.now).is_empty(), "in flight already");
    let views = bench.engine.views();
    assert_eq!(views.status_page.state, ServiceState::MajorOutage);
    assert!(views.now.open[0].incident.diagnosis.summary.contains("refuses connections"));

    for _ in 0..10 {
        bench.later(2);
        bench.well();
    }
    assert_eq!(bench.count(|it| matches!(it, EventKind::IncidentResolved { .. })), 1);
    assert_eq!(
        bench.count(|it| matches!(it, EventKind::UpdatePublished { .. })),
        0,
        "clients had not been failing for a minute"
    );
    assert!(bench.engine.views().now.open.is_empty());
}

#[test]
fn numbers_rise_by_one_and_a_fold_equals_the_live_state() {
    let mut bench = Bench::new();
    bench.break_it();
    bench.input(acknowledge("ana")).unwrap();
    assert!(bench.events.iter().zip(1..).all(|(event, seq)| event.seq == seq));
    bench.same_after_replay();
}

#[test]
fn time_never_runs_backwards() {
    let mut bench = Bench::new();
    bench.break_it();
    let last = bench.events.last().unwrap().at;
    bench.now = time::earlier(bench.now, Duration::from_secs(3_600));
    let events = bench.input(acknowledge("ana")).unwrap();
    assert!(events.iter().all(|event| event.at >= last), "{events:?}");
}

#[test]
fn command_that_is_not_on_disk_stops_no_page() {
    let acknowledged = |engine: &Engine| engine.incidents()[&FIRST].acknowledged.clone();
    let mut bench = Bench::new();
    bench.break_it();
    assert_eq!(bench.engine.due(bench.now).len(), 1);

    let before = bench.engine.state_text();
    let decided = decide(&mut bench, acknowledge("ana")).unwrap();
    assert_eq!(decided.len(), 1);
    assert_eq!(bench.engine.state_text(), before, "refused by the journal: nothing happened");

    let undo = bench.engine.withdraw(bench.now, &decided);
    assert_eq!(acknowledged(&bench.engine), None, "in doubt: taken back at once");
    assert!(matches!(undo[..], [Event { kind: EventKind::AcknowledgementWithdrawn { .. }, .. }]), "{undo:?}");
    bench.events.extend(decided);
    bench.events.extend(undo);

    let decided = decide(&mut bench, acknowledge("bo")).unwrap();
    let follows = bench.engine.accept(bench.now, &decided);
    bench.events.extend(decided);
    bench.events.extend(follows);
    let mut replayed = Engine::new(bench.config.clone());
    bench.events.iter().for_each(|event| replayed.apply(event));
    assert_eq!(replayed.state_text(), bench.engine.state_text());
    let holds = acknowledged(&bench.engine).unwrap();
    assert_eq!(holds.by, "bo");

    let decided = decide(&mut bench, acknowledge("ana")).unwrap();
    bench.engine.withdraw(bench.now, &decided);
    assert_eq!(acknowledged(&bench.engine), Some(holds), "what held before holds again");
}

#[test]
fn command_is_carried_out_once_or_refused_with_a_reason() {
    let mut bench = Bench::new();
    assert_eq!(bench.input(acknowledge("ana")), Err(Refused::NoSuchIncident(FIRST)));
    bench.break_it();
    assert_eq!(bench.input(acknowledge("ana")).unwrap().len(), 1);
    assert_eq!(bench.input(acknowledge("ana")).unwrap(), [], "twice is once");
    assert_eq!(bench.input(acknowledge("bo")).unwrap().len(), 1, "bo takes it over");

    bench.later(25 * 60);
    bench.input((person("bo"), Command::Note { incident: FIRST, text: "on it".to_owned() })).unwrap();
    bench.later(25 * 60);
    let expired = |it: &EventKind| matches!(it, EventKind::AcknowledgementExpired { .. });
    assert_eq!(bench.count(expired), 0, "a note prolongs it");
    bench.later(6 * 60);
    assert_eq!(bench.count(expired), 1, "and nobody's word holds for ever");

    let post = |status| {
        let body = "We know.".to_owned();
        (person("bo"), Command::Update { incident: FIRST, status, body })
    };
    assert_eq!(bench.input(post(UpdateStatus::Identified)).unwrap().len(), 1);
    let refused = bench.input(resolve(false));
    let what = "front refuses connections".to_owned();
    assert_eq!(refused, Err(Refused::StillFailing { incident: FIRST, what }));
    bench.input(resolve(true)).unwrap();
    assert_eq!(bench.input(resolve(true)), Err(Refused::Over(FIRST)));
    assert_eq!(bench.input(acknowledge("bo")), Ok(vec![]), "a second late is no error");
}
