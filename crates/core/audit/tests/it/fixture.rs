//! A company with thirty faults, a well-built one, and what probes saw of both.

use audit::evidence::{BackupSeen, KnownDatabase, Leaf, Registration};
use audit::{Audited, Evidence, Gap, Report};
use std::collections::{BTreeMap, BTreeSet};
use testkit::time::at;
use types::headroom::{Capacity, Peaks, ServerCount, Trend, Unknown};
use types::load_test::{Knee, LoadEnd};
use types::restore::{Restore, RestoreProof};
use types::{Config, Headroom, LoadTest, Resource, Time};

pub(crate) const FAULTY: &str = include_str!("faulty.toml");
pub(crate) const WELL_BUILT: &str = include_str!("well-built.toml");

pub(crate) fn now() -> Time {
    at("2026-12-01T12:00:00Z")
}

fn leaf(subject: &str, from: &str, to: &str) -> Leaf {
    Leaf { subject: subject.to_owned(), issuer: "CN=R11".to_owned(), not_before: at(from), not_after: at(to) }
}

fn registration(registrar: &str, expires: &str, is_locked: bool) -> Registration {
    Registration { expires: Some(at(expires)), registrar: Some(registrar.to_owned()), is_locked }
}

/// A registration that may be transferred.
pub(crate) fn of_registrar(registrar: &str, expires: &str) -> Registration {
    registration(registrar, expires, false)
}

pub(crate) fn database(product: &str, last: Option<&str>) -> KnownDatabase {
    let seen = |last| vec![BackupSeen { name: "main".to_owned(), trouble: None, last: Some(at(last)) }];
    KnownDatabase { product: Some(product.to_owned()), backups: last.map(seen) }
}

/// A load test that found a knee at 420/s.
fn load_test(target: &str, when: &str) -> LoadTest {
    LoadTest {
        target: target.to_owned(),
        service: None,
        at: at(when),
        secs: 90,
        servers: 1,
        steps: Vec::new(),
        ended: LoadEnd::Complete,
        knee: Some(Knee {
            rate_milli: 420_000,
            beyond_milli: Some(440_000),
            p99_doubles_milli: Some(380_000),
            p50_us: 20_000,
        }),
    }
}

pub(crate) fn restore(name: &str, ended: &str, failed: Option<&str>) -> Restore {
    Restore {
        database: name.to_owned(),
        at: at(ended),
        how: RestoreProof::Verified,
        backup: Some("20261120-030000F".to_owned()),
        secs: Some(40),
        failed: failed.map(str::to_owned),
    }
}

