//! Derived probes and the dependency graph.

use crate::valid;
use insta::assert_snapshot;
use std::time::Duration;
use types::config::{BackupSource, ProbeKind, SecretRef};
use types::database::DatabaseThresholds;
use types::{Kind, Resource};

/// Probes, one a line: id, resource, target, interval/timeout, thresholds.
fn probes(text: &str) -> String {
    let config = valid(text).config;
    let lines = config.probes.values().map(|probe| {
        let ask = match &probe.kind {
            ProbeKind::Http { url, .. } => format!("http {url}"),
            ProbeKind::Tcp { host, port } => format!("tcp {host} {port}"),
            ProbeKind::Dns { zone, names } => format!("dns {zone} [{}]", names.join(" ")),
            ProbeKind::Tls { host, port } => format!("tls {host} {port}"),
            ProbeKind::Domain { name } => format!("domain {name}"),
            ProbeKind::Database { name } => format!("database {name}"),
            ProbeKind::Pool { name } => format!("pool {name}"),
            ProbeKind::Nut { ups, host, port, login } => {
                format!("nut {ups} {host} {port}{}", if login.is_some() { " with login" } else { "" })
            }
        };
        let pace = format!(
            "{:?}/{:?} {}/{}",
            probe.interval, probe.timeout, probe.failure_threshold, probe.success_threshold
        );
        format!("{} ({}): {ask}, {pace}", probe.id, probe.about)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn edges(text: &str) -> String {
    let config = valid(text).config;
    config.graph.edges().map(|(above, below)| format!("{above} -> {below}")).collect::<Vec<_>>().join("\n")
}

const ONE_HOST: &str = "[service.auth]\nhosts = [\"auth.acme.app\"]\n";

#[test]
fn database_derives_its_probe_and_is_below_the_services_that_need_it() {
    let text = r#"
[service.auth]
hosts = ["10.0.0.7"]
depends_on = ["database.main"]
[database.main]
url = "env:MAIN_DB_URL"
replicas = ["file:replica"]
backup = { from = "pgbackrest:main", max_age = "12h" }
long_statement = "2h"
[database.cache]
url = "file:/run/secrets/cache"
interval = "2s"
backup = { from = "file:/var/backups/cache-**.rdb" }
"#;
    assert_snapshot!(probes(text), @r"
    database.cache (database.cache): database cache, 2s/10s 3/2
    database.main (database.main): database main, 10s/10s 3/2
    http.10.0.0.7 (host.10.0.0.7): http https://10.0.0.7/, 30s/10s 3/2
    tls.10.0.0.7 (tls.10.0.0.7): tls 10.0.0.7 443, 3600s/10s 3/2
    ");
    assert_snapshot!(edges(text), @r"
    service.auth -> host.10.0.0.7
    service.auth -> database.main
    host.10.0.0.7 -> tls.10.0.0.7
    ");
    let config = valid(text).config;
    let main = &config.databases["main"];
    let file = |path: &str| SecretRef::File(path.into());
    assert_eq!(
        (&main.url, &main.replicas),
        (&SecretRef::Env("MAIN_DB_URL".into()), &vec![file("/etc/mainstay/replica")])
    );
    assert_eq!(main.backups, Some(BackupSource::Pgbackrest("main".into())));
    let files = BackupSource::Files("/var/backups/cache-*.rdb".into());
    assert_eq!(config.databases["cache"].backups, Some(files));
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    assert_eq!((main.thresholds.backup_age, main.thresholds.long_statement), (Some(hours(12)), hours(2)));
    assert_eq!(config.databases["cache"].thresholds, DatabaseThresholds::default());
}

#[test]
fn one_host_derives_four_probes() {
    assert_snapshot!(probes(ONE_HOST), @r#"
    dns.acme.app (dns.acme.app): dns acme.app [auth.acme.app], 60s/10s 3/2
    domain.acme.app (domain.acme.app): domain acme.app, 86400s/10s 1/1
    http.auth.acme.app (host.auth.acme.app): http https://auth.acme.app/, 30s/10s 3/2
    tls.auth.acme.app (tls.auth.acme.app): tls auth.acme.app 443, 3600s/10s 3/2
    "#);
    assert_snapshot!(edges(ONE_HOST), @r#"
    service.auth -> host.auth.acme.app
    host.auth.acme.app -> tls.auth.acme.app
    host.auth.acme.app -> dns.acme.app
    tls.auth.acme.app -> dns.acme.app
    dns.acme.app -> domain.acme.app
    "#);
    let config = valid(ONE_HOST).config;
    assert_eq!(config.escalations.len(), 1);
    assert_eq!(config.site.url, "http://127.0.0.1:8080");
    assert_eq!(config.site.data.to_string_lossy(), "/etc/mainstay/mainstay-data");
    assert_eq!(config.digest.len(), 64);
    assert_eq!(config.status_page.history_days, 90);
    let auth = config.services.values().next().unwrap();
    assert_eq!((auth.title.as_str(), auth.escalation.0.as_str(), auth.public), ("Auth", "default", true));
}

#[test]
fn status_page_keeps_the_order_of_the_file() {
    let config = valid(
        "[status_page]\npublish = \"approve\"\n[service.zulu]\n[service.mike]\n[service.alpha]\n[probe.a]\ntcp = \"a.example:1\"\n",
    )
    .config;
    let order: Vec<&str> = config.status_page.order.iter().map(|id| id.0.as_str()).collect();
    assert_eq!(order, ["zulu", "mike", "alpha"]);
    assert_eq!(config.status_page.publish, types::config::Publish::Approve);
}

const WILDCARD: &str = r#"
[probe_defaults]
http = "10s"
timeout = "3s"
failure_threshold = 2
[service.auth]
hosts = ["auth.acme.app", "*.acme.app:8443", "10.0.0.7", "localhost:9443", "[2001:db8::1]:8443"]
wildcard_samples = ["demo.acme.app", "second.acme.app:8443"]
depends_on = ["service.mail"]
[service.mail]
hosts = ["mail.acme.co.uk", "acme.github.io"]
[site]
allow_private = ["10.0.0.0/8", "127.0.0.0/8"]
"#;

#[test]
fn wildcards_are_probed_by_samples() {
    assert_snapshot!(probes(WILDCARD), @r#"
    dns.acme.app (dns.acme.app): dns acme.app [auth.acme.app demo.acme.app second.acme.app], 60s/3s 2/2
    dns.acme.co.uk (dns.acme.co.uk): dns acme.co.uk [mail.acme.co.uk], 60s/3s 2/2
    dns.github.io (dns.github.io): dns github.io [acme.github.io], 60s/3s 2/2
    domain.acme.app (domain.acme.app): domain acme.app, 86400s/3s 1/1
    domain.acme.co.uk (domain.acme.co.uk): domain acme.co.uk, 86400s/3s 1/1
    domain.github.io (domain.github.io): domain github.io, 86400s/3s 1/1
    http.10.0.0.7 (host.10.0.0.7): http https://10.0.0.7/, 10s/3s 2/2
    http.[2001:db8::1]:8443 (host.[2001:db8::1]:8443): http https://[2001:db8::1]:8443/, 10s/3s 2/2
    http.acme.github.io (host.acme.github.io): http https://acme.github.io/, 10s/3s 2/2
    http.auth.acme.app (host.auth.acme.app): http https://auth.acme.app/, 10s/3s 2/2
    http.demo.acme.app:8443 (host.demo.acme.app:8443): http https://demo.acme.app:8443/, 10s/3s 2/2
    http.localhost:9443 (host.localhost:9443): http https://localhost:9443/, 10s/3s 2/2
    http.mail.acme.co.uk (host.mail.acme.co.uk): http https://mail.acme.co.uk/, 10s/3s 2/2
    http.second.acme.app:8443 (host.second.acme.app:8443): http https://second.acme.app:8443/, 10s/3s 2/2
    tls.10.0.0.7 (tls.10.0.0.7): tls 10.0.0.7 443, 3600s/3s 2/2
    tls.[2001:db8::1]:8443 (tls.[2001:db8::1]:8443): tls 2001:db8::1 8443, 3600s/3s 2/2
    tls.acme.github.io (tls.acme.github.io): tls acme.github.io 443, 3600s/3s 2/2
    tls.auth.acme.app (tls.auth.acme.app): tls auth.acme.app 443, 3600s/3s 2/2
    tls.demo.acme.app:8443 (tls.demo.acme.app:8443): tls demo.acme.app 8443, 3600s/3s 2/2
    tls.localhost:9443 (tls.localhost:9443): tls localhost 9443, 3600s/3s 2/2
    tls.mail.acme.co.uk (tls.mail.acme.co.uk): tls mail.acme.co.uk 443, 3600s/3s 2/2
    tls.second.acme.app:8443 (tls.second.acme.app:8443): tls second.acme.app 8443, 3600s/3s 2/2
    "#);
    assert_snapshot!(edges(WILDCARD), @r#"
    service.auth -> service.mail
    service.auth -> host.10.0.0.7
    service.auth -> host.[2001:db8::1]:8443
    service.auth -> host.auth.acme.app
    service.auth -> host.demo.acme.app:8443
    service.auth -> host.localhost:9443
    service.auth -> host.second.acme.app:8443
    service.mail -> host.acme.github.io
    service.mail -> host.mail.acme.co.uk
    host.10.0.0.7 -> tls.10.0.0.7
    host.[2001:db8::1]:8443 -> tls.[2001:db8::1]:8443
    host.acme.github.io -> tls.acme.github.io
    host.acme.github.io -> dns.github.io
    host.auth.acme.app -> tls.auth.acme.app
    host.auth.acme.app -> dns.acme.app
    host.demo.acme.app:8443 -> tls.demo.acme.app:8443
    host.demo.acme.app:8443 -> dns.acme.app
    host.localhost:9443 -> tls.localhost:9443
    host.mail.acme.co.uk -> tls.mail.acme.co.uk
    host.mail.acme.co.uk -> dns.acme.co.uk
    host.second.acme.app:8443 -> tls.second.acme.app:8443
    host.second.acme.app:8443 -> dns.acme.app
    tls.acme.github.io -> dns.github.io
    tls.auth.acme.app -> dns.acme.app
    tls.demo.acme.app:8443 -> dns.acme.app
    tls.mail.acme.co.uk -> dns.acme.co.uk
    tls.second.acme.app:8443 -> dns.acme.app
    dns.acme.app -> domain.acme.app
    dns.acme.co.uk -> domain.acme.co.uk
    dns.github.io -> domain.github.io
    "#);
    let config = valid(WILDCARD).config;
    let auth = &config.services[&"auth".into()];
    assert_eq!(auth.declared_hosts[1], "*.acme.app:8443");
    assert_eq!(auth.hosts[1..3], ["demo.acme.app:8443", "second.acme.app:8443"]);
}

const DECLARED: &str = r#"
[service.shop]
hosts = ["shop.acme.com"]
[probe.checkout]
http = "https://shop.acme.com/health"
service = "shop"
interval = "5s"
failure_threshold = 5
expect = { status = [200, 204], body_contains = "ok", max_latency = "800ms" }
[probe.smtp]
tcp = "mail.acme.com:25"
service = "shop"
[probe.imap]
tls = "mail.acme.com:993"
[probe.acme]
dns = "acme.com"
interval = "10s"
[probe.other]
domain = "other.org"
service = "shop"
[probe.far]
http = "http://far.example.net/x"
"#;

#[test]
fn declared_probes_add_to_and_replace_derived_ones() {
    assert_snapshot!(probes(DECLARED), @r#"
    acme (dns.acme.com): dns acme.com [mail.acme.com shop.acme.com], 10s/10s 3/2
    checkout (host.shop.acme.com): http https://shop.acme.com/health, 5s/10s 5/2
    domain.acme.com (domain.acme.com): domain acme.com, 86400s/10s 1/1
    far (probe.far): http http://far.example.net/x, 30s/10s 3/2
    imap (tls.mail.acme.com:993): tls mail.acme.com 993, 3600s/10s 3/2
    other (domain.other.org): domain other.org, 86400s/10s 1/1
    smtp (probe.smtp): tcp mail.acme.com 25, 30s/10s 3/2
    tls.shop.acme.com (tls.shop.acme.com): tls shop.acme.com 443, 3600s/10s 3/2
    "#);
    assert_snapshot!(edges(DECLARED), @r#"
    service.shop -> probe.smtp
    service.shop -> host.shop.acme.com
    service.shop -> domain.other.org
    probe.smtp -> dns.acme.com
    host.shop.acme.com -> tls.shop.acme.com
    host.shop.acme.com -> dns.acme.com
    tls.mail.acme.com:993 -> dns.acme.com
    tls.shop.acme.com -> dns.acme.com
    dns.acme.com -> domain.acme.com
    "#);
    let config = valid(DECLARED).config;
    let ProbeKind::Http { expect, .. } = &config.probes[&"checkout".into()].kind else { panic!("not http") };
    assert_eq!(expect.status, [200, 204]);
    assert_eq!(expect.body_contains.as_deref(), Some("ok"));
    assert_eq!(expect.max_latency, Some(Duration::from_millis(800)));
}

#[test]
fn http_of_a_service_sets_its_derived_probes() {
    let config = |http: &str| {
        format!(
            "[service.a]\nhosts = [\"a.acme.app\", \"b.acme.app:8443\"]\n{http}\n[probe_defaults]\nfailing_for = \"9s\"\n"
        )
    };
    let requests = |http: &str| {
        let config = valid(&config(http)).config;
        let web = config.probes.values().filter_map(|probe| match &probe.kind {
            ProbeKind::Http { url, expect, .. } => {
                Some(format!("{url} {:?} {} {:?}", expect.status, expect.learns, probe.failing_for))
            }
            _ => None,
        });
        web.collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(requests(""), @r"
    https://a.acme.app/ [] true 9s
    https://b.acme.app:8443/ [] true 9s
    ");
    assert_snapshot!(requests("http = { path = \"/health?full=1\", failing_for = \"30s\" }"), @r"
    https://a.acme.app/health?full=1 [] false 30s
    https://b.acme.app:8443/health?full=1 [] false 30s
    ");
    assert_snapshot!(requests("http = { expect = { status = [401, 404] } }"), @r"
    https://a.acme.app/ [401, 404] false 9s
    https://b.acme.app:8443/ [401, 404] false 9s
    ");
    assert_eq!(requests("http = false"), "");
    let by_default = valid("[service.a]\nhosts = [\"a.acme.app\"]\n").config;
    let patience = |id: &str| by_default.probes[&id.into()].failing_for;
    assert_eq!(patience("http.a.acme.app"), Duration::from_secs(5), "a restart of four seconds pages nobody");
    assert_eq!(patience("domain.acme.app"), Duration::ZERO, "one answer of a registry is conclusive");
}

#[test]
fn probe_of_same_host_and_service_replaces_the_derived_one() {
    let derived = |probe: &str| {
        let config = format!(
            "[service.a]\nhosts = [\"a.acme.app\"]\n[service.b]\nhosts = [\"b.acme.app\"]\n{probe}\n"
        );
        valid(&config).config.probes.contains_key(&"http.a.acme.app".into())
    };
    for (probe, stays) in [
        ("[probe.x]\nhttp = \"https://a.acme.app/health\"\nservice = \"a\"", false),
        ("[probe.x]\nhttp = \"https://a.acme.app:443/health\"\nservice = \"a\"", false),
        ("[probe.x]\nhttp = \"https://a.acme.app/health\"", true),
        ("[probe.x]\nhttp = \"https://a.acme.app/health\"\nservice = \"b\"", true),
        ("[probe.x]\nhttp = \"http://a.acme.app/health\"\nservice = \"a\"", true),
        ("[probe.x]\nhttp = \"https://a.acme.app:8443/health\"\nservice = \"a\"", true),
        ("[probe.x]\nhttp = \"https://b.acme.app/health\"\nservice = \"a\"", true),
    ] {
        assert_eq!(derived(probe), stays, "{probe}");
    }
}

#[test]
fn unlisted_suffix_is_probed_only_when_declared() {
    let plain = "[service.a]\nhosts = [\"a.acme.test\"]\n";
    assert!(!valid(plain).config.graph.contains(&Resource::dns("acme.test")));
    for own in [
        "[dns]\nroots = [\"127.0.0.2\"]\nport = 5353\nresolvers = [\"127.0.0.3:5300\", \"127.0.0.4\"]",
        "[registry]\nrdap = { test = \"http://127.0.0.5:8080/\" }",
        "[registry]\nwhois.test = \"127.0.0.5:4343\"",
    ] {
        let config = valid(&format!("{plain}{own}\n")).config;
        assert!(config.graph.contains(&Resource::domain("acme.test")), "{own}");
        assert!(config.probes.contains_key(&"dns.acme.test".into()), "{own}");
    }
}

#[test]
fn names_compared_by_dns_probe_are_capped_and_spread() {
    let hosts: Vec<String> = (0..105).map(|n| format!("\"h{n:03}.acme.com\"")).collect();
    let config = valid(&format!("[service.a]\nhosts = [{}]\n", hosts.join(","))).config;
    let ProbeKind::Dns { names, .. } = &config.probes[&"dns.acme.com".into()].kind else { panic!("not dns") };
    assert!(names.len() <= 20 && names.len() >= 15, "{}", names.len());
    assert_eq!(names.first().map(String::as_str), Some("h000.acme.com"));
    assert!(names.last().unwrap() > &"h090.acme.com".to_owned());
    assert_eq!(config.graph.resources().filter(|resource| resource.kind == Kind::Host).count(), 105);
}

#[test]
fn paths_are_relative_to_the_configuration() {
    let config = valid(
        "[site]\ndata = \"data\"\nextra_ca_files = [\"ca.pem\", \"/abs/ca.pem\"]\nurl = \"https://status.acme.net/\"\nlisten = \"[::]:80\"\n[registry]\nbootstrap = \"dns.json\"\n",
    )
    .config;
    assert_eq!(config.site.data.to_string_lossy(), "/etc/mainstay/data");
    assert_eq!(config.site.extra_ca_files[0].to_string_lossy(), "/etc/mainstay/ca.pem");
    assert_eq!(config.site.extra_ca_files[1].to_string_lossy(), "/abs/ca.pem");
    assert_eq!(config.registry.bootstrap.unwrap().to_string_lossy(), "/etc/mainstay/dns.json");
    assert_eq!(config.site.url, "https://status.acme.net");
}

#[test]
fn power_supply_is_a_probe_of_its_own() {
    assert_snapshot!(probes(r#"
[probe.rack-ups]
nut = "rack@10.0.0.3"
[probe.cellar-ups]
nut = "cellar@ups.acme.com:13493"
login = "env:NUT_LOGIN"
interval = "1m"
"#), @"
    cellar-ups (probe.cellar-ups): nut cellar ups.acme.com 13493 with login, 60s/10s 3/2
    rack-ups (probe.rack-ups): nut rack 10.0.0.3 3493, 30s/10s 3/2
    ");
}
