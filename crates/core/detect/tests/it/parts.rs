//! What is bad in part: some of the addresses, a share of the answers; and what comes and goes.

use crate::fixture::*;
use insta::assert_snapshot;
use types::config::ProbeKind;
use types::fault::{Fault, HttpFault};
use types::probe_result::{AddressSeen, HttpSeen, Phases, ProbeResult};
use types::{Answer, ProbeId, Severity};

const HOST: &str = "http.a.acme.com";

fn world() -> Fixture {
    Fixture::new(&[("a.acme.com", "acme.com"), ("b.other.net", "other.net"), ("c.third.org", "third.org")])
}

/// An answer with what each address did.
fn result(answer: Answer, addresses: &[(&str, Option<Fault>)]) -> ProbeResult {
    let seen = |(address, fault): &(&str, Option<Fault>)| AddressSeen {
        address: address.parse().unwrap(),
        fault: fault.clone(),
    };
    ProbeResult {
        addresses: addresses.iter().map(seen).collect(),
        ..ProbeResult::new(ProbeId(HOST.into()), Phases::default(), answer)
    }
}

#[test]
fn one_dead_address_of_several_warns_and_all_dead_are_an_outage() {
    let mut w = world();
    let mut words = String::new();
    let refused = || Some(Fault::Refused);
    let one = |fault| result(http(200), &[("192.0.2.1", None), ("2001:db8::1", fault)]);
    for _ in 0..3 {
        words += &w.pass(secs(1)).result(one(refused()));
    }
    for _ in 0..2 {
        words += &w.pass(secs(1)).result(one(Some(Fault::Status { got: 500 })));
    }
    for _ in 0..3 {
        let all = [("192.0.2.1", refused()), ("2001:db8::1", refused())];
        words += &w.pass(secs(1)).result(result(failed(Fault::Refused), &all));
    }
    for _ in 0..2 {
        words += &w.pass(secs(1)).result(one(None));
    }
    assert_snapshot!(words, @r"
    12:00:03 + host.a.acme.com fails at 1 of 2 addresses: 2001:db8::1 (refuses connections) [Warning since 12:00:01] 3 bad answers in 2 s, last: 2001:db8::1 refuses connections; 1 of 2 addresses answers as expected
    12:00:08 + host.a.acme.com refuses connections [Critical since 12:00:06] 3 bad answers in 2 s, last: refuses connections
    12:00:10 - alert-2
    12:00:10 - alert-1
    ");
}

#[test]
fn an_inner_address_beside_a_good_one_warns() {
    let mut w = world();
    let address: std::net::IpAddr = "fe80::1".parse().unwrap();
    let mut words = String::new();
    for _ in 0..3 {
        let all = [("192.0.2.1", None), ("fe80::1", Some(Fault::PrivateAddress { address }))];
        words += &w.pass(secs(1)).result(result(http(200), &all));
    }
    assert_snapshot!(words, @"12:00:03 + host.a.acme.com fails at 1 of 2 addresses: fe80::1 (is a private address that the configuration does not allow) [Warning since 12:00:01] 3 bad answers in 2 s, last: fe80::1 is a private address that the configuration does not allow; 1 of 2 addresses answers as expected");
}

#[test]
fn trouble_of_our_own_at_one_address_and_a_single_address_are_no_part_failure() {
    let mut w = world();
    let isolated = || Some(Fault::Isolated { why: "no port left".into() });
    for _ in 0..5 {
        let own = result(http(200), &[("192.0.2.1", None), ("192.0.2.2", isolated())]);
        assert_eq!(w.pass(secs(1)).result(own), "");
        assert_eq!(w.pass(secs(1)).result(result(http(200), &[("192.0.2.1", None)])), "");
    }
}

#[test]
fn a_share_of_bad_answers_is_one_alert_until_it_is_well_for_long_enough() {
    let mut w = world();
    let mut words = String::new();
    for n in 0..60 {
        words += &w.pass(secs(1)).see(HOST, http(if n % 3 == 0 { 503 } else { 200 }));
    }
    for _ in 0..12 {
        words += &w.pass(secs(1)).see(HOST, http(200));
    }
    assert_snapshot!(words, @r"
    12:00:22 + host.a.acme.com fails intermittently: 8 of the last 22 answers (last: 192.0.2.1:443 answered with status 503) [Warning since 12:00:01] 8 of the last 22 answers were bad within 21 s, last: 192.0.2.1:443 answered with status 503
    12:01:07 - alert-1
    ");
}

#[test]
fn an_outage_takes_the_place_of_a_share_of_bad_answers() {
    let mut w = world();
    let mut words = String::new();
    for n in 0..30 {
        words += &w.pass(secs(1)).see(HOST, http(if n % 3 == 0 { 503 } else { 200 }));
    }
    for _ in 0..4 {
        words += &w.pass(secs(1)).see(HOST, http(503));
    }
    for _ in 0..30 {
        words += &w.pass(secs(1)).see(HOST, http(200));
    }
    assert_snapshot!(words, @r"
    12:00:22 + host.a.acme.com fails intermittently: 8 of the last 22 answers (last: 192.0.2.1:443 answered with status 503) [Warning since 12:00:01] 8 of the last 22 answers were bad within 21 s, last: 192.0.2.1:443 answered with status 503
    12:00:33 + host.a.acme.com answers with status 503 [Critical since 12:00:31] 3 bad answers in 2 s, last: 192.0.2.1:443 answered with status 503
    12:00:33 - alert-1
    12:00:36 - alert-2
    ");
}

#[test]
fn what_comes_and_goes_and_then_stays_down_is_down() {
    let mut w = world();
    let mut words = String::new();
    for _ in 0..3 {
        for answer in [http(500), http(500), http(500), http(200), http(200)] {
            words += &w.pass(secs(5)).see(HOST, answer);
        }
    }
    for _ in 0..40 {
        words += &w.pass(secs(1)).see(HOST, failed(Fault::Refused));
    }
    words += &w.pass(secs(1)).see(HOST, http(200));
    words += &w.pass(secs(1)).see(HOST, http(200));
    w.restart();
    for _ in 0..7 {
        words += &w.pass(secs(60)).see(HOST, http(200));
    }
    assert_snapshot!(words, @r"
    12:00:15 + host.a.acme.com answers with status 500 [Critical since 12:00:05] 3 bad answers in 10 s, last: 192.0.2.1:443 answered with status 500
    12:00:25 - alert-1
    12:00:40 + host.a.acme.com answers with status 500 [Critical since 12:00:30] 3 bad answers in 10 s, last: 192.0.2.1:443 answered with status 500
    12:00:50 - alert-2
    12:01:05 + host.a.acme.com answers with status 500 [Critical since 12:00:55] 3 bad answers in 10 s, last: 192.0.2.1:443 answered with status 500
    12:01:15 ~ alert-3 is flapping: 3 failures within 10 min (last: answers with status 500) [Warning] stays open until there is no failure for 5 min; last failure: 3 bad answers in 10 s, last: 192.0.2.1:443 answered with status 500
    12:01:46 ~ alert-3 refuses connections [Critical] 31 bad answers in 30 s, last: refuses connections
    12:01:57 ~ alert-3 is flapping: 3 failures within 10 min (last: refuses connections) [Warning] stays open until there is no failure for 5 min; last failure: 31 bad answers in 30 s, last: refuses connections
    12:07:57 - alert-3
    ");
}

#[test]
fn a_restart_shorter_than_failing_for_is_no_alert() {
    let mut w = world();
    w.config.probes.get_mut(&ProbeId(HOST.into())).unwrap().failing_for = secs(5);
    for _ in 0..5 {
        assert_eq!(w.pass(secs(1)).see(HOST, failed(Fault::Refused)), "");
        assert_eq!(w.early(HOST), Some(1));
    }
    assert_eq!(w.pass(secs(1)).see(HOST, http(200)), "");
    let mut words = String::new();
    for _ in 0..7 {
        words += &w.pass(secs(1)).see(HOST, failed(Fault::Refused));
    }
    assert_snapshot!(words, @"12:00:12 + host.a.acme.com refuses connections [Critical since 12:00:07] 6 bad answers in 5 s, last: refuses connections");
}

#[test]
fn content_that_is_not_as_expected_is_critical_and_what_cannot_be_searched_a_warning() {
    let page = |unmet: &[HttpFault], unsearchable: Option<&str>| {
        let Answer::Http(seen) = http(200) else { panic!("not http") };
        Answer::Http(HttpSeen {
            unmet: unmet.to_vec(),
            unsearchable: unsearchable.map(str::to_owned),
            ..seen
        })
    };
    let events = |answer: &Answer, severity: Severity| {
        let mut w = world();
        w.config.probes.get_mut(&ProbeId(HOST.into())).unwrap().severity = severity;
        (0..3).map(|_| w.pass(secs(1)).see(HOST, answer.clone())).collect::<String>()
    };
    let hacked = HttpFault::BodyHas { text: "HACKED".to_owned() };
    let open = "its content coding cannot be undone (compress)";
    assert_snapshot!(events(&page(std::slice::from_ref(&hacked), Some(open)), Severity::Critical), @r#"12:00:03 + host.a.acme.com answers with the text "HACKED", which must not be there [Critical since 12:00:01] 3 bad answers in 2 s, last: 2 bytes from 192.0.2.1:443: answers with the text "HACKED", which must not be there"#);
    assert_snapshot!(events(&page(&[hacked], None), Severity::Warning), @r#"12:00:03 + host.a.acme.com answers with the text "HACKED", which must not be there [Warning since 12:00:01] 3 bad answers in 2 s, last: 2 bytes from 192.0.2.1:443: answers with the text "HACKED", which must not be there"#);
    assert_snapshot!(events(&page(&[], Some(open)), Severity::Critical), @"12:00:03 + host.a.acme.com answers with a body that cannot be searched: its content coding cannot be undone (compress) [Warning since 12:00:01] 3 bad answers in 2 s, last: 2 bytes read from 192.0.2.1:443: answers with a body that cannot be searched: its content coding cannot be undone (compress)");
    assert_snapshot!(events(&failed(Fault::Refused), Severity::Info), @"12:00:03 + host.a.acme.com refuses connections [Info since 12:00:01] 3 bad answers in 2 s, last: refuses connections");
}

#[test]
fn a_refusal_from_the_first_answer_on_is_usual_and_one_that_comes_later_is_a_fault() {
    let learning = || {
        let mut w = world();
        for probe in w.config.probes.values_mut() {
            if let ProbeKind::Http { expect, .. } = &mut probe.kind {
                expect.learns = true;
            }
        }
        w
    };
    let events = |answers: &[u16]| {
        let mut w = learning();
        let mut words = String::new();
        for (n, status) in answers.iter().enumerate() {
            if n == 3 {
                w.restart();
            }
            words += &w.pass(secs(1)).see(HOST, http(*status));
        }
        words
    };
    assert_snapshot!(events(&[401, 401, 401, 401, 403, 401]), @r#"12:00:01 BaselineLearned { probe: ProbeId("http.a.acme.com"), status: 401 }"#);
    assert_snapshot!(events(&[200, 200, 200, 401, 401, 401]), @r#"
    12:00:01 BaselineLearned { probe: ProbeId("http.a.acme.com"), status: 200 }
    12:00:06 + host.a.acme.com answers with status 401 [Critical since 12:00:04] 3 bad answers in 2 s, last: 192.0.2.1:443 answered with status 401
    "#);
    assert_snapshot!(events(&[404, 404, 404, 200, 404, 404, 404]), @r#"
    12:00:01 BaselineLearned { probe: ProbeId("http.a.acme.com"), status: 404 }
    12:00:04 BaselineLearned { probe: ProbeId("http.a.acme.com"), status: 200 }
    12:00:07 + host.a.acme.com answers with status 404 [Critical since 12:00:05] 3 bad answers in 2 s, last: 192.0.2.1:443 answered with status 404
    "#);
    assert_snapshot!(events(&[503, 503, 503, 401, 401]), @r#"
    12:00:03 + host.a.acme.com answers with status 503 [Critical since 12:00:01] 3 bad answers in 2 s, last: 192.0.2.1:443 answered with status 503
    12:00:04 BaselineLearned { probe: ProbeId("http.a.acme.com"), status: 401 }
    12:00:05 - alert-1
    "#);
    assert_snapshot!(events(&[401, 401, 404, 404, 404, 404]), @r#"
    12:00:01 BaselineLearned { probe: ProbeId("http.a.acme.com"), status: 401 }
    12:00:06 + host.a.acme.com answers with status 404 [Critical since 12:00:04] 3 bad answers in 2 s, last: 192.0.2.1:443 answered with status 404
    "#);
}
