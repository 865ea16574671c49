//! The edge, its pools and callers: values, problems, warnings.

use crate::{problems, valid, warnings};
use insta::assert_snapshot;
use std::time::Duration;
use types::DenyTarget;
use types::config::{CertificateFiles, EdgeLimits, Health, PoolServer, Protocol, Rate, Recognize, SecretRef};

const WHOLE: &str = r#"
[edge]
listen = ["127.0.0.1:8000", "[::1]:8000"]
listen_tls = ["127.0.0.1:8443"]
redirect_to_https = true
trusted_proxies = ["10.0.0.0/8", "192.0.2.1"]
proxy_protocol = ["10.1.0.0/16"]
threads = 2
geoip.country = "GeoLite2-Country.mmdb"
geoip.asn = "/usr/share/GeoIP/GeoLite2-ASN.mmdb"
access_log = true
otlp = "http://127.0.0.1:4318/v1/traces"
limits = { head_bytes = 8192, body_bytes = 1099511627776, keepalive_timeout = "5s", drain_timeout = "30s" }
[[edge.certificate]]
chain = "auth.pem"
key = "auth.key"
[[edge.certificate]]
chain = "/etc/ssl/api.pem"
key = "/etc/ssl/api.key"

[service.auth]
hosts = ["auth.acme.com", "*.acme.app:8443"]
wildcard_samples = ["demo.acme.app", "api.acme.app"]
depends_on = ["pool.mail"]
[service.auth.traffic]
pool = "auth"
limit.client = { rate = "20/s", burst = 40 }
limit.subnet = { rate = "600/m" }
limit.asn = { rate = "5000/s", burst = 9000 }
limit.service = "1000/h"
deny = { countries = ["xx"], asns = ["AS64500", "as64501"], cidrs = ["192.0.2.7/24"] }
allow.cidrs = ["198.51.100.7"]
recognize = { method = "post", path = "/login", status = [200, 303], for = "14d" }
priority_paths = ["/health", "/pay/*"]
response_timeout = "5s"

[service.api]
hosts = ["api.acme.app:8443"]
traffic = { pool = "api" }

[pool.auth]
servers = ["10.0.0.11:8080", { at = "10.0.0.12:8080", weight = 2, drain = true }, "App.Internal:8080"]
min_healthy = 2
protocol = "http2"
tls = "auth.internal"
health = { path = "/health", interval = "5s", timeout = "2s", fall = 3, rise = 1 }
max_concurrency = 50
initial_concurrency = 10
max_connections = 5000
[pool.api]
servers = ["10.0.0.21:80"]
health = { path = "/" }
[pool.mail]
servers = ["[2001:db8::1]:25"]

[caller.auth-web]
service = "auth"
token = "env:AUTH_WEB_TOKEN"
cidrs = ["10.0.0.21", "2001:db8::/64"]
[caller.batch]
token = "file:batch.token"
"#;

#[test]
fn every_key_of_the_edge_is_read() {
    let edge = valid(WHOLE).config.edge.unwrap();
    let texts = |list: &[std::net::SocketAddr]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(texts(&edge.listen), ["127.0.0.1:8000", "[::1]:8000"]);
    assert_eq!(texts(&edge.listen_tls), ["127.0.0.1:8443"]);
    assert!(edge.redirect_to_https && edge.access_log && edge.threads == Some(2));
    let files = |chain: &str, key: &str| CertificateFiles { chain: chain.into(), key: key.into() };
    assert_eq!(
        edge.certificates,
        [
            files("/etc/mainstay/auth.pem", "/etc/mainstay/auth.key"),
            files("/etc/ssl/api.pem", "/etc/ssl/api.key")
        ]
    );
    assert_eq!(edge.trusted_proxies, ["10.0.0.0/8".parse().unwrap(), "192.0.2.1/32".parse().unwrap()]);
    assert_eq!(edge.proxy_protocol, ["10.1.0.0/16".parse().unwrap()]);
    assert_eq!(edge.geoip_country.unwrap().to_str(), Some("/etc/mainstay/GeoLite2-Country.mmdb"));
    assert_eq!(edge.geoip_asn.unwrap().to_str(), Some("/usr/share/GeoIP/GeoLite2-ASN.mmdb"));
    assert_eq!(edge.otlp.as_deref(), Some("http://127.0.0.1:4318/v1/traces"));
    let limits = EdgeLimits {
        head_bytes: 8_192,
        body_bytes: 1 << 40,
        keepalive_timeout: Duration::from_secs(5),
        drain_timeout: Duration::from_secs(30),
        ..Default::default()
    };
    assert_eq!(edge.limits, limits);
}

