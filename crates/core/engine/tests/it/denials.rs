//! What people deny: until when, through restarts, and what is refused.

use crate::surge::{config, flood, quiet};
use crate::{Bench, person};
use engine::Engine;
use engine::views::TimelineFact;
use std::time::Duration;
use types::input::Refused;
use types::{Actor, Command, DenialId, EventKind, ServiceId, System, time};

const HOUR: Duration = Duration::from_secs(3_600);

fn deny(service: Option<&str>, lasting: Duration) -> (Actor, Command) {
    let service = service.map(|id| ServiceId(id.to_owned()));
    let what = "198.51.100.0/24".parse().unwrap();
    (person("ana"), Command::Deny { what, service, lasting, everybody: false })
}

#[test]
fn a_denial_undoes_itself_even_when_nothing_else_happens() {
    let mut bench = Bench::with(config());
    let version = bench.engine.policy_version();
    bench.input(deny(Some("auth"), HOUR)).unwrap();
    assert_ne!(bench.engine.policy_version(), version, "the edge must learn of it");
    let until = time::later(bench.now, HOUR);
    assert_eq!(bench.engine.policy().denials[&DenialId(1)].until, until);
    bench.input(quiet()).unwrap();
    let shown = bench.engine.traffic().unwrap();
    assert_eq!((shown.denials.len(), shown.denials[0].by.as_str()), (1, "ana"));
    while bench.now < until {
        let next = bench.engine.next_deadline().unwrap();
        assert!(next <= until, "somebody must wake the engine when it lapses");
        bench.now = next.max(time::later(bench.now, Duration::from_secs(60)));
        bench.input(System::Tick).unwrap();
    }
    assert!(bench.engine.policy().denials.is_empty());
    assert_eq!(bench.count(|it| matches!(it, EventKind::DenialLifted { by: None, .. })), 1);
}

#[test]
fn what_people_deny_is_part_of_the_story_of_what_goes_on() {
    let mut bench = Bench::with(config());
    bench.seconds(30, &quiet());
    bench.input(deny(None, HOUR)).unwrap();
    bench.seconds(5, &flood());
    bench.input(deny(Some("auth"), HOUR)).unwrap();
    bench.input((person("bo"), Command::Lift { denial: DenialId(2) })).unwrap();
    let timeline = &bench.engine.views().now.open[0].timeline;
    let denied = timeline.iter().filter_map(|entry| match &entry.fact {
        TimelineFact::Denied { denial } => Some(denial),
        _ => None,
    });
    let denied: Vec<DenialId> = denied.map(|denial| denial.id).collect();
    assert_eq!(denied, [DenialId(2)], "what was before is no part of it");
    let lifted = TimelineFact::DenialEnded {
        denial: DenialId(2),
        what: Some("198.51.100.0/24".parse().unwrap()),
        service: Some("auth".into()),
        by: Some(person("bo")),
    };
    assert!(timeline.iter().any(|entry| entry.fact == lifted), "{timeline:?}");
}

#[test]
fn a_restart_forgets_none_and_lifts_what_lapsed_meanwhile() {
    let mut bench = Bench::with(config());
    bench.input(deny(None, HOUR)).unwrap();
    bench.input(deny(None, HOUR * 3)).unwrap();
    bench.same_after_replay();
    let mut engine = Engine::new(bench.config.clone());
    bench.events.iter().for_each(|event| engine.apply(event));
    assert_eq!(engine.policy().denials.len(), 2);
    engine
        .handle(time::later(bench.now, HOUR * 2), &System::Booted { unmonitored_since: None }.into())
        .unwrap();
    assert_eq!(engine.policy().denials.keys().copied().collect::<Vec<_>>(), [DenialId(2)]);
}

#[test]
fn what_cannot_be_denied_or_lifted_is_refused_with_a_reason() {
    let mut bench = Bench::with(config());
    let shop = ServiceId("shop".to_owned());
    assert_eq!(
        bench.input(deny(Some("shop"), HOUR)),
        Err(Refused::NoSuchService(shop)),
        "the edge does not serve it"
    );
    let lift = |id| (person("bo"), Command::Lift { denial: DenialId(id) });
    assert_eq!(bench.input(lift(1)), Err(Refused::NoSuchDenial(DenialId(1))));
    (0..1_000).for_each(|_| _ = bench.input(deny(None, HOUR)).unwrap());
    assert_eq!(bench.input(deny(None, HOUR)), Err(Refused::TooManyDenials(1_000)));
    bench.input(lift(7)).unwrap();
    assert_eq!(bench.input(lift(7)), Err(Refused::NoSuchDenial(DenialId(7))));
    bench.input(deny(None, HOUR)).unwrap();
    assert_eq!(bench.engine.policy().denials.keys().last(), Some(&DenialId(1_001)), "numbers are used once");
}

#[test]
fn denial_that_hits_others_or_no_one_needs_a_confirmation() {
    let mut bench = Bench::with(config());
    let deny = |what: &str, everybody| {
        let what = what.parse().unwrap();
        (person("ana"), Command::Deny { what, service: None, lasting: HOUR, everybody })
    };
    for what in ["0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96", "0.0.0.0/1", "127.0.0.0/8", "::1", "127.0.0.1"] {
        let refused = bench.input(deny(what, false));
        assert!(matches!(refused, Err(Refused::HitsOthers { .. })), "{what}: {refused:?}");
        bench.input(deny(what, true)).unwrap();
    }
    for what in ["EE", "AS64500"] {
        let refused = bench.input(deny(what, true));
        assert!(matches!(refused, Err(Refused::NoPlaces { .. })), "{what}: {refused:?}");
    }
    bench.input(deny("127.0.0.9", false)).unwrap();
    let mut config = config();
    config.edge.as_mut().unwrap().trusted_proxies = vec!["192.0.2.0/28".parse().unwrap()];
    bench.input(System::Config(config.clone().into())).unwrap();
    for what in ["192.0.2.7", "192.0.2.0/24"] {
        assert!(matches!(bench.input(deny(what, false)), Err(Refused::HitsOthers { .. })), "{what}");
    }
    config.edge = None;
    bench.input(System::Config(config.into())).unwrap();
    assert_eq!(bench.input(deny("198.51.100.7", false)), Err(Refused::NoEdge));
}
