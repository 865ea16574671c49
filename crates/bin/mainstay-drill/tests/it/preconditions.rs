//! The audit before the fault: each known precondition of an outage is a finding, with the configuration that its drill
//! writes and what mainstay sees of its parts. docs/concepts/preconditions.md has the same tables.

use audit::evidence::{BackupSeen, KnownDatabase};
use audit::{Audited, Evidence};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use testbed::expired_name::Settings;
use testbed::surge::Proxy;
use testbed::{ExpiredName, ShrinkingPool, Surge};
use testkit::time::at;
use tokio::process::Command;
use tokio::time::Instant;

/// A precondition, and the finding that names it: criterion and resource.
type Precondition = (&'static str, &'static str);

const SURGE: &[Precondition] = &[
    ("Sign-in has no limit of a client, a subnet or the service", "traffic-limits service.auth"),
    ("One server signs everybody in", "single-server pool.auth"),
    ("No load test has gone to the rate at which sign-in gives up", "load-test service.auth"),
    ("Requests cannot be followed from sign-in to the API", "traces mainstay.here"),
    ("No runbook says what to look at", "runbook service.auth"),
];

const SHRINKING_POOL: &[Precondition] = &[
    ("The database has no replica", "single-database database.main"),
    ("The pool does not say how many of its servers are needed", "min-healthy pool.api"),
    ("No load test shows what a server or the database carries", "load-test service.api"),
    ("Nothing limits what clients that come back send", "traffic-limits service.api"),
    ("No runbook says to count the servers that serve", "runbook service.api"),
];

const POWER_CUT: &[Precondition] = &[
    ("The database has no replica", "single-database database.main"),
    ("The last backup is older than it may be", "backup-age database.main"),
    ("No restore has proven the backups", "restore-proven database.main"),
    ("All servers are in one network, behind one power feed", "one-network mainstay.here"),
    ("The status page is below the domain that it reports on", "status-page-fate mainstay.here"),
    ("No runbook says how to start again", "runbook service.app"),
];

const EXPIRED_NAME: &[Precondition] = &[
    ("Nobody says that the registration is renewed by itself", "renewal domain.acme.app"),
    ("All domains are at one registrar", "one-registrar mainstay.here"),
    ("The status page is below the domain that expires", "status-page-fate mainstay.here"),
    ("A parking page would pass for the service", "health-check service.tenants"),
    ("A page reaches one person, for whom it may be night", "one-person mainstay.here"),
    ("A page depends on one channel", "one-channel mainstay.here"),
    ("Nobody has ever answered a page over that channel", "channel-proven mainstay.here"),
    ("No runbook says to look at the registration", "runbook service.auth"),
];

/// Longest time until probes have seen what an audit needs, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two audits.
const AGAIN: Duration = Duration::from_millis(200);

/// An address for the status page.
fn free() -> SocketAddr {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    taken.local_addr().unwrap()
}

/// `criterion resource` of each finding of the running mainstay.
async fn findings(config: &Path) -> BTreeSet<String> {
    let mut audit = product("audit", config);
    let output = audit.arg("--json").output().await.unwrap();
    // During the start there is nobody to ask, and no report.
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let finding = |finding: &Value| {
        format!("{} {}", finding["criterion"].as_str().unwrap(), finding["resource"].as_str().unwrap())
    };
    report["findings"].as_array().into_iter().flatten().map(finding).collect()
}

fn product(command: &str, config: &Path) -> Command {
    let mut product = Command::new(env!("CARGO_BIN_EXE_mainstay-drill"));
    product.arg("product").arg(command).arg("--config").arg(config).kill_on_drop(true);
    product
}

/// Runs mainstay with a configuration until its audit names each precondition.
async fn assert_named(folder: &Path, text: &str, preconditions: &[Precondition]) {
    let config = folder.join("mainstay.toml");
    std::fs::write(&config, text).unwrap();
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut running =
        product("run", &config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let named = findings(&config).await;
        let missing = missing(&named, preconditions);
        if missing.is_empty() {
            break;
        }
        let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert_eq!(running.try_wait().unwrap(), None, "mainstay has ended: {}", log());
        assert!(Instant::now() < deadline, "{missing:?} are not named among {named:#?}");
        tokio::time::sleep(AGAIN).await;
    }
    running.kill().await.unwrap();
}

fn missing(named: &BTreeSet<String>, preconditions: &[Precondition]) -> Vec<Precondition> {
    preconditions.iter().copied().filter(|(_, finding)| !named.contains(*finding)).collect()
}