#[test]
fn every_key_of_traffic_is_read() {
    let config = valid(WHOLE).config;
    let traffic = config.services[&"auth".into()].traffic.clone().unwrap();
    let rate = |count, secs, burst| Some(Rate { count, per: Duration::from_secs(secs), burst });
    assert_eq!(traffic.pool.0, "auth");
    assert_eq!(
        (traffic.client, traffic.subnet, traffic.asn, traffic.caller, traffic.service),
        (rate(20, 1, 40), rate(600, 60, 600), rate(5_000, 1, 9_000), None, rate(1_000, 3_600, 1_000))
    );
    let net = |text: &str| DenyTarget::Cidr(text.parse().unwrap());
    assert_eq!(
        traffic.deny,
        [
            DenyTarget::Country("XX".into()),
            DenyTarget::Asn(64_500),
            DenyTarget::Asn(64_501),
            net("192.0.2.0/24")
        ]
    );
    assert_eq!(traffic.allow, [net("198.51.100.7/32")]);
    let recognize = Recognize {
        method: Some("POST".into()),
        path: "/login".into(),
        status: vec![200, 303],
        duration: Duration::from_secs(14 * 86_400),
    };
    assert_eq!(traffic.recognize, Some(recognize));
    assert_eq!(traffic.priority_paths, ["/health", "/pay/*"]);
    assert_eq!(traffic.response_timeout, Duration::from_secs(5));
    let api = config.services[&"api".into()].traffic.clone().unwrap();
    assert_eq!(
        (api.client, api.deny.len(), api.recognize, api.response_timeout.as_secs()),
        (None, 0, None, 10)
    );
}

#[test]
fn every_key_of_a_pool_is_read() {
    let config = valid(WHOLE).config;
    let pool = &config.pools[&"auth".into()];
    let server = |at: &str, weight, drain| PoolServer { at: at.into(), weight, drain };
    assert_eq!(
        pool.servers,
        [
            server("10.0.0.11:8080", 1, false),
            server("10.0.0.12:8080", 2, true),
            server("app.internal:8080", 1, false)
        ]
    );
    assert_eq!(
        (pool.min_healthy, pool.protocol, pool.max_concurrency, pool.initial_concurrency),
        (Some(2), Protocol::Http2, 50, 10)
    );
    assert_eq!(pool.max_connections, Some(5_000));
    assert_eq!(pool.tls.as_deref(), Some("auth.internal"));
    let health = |path: &str, every, timeout, fall, rise| {
        let (every, timeout) = (Duration::from_secs(every), Duration::from_secs(timeout));
        Some(Health { path: path.into(), interval: every, timeout, fall, rise })
    };
    assert_eq!(pool.health, health("/health", 5, 2, 3, 1));
    let api = &config.pools[&"api".into()];
    assert_eq!(
        (api.min_healthy, api.protocol, api.max_concurrency, api.initial_concurrency),
        (None, Protocol::Http1, 100, 8)
    );
    assert_eq!(api.max_connections, None);
    assert_eq!((&api.tls, &api.health), (&None, &health("/", 2, 1, 2, 2)));
}