fn servers(names: [&str; 2]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

fn by_resource<const N: usize>(all: [Headroom; N]) -> BTreeMap<Resource, Headroom> {
    all.map(|headroom| (headroom.resource.clone(), headroom)).into()
}

/// A pool of two servers with a knee of 100 requests a second each, and its share at the daily peak; `None` without a load test.
fn pool(name: &str, day: Option<f64>, meets: Option<&str>) -> Headroom {
    let tested = Capacity::LoadTest {
        target: name.to_owned(),
        at: at("2026-11-20T08:00:00Z"),
        per_server: 100.0,
        is_lower_bound: false,
        p50_seconds: 0.05,
    };
    let untested = Capacity::Unknown { why: Unknown::NoLoadTest };
    let utilization = Peaks { day, week: day, month: day };
    let mut headroom = Headroom {
        capacity: if day.is_some() { tested } else { untested },
        knee: day.map(|_| 200.0),
        servers: Some(ServerCount { working: 2, all: 2 }),
        peaks: utilization.map(|share| share * 200.0),
        trend: meets.map_or(Trend::Level, |date| Trend::Grows { per_day: 0.02, meets: date.parse().ok() }),
        ..database_slots(name, day)
    };
    headroom.resource = Resource::pool(name);
    headroom.with_more = headroom.with(1);
    headroom
}

fn database_slots(name: &str, day: Option<f64>) -> Headroom {
    let utilization = Peaks { day, week: day, month: day };
    Headroom {
        resource: Resource::database(name),
        services: Vec::new(),
        capacity: Capacity::ConnectionSlots,
        knee: None,
        servers: None,
        demand: None,
        peaks: utilization,
        utilization,
        utilization_now: None,
        with_more: None,
        trend: Trend::Level,
    }
}

/// What probes saw of the faulty company.
pub(crate) fn of_faulty() -> Evidence {
    let shared = || leaf("CN=*.acme.com", "2026-11-01T00:00:00Z", "2027-05-01T00:00:00Z");
    Evidence {
        registrations: [
            ("acme.com".to_owned(), registration("Names Inc.", "2027-03-01T00:00:00Z", true)),
            ("acme.app".to_owned(), registration("Names Inc.", "2029-03-01T00:00:00Z", false)),
        ]
        .into(),
        name_servers: [
            ("acme.com".to_owned(), servers(["ns1.names.example", "ns2.names.example"])),
            ("acme.app".to_owned(), servers(["ns-1.awsdns-2.com", "ns1.nsone.net"])),
        ]
        .into(),
        certificates: ["auth.acme.com", "api.acme.com", "shop.acme.app"]
            .map(|host| (host.to_owned(), shared()))
            .into(),
        databases: [
            ("main".to_owned(), database("PostgreSQL", None)),
            ("orders".to_owned(), database("PostgreSQL", Some("2026-11-20T03:00:00Z"))),
            ("sessions".to_owned(), database("Redis", None)),
        ]
        .into(),
        // Of the API, half a year ago.
        load_tests: [("api-staging".to_owned(), load_test("api-staging", "2026-05-20T12:00:00Z"))].into(),
        headroom: by_resource([
            pool("auth", Some(0.91), None),
            pool("api", None, None),
            pool("shop", Some(0.5), Some("2026-12-12")),
            database_slots("main", Some(0.97)),
            database_slots("orders", Some(0.3)),
        ]),
        has_journal: true,
        restores: [("orders".to_owned(), restore("orders", "2026-11-30T04:00:00Z", Some("no such stanza")))]
            .into(),
        answers: [(("ana".into(), "ntfy:ana".to_owned()), at("2026-09-01T08:00:00Z"))].into(),
        ..Evidence::default()
    }
}

/// What probes saw of the well-built company.
pub(crate) fn of_well_built() -> Evidence {
    let of = |host: &str| leaf(&format!("CN={host}"), "2026-11-01T00:00:00Z", "2027-01-30T00:00:00Z");
    Evidence {
        registrations: [
            ("acme.com".to_owned(), registration("Names Inc.", "2027-03-01T00:00:00Z", true)),
            ("acme-status.net".to_owned(), registration("Other Names Ltd.", "2029-03-01T00:00:00Z", true)),
        ]
        .into(),
        name_servers: [("acme.com".to_owned(), servers(["ns-1.awsdns-2.com", "ns1.nsone.net"]))].into(),
        certificates: ["auth.acme.com", "api.acme.com", "shop.acme.com"]
            .map(|host| (host.to_owned(), of(host)))
            .into(),
        databases: [
            ("main".to_owned(), database("PostgreSQL", Some("2026-12-01T03:00:00Z"))),
            ("sessions".to_owned(), database("Valkey", None)),
        ]
        .into(),
        load_tests: ["auth-staging", "api-staging", "shop-staging"]
            .map(|target| (target.to_owned(), load_test(target, "2026-11-02T12:00:00Z")))
            .into(),
        headroom: by_resource([
            pool("auth", Some(0.79), None),
            pool("api", Some(0.5), None),
            database_slots("main", Some(0.6)),
            database_slots("sessions", Some(0.1)),
        ]),
        has_journal: true,
        restores: [("main".to_owned(), restore("main", "2026-11-20T04:00:00Z", None))].into(),
        answers: [("ana", "ntfy:ana"), ("ana", "hook:ana"), ("ben", "ntfy:ben"), ("ben", "hook:ben")]
            .map(|(person, contact)| ((person.into(), contact.to_owned()), at("2026-11-20T08:00:00Z")))
            .into(),
        ..Evidence::default()
    }
}

pub(crate) fn audited(config: &Config, evidence: &Evidence, gaps: &[Gap]) -> Report {
    audit::audit(&Audited { config, evidence, gaps, now: now() })
}
