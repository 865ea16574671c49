//! Warnings of valid configurations.

use crate::warnings;
use insta::assert_snapshot;

#[test]
fn configuration_without_people_warns() {
    assert_snapshot!(warnings("[service.auth]\nhosts = [\"auth.acme.app\"]\n"), @r#"mainstay.toml:1:10: nobody will be woken: the configuration names no person (add a channel and a person: [channel.ntfy] ntfy = "https://ntfy.sh", [person.ana] reach = ["ntfy:ana"])"#);
}

#[test]
fn doubtful_declarations_warn() {
    let text = r#"
[site]
url = "https://status.acme.app"
[channel.hook]
webhook = "https://hooks.acme.net"
[channel.spare]
ntfy = "https://ntfy.sh"
[person.ana]
contacts = ["hook:ana"]
[person.bo]
contacts = ["hook:bo"]
[schedule.idle]
layer = [{ people = ["ana"], start = 2026-01-01, rotation = "1 day" }]
[escalation.default]
steps = [{ people = ["ana"] }]
[service.auth]
hosts = ["auth.acme.app", "10.1.2.3", "git.corp.lan"]
[service.empty]
[domain."other.org"]
expires = 2027-01-01
"#;
    assert_snapshot!(warnings(text), @r#"
    mainstay.toml:3:7: the status page shares the domain acme.app with a watched service, and falls with it (put it on another registrable domain)
    mainstay.toml:4:10: webhook `hook` is not signed: anybody could send the like (give it a key: secret = "env:WEBHOOK_KEY")
    mainstay.toml:6:10: channel `spare` is used by nobody (reach somebody over it: reach = ["spare:ana"])
    mainstay.toml:10:9: person `bo` is on no schedule and no escalation: nothing will ever wake them (name them in a layer of a schedule or a step of an escalation)
    mainstay.toml:12:7: schedule `idle` is on no escalation and no service (name it in a step of an escalation)
    mainstay.toml:14:9: escalation `default` has no last resort: if everybody sleeps on, so does the page (a number or topic that somebody always hears: fallback = ["ntfy:everybody"])
    mainstay.toml:17:27: 10.1.2.3 is an inner address that the configuration does not allow (allow it: [site] allow_private = ["10.1.2.3"])
    mainstay.toml:17:39: `lan` is no public suffix that we know: name servers and registration of corp.lan are not watched (if it has a registry, name it: [registry] rdap = { lan = "https://..." })
    mainstay.toml:18:10: nothing is asked for service `empty`: its state will never be known (give it hosts, or a probe with `service`)
    mainstay.toml:19:9: `other.org` is declared, but no service and no probe is behind it (ask after it: [probe.NAME] domain = "other.org")
    "#);
}

#[test]
fn empty_text_is_valid() {
    assert_snapshot!(warnings(""), @"");
}
