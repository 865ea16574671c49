//! Shifts: the people on call at an instant or in a period. Pages, the forecast, the calendar and the command line all
//! use this module (P11).

mod wallclock;

pub use wallclock::{instant, starts};

use types::config::{Layer, Schedule};
use types::{PersonId, Time};
use wallclock::Turns;

/// A period in which the same people are on call: from `from` until just before `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    /// First instant.
    pub from: Time,
    /// First instant after it.
    pub to: Time,
    /// The people on call. Never empty.
    pub people: Vec<PersonId>,
}

/// The people on call at an instant; empty when no layer has anybody on duty.
///
/// The last layer that has anybody on duty wins. The cost does not depend on the distance from the start of a layer.
#[must_use]
pub fn on_call(schedule: &Schedule, at: Time) -> Vec<PersonId> {
    schedule.layers.iter().rev().find_map(|layer| on_duty(schedule, layer, at)).into_iter().collect()
}

/// The shifts from `from` until just before `to`, without the hours in which no one is on call. The first and the last
/// shift are cut there. Consecutive turns of one person are one shift.
#[must_use]
pub fn shifts(schedule: &Schedule, from: Time, to: Time) -> Vec<Shift> {
    let mut shifts: Vec<Shift> = Vec::new();
    let mut at = from;
    while at < to {
        let until = next_change(schedule, at).min(to);
        let people = on_call(schedule, at);
        match shifts.last_mut() {
            _ if people.is_empty() => {}
            Some(last) if last.to == at && last.people == people => last.to = until,
            _ => shifts.push(Shift { from: at, to: until, people }),
        }
        at = until;
    }
    shifts
}

/// The first instant after `at` at which a turn may begin or end; [`Time::MAX`] if there is none.
fn next_change(schedule: &Schedule, at: Time) -> Time {
    let of_layer = |layer: &Layer| {
        let turns = turns(schedule, layer);
        let end = end(schedule, layer);
        if at >= end || layer.people.is_empty() {
            return Time::MAX;
        }
        let next =
            turns.at(at).map_or_else(|| turns.begins(0), |number| turns.begins(number.saturating_add(1)));
        [next, end].into_iter().filter(|change| *change > at).min().unwrap_or(Time::MAX)
    };
    schedule.layers.iter().map(of_layer).min().unwrap_or(Time::MAX)
}

fn on_duty(schedule: &Schedule, layer: &Layer, at: Time) -> Option<PersonId> {
    if at >= end(schedule, layer) {
        return None;
    }
    let number = turns(schedule, layer).at(at)?;
    let people = i64::try_from(layer.people.len()).ok()?;
    let turn = usize::try_from(number.checked_rem(people)?).ok()?;
    layer.people.get(turn).cloned()
}

fn turns<'a>(schedule: &'a Schedule, layer: &Layer) -> Turns<'a> {
    Turns { timezone: &schedule.timezone, start: layer.start, rotation: layer.rotation }
}

