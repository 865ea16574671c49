//! One order in which the core crates are asked: a small outage from the first bad answer to the end, and people's part.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod colocation;
mod denials;
mod last_results;
mod situations;
mod speed;
mod surge;

use engine::Engine;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use types::event::{ServiceState, UpdateStatus};
use types::input::Refused;
use types::probe_result::{HttpSeen, Phases};
use types::{Answer, Config, Event, EventKind, Fault, IncidentId, Input, ProbeResult, Time, Urgency, time};

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
        Self::with(config::read(CONFIG, "config", Path::new(".")).unwrap().config)
    }

    fn with(config: Config) -> Self {
        let config = Arc::new(config);
        let now = "2026-11-22T03:00:00Z".parse().unwrap();
        let mut bench =
            Self { engine: Engine::new(config.clone()), config: config.clone(), now, events: Vec::new() };
        bench.input(Input::Booted { unmonitored_since: None }).unwrap();
        bench.input(Input::ConfigRead(config)).unwrap();
        bench
    }

    fn input(&mut self, input: Input) -> Result<Vec<Event>, Refused> {
        let events = self.engine.handle(self.now, &input)?;
        self.events.extend(events.clone());
        Ok(events)
    }

    fn later(&mut self, secs: u64) {
        self.now = time::later(self.now, Duration::from_secs(secs));
        self.input(Input::Tick).unwrap();
    }

    fn sample(&mut self, answer: Answer) {
        self.sample_of("front", answer);
    }

    fn sample_of(&mut self, probe: &str, answer: Answer) {
        let sample = ProbeResult::new(probe.into(), Phases::default(), answer);
        self.input(Input::Sampled(sample)).unwrap();
    }

    fn well(&mut self) {
        self.well_at("front");
    }

    fn well_at(&mut self, probe: &str) {
        let address = "192.0.2.7:80".parse().unwrap();
        self.sample_of(
            probe,
            Answer::Http(HttpSeen {
                status: 200,
                address,
                body_bytes: 2,
                body_found: None,
                hops: Vec::new(),
            }),
        );
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

fn acknowledge(by: &str) -> Input {
    Input::Acknowledge { incident: FIRST, by: by.to_owned(), via: "command".to_owned() }
}

fn resolve(force: bool) -> Input {
    Input::Resolve { incident: FIRST, by: "bo".to_owned(), force }
}

#[test]
fn an_outage_is_one_incident_one_page_and_ends_when_it_is_seen_well() {
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
fn what_is_not_on_disk_silences_nobody() {
    let acknowledged = |engine: &Engine| engine.incidents()[&FIRST].acknowledged.clone();
    let mut bench = Bench::new();
    bench.break_it();
    assert_eq!(bench.engine.due(bench.now).len(), 1);

    let before = bench.engine.state_text();
    let decided = bench.engine.decide(bench.now, &acknowledge("ana")).unwrap();
    assert_eq!(decided.len(), 1);
    assert_eq!(bench.engine.state_text(), before, "refused by the journal: nothing happened");

    let undo = bench.engine.withdraw(bench.now, &decided);
    assert_eq!(acknowledged(&bench.engine), None, "in doubt: taken back at once");
    assert!(matches!(undo[..], [Event { kind: EventKind::AcknowledgementWithdrawn { .. }, .. }]), "{undo:?}");
    bench.events.extend(decided);
    bench.events.extend(undo);

    let decided = bench.engine.decide(bench.now, &acknowledge("bo")).unwrap();
    let follows = bench.engine.accept(bench.now, &decided);
    bench.events.extend(decided);
    bench.events.extend(follows);
    let mut replayed = Engine::new(bench.config.clone());
    bench.events.iter().for_each(|event| replayed.apply(event));
    assert_eq!(replayed.state_text(), bench.engine.state_text());
    let holds = acknowledged(&bench.engine).unwrap();
    assert_eq!(holds.by, "bo");

    let decided = bench.engine.decide(bench.now, &acknowledge("ana")).unwrap();
    bench.engine.withdraw(bench.now, &decided);
    assert_eq!(acknowledged(&bench.engine), Some(holds), "what held before holds again");
}

#[test]
fn what_people_ask_is_done_once_or_refused_with_a_reason() {
    let mut bench = Bench::new();
    assert_eq!(bench.input(acknowledge("ana")), Err(Refused::NoSuchIncident(FIRST)));
    bench.break_it();
    assert_eq!(bench.input(acknowledge("ana")).unwrap().len(), 1);
    assert_eq!(bench.input(acknowledge("ana")).unwrap(), [], "twice is once");
    assert_eq!(bench.input(acknowledge("bo")).unwrap().len(), 1, "bo takes it over");

    bench.later(25 * 60);
    bench.input(Input::Note { incident: FIRST, by: "bo".to_owned(), text: "on it".to_owned() }).unwrap();
    bench.later(25 * 60);
    let expired = |it: &EventKind| matches!(it, EventKind::AcknowledgementExpired { .. });
    assert_eq!(bench.count(expired), 0, "a note prolongs it");
    bench.later(6 * 60);
    assert_eq!(bench.count(expired), 1, "and nobody's word holds for ever");

    let post =
        |status| Input::Update { incident: FIRST, by: "bo".to_owned(), status, body: "We know.".to_owned() };
    assert_eq!(bench.input(post(UpdateStatus::Identified)).unwrap().len(), 1);
    let refused = bench.input(resolve(false));
    let what = "front refuses connections".to_owned();
    assert_eq!(refused, Err(Refused::StillFailing { incident: FIRST, what }));
    bench.input(resolve(true)).unwrap();
    assert_eq!(bench.input(resolve(true)), Err(Refused::Over(FIRST)));
    assert_eq!(bench.input(acknowledge("bo")), Ok(vec![]), "a second late is no error");
}
