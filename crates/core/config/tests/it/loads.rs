//! Targets of load tests: bounds, requests, and that none of them is production.

use crate::{problems, valid};
use insta::assert_snapshot;
use std::time::Duration;
use types::ServiceId;
use types::config::{SecretRef, TextOrSecret};

/// A production of every kind.
const PRODUCTION: &str = r#"
[site]
name = "Acme"
listen = "127.0.0.1:8080"
url = "https://status.acme.net"
[service.auth]
hosts = ["auth.acme.com", "*.acme.app", "127.0.0.1:8443"]
wildcard_samples = ["demo.acme.app"]
traffic = { pool = "auth" }
[edge]
listen = ["0.0.0.0:8000"]
[pool.auth]
servers = ["10.0.0.11:8080", "app.internal:8080"]
[pool.old]
from = "haproxy:http://10.0.0.2:8404/stats;csv"
members = ["10.0.0.21:8080", "web-1"]
"#;

fn with_target(url: &str) -> String {
    format!("{PRODUCTION}[load.staging]\ntarget = \"{url}\"\nallow = {{ rate = \"500/s\" }}\n")
}

#[test]
fn target_has_bounds_and_a_request() {
    let config = valid(&format!(
        "{}service = \"auth\"\nservers = 2\nmethod = \"post\"\nheaders = {{ Accept = \"*/*\", authorization = \"env:TOKEN\" }}\n\
         body = \"a=b\"\nstatus = [200, 401]\nmax_latency = \"300ms\"\nerror_budget = \"1%\"\n",
        with_target("https://staging.acme.com/login?x=1")
    ))
    .config;
    let target = &config.loads["staging"];
    assert_eq!(
        (target.name.as_str(), target.url.as_str()),
        ("staging", "https://staging.acme.com/login?x=1")
    );
    assert_eq!((target.service.clone(), target.servers), (Some(ServiceId::from("auth")), 2));
    assert_eq!(
        (target.allow.rate, target.allow.lasting.as_secs(), target.allow.connections),
        (500, 600, 1_000)
    );
    assert_eq!((target.method.as_str(), target.body.as_deref()), ("POST", Some("a=b")));
    assert_eq!(target.headers["accept"], TextOrSecret::Text("*/*".to_owned()));
    assert_eq!(target.headers["authorization"], TextOrSecret::Secret(SecretRef::Env("TOKEN".to_owned())));
    assert!(target.accepts(401) && !target.accepts(204));
    assert_eq!((target.max_latency, target.error_budget), (Duration::from_millis(300), 0.01));

    let config = valid(&with_target("http://staging.acme.com")).config;
    let plain = &config.loads["staging"];
    assert_eq!((plain.url.as_str(), plain.method.as_str()), ("http://staging.acme.com/", "GET"));
    assert!(plain.accepts(302) && !plain.accepts(503) && plain.error_budget == 0.05);
    assert!(config.probes.keys().all(|probe| !probe.0.contains("staging")), "a target is not probed");
}

#[test]
fn production_is_refused() {
    for (url, whose) in [
        ("https://auth.acme.com/login", Some("a host of service `auth`")),
        ("https://auth.acme.com:443/", Some("a host of service `auth`")),
        ("http://auth.acme.com/", Some("a host of service `auth`")),
        ("https://any.acme.app/", Some("a host of service `auth`")),
        ("http://127.0.0.1:8443/", Some("a host of service `auth`")),
        ("http://10.0.0.11:8080/", Some("a server of pool `auth`")),
        ("http://App.internal:8080/", Some("a server of pool `auth`")),
        ("http://10.0.0.21:8080/", Some("a server of pool `old`")),
        ("https://status.acme.net/", Some("the status page of this installation")),
        ("http://localhost:8080/", Some("the status page of this installation")),
        ("http://127.0.0.1:8000/", Some("a listener of the edge")),
        ("https://staging.acme.com/", None),
        ("https://auth.acme.com:9443/", None),
        ("https://a.b.acme.dev/", None),
        ("http://10.0.0.11:9090/", None),
        ("http://127.0.0.1:9444/", None),
    ] {
        let found = problems(&with_target(url));
        match whose {
            Some(whose) => {
                assert!(found.contains("is production") && found.contains(whose), "{url}: {found}")
            }
            None => assert_eq!(found, "fine", "{url}"),
        }
    }
    assert_snapshot!(problems(&with_target("https://auth.acme.com/login")), @r#"mainstay.toml:18:10: the target of load.staging is production: `auth.acme.com:443` is a host of service `auth` (a load test runs against a copy of the service, on other servers: target = "https://staging.acme.com/")"#);
}

#[test]
fn what_is_missing_or_wrong_is_reported() {
    let text = "[load.staging]\nservice = \"auht\"\nallow = { lasting = \"10m\" }\nheaders = { user-agent = \"x\" }\nerror_budget = \"90%\"\n\
                [load.other]\ntarget = \"https://staging.acme.com/\"\nallow = { rate = \"600/m\", connections = 0 }\n[service.auth]\nhosts = [\"auth.acme.com\"]\n";
    assert_snapshot!(problems(text), @r#"
    mainstay.toml:1:7: load.staging lacks `target` (for example: target = "https://staging.acme.com/login")
    mainstay.toml:2:11: unknown service `auht` (did you mean `auth`?)
    mainstay.toml:3:9: load.staging.allow lacks `rate` (for example: rate = "500/s")
    mainstay.toml:4:13: the header `user-agent` is set by mainstay (remove it: it belongs to the connection, or names the tool in the target's log)
    mainstay.toml:5:16: `90%` is not a share of requests (from 0.01% to 50%: "5%")
    mainstay.toml:8:18: `600/m` is not a rate of requests (a number from 1 to 100000 per second: "500/s")
    mainstay.toml:8:41: `connections` must be an integer from 1 to 50000, not 0 (for example: connections = 1000)
    "#);
}
