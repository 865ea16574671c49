//! Uninterruptible power supplies: on battery, low, and what else they say.

use crate::fixture::{Fixture, secs};
use insta::assert_snapshot;
use std::time::Duration;
use testkit::config::probe;
use types::config::{Probe, ProbeKind};
use types::fault::UpsFault;
use types::probe_result::Answer;
use types::ups::UpsSeen;
use types::{Fault, Kind, ProbeId, Resource};

const PROBE: &str = "rack-ups";

fn world() -> Fixture {
    let mut w = Fixture::new(&[("a.acme.com", "acme.com")]);
    let kind = ProbeKind::Nut { ups: "rack".into(), host: "10.0.0.3".into(), port: 3493, login: None };
    let probe = Probe { interval: secs(30), ..probe(Resource::new(Kind::Probe, PROBE), kind) };
    w.config.probes.insert(ProbeId::from(PROBE), Probe { id: ProbeId::from(PROBE), ..probe });
    w.config.digest = "with a UPS".into();
    w
}

/// An answer half a minute later; what followed.
fn look(w: &mut Fixture, status: &str, minutes: u64, charge: u8) -> String {
    w.pass(secs(30));
    let seen = UpsSeen {
        address: "10.0.0.3:3493".parse().unwrap(),
        status: status.split(' ').map(str::to_owned).collect(),
        charge_percent: Some(charge),
        runtime: Some(Duration::from_secs(minutes * 60)),
        load_percent: Some(23),
    };
    w.see(PROBE, Answer::Ups(seen))
}

#[test]
fn power_failure_is_an_info_with_minutes_and_a_low_battery_is_critical() {
    let mut w = world();
    let mut said = look(&mut w, "OL CHRG", 30, 100);
    for (status, minutes, charge) in [
        ("OB DISCHRG", 30, 99),
        ("OB DISCHRG", 29, 97),
        ("OB DISCHRG", 24, 90),
        ("OB DISCHRG", 20, 80),
        ("OB LB DISCHRG", 3, 9),
        ("OB LB DISCHRG", 2, 8),
        ("FSD OB LB DISCHRG", 1, 5),
        ("OL CHRG LB", 5, 10),
        ("OL CHRG", 8, 20),
    ] {
        said += &look(&mut w, status, minutes, charge);
    }
    assert_snapshot!(said, @"
    12:01:00 + probe.rack-ups runs on battery: 30 minutes left (charge 99 %) [Info since 12:01:00] ups.status DISCHRG OB, load 23 %, from 10.0.0.3:3493
    12:02:30 ~ alert-1 runs on battery: 20 minutes left (charge 80 %) [Info] ups.status DISCHRG OB, load 23 %, from 10.0.0.3:3493
    12:03:00 - alert-1
    12:03:00 + probe.rack-ups has a low battery, and no other power: 3 minutes left (charge 9 %) [Critical since 12:03:00] ups.status DISCHRG LB OB, load 23 %, from 10.0.0.3:3493
    12:04:00 ~ alert-2 has a low battery, and no other power: 1 minute left (charge 5 %); what it carries is being shut down [Critical] ups.status DISCHRG FSD LB OB, load 23 %, from 10.0.0.3:3493
    12:05:00 - alert-2
    ");
    assert!(w.detect.alerts().is_empty(), "{:?}", w.detect.alerts());
}

#[test]
fn other_conditions_are_alerts_beside_it() {
    let mut w = world();
    let mut said = look(&mut w, "OL RB OVER", 30, 100);
    said += &look(&mut w, "OB RB", 20, 90);
    said += &look(&mut w, "BYPASS", 20, 90);
    said += &look(&mut w, "OFF", 20, 90);
    for _ in 0..2 {
        said += &look(&mut w, "OL", 30, 100);
    }
    assert_snapshot!(said, @"
    12:00:30 + probe.rack-ups carries more than it can: 23 % load [Warning since 12:00:30] ups.status OL OVER RB, load 23 %, from 10.0.0.3:3493
    12:00:30 + probe.rack-ups asks for a new battery; until then it may not last when the power fails [Info since 12:00:30] ups.status OL OVER RB, load 23 %, from 10.0.0.3:3493
    12:01:00 + probe.rack-ups runs on battery: 20 minutes left (charge 90 %) [Info since 12:01:00] ups.status OB RB, load 23 %, from 10.0.0.3:3493
    12:01:30 + probe.rack-ups is bypassed: nothing protects what it carries when the power fails [Info since 12:01:30] ups.status BYPASS, load 23 %, from 10.0.0.3:3493
    12:01:30 - alert-1
    12:02:00 - alert-3
    12:02:00 + probe.rack-ups is switched off: it carries nothing [Warning since 12:01:00] ups.status OFF, load 23 %, from 10.0.0.3:3493
    12:02:00 - alert-2
    12:02:30 - alert-4
    12:03:00 - alert-5
    ");
    assert!(w.detect.alerts().is_empty(), "{:?}", w.detect.alerts());
}

#[test]
fn daemon_that_does_not_answer_is_a_warning_after_its_threshold_and_keeps_the_power_alert() {
    let mut w = world();
    look(&mut w, "OB DISCHRG", 30, 99);
    let mut said = String::new();
    for _ in 0..3 {
        w.pass(secs(30));
        let ups = UpsFault::Unknown { why: "upsd answers DATA-STALE".to_owned() };
        said += &w.see(PROBE, Answer::Failed(Fault::Ups { ups }));
    }
    assert_snapshot!(said, @"
    12:02:00 + probe.rack-ups gives no state: upsd answers DATA-STALE [Warning since 12:01:00] 3 bad answers in 1 min, last: gives no state: upsd answers DATA-STALE
    ");
    assert_eq!(w.detect.alerts().len(), 2, "{:?}", w.detect.alerts());
}
