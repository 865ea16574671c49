//! Locations: power and network of a rack.

use crate::fixture::*;
use insta::assert_snapshot;
use types::fault::{DatabaseFault, Fault, Phase};
use types::{AlertId, Resource};

fn silent() -> Fault {
    Fault::TimedOut { phase: Phase::Connect }
}

/// Services with a probe of their own each, on a machine of their own each: `here` in rack A, `there` in rack B.
fn racks(here: usize, there: usize) -> (Fixture, Vec<String>, Vec<String>) {
    let mut w = Fixture::new();
    let mut rack = |name: &str, subnet: usize, count: usize| {
        let serve = |n: usize| {
            let probe = w.serve(&format!("{subnet}{n:02}"), 443, &format!("127.0.{subnet}.{}", n + 1));
            w.config.locations.insert(probe.parse::<Resource>().unwrap(), name.to_owned());
            probe
        };
        (0..count).map(serve).collect::<Vec<_>>()
    };
    let (a, b) = (rack("rack A", 1, here), rack("rack B", 2, there));
    w.look_at_all();
    (w, a, b)
}

fn open(w: &Fixture) -> Vec<String> {
    let open = w.diagnose.incidents().values().filter(|incident| incident.is_open());
    open.map(|incident| incident.diagnosis.cause.to_string()).collect()
}

/// Number of incidents with a page that there ever were, those apart that became part of another.
fn pages(w: &Fixture) -> usize {
    let all = w.diagnose.incidents().values();
    all.filter(|incident| incident.diagnosis.wakes && incident.merged_into.is_none()).count()
}

#[test]
fn rack_without_power_is_one_incident_until_the_last_machine_is_back() {
    let (mut w, a, _) = racks(7, 4);
    let alerts: Vec<AlertId> = a.iter().map(|probe| w.breaks(probe, silent())).collect();
    let mut words = w.debounce();
    for alert in &alerts[..4] {
        w.pass(20).close(*alert);
        words += &w.react();
    }
    // One fails again while the others come back.
    let again = w.breaks(&a[0], Fault::Refused);
    words += &w.debounce();
    for alert in alerts[4..].iter().chain([&again]) {
        w.close(*alert);
    }
    words += &w.debounce();
    let words: Vec<&str> = words.lines().filter(|line| !line.contains("affected: ")).collect();
    assert_snapshot!(words.join("\n"));
    assert_eq!((open(&w).len(), pages(&w)), (0, 1));
    w.restart();
}

#[test]
fn first_machine_alone_becomes_part_of_the_incident() {
    let (mut w, a, _) = racks(5, 3);
    w.breaks(&a[0], silent());
    let first = w.debounce();
    assert!(first.contains("+ incident-1"), "{first}");
    w.pass(20);
    a[1..].iter().for_each(|probe| _ = w.breaks(probe, silent()));
    w.debounce();
    assert_eq!(open(&w), ["location.rack A"]);
    assert_eq!(pages(&w), 1);
}

#[test]
fn others_of_the_location_are_probed_before_a_person_is_notified() {
    let (mut w, a, b) = racks(5, 3);
    w.breaks(&a[0], silent());
    w.react();
    let sooner = w.sooner();
    assert!(a[1..].iter().all(|probe| sooner.contains(probe)), "{sooner:?}");
    assert!(!b.iter().any(|probe| sooner.contains(probe)), "{sooner:?}");
}

#[test]
fn what_is_no_location() {
    type Story = fn(&mut Fixture, &[String], &[String]);
    let cases: [(&str, (usize, usize), Story); 7] = [
        ("one machine", (7, 4), |w, a, _| _ = w.breaks(&a[0], silent())),
        ("half of them", (7, 4), |w, a, _| a[..4].iter().for_each(|probe| _ = w.breaks(probe, silent()))),
        ("a location of two", (2, 4), |w, a, _| a.iter().for_each(|probe| _ = w.breaks(probe, silent()))),
        ("errors, so the machines are on", (7, 4), |w, a, _| {
            a.iter().for_each(|probe| _ = w.breaks(probe, Fault::Status { got: 500 }));
        }),
        ("one after the other over the day", (4, 4), |w, a, _| {
            for probe in a {
                w.breaks(probe, silent());
                w.pass(3_600);
            }
        }),
        ("everything everywhere", (4, 20), |w, a, b| {
            a.iter().chain(&b[..15]).for_each(|probe| _ = w.breaks(probe, silent()));
        }),
        ("seven names of one machine", (7, 4), |w, a, _| {
            for probe in a {
                w.stands.remove(&probe.parse::<Resource>().unwrap());
                w.put(probe, "127.0.0.9");
            }
            a.iter().for_each(|probe| _ = w.breaks(probe, silent()));
        }),
    ];
    for (name, (here, there), story) in cases {
        let (mut w, a, b) = racks(here, there);
        story(&mut w, &a, &b);
        w.debounce();
        let causes = open(&w);
        assert!(!causes.is_empty(), "{name}");
        assert!(!causes.iter().any(|cause| cause.starts_with("location.")), "{name}: {causes:?}");
    }
}

#[test]
fn two_racks_are_two_incidents() {
    let (mut w, a, b) = racks(4, 4);
    a.iter().chain(&b).for_each(|probe| _ = w.breaks(probe, silent()));
    w.debounce();
    assert_eq!(open(&w), ["location.rack A", "location.rack B"], "the names of acme.app do well");
}

#[test]
fn database_of_the_rack_belongs_to_it_with_everything_above() {
    let (mut w, a, _) = racks(4, 4);
    let main = Resource::database("main");
    w.config.locations.insert(main.clone(), "rack A".to_owned());
    w.config.graph.add_dependency(Resource::service("100"), main.clone());
    w.look_at_all();
    a.iter().for_each(|probe| _ = w.breaks(probe, silent()));
    let lost = DatabaseFault::NoPrimary { how: "db1:5432 timed out; db2:5432 is a replica".into() };
    let alert = w.breaks("database.main", Fault::Database { database: lost });
    w.debounce();
    assert_eq!(open(&w), ["location.rack A"]);
    assert!(w.summary(1).contains("(5 of 5)"), "{}", w.summary(1));
    w.close(alert);
    w.debounce();
    assert_eq!(open(&w), ["location.rack A"], "a promotion elsewhere does not end it");
}
