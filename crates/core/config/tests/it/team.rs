//! People, rotas, ladders and channels as they come out.

use crate::sound;
use types::plan::{ChannelKind, SecretRef, Turn};
use std::time::Duration;

const TEAM: &str = r#"
[site]
zone = "Europe/Tallinn"
[channel.ntfy]
ntfy = "https://ntfy.sh/"
secret = "env:TOKEN"
[channel.hook]
webhook = "http://127.0.0.1:9000/in"
secret = "file:key"
[person.ana]
awake = "07:30-23:00"
reach = ["ntfy:ana", "hook"]
[person.bo]
name = "Bo B."
zone = "America/New_York"
reach = ["hook:bo"]
[rota.platform]
[[rota.platform.layer]]
people = ["ana", "bo"]
start = 2026-10-26T09:00:00
every = "1 week"
[[rota.platform.layer]]
people = ["bo"]
start = 2026-12-24
every = "8 hours"
until = 2026-12-26T09:00:00
"#;

#[test]
fn a_team_without_a_ladder_gets_one_of_all_rotas() {
    let plan = sound(TEAM).plan;
    let ana = &plan.people[&"ana".into()];
    assert_eq!((ana.name.as_str(), ana.zone.iana_name()), ("Ana", Some("Europe/Tallinn")));
    assert_eq!(ana.reach.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ntfy:ana", "hook:"]);
    let rota = &plan.rotas[&"platform".into()];
    assert_eq!(rota.zone.iana_name(), Some("Europe/Tallinn"));
    assert_eq!(rota.layers[0].every, Turn::Weeks(1));
    assert_eq!(rota.layers[1].start.to_string(), "2026-12-24T00:00:00");
    assert_eq!(rota.layers[1].until.unwrap().to_string(), "2026-12-26T09:00:00");
    let ladder = &plan.ladders[&"default".into()];
    assert_eq!((ladder.rungs.len(), ladder.repeat, ladder.last_resort.len()), (1, 3, 0));
    assert_eq!((ladder.rungs[0].rotas.len(), ladder.rungs[0].people.len()), (1, 0));
    assert_eq!(ladder.rungs[0].wait, Duration::from_secs(300));
    let channel = &plan.channels[&"ntfy".into()];
    assert_eq!(channel.kind, ChannelKind::Ntfy { url: "https://ntfy.sh".into() });
    assert_eq!(channel.secret, Some(SecretRef::Env("TOKEN".into())));
    assert_eq!(plan.channels[&"hook".into()].secret, Some(SecretRef::File("/etc/mainstay/key".into())));
}

#[test]
fn without_a_rota_everybody_stands_on_the_ladder_that_is_made() {
    let text = "[channel.ntfy]\nntfy = \"https://ntfy.sh\"\n[person.ana]\nreach = [\"ntfy:ana\"]\n[person.bo]\nreach = [\"ntfy:bo\"]\n";
    let plan = sound(text).plan;
    assert_eq!(plan.ladders[&"default".into()].rungs[0].people.len(), 2);
}

#[test]
fn a_ladder_as_written() {
    let text = format!(
        "{TEAM}[ladder.default]\nrungs = [{{ rotas = [\"platform\"], wait = \"90s\" }}, {{ people = [\"bo\"], prefer = \"awake\" }}]\nrepeat = 0\nlast_resort = [\"hook:all\"]\n"
    );
    let ladder = sound(&text).plan.ladders[&"default".into()].clone();
    assert_eq!((ladder.repeat, ladder.last_resort[0].to_string().as_str()), (0, "hook:all"));
    assert_eq!(ladder.rungs[0].wait, Duration::from_secs(90));
    assert!(ladder.rungs[1].prefer_awake && !ladder.rungs[0].prefer_awake);
}
