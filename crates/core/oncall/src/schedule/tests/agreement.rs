//! The forecast and the pages agree, whatever the schedule; and turns are what plain counting gives.

use super::*;
use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time as Clock};
use proptest::prelude::*;
use std::collections::BTreeMap;
use types::config::{Override, OverrideChange, Restriction, TimeOff};

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
    let turn = proptest::collection::vec(any_person(), 0..3);
    let people = proptest::collection::vec(turn, 0..5);
    let restrictions = proptest::collection::vec(any_restriction(), 0..3);
    (people, any_time(), any_turn(), restrictions, proptest::option::of(any_time())).prop_map(
        |(people, start, rotation, restrictions, until)| Layer {
            people,
            start: TimeZone::UTC.to_datetime(start),
            rotation,
            restrictions,
            until: until.map(|until| TimeZone::UTC.to_datetime(until)),
        },
    )
}

fn any_person() -> impl Strategy<Value = PersonId> {
    proptest::sample::select(vec!["ana", "bo", "cy"]).prop_map(PersonId::from)
}

fn any_restriction() -> impl Strategy<Value = Restriction> {
    let clock = || (0i8..24, 0i8..4).prop_map(|(hour, quarter)| Clock::constant(hour, quarter * 15, 0, 0));
    (any::<[bool; 7]>(), clock(), clock()).prop_map(|(mut days, from, to)| {
        days[3] |= !days.contains(&true);
        Restriction { days, from, to }
    })
}

fn any_override() -> impl Strategy<Value = Override> {
    let people = || proptest::collection::vec(any_person(), 0..3);
    let change = prop_oneof![
        people().prop_map(OverrideChange::Add),
        people().prop_map(OverrideChange::Remove),
        people().prop_map(OverrideChange::Only),
        proptest::collection::btree_map(any_person(), any_person(), 0..3).prop_map(OverrideChange::Replace),
    ];
    (any_period(), change).prop_map(|((from, to), change)| Override { from, to, change })
}

/// Up to two months.
fn any_period() -> impl Strategy<Value = (Time, Time)> {
    (any_time(), 1i64..5_000_000).prop_map(|(from, secs)| (from, from + SignedDuration::from_secs(secs)))
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let timezones = ["Europe/Tallinn", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"];
    let layers = proptest::collection::vec(any_layer(), 0..4);
    let overrides = proptest::collection::vec(any_override(), 0..6);
    let away = proptest::collection::vec((any_person(), any_period()), 0..4);
    (proptest::sample::select(timezones.to_vec()), layers, overrides, away).prop_map(
        |(timezone, layers, overrides, away)| {
            let mut by_person: BTreeMap<PersonId, Vec<TimeOff>> = BTreeMap::new();
            for (person, (from, to)) in away {
                by_person.entry(person).or_default().push(TimeOff { from, to });
            }
            Schedule { overrides, away: by_person.into(), ..schedule(timezone, layers) }
        },
    )
}

/// Who has the turn of a layer, by going through all its turns from the first, and through all ranges of each.
fn plainly<'a>(zone: &TimeZone, layer: &'a Layer, at: Time) -> Option<&'a [PersonId]> {
    let ranges = |from: DateTime, to: DateTime| {
        let first = from.date().checked_sub(SignedDuration::from_hours(48)).unwrap();
        let days = std::iter::successors(Some(first), |day| day.tomorrow().ok());
        let days: Vec<_> = days.take_while(|day| day.to_datetime(Clock::midnight()) < to).collect();
        layer.restrictions.iter().flat_map(move |one| {
            let is_on =
                |day: &&Date| one.days[usize::try_from(day.weekday().to_monday_zero_offset()).unwrap()];
            let range = |day: &Date| {
                let last = if one.to > one.from { *day } else { day.tomorrow().unwrap() };
                (day.to_datetime(one.from), last.to_datetime(one.to))
            };
            days.iter().filter(is_on).map(range).collect::<Vec<_>>()
        })
    };
    let (mut from, mut counted) = (layer.start, 0);
    if layer.until.is_some_and(|until| instant(zone, until) <= at) || at < instant(zone, from) {
        return None;
    }
    let span = match layer.rotation {
        Rotation::Hours(hours) => SignedDuration::from_hours(hours.into()),
        Rotation::Days(days) => SignedDuration::from_hours(24 * i64::from(days)),
        Rotation::Weeks(weeks) => SignedDuration::from_hours(168 * i64::from(weeks)),
        Rotation::Months(_) => unreachable!(),
    };
    loop {
        let to = from.checked_add(span).unwrap();
        if at < instant(zone, to) {
            break;
        }
        let counts =
            layer.restrictions.is_empty() || ranges(from, to).any(|(begin, end)| from < end && begin < to);
        counted += usize::from(counts);
        from = to;
    }
    let local = zone.to_datetime(at);
    let around = |day: SignedDuration| local.checked_add(day).unwrap();
    let mut near = ranges(around(SignedDuration::from_hours(-48)), around(SignedDuration::from_hours(48)));
    let is_within = near.any(|(begin, end)| instant(zone, begin) <= at && at < instant(zone, end));
    if !layer.restrictions.is_empty() && !is_within {
        return None;
    }
    Some(layer.people.get(counted.checked_rem(layer.people.len()).unwrap_or(0)).map_or(&[], Vec::as_slice))
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
    /// A layer has the turn that counting from its start gives.
    #[test]
    fn turns_are_counted_from_the_start(
        layer in any_layer(),
        zone in proptest::sample::select(vec!["Europe/Tallinn", "Australia/Lord_Howe", "America/Chicago"]),
        hours in proptest::collection::vec(0i64..2_000, 5),
    ) {
        prop_assume!(!matches!(layer.rotation, Rotation::Months(_)));
        let zone = TimeZone::get(zone).unwrap();
        for hours in hours {
            let at = instant(&zone, layer.start) + SignedDuration::from_mins(hours * 60 + hours % 60);
            prop_assert_eq!(Duty::new(&zone, &layer).people(at), plainly(&zone, &layer, at), "at {}", at);
        }
    }
}
