//! Valves: restarts, ramps by measured health, what visitors read, and what is refused.

use crate::surge::{config, flood, quiet};
use crate::{Bench, person};
use engine::Engine;
use engine::views::TimelineFact;
use engine::views::status_page::Access;
use std::time::Duration;
use types::event::ServiceState;
use types::input::Refused;
use types::traffic::Rollup;
use types::{Actor, Command, EventKind, ServiceId, System, Valve, time};

fn set(percent: u8, limited: bool, ramp: bool) -> (Actor, Command) {
    (person("ana"), Command::Valve { service: "auth".into(), percent, limited, ramp })
}

fn bench() -> Bench {
    let mut config = config();
    let auth = config.services.get_mut(&ServiceId::from("auth")).unwrap();
    auth.traffic.as_mut().unwrap().priority_paths = vec!["/pay/*".to_owned()];
    Bench::with(config)
}

fn valve(engine: &Engine) -> Option<Valve> {
    engine.policy().valves.get(&ServiceId::from("auth")).cloned()
}

fn percent(bench: &Bench) -> u8 {
    valve(&bench.engine).map_or(100, |valve| valve.percent)
}

/// A second in which half of the requests fail.
fn failing() -> Rollup {
    let mut rollup = quiet();
    let auth = rollup.services.get_mut(&ServiceId::from("auth")).unwrap();
    auth.failed = auth.passed / 2;
    rollup
}

fn access(bench: &Bench) -> (ServiceState, Option<Access>) {
    let views = bench.engine.views();
    let components = views.status_page.groups.iter().flat_map(|group| &group.components);
    let auth = components.into_iter().find(|part| part.id.0 == "auth").unwrap();
    (auth.state, auth.access)
}

#[test]
fn restart_keeps_the_valve_and_its_number() {
    let mut bench = bench();
    let version = bench.engine.policy_version();
    bench.input(set(20, false, false)).unwrap();
    assert_ne!(bench.engine.policy_version(), version, "the edge must learn of it");
    bench.later(60);
    bench.input(set(40, false, true)).unwrap();
    bench.same_after_replay();
    let mut engine = Engine::new(bench.config.clone());
    bench.events.iter().for_each(|event| engine.apply(event));
    let known = valve(&engine).unwrap();
    assert_eq!((known.percent, known.ramp_from, known.number), (40, Some(40), 1), "the same clients stay in");
    assert_eq!(time::between(known.since, known.changed), Duration::from_secs(60));
    bench.input(set(100, false, false)).unwrap();
    assert_eq!(valve(&bench.engine), None);
    bench.input(set(20, false, false)).unwrap();
    assert_eq!(valve(&bench.engine).unwrap().number, 2, "another closing, another order");
    bench.same_after_replay();
}

#[test]
fn ramp_opens_by_itself_steps_back_and_is_journalled_in_few_events() {
    let mut bench = bench();
    bench.seconds(90, &quiet());
    bench.input(set(40, false, true)).unwrap();
    assert_eq!(valve(&bench.engine).unwrap().usual.unwrap().failed_permille, 0);
    bench.seconds(35, &quiet());
    assert_eq!(percent(&bench), 60);
    bench.seconds(12, &failing());
    assert_eq!(percent(&bench), 40, "it fails at 60 %");
    bench.seconds(20, &failing());
    assert_eq!(percent(&bench), 40, "never below the position that was set");
    let shown = bench.engine.traffic().unwrap();
    let now = shown.services.iter().find(|row| row.id == "auth").unwrap().valve.clone().unwrap();
    assert_eq!(now.obstacle.unwrap().to_string(), "50 % of the requests fail");
    bench.seconds(45, &quiet());
    assert_eq!(percent(&bench), 40, "after a step back it waits twice as long");
    bench.seconds(180, &quiet());
    assert_eq!((percent(&bench), valve(&bench.engine)), (100, None));
    let moves = bench.count(|it| matches!(it, EventKind::ValveMoved { .. }));
    assert_eq!(moves, 5, "60, 40, 60, 80, 100");
    bench.same_after_replay();
}