#[test]
fn every_key_of_a_caller_is_read() {
    let config = valid(WHOLE).config;
    let caller = &config.callers[&"auth-web".into()];
    assert_eq!(caller.service, Some("auth".into()));
    assert_eq!(caller.token, Some(SecretRef::Env("AUTH_WEB_TOKEN".into())));
    assert_eq!(caller.cidrs, ["10.0.0.21/32".parse().unwrap(), "2001:db8::/64".parse().unwrap()]);
    let batch = &config.callers[&"batch".into()];
    assert_eq!(batch.token, Some(SecretRef::File("/etc/mainstay/batch.token".into())));
}

#[test]
fn services_and_hosts_depend_on_their_pools() {
    let config = valid(WHOLE).config;
    let edges = config.graph.edges().filter(|(_, below)| below.kind == types::Kind::Pool);
    let edges: Vec<String> = edges.map(|(above, below)| format!("{above} -> {below}")).collect();
    // `api.acme.app` is below the wildcard of `auth`, but a declared host of `api`.
    assert_snapshot!(edges.join("\n"), @r#"
    service.api -> pool.api
    service.auth -> pool.auth
    service.auth -> pool.mail
    host.api.acme.app:8443 -> pool.api
    host.auth.acme.com -> pool.auth
    host.demo.acme.app:8443 -> pool.auth
    "#);
    assert!(valid("[service.a]\nhosts = [\"a.acme.com\"]\n").config.edge.is_none());
}

#[test]
fn contradictions_of_the_edge_are_reported() {
    assert_snapshot!(problems(r#"
[edge]
listen = ["127.0.0.1:8080"]
listen_tls = ["127.0.0.1:8443", "0.0.0.0:8443"]
[service.auth]
hosts = ["auth.acme.com", "*.acme.app"]
wildcard_samples = ["a.acme.app", "a.b.acme.app"]
depends_on = ["pool.db", "pool."]
[service.auth.traffic]
pool = "auht"
deny = { countries = ["XX", "YY"] }
allow.asns = [ "AS64500" ]
[service.api]
hosts = ["auth.acme.com:8443", "*.acme.app:8443", "auth.acme.com:9443"]
wildcard_samples = ["b.acme.app"]
traffic = { pool = "auth" }
[service.private]
traffic = { pool = "auth" }
[pool.auth]
servers = ["10.0.0.11:8080"]
[caller.one]
service = "atuh"
token = "env:TOKEN"
cidrs = ["10.0.0.1"]
[caller.two]
token = "env:TOKEN"
cidrs = ["10.0.0.1/32"]
[caller.three]
"#), @r#"
    mainstay.toml:3:11: the status page listens on 127.0.0.1:8080: the edge cannot listen on 127.0.0.1:8080 too (another port here, or another [site] listen)
    mainstay.toml:4:1: `listen_tls` has no certificate (add its files: [[edge.certificate]] chain = "auth.pem", key = "auth.key")
    mainstay.toml:4:33: the edge listens on 127.0.0.1:8443 already (keep one of them)
    mainstay.toml:6:10: the edge serves `auth.acme.com` for service `api` already (remove the host or `traffic` from one of them; the edge routes by name, whatever the port)
    mainstay.toml:6:27: the edge serves `*.acme.app` for service `api` already (remove the host or `traffic` from one of them; the edge routes by name, whatever the port)
    mainstay.toml:7:35: `a.b.acme.app` is too deep: for the edge `*` is one label (as in certificates; add a wildcard right above it: hosts = ["*.b.acme.app"])
    mainstay.toml:8:15: unknown pool `db` (declared: `auth`)
    mainstay.toml:8:26: `pool.` is not a resource (write "service.pool.")
    mainstay.toml:10:8: unknown pool `auht` (did you mean `auth`?)
    mainstay.toml:11:23: countries require a `geoip` file (add it: [edge] geoip.country = "GeoLite2-Country.mmdb")
    mainstay.toml:12:16: autonomous systems require a `geoip` file (add it: [edge] geoip.asn = "GeoLite2-ASN.mmdb")
    mainstay.toml:18:11: service `private` has `traffic`, but no hosts (the edge routes by host name: hosts = ["auth.acme.com"])
    mainstay.toml:22:11: unknown service `atuh` (did you mean `auth`?)
    mainstay.toml:26:9: caller `one` has the same token (use one token per caller)
    mainstay.toml:27:10: 10.0.0.1 is the address of caller `one` already (use a token instead: token = "env:AUTH_WEB_TOKEN")
    mainstay.toml:28:9: caller.three has neither token nor addresses (add token = "env:AUTH_WEB_TOKEN", or cidrs = ["10.0.0.21"])
    "#);
}

#[test]
fn limit_of_autonomous_systems_requires_geoip_file_and_exceeds_subnet_limit() {
    let config = |geoip: &str, limits: &str| {
        format!(
            r#"
[edge]
listen = ["127.0.0.1:8000"]
{geoip}
[service.auth]
hosts = ["auth.acme.com"]
[service.auth.traffic]
pool = "auth"
{limits}
[pool.auth]
servers = ["10.0.0.11:8080"]
"#
        )
    };
    const FILE: &str = "geoip.asn = \"GeoLite2-ASN.mmdb\"";
    assert_snapshot!(problems(&config("", "limit.asn = \"5000/s\"")), @r#"mainstay.toml:9:13: autonomous systems require a `geoip` file (add it: [edge] geoip.asn = "GeoLite2-ASN.mmdb")"#);
    assert_snapshot!(problems(&config(FILE, "limit.asn = 5000")), @r#"mainstay.toml:9:13: `asn` must be a rate: "20/s", "600/m", "1000/h", or a table, not a number without quotes (for example: asn = "5000/s")"#);
    let doubts = |limits: &str| {
        let lines = warnings(&config(FILE, limits));
        lines.lines().filter(|line| line.contains("asn")).collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(doubts("limit = { subnet = \"100/s\", asn = \"5999/m\" }"), @r"mainstay.toml:9:35: `asn` is lower than `subnet`, although an autonomous system has many subnets (use many times `subnet`, or remove `asn`)");
    for fine in
        ["limit = { subnet = \"100/s\", asn = \"6000/m\" }", "limit.asn = \"1/h\"", "limit.subnet = \"1/h\""]
    {
        assert_eq!(doubts(fine), "", "{fine}");
    }
}

#[test]
fn edge_that_cannot_serve_is_rejected() {
    assert_snapshot!(problems("[edge]\nredirect_to_https = true\n"), @r#"
    mainstay.toml:1:1: the edge has no listen address (add listen = ["127.0.0.1:8000"], or listen_tls and a certificate)
    mainstay.toml:2:1: `redirect_to_https` redirects to HTTPS, but nothing listens for it (add listen_tls = ["127.0.0.1:8443"])
    "#);
    assert_snapshot!(problems("[edge]\nlisten = [\"127.0.0.1:80\"]\nredirect_to_https = true\n"), @r#"mainstay.toml:3:1: `redirect_to_https` redirects to HTTPS, but nothing listens for it (add listen_tls = ["127.0.0.1:8443"])"#);
    assert_snapshot!(problems("[edge]\nlisten = []\ntrusted_proxies = [\"x\"]\n"), @r#"
    mainstay.toml:1:1: the edge has no listen address (add listen = ["127.0.0.1:8000"], or listen_tls and a certificate)
    mainstay.toml:3:20: `x` is not a CIDR range (for example: "10.0.0.0/8" or "10.1.2.3")
    "#);
    assert_snapshot!(problems("[edge]\nlisten_tls = [\"127.0.0.1:8443\"]\n[[edge.certificate]]\nkey = \"a.key\"\n"), @r#"mainstay.toml:3:1: edge.certificate lacks `chain` (for example: chain = "auth.pem")"#);
    assert_snapshot!(problems("[edge]\nlisten_tls = [\"127.0.0.1:8443\"]\ncertificate = []\n"), @r#"mainstay.toml:3:15: `certificate` is empty (for example: certificate = [{ chain = "auth.pem", key = "auth.key" }])"#);
    assert_snapshot!(problems("[[edge]]\nlisten = [\"127.0.0.1:8000\"]\n"), @r"mainstay.toml:1:1: `edge` must be a section, not a list (write [edge] on a line of its own, once)");
    assert_snapshot!(problems("[site]\nlisten = \"127.0.0.1:80\"\n[edge]\nlisten = [\"0.0.0.0:80\"]\n"), @r#"mainstay.toml:4:11: the status page listens on 127.0.0.1:80: the edge cannot listen on 0.0.0.0:80 too (another port here, or another [site] listen)"#);
    assert_snapshot!(problems("[service.a]\nhosts = [\"a.acme.com\"]\ntraffic = { pool = \"a\" }\n[pool.a]\nservers = [\"10.0.0.1:80\"]\n"), @r#"mainstay.toml:3:11: service `a` has `traffic`, but there is no [edge] (declare it: [edge] listen = ["127.0.0.1:8000"])"#);
    // Nothing is reported as missing that a line with a syntax error may declare.
    assert_snapshot!(problems("[edge\nlisten = [\"127.0.0.1:80\"]\n[service.a]\nhosts = [\"a.acme.com\"]\ntraffic = { pool = \"a\" }\n[pool.a\nservers = [\"10.0.0.1:80\"]\n"), @r#"
    mainstay.toml:1:6: this is not TOML: unclosed table (expected `]`)
    mainstay.toml:6:8: this is not TOML: unclosed table (expected `]`)
    "#);
}

#[test]
fn invalid_values_of_the_edge_are_reported() {
    assert_snapshot!(problems(r#"
[edge]
listen = ["localhost:8000", ":80"]
trusted_proxies = ["10.0.0.0/33"]
threads = 0
geoip.country = ""
otlp = "http://127.0.0.1:4318"
limits = { head_bytes = 10, body_bytes = 2000000000000, keepalive_timeout = "1d", max_connections = 0, max_conections_per_ip = 5 }
[service.auth]
hosts = ["auth.acme.com"]
[service.auth.traffic]
pool = 5
limit = { client = "20", subnet = { rate = "20/d", burst = 0 }, caller = 5, service = { burst = 5 }, host = "1/s" }
deny = { countries = ["Estonia"], asns = ["64500", "192.0.2.0/24"], cidrs = ["AS1"] }
allow = ["198.51.100.7"]
recognize = { method = "PO ST", path = "login", status = [401] }
priority_paths = ["/*", "/pay*", "https://acme.com/pay", "/a?b"]
response_timeout = "1ms"
"#), @r#"
    mainstay.toml:3:11: `localhost:8000` is not an address with a port (write the address too: "127.0.0.1:8000")
    mainstay.toml:3:29: `:80` is not an address with a port (write the address too: "127.0.0.1:80")
    mainstay.toml:4:20: `10.0.0.0/33` is not a CIDR range (for example: "10.0.0.0/8" or "10.1.2.3")
    mainstay.toml:5:11: `threads` must be an integer from 1 to 256, not 0 (for example: threads = 2)
    mainstay.toml:6:17: this is not a file path (for example: country = "GeoLite2-Country.mmdb")
    mainstay.toml:7:8: `http://127.0.0.1:4318` lacks its path (the usual endpoint is "http://127.0.0.1:4318/v1/traces")
    mainstay.toml:8:25: `head_bytes` must be an integer from 1024 to 1048576, not 10 (for example: head_bytes = 16384)
    mainstay.toml:8:42: `body_bytes` must be an integer from 0 to 1099511627776, not 2000000000000 (for example: body_bytes = 67108864)
    mainstay.toml:8:77: `keepalive_timeout` must be a duration from 100ms to 1h, not 1d (for example: keepalive_timeout = "75s")
    mainstay.toml:8:101: `max_connections` must be an integer from 1 to 10000000, not 0 (for example: max_connections = 20000)
    mainstay.toml:8:104: unknown key `max_conections_per_ip` in edge.limits (did you mean `max_connections_per_ip`?)
    mainstay.toml:12:8: `pool` must be the name of a pool, not a number without quotes (for example: pool = "auth")
    mainstay.toml:13:20: `20` is not a rate (a number from 1 to 1000000, a slash, and s, m or h: "20/s", "600/m")
    mainstay.toml:13:44: `20/d` is not a rate (a number from 1 to 1000000, a slash, and s, m or h: "20/s", "600/m")
    mainstay.toml:13:60: `burst` must be an integer from 1 to 1000000, not 0 (for example: burst = 40)
    mainstay.toml:13:74: `caller` must be a rate: "20/s", "600/m", "1000/h", or a table, not a number without quotes (for example: caller = "500/s")
    mainstay.toml:13:87: service.auth.traffic.limit.service lacks `rate` (for example: rate = "20/s")
    mainstay.toml:13:102: unknown key `host` in service.auth.traffic.limit (keys here: `client`, `subnet`, `asn`, `caller` and `service`)
    mainstay.toml:14:23: `Estonia` is not a country code (for example: countries = ["XX"])
    mainstay.toml:14:43: `64500` is not an AS number (for example: asns = ["AS64500"])
    mainstay.toml:14:52: `192.0.2.0/24` is not an AS number (it belongs in cidrs = ["192.0.2.0/24"])
    mainstay.toml:14:78: `AS1` is not a CIDR range or an address (it belongs in asns = ["AS1"])
    mainstay.toml:15:9: `allow` must be a table, not a list (for example: allow = { cidrs = ["198.51.100.7"] })
    mainstay.toml:16:24: `PO ST` is not an HTTP method (for example: method = "POST")
    mainstay.toml:16:40: `login` is not a path: it does not begin with / (write "/login")
    mainstay.toml:16:59: `status` must be an integer from 200 to 399, not 401 (for example: status = [200, 303])
    mainstay.toml:17:19: `/*` matches every path (use a more specific one: "/pay/*")
    mainstay.toml:17:25: `/pay*` has a `*` in the wrong place (`*` is only allowed at the end: "/pay/*")
    mainstay.toml:17:34: `https://acme.com/pay` is not a path: it does not begin with / (write "/pay")
    mainstay.toml:17:58: `/a?b` is not a path: it has a query or a fragment (for example: priority_paths = ["/health", "/pay/*"])
    mainstay.toml:18:20: `response_timeout` must be a duration from 100ms to 1h, not 1ms (for example: response_timeout = "10s")
    "#);
    assert_snapshot!(problems("[service.a]\nhosts = [\"a.acme.com\"]\ntraffic = \"a\"\n[service.b]\nhosts = [\"b.acme.com\"]\n[service.b.traffic]\nrecognize = { path = \"/x\" }\n[edge]\nlisten = [\"127.0.0.1:80\"]"), @r#"
    mainstay.toml:3:11: `traffic` must be a table, not text (for example: traffic = { pool = "auth" })
    mainstay.toml:6:1: service.b.traffic lacks `pool` (for example: pool = "auth")
    mainstay.toml:7:13: service.b.traffic.recognize lacks `status` (for example: status = [200, 303])
    "#);
}

#[test]
fn invalid_values_of_pools_and_callers_are_reported() {
    assert_snapshot!(problems(r#"
[pool.none]
servers = []
[pool.few]
servers = ["10.0.0.1:80", "10.0.0.2:80", { at = "10.0.0.1:80", weight = 2 }]
min_healthy = 4
max_concurrency = 2
initial_concurrency = 7
[pool.names]
servers = ["app.internal:80"]
min_healthy = 4
initial_concurrency = 700
[pool.wrong]
servers = ["10.0.0.1", { weight = 2 }, "http://10.0.0.3:80", 5, { at = "10.0.0.4:80", weight = 0, drian = true }]
min_healthy = 9
protocol = "h2"
tls = "auth.internal:443"
health = { interval = "1ms", fall = 0 }
[pool.missing]
min_healthy = 1
[pool.theirs]
from = "haproxy:http://10.0.0.2:8404/stats;csv"
[caller.bare]
service = "nobody"
[caller.literal]
token = "hunter2"
[caller.variable]
token = "env:hunter-2"
cidrs = ["10.0.0"]
"#), @r#"
    mainstay.toml:3:11: `servers` is empty (for example: servers = ["10.0.0.11:8080", { at = "10.0.0.12:8080", weight = 2 }, "app.internal:8080"])
    mainstay.toml:5:42: `10.0.0.1:80` is listed twice (for a larger share: { at = "10.0.0.1:80", weight = 2 })
    mainstay.toml:6:1: `min_healthy` is 4, but the pool has 3 servers: it can never be reached (3 at most, or add servers)
    mainstay.toml:8:1: `initial_concurrency` is 7, but its servers accept 6 concurrent requests (decrease it, or increase `max_concurrency`)
    mainstay.toml:14:12: `10.0.0.1` has no port (for example: "10.0.0.1:8080")
    mainstay.toml:14:24: pool.wrong.servers lacks `at` (for example: at = "10.0.0.12:8080")
    mainstay.toml:14:40: `http://10.0.0.3:80` is a URL, not a host name (write the name only: "10.0.0.3:80")
    mainstay.toml:14:62: `servers` must be a host with a port: "10.0.0.11:8080", or a table, not a number without quotes (for example: servers = ["10.0.0.11:8080", { at = "10.0.0.12:8080", weight = 2 }, "app.internal:8080"])
    mainstay.toml:14:96: `weight` must be an integer from 1 to 1000, not 0 (for example: weight = 2)
    mainstay.toml:14:99: unknown key `drian` in pool.wrong.servers (did you mean `drain`?)
    mainstay.toml:16:12: `h2` is not a value of `protocol` ("http1" or "http2")
    mainstay.toml:17:7: `auth.internal:443` has a port; a certificate name has none (write "auth.internal")
    mainstay.toml:18:10: pool.wrong.health lacks `path` (for example: path = "/health")
    mainstay.toml:18:23: `interval` must be a duration from 100ms to 1h, not 1ms (for example: interval = "2s")
    mainstay.toml:18:37: `fall` must be an integer from 1 to 100, not 0 (for example: fall = 2)
    mainstay.toml:19:7: pool.missing lacks `servers` (for example: servers = ["10.0.0.11:8080"], or from = "haproxy:..." if another load balancer has them)
    mainstay.toml:23:9: caller.bare has neither token nor addresses (add token = "env:AUTH_WEB_TOKEN", or cidrs = ["10.0.0.21"])
    mainstay.toml:24:11: unknown service `nobody` (declare it: [service.nobody])
    mainstay.toml:26:9: a secret must not be written in the configuration (refer to it: "env:NAME" or "file:PATH"; replace this one, it may have been copied with the file)
    mainstay.toml:28:9: what follows `env:` is not the name of an environment variable (for example: token = "env:AUTH_WEB_TOKEN")
    mainstay.toml:29:10: `10.0.0` is not a CIDR range (for example: "10.0.0.0/8" or "10.1.2.3")
    "#);
}

#[test]
fn secrets_of_the_edge_are_never_repeated() {
    for text in [
        "[caller.a]\ntoken = \"hunter2\"\n",
        "[caller.a]\ntoken = [\"hunter2\"]\n",
        "[caller.a]\ntokn = \"hunter2\"\ncidrs = [5]\n",
        "[caller.a]\ntoken = hunter2\n",
        "[[edge.certificate]]\nchain = 5\nkey = '''\n-----BEGIN PRIVATE KEY-----\nhunter2\n-----END'''\n",
        "[edge]\notlp = \"http://ana:hunter2@collector.acme.net/v1/traces\"\n",
        "[pool.a]\nservers = [\"ana:hunter2@10.0.0.1:80\"]\n",
    ] {
        let problems = config::read(text, "mainstay.toml", std::path::Path::new(".")).unwrap_err();
        let drawn = format!("{:?}", miette::Report::new(problems.clone()));
        assert!(!drawn.contains("hunter2"), "{text}: {drawn}");
        assert!(!format!("{problems:?} {problems}").contains("hunter2"), "{text}");
    }
}

#[test]
fn warnings_of_the_edge() {
    let text = r#"
[edge]
listen = ["0.0.0.0:80"]
trusted_proxies = ["10.0.0.0/8", "::/0"]
[[edge.certificate]]
chain = "a.pem"
key = "a.key"
[service.a]
hosts = ["a.acme.com"]
depends_on = ["pool.silent", "pool.asked"]
traffic = { pool = "a" }
[pool.a]
servers = [{ at = "10.0.0.1:80", drain = true }]
[pool.unused]
servers = ["10.0.0.2:80"]
[pool.silent]
servers = ["10.0.0.3:80"]
[pool.asked]
servers = ["10.0.0.4:80"]
health = { path = "/health" }
[caller.b]
cidrs = ["10.0.0.5", "192.0.2.1"]
"#;
    let lines = warnings(text);
    assert_snapshot!(lines.lines().filter(|line| !line.contains("nobody will be paged")).collect::<Vec<_>>().join("\n"), @r#"
    mainstay.toml:4:34: ::/0 trusts every client: any of them can forge its address (trust the load balancers only: trusted_proxies = ["10.0.0.0/8"])
    mainstay.toml:5:8: the certificate is not used: the edge does not listen for HTTPS (add listen_tls = ["127.0.0.1:8443"])
    mainstay.toml:13:1: every server has `drain`: no request is served (remove `drain` from one of them)
    mainstay.toml:14:7: pool `unused` is not used (use it in a service: [service.NAME.traffic] pool = "unused")
    mainstay.toml:16:7: pool `silent` has no health check: its state is never known (the edge checks it: add [edge], and health = { path = "/health" } here)
    mainstay.toml:22:10: 10.0.0.5 is a caller, but is in 10.0.0.0/8 of `trusted_proxies` (use a token, or remove it from [edge] trusted_proxies)
    "#);
    assert_snapshot!(warnings("[caller.b]\ntoken = \"env:X\"\n"), @r#"mainstay.toml:1:9: caller `b` is not used: there is no [edge] (declare it: [edge] listen = ["127.0.0.1:8000"])"#);
}

#[test]
fn broad_denial_without_allow_is_warned_about() {
    let lines = |traffic: &str| {
        let text = format!(
            "[edge]\nlisten = [\"127.0.0.1:80\"]\n[service.a]\nhosts = [\"a.acme.com\"]\n[service.a.traffic]\npool = \"a\"\n{traffic}\n[pool.a]\nservers = [\"10.0.0.1:80\"]\n"
        );
        warnings(&text).lines().filter(|line| line.contains("a large part of all addresses")).count()
    };
    for (traffic, doubted) in [
        ("deny = { cidrs = [\"0.0.0.0/0\"] }", 1),
        ("deny = { cidrs = [\"192.0.2.1\", \"::/0\"] }", 1),
        ("deny = { cidrs = [\"::ffff:0.0.0.0/96\"] }", 1),
        ("deny = { cidrs = [\"128.0.0.0/1\"] }", 1),
        ("deny = { cidrs = [\"0.0.0.0/0\"] }\nallow = { cidrs = [\"192.0.2.0/24\"] }", 0),
        ("deny = { cidrs = [\"192.0.2.0/24\", \"2001:db8::/32\"] }", 0),
    ] {
        assert_eq!(lines(traffic), doubted, "{traffic}");
    }
}
