//! Overrides and time off.

use super::*;

/// Ana, Bo and Cy have a week each from Monday 09:00 in Tallinn; on Saturdays Dee is on call instead.
const TEAM: &str = r#"
[channel.ntfy]
ntfy = "https://ntfy.sh"
[person.ana]
timezone = "Europe/Tallinn"
contacts = ["ntfy:ana"]
[[person.ana.away]]
from = 2026-12-01T00:00:00
to = 2026-12-03T00:00:00
[person.bo]
contacts = ["ntfy:bo"]
[person.cy]
contacts = ["ntfy:cy"]
[person.dee]
timezone = "America/Chicago"
contacts = ["ntfy:dee"]
away = [{ from = 2026-12-05T00:00:00, to = 2026-12-05T04:00:00 }]
[schedule.platform]
timezone = "Europe/Tallinn"
[[schedule.platform.layer]]
people = ["ana", ["bo", "cy"]]
start = 2026-11-30T09:00:00
rotation = "1 week"
[[schedule.platform.layer]]
people = ["dee"]
start = 2026-11-30T00:00:00
rotation = "1 week"
restrictions = [{ days = ["sat"] }]
"#;

fn team(overrides: &str) -> Schedule {
    let config = testkit::config::read(&format!("{TEAM}{overrides}"));
    config.schedules[&"platform".into()].clone()
}

fn change(from: &str, to: &str, what: &str) -> String {
    format!("[[schedule.platform.override]]\nfrom = {from}\nto = {to}\n{what}\n")
}

#[test]
fn overrides_change_what_the_layers_say() {
    let monday = |what: &str| change("2026-12-07T10:00:00", "2026-12-07T18:00:00", what);
    let at = "2026-12-07T10:00:00Z"; // Bo and Cy, by the first layer
    for (overrides, expected, why) in [
        (String::new(), "bo cy", "two people in one turn"),
        (monday("add = [\"dee\", \"bo\"]"), "bo cy dee", "in addition, each once"),
        (monday("remove = [\"bo\"]"), "cy", "one of two is left"),
        (monday("remove = [\"bo\", \"cy\"]"), "", "no one is left"),
        (monday("replace = { bo = \"ana\" }"), "ana cy", "in the place of Bo"),
        (monday("replace = { bo = \"cy\", cy = \"bo\" }"), "cy bo", "both at the same time"),
        (monday("replace = { bo = \"cy\" }"), "cy", "each once"),
        (monday("replace = { ana = \"dee\" }"), "bo cy", "Ana is not on call: nothing to replace"),
        (monday("only = [\"ana\"]"), "ana", "no one else"),
        (monday("only = []"), "", "a planned gap"),
        (
            monday("replace = { bo = \"ana\" }") + &monday("replace = { ana = \"dee\" }"),
            "dee cy",
            "an override of an override",
        ),
        (
            monday("only = [\"ana\"]") + &monday("add = [\"dee\"]"),
            "ana dee",
            "the later one adds to the first",
        ),
        (monday("add = [\"dee\"]") + &monday("only = [\"ana\"]"), "ana", "the later one wins"),
        (monday("remove = [\"bo\"]") + &monday("add = [\"bo\"]"), "cy bo", "and back"),
    ] {
        assert_eq!(who(&team(&overrides), at), expected, "{overrides}: {why}");
    }
}

