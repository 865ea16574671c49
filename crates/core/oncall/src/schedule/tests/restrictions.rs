//! Restrictions: hours of the week, and the turns that count.

use super::*;

/// A schedule in Tallinn with one layer that begins on Monday, 2026-11-30.
fn restricted(start: &str, rotation: &str, people: &str, restrictions: &str) -> Schedule {
    let text = format!(
        r#"
[channel.ntfy]
ntfy = "https://ntfy.sh"
[person]
ana = {{ contacts = ["ntfy:ana"] }}
bo = {{ contacts = ["ntfy:bo"] }}
cy = {{ contacts = ["ntfy:cy"] }}
[schedule.platform]
timezone = "Europe/Tallinn"
[[schedule.platform.layer]]
people = {people}
start = {start}
rotation = "{rotation}"
restrictions = {restrictions}
"#
    );
    testkit::config::read(&text).schedules[&"platform".into()].clone()
}

/// The shifts of some days from Monday, 2026-11-30, in local time.
fn week(schedule: &Schedule, days: i64) -> Vec<String> {
    let from = instant(&schedule.timezone, "2026-11-30T00:00".parse().unwrap());
    let shown = |at: Time| at.to_zoned_datetime(schedule.timezone.clone()).strftime("%a %H:%M").to_string();
    let shifts = shifts(schedule, from, from + jiff::SignedDuration::from_hours(24 * days));
    let line = |shift: &Shift| {
        let people: Vec<&str> = shift.people.iter().map(|person| person.0.as_str()).collect();
        format!("{}-{} {}", shown(shift.from), shown(shift.to), people.join(" "))
    };
    shifts.iter().map(line).collect()
}

const ALL: &str = r#"["ana", "bo", "cy"]"#;
const OFFICE: &str = r#"[{ days = ["mon", "tue", "wed", "thu", "fri"], from = "09:00", to = "17:00" }]"#;

#[test]
fn daily_turns_skip_the_weekend() {
    let daily = restricted("2026-11-30T00:00:00", "1 day", ALL, OFFICE);
    insta::assert_snapshot!(week(&daily, 9).join("\n"), @r"
    Mon 09:00-Mon 17:00 ana
    Tue 09:00-Tue 17:00 bo
    Wed 09:00-Wed 17:00 cy
    Thu 09:00-Thu 17:00 ana
    Fri 09:00-Fri 17:00 bo
    Mon 09:00-Mon 17:00 cy
    Tue 09:00-Tue 17:00 ana
    ");
}

#[test]
fn weekly_turns_all_count() {
    let weekly = restricted("2026-11-30T09:00:00", "1 week", ALL, r#"[{ days = ["sat", "sun"] }]"#);
    insta::assert_snapshot!(week(&weekly, 14).join("\n"), @r"
    Sat 00:00-Mon 00:00 ana
    Sat 00:00-Mon 00:00 bo
    ");
}

#[test]
fn shifts_of_some_hours_take_turns_within_the_hours_only() {
    let eight = restricted("2026-11-30T09:00:00", "8 hours", ALL, OFFICE);
    assert_eq!(
        week(&eight, 3),
        ["Mon 09:00-Mon 17:00 ana", "Tue 09:00-Tue 17:00 bo", "Wed 09:00-Wed 17:00 cy"]
    );
    let four = restricted("2026-11-30T09:00:00", "4 hours", ALL, OFFICE);
    assert_eq!(
        week(&four, 2),
        [
            "Mon 09:00-Mon 13:00 ana",
            "Mon 13:00-Mon 17:00 bo",
            "Tue 09:00-Tue 13:00 cy",
            "Tue 13:00-Tue 17:00 ana"
        ]
    );
    let in_part = restricted("2026-11-30T08:00:00", "12 hours", ALL, OFFICE);
    assert_eq!(week(&in_part, 2), ["Mon 09:00-Mon 17:00 ana", "Tue 09:00-Tue 17:00 bo"]);
    let on_edge = restricted("2026-11-30T17:00:00", "16 hours", ALL, OFFICE);
    assert_eq!(
        week(&on_edge, 4),
        ["Tue 09:00-Tue 17:00 ana", "Wed 09:00-Wed 17:00 bo", "Thu 09:00-Thu 17:00 cy"],
        "17:00 to 09:00 touches the hours at both ends and is outside: it takes no turn"
    );
}

#[test]
fn ranges_run_over_midnight() {
    let nights = r#"[{ days = ["fri", "sun"], from = "22:00", to = "06:00" }]"#;
    assert_eq!(
        week(&restricted("2026-11-30T12:00:00", "1 week", r#"["ana"]"#, nights), 9),
        ["Fri 22:00-Sat 06:00 ana", "Sun 22:00-Mon 06:00 ana"]
    );
    let whole = r#"[{ days = ["tue"], from = "09:00", to = "09:00" }, { days = ["thu"] }]"#;
    assert_eq!(
        week(&restricted("2026-11-30T00:00:00", "1 week", r#"["ana"]"#, whole), 7),
        ["Tue 09:00-Wed 09:00 ana", "Thu 00:00-Fri 00:00 ana"],
        "equal times are 24 hours"
    );
    let overlapping = r#"[{ from = "09:00", to = "13:00" }, { from = "12:00", to = "24:00" }]"#;
    assert_eq!(
        week(&restricted("2026-11-30T00:00:00", "1 week", r#"["ana"]"#, overlapping), 2),
        ["Mon 09:00-Tue 00:00 ana", "Tue 09:00-Wed 00:00 ana"]
    );
}

#[test]
fn first_person_has_the_first_shift_within_the_hours() {
    let saturday = restricted("2026-11-28T00:00:00", "1 day", ALL, OFFICE);
    assert_eq!(week(&saturday, 2), ["Mon 09:00-Mon 17:00 ana", "Tue 09:00-Tue 17:00 bo"]);
}

#[test]
fn counting_costs_the_same_in_any_year() {
    let daily = restricted("1990-01-01T00:00:00", "1 day", ALL, OFFICE);
    // 1990-01-01 was a Monday; five turns count each week, and 2026-11-30 is 1926 weeks later: 9630 turns, by three.
    assert_eq!(week(&daily, 1), ["Mon 09:00-Mon 17:00 ana"]);
}
