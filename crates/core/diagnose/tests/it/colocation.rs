//! One event at one place is one incident.

use crate::fixture::*;
use insta::assert_snapshot;
use types::fault::{Fault, Phase};
use types::{AlertId, Severity};

fn timed_out() -> Fault {
    Fault::TimedOut { phase: Phase::Connect }
}

/// Services with a probe of their own each, all at one place; everything is well.
fn world(services: usize, place: &str) -> (Fixture, Vec<String>) {
    let mut w = Fixture::new();
    let probes = (0..services).map(|n| w.serve(&format!("s{n:02}"), 443, place)).collect();
    w.look_at_all();
    (w, probes)
}

fn open(w: &Fixture) -> Vec<String> {
    let open = w.diagnose.incidents().values().filter(|incident| incident.is_open());
    open.map(|incident| incident.diagnosis.cause.to_string()).collect()
}

#[test]
fn forty_services_on_a_server_that_dies_are_one_incident_that_ends_with_the_last_of_them() {
    let (mut w, probes) = world(40, "127.0.0.9");
    let alerts: Vec<AlertId> = probes.iter().map(|probe| w.breaks(probe, Fault::Refused)).collect();
    let mut words = w.debounce();
    for (n, alert) in alerts.iter().enumerate() {
        if n == 38 {
            words += &w.pass(10).debounce();
        }
        w.close(*alert);
    }
    words += &w.debounce();
    let words: Vec<&str> = words.lines().filter(|line| !line.contains("affected: ")).collect();
    assert_snapshot!(words.join("\n"), @r"
    15:28:01 + incident-1 address.127.0.0.9 Failing wakes
        127.0.0.9 refuses connections: 40 services affected since 15:28 UTC: S00, S01, S02 and 37 more; 8 other names are not affected
    15:28:12 ~ incident-1 address.127.0.0.9 Failing wakes
        127.0.0.9 refuses connections: 2 services affected since 15:28 UTC: S38 and S39; 8 other names are not affected
    15:28:13 - incident-1 127.0.0.9 refused connections; 40 services affected for 12 s
    ");
    w.restart();
}

#[test]
fn symptoms_join_the_incident_as_their_probes_come_round() {
    let (mut w, probes) = world(4, "127.0.0.9");
    w.breaks(&probes[0], Fault::Refused);
    assert!(w.debounce().contains("+ incident-1 probe.p-s00"), "one alone has its own trouble");
    w.pass(4).breaks(&probes[1], timed_out());
    w.debounce();
    assert_eq!(open(&w), ["address.127.0.0.9"]);
    w.pass(50).breaks(&probes[2], Fault::Refused);
    w.debounce();
    assert_eq!(
        open(&w),
        ["address.127.0.0.9"],
        "fifty seconds later, by a probe that comes round every thirty"
    );
    w.pass(600).breaks(&probes[3], Fault::Refused);
    w.debounce();
    assert_eq!(open(&w), ["address.127.0.0.9", "probe.p-s03"], "ten minutes later is another event");
}

#[test]
fn names_behind_one_balancer_are_one_incident_whatever_its_addresses() {
    let mut w = Fixture::new();
    let probes: Vec<String> = (0..25).map(|n| w.serve(&format!("s{n:02}"), 443, "lb.acme.net")).collect();
    for (n, probe) in probes.iter().enumerate() {
        w.put(probe, &format!("192.0.2.{}", n % 8));
    }
    w.look_at_all();
    for (n, probe) in probes.iter().enumerate() {
        w.pass(1).breaks(probe, Fault::Status { got: [502, 503, 504][n % 3] });
    }
    w.debounce();
    assert_eq!(open(&w), ["host.lb.acme.net"]);
    assert_snapshot!(w.summary(1), @"lb.acme.net answers with status 502, 503 or 504: 25 services affected since 15:28 UTC: S00, S01, S02 and 22 more; 8 other names are not affected");
}

#[test]
fn what_has_another_fault_another_port_or_another_time_is_another_incident() {
    let (mut w, probes) = world(2, "127.0.0.9");
    let elsewhere = w.serve("elsewhere", 443, "127.0.0.8");
    let port = w.serve("port", 8443, "127.0.0.9");
    w.look_at_all();
    w.breaks(&probes[0], Fault::Refused);
    w.breaks(&probes[1], Fault::Status { got: 500 });
    w.breaks(&port, Fault::Status { got: 500 });
    w.breaks(&elsewhere, Fault::Refused);
    w.debounce();
    assert_eq!(open(&w), ["probe.p-elsewhere", "probe.p-port", "probe.p-s00", "probe.p-s01"]);
}

#[test]
fn connections_refused_at_several_ports_are_one_event() {
    let (mut w, probes) = world(1, "127.0.0.9");
    let port = w.serve("port", 8443, "127.0.0.9");
    w.look_at_all();
    w.breaks(&probes[0], Fault::Refused);
    w.breaks(&port, Fault::Refused);
    w.debounce();
    assert_eq!(open(&w), ["address.127.0.0.9"]);
}

#[test]
fn one_name_of_hundreds_at_an_address_has_its_own_trouble() {
    let (mut w, probes) = world(200, "203.0.113.7");
    w.breaks(&probes[7], Fault::Status { got: 503 });
    w.debounce();
    assert_eq!(open(&w), ["probe.p-s07"]);
}

#[test]
fn warnings_of_one_place_are_one_warning() {
    let (mut w, probes) = world(5, "127.0.0.9");
    for probe in &probes {
        w.open(probe, Fault::Slow { limit: secs(1) }, Severity::Warning);
    }
    let words = w.debounce();
    assert_eq!(open(&w), ["address.127.0.0.9"]);
    assert!(!words.contains("wakes"), "{words}");
}

#[test]
fn colocated_resources_are_probed_before_a_person_is_notified() {
    let (mut w, probes) = world(3, "127.0.0.9");
    w.pass(10).breaks(&probes[0], Fault::Refused);
    assert_eq!(w.react(), "");
    let wanted = w.sooner();
    assert!(wanted.contains(&probes[1]) && wanted.contains(&probes[2]), "{wanted:?}");
    w.pass(2).breaks(&probes[1], Fault::Refused);
    w.breaks(&probes[2], Fault::Refused);
    assert!(w.react().contains("+ incident-1 address.127.0.0.9"));
}

#[test]
fn a_part_that_was_well_in_between_comes_back_to_the_same_incident() {
    let (mut w, probes) = world(3, "127.0.0.9");
    let first = w.breaks(&probes[0], Fault::Refused);
    w.breaks(&probes[1], Fault::Refused);
    w.debounce();
    w.pass(600).close(first);
    w.debounce();
    w.pass(600).breaks(&probes[0], Fault::Refused);
    w.debounce();
    assert_eq!(open(&w), ["address.127.0.0.9"]);
    w.restart();
}

#[test]
fn a_cause_beneath_takes_the_event_over() {
    let mut w = Fixture::new();
    for name in ["api.acme.io", "shop.acme.io"] {
        w.put(&format!("host.{name}"), "192.0.2.1");
    }
    w.look_at_all();
    w.breaks("host.api.acme.io", timed_out());
    w.breaks("host.shop.acme.io", timed_out());
    w.debounce();
    assert_eq!(open(&w), ["address.192.0.2.1"]);
    w.pass(5).breaks("dns.acme.io", Fault::Dns { dns: types::fault::DnsFault::NotDelegated });
    w.debounce();
    assert_eq!(open(&w), ["dns.acme.io"]);
}

#[test]
fn two_events_at_one_place_stay_two() {
    let (mut w, probes) = world(4, "127.0.0.9");
    w.breaks(&probes[0], Fault::Refused);
    w.breaks(&probes[1], Fault::Refused);
    w.debounce();
    w.pass(5).breaks(&probes[2], Fault::Status { got: 500 });
    w.breaks(&probes[3], Fault::Status { got: 500 });
    w.debounce();
    assert_eq!(open(&w), ["address.127.0.0.9", "probe.p-s02"]);
    let all: Vec<AlertId> = w.journal.alerts.keys().copied().collect();
    for alert in &all[..2] {
        w.close(*alert);
    }
    w.debounce();
    assert_eq!(open(&w), ["address.127.0.0.9"], "the one that is left");
}

#[test]
fn a_balancer_stays_the_cause_while_its_names_come_and_go() {
    let mut w = Fixture::new();
    let probes: Vec<String> = (0..3).map(|n| w.serve(&format!("s{n}"), 443, "lb.acme.net")).collect();
    w.look_at_all();
    let all: Vec<AlertId> = probes.iter().map(|probe| w.breaks(probe, Fault::Refused)).collect();
    w.debounce();
    w.pass(300).close(all[0]);
    w.debounce();
    w.pass(300).breaks(&probes[0], Fault::Refused);
    w.debounce();
    w.close(all[1]);
    w.close(all[2]);
    w.debounce();
    assert_eq!(open(&w), ["host.lb.acme.net"]);
    w.restart();
}

#[test]
fn what_fails_because_of_a_name_goes_where_that_name_goes() {
    let mut w = Fixture::new();
    for (name, address) in
        [("a.acme.app", "192.0.2.1"), ("shop.acme.io", "192.0.2.1"), ("api.acme.io", "192.0.2.9")]
    {
        w.put(&format!("host.{name}"), address);
    }
    w.look_at_all();
    // The API depends on sign-in, which is served by a.acme.app.
    w.breaks("host.a.acme.app", Fault::Refused);
    w.breaks("host.shop.acme.io", Fault::Refused);
    w.breaks("host.api.acme.io", Fault::Status { got: 502 });
    w.debounce();
    assert_eq!(open(&w), ["address.192.0.2.1"]);
}

#[test]
fn a_part_that_fails_in_another_way_stays_part_of_the_event() {
    let (mut w, probes) = world(4, "127.0.0.9");
    let all: Vec<AlertId> = probes.iter().map(|probe| w.breaks(probe, Fault::Refused)).collect();
    w.debounce();
    for (probe, alert) in probes.iter().zip(&all).take(3) {
        // Watch closes the one and opens the other in one step.
        w.pass(20).close(*alert);
        w.breaks(probe, Fault::Status { got: 500 });
        w.debounce();
        assert_eq!(open(&w), ["address.127.0.0.9"]);
    }
    assert_eq!(w.diagnose.incidents().len(), 1);
    w.restart();
}
