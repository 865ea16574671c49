//! Invariants under failing providers, lost results, crashes and acknowledgements.

use super::fixture::{Fixture, SILENCE_MAX, accepted, at, config, failing, refused, schedule, secs};
use crate::queue::{FALLBACK_INTERVAL, repeat_interval};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::notification::{Delivered, Undelivered};
use types::time::between;
use types::{EventKind, Notification, PageId, Time};

/// An action in one step of the simulation.
#[derive(Clone, Debug)]
enum Action {
    Nothing,
    Crash,
    CrashFor(u64),
    Acknowledge(u64),
    Wakes(u64, bool),
    Merge(u64, u64),
    Resolve(u64),
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        40 => Just(Action::Nothing),
        4 => Just(Action::Crash),
        2 => (1u64..4_000).prop_map(Action::CrashFor),
        2 => (1u64..4).prop_map(Action::Acknowledge),
        1 => (1u64..4, any::<bool>()).prop_map(|(id, wakes)| Action::Wakes(id, wakes)),
        1 => (1u64..4, 1u64..4).prop_map(|(id, into)| Action::Merge(id, into)),
        1 => (1u64..4).prop_map(Action::Resolve),
    ]
}

/// The result of an attempt; `None` is a result that is never reported.
fn answer(notification: &Notification, dice: u8) -> Option<Result<Delivered, Undelivered>> {
    match dice {
        0..110 => Some(accepted(notification)),
        110..190 => Some(failing(notification)),
        190..200 => {
            let retry_after = Some(secs(u64::from(dice) * 7));
            Some(Err(Undelivered { why: "429".to_owned(), retriable: true, retry_after }))
        }
        200..225 => Some(refused(notification)),
        _ => None,
    }
}

/// Checks all invariants after each batch.
struct Checker {
    /// When each page was last sent, or last paused.
    last_sent: BTreeMap<PageId, Time>,
    /// All keys that were sent.
    keys: BTreeSet<String>,
    /// Keys that may be sent again: retries, lost results, in flight at a crash.
    may_repeat: BTreeSet<String>,
}

impl Checker {
    fn check(&mut self, fixture: &Fixture, notifications: &[Notification]) {
        for notification in notifications {
            if let Some(page) = notification.page {
                self.last_sent.insert(page, fixture.now);
                let incident = &fixture.journal.incidents[&notification.incident.unwrap()];
                assert!(
                    incident.is_open() && incident.diagnosis.wakes,
                    "paged without an open incident: {}",
                    notification.key
                );
                assert!(
                    !incident.is_acknowledged(fixture.now),
                    "paged although acknowledged: {}",
                    notification.key
                );
            }
            let key = notification.key.0.clone();
            assert!(self.keys.insert(key.clone()) || self.may_repeat.contains(&key), "sent twice: {key}");
        }
        for page in fixture.oncall.pages().values().filter(|page| page.is_open()) {
            let incident = &fixture.journal.incidents[&page.incident];
            let calls =
                incident.is_open() && incident.diagnosis.wakes && !acknowledged(fixture, page.incident.0);
            let last_sent = self.last_sent.entry(page.id).or_insert(fixture.now);
            if !calls {
                *last_sent = fixture.now;
            }
            let silence = between(*last_sent, fixture.now);
            let pace = repeat_interval(between(page.run_start, fixture.now));
            let bound = SILENCE_MAX.max(FALLBACK_INTERVAL).max(pace * 2) + Duration::from_secs(90);
            assert!(
                silence <= bound,
                "{} was silent for {silence:?} at {}\n{}",
                page.id,
                fixture.now,
                fixture.story()
            );
        }
    }
}

/// Whether an incident, or one that was merged into it, is acknowledged.
fn acknowledged(fixture: &Fixture, id: u64) -> bool {
    fixture.journal.incidents.values().any(|incident| {
        let mut survivor = incident.id.0;
        while let Some(into) = fixture.journal.incidents[&types::IncidentId(survivor)].merged_into {
            survivor = into.0;
        }
        survivor == id && incident.is_acknowledged(fixture.now)
    })
}

