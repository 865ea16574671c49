//! Is it them, or is it us?

use crate::fixture::*;
use insta::assert_snapshot;
use std::fmt::Write;
use std::time::Duration;
use types::fault::{DnsFault, Fault, Phase};
use types::{Answer, Kind, ProbeId};

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
    let mut w = Fixture::new(&HOSTS);
    let mut words = w.see("http.a.acme.com", unanswered());
    assert_eq!(w.early("dns.other.net"), Some(0), "a jury is called at once");
    for (host, zone) in HOSTS {
        words += &w.pass(secs(1)).see(&format!("dns.{zone}"), dns_dark(zone, host));
        words += &w.see(&format!("http.{host}"), unanswered());
    }
    assert!(w.detect.isolated().is_some());
    for _ in 0..5 {
        words += &w.pass(secs(1)).see("http.a.acme.com", unanswered());
        words += &w.see("tls.b.other.net", unanswered());
    }
    w.restart();
    assert!(w.detect.isolated().is_some());
    words += &w.let_pass(secs(10));
    for (host, zone) in HOSTS {
        words += &w.pass(secs(1)).see(&format!("dns.{zone}"), dns_fine(zone, host));
        words += &w.see(&format!("http.{host}"), http(200));
    }
    assert!(w.detect.isolated().is_none());
    assert_snapshot!(words, @r#"
    12:00:03 + mainstay.here is isolated (mainstay cannot see out): 5 of 6 names can neither be resolved nor reached [Warning since 12:00:03] 5 of 6 names can neither be resolved nor reached; their domains have nothing else in common
    12:00:19 learned acme.com at {"ns1.host.example"}
    12:00:20 learned other.net at {"ns1.host.example"}
    12:00:20 - alert-1
    12:00:21 learned third.org at {"ns1.host.example"}
    "#);
}

