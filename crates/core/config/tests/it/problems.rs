//! Invalid configurations and their messages.

use crate::{problems, warnings};
use insta::assert_snapshot;
use std::path::Path;

const SEVEN: &str = r#"[site]
name = "Acme"
timezone = "Europe/Talinn"

[service.auth]
hosts = ["auth.acme.com", "*.acme.app"]
depends_on = ["service.mial"]

[service.mail]
host = ["mail.acme.com"]

[channel.ntfy]
ntfy = "https://ntfy.sh"
secret = "tk_hunter2hunter2"

[person.ana]
contacts = ["nfty:ana"]

[probe.checkout]
http = "https://shop.acme.com/health"
interval = "30 sekunden"
"#;

#[test]
fn invalid_values_of_the_status_page_are_reported() {
    assert_snapshot!(problems("[site]\nurl = \"https://acme.net/status/\"\n[status_page]\npublish = \"sometimes\"\n"), @r#"
    mainstay.toml:2:7: the status page cannot be below a path (use a host name of its own: "https://status.acme.net")
    mainstay.toml:4:11: `sometimes` is not a value of `publish` ("automatic", "approve" or "manual")
    "#);
}

#[test]
fn seven_mistakes_are_seven_problems_with_position_and_hint() {
    assert_snapshot!(problems(SEVEN), @r#"
    mainstay.toml:3:12: unknown timezone `Europe/Talinn` (did you mean `Europe/Tallinn`?)
    mainstay.toml:6:27: `*.acme.app` has no sample: a wildcard cannot be probed (add existing names: wildcard_samples = ["demo.acme.app"])
    mainstay.toml:7:15: unknown service `mial` (did you mean `mail`?)
    mainstay.toml:10:1: unknown key `host` in service.mail (did you mean `hosts`?)
    mainstay.toml:14:10: a secret must not be written in the configuration (refer to it: "env:NAME" or "file:PATH"; replace this one, it may have been copied with the file)
    mainstay.toml:17:13: unknown channel `nfty` (did you mean `ntfy`?)
    mainstay.toml:21:12: `30 sekunden` is not a duration (a number and ms, s, m, h, d or w, the largest unit first: "30s", "1h 30m")
    "#);
    let problems = config::read(SEVEN, "mainstay.toml", Path::new(".")).unwrap_err();
    assert_eq!(problems.len(), 7);
    for problem in &problems {
        let (offset, length) = problem.span;
        let marked = &SEVEN[offset..offset + length];
        let line = SEVEN.lines().nth(problem.line - 1).unwrap();
        assert!(problem.hint.is_some() && problem.column >= 1 && length > 0, "{problem}");
        assert!(line[problem.column - 1..].starts_with(marked), "{problem}: {marked}");
    }
}

#[test]
fn secret_in_an_invalid_line_is_never_repeated() {
    for line in [
        "secret = hunter2",
        "secret = \"hunter2",
        "secret = [\"hunter2\"]",
        "token = \"hunter2\"",
        "= 1\nsecret = hunter2\n= 2",
        "[channel.next\ntoken = \"hunter2\"",
        "webhook = \"https://ana:hunter2@hooks.acme.net\"",
        "webhook = \"ftp://ana:hunter2@hooks.acme.net\"",
        "webhook = \"ana:hunter2@hooks.acme.net\"",
    ] {
        let text = format!(
            "[channel.hook]\nntfy = 5\n{line}\n[service.a]\nhosts = [\"*.ana:hunter2@a.acme.app\", \"ana:hunter2@a.app\"]\n"
        );
        let problems = config::read(&text, "mainstay.toml", Path::new(".")).unwrap_err();
        let drawn = format!("{:?}", miette::Report::new(problems.clone()));
        assert!(drawn.contains("[channel.hook]") && !drawn.contains("hunter2"), "{line}: {drawn}");
        assert!(!format!("{problems:?} {problems}").contains("hunter2"), "{line}");
    }
}

#[test]
fn literal_secret_is_never_repeated() {
    let problems = config::read(SEVEN, "mainstay.toml", Path::new(".")).unwrap_err();
    let drawn = format!("{:?}", miette::Report::new(problems.clone()));
    assert!(drawn.contains("did you mean `Europe/Tallinn`?"), "{drawn}");
    for text in [drawn, format!("{problems:?}"), problems.to_string()] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

const BROKEN: &str = r#"
[service.auth]
hosts = ["*.acme.app"]
wildcard_samples = ["demo.acme.app]
depends_on = ["service.mial", "service.mail", "service.web"]
[service.mail]
hosts = ["*.acme.com"]
[service.web
hosts = 5
[probe.nothing]
interval = "5s"
"#;

#[test]
fn syntax_errors_hide_no_problem_and_cause_none() {
    assert_snapshot!(problems("[site]\nname = Acme\nlisten = \"8080\"\n[service.auth\nhosts = [\"a.acme.com\"]\n[status_page]\nhistroy = \"90d\"\n"), @r#"
    mainstay.toml:2:8: this is not TOML: string values must be quoted (put it in quotes)
    mainstay.toml:3:10: `8080` is not an address with a port (for example: listen = "127.0.0.1:8080")
    mainstay.toml:4:14: this is not TOML: unclosed table (expected `]`)
    mainstay.toml:7:1: unknown key `histroy` in status_page (did you mean `history`?)
    "#);
    // The syntax error is in `auth`: problems elsewhere are reported, possible consequences of it are not.
    assert_snapshot!(problems(BROKEN), @r#"
    mainstay.toml:4:36: this is not TOML: invalid basic string (expected `"`)
    mainstay.toml:5:15: unknown service `mial` (did you mean `mail`?)
    mainstay.toml:7:10: `*.acme.com` has no sample: a wildcard cannot be probed (add existing names: wildcard_samples = ["demo.acme.com"])
    mainstay.toml:8:13: this is not TOML: unclosed table (expected `]`)
    mainstay.toml:10:8: probe.nothing has no target (add one of http, tcp, dns, tls, domain, nut: http = "https://shop.acme.com/health")
    "#);
    assert_snapshot!(problems("[service.a]\nhosts = [\"*.acme.app\", \"b.acme.app\"\n[service.b]\ndepends_on = [\"service.a\", \"service.x\"]\nxyzzy = 1\n"), @r"
    mainstay.toml:2:1: this is not TOML: the value does not end (a quote, bracket or brace is missing at its end)
    mainstay.toml:4:28: unknown service `x` (declared: `a` and `b`)
    mainstay.toml:5:1: unknown key `xyzzy` in service.b (keys here: `title`, `group`, `hosts`, `wildcard_samples`, `depends_on`, `schedule`, `escalation`, `runbook`, `location`, `public`, `traffic`, `offline` and `http`)
    ");
    assert_snapshot!(problems("[escalation.default]\nsteps = [\n    { people = [\"ana\"] }\n    { people = [\"bo\"] }\n]\nrepeat = 200\n"), @r"
    mainstay.toml:4:5: this is not TOML: missing comma between array elements (expected `,`)
    mainstay.toml:6:10: `repeat` must be an integer from 0 to 100, not 200 (for example: repeat = 3)
    ");
    assert_snapshot!(problems("[status_page]\ntitle = \"\"\"never ends\nhistory = \"90d\"\n[site]\nname = 5\n"), @r#"
    mainstay.toml:2:9: the text has a line break or control character (write it on one line)
    mainstay.toml:6:1: this is not TOML: invalid multi-line basic string (expected `"`)
    "#);
    assert_snapshot!(problems("[person.ana]\ncontacts = [\"ntfy:ana\"\n"), @r"mainstay.toml:2:23: this is not TOML: unclosed array (expected `]`)");
    assert_snapshot!(problems("[site]\nname = \"a\"\nname = \"b\"\n[site]\ntimezone = \"UTC\"\n"), @r"
    mainstay.toml:3:1: this key is defined twice (keep one of them)
    mainstay.toml:4:2: this key is defined twice (keep one of them)
    ");
    assert_snapshot!(problems("name = \"Acme\"\n= 3\n"), @r"
    mainstay.toml:1:1: `name` is outside of every section (it belongs in [site])
    mainstay.toml:2:1: this is not TOML: unquoted keys cannot be empty (expected letters, numbers, `-`, `_`)
    ");
    assert_snapshot!(problems("[site]\nname = \"Acme\nlisten = 5\n"), @r#"
    mainstay.toml:2:13: this is not TOML: invalid basic string (expected `"`)
    mainstay.toml:3:10: `listen` must be an address with a port: "127.0.0.1:8080", not a number without quotes (for example: listen = "127.0.0.1:8080")
    "#);
}

#[test]
fn unknown_keys_and_sections_are_reported() {
    assert_snapshot!(problems("[services.auth]\nhosts = [\"a.acme.com\"]\n"), @r"mainstay.toml:1:2: unknown section `services` (did you mean `service`?)");
    assert_snapshot!(problems("hosts = [\"a.acme.com\"]\n"), @r"mainstay.toml:1:1: `hosts` is outside of every section (it belongs in [service.NAME])");
    assert_snapshot!(problems("[service]\nhosts = [\"a.acme.com\"]\n"), @r"mainstay.toml:2:1: service.hosts must be a section, not a list (it belongs in a section with a name: [service.NAME])");
    assert_snapshot!(problems("[service.\"my auth\"]\nhosts = [\"a.acme.com\"]\n"), @r"mainstay.toml:1:10: `my auth` is not a name for a service (letters, digits, - and _, 64 at most)");
    assert_snapshot!(problems("[[service]]\nhosts = [\"a.acme.com\"]\n"), @r"mainstay.toml:1:1: `service` must be a section per name, not a list (write [service.NAME])");
    assert_snapshot!(problems("site = 5\n"), @r"mainstay.toml:1:8: `site` must be a section, not a number without quotes (write [site] on a line of its own, once)");
    assert_snapshot!(problems("[site]\nresolvers = [\"9.9.9.9:53\"]\nxyzzy = 1\n"), @r"
    mainstay.toml:2:1: unknown key `resolvers` in site (it belongs in [dns])
    mainstay.toml:3:1: unknown key `xyzzy` in site (keys here: `name`, `timezone`, `data`, `listen`, `url`, `extra_ca_files`, `allow_private` and `dead_mans_switch`)
    ");
    assert_snapshot!(problems("[service.auth]\nhosts = \"a.acme.com\"\npublic = \"yes\"\nwildcard_samples = [5]\n"), @r#"
    mainstay.toml:2:9: `hosts` must be a list, each a host name such as "auth.acme.com", not text (write it as a list: hosts = ["a.acme.com"])
    mainstay.toml:3:10: `public` must be true or false, not text (for example: public = false)
    mainstay.toml:4:21: `wildcard_samples` must be a host name such as "auth.acme.com", not a number without quotes (for example: wildcard_samples = ["demo.acme.app"])
    "#);
}

#[test]
fn unsupported_keys_are_rejected() {
    assert_snapshot!(problems(r#"
[service.auth]
hosts = ["auth.acme.com"]
depends_on = ["heartbeat.nightly", "host.acme.com", "mail"]
[pool.auth]
from = "haproxy:http://10.0.0.2:8404/stats;csv"
min_healthy = 4
[database.main]
url = "env:X"
backup = { from = "pgbackrest:main" }
[heartbeat.nightly]
cron = "0 3 * * *"
[person.ana]
contacts = ["ntfy:ana", "sms:+3725550100"]
[schedule.platform]
[[schedule.platform.layer]]
people = ["ana"]
start = 2026-10-26T09:00:00
rotation = "1 week"
[channel.ntfy]
ntfy = "https://ntfy.sh"
[channel.twilio]
twilio = "https://api.twilio.com"
account = "AC"
from = "+372"
[probe.x]
http = "https://acme.com"
plugin = "check_x"
"#), @r#"
    mainstay.toml:4:36: `host.acme.com`: a service cannot depend on a host by name (name the service that it belongs to: depends_on = ["service.mail"])
    mainstay.toml:4:53: `mail` is not a resource (write "service.mail")
    mainstay.toml:22:10: channel.twilio has no `secret` (add secret = "env:TWILIO_TOKEN", the auth token of the account)
    mainstay.toml:24:11: `AC` is not an account of Twilio (the account SID of Twilio's console: AC and 32 hexadecimal digits)
    mainstay.toml:25:8: `+372` is not a phone number (with country code and without spaces: "+3725550000")
    mainstay.toml:28:1: `plugin` (Nagios plugins as probes) is not supported by this version (remove it for now; no key is ignored silently)
    "#);
}

#[test]
fn schedules_are_checked() {
    assert_snapshot!(problems(r#"
[channel.ntfy]
ntfy = "https://ntfy.sh"
[person.ana]
contacts = ["ntfy:ana"]
away = [{ from = 2026-12-20T00:00:00, to = 2026-12-20 }, { from = "soon" }]
[schedule.platform]
[[schedule.platform.layer]]
people = [["ana", "bob"], 5]
start = 2026-10-26T09:00:00
rotation = "1 week"
restrictions = [{ days = ["mon", "monday"] }, { days = [], from = "9:00" }, { hours = "09:00-17:00" }]
[[schedule.platform.override]]
from = 2026-12-24T18:00:00
to = 2026-12-24T17:00:00
replace = { ana = "cy" }
[[schedule.platform.override]]
from = 2026-12-24T18:00:00
to = 2026-12-24T19:00:00
[[schedule.platform.override]]
from = 2026-12-24T18:00:00
to = 2026-12-24T19:00:00
add = ["ana"]
only = []
[[schedule.platform.override]]
from = 2026-12-24T18:00:00
to = 2026-12-24T19:00:00
replace = {}
"#), @r#"
    mainstay.toml:6:44: it ends before it begins (a time after `from`, 2026-12-20T00:00:00)
    mainstay.toml:6:58: person.ana.away lacks `to` (for example: to = 2026-12-27T00:00:00)
    mainstay.toml:6:67: `from` must be a local date and time, not text (without quotes: from = 2026-12-20T00:00:00)
    mainstay.toml:9:19: unknown person `bob` (declared: `ana`)
    mainstay.toml:9:27: `people` must be the name of a person, not a number without quotes (for example: people = ["ana", ["bo", "cy"]])
    mainstay.toml:12:34: `monday` is not a value of `days` ("mon", "tue", "wed", "thu", "fri", "sat" or "sun")
    mainstay.toml:12:56: `days` is empty (for example: days = ["mon", "tue"])
    mainstay.toml:12:67: `9:00` is not a time of day (for example: from = "09:00")
    mainstay.toml:12:79: unknown key `hours` in schedule.platform.layer.restrictions (keys here: `days`, `from` and `to`)
    mainstay.toml:15:6: it ends before it begins (a time after `from`, 2026-12-24T18:00:00)
    mainstay.toml:16:1: unknown person `cy` (declared: `ana`)
    mainstay.toml:17:1: the override changes nothing (add one of `replace`, `add`, `remove` and `only`: replace = { ana = "bo" })
    mainstay.toml:24:1: an override has one of `add` and `only` (write several overrides, in the order in which they apply)
    mainstay.toml:28:11: `replace` is empty (for example: replace = { ana = "bo" })
    "#);
}

#[test]
fn calls_come_from_a_number() {
    assert_snapshot!(problems(r#"
[channel.call]
twilio = "https://api.twilio.com"
account = "AC0123456789abcdef0123456789abcdef"
secret = "env:TWILIO_TOKEN"
from = "MG0123456789abcdef0123456789abcdef"
[channel.sms]
twilio = "https://api.twilio.com"
account = "AC0123456789abcdef0123456789abcdef"
secret = "env:TWILIO_TOKEN"
from = "MG0123456789abcdef0123456789abcdef"
[channel.desk]
twilio = "https://api.twilio.com"
account = "AC0123456789abcdef0123456789abcdef"
secret = "env:TWILIO_TOKEN"
medium = "sms"
from = "MG0123456789abcdef0123456789abcdef"
"#), @r#"
    mainstay.toml:6:1: channel.call calls, and a messaging service only writes (from = "+3725550000", a number of the account, or medium = "sms")
    "#);
}

#[test]
fn heartbeats_are_due_once_and_their_services_exist() {
    assert_snapshot!(problems(r#"
[heartbeat.a]
[heartbeat.b]
period = "1d"
cron = "0 3 * * *"
[heartbeat.c]
cron = "0 3 * *"
[heartbeat.d]
cron = "0 25 * * *"
severity = "high"
[heartbeat.e]
period = "1s"
service = "shop"
key = "hunter2"
[service.shop]
depends_on = ["heartbeat.nothing"]
"#), @r#"
    mainstay.toml:2:12: does not say when it is due (add `period = "1d"` or `cron = "0 3 * * *"`)
    mainstay.toml:5:1: both `period` and `cron` (keep one of them)
    mainstay.toml:7:8: `0 3 * *` is no crontab expression: it does not have five fields (minute, hour, day of the month, month, day of the week: "0 3 * * *")
    mainstay.toml:9:8: `0 25 * * *` is no crontab expression: Component error: Number out of bounds. (minute, hour, day of the month, month, day of the week: "0 3 * * *")
    mainstay.toml:10:12: `high` is not a value of `severity` ("info", "warning" or "critical")
    mainstay.toml:12:10: `period` must be a duration from 10s to 366d, not 1s (for example: period = "1d")
    mainstay.toml:14:7: a secret must not be written in the configuration (refer to it: "env:NAME" or "file:PATH"; replace this one, it may have been copied with the file)
    mainstay.toml:16:15: unknown heartbeat `nothing` (declared: `a`, `b`, `c`, `d` and `e`)
    "#);
    assert_snapshot!(warnings("[site]\nlisten = \"0.0.0.0:80\"\n[heartbeat.a]\nperiod = \"1d\"\ntimezone = \"UTC\"\n[heartbeat.b]\ncron = \"@daily\"\nkey = \"env:X\"\n"), @r#"
    mainstay.toml:3:12: everybody who reaches this site can report for `a` at /ping/a (add a secret: key = "env:NAME"; its URL is then /ping/SECRET)
    mainstay.toml:5:12: `timezone` is of `cron` (remove it)
    "#);
}

#[test]
fn databases_have_secret_urls_and_known_backups() {
    assert_snapshot!(problems(r#"
[service.auth]
hosts = ["auth.acme.com"]
depends_on = ["database.mian"]
[database.main]
url = "postgres://mainstay:hunter2@db1/postgres"
replicas = ["env:REPLICA", "redis://:hunter2@db2"]
backup = { from = "barman:main", max_age = "1s" }
connections_percent = 101
[database.other]
replicas = []
backup = { max_age = "12h" }
[database.third]
backup = { from = "file:dumps/*.gz" }
[database.fourth]
backup = { from = "file:/var/*/main.dump" }
[database.fifth]
backup = { from = "file:/var/backups/" }
"#), @r#"
    mainstay.toml:4:15: unknown database `mian` (did you mean `main`?)
    mainstay.toml:6:7: a secret must not be written in the configuration (refer to it: "env:NAME" or "file:PATH"; replace this one, it may have been copied with the file)
    mainstay.toml:7:28: a secret must not be written in the configuration (refer to it: "env:NAME" or "file:PATH"; replace this one, it may have been copied with the file)
    mainstay.toml:8:19: `barman:main` is no source of backups that mainstay knows (write "pgbackrest:STANZA", "file:/PATH/*.dump" or "heartbeat:NAME")
    mainstay.toml:8:44: `max_age` must be a duration from 1m to 366d, not 1s (for example: max_age = "12h")
    mainstay.toml:9:23: `connections_percent` must be an integer from 1 to 100, not 101 (for example: connections_percent = 90)
    mainstay.toml:10:11: database.other lacks `url` (for example: url = "env:MAIN_DB_URL")
    mainstay.toml:12:10: database.other.backup lacks `from` (for example: from = "pgbackrest:main")
    mainstay.toml:13:11: database.third lacks `url` (for example: url = "env:MAIN_DB_URL")
    mainstay.toml:14:19: `dumps/*.gz` names no files (an absolute path with `*` and `?` in its last part: "file:/var/backups/main/*.dump")
    mainstay.toml:15:11: database.fourth lacks `url` (for example: url = "env:MAIN_DB_URL")
    mainstay.toml:16:19: the folder `/var/*` has wildcards (an absolute path with `*` and `?` in its last part: "file:/var/backups/main/*.dump")
    mainstay.toml:17:11: database.fifth lacks `url` (for example: url = "env:MAIN_DB_URL")
    mainstay.toml:18:19: `/var/backups/` names no files (an absolute path with `*` and `?` in its last part: "file:/var/backups/main/*.dump")
    "#);
}

#[test]
fn job_of_backups_must_exist() {
    assert_snapshot!(problems(r#"
[database.main]
url = "env:MAIN_DB_URL"
backup = { from = "heartbeat:nightly-bakcup" }
[database.other]
url = "env:OTHER_DB_URL"
backup = { from = "heartbeat:a job" }
[heartbeat.nightly-backup]
period = "1d"
"#), @r#"
    mainstay.toml:4:19: unknown heartbeat `nightly-bakcup` (did you mean `nightly-backup`?)
    mainstay.toml:7:19: what follows `heartbeat:` is not the name of a heartbeat (the name of a section [heartbeat.NAME]: "heartbeat:nightly-backup")
    "#);
}

#[test]
fn invalid_values_are_reported() {
    assert_snapshot!(problems(r#"
[site]
listen = ":8080"
url = "status.acme.net"
allow_private = ["10.0.0.0/33"]
name = ""
[dns]
resolvers = ["dns.acme.com:53"]
roots = ["1.2.3.4:53"]
port = 70000
[registry]
rdap = { app = "ftp://x" }
whois = "whois.gg"
[probe_defaults]
http = "1ms"
failure_threshold = 0
tls = 3600
[status_page]
history = "10y"
[channel.a]
ntfy = "https://ana:hunter2@ntfy.sh"
[domain."acme.app"]
expires = "2027-03-01"
[domain."www.acme.app"]
expires = 2027-03-01
[domain."co.uk"]
"#), @r#"
    mainstay.toml:3:10: `:8080` is not an address with a port (write the address too: "127.0.0.1:8080")
    mainstay.toml:4:7: `status.acme.net` is not a URL (write the scheme too: "https://status.acme.net")
    mainstay.toml:5:18: `10.0.0.0/33` is not a CIDR range (for example: "10.0.0.0/8" or "10.1.2.3")
    mainstay.toml:6:8: the text is empty (for example: name = "Acme")
    mainstay.toml:8:14: `dns.acme.com:53` is not an address with a port (resolvers are addresses, not names: "9.9.9.9:53")
    mainstay.toml:9:10: `1.2.3.4:53` is not an address (an address without a port; the port is `port`)
    mainstay.toml:10:8: `port` must be an integer from 1 to 65535, not 70000 (for example: port = 53)
    mainstay.toml:12:16: `ftp://x` is not a URL: only http and https are supported (for example: rdap = { io = "https://rdap.identitydigital.services/rdap/" })
    mainstay.toml:13:9: `whois` must be a table: a host, with a port if it is not 43 by top-level domain, not text (for example: whois = { gg = "whois.gg" })
    mainstay.toml:15:8: `http` must be a duration from 50ms to 7d, not 1ms (for example: http = "30s")
    mainstay.toml:16:21: `failure_threshold` must be an integer from 1 to 100, not 0 (for example: failure_threshold = 3)
    mainstay.toml:17:7: `tls` must be a duration from 50ms to 7d, not a number without quotes (for example: tls = "1h")
    mainstay.toml:19:11: `10y` has no fixed length (months and years differ in length; use days or weeks: "30d")
    mainstay.toml:21:8: an address with a user name or password inside (secrets are not written in the configuration: use `secret = "env:NAME"`)
    mainstay.toml:23:11: `expires` must be a date, not text (without quotes: expires = 2027-03-01)
    mainstay.toml:24:9: `www.acme.app` is below a registered domain, not one itself (the registered domain is "acme.app")
    mainstay.toml:26:9: `co.uk` cannot be registered (one label below a public suffix: "acme.app")
    "#);
}

#[test]
fn hosts_and_samples() {
    assert_snapshot!(problems(r#"
[service.a]
hosts = ["https://auth.acme.com/x", "*.acme.app", "a.*.com", "10.0.0.300", "auth.acme.com:99999", "m\u00fcnchen.de"]
wildcard_samples = ["demo.acme.org", "*.acme.app"]
"#), @r#"
    mainstay.toml:3:10: `https://auth.acme.com/x` is a URL, not a host name (write the name only: "auth.acme.com")
    mainstay.toml:3:37: `*.acme.app` has no sample: a wildcard cannot be probed (add existing names: wildcard_samples = ["demo.acme.app"])
    mainstay.toml:3:51: `a.*.com` has a `*` in the wrong place (`*` replaces the whole first label: "*.acme.app")
    mainstay.toml:3:62: `10.0.0.300` is not a host name: it looks like an address but is not one (for example: hosts = ["auth.acme.com", "*.acme.app"])
    mainstay.toml:3:76: `99999` is not a port (a number from 1 to 65535 after the colon)
    mainstay.toml:3:99: `münchen.de` is not a host name: it has characters outside of ASCII (write it in its ASCII form, which begins with xn--)
    mainstay.toml:4:21: the sample `demo.acme.org` is below no wildcard of this service (declare it as a host: hosts = ["demo.acme.org"])
    mainstay.toml:4:38: a sample is a host name without `*` (for example: wildcard_samples = ["demo.acme.app"])
    "#);
}

#[test]
fn an_empty_list_of_samples_is_none() {
    assert!(
        problems("[service.a]\nhosts = [\"*.acme.app\"]\nwildcard_samples = []\n").contains("has no sample")
    );
    assert!(
        !problems("[service.a]\nhosts = [\"*.acme.app\"]\nwildcard_samples = [5]\n")
            .contains("has no sample")
    );
}

#[test]
fn invalid_probes_are_reported() {
    assert_snapshot!(problems(r#"
[probe.none]
interval = "30s"
[probe.both]
http = "https://acme.com"
tcp = "acme.com:25"
[probe.portless]
tcp = "acme.com"
[probe.deep]
domain = "www.acme.com"
[probe.expects]
tls = "acme.com"
expect = { status = [200] }
[probe.status]
http = "https://acme.com"
expect = { status = [20, "200"], max_latency = "0s" }
service = "auht"
[probe.a]
dns = "acme.com"
[probe.b]
dns = "acme.com"
[service.auth]
hosts = ["auth.acme.com"]
"#), @r#"
    mainstay.toml:2:8: probe.none has no target (add one of http, tcp, dns, tls, domain, nut: http = "https://shop.acme.com/health")
    mainstay.toml:6:1: probe.both has both `http` and `tcp` (a probe has one target: declare two probes)
    mainstay.toml:8:7: `acme.com` has no port (for example: tcp = "acme.com:25")
    mainstay.toml:10:10: `www.acme.com` is below a registered domain, not one itself (the registered domain is "acme.com")
    mainstay.toml:13:1: `expect` belongs to `http` only (remove it, or use `http`)
    mainstay.toml:16:22: `status` must be an integer from 100 to 599, not 20 (for example: status = [200, 204])
    mainstay.toml:16:26: `status` must be an integer from 100 to 599, not text (for example: status = [200, 204])
    mainstay.toml:16:48: `max_latency` must be a duration from 1ms to 2m, not 0s (for example: max_latency = "2s")
    mainstay.toml:17:11: unknown service `auht` (did you mean `auth`?)
    mainstay.toml:20:8: two probes of dns.acme.com (keep one of them)
    "#);
}

#[test]
fn invalid_team_is_reported() {
    assert_snapshot!(problems(r#"
[channel.ntfy]
ntfy = "https://ntfy.sh"
[channel.nowhere]
secret = "env:X"
[channel.two]
ntfy = "https://ntfy.sh"
webhook = "https://x.acme.com"
[person.ana]
contacts = ["ntfy:ana bell"]
[person.bo]
contacts = []
[person.cy]
name = "Cy"
[schedule.empty]
[schedule.wrong]
layer = [{ people = ["anna"], start = 2026-10-26T09:00:00Z, rotation = "1 fortnight" }, { people = [], start = "2026-10-26", rotation = "1 day" }]
[schedule.over]
layer = [{ people = ["ana"], start = 2026-10-26T09:00:00, rotation = "1 day", until = 2026-10-25T09:00:00 }]
[escalation.default]
steps = []
[escalation.other]
steps = [{}, { schedules = ["empt"], prefer = "asleep", escalate_after = "0s" }]
fallback = ["phone:1"]
[service.auth]
hosts = ["auth.acme.com"]
schedule = "emty"
escalation = "defualt"
"#), @r#"
    mainstay.toml:4:10: channel.nowhere has no destination (add ntfy = "https://ntfy.sh" or webhook = "https://..." or smtp = "smtps://..." or twilio = "https://api.twilio.com")
    mainstay.toml:8:1: channel.two is both `ntfy` and `webhook` (a channel has one type: declare two channels)
    mainstay.toml:10:13: `ana bell` is not an ntfy topic (letters, digits, - and _ after the colon: "ntfy:ana")
    mainstay.toml:12:12: `contacts` is empty (for example: contacts = ["ntfy:ana"])
    mainstay.toml:13:9: person.cy lacks `contacts` (for example: contacts = ["ntfy:ana"])
    mainstay.toml:15:11: schedule.empty lacks `layer` (for example: layer = [{ people = ["ana", "bo"], start = 2026-10-26T09:00:00, rotation = "1 week" }])
    mainstay.toml:17:22: unknown person `anna` (did you mean `ana`?)
    mainstay.toml:17:39: a local time has no offset (the schedule's `timezone` applies to it: 2026-10-26T09:00:00)
    mainstay.toml:17:72: `1 fortnight` is not a rotation (a number and hours, days, weeks or months: "1 week", "8 hours")
    mainstay.toml:17:112: `start` must be a local date and time, not text (without quotes: start = 2026-10-26T09:00:00)
    mainstay.toml:19:87: the layer ends before its first shift begins (a time after `start`, 2026-10-26T09:00:00)
    mainstay.toml:21:9: `steps` is empty (for example: steps = [{ schedules = ["platform"], escalate_after = "5m" }])
    mainstay.toml:23:10: the step has neither schedules nor people (add `schedules` or `people`: { schedules = ["platform"], escalate_after = "5m" })
    mainstay.toml:23:29: unknown schedule `empt` (did you mean `empty`?)
    mainstay.toml:23:47: `asleep` is not a value of `prefer` (only: prefer = "awake")
    mainstay.toml:23:74: `escalate_after` must be a duration from 100ms to 1d, not 0s (for example: escalate_after = "5m")
    mainstay.toml:24:13: unknown channel `phone` (declared: `nowhere`, `ntfy` and `two`)
    mainstay.toml:27:12: unknown schedule `emty` (did you mean `empty`?)
    mainstay.toml:28:14: unknown escalation `defualt` (did you mean `default`?)
    "#);
}

#[test]
fn dependency_cycles_are_reported() {
    assert_snapshot!(problems("[service.a]\ndepends_on = [\"service.b\"]\n[service.b]\ndepends_on = [\"service.c\"]\n[service.c]\ndepends_on = [\"service.a\"]\n"), @r"mainstay.toml:6:15: dependency cycle: a -> b -> c -> a (remove one dependency: which service works without the other?)");
    assert_snapshot!(problems("[service.a]\ndepends_on = [\"service.a\"]\n"), @r"mainstay.toml:2:15: `a` depends on itself (remove one dependency: which service works without the other?)");
}

/// An exception for a resource that does not exist would never hold, and nobody would notice.
#[test]
fn exception_for_an_unknown_resource_is_reported() {
    let text = |resource: &str| {
        format!(
            "[service.auth]\nhosts = [\"auth.acme.com\"]\n[database.main]\nurl = \"env:MAIN\"\n[person.ana]\ncontacts = [\"ntfy:ana\"]\n\
             [channel.ntfy]\nntfy = \"https://ntfy.sh\"\n[probe.status]\ndomain = \"acme.net\"\nservice = \"auth\"\n\
             [[audit.exceptions]]\ncriterion = \"single-database\"\nresource = \"{resource}\"\nowner = \"ana\"\nuntil = 2027-01-01\nwhy = \"ordered\"\n"
        )
    };
    for known in [
        "database.main",
        "service.auth",
        "domain.acme.com",
        "domain.acme.net",
        "tls.auth.acme.com",
        "mainstay.here",
    ] {
        assert!(config::read(&text(known), "mainstay.toml", Path::new(".")).is_ok(), "{known}");
    }
    assert_snapshot!(problems(&text("database.mian")), @"mainstay.toml:14:12: unknown database `mian` (did you mean `main`?)");
    assert_snapshot!(problems(&text("mainstay.her")), @r#"mainstay.toml:14:12: unknown resource `mainstay.her` (findings about mainstay itself have the resource "mainstay.here")"#);
    assert_snapshot!(problems(&text("domain.acme.org")), @"mainstay.toml:14:12: unknown domain `acme.org` (did you mean `acme.com`?)");
}

#[test]
fn invalid_power_supplies_are_reported() {
    assert_snapshot!(problems(r#"
[probe.bare]
nut = "rack"
[probe.named]
nut = "rack one@10.0.0.3"
[probe.placed]
nut = "rack@"
[probe.secret]
nut = "rack@10.0.0.3"
login = "mainstay:password"
[probe.login]
tcp = "acme.com:25"
login = "env:NUT_LOGIN"
"#), @r#"
    mainstay.toml:3:7: `rack` has no `@` between the UPS and the host of upsd (for example: nut = "rack@10.0.0.3")
    mainstay.toml:5:7: `rack one` is not the name of a UPS (for example: nut = "rack@10.0.0.3")
    mainstay.toml:7:7: `` is not a host name: it must have 1 to 253 characters (for example: nut = "rack@10.0.0.3")
    mainstay.toml:10:9: a secret must not be written in the configuration (refer to it: "env:NAME" or "file:PATH"; replace this one, it may have been copied with the file)
    mainstay.toml:13:1: `login` belongs to `http` and `nut` only (remove it, or use `http` or `nut`)
    "#);
}

#[test]
fn phones_and_chats_have_what_they_need() {
    assert_snapshot!(problems(r#"
[service.auth]
hosts = ["auth.acme.com"]
[person.ana]
contacts = ["call:0725550100", "sms:+3725550100", "room:ops", "bot:ana", "bot:@ops", "bot:-100123"]
[channel.call]
twilio = "https://api.twilio.com/2010-04-01"
account = "AC0123456789abcdef0123456789abcdef"
secret = "env:TWILIO_TOKEN"
from = "+3725550000"
[channel.room]
slack = "env:SLACK_URL"
secret = "env:X"
[channel.bot]
telegram = "https://api.telegram.org"
[channel.other]
ntfy = "https://ntfy.sh"
medium = "sms"
from = "+3725550000"
"#), @r#"
    mainstay.toml:5:13: `0725550100` is not a phone number (with country code and without spaces: "call:+3725550100")
    mainstay.toml:5:51: `ops` is not an address of this chat (its webhook belongs to one room already: "room")
    mainstay.toml:5:63: `ana` is not a chat of Telegram (its id, which the bot gets with the first message: "bot:123456789")
    mainstay.toml:7:1: `https://api.twilio.com/2010-04-01` is not the root of the API (twilio = "https://api.twilio.com")
    mainstay.toml:13:1: channel.room has two secrets: the URL of `slack` is one (remove `secret`)
    mainstay.toml:14:10: channel.bot has no `secret` (add secret = "env:TELEGRAM_TOKEN", the token that @BotFather gave)
    mainstay.toml:18:1: channel.other has `medium` and no `twilio` (add twilio = "https://api.twilio.com", or remove `medium`)
    mainstay.toml:19:1: channel.other has a sender and no `smtp` or `twilio` (add smtp = "smtps://...", or remove `from`)
    "#);
    assert_snapshot!(problems(r#"
[service.auth]
hosts = ["auth.acme.com"]
[person.ana]
contacts = ["call:+3725550100"]
"#), @r#"mainstay.toml:5:13: no channel calls phones or sends SMS for `call:` (declare it: [channel.call] twilio = "https://api.twilio.com", account = "AC...", secret = "env:TWILIO_TOKEN", from = "+3725550000")"#);
}