#[test]
fn silent_edge_is_no_health() {
    let mut bench = bench();
    bench.input(set(40, false, true)).unwrap();
    for _ in 0..20 {
        bench.later(10);
        bench.input(quiet()).unwrap();
    }
    assert_eq!(percent(&bench), 40);
}

#[test]
fn status_page_says_what_is_restricted() {
    let mut bench = bench();
    bench.well();
    bench.well_at("goods");
    bench.seconds(1, &quiet());
    assert_eq!(access(&bench), (ServiceState::Operational, None));
    for (percent, limited, expected) in [
        (20, false, (ServiceState::PartialOutage, Some(Access::SomeWait))),
        (0, false, (ServiceState::MajorOutage, Some(Access::AllWait))),
        (20, true, (ServiceState::Degraded, Some(Access::LimitedSomeWait))),
        (100, true, (ServiceState::Degraded, Some(Access::Limited))),
        (100, false, (ServiceState::Operational, None)),
    ] {
        bench.input(set(percent, limited, false)).unwrap();
        bench.well();
        assert_eq!(access(&bench), expected, "{percent} {limited}");
    }
    assert_eq!(bench.count(|it| matches!(it, EventKind::PageOpened { .. })), 0, "no one is paged for it");
}

#[test]
fn held_requests_are_no_surge_and_no_failures() {
    let mut bench = bench();
    bench.seconds(60, &quiet());
    bench.input(set(20, false, false)).unwrap();
    let mut rollup = quiet();
    let auth = rollup.services.get_mut(&ServiceId::from("auth")).unwrap();
    (auth.requests, auth.held) = (4_010, 4_000);
    bench.seconds(120, &rollup);
    assert_eq!(bench.count(|it| matches!(it, EventKind::AlertOpened { .. })), 0);
}

#[test]
fn valve_is_part_of_the_story_of_an_incident() {
    let mut bench = bench();
    bench.seconds(30, &quiet());
    bench.seconds(5, &flood());
    bench.input(set(20, false, false)).unwrap();
    let timeline = &bench.engine.views().now.open[0].timeline;
    let is_set = |fact: &TimelineFact| matches!(fact, TimelineFact::ValveSet { valve, by } if valve.percent == 20 && by.id == "ana");
    assert!(timeline.iter().any(|entry| is_set(&entry.fact)), "{timeline:?}");
}

#[test]
fn what_is_refused_and_what_changes_nothing() {
    let mut bench = bench();
    let at = |service: &str, limited| {
        let command = Command::Valve { service: service.into(), percent: 20, limited, ramp: false };
        (person("ana"), command)
    };
    assert_eq!(bench.input(at("shop", false)), Err(Refused::NoSuchService("shop".into())));
    assert_eq!(bench.input(at("api", true)), Err(Refused::NoPriorityPaths("api".into())));
    assert_eq!(bench.input(set(20, true, true)), Err(Refused::LimitedRamp));
    assert_eq!(bench.input(set(100, false, true)).unwrap(), [], "it is open already");
    bench.input(set(20, false, false)).unwrap();
    assert_eq!(bench.input(set(20, false, false)).unwrap(), [], "it is there already");
    let mut config = (*bench.config).clone();
    config.services.get_mut(&ServiceId::from("auth")).unwrap().traffic = None;
    bench.input(System::Config(config.clone().into())).unwrap();
    assert_eq!(valve(&bench.engine), None, "the edge no longer serves it");
    config.edge = None;
    bench.input(System::Config(config.into())).unwrap();
    assert_eq!(bench.input(set(20, false, false)), Err(Refused::NoEdge));
}

#[test]
fn valve_that_may_not_be_on_disk_is_withdrawn() {
    let mut bench = bench();
    bench.input(set(40, false, false)).unwrap();
    let (actor, command) = set(0, false, false);
    let decided = bench.engine.decide(bench.now, &actor, &command).unwrap();
    let undone = bench.engine.withdraw(bench.now, &decided);
    assert_eq!(percent(&bench), 40);
    bench.events.extend(decided.into_iter().chain(undone));
    bench.same_after_replay();
}
