//! People, schedules, escalations and channels.

use crate::valid;
use std::time::Duration;
use types::config::{ChannelKind, OverrideChange, Rotation, SecretRef};

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

#[test]
fn restrictions_overrides_and_time_off_are_read() {
    let text = format!(
        r#"{TEAM}
restrictions = [{{ days = ["fri", "sun"], from = "22:00", to = "06:00" }}, {{ days = ["sat"] }}]
[[schedule.platform.layer]]
people = [["ana", "bo"], [], "ana"]
start = 2027-01-01T00:00:00
rotation = "1 day"
[[schedule.platform.override]]
from = 2026-12-24T18:00:00
to = 2026-12-26T09:00:00
replace = {{ ana = "bo" }}
[[schedule.platform.override]]
from = 2027-03-28T03:30:00
to = 2027-03-28T05:00:00
only = []
[[person.ana.away]]
from = 2026-12-20
to = 2026-12-27T00:00:00
"#
    );
    let schedule = valid(&text).config.schedules[&"platform".into()].clone();
    let clock = |text: &str| text.parse::<jiff::civil::Time>().unwrap();
    let [nights, saturday] = schedule.layers[1].restrictions.as_slice() else { panic!("two restrictions") };
    assert_eq!(nights.days, [false, false, false, false, true, false, true]);
    assert_eq!((nights.from, nights.to), (clock("22:00"), clock("06:00")));
    assert_eq!((saturday.days[5], saturday.from, saturday.to), (true, clock("00:00"), clock("00:00")));
    let lengths: Vec<usize> = schedule.layers[2].people.iter().map(Vec::len).collect();
    assert_eq!(lengths, [2, 0, 1]);
    let periods: Vec<String> =
        schedule.overrides.iter().map(|one| format!("{} {}", one.from, one.to)).collect();
    assert_eq!(
        periods,
        ["2026-12-24T16:00:00Z 2026-12-26T07:00:00Z", "2027-03-28T01:00:00Z 2027-03-28T02:00:00Z"]
    );
    assert_eq!(schedule.overrides[0].change, OverrideChange::Replace([("ana".into(), "bo".into())].into()));
    assert_eq!(schedule.overrides[1].change, OverrideChange::Only(Vec::new()));
    let away = &schedule.away[&"ana".into()];
    assert_eq!(away[0].from.to_string(), "2026-12-19T22:00:00Z", "midnight in her timezone");
}
