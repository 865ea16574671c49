//! Certificates as served.

use crate::fixture::*;
use insta::assert_snapshot;
use types::fault::{Fault, TlsFault};

const TLS: &str = "tls.a.acme.com";
const FROM: &str = "2026-10-01T00:00:00Z";

fn three(w: &mut Fixture, answer: &types::Answer) -> String {
    (0..3).map(|_| w.pass(secs(1)).see(TLS, answer.clone())).collect()
}

#[test]
fn every_fault_of_a_certificate_has_its_alert() {
    let mut words = String::new();
    for fault in [
        TlsFault::Expired { since: at("2026-11-22T11:00:00Z") },
        TlsFault::NotYetValid { from: at("2026-11-23T00:00:00Z") },
        TlsFault::WrongName { presented: vec!["parking.example".into()] },
        TlsFault::SelfSigned,
        TlsFault::UntrustedRoot { root: "CN=Nobody".into() },
        TlsFault::IncompleteChain { missing: "CN=Middle".into() },
        TlsFault::WeakKey { key: "RSA 1024".into() },
        TlsFault::Revoked,
    ] {
        let mut w = Fixture::new(&[("a.acme.com", "acme.com")]);
        words += &three(&mut w, &tls("a.acme.com", vec![fault], FROM, "2026-12-30T00:00:00Z"));
    }
    assert_snapshot!(words, @r"
    12:00:03 + tls.a.acme.com serves a certificate that expired at 2026-11-22T11:00:00Z [Critical since 12:00:01] 3 bad answers in 2 s, last: 192.0.2.1:443 serves a certificate that expired at 2026-11-22T11:00:00Z
    12:00:03 + tls.a.acme.com serves a certificate that is not valid before 2026-11-23T00:00:00Z [Critical since 12:00:01] 3 bad answers in 2 s, last: 192.0.2.1:443 serves a certificate that is not valid before 2026-11-23T00:00:00Z
    12:00:03 + tls.a.acme.com serves a certificate for parking.example (ERR_TLS_CERT_ALTNAME_INVALID) [Critical since 12:00:01] 3 bad answers in 2 s, last: 192.0.2.1:443 serves a certificate for parking.example (ERR_TLS_CERT_ALTNAME_INVALID)
    12:00:03 + tls.a.acme.com serves a self-signed certificate [Critical since 12:00:01] 3 bad answers in 2 s, last: 192.0.2.1:443 serves a self-signed certificate
    12:00:03 + tls.a.acme.com serves a certificate whose root `CN=Nobody` is not trusted [Critical since 12:00:01] 3 bad answers in 2 s, last: 192.0.2.1:443 serves a certificate whose root `CN=Nobody` is not trusted
    12:00:03 + tls.a.acme.com serves an incomplete certificate chain: `CN=Middle` is missing [Critical since 12:00:01] 3 bad answers in 2 s, last: 192.0.2.1:443 serves an incomplete certificate chain: `CN=Middle` is missing
    12:00:03 + tls.a.acme.com serves a certificate with a weak key (RSA 1024) [Critical since 12:00:01] 3 bad answers in 2 s, last: 192.0.2.1:443 serves a certificate with a weak key (RSA 1024)
    12:00:03 + tls.a.acme.com serves a certificate that its issuer revoked [Critical since 12:00:01] 3 bad answers in 2 s, last: 192.0.2.1:443 serves a certificate that its issuer revoked
    ");
}

#[test]
fn short_validity_is_alerted_in_steps() {
    let mut w = Fixture::new(&[("a.acme.com", "acme.com")]);
    let answer = tls("a.acme.com", vec![], "2026-09-26T00:00:00Z", "2026-12-25T00:00:00Z");
    let mut words = String::new();
    for _ in 0..800 {
        words += &w.pass(secs(3600)).see(TLS, answer.clone());
    }
    assert_snapshot!(words, @r"
    01:00:00 + tls.a.acme.com serves a certificate that expires at 2026-12-25T00:00:00Z: 33 % of its lifetime is left [Warning since 01:00:00] `CN=a.acme.com` has 29 days left
    01:00:00 ~ alert-1 serves a certificate that expires at 2026-12-25T00:00:00Z: 10 % of its lifetime is left [Warning] `CN=a.acme.com` has 8 days left
    01:00:00 ~ alert-1 serves a certificate that expires at 2026-12-25T00:00:00Z: 3 % of its lifetime is left [Warning] `CN=a.acme.com` has 2 days left
    01:00:00 ~ alert-1 serves a certificate that expires at 2026-12-25T00:00:00Z: 3 % of its lifetime is left [Critical] `CN=a.acme.com` has 23 h left
    ");
}

#[test]
fn a_certificate_that_cannot_be_fetched_is_the_hosts_trouble() {
    let mut w = Fixture::new(&[("a.acme.com", "acme.com")]);
    assert_eq!(three(&mut w, &failed(Fault::Refused)), "");
    let words = three(&mut w, &failed(Fault::Handshake { why: "no common version".into() }));
    assert_snapshot!(words, @"12:00:06 + tls.a.acme.com fails the TLS handshake: no common version [Critical since 12:00:04] 3 bad answers in 2 s, last: fails the TLS handshake: no common version");
}