fn steps_follow_each_other(fixture: &Fixture) {
    let mut last: BTreeMap<PageId, (u32, u32)> = BTreeMap::new();
    for event in &fixture.journal.events {
        if let EventKind::PageStep { page, round, step, .. } = &event.kind {
            let len = 3;
            match last.insert(*page, (*round, *step)) {
                None => assert_eq!((*round, *step), (0, 0)),
                Some((before, last)) if *round == before => assert_eq!(*step, last + 1, "skipped in {page}"),
                Some((before, _)) => assert_eq!((*round, *step), (before + 1, 0), "skipped in {page}"),
            }
            assert!(*step <= len);
        }
    }
}

/// Performs an action. Merges only open incidents, as `diagnose` does.
fn play(fixture: &mut Fixture, action: &Action) {
    let open = |fixture: &Fixture, id: u64| fixture.journal.incidents[&types::IncidentId(id)].is_open();
    match action {
        Action::Acknowledge(id) if open(fixture, *id) => fixture.acknowledge(*id),
        Action::Wakes(id, wakes) if open(fixture, *id) => fixture.diagnose(*id, *wakes),
        Action::Merge(id, into) if id != into && open(fixture, *id) && open(fixture, *into) => {
            fixture.merge(*id, *into)
        }
        Action::Resolve(id) if open(fixture, *id) => fixture.resolve(*id),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn open_page_is_never_silent(
        actions in proptest::collection::vec(any_action(), 120..400),
        dice in proptest::collection::vec(any::<u8>(), 64),
        slow in 1u64..8,
        people in 0u8..4,
        step in 1u64..20,
    ) {
        let mut config = config();
        match people {
            0 => config.people.clear(),
            1 => { config.people.remove(&"cy".into()); }
            2 => {
                let short = schedule("platform", &["ana"], "2026-11-16T09:00", Some("2026-11-16T12:10"));
                config.schedules.insert("platform".into(), short);
            }
            _ => {}
        }
        let start = at("2026-11-16T12:00:00Z");
        let mut fixture = Fixture::new(config, start);
        let mut checker = Checker { last_sent: BTreeMap::new(), keys: BTreeSet::new(), may_repeat: BTreeSet::new() };
        let mut in_flight: Vec<(Time, Notification)> = Vec::new();
        let mut rolls = 0usize;
        for id in 1..4 {
            fixture.open(id, id != 3, &["auth"]);
        }
        for action in &actions {
            let now = fixture.now;
            let (arrived, still): (Vec<_>, Vec<_>) = in_flight.drain(..).partition(|(at, _)| *at <= now);
            in_flight = still;
            for (_, notification) in arrived {
                rolls += 1;
                match answer(&notification, dice[rolls % dice.len()].wrapping_add(u8::try_from(rolls % 251).unwrap())) {
                    Some(result) => {
                        // A retry has the same key.
                        if matches!(&result, Err(undelivered) if undelivered.retriable || notification.page.is_none()) {
                            checker.may_repeat.insert(notification.key.0.clone());
                        }
                        fixture.answer(&notification, result);
                    }
                    None => { checker.may_repeat.insert(notification.key.0); }
                }
            }
            match action {
                Action::Crash | Action::CrashFor(_) => {
                    let live = fixture.oncall.state_text();
                    fixture.crash();
                    prop_assert_eq!(fixture.oncall.state_text(), live);
                    checker.may_repeat.extend(in_flight.drain(..).map(|(_, notification)| notification.key.0));
                    // Results that were not reported before the crash are lost.
                    if let Action::CrashFor(secs) = action {
                        fixture.advance(Duration::from_secs(*secs));
                        checker.last_sent.clear();
                    }
                }
                other => play(&mut fixture, other),
            }
            let notifications = fixture.run_batch();
            fixture.in_flight.clear();
            checker.check(&fixture, &notifications);
            for notification in notifications {
                if slow * 5 >= 30 {
                    checker.may_repeat.insert(notification.key.0.clone());
                }
                in_flight.push((types::time::later(fixture.now, secs(slow * 5)), notification));
            }
            fixture.advance(secs(step));
        }
        steps_follow_each_other(&fixture);
        let live = fixture.oncall.state_text();
        fixture.crash();
        prop_assert_eq!(fixture.oncall.state_text(), live);
    }
}
