//! What holds whatever comes in.

use crate::fixture::*;
use detect::Detect;
use proptest::prelude::*;
use std::collections::BTreeSet;
use types::fault::{DnsFault, DomainFault, Fault, Phase, TlsFault};
use types::{Answer, ProbeId, ProbeResult};

fn answers() -> Vec<Answer> {
    let now = at("2026-11-22T12:00:00Z");
    let own: &[&str] = &["ns1.host.example"];
    let park: &[&str] = &["ns1.parking.example"];
    let registered = |date, statuses: &[&str], servers: &[&str]| {
        Answer::Domain(domain("acme.com", now, Some(date), None, statuses, servers))
    };
    vec![
        http(200),
        http(200),
        http(503),
        failed(Fault::Refused),
        failed(Fault::TimedOut { phase: Phase::Connect }),
        failed(Fault::NameUnanswered { why: "x".into() }),
        failed(Fault::Lookup { why: "429".into(), retry_after: Some(secs(30)) }),
        failed(Fault::Domain { domain: DomainFault::NotRegistered }),
        failed(Fault::Isolated { why: "no sockets left".into() }),
        tls("a.acme.com", vec![], "2026-10-01T00:00:00Z", "2026-12-30T00:00:00Z"),
        tls("a.acme.com", vec![TlsFault::SelfSigned], "2026-10-01T00:00:00Z", "2026-12-30T00:00:00Z"),
        dns("acme.com", &["a.acme.com"], Ok(own), &[(own[0], Ok(1))]),
        dns("acme.com", &["a.acme.com"], Ok(park), &[(park[0], Ok(9))]),
        dns("acme.com", &["a.acme.com"], Err(DnsFault::NotDelegated), &[]),
        registered(300, &["active"], own),
        registered(5, &["active"], own),
        registered(-5, &["active"], own),
        registered(300, &["auto renew period"], park),
        registered(300, &["client hold", "pending transfer"], own),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_in(steps in prop::collection::vec((0usize..8, 0usize..19, 0u64..5, 0u8..40), 1..150)) {
        let mut w = Fixture::new(&[("a.acme.com", "acme.com"), ("b.other.net", "other.net")]);
        // A second probe about the same thing.
        let mut twin = w.config.probes[&ProbeId("http.a.acme.com".into())].clone();
        twin.id = ProbeId("twin".into());
        w.config.probes.insert(twin.id.clone(), twin);
        let probes: Vec<ProbeId> = w.config.probes.keys().cloned().collect();
        let answers = answers();
        for (probe, answer, wait, special) in steps {
            w.pass(secs(if special == 7 { 90_000 } else { wait }));
            match special {
                0 => w.restart(),
                1 => _ = w.tick(),
                2 => _ = w.let_pass(secs(4000)),
                _ => {
                    let phases = types::probe_result::Phases::default();
                    let result = ProbeResult::new(probes[probe % probes.len()].clone(), phases, answers[answer].clone());
                    w.result(result);
                }
            }
            let mut words = BTreeSet::new();
            for alert in w.detect.alerts().values() {
                prop_assert!(words.insert((alert.about.clone(), alert.fault.as_str())), "twice: {alert:?}");
                prop_assert!(alert.since <= w.now);
            }
            prop_assert!(w.detect.sooner(&types::Context::new(&w.config, w.now)).keys().all(|id| w.config.probes.contains_key(id)));
        }
        let mut folded = Detect::default();
        w.journal.events.iter().for_each(|event| folded.apply(event));
        prop_assert_eq!(folded.state_text(), w.detect.state_text());
    }
}
