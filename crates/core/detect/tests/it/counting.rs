//! How often in a row, and what changes then.

use crate::fixture::*;
use insta::assert_snapshot;
use types::fault::{Fault, Phase};
use types::probe_result::{Phases, ProbeResult};
use types::{ProbeId, Resource};

const HOST: &str = "http.a.acme.com";

fn world() -> Fixture {
    Fixture::new(&[("a.acme.com", "acme.com"), ("b.other.net", "other.net"), ("c.third.org", "third.org")])
}

#[test]
fn the_third_bad_answer_opens_and_the_second_good_one_closes() {
    let mut w = world();
    let mut words = w.see(HOST, http(200));
    assert_eq!(w.early(HOST), None, "a good answer has no follow-up");
    for answer in [failed(Fault::Refused), failed(Fault::Refused)] {
        words += &w.pass(secs(1)).see(HOST, answer);
        assert_eq!(w.early(HOST), Some(1), "a bad answer is followed up within a second");
    }
    words += &w.pass(secs(1)).see(HOST, failed(Fault::Refused));
    assert_eq!(w.early(HOST), None, "while it is open and bad the usual pace is enough");
    assert_eq!(w.detect.last_result(&Resource::host("a.acme.com")).unwrap().at, w.now);
    words += &w.pass(secs(30)).see(HOST, failed(Fault::Refused));
    words += &w.pass(secs(30)).see(HOST, http(200));
    assert_eq!(w.early(HOST), Some(1));
    words += &w.pass(secs(1)).see(HOST, http(204));
    assert_eq!(w.early(HOST), None);
    assert_snapshot!(words, @r"
    12:00:03 + host.a.acme.com refuses connections [Critical since 12:00:01] 3 bad answers in 2 s, last: refuses connections
    12:01:04 - alert-1
    ");
}

#[test]
fn one_fault_takes_the_place_of_another_and_keeps_the_beginning() {
    let mut w = world();
    let late = || failed(Fault::TimedOut { phase: Phase::Body });
    let mut words = String::new();
    for answer in [
        failed(Fault::Refused),
        failed(Fault::Refused),
        failed(Fault::Refused),
        late(),
        failed(Fault::Refused),
        late(),
        late(),
        late(),
        http(502),
        http(503),
        http(502),
        http(404),
        http(404),
    ] {
        words += &w.pass(secs(1)).see(HOST, answer);
    }
    assert_snapshot!(words, @r"
    12:00:03 + host.a.acme.com refuses connections [Critical since 12:00:01] 3 bad answers in 2 s, last: refuses connections
    12:00:07 - alert-1
    12:00:07 + host.a.acme.com times out (body) [Critical since 12:00:01] 7 bad answers in 6 s, last: times out (body)
    12:00:10 - alert-2
    12:00:10 + host.a.acme.com answers with status 503 [Critical since 12:00:01] 10 bad answers in 9 s, last: 192.0.2.1:443 answered with status 503
    12:00:13 ~ alert-3 answers with status 404 [Critical] 13 bad answers in 12 s, last: 192.0.2.1:443 answered with status 404
    ");
}

#[test]
fn a_slow_answer_warns_beside_everything_else() {
    let mut w = world();
    let mut words = String::new();
    for millis in [900, 900, 900, 100, 100] {
        let phases = Phases { total: std::time::Duration::from_millis(millis), ..Phases::default() };
        words += &w.pass(secs(1)).result(ProbeResult::new(ProbeId(HOST.into()), phases, http(200)));
        assert!(w.detect.last_result(&Resource::host("a.acme.com")).unwrap().healthy, "slow is not down");
    }
    assert_snapshot!(words, @r"
    12:00:03 + host.a.acme.com answers too slowly (over 800 ms) [Warning since 12:00:01] 3 bad answers in 2 s, last: 900 ms instead of at most 800 ms
    12:00:05 - alert-1
    ");
}

#[test]
fn what_comes_and_goes_stays_open_until_it_is_calm() {
    let mut w = world();
    let mut words = String::new();
    for _ in 0..4 {
        for answer in [http(500), http(500), http(500), http(200), http(200)] {
            words += &w.pass(secs(5)).see(HOST, answer);
        }
    }
    for _ in 0..9 {
        words += &w.pass(secs(60)).see(HOST, http(200));
    }
    assert_snapshot!(words, @r"
    12:00:15 + host.a.acme.com answers with status 500 [Critical since 12:00:05] 3 bad answers in 10 s, last: 192.0.2.1:443 answered with status 500
    12:00:25 - alert-1
    12:00:40 + host.a.acme.com answers with status 500 [Critical since 12:00:30] 3 bad answers in 10 s, last: 192.0.2.1:443 answered with status 500
    12:00:50 - alert-2
    12:01:05 + host.a.acme.com answers with status 500 [Critical since 12:00:55] 3 bad answers in 10 s, last: 192.0.2.1:443 answered with status 500
    12:01:15 ~ alert-3 is flapping: 3 failures within 10 min (last: answers with status 500) [Warning] stays open until there is no failure for 5 min; last failure: 3 bad answers in 10 s, last: 192.0.2.1:443 answered with status 500
    12:06:40 - alert-3
    ");
}

#[test]
fn alerts_survive_a_restart_and_close_by_what_is_seen_then() {
    let mut w = world();
    let mut words = String::new();
    for _ in 0..3 {
        words += &w.pass(secs(1)).see(HOST, failed(Fault::Refused));
    }
    w.restart();
    words += &w.pass(secs(1)).see(HOST, http(200));
    assert_eq!(w.detect.alerts().len(), 1);
    words += &w.pass(secs(1)).see(HOST, http(200));
    assert_snapshot!(words, @r"
    12:00:03 + host.a.acme.com refuses connections [Critical since 12:00:01] 3 bad answers in 2 s, last: refuses connections
    12:00:05 - alert-1
    ");
    assert!(w.detect.alerts().is_empty());
}

#[test]
fn alerts_close_when_their_probe_leaves_the_config() {
    let mut w = world();
    for _ in 0..3 {
        w.pass(secs(1)).see(HOST, failed(Fault::Refused));
    }
    w.config = config(&[("b.other.net", "other.net")]);
    assert_eq!(w.detect.next_deadline(&types::Context::new(&w.config, w.now)), Some(w.now));
    assert_snapshot!(w.tick(), @"12:00:03 - alert-1");
    assert_eq!(w.tick(), "");
}
