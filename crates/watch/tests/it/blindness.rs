//! Is it them, or is it us?

use crate::world::*;
use insta::assert_snapshot;
use model::Answer;
use model::fault::{DnsFault, Fault};

const HOSTS: [(&str, &str); 3] =
    [("a.acme.com", "acme.com"), ("b.other.net", "other.net"), ("c.third.org", "third.org")];

fn unanswered() -> Answer {
    failed(Fault::NameUnanswered { why: "EAI_AGAIN".into() })
}

fn dns_dark(zone: &str, host: &str) -> Answer {
    let mut answer =
        dns(zone, &[host], Err(DnsFault::Silent), &[("ns1.host.example", Err(DnsFault::Silent))]);
    if let Answer::Dns(seen) = &mut answer {
        seen.resolvers.iter_mut().for_each(|said| said.addresses = Err(DnsFault::Silent));
    }
    answer
}

fn dns_fine(zone: &str, host: &str) -> Answer {
    dns(zone, &[host], Ok(&["ns1.host.example"]), &[("ns1.host.example", Ok(1))])
}

#[test]
fn when_nothing_anywhere_can_be_seen_it_is_us() {
    let mut w = World::new(&HOSTS);
    let mut words = w.see("http.a.acme.com", unanswered());
    assert_eq!(w.wish("dns.other.net"), Some(0), "a jury is called at once");
    for (host, zone) in HOSTS {
        words += &w.pass(secs(1)).see(&format!("dns.{zone}"), dns_dark(zone, host));
        words += &w.see(&format!("http.{host}"), unanswered());
    }
    assert!(w.watch.blind().is_some());
    for _ in 0..5 {
        words += &w.pass(secs(1)).see("http.a.acme.com", unanswered());
        words += &w.see("tls.b.other.net", unanswered());
    }
    w.restart();
    assert!(w.watch.blind().is_some());
    words += &w.let_pass(secs(10));
    for (host, zone) in HOSTS {
        words += &w.pass(secs(1)).see(&format!("dns.{zone}"), dns_fine(zone, host));
        words += &w.see(&format!("http.{host}"), http(200));
    }
    assert!(w.watch.blind().is_none());
    assert_snapshot!(words, @r#"
    12:00:03 + mainstay.here mainstay is blind here: 5 of 6 names asked can be neither looked up nor reached [Warns since 12:00:03] 5 of 6 names asked can be neither looked up nor reached; they are on domains that have nothing else in common
    12:00:19 learned acme.com at {"ns1.host.example"}
    12:00:20 learned other.net at {"ns1.host.example"}
    12:00:20 - finding-1
    12:00:21 learned third.org at {"ns1.host.example"}
    "#);
}

#[test]
fn when_others_are_seen_it_is_them() {
    let mut w = World::new(&HOSTS);
    let mut words = w.see("http.a.acme.com", unanswered());
    for _ in 0..3 {
        words += &w.pass(secs(1)).see("http.a.acme.com", unanswered());
        assert_eq!(w.wish("http.a.acme.com"), Some(1), "nothing opens while the jury is out");
    }
    words += &w.see("dns.other.net", dns_fine("other.net", "b.other.net"));
    words += &w.pass(secs(1)).see("http.a.acme.com", unanswered());
    assert_snapshot!(words, @r#"
    12:00:03 learned other.net at {"ns1.host.example"}
    12:00:04 + host.a.acme.com cannot be looked up: EAI_AGAIN [Breaks since 12:00:00] 5 bad answers in 4 s, the last: cannot be looked up: EAI_AGAIN
    "#);
}

#[test]
fn a_jury_that_never_answers_delays_a_finding_by_seconds_only() {
    let mut w = World::new(&HOSTS);
    let mut words = String::new();
    for _ in 0..15 {
        words += &w.see("http.a.acme.com", failed(Fault::Unreachable { why: "no route".into() }));
        words += &w.let_pass(secs(1));
    }
    assert_snapshot!(words, @"12:00:12 + host.a.acme.com cannot be reached: no route [Breaks since 12:00:00] 13 bad answers in 12 s, the last: cannot be reached: no route");
}