#[test]
fn when_others_are_seen_it_is_them() {
    let mut w = Fixture::new(&HOSTS);
    let mut words = w.see("http.a.acme.com", unanswered());
    for _ in 0..3 {
        words += &w.pass(secs(1)).see("http.a.acme.com", unanswered());
        assert_eq!(w.early("http.a.acme.com"), Some(1), "nothing opens while the jury is out");
    }
    words += &w.see("dns.other.net", dns_fine("other.net", "b.other.net"));
    words += &w.pass(secs(1)).see("http.a.acme.com", unanswered());
    assert_snapshot!(words, @r#"
    12:00:03 learned other.net at {"ns1.host.example"}
    12:00:03 + host.a.acme.com cannot be resolved: EAI_AGAIN [Critical since 12:00:00] 4 bad answers in 3 s, last: cannot be resolved: EAI_AGAIN
    "#);
}

#[test]
fn references_that_never_answer_delay_an_alert_by_seconds_only() {
    let mut w = Fixture::new(&HOSTS);
    let mut words = String::new();
    for _ in 0..15 {
        words += &w.see("http.a.acme.com", failed(Fault::Unreachable { why: "no route".into() }));
        words += &w.let_pass(secs(1));
    }
    assert_snapshot!(words, @"12:00:06 + host.a.acme.com cannot be reached: no route [Critical since 12:00:00] 6 bad answers in 5 s, last: cannot be reached: no route");
}

/// How a juror behaves once it is asked.
#[derive(Clone, Copy)]
enum Juror {
    /// Never answers.
    Silent,
    /// Sees nothing, and says so after this number of seconds: with a word of the system or by running out of time.
    Unreached(u64),
    Late(u64),
    /// Is well, after this number of seconds.
    Well(u64),
}

impl Juror {
    fn answer(self, probe: &ProbeId) -> Option<(u64, Answer)> {
        let zone = probe.0.strip_prefix("dns.");
        let host = |zone: &str| HOSTS.iter().find(|(_, of)| *of == zone).map_or("", |(host, _)| host);
        match self {
            Self::Silent => None,
            Self::Unreached(after) => {
                Some((after, zone.map_or_else(unanswered, |zone| dns_dark(zone, host(zone)))))
            }
            Self::Late(after) => {
                let late = || failed(Fault::TimedOut { phase: Phase::Connect });
                Some((after, zone.map_or_else(late, |zone| dns_dark(zone, host(zone)))))
            }
            Self::Well(after) => {
                Some((after, zone.map_or_else(|| http(200), |zone| dns_fine(zone, host(zone)))))
            }
        }
    }
}

/// Seconds from the first bad answer until the alert was confirmed, opened, and until we held ourselves to be isolated.
fn hold(
    domains: usize,
    failure_threshold: u32,
    gap: u64,
    references: &[Juror],
) -> (Option<u64>, Option<u64>, Option<u64>) {
    let mut w = Fixture::new(&HOSTS[..domains]);
    let trigger = ProbeId("http.a.acme.com".into());
    w.config.probes.get_mut(&trigger).unwrap().failure_threshold = failure_threshold;
    let jurors: Vec<ProbeId> = (w.config.probes.values())
        .filter(|probe| matches!(probe.about.kind, Kind::Dns | Kind::Host) && probe.id != trigger)
        .map(|probe| probe.id.clone())
        .collect();
    let (mut confirmed, mut opened, mut isolated) = (None, None, None);
    let mut bad = 0;
    for second in 0..30 {
        let mut words = if second == 0 { String::new() } else { w.let_pass(Duration::from_secs(1)) };
        for (juror, behaves) in jurors.iter().zip(references.iter().cycle()) {
            if let Some((_, answer)) = behaves.answer(juror).filter(|(after, _)| *after == second) {
                words += &w.see(&juror.0, answer);
            }
        }
        if second % gap == 0 && isolated.is_none() {
            bad += 1;
            words += &w.see(&trigger.0, failed(Fault::Unreachable { why: "reset".into() }));
        }
        if bad >= failure_threshold && w.detect.isolated().is_none() {
            confirmed.get_or_insert(second);
        }
        if words.contains("+ host.a.acme.com") {
            opened.get_or_insert(second);
        }
        if w.detect.isolated().is_some() {
            isolated.get_or_insert(second);
        }
    }
    (confirmed, opened, isolated)
}

#[test]
fn a_real_outage_waits_for_no_slow_juror() {
    use Juror::{Late, Silent, Unreached, Well};
    let mut table = String::new();
    let mut row = |case: &str, domains, failure_threshold, gap, references: &[Juror]| {
        let (confirmed, opened, isolated) = hold(domains, failure_threshold, gap, references);
        if let (Some(confirmed), Some(opened)) = (confirmed, opened) {
            assert!(
                opened <= confirmed + 8,
                "{case}: confirmed after {confirmed} s, opened after {opened} s"
            );
        }
        let at = |second: Option<u64>| second.map_or("never".to_owned(), |second| format!("{second} s"));
        let (confirmed, opened, isolated) = (at(confirmed), at(opened), at(isolated));
        writeln!(table, "{case}: confirmed {confirmed}, opened {opened}, isolated {isolated}").unwrap();
    };
    row("others are well", 3, 3, 1, &[Well(1)]);
    row("others are well, slowly", 3, 3, 1, &[Well(5)]);
    row("nobody else speaks", 3, 3, 1, &[Silent]);
    row("nobody else speaks, one is enough", 3, 1, 1, &[Silent]);
    row("nobody else speaks, the next look is far", 3, 1, 29, &[Silent]);
    row("time limits of ten seconds", 3, 1, 11, &[Late(10)]);
    row(
        "one more sees nothing, the rest is silent",
        3,
        1,
        11,
        &[Unreached(1), Silent, Silent, Silent, Silent],
    );
    row("half see nothing, the rest is silent", 3, 1, 11, &[Unreached(1), Late(5), Silent, Silent, Silent]);
    row("half see nothing, a host is well", 3, 1, 11, &[Unreached(1), Late(5), Well(2)]);
    row("nobody sees", 3, 3, 1, &[Unreached(1)]);
    row("two domains, nobody sees", 2, 3, 1, &[Unreached(1)]);
    row("two domains, all too late", 2, 3, 1, &[Late(5)]);
    row("two domains, half silent", 2, 3, 1, &[Unreached(1), Silent]);
    assert_snapshot!(table, @r"
    others are well: confirmed 2 s, opened 2 s, isolated never
    others are well, slowly: confirmed 2 s, opened 5 s, isolated never
    nobody else speaks: confirmed 2 s, opened 6 s, isolated never
    nobody else speaks, one is enough: confirmed 0 s, opened 6 s, isolated never
    nobody else speaks, the next look is far: confirmed 0 s, opened 6 s, isolated never
    time limits of ten seconds: confirmed 0 s, opened 6 s, isolated 10 s
    one more sees nothing, the rest is silent: confirmed 0 s, opened 6 s, isolated never
    half see nothing, the rest is silent: confirmed 0 s, opened never, isolated 6 s
    half see nothing, a host is well: confirmed 0 s, opened 2 s, isolated never
    nobody sees: confirmed never, opened never, isolated 1 s
    two domains, nobody sees: confirmed never, opened never, isolated 1 s
    two domains, all too late: confirmed 2 s, opened 5 s, isolated never
    two domains, half silent: confirmed 2 s, opened 6 s, isolated never
    ");
}

#[test]
fn what_was_held_back_and_is_well_again_never_opens() {
    let mut w = Fixture::new(&HOSTS);
    w.config.probes.get_mut(&ProbeId("http.a.acme.com".into())).unwrap().failure_threshold = 1;
    let mut words = w.see("http.a.acme.com", unanswered());
    words += &w.pass(secs(5)).see("http.a.acme.com", http(200));
    words += &w.let_pass(secs(30));
    assert_snapshot!(words, @"");
}
