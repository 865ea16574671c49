//! Invalid configurations and their messages.

use crate::problems;
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
interval = "30 sec"
"#;

#[test]
fn invalid_values_of_the_status_page_are_reported() {
    assert_snapshot!(problems("[site]\nurl = \"https://acme.net/status/\"\n[status_page]\npublish = \"sometimes\"\n"), @r#"
    mainstay.toml:2:7: the status page cannot stand below a path (give it a name of its own: "https://status.acme.net")
    mainstay.toml:4:11: `sometimes` is not a way to publish ("automatic", "approve" or "manual")
    "#);
}

#[test]
fn seven_mistakes_are_seven_problems_with_position_and_hint() {
    assert_snapshot!(problems(SEVEN), @r#"
    mainstay.toml:3:8: unknown time zone `Europe/Talinn` (did you mean `Europe/Tallinn`?)
    mainstay.toml:6:27: `*.acme.app` has no sample: a star cannot be asked (name some that exist: samples = ["demo.acme.app"])
    mainstay.toml:7:10: unknown service `mial` (did you mean `mail`?)
    mainstay.toml:10:1: unknown key `host` in service.mail (did you mean `hosts`?)
    mainstay.toml:14:10: a secret must not stand in the configuration (write where it is: "env:NAME" or "file:PATH"; this one should be replaced, since files are copied around)
    mainstay.toml:17:10: unknown channel `nfty` (did you mean `ntfy`?)
    mainstay.toml:21:9: `30 sec` is not a span of time (a number and ms, s, m, h, d or w: "30s", "1h 30m")
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
    mainstay.toml:7:1: unknown key `histroy` in status page (did you mean `history`?)
    "#);
    // The syntax error is in `auth`: problems elsewhere are reported, possible consequences of it are not.
    assert_snapshot!(problems(BROKEN), @r#"
    mainstay.toml:4:27: this is not TOML: invalid basic string (expected `"`)
    mainstay.toml:5:10: unknown service `mial` (did you mean `mail`?)
    mainstay.toml:7:10: `*.acme.com` has no sample: a star cannot be asked (name some that exist: samples = ["demo.acme.com"])
    mainstay.toml:8:13: this is not TOML: unclosed table (expected `]`)
    mainstay.toml:10:8: probe.nothing asks nothing (give it one of http, tcp, dns, tls, domain: http = "https://shop.acme.com/health")
    "#);
    assert_snapshot!(problems("[service.a]\nhosts = [\"*.acme.app\", \"b.acme.app\"\n[service.b]\ndepends_on = [\"service.a\", \"service.x\"]\nxyzzy = 1\n"), @r#"
    mainstay.toml:2:1: this is not TOML: the value does not end (a quote, bracket or brace is missing at its end)
    mainstay.toml:4:23: unknown service `x` (there is `a` and `b`)
    mainstay.toml:5:1: unknown key `xyzzy` in service.b (known here: `title`, `group`, `hosts`, `samples`, `needs`, `schedule`, `escalation`, `public`, `guard` and `http`)
    "#);
    assert_snapshot!(problems("[escalation.default]\nsteps = [\n    { people = [\"ana\"] }\n    { people = [\"bo\"] }\n]\nrepeat = 200\n"), @r#"
    mainstay.toml:4:5: this is not TOML: missing comma between array elements (expected `,`)
    mainstay.toml:6:10: `repeat` wants a whole number from 0 to 100, not 200 (for example: repeat = 3)
    "#);
    assert_snapshot!(problems("[status_page]\ntitle = \"\"\"never ends\nhistory = \"90d\"\n[site]\nname = 5\n"), @r#"
    mainstay.toml:2:9: the text holds a line break or control character (write it on one line)
    mainstay.toml:6:1: this is not TOML: invalid multi-line basic string (expected `"`)
    "#);
    assert_snapshot!(problems("[person.ana]\ncontacts = [\"ntfy:ana\"\n"), @r"mainstay.toml:2:20: this is not TOML: unclosed array (expected `]`)");
    assert_snapshot!(problems("[site]\nname = \"a\"\nname = \"b\"\n[site]\ntimezone = \"UTC\"\n"), @r#"
    mainstay.toml:3:1: this name was given before (keep one of them)
    mainstay.toml:4:2: this name was given before (keep one of them)
    "#);
    assert_snapshot!(problems("name = \"Acme\"\n= 3\n"), @r#"
    mainstay.toml:1:1: `name` stands outside of every section (it belongs into [site])
    mainstay.toml:2:1: this is not TOML: unquoted keys cannot be empty (expected letters, numbers, `-`, `_`)
    "#);
    assert_snapshot!(problems("[site]\nname = \"Acme\nlisten = 5\n"), @r#"
    mainstay.toml:2:13: this is not TOML: invalid basic string (expected `"`)
    mainstay.toml:3:10: `listen` wants an address and a port: "127.0.0.1:8080", not a number without quotes (for example: listen = "127.0.0.1:8080")
    "#);
}

#[test]
fn unknown_keys_and_sections_are_reported() {
    assert_snapshot!(problems("[services.auth]\nhosts = [\"a.acme.com\"]\n"), @r"mainstay.toml:1:2: unknown section `services` (did you mean `service`?)");
    assert_snapshot!(problems("hosts = [\"a.acme.com\"]\n"), @r"mainstay.toml:1:1: `hosts` stands outside of every section (it belongs into [service.NAME])");
    assert_snapshot!(problems("[service]\nhosts = [\"a.acme.com\"]\n"), @r"mainstay.toml:2:1: service.hosts wants a section, not a list (it belongs into a section with a name: [service.NAME])");
    assert_snapshot!(problems("[service.\"my auth\"]\nhosts = [\"a.acme.com\"]\n"), @r"mainstay.toml:1:10: `my auth` is not a name for a service (letters, digits, - and _, 64 at most)");
    assert_snapshot!(problems("[[service]]\nhosts = [\"a.acme.com\"]\n"), @r"mainstay.toml:1:1: `service` wants a section for each name, not a list (write [service.NAME])");
    assert_snapshot!(problems("site = 5\n"), @r"mainstay.toml:1:8: `site` wants a section, not a number without quotes (write [site] on a line of its own, once)");
    assert_snapshot!(problems("[site]\nresolvers = [\"9.9.9.9:53\"]\nxyzzy = 1\n"), @r#"
    mainstay.toml:2:1: unknown key `resolvers` in site (it belongs into [dns])
    mainstay.toml:3:1: unknown key `xyzzy` in site (known here: `name`, `zone`, `data`, `listen`, `url`, `trust` and `inner`)
    "#);
    assert_snapshot!(problems("[service.auth]\nhosts = \"a.acme.com\"\npublic = \"yes\"\nwildcard_samples = [5]\n"), @r#"
    mainstay.toml:2:9: `hosts` wants a list: a name such as "auth.acme.com", not text (write it as a list: hosts = ["a.acme.com"])
    mainstay.toml:3:10: `public` wants true or false, not text (for example: public = false)
    mainstay.toml:4:12: `samples` wants a name such as "auth.acme.com", not a number without quotes (for example: samples = ["demo.acme.app"])
    "#);
}

#[test]
fn unsupported_keys_are_rejected() {
    assert_snapshot!(problems(r#"
[service.auth]
hosts = ["auth.acme.com"]
depends_on = ["database.main", "host.acme.com", "mail"]
[pool.auth]
from = "haproxy:http://10.0.0.2:8404/stats;csv"
min_healthy = 4
[database.main]
url = "env:X"
[heartbeat.nightly]
cron = "0 3 * * *"
[person.ana]
contacts = ["ntfy:ana", "sms:+3725550100"]
[schedule.platform]
[[schedule.platform.layer]]
people = ["ana"]
start = 2026-10-26T09:00:00
rotation = "1 week"
restrictions = [{ days = ["mon"] }]
[[schedule.platform.override]]
from = 2026-12-24T18:00:00
[channel.ntfy]
ntfy = "https://ntfy.sh"
[channel.twilio]
twilio = "https://api.twilio.com"
account = "AC"
from = "+372"
[probe.x]
http = "https://acme.com"
expect = { json = { a = 1 } }
"#), @r#"
    mainstay.toml:4:10: `database.main`: databases are not served by this version (take it out for now; nothing is ignored silently)
    mainstay.toml:4:27: `host.acme.com`: a service cannot need a host by name (name the service that it belongs to: depends_on = ["service.mail"])
    mainstay.toml:4:44: `mail` does not say what kind of thing it is (write "service.mail")
    mainstay.toml:6:1: `from` (somebody else's balancer) is not served by this version (take it out for now; nothing is ignored silently)
    mainstay.toml:8:2: `database` (databases with replicas and backups) is not served by this version (take it out for now; nothing is ignored silently)
    mainstay.toml:10:2: `heartbeat` (signs of life of scheduled jobs) is not served by this version (take it out for now; nothing is ignored silently)
    mainstay.toml:13:22: unknown channel `sms`: telephones are not served by this version (reach people over an ntfy or webhook channel for now)
    mainstay.toml:19:1: `only` (hours of the week within a layer) is not served by this version (take it out for now; nothing is ignored silently)
    mainstay.toml:20:17: `override` (exchanges of single shifts in the configuration) is not served by this version (take it out for now; nothing is ignored silently)
    mainstay.toml:25:1: `twilio` (calls and short messages through Twilio) is not served by this version (take it out for now; nothing is ignored silently)
    mainstay.toml:26:1: `account` (accounts of telephone channels) is not served by this version (take it out for now; nothing is ignored silently)
    mainstay.toml:27:1: `from` (numbers of telephone channels) is not served by this version (take it out for now; nothing is ignored silently)
    mainstay.toml:30:12: `json` (values inside a JSON body) is not served by this version (take it out for now; nothing is ignored silently)
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
    mainstay.toml:4:7: `status.acme.net` is not a web address (write the scheme too: "https://status.acme.net")
    mainstay.toml:5:10: `10.0.0.0/33` is not a network (for example: "10.0.0.0/8" or "10.1.2.3")
    mainstay.toml:6:8: the text is empty (for example: name = "Acme")
    mainstay.toml:8:14: `dns.acme.com:53` is not an address with a port (resolvers are named by address, not by name: "9.9.9.9:53")
    mainstay.toml:9:10: `1.2.3.4:53` is not an address (an address alone; the port is `port`)
    mainstay.toml:10:8: `port` wants a whole number from 1 to 65535, not 70000 (for example: port = 53)
    mainstay.toml:12:16: `ftp://x` is not a web address: only http and https are (for example: rdap = { io = "https://rdap.identitydigital.services/rdap/" })
    mainstay.toml:13:9: `whois` wants a table: for each top-level domain a host, with a port where that is not 43, not text (for example: whois = { gg = "whois.gg" })
    mainstay.toml:15:8: `http` wants a span of time from 50ms to 7d, not 1ms (for example: http = "30s")
    mainstay.toml:16:14: `fail_after` wants a whole number from 1 to 100, not 0 (for example: failure_threshold = 3)
    mainstay.toml:17:7: `tls` wants a span of time from 50ms to 7d, not a number without quotes (for example: tls = "1h")
    mainstay.toml:19:11: `10y` is not a span of time (a number and ms, s, m, h, d or w: "30s", "1h 30m")
    mainstay.toml:21:8: an address with a user name or password inside (secrets do not stand in the configuration: use `secret = "env:NAME"`)
    mainstay.toml:23:11: `expires` wants a date, not text (without quotes: expires = 2027-03-01)
    mainstay.toml:24:9: `www.acme.app` is a name below a registration, not a registration (what was registered, and can be lost, is "acme.app")
    mainstay.toml:26:9: `co.uk` cannot be registered by anybody (a name one label below a public suffix: "acme.app")
    "#);
}

#[test]
fn hosts_and_samples() {
    assert_snapshot!(problems(r#"
[service.a]
hosts = ["https://auth.acme.com/x", "*.acme.app", "a.*.com", "10.0.0.300", "auth.acme.com:99999", "m\u00fcnchen.de"]
wildcard_samples = ["demo.acme.org", "*.acme.app"]
"#), @r#"
    mainstay.toml:3:10: `https://auth.acme.com/x` is a web address, not a name (write only the name: "auth.acme.com")
    mainstay.toml:3:37: `*.acme.app` has no sample: a star cannot be asked (name some that exist: samples = ["demo.acme.app"])
    mainstay.toml:3:51: `a.*.com` has a star where none can be (a star stands for the whole first label: "*.acme.app")
    mainstay.toml:3:62: `10.0.0.300` is not a host name: it looks like an address but is none (for example: hosts = ["auth.acme.com", "*.acme.app"])
    mainstay.toml:3:76: `99999` is not a port (a number from 1 to 65535 after the colon)
    mainstay.toml:3:99: `münchen.de` is not a host name: it has letters outside of ASCII (write it the way DNS does, beginning with xn--)
    mainstay.toml:4:12: the sample `demo.acme.org` lies below no wildcard of this service (ask it as a host: hosts = ["demo.acme.org"])
    mainstay.toml:4:29: a sample is a concrete name, without a star (for example: samples = ["demo.acme.app"])
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
    mainstay.toml:2:8: probe.none asks nothing (give it one of http, tcp, dns, tls, domain: http = "https://shop.acme.com/health")
    mainstay.toml:6:1: probe.both asks both `http` and `tcp` (one question a probe: make two probes of it)
    mainstay.toml:8:7: `acme.com` has no port (for example: tcp = "acme.com:25")
    mainstay.toml:10:10: `www.acme.com` is a name below a registration, not a registration (what was registered, and can be lost, is "acme.com")
    mainstay.toml:13:1: `expect` belongs to `http` only (take it out, or ask `http`)
    mainstay.toml:16:22: `status` wants a whole number from 100 to 599, not 20 (for example: status = [200, 204])
    mainstay.toml:16:26: `status` wants a whole number from 100 to 599, not text (for example: status = [200, 204])
    mainstay.toml:16:43: `within` wants a span of time from 1ms to 2m, not 0s (for example: max_latency = "2s")
    mainstay.toml:17:11: unknown service `auht` (did you mean `auth`?)
    mainstay.toml:20:8: two probes ask after dns.acme.com (keep one of them)
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
    mainstay.toml:4:10: channel.nowhere leads nowhere (give it ntfy = "https://ntfy.sh" or webhook = "https://...")
    mainstay.toml:8:1: channel.two is both `ntfy` and `webhook` (one kind a channel: make two channels of it)
    mainstay.toml:10:10: `ana bell` is not a topic of ntfy (letters, digits, - and _ after the colon: "ntfy:ana")
    mainstay.toml:12:9: `reach` is empty (for example: reach = ["ntfy:ana"])
    mainstay.toml:13:9: person.cy lacks `reach` (for example: reach = ["ntfy:ana"])
    mainstay.toml:15:7: rota.empty lacks `layer` (for example: layer = [{ people = ["ana", "bo"], start = 2026-10-26T09:00:00, every = "1 week" }])
    mainstay.toml:17:22: unknown person `anna` (did you mean `ana`?)
    mainstay.toml:17:39: a local time has no offset (the schedule's `zone` says which clock is meant: 2026-10-26T09:00:00)
    mainstay.toml:17:69: `1 fortnight` is not the length of a shift (a number and hours, days, weeks or months: "1 week", "8 hours")
    mainstay.toml:17:97: `people` is empty (for example: people = ["ana", "bo"])
    mainstay.toml:17:109: `start` wants a local date and time, not text (without quotes: start = 2026-10-26T09:00:00)
    mainstay.toml:19:84: the layer ends before its first shift begins (a moment after `start`, 2026-10-26T09:00:00)
    mainstay.toml:21:9: `steps` is empty (for example: steps = [{ schedules = ["platform"], wait = "5m" }])
    mainstay.toml:23:10: the step names nobody (give it `schedules` or `people`: { schedules = ["platform"], wait = "5m" })
    mainstay.toml:23:25: unknown schedule `empt` (did you mean `empty`?)
    mainstay.toml:23:43: nobody can be preferred by `asleep` (only: prefer = "awake")
    mainstay.toml:23:60: `wait` wants a span of time from 100ms to 1d, not 0s (for example: wait = "5m")
    mainstay.toml:24:16: unknown channel `phone` (there is `nowhere`, `ntfy` and `two`)
    mainstay.toml:27:8: unknown schedule `emty` (did you mean `empty`?)
    mainstay.toml:28:10: unknown escalation `defualt` (did you mean `default`?)
    "#);
}

#[test]
fn dependency_cycles_are_reported() {
    assert_snapshot!(problems("[service.a]\ndepends_on = [\"service.b\"]\n[service.b]\ndepends_on = [\"service.c\"]\n[service.c]\ndepends_on = [\"service.a\"]\n"), @r"mainstay.toml:6:10: services need each other in a circle: a -> b -> c -> a (take out the need that is not one: what works without the other?)");
    assert_snapshot!(problems("[service.a]\ndepends_on = [\"service.a\"]\n"), @r"mainstay.toml:2:10: `a` needs itself (take out the need that is not one: what works without the other?)");
}
