//! Keys and sections with a new name: how they are reported, and how a file is rewritten.

use crate::{problems, warnings};
use config::{Renamed, Unfixable, fix};
use insta::assert_snapshot;
use proptest::prelude::*;
use std::path::Path;

/// Each example as it was written with the old names, and as it is written today.
const EXAMPLES: [(&str, &str); 4] = [
    (include_str!("renames/small-team.old.toml"), include_str!("../../../../../examples/small-team.toml")),
    (
        include_str!("renames/two-timezones.old.toml"),
        include_str!("../../../../../examples/two-timezones.toml"),
    ),
    (
        include_str!("renames/wildcard-tenants.old.toml"),
        include_str!("../../../../../examples/wildcard-tenants.toml"),
    ),
    (include_str!("renames/edge.old.toml"), include_str!("../../../../../examples/edge/mainstay.toml")),
];

/// Every key and section that was renamed.
const EVERY: &str = r#"
[site]
zone = "UTC"
trust = []
inner = []
[service.auth]
hosts = ["auth.acme.com", "*.acme.app"]
samples = ["demo.acme.app"]
needs = ["service.mail"]
rota = "platform"
ladder = "default"
http = { expect = { within = "2s" } }
[service.auth.guard]
pool = "auth"
limit.visitor = "20/s"
limit = { network = "200/s" }
deny = { networks = ["AS64500"], addresses = ["192.0.2.0/24"] }
allow.networks = ["AS64501"]
allow.addresses = ["198.51.100.7"]
known = { path = "/login", status = [303] }
urgent = ["/health"]
deadline = "5s"
[service.mail]
hosts = ["mail.acme.com"]
[probe.checkout]
http = "https://shop.acme.com/health"
every = "30s"
fail_after = 3
recover_after = 2
expect.within = "2s"
[watch]
fail_after = 3
recover_after = 2
[channel.ntfy]
ntfy = "https://ntfy.sh"
[person.ana]
zone = "UTC"
awake = "07:30-23:00"
reach = ["ntfy:ana"]
[rota.platform]
zone = "UTC"
[[rota.platform.layer]]
people = ["ana"]
start = 2026-10-26T09:00:00
every = "1 week"
[ladder.default]
rungs = [{ rotas = ["platform"], wait = "5m" }]
last_resort = ["ntfy:everybody"]
[board]
title = "Acme status"
[edge]
listen = ["127.0.0.1:8000"]
listen_tls = ["127.0.0.1:8443"]
certificate = [{ chain = "a.pem", key = "a.key" }]
to_https = true
hops = ["10.0.0.0/8"]
countries = "GeoLite2-Country.mmdb" # countries
networks = "GeoLite2-ASN.mmdb"
limits = { head_wait = "10s", body_wait = "30s", idle = "75s", connections = 20000, connections_each = 2000 }
[pool.auth]
servers = ["10.0.0.11:8080"]
floor = 1
each = 100
begin = 8
health = { path = "/health", every = "2s" }
[caller.auth-web]
addresses = ["192.0.2.21"]
"#;

