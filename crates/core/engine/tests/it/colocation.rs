//! One event is one incident and one page, from the samples to the drawing; and what people may say of it.

use super::*;
use engine::views::NodeState;
use types::{AddressSeen, Command, Resource};

/// Services without anything in common but the address of their server.
fn many(services: usize) -> Bench {
    let mut text = CONFIG.split("[service.shop]").next().unwrap().to_owned();
    for n in 0..services {
        text += &format!("[service.s{n:02}]\ntitle = \"S{n:02}\"\n");
        text += &format!(
            "[probe.p{n:02}]\nhttp = \"http://s{n:02}.acme.net/\"\ninterval = \"60s\"\nfailing_for = \"0s\"\nservice = \"s{n:02}\"\n"
        );
    }
    text += &CONFIG[CONFIG.find("[person.ana]").unwrap()..];
    Bench::with(read(&text))
}

fn sample(bench: &mut Bench, n: usize, fault: Option<Fault>) {
    let address = "127.0.0.9".parse().unwrap();
    let answer = fault.clone().map_or_else(|| http(200), Answer::Failed);
    let mut sample = result(&format!("p{n:02}"), 0, answer);
    sample.addresses.push(AddressSeen { address, fault });
    bench.input(sample).unwrap();
}

/// Answers whatever is wanted sooner, as a prober would, for `secs` seconds.
fn pass(bench: &mut Bench, secs: u64, services: usize, fault: Option<&Fault>) {
    for _ in 0..secs {
        bench.later(1);
        let wanted: Vec<String> =
            bench.engine.probe_targets().sooner.keys().map(|probe| probe.0.clone()).collect();
        for n in (0..services).filter(|n| wanted.contains(&format!("p{n:02}"))) {
            sample(bench, n, fault.cloned());
        }
    }
}

fn opened(bench: &Bench) -> usize {
    bench.count(|it| matches!(it, EventKind::IncidentOpened { .. }))
}

#[test]
fn services_on_a_server_that_dies_are_one_incident_and_one_page_with_the_list() {
    let mut bench = many(40);
    (0..40).for_each(|n| sample(&mut bench, n, None));
    bench.later(10);
    // One probe comes round; the others are asked because they stand at the same address.
    sample(&mut bench, 7, Some(Fault::Refused));
    pass(&mut bench, 10, 40, Some(&Fault::Refused));
    assert_eq!(opened(&bench), 1);
    let notifications = bench.engine.due(bench.now);
    let said: Vec<&str> = notifications.iter().map(|notification| notification.title.as_str()).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("127.0.0.9 refuses connections: 40 services affected"), "{said:?}");

    let now = bench.engine.views().now;
    let cause = Resource::address("127.0.0.9".parse().unwrap());
    let drawn = now.nodes.iter().find(|node| node.resource == cause).unwrap();
    assert_eq!(drawn.state, NodeState::Cause);
    assert_eq!(now.edges.iter().filter(|edge| edge.below == cause && edge.hot).count(), 40);
    bench.same_after_replay();

    for n in 0..40 {
        sample(&mut bench, n, None);
        sample(&mut bench, n, None);
    }
    pass(&mut bench, 5, 40, None);
    assert_eq!(bench.count(|it| matches!(it, EventKind::IncidentResolved { .. })), 1);
    assert!(!bench.engine.views().now.nodes.iter().any(|node| node.resource == cause));
}

#[test]
fn what_a_person_declares_over_while_it_fails_is_called_again() {
    let mut bench = many(1);
    sample(&mut bench, 0, None);
    sample(&mut bench, 0, Some(Fault::Refused));
    pass(&mut bench, 10, 1, Some(&Fault::Refused));
    assert_eq!(opened(&bench), 1);
    assert!(bench.input(resolve(false)).is_err());
    bench.input(resolve(true)).unwrap();
    assert_eq!(opened(&bench), 1, "nobody is called in the same breath");
    pass(&mut bench, 2, 1, Some(&Fault::Refused));
    assert_eq!(opened(&bench), 2);
    assert_eq!(bench.count(|it| matches!(it, EventKind::PageOpened { .. })), 2);
    bench.same_after_replay();
}

#[test]
fn link_of_a_merged_incident_acknowledges_the_other_one() {
    let mut bench = many(2);
    let status = |got| Some(Fault::Status { got });
    (0..2).for_each(|n| sample(&mut bench, n, None));
    for _ in 0..3 {
        bench.later(1);
        sample(&mut bench, 0, status(500));
        sample(&mut bench, 1, status(404));
    }
    pass(&mut bench, 10, 0, None);
    assert_eq!(opened(&bench), 2, "two faults are two events");
    // Both turn out to fail alike.
    for _ in 0..3 {
        bench.later(1);
        (0..2).for_each(|n| sample(&mut bench, n, Some(Fault::Refused)));
    }
    pass(&mut bench, 10, 0, None);
    let merged = bench.events.iter().find_map(|event| match event.kind {
        EventKind::IncidentMerged { incident, into } => Some((incident, into)),
        _ => None,
    });
    let (gone, into) = merged.unwrap();
    let ack = |incident| (crate::person("ana"), Command::Acknowledge { incident });
    bench.input(ack(gone)).unwrap();
    assert!(bench.engine.incidents()[&into].is_acknowledged(bench.now));
    assert_eq!(bench.input(ack(into)).unwrap(), [], "that was said already");

    for _ in 0..3 {
        bench.later(1);
        (0..2).for_each(|n| sample(&mut bench, n, None));
    }
    assert!(!bench.engine.incidents()[&into].is_open());
    for late in [gone, into] {
        assert_eq!(bench.input(ack(late)).unwrap(), [], "over: nobody was wrong to answer");
    }
}

#[test]
fn probes_that_leave_the_config_while_they_fail_open_nothing() {
    let text = |probes: &[&str]| {
        let probe = |name: &&str| {
            format!(
                "[probe.{name}]\nhttp = \"http://{name}.acme.net/\"\ninterval = \"30s\"\nfailure_threshold = 2\nfailing_for = \"0s\"\nservice = \"shop\"\n"
            )
        };
        let (head, rest) = CONFIG.split_once("[probe.front]").unwrap();
        let people = &rest[rest.find("[person.ana]").unwrap()..];
        format!("{head}{}{people}", probes.iter().map(probe).collect::<String>())
    };
    let config = |probes: &[&str]| read(&text(probes));
    let mut bench = Bench::with(config(&["p00", "p01", "p02"]));
    for n in [0, 0, 1, 1, 2, 2] {
        sample(&mut bench, n, Some(Fault::Refused));
        bench.later(1);
    }
    (0..8).for_each(|_| bench.later(1));
    assert_eq!(opened(&bench), 1, "all names of one service");
    let config = Arc::new(config(&["p00"]));
    bench.config = config.clone();
    bench.input(System::Config(config)).unwrap();
    assert_eq!(bench.count(|it| matches!(it, EventKind::AlertClosed { .. })), 2);
    (0..8).for_each(|_| bench.later(1));
    assert_eq!(opened(&bench), 1, "what left the configuration is no event of its own");
    assert_eq!(bench.count(|it| matches!(it, EventKind::IncidentResolved { .. })), 0, "p00 still fails");
    bench.same_after_replay();
}
