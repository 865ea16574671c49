//! Rules of the response cache.

use crate::{problems, valid};
use insta::assert_snapshot;
use std::time::Duration;
use types::config::{CACHE_SIZE, CacheRule};

const BASE: &str = r#"
[service.auth]
hosts = ["auth.acme.com"]
[service.auth.traffic]
pool = "auth"
[pool.auth]
servers = ["10.0.0.1:80"]
"#;

fn with(edge: &str, rules: &str) -> String {
    format!("[edge]\nlisten = [\"127.0.0.1:8000\"]\n{edge}\n{BASE}{rules}")
}

#[test]
fn rules_have_defaults_that_need_no_reading() {
    let rules = r#"
[[service.auth.traffic.cache]]
path = "/.well-known/*"
[[service.auth.traffic.cache]]
path = "/static/*"
max_age = "1h"
stale_while_revalidate = "30s"
stale_if_error = "0s"
max_size = "4MB"
vary = ["Accept-Language"]
"#;
    let config = valid(&with("cache_size = \"1 GiB\"", rules)).config;
    let cache = &config.services[&"auth".into()].traffic.as_ref().unwrap().cache;
    let plain = CacheRule {
        path: "/.well-known/*".to_owned(),
        max_age: Duration::ZERO,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::from_secs(3_600),
        max_size: 1_000_000,
        vary: Vec::new(),
    };
    let full = CacheRule {
        path: "/static/*".to_owned(),
        max_age: Duration::from_secs(3_600),
        stale_while_revalidate: Duration::from_secs(30),
        stale_if_error: Duration::ZERO,
        max_size: 4_000_000,
        vary: vec!["accept-language".to_owned()],
    };
    assert_eq!(cache, &[plain, full]);
    assert_eq!(config.edge.unwrap().cache_size, 1 << 30);
    assert_eq!(valid(&with("", "")).config.edge.unwrap().cache_size, CACHE_SIZE);
}

#[test]
fn problems_of_rules() {
    let rules = r#"
[[service.auth.traffic.cache]]
path = "/a/*"
max_size = "2MB"
vary = ["cookie", "a b"]
[[service.auth.traffic.cache]]
path = "/a/b"
max_age = "-1s"
max_size = "1"
stale_if_eror = "1h"
[[service.auth.traffic.cache]]
max_age = "1m"
"#;
    assert_snapshot!(problems(&with("cache_size = \"4MB\"", rules)), @r#"
    mainstay.toml:13:1: `max_size` is more than a quarter of `edge.cache_size`, 1000000 bytes (a larger [edge] cache_size, or a smaller max_size)
    mainstay.toml:15:9: `cookie` differs for each person: nothing would be shared (remove it; name headers that many requests share)
    mainstay.toml:15:19: `a b` is not the name of a header (for example: vary = ["accept-language"])
    mainstay.toml:17:1: `/a/b` is never used: `/a/*` matches first (put the more specific path first)
    mainstay.toml:18:11: `-1s` is not a duration (a number and ms, s, m, h, d or w, the largest unit first: "30s", "1h 30m")
    mainstay.toml:19:12: `1` is not a size (a whole number from 1 and B, KB, MB, GB, KiB, MiB or GiB: "64MB")
    mainstay.toml:20:1: unknown key `stale_if_eror` in service.auth.traffic.cache (did you mean `stale_if_error`?)
    mainstay.toml:21:1: service.auth.traffic.cache lacks `path` (for example: path = "/.well-known/openid-configuration")
    "#);
}
