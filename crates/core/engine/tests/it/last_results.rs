//! What is kept of the last look of each probe: for /metrics, and only since the process began.

use crate::Bench;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use types::config::Config;
use types::probe_result::{Answer, Certificate, Phases, TlsSeen};
use types::{Fault, ProbeId, ProbeResult, System, Time};

fn config(host: &str) -> Config {
    config::read(&format!("[service.shop]\nhosts = [\"{host}\"]\n"), "config", Path::new(".")).unwrap().config
}

fn certificate(ends: &str) -> Certificate {
    Certificate {
        subject: String::new(),
        issuer: String::new(),
        names: Vec::new(),
        not_before: Time::MIN,
        not_after: ends.parse().unwrap(),
        key: String::new(),
    }
}

fn look(bench: &mut Bench, probe: &str, millis: u64, answer: Answer) {
    let phases = Phases { total: Duration::from_millis(millis), ..Phases::default() };
    bench.input(ProbeResult::new(probe.into(), phases, answer)).unwrap();
}

/// Probe, milliseconds, and until when a certificate is good.
fn shown(bench: &Bench) -> Vec<(ProbeId, u128, Option<String>)> {
    let rows = bench.engine.views().now.probes;
    rows.into_iter()
        .map(|row| (row.probe, row.duration.as_millis(), row.certificate_expires.map(|at| at.to_string())))
        .collect()
}

#[test]
fn the_last_look_counts_and_a_failed_one_makes_no_certificate_unknown() {
    let mut bench = Bench::with(config("shop.acme.com"));
    assert_eq!(shown(&bench), []);
    let seen = |chain| {
        let (address, name) = ("192.0.2.7:443".parse().unwrap(), "shop.acme.com".to_owned());
        Answer::Tls(TlsSeen { address, name, chain, faults: Vec::new(), spare: Vec::new(), outdated: None })
    };
    let (leaf, above) = ("2027-03-01T00:00:00Z", "2027-02-01T00:00:00Z");
    look(&mut bench, "tls.shop.acme.com", 40, seen(vec![certificate(leaf), certificate(above)]));
    look(&mut bench, "http.shop.acme.com", 70, Answer::Failed(Fault::Refused));
    look(&mut bench, "no.such.probe", 70, Answer::Failed(Fault::Refused));
    let (http, tls) = (ProbeId::from("http.shop.acme.com"), ProbeId::from("tls.shop.acme.com"));
    let earliest = Some(above.to_owned());
    assert_eq!(shown(&bench), [(http.clone(), 70, None), (tls.clone(), 40, earliest.clone())]);
    look(&mut bench, "tls.shop.acme.com", 5_000, Answer::Failed(Fault::Refused));
    assert_eq!(shown(&bench), [(http.clone(), 70, None), (tls.clone(), 5_000, earliest)]);
    look(&mut bench, "tls.shop.acme.com", 41, seen(vec![certificate(leaf)]));
    assert_eq!(shown(&bench), [(http, 70, None), (tls, 41, Some(leaf.to_owned()))]);
    // What another configuration does not ask is forgotten.
    bench.input(System::Config(Arc::new(config("other.acme.com")))).unwrap();
    assert_eq!(shown(&bench), []);
}