/// Replaces the line of a key, which must be there once.
fn with_line(text: &str, key: &str, line: &str) -> String {
    let is_key = |old: &&str| old.split_once(" = ").is_some_and(|(name, _)| name == key);
    let old: Vec<&str> = text.lines().filter(is_key).collect();
    assert_eq!(old.len(), 1, "{key}: {old:?}");
    text.replace(old[0], line)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn surge_is_named_before_the_flood() {
    let folder = TempDir::new().unwrap();
    let fixture = Surge::start(folder.path(), Proxy::Mainstay).await.unwrap();
    let text = fixture.config_toml(&folder.path().join("data"), free());
    assert_named(folder.path(), &text, SURGE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shrinking_pool_is_named_before_the_slow_query() {
    let folder = TempDir::new().unwrap();
    let fixture = ShrinkingPool::start(folder.path(), Proxy::Mainstay, 0).await.unwrap();
    let text = fixture.config_toml(&folder.path().join("data"), free());
    // The drill shows what a declared minimum is worth; in the outage nobody had declared one.
    let text = with_line(&text, "min_healthy", "");
    assert_named(folder.path(), &text, SHRINKING_POOL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_name_is_named_before_it_expires() {
    let folder = TempDir::new().unwrap();
    let fixture = ExpiredName::start(Settings::in_folder(folder.path())).await.unwrap();
    let text = fixture.config_toml(&folder.path().join("data"), free());
    // The status page of the drill has an address of loopback, so that it needs no name.
    let text = with_line(&text, "url", "url = \"https://status.acme.app\"");
    assert_named(folder.path(), &text, EXPIRED_NAME).await;
}

/// The time tracker of 2011, with more than the drill has parts for: with one database server and backups every twelve hours.
const TIME_TRACKER: &str = r#"
[site]
name = "Acme"
url = "https://status.acme.com"

[edge]
listen = ["127.0.0.1:0"]

[service.app]
title = "Time tracker"
hosts = ["app.acme.com"]
depends_on = ["database.main"]

[service.app.traffic]
pool = "app"
limit = { client = "20/s" }

[pool.app]
servers = ["10.0.0.11:8080", "10.0.0.12:8080", "10.0.0.13:8080"]
health = { path = "/health" }
min_healthy = 2

[database.main]
url = "env:MAIN"
backup = { from = "pgbackrest:main", max_age = "13h", offsite = true }

[person.ana]
timezone = "UTC"
contacts = ["phone:ana"]

[channel.phone]
webhook = "http://127.0.0.1:9/"
"#;

#[test]
fn power_cut_is_named_while_there_is_power() {
    let now = at("2011-08-13T08:29:00Z");
    // The backup of the night failed, and that of the evening before is the last one.
    let last = BackupSeen { name: "main".to_owned(), trouble: None, last: Some(at("2011-08-12T18:00:00Z")) };
    let database = KnownDatabase { product: Some("PostgreSQL".to_owned()), backups: Some(vec![last]) };
    let evidence = Evidence {
        databases: [("main".to_owned(), database)].into(),
        has_journal: true,
        ..Evidence::default()
    };
    let config = testkit::config::read(TIME_TRACKER);
    let report = audit::audit(&Audited { config: &config, evidence: &evidence, gaps: &[], now });
    let named: BTreeSet<String> =
        report.findings.iter().map(|finding| format!("{} {}", finding.criterion, finding.resource)).collect();
    assert!(missing(&named, POWER_CUT).is_empty(), "{:?} in {named:#?}", missing(&named, POWER_CUT));
    // Its copies were kept off site, and that was declared: no finding for what was well.
    assert!(!named.contains("backup-off-site database.main"), "{named:#?}");
}

/// The page has each row of the tables here, and no other that names a criterion.
#[test]
fn page_of_the_documentation_has_the_same_tables() {
    let page = include_str!("../../../../../docs/concepts/preconditions.md");
    let written: Vec<&str> =
        page.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
    let row = |(precondition, finding): &Precondition| {
        let (criterion, resource) = finding.split_once(' ').unwrap();
        format!("| {precondition} | [`{criterion}`](../criteria/{criterion}.md) | {resource} |")
    };
    let tables = [SURGE, SHRINKING_POOL, POWER_CUT, EXPIRED_NAME];
    let rows: Vec<String> = tables.into_iter().flatten().map(row).collect();
    assert_eq!(written, rows);
}
