//! What is kept of the last look of each probe: for /metrics, and only since the process began.

use crate::Bench;
use std::sync::Arc;
use testkit::config::read;
use testkit::probe::{certificate, handshake, result};
use testkit::time::at;
use types::config::Config;
use types::probe_result::Answer;
use types::{Fault, ProbeId, System, Time};

const HOST: &str = "shop.acme.com";

fn config(host: &str) -> Config {
    read(&format!("[service.shop]\nhosts = [\"{host}\"]\n"))
}

fn look(bench: &mut Bench, probe: &str, millis: u64, answer: Answer) {
    bench.input(result(probe, millis, answer)).unwrap();
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
    let mut bench = Bench::with(config(HOST));
    assert_eq!(shown(&bench), []);
    let seen = |ends: &[&str]| {
        let chain = ends.iter().map(|end| certificate(HOST, Time::MIN, at(end)));
        handshake(HOST, chain.collect(), Vec::new())
    };
    let (leaf, above) = ("2027-03-01T00:00:00Z", "2027-02-01T00:00:00Z");
    look(&mut bench, "tls.shop.acme.com", 40, seen(&[leaf, above]));
    look(&mut bench, "http.shop.acme.com", 70, Answer::Failed(Fault::Refused));
    look(&mut bench, "no.such.probe", 70, Answer::Failed(Fault::Refused));
    let (http, tls) = (ProbeId::from("http.shop.acme.com"), ProbeId::from("tls.shop.acme.com"));
    let earliest = Some(above.to_owned());
    assert_eq!(shown(&bench), [(http.clone(), 70, None), (tls.clone(), 40, earliest.clone())]);
    look(&mut bench, "tls.shop.acme.com", 5_000, Answer::Failed(Fault::Refused));
    assert_eq!(shown(&bench), [(http.clone(), 70, None), (tls.clone(), 5_000, earliest)]);
    look(&mut bench, "tls.shop.acme.com", 41, seen(&[leaf]));
    assert_eq!(shown(&bench), [(http, 70, None), (tls, 41, Some(leaf.to_owned()))]);
    // What another configuration does not ask is forgotten.
    bench.input(System::Config(Arc::new(config("other.acme.com")))).unwrap();
    assert_eq!(shown(&bench), []);
}
