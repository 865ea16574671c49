//! The expired name, as mainstay sees it.

use crate::fixture::*;
use insta::assert_snapshot;
use types::Answer;
use types::fault::TlsFault;

#[test]
fn the_expired_name() {
    let zone = "acme.app";
    let mut w = Fixture::new(&[("a.acme.app", zone), ("auth.acme.io", "acme.io")]);
    let own = ["ns1.host.example", "ns2.host.example"];
    let park = ["ns1.parking.example", "ns2.parking.example"];
    let dns_at = |servers: &[&str], byte: u8| {
        let all: Vec<_> = servers.iter().map(|server| (*server, Ok(byte))).collect();
        dns(zone, &["a.acme.app"], Ok(servers), &all)
    };
    let start = w.now;
    let registered = |registry, statuses: &[&str], servers: &[&str]| {
        Answer::Domain(domain(zone, start, Some(registry), None, statuses, servers))
    };
    let certificate = |faults| tls("a.acme.app", faults, "2026-10-01T00:00:00Z", "2026-12-30T00:00:00Z");

    let mut words = w.see("dns.acme.app", dns_at(&own, 1));
    words += &w.see("domain.acme.app", registered(0, &["active"], &own));
    words += &w.see("tls.a.acme.app", certificate(vec![]));
    words += "-- the registry renews on paper\n";
    words += &w.pass(secs(60)).see("domain.acme.app", registered(365, &["auto renew period"], &own));
    words += "-- the registrar swaps the delegation\n";
    words += &w.pass(secs(60)).see("dns.acme.app", dns_at(&park, 99));
    assert!(w.early("domain.acme.app").unwrap() <= 0, "the registry is asked at once");
    words += &w.pass(secs(1)).see("domain.acme.app", registered(365, &["auto renew period"], &park));
    assert_eq!(w.early("domain.acme.app"), Some(5), "its own trouble is a minute old by now");
    words += &w.see("dns.acme.app", dns_at(&park, 99));
    words += "-- caches run out\n";
    let parked = || certificate(vec![TlsFault::WrongName { presented: vec!["parking.example".into()] }]);
    for _ in 0..3 {
        words += &w.pass(secs(1)).see("tls.a.acme.app", parked());
    }
    words += "-- renewed\n";
    words += &w.pass(secs(600)).see("domain.acme.app", registered(730, &["active"], &own));
    for _ in 0..2 {
        words += &w.pass(secs(1)).see("dns.acme.app", dns_at(&own, 1));
        words += &w.see("tls.a.acme.app", certificate(vec![]));
    }
    assert_snapshot!(words, @r#"
    12:00:00 learned acme.app at {"ns1.host.example", "ns2.host.example"}
    12:00:00 learned acme.app
    12:00:00 + domain.acme.app expired at 2026-11-22T12:00:00Z [Critical since 12:00:00] https://registry.example/ says: expires 2026-11-22T12:00:00Z by the registry; status active; name servers ns1.host.example, ns2.host.example
    -- the registry renews on paper
    12:01:00 learned acme.app
    -- the registrar swaps the delegation
    12:02:01 learned acme.app
    12:02:01 ~ alert-1 expired at 2026-11-22T12:00:00Z [Critical] https://registry.example/ says: expires 2027-11-22T12:00:00Z by the registry; status auto renew period; name servers ns1.parking.example, ns2.parking.example
    12:02:01 + dns.acme.app is delegated to ns1.parking.example, ns2.parking.example instead of ns1.host.example, ns2.host.example [Critical since 12:02:00] the parent zone names ns1.parking.example, ns2.parking.example; acme.app expired at 2026-11-22T12:00:00Z
    -- caches run out
    12:02:04 + tls.a.acme.app serves a certificate for parking.example (ERR_TLS_CERT_ALTNAME_INVALID) [Critical since 12:02:02] 3 bad answers in 2 s, last: 192.0.2.1:443 serves a certificate for parking.example (ERR_TLS_CERT_ALTNAME_INVALID)
    -- renewed
    12:12:04 learned acme.app
    12:12:04 - alert-1
    12:12:06 - alert-2
    12:12:06 - alert-3
    "#);
    assert!(w.detect.alerts().is_empty());
    w.restart();
}
