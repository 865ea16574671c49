//! People, schedules, escalations and channels.

use crate::valid;
use std::time::Duration;
use types::config::{ChannelKind, Rotation, SecretRef};

const TEAM: &str = r#"
[site]
timezone = "Europe/Tallinn"
[channel.ntfy]
ntfy = "https://ntfy.sh/"
secret = "env:TOKEN"
[channel.hook]
webhook = "http://127.0.0.1:9000/in"
secret = "file:key"
[person.ana]
waking_hours = "07:30-23:00"
contacts = ["ntfy:ana", "hook"]
[person.bo]
name = "Bo B."
timezone = "America/New_York"
contacts = ["hook:bo"]
[schedule.platform]
[[schedule.platform.layer]]
people = ["ana", "bo"]
start = 2026-10-26T09:00:00
rotation = "1 week"
[[schedule.platform.layer]]
people = ["bo"]
start = 2026-12-24
rotation = "8 hours"
until = 2026-12-26T09:00:00
"#;

#[test]
fn missing_escalation_defaults_to_all_schedules() {
    let config = valid(TEAM).config;
    let ana = &config.people[&"ana".into()];
    assert_eq!((ana.name.as_str(), ana.timezone.iana_name()), ("Ana", Some("Europe/Tallinn")));
    assert_eq!(ana.contacts.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ntfy:ana", "hook:"]);
    let schedule = &config.schedules[&"platform".into()];
    assert_eq!(schedule.timezone.iana_name(), Some("Europe/Tallinn"));
    assert_eq!(schedule.layers[0].rotation, Rotation::Weeks(1));
    assert_eq!(schedule.layers[1].start.to_string(), "2026-12-24T00:00:00");
    assert_eq!(schedule.layers[1].until.unwrap().to_string(), "2026-12-26T09:00:00");
    let escalation = &config.escalations[&"default".into()];
    assert_eq!((escalation.steps.len(), escalation.repeat, escalation.fallback.len()), (1, 3, 0));
    assert_eq!((escalation.steps[0].schedules.len(), escalation.steps[0].people.len()), (1, 0));
    assert_eq!(escalation.steps[0].escalate_after, Duration::from_secs(300));
    let channel = &config.channels[&"ntfy".into()];
    assert_eq!(channel.kind, ChannelKind::Ntfy { url: "https://ntfy.sh".into() });
    assert_eq!(channel.secret, Some(SecretRef::Env("TOKEN".into())));
    assert_eq!(config.channels[&"hook".into()].secret, Some(SecretRef::File("/etc/mainstay/key".into())));
}

#[test]
fn default_escalation_without_schedules_has_all_people() {
    let text = "[channel.ntfy]\nntfy = \"https://ntfy.sh\"\n[person.ana]\ncontacts = [\"ntfy:ana\"]\n[person.bo]\ncontacts = [\"ntfy:bo\"]\n";
    let config = valid(text).config;
    assert_eq!(config.escalations[&"default".into()].steps[0].people.len(), 2);
}

#[test]
fn declared_escalation_is_read() {
    let text = format!(
        "{TEAM}[escalation.default]\nsteps = [{{ schedules = [\"platform\"], escalate_after = \"90s\" }}, {{ people = [\"bo\"], prefer = \"awake\" }}]\nrepeat = 0\nfallback = [\"hook:all\"]\n"
    );
    let escalation = valid(&text).config.escalations[&"default".into()].clone();
    assert_eq!((escalation.repeat, escalation.fallback[0].to_string().as_str()), (0, "hook:all"));
    assert_eq!(escalation.steps[0].escalate_after, Duration::from_secs(90));
    assert!(escalation.steps[1].prefer_awake && !escalation.steps[0].prefer_awake);
}
