//! The four outages: each precondition that stood in plain sight is named before the fault.

use crate::fixture::{database, now, of_registrar, restore};
use audit::{Evidence, Gap};
use std::collections::BTreeSet;
use testkit::config;
use types::time::later;

/// Whether a configuration is audited to name each of these: `criterion resource`.
fn assert_named(outage: &str, text: &str, evidence: &Evidence, gaps: &[Gap], preconditions: &[&str]) {
    let report = crate::fixture::audited(&config::read(text), evidence, gaps);
    let named: BTreeSet<String> =
        report.findings.iter().map(|finding| format!("{} {}", finding.criterion, finding.resource)).collect();
    let missing: Vec<&&str> = preconditions.iter().filter(|wanted| !named.contains(**wanted)).collect();
    assert!(missing.is_empty(), "{outage}: {missing:?} are not named among {named:#?}");
    for finding in &report.findings {
        assert!(!finding.evidence.is_empty() && !finding.remedy.is_empty(), "{finding:?}");
    }
}

fn running() -> Evidence {
    Evidence { has_journal: true, ..Evidence::default() }
}

/// Protection never set up, no traces, one address for all visitors, and a limiter behind the front end.
#[test]
fn surge_is_named_before_the_flood() {
    assert_named(
        "surge",
        include_str!("surge.toml"),
        &running(),
        &[],
        &[
            "traffic-limits service.auth",
            "one-client service.auth",
            "traces mainstay.here",
            "single-server pool.auth",
            "single-server pool.api",
            "runbook service.auth",
            "one-person mainstay.here",
            "channel-proven mainstay.here",
        ],
    );
}

/// Servers that leave a pool unseen, one database that runs out of resources, all on one machine.
#[test]
fn shrinking_pool_is_named_before_the_first_slow_query() {
    assert_named(
        "shrinking pool",
        include_str!("shrinking-pool.toml"),
        &running(),
        &[],
        &[
            "min-healthy pool.api",
            "pool-health pool.api",
            "one-machine pool.api",
            "single-database database.main",
            "backup-declared database.main",
            "traffic-limits service.api",
            "runbook service.api",
        ],
    );
}

/// One database server, a late backup that was never restored and is kept in the same place, one network.
#[test]
fn power_cut_is_named_while_there_is_power() {
    let mut evidence = running();
    evidence.databases.insert("main".to_owned(), database("PostgreSQL", Some("2026-11-30T03:00:00Z")));
    let mut wanted = vec![
        "single-database database.main",
        "backup-age database.main",
        "backup-off-site database.main",
        "restore-proven database.main",
        "one-network mainstay.here",
        "status-page-fate mainstay.here",
    ];
    assert_named("power cut", include_str!("power-cut.toml"), &evidence, &[], &wanted);
    evidence.restores.insert("main".to_owned(), restore("main", "2026-11-20T04:00:00Z", None));
    wanted.retain(|name| !name.starts_with("restore-proven"));
    let report = crate::fixture::audited(&config::read(include_str!("power-cut.toml")), &evidence, &[]);
    assert!(report.met.contains(&types::audit::Criterion::RestoreProven), "a proof is a proof");
}

/// A registration that ends and that no person says is renewed, people who sleep, and nobody else to page.
#[test]
fn expired_name_is_named_before_it_expires() {
    let mut evidence = running();
    for domain in ["acme.app", "acme.io"] {
        evidence.registrations.insert(domain.to_owned(), of_registrar("Names Inc.", "2026-12-20T00:00:00Z"));
    }
    let night = Gap {
        service: None,
        escalation: "default".into(),
        from: later(now(), std::time::Duration::from_secs(10 * 3_600)),
        to: later(now(), std::time::Duration::from_secs(19 * 3_600)),
    };
    assert_named(
        "expired name",
        include_str!("expired-name.toml"),
        &evidence,
        &[night],
        &[
            "renewal domain.acme.app",
            "transfer-lock domain.acme.app",
            "one-registrar mainstay.here",
            "status-page-fate mainstay.here",
            "on-call-gap mainstay.here",
            "one-person mainstay.here",
            "fallback mainstay.here",
            "one-channel mainstay.here",
            "channel-proven mainstay.here",
            "health-check service.tenants",
            "runbook service.auth",
        ],
    );
}
