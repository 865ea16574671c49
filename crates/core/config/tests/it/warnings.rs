//! Warnings of valid configurations.

use crate::warnings;
use insta::assert_snapshot;

#[test]
fn configuration_without_people_warns() {
    assert_snapshot!(warnings("[service.auth]\nhosts = [\"auth.acme.app\"]\n"), @r#"mainstay.toml:1:10: nobody will be paged: there is no person (add a channel and a person: [channel.ntfy] ntfy = "https://ntfy.sh", [person.ana] contacts = ["ntfy:ana"])"#);
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
[schedule.unused]
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
    mainstay.toml:3:7: the status page shares the domain acme.app with a monitored service, and fails with it (use another registrable domain)
    mainstay.toml:4:10: webhook `hook` is not signed: its receiver cannot verify the sender (add a key: secret = "env:WEBHOOK_KEY")
    mainstay.toml:6:10: channel `spare` is not used (add it to a person: contacts = ["spare:ana"])
    mainstay.toml:10:9: person `bo` is in no schedule and no escalation: they are never paged (add them to a layer of a schedule or a step of an escalation)
    mainstay.toml:12:11: schedule `unused` is in no escalation and no service (add it to a step of an escalation)
    mainstay.toml:14:13: escalation `default` has no fallback: a page that nobody acknowledges ends there (add a contact that always reaches a person: fallback = ["ntfy:everybody"])
    mainstay.toml:17:27: 10.1.2.3 is a private address that is not allowed (allow it: [site] allow_private = ["10.1.2.3"])
    mainstay.toml:17:39: `lan` is not a known public suffix: name servers and registration of corp.lan are not monitored (if it has a registry, declare it: [registry] rdap = { lan = "https://..." })
    mainstay.toml:18:10: service `empty` has no probe: its state is never known (add hosts, or a probe with `service`)
    mainstay.toml:19:9: `other.org` is declared, but has no service and no probe (add one: [probe.NAME] domain = "other.org")
    "#);
}

#[test]
fn empty_text_is_valid() {
    assert_snapshot!(warnings(""), @"");
}
