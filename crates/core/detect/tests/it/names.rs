//! Delegations, name servers, and what becomes of a move.

use crate::fixture::*;
use insta::assert_snapshot;
use types::Answer;
use types::fault::DnsFault;

const DNS: &str = "dns.acme.com";
const OLD: [&str; 2] = ["ns1.host.example", "ns2.host.example"];
const NEW: [&str; 2] = ["ns1.new.example", "ns2.new.example"];

fn world() -> Fixture {
    Fixture::new(&[("a.acme.com", "acme.com"), ("b.acme.com", "acme.com")])
}

fn said(delegation: &[&str], servers: &[(&str, Result<u8, DnsFault>)]) -> Answer {
    dns("acme.com", &["a.acme.com", "b.acme.com"], Ok(delegation), servers)
}

fn fine(servers: &[&str], byte: u8) -> Answer {
    said(servers, &servers.iter().map(|server| (*server, Ok(byte))).collect::<Vec<_>>())
}

#[test]
fn a_move_that_serves_as_before_is_a_note_and_accepted_after_an_hour() {
    let mut w = world();
    let mut words = w.see(DNS, fine(&OLD, 1));
    words += &w.pass(secs(60)).see(DNS, fine(&NEW, 1));
    assert_eq!(w.early("domain.acme.com"), Some(0), "the registry is asked at the first sight");
    assert_eq!(w.early(DNS), Some(1), "and the parent a second time");
    words += &w.pass(secs(1)).see(DNS, fine(&NEW, 1));
    for _ in 0..61 {
        words += &w.pass(secs(60)).see(DNS, fine(&NEW, 1));
    }
    assert_snapshot!(words, @r#"
    12:00:00 learned acme.com at {"ns1.host.example", "ns2.host.example"}
    12:01:01 + dns.acme.com is delegated to ns1.new.example, ns2.new.example instead of ns1.host.example, ns2.host.example [Info since 12:01:00] the parent zone names ns1.new.example, ns2.new.example; they give the same answers as the old ones
    13:01:01 learned acme.com at {"ns1.new.example", "ns2.new.example"}
    13:01:01 - alert-1
    "#);
}

#[test]
fn a_move_to_servers_that_lead_elsewhere_or_know_nothing_breaks() {
    let mut words = String::new();
    for answer in [
        fine(&NEW, 99),
        said(&NEW, &[(NEW[0], Err(DnsFault::Lame)), (NEW[1], Err(DnsFault::Silent))]),
        said(&NEW, &[(NEW[0], Err(DnsFault::NxDomain)), (NEW[1], Err(DnsFault::NxDomain))]),
    ] {
        let mut w = world();
        w.see(DNS, fine(&OLD, 1));
        w.pass(secs(60)).see(DNS, answer.clone());
        words += &w.pass(secs(1)).see(DNS, answer);
        words += &w.pass(secs(10)).see(DNS, fine(&OLD, 1));
        words += &w.pass(secs(1)).see(DNS, fine(&OLD, 1));
    }
    assert_snapshot!(words, @r"
    12:01:01 + dns.acme.com is delegated to ns1.new.example, ns2.new.example instead of ns1.host.example, ns2.host.example [Critical since 12:01:00] the parent zone names ns1.new.example, ns2.new.example; they give other addresses for every name
    12:01:12 - alert-1
    12:01:01 + dns.acme.com is delegated to ns1.new.example, ns2.new.example instead of ns1.host.example, ns2.host.example [Critical since 12:01:00] the parent zone names ns1.new.example, ns2.new.example; none of them serves the zone
    12:01:12 - alert-1
    12:01:01 + dns.acme.com is delegated to ns1.new.example, ns2.new.example instead of ns1.host.example, ns2.host.example [Critical since 12:01:00] the parent zone names ns1.new.example, ns2.new.example; none of them serves the zone
    12:01:12 - alert-1
    ");
}

#[test]
fn lame_silent_and_contradicting_servers() {
    let mut words = String::new();
    for answer in [
        said(&OLD, &[(OLD[0], Ok(1)), (OLD[1], Err(DnsFault::Lame))]),
        said(&OLD, &[(OLD[0], Err(DnsFault::Silent)), (OLD[1], Err(DnsFault::ServFail))]),
        said(&OLD, &[(OLD[0], Ok(1)), (OLD[1], Ok(2))]),
        dns("acme.com", &["a.acme.com"], Err(DnsFault::NotDelegated), &[]),
    ] {
        let mut w = world();
        w.see(DNS, fine(&OLD, 1));
        for _ in 0..3 {
            words += &w.pass(secs(1)).see(DNS, answer.clone());
        }
    }
    assert_snapshot!(words, @r"
    12:00:03 + dns.acme.com has name servers that do not serve it: ns2.host.example [Warning since 12:00:01] 3 bad answers in 2 s, last: ns2.host.example (192.0.2.53) refuses to answer for the zone (REFUSED)
    12:00:03 + dns.acme.com has no name server that answers for it [Critical since 12:00:01] 3 bad answers in 2 s, last: ns1.host.example (192.0.2.53) does not answer; ns2.host.example (192.0.2.53) fails (SERVFAIL)
    12:00:03 + dns.acme.com has name servers that disagree (ns2.host.example) [Warning since 12:00:01] 3 bad answers in 2 s, last: for a.acme.com, the answers of ns2.host.example differ from the rest
    12:00:02 + dns.acme.com is not delegated by its parent zone [Critical since 12:00:01] is not delegated by its parent zone
    ");
}

#[test]
fn a_server_that_holds_another_zone_is_noted_also_where_no_name_is_known() {
    let said = |of_two: &[&str]| {
        let mut answer = dns("acme.com", &[], Ok(&OLD), &[(OLD[0], Ok(1)), (OLD[1], Ok(1))]);
        if let Answer::Dns(seen) = &mut answer {
            seen.servers[0].zone_servers = set(&OLD);
            seen.servers[1].zone_servers = set(of_two);
        }
        answer
    };
    let mut w = world();
    let mut words = w.see(DNS, said(&OLD));
    // Not to say is not to contradict.
    for of_two in [&[][..], &[OLD[0], "ns9.elsewhere.example"], &OLD] {
        for _ in 0..3 {
            words += &w.pass(secs(1)).see(DNS, said(of_two));
        }
    }
    assert_snapshot!(words, @r#"
    12:00:00 learned acme.com at {"ns1.host.example", "ns2.host.example"}
    12:00:06 + dns.acme.com has name servers that disagree (ns2.host.example) [Info since 12:00:04] 3 bad answers in 2 s, last: ns2.host.example lists other name servers for the zone than the rest
    12:00:08 - alert-1
    "#);
}

#[test]
fn our_resolvers_and_the_parents_own_trouble_are_no_fault_of_the_zone() {
    let mut w = world();
    let mut words = w.see(DNS, fine(&OLD, 1));
    let servers = [(OLD[0], Ok(1)), (OLD[1], Ok(1))];
    let parent_silent = dns("acme.com", &["a.acme.com"], Err(DnsFault::ServFail), &servers);
    let mut resolvers_dead = fine(&OLD, 1);
    if let Answer::Dns(seen) = &mut resolvers_dead {
        seen.resolvers.iter_mut().for_each(|said| said.addresses = Err(DnsFault::ServFail));
    }
    for answer in [parent_silent, resolvers_dead] {
        for _ in 0..4 {
            words += &w.pass(secs(1)).see(DNS, answer.clone());
        }
    }
    assert_snapshot!(words, @r#"12:00:00 learned acme.com at {"ns1.host.example", "ns2.host.example"}"#);
}