/// The end of a layer; [`Time::MAX`] if it has none.
fn end(schedule: &Schedule, layer: &Layer) -> Time {
    layer.until.map_or(Time::MAX, |until| instant(&schedule.timezone, until))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;
    use types::config::Rotation;

    fn layer(people: &[&str], start: &str, rotation: Rotation, until: Option<&str>) -> Layer {
        Layer {
            people: people.iter().map(|name| PersonId::from(*name)).collect(),
            start: start.parse().unwrap(),
            rotation,
            until: until.map(|until| until.parse().unwrap()),
        }
    }

    fn schedule(timezone: &str, layers: Vec<Layer>) -> Schedule {
        Schedule { id: "platform".into(), timezone: TimeZone::get(timezone).unwrap(), layers }
    }

    fn who(schedule: &Schedule, at: &str) -> String {
        let people: Vec<String> =
            on_call(schedule, at.parse().unwrap()).into_iter().map(|person| person.0).collect();
        people.join(" ")
    }

    #[test]
    fn turns_follow_wall_clock() {
        let all = ["ana", "bo", "cy"];
        let tallinn =
            |rotation| schedule("Europe/Tallinn", vec![layer(&all, "2026-10-19T09:00", rotation, None)]);
        for (rotation, at, expected, why) in [
            (Rotation::Weeks(1), "2026-10-19T05:59:59Z", "", "one second before the first shift"),
            (Rotation::Weeks(1), "2026-10-19T06:00:00Z", "ana", "09:00 in summer"),
            (
                Rotation::Weeks(1),
                "2026-10-26T06:59:59Z",
                "ana",
                "summer time ended: the week is an hour longer",
            ),
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
        let york =
            schedule("America/New_York", vec![layer(&two, "2027-03-13T02:30", Rotation::Days(1), None)]);
        for (at, expected, why) in [
            ("2027-03-14T06:59:59Z", "ana", "before the gap"),
            ("2027-03-14T07:00:00Z", "bo", "02:30 does not exist: the first instant after the gap"),
            ("2027-03-15T06:29:59Z", "bo", "next day, 02:30 in summer"),
            ("2027-03-15T06:30:00Z", "ana", "the next turn"),
        ] {
            assert_eq!(who(&york, at), expected, "{at}: {why}");
        }
        let york =
            schedule("America/New_York", vec![layer(&two, "2026-10-31T01:30", Rotation::Days(1), None)]);
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
        let hours =
            schedule("America/New_York", vec![layer(&two, "2026-11-01T00:00", Rotation::Hours(1), None)]);
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
        let year = shifts(
            &schedule,
            "2025-01-01T00:00:00Z".parse().unwrap(),
            "2028-01-01T00:00:00Z".parse().unwrap(),
        );
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

    fn any_turn() -> impl Strategy<Value = Rotation> {
        prop_oneof![
            (1u32..30).prop_map(Rotation::Hours),
            (1u32..10).prop_map(Rotation::Days),
            (1u32..5).prop_map(Rotation::Weeks),
            (1u32..4).prop_map(Rotation::Months),
        ]
    }

    /// 2026 to 2028, to the second.
    fn any_time() -> impl Strategy<Value = Time> {
        (1_767_225_600i64..1_861_920_000).prop_map(|secs| Time::from_second(secs).unwrap())
    }

    fn any_layer() -> impl Strategy<Value = Layer> {
        (1usize..4, any_time(), any_turn(), proptest::option::of(any_time())).prop_map(
            |(people, start, rotation, until)| Layer {
                people: ["ana", "bo", "cy"][..people].iter().map(|name| PersonId::from(*name)).collect(),
                start: TimeZone::UTC.to_datetime(start),
                rotation,
                until: until.map(|until| TimeZone::UTC.to_datetime(until)),
            },
        )
    }

    fn any_schedule() -> impl Strategy<Value = Schedule> {
        let timezones =
            ["Europe/Tallinn", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "UTC"];
        (proptest::sample::select(timezones.to_vec()), proptest::collection::vec(any_layer(), 0..4))
            .prop_map(|(timezone, layers)| schedule(timezone, layers))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// The forecast and the pages agree.
        #[test]
        fn shifts_and_on_call_agree(
            schedule in any_schedule(),
            from in any_time(),
            hours in 1i64..4_000,
            shares in proptest::collection::vec(0f64..1.0, 40),
        ) {
            let to = from + jiff::SignedDuration::from_hours(hours);
            let shifts = shifts(&schedule, from, to);
            for pair in shifts.windows(2) {
                prop_assert!(pair[0].to <= pair[1].from);
                prop_assert!(pair[0].to < pair[1].from || pair[0].people != pair[1].people);
            }
            for shift in &shifts {
                prop_assert!(from <= shift.from && shift.from < shift.to && shift.to <= to);
            }
            #[expect(clippy::cast_possible_truncation, reason = "a share of some months in seconds")]
            let offset = |share: &f64| jiff::SignedDuration::from_secs((share * hours as f64 * 3600.0) as i64);
            let inside = shares.iter().map(|share| from + offset(share));
            let nano = jiff::SignedDuration::from_nanos(1);
            let edges = shifts.iter().flat_map(|shift| [shift.from, shift.to - nano, shift.to]);
            for at in inside.chain(edges).filter(|at| *at < to) {
                let shift = shifts.iter().find(|shift| shift.from <= at && at < shift.to);
                let people = shift.map(|shift| shift.people.clone());
                prop_assert_eq!(people.unwrap_or_default(), on_call(&schedule, at), "at {}", at);
            }
        }
    }
}
