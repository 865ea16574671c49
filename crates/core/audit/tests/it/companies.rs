//! The faulty company: each planted fault is named, and nothing else. The well-built one: nothing.

use crate::fixture::{FAULTY, WELL_BUILT, audited, now, of_faulty, of_well_built};
use audit::{Evidence, Gap};
use testkit::config;
use types::time::later;

#[test]
fn each_planted_fault_is_named_and_no_other() {
    let config = config::read(FAULTY);
    let gap = Gap {
        service: None,
        escalation: "default".into(),
        from: later(now(), std::time::Duration::from_secs(86_400)),
        to: later(now(), std::time::Duration::from_secs(2 * 86_400)),
    };
    let report = audited(&config, &of_faulty(), &[gap]);
    let named: Vec<String> = report
        .findings
        .iter()
        .map(|finding| {
            format!(
                "{} {} {}: {}",
                finding.level.as_str(),
                finding.criterion,
                finding.resource,
                finding.evidence
            )
        })
        .collect();
    insta::assert_snapshot!(named.join("\n"));
    let unknown: Vec<String> = report
        .not_checked
        .iter()
        .map(|unknown| format!("{} {}: {}", unknown.criterion, unknown.resource, unknown.why))
        .collect();
    insta::assert_snapshot!(unknown.join("\n"));
    assert!(report.fails());
}

#[test]
fn well_built_company_has_no_finding() {
    let report = audited(&config::read(WELL_BUILT), &of_well_built(), &[]);
    assert_eq!(report.findings, []);
    assert_eq!(report.not_checked, []);
    assert!(!report.fails() && report.accepted.is_empty());
}

#[test]
fn configuration_alone_says_what_it_cannot_know() {
    let report = audited(&config::read(WELL_BUILT), &Evidence::default(), &[]);
    assert!(report.configuration_only);
    assert!(!report.fails());
    let unknown: Vec<String> = report
        .not_checked
        .iter()
        .map(|unknown| format!("{} {}", unknown.criterion, unknown.resource))
        .collect();
    insta::assert_snapshot!(unknown.join("\n"), @r"
    one-certificate mainstay.here
    backup-age database.main
    restore-proven database.main
    headroom pool.api
    headroom pool.auth
    headroom database.main
    headroom database.sessions
    load-test service.api
    load-test service.auth
    load-test service.shop
    renewal domain.acme-status.net
    transfer-lock domain.acme.com
    transfer-lock domain.acme-status.net
    one-registrar mainstay.here
    name-server-operator dns.acme.com
    certificate-renewal tls.api.acme.com
    certificate-renewal tls.auth.acme.com
    certificate-renewal tls.shop.acme.com
    channel-proven mainstay.here
    channel-proven mainstay.here
    ");
}

/// A service sees what concerns it alone.
#[test]
fn report_of_one_service_has_what_it_depends_on() {
    let config = config::read(FAULTY);
    let report = audited(&config, &of_faulty(), &[]).of_service(&config, &"shop".into());
    let named: Vec<String> =
        report.findings.iter().map(|finding| format!("{} {}", finding.criterion, finding.resource)).collect();
    insta::assert_snapshot!(named.join("\n"), @r"
    pool-health pool.shop
    traffic-limits service.shop
    health-check service.shop
    min-healthy pool.shop
    runbook service.shop
    one-network mainstay.here
    one-certificate mainstay.here
    one-registrar mainstay.here
    status-page-fate mainstay.here
    recognition service.shop
    traces mainstay.here
    headroom pool.shop
    load-test service.shop
    transfer-lock domain.acme.app
    certificate-renewal tls.shop.acme.app
    one-person mainstay.here
    fallback mainstay.here
    one-channel mainstay.here
    channel-proven mainstay.here
    ");
}

/// Five hundred services are audited in well under a second.
#[test]
fn five_hundred_services_are_audited() {
    let mut text = String::from(
        "[site]\nname = \"Acme\"\nurl = \"https://acme-status.net\"\n[edge]\nlisten = [\"127.0.0.1:8000\"]\n",
    );
    for n in 0..500 {
        text.push_str(&format!(
            "[service.s{n}]\nhosts = [\"s{n}.acme.com\"]\ndepends_on = [\"service.s{}\"]\n[service.s{n}.traffic]\npool = \"p{n}\"\n\
             [pool.p{n}]\nservers = [\"10.0.{}.{}:80\"]\n",
            if n == 0 { 499 } else { 500 },
            n / 250,
            n % 250 + 1
        ));
    }
    text = text
        .replace("depends_on = [\"service.s499\"]\n", "")
        .replace("depends_on = [\"service.s500\"]\n", "");
    text.push_str("[person.ana]\ntimezone = \"UTC\"\ncontacts = [\"ntfy:ana\"]\n[channel.ntfy]\nntfy = \"https://ntfy.sh\"\n");
    let config = config::read(&text);
    let report = audited(&config, &Evidence::default(), &[]);
    assert!(report.findings.len() > 1_500, "{}", report.findings.len());
}
