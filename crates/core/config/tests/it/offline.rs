//! The offline kit of a service.

use crate::{problems, valid};
use insta::assert_snapshot;
use std::time::Duration;
use types::config::{Offline, OfflineWrite};

const BASE: &str = r#"
[edge]
listen = ["127.0.0.1:8000"]
[pool.web]
servers = ["10.0.0.1:80"]
[service.web]
hosts = ["web.acme.com"]
"#;

fn kit(keys: &str) -> String {
    format!("{BASE}traffic.pool = \"web\"\n[service.web.offline]\n{keys}")
}

#[test]
fn kit_has_defaults_that_need_no_reading() {
    let read = |keys: &str| {
        let config = valid(&kit(keys)).config;
        config.services[&"web".into()].traffic.clone().unwrap().offline.unwrap()
    };
    let plain = Offline {
        enabled: true,
        pages: vec!["/".to_owned()],
        get: Vec::new(),
        writes: vec![OfflineWrite { method: "POST".to_owned(), path: "/api/*".to_owned() }],
        headers: Vec::new(),
        keep: Duration::from_secs(7 * 86_400),
        max_writes: 1_000,
        max_bytes: 10_000_000,
        max_body: 256_000,
        inject: false,
    };
    assert_eq!(read("pages = [\"/\"]\nwrites = [\"post /api/*\"]"), plain);
    let off = read("enabled = false\nkeep = \"30d\"\nheaders = [\"X-Version\"]\ninject = true");
    assert!(!off.enabled && off.inject && off.headers == ["x-version"]);
    assert_eq!(off.keep, Duration::from_secs(30 * 86_400));
}

#[test]
fn problems_of_a_kit() {
    assert_snapshot!(problems(&kit(r#"
pages = ["/*", "timer"]
writes = ["GET /a", "/a", "POST a"]
headers = ["Authorization", "cookie"]
keep = "1m"
max_writes = 0
max_bytes = "1GB"
max_body = "2MB"
"#)), @r#"
    mainstay.toml:9:1: `max_body` is 2000000 bytes; the maximum is 1000000 (use a smaller size)
    mainstay.toml:9:1: `max_bytes` is 1000000000 bytes; the maximum is 100000000 (use a smaller size)
    mainstay.toml:11:10: `/*` matches every path (use a more specific one: "/pay/*")
    mainstay.toml:11:16: `timer` is not a path: it does not begin with / (write "/timer")
    mainstay.toml:12:11: `GET /a` is not a write: its method is none of POST, PUT, PATCH and DELETE (a method and a path: "POST /api/entries")
    mainstay.toml:12:21: `/a` is not a method and a path (a method and a path: "POST /api/entries")
    mainstay.toml:12:27: `a` is not a path: it does not begin with / (write "/a")
    mainstay.toml:13:12: `Authorization` has credentials, which a browser must not keep (remove it; the browser adds its cookies when it delivers)
    mainstay.toml:13:29: `cookie` has credentials, which a browser must not keep (remove it; the browser adds its cookies when it delivers)
    mainstay.toml:14:8: `keep` must be a duration from 1h to 35d, not 1m (for example: keep = "7d")
    mainstay.toml:15:14: `max_writes` must be an integer from 1 to 10000, not 0 (for example: max_writes = 1000)
    "#);
    assert_snapshot!(problems(&format!("{BASE}offline.pages = [\"/\"]\n")), @r#"mainstay.toml:8:1: service `web` has `offline`, but no `traffic` (the edge serves the kit: add [service.web.traffic] with a pool)"#);
}
