//! Turns and layers.

use super::*;

#[test]
fn turns_follow_wall_clock() {
    let all = ["ana", "bo", "cy"];
    let tallinn =
        |rotation| schedule("Europe/Tallinn", vec![layer(&all, "2026-10-19T09:00", rotation, None)]);
    for (rotation, at, expected, why) in [
        (Rotation::Weeks(1), "2026-10-19T05:59:59Z", "", "one second before the first shift"),
        (Rotation::Weeks(1), "2026-10-19T06:00:00Z", "ana", "09:00 in summer"),
        (Rotation::Weeks(1), "2026-10-26T06:59:59Z", "ana", "summer time ended: the week is an hour longer"),
        (Rotation::Weeks(1), "2026-10-26T07:00:00Z", "bo", "09:00 in winter"),
        (Rotation::Weeks(1), "2026-11-09T07:00:00Z", "ana", "the first person again"),
        (Rotation::Weeks(1), "2076-10-19T07:00:00Z", "cy", "fifty years later"),
        (Rotation::Days(1), "2026-10-25T06:59:59Z", "cy", "25 hours of one day"),
        (Rotation::Days(1), "2026-10-25T07:00:00Z", "ana", "next day"),
        (Rotation::Hours(8), "2026-10-24T22:00:00Z", "cy", "01:00: the 18th shift began"),
        (Rotation::Hours(8), "2026-10-24T21:59:59Z", "bo", "the shift before"),
        (Rotation::Months(1), "2026-11-19T06:59:59Z", "ana", "a month ends by the calendar"),
        (Rotation::Months(1), "2026-11-19T07:00:00Z", "bo", "next month"),
        (Rotation::Months(1), "2027-01-19T07:00:00Z", "ana", "the first person again"),
    ] {
        assert_eq!(who(&tallinn(rotation), at), expected, "{rotation:?} {at}: {why}");
    }
}

#[test]
fn handoffs_in_gaps_and_folds_happen_once() {
    let two = ["ana", "bo"];
    let york = schedule("America/New_York", vec![layer(&two, "2027-03-13T02:30", Rotation::Days(1), None)]);
    for (at, expected, why) in [
        ("2027-03-14T06:59:59Z", "ana", "before the gap"),
        ("2027-03-14T07:00:00Z", "bo", "02:30 does not exist: the first instant after the gap"),
        ("2027-03-15T06:29:59Z", "bo", "next day, 02:30 in summer"),
        ("2027-03-15T06:30:00Z", "ana", "the next turn"),
    ] {
        assert_eq!(who(&york, at), expected, "{at}: {why}");
    }
    let york = schedule("America/New_York", vec![layer(&two, "2026-10-31T01:30", Rotation::Days(1), None)]);
    for (at, expected, why) in [
        ("2026-11-01T05:29:59Z", "ana", "before the first 01:30"),
        ("2026-11-01T05:30:00Z", "bo", "the first 01:30"),
        ("2026-11-01T06:00:00Z", "bo", "the second 01:00 does not give it back"),
        ("2026-11-01T06:30:00Z", "bo", "nor does the second 01:30"),
    ] {
        assert_eq!(who(&york, at), expected, "{at}: {why}");
    }
    let howe =
        schedule("Australia/Lord_Howe", vec![layer(&two, "2026-10-03T02:15", Rotation::Days(1), None)]);
    assert_eq!(who(&howe, "2026-10-03T15:29:59Z"), "ana");
    assert_eq!(who(&howe, "2026-10-03T15:30:00Z"), "bo", "a gap of half an hour");
    let hours = schedule("America/New_York", vec![layer(&two, "2026-11-01T00:00", Rotation::Hours(1), None)]);
    assert_eq!(who(&hours, "2026-11-01T05:00:00Z"), "bo", "01:00");
    assert_eq!(who(&hours, "2026-11-01T06:30:00Z"), "bo", "01:30 again: the shift lasts two hours");
    assert_eq!(who(&hours, "2026-11-01T07:00:00Z"), "ana", "02:00");
}

#[test]
fn monthly_turn_from_day_31_keeps_day_31() {
    let schedule =
        schedule("UTC", vec![layer(&["ana", "bo"], "2026-01-31T00:00", Rotation::Months(1), None)]);
    assert_eq!(who(&schedule, "2026-02-28T00:00:00Z"), "bo", "the last day that February has");
    assert_eq!(who(&schedule, "2026-03-30T00:00:00Z"), "bo");
    assert_eq!(who(&schedule, "2026-03-31T00:00:00Z"), "ana", "the 31st again, not the 28th");
}

#[test]
fn last_layer_with_a_person_on_duty_wins() {
    let schedule = schedule(
        "UTC",
        vec![
            layer(&["ana"], "2026-01-01T00:00", Rotation::Weeks(1), Some("2026-12-31T00:00")),
            layer(&["bo"], "2026-06-01T00:00", Rotation::Weeks(1), Some("2026-06-08T00:00")),
        ],
    );
    for (at, expected) in [
        ("2025-12-31T23:59:59Z", ""),
        ("2026-05-31T23:59:59Z", "ana"),
        ("2026-06-01T00:00:00Z", "bo"),
        ("2026-06-07T23:59:59Z", "bo"),
        ("2026-06-08T00:00:00Z", "ana"),
        ("2026-12-31T00:00:00Z", ""),
    ] {
        assert_eq!(who(&schedule, at), expected, "{at}");
    }
    let year =
        shifts(&schedule, "2025-01-01T00:00:00Z".parse().unwrap(), "2028-01-01T00:00:00Z".parse().unwrap());
    let list: Vec<String> = year.iter().map(|s| format!("{} {} {}", s.from, s.to, s.people[0])).collect();
    assert_eq!(
        list,
        [
            "2026-01-01T00:00:00Z 2026-06-01T00:00:00Z ana",
            "2026-06-01T00:00:00Z 2026-06-08T00:00:00Z bo",
            "2026-06-08T00:00:00Z 2026-12-31T00:00:00Z ana",
        ]
    );
}

#[test]
fn empty_schedule_has_no_one_on_call() {
    let empty = schedule("UTC", Vec::new());
    assert!(on_call(&empty, Time::UNIX_EPOCH).is_empty());
    assert!(shifts(&empty, Time::UNIX_EPOCH, Time::MAX).is_empty());
    let no_people = schedule("UTC", vec![layer(&[], "2026-01-01T00:00", Rotation::Hours(0), None)]);
    assert!(on_call(&no_people, Time::MAX).is_empty());
}