#[test]
fn overrides_begin_and_end_at_an_instant() {
    let two = change("2026-12-07T10:00:00", "2026-12-07T12:00:00", "only = [\"ana\"]")
        + &change("2026-12-07T12:00:00", "2026-12-07T14:00:00", "only = [\"dee\"]");
    for (at, expected, why) in [
        ("2026-12-07T07:59:59.999999999Z", "bo cy", "the last instant before"),
        ("2026-12-07T08:00:00Z", "ana", "10:00 in Tallinn"),
        ("2026-12-07T09:59:59.999999999Z", "ana", "the last instant of the first"),
        ("2026-12-07T10:00:00Z", "dee", "the second begins where the first ends"),
        ("2026-12-07T12:00:00Z", "bo cy", "the first instant after"),
    ] {
        assert_eq!(who(&team(&two), at), expected, "{at}: {why}");
    }
    let at_handoff =
        change("2026-12-06T09:00:00", "2026-12-07T09:00:00", "replace = { ana = \"cy\", bo = \"dee\" }");
    for (at, expected, why) in [
        ("2026-12-06T06:59:59Z", "ana", "before"),
        ("2026-12-06T07:00:00Z", "cy", "Ana's last day"),
        ("2026-12-07T06:59:59Z", "cy", "its last second"),
        ("2026-12-07T07:00:00Z", "bo cy", "it ends with her shift"),
    ] {
        assert_eq!(who(&team(&at_handoff), at), expected, "{at}: {why}");
    }
    let over_spring = change("2027-03-28T03:15:00", "2027-03-28T03:45:00", "only = [\"dee\"]");
    assert_eq!(who(&team(&over_spring), "2027-03-28T01:00:00Z"), "ana", "a period that does not exist");
}

#[test]
fn nobody_is_on_duty_while_away() {
    let two_days = |what: &str| change("2026-12-01T00:00:00", "2026-12-03T00:00:00", what);
    for (overrides, at, expected, why) in [
        (String::new(), "2026-11-30T21:59:59Z", "ana", "before midnight in her timezone"),
        (String::new(), "2026-11-30T22:00:00Z", "", "away, and no one takes over by itself"),
        (String::new(), "2026-12-02T22:00:00Z", "ana", "back"),
        (two_days("replace = { ana = \"bo\" }"), "2026-12-01T12:00:00Z", "bo", "someone who is there"),
        (two_days("add = [\"dee\"]"), "2026-12-01T12:00:00Z", "dee", "in addition to no one"),
        (two_days("only = [\"ana\"]"), "2026-12-01T12:00:00Z", "", "she is away all the same"),
        (two_days("replace = { ana = \"ana\" }"), "2026-12-01T12:00:00Z", "", "no trick"),
        (String::new(), "2026-12-05T05:59:59Z", "dee", "Saturday, 07:59 in Tallinn"),
        (String::new(), "2026-12-05T06:00:00Z", "ana", "midnight in Chicago: the layer below has Ana"),
        (String::new(), "2026-12-05T10:00:00Z", "dee", "back at 04:00 in Chicago"),
    ] {
        assert_eq!(who(&team(&overrides), at), expected, "{overrides}{at}: {why}");
    }
}

#[test]
fn layer_without_people_is_a_planned_gap() {
    let closed = "[[schedule.platform.layer]]\npeople = []\nstart = 2026-12-24T18:00:00\nrotation = \"1 day\"\nuntil = 2026-12-26T09:00:00\n";
    let every_other = "[[schedule.platform.layer]]\npeople = [[], \"dee\"]\nstart = 2026-12-14T00:00:00\nrotation = \"1 day\"\nuntil = 2026-12-18T00:00:00\n";
    let on_top = "[[schedule.platform.layer]]\npeople = [\"cy\"]\nstart = 2026-12-25T10:00:00\nrotation = \"1 day\"\nuntil = 2026-12-25T11:00:00\n";
    let extra = change("2026-12-25T12:00:00", "2026-12-25T13:00:00", "add = [\"dee\"]");
    let schedule = team(&format!("{closed}{every_other}{on_top}{extra}"));
    for (at, expected, why) in [
        ("2026-12-24T15:59:59Z", "bo cy", "before"),
        ("2026-12-24T16:00:00Z", "", "closed: the layers below are not asked"),
        ("2026-12-25T08:00:00Z", "cy", "a layer above the gap"),
        ("2026-12-25T09:00:00Z", "", "the gap again"),
        ("2026-12-25T10:00:00Z", "dee", "an override in the gap"),
        ("2026-12-26T07:00:00Z", "dee", "open again, on a Saturday"),
        ("2026-12-14T12:00:00Z", "", "a turn without people"),
        ("2026-12-15T12:00:00Z", "dee", "Dee's turn"),
        ("2026-12-16T12:00:00Z", "", "and again no one"),
    ] {
        assert_eq!(who(&schedule, at), expected, "{at}: {why}");
    }
}