fn fixed(text: &str) -> String {
    match fix(text) {
        Ok(Some(fixed)) => fixed.text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn old_examples_are_rewritten_to_todays_byte_for_byte() {
    for (old, today) in EXAMPLES {
        assert_eq!(fixed(old), today);
        assert_eq!(fix(today), Ok(None));
        let windows = |text: &str| text.replace('\n', "\r\n");
        assert_eq!(fixed(&windows(old)), windows(today));
        assert_eq!(fixed(old.trim_end()), today.trim_end());
    }
}

#[test]
fn every_old_name_is_one_problem_with_the_new_name() {
    // Two statements contradict each other in TOML; one of them at a time.
    let text = EVERY.replace(
        "limit.visitor = \"20/s\"\nlimit = { network = \"200/s\" }",
        "limit = { visitor = \"20/s\", network = \"200/s\" }",
    );
    assert_snapshot!(problems(&text));
    assert_snapshot!(fixed(&text));
    assert_snapshot!(warnings(&fixed(&text)), @"");
}

#[test]
fn values_of_renamed_keys_are_checked() {
    assert_snapshot!(problems("[rota.a]\n[[rota.a.layer]]\nevery = \"1 fortnight\"\npeople = []\nstart = 2026-10-26\nonly = []\n[person.ana]\nreech = []\n"), @r#"
    mainstay.toml:1:2: `rota` is now `schedule` (rename it, or let `mainstay check --fix` do it)
    mainstay.toml:3:1: `every` is now `rotation` (rename it, or let `mainstay check --fix` do it)
    mainstay.toml:3:9: `1 fortnight` is not a rotation (a number and hours, days, weeks or months: "1 week", "8 hours")
    mainstay.toml:6:1: `only` is now `restrictions` (rename it, or let `mainstay check --fix` do it)
    mainstay.toml:6:8: `restrictions` is empty (for example: restrictions = [{ days = ["mon", "tue", "wed", "thu", "fri"], from = "09:00", to = "17:00" }])
    mainstay.toml:7:9: person.ana lacks `contacts` (for example: contacts = ["ntfy:ana"])
    mainstay.toml:8:1: unknown key `reech` in person.ana (keys here: `name`, `timezone`, `waking_hours`, `contacts` and `away`)
    "#);
}

#[test]
fn old_name_beside_the_new_one_is_not_fixed() {
    let both = |path: &str, old, new| Err(Unfixable::Both(Renamed { path: path.into(), old, new }));
    for (text, expected) in [
        ("[site]\nzone = \"UTC\"\ntimezone = \"UTC\"\n", both("site", "zone", "timezone")),
        ("[site]\ntimezone = \"UTC\"\nzone = \"UTC\"\n", both("site", "zone", "timezone")),
        ("[board]\ntitle = \"A\"\n[status_page]\ntitle = \"B\"\n", both("", "board", "status_page")),
        ("[rota.a]\n[schedule.a]\n", both("", "rota", "schedule")),
        ("[edge]\ngeoip = { asn = \"a\" }\nnetworks = \"b\"\n", both("edge", "networks", "geoip.asn")),
    ] {
        assert_eq!(fix(text), expected, "{text}");
        assert!(problems(text).contains("which is here too"), "{text}");
    }
    let text = "[edge]\ngeoip = { asn = \"a\" }\ncountries = \"b\"\n";
    assert!(
        matches!(fix(text), Err(Unfixable::Both(_))),
        "not moved into an inline table: it may have a comment"
    );
}

#[test]
fn sections_with_old_and_new_name_go_together() {
    assert_snapshot!(fixed("# a\n[rota.a]\nzone = \"UTC\" # b\n\n# c\n[schedule.b]\n# d\n[rota.c]\n"), @r#"
    # a
    [schedule.a]
    timezone = "UTC" # b

    # c
    [schedule.b]
    # d
    [schedule.c]
    "#);
    assert_snapshot!(fixed("[edge]\n# a\ncountries = \"c\" # b\nthreads = 2\n# d\nnetworks = \"e\" # f\n"), @r#"
    [edge]
    # a
    geoip.country = "c" # b
    # d
    geoip.asn = "e" # f
    threads = 2
    "#);
    assert_snapshot!(fixed("edge = { threads = 2, countries = \"c\", networks = \"n\" }\nsite.zone = \"UTC\"\n"), @r#"
    edge = { threads = 2, geoip.country = "c", geoip.asn = "n" }
    site.timezone = "UTC"
    "#);
    assert_snapshot!(fixed("[ service . \"a\" . guard ] # a\n\"known\" . path = '/login' # b\n'urgent' = [ # c\n  '/x',\n]\n"), @r#"
    [ service . "a" . traffic ] # a
    recognize . path = '/login' # b
    priority_paths = [ # c
      '/x',
    ]
    "#);
}

#[test]
fn text_that_is_not_toml_is_not_fixed() {
    for text in ["[site]\n\nzone = UTC\n", "a = 1\n\na = 2\n"] {
        assert!(matches!(fix(text), Err(Unfixable::NotToml(_, 3))), "{:?}", fix(text));
    }
    assert!(fix(&format!("[{}a]", "a.".repeat(1_000))).is_err());
    assert!(fix(&"[".repeat(100_000)).is_err());
}

proptest! {
    #[test]
    fn fixing_is_idempotent_and_removes_every_old_name(
        which in 0..4usize,
        edits in prop::collection::vec((0..5000usize, 0..40usize, "\\PC{0,8}|\n|\\[rota\\.x\\]\n|zone = 1\n|geoip\\.asn = 2\n|every = 3\n"), 0..5),
    ) {
        let mut text = EXAMPLES[which].0.to_owned();
        for (at, cut, with) in edits {
            let floor = |mut at: usize| { while !text.is_char_boundary(at) { at -= 1 } at };
            let from = floor(at % (text.len() + 1));
            let to = floor((from + cut).min(text.len())).max(from);
            text.replace_range(from..to, &with);
        }
        if let Ok(Some(fixed)) = fix(&text) {
            prop_assert_eq!(fix(&fixed.text), Ok(None), "{}", fixed.text);
            let report = match config::read(&fixed.text, "mainstay.toml", Path::new("/etc/mainstay")) {
                Ok(_) => String::new(),
                Err(problems) => problems.to_string(),
            };
            prop_assert!(!report.contains("` is now `"), "{report}");
        }
    }
}
