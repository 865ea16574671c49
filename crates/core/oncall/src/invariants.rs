//! What must hold whatever happens: providers that fail, outcomes that get lost, crashes, people who answer or do not.

use crate::line::{FALLBACK_EVERY, redial_after};
use crate::world::{SILENCE_MAX, World, accepted, at, config, failing, refused, schedule, secs};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::notification::{Delivered, Undelivered};
use types::time::between;
use types::{EventKind, Notification, PageId, Time};

/// One thing that may happen at a second.
#[derive(Clone, Debug)]
enum Chance {
    Nothing,
    Crash,
    CrashFor(u64),
    Acknowledge(u64),
    Wakes(u64, bool),
    Merge(u64, u64),
    Resolve(u64),
}

fn any_chance() -> impl Strategy<Value = Chance> {
    prop_oneof![
        40 => Just(Chance::Nothing),
        4 => Just(Chance::Crash),
        2 => (1u64..4_000).prop_map(Chance::CrashFor),
        2 => (1u64..4).prop_map(Chance::Acknowledge),
        1 => (1u64..4, any::<bool>()).prop_map(|(id, wakes)| Chance::Wakes(id, wakes)),
        1 => (1u64..4, 1u64..4).prop_map(|(id, into)| Chance::Merge(id, into)),
        1 => (1u64..4).prop_map(Chance::Resolve),
    ]
}

/// What a provider does with an attempt; `None` is an outcome that never comes.
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

/// Checks an hour of trouble second by second.
struct Watcher {
    /// When each page last made a noise, or was excused from it.
    heard: BTreeMap<PageId, Time>,
    /// Highest attempt number seen by the line and the way it went.
    keys: BTreeSet<String>,
    /// Keys that were in flight at a crash or got lost: they alone may come again.
    may_repeat: BTreeSet<String>,
}

impl Watcher {
    fn look(&mut self, world: &World, notifications: &[Notification]) {
        for notification in notifications {
            if let Some(page) = notification.page {
                self.heard.insert(page, world.now);
                let incident = &world.incidents[&notification.incident.unwrap()];
                assert!(
                    incident.is_open() && incident.diagnosis.wakes,
                    "woken for nothing: {}",
                    notification.key
                );
                assert!(
                    !incident.is_acknowledged(world.now),
                    "woken though somebody has it in hand: {}",
                    notification.key
                );
            }
            let key = notification.key.0.clone();
            assert!(self.keys.insert(key.clone()) || self.may_repeat.contains(&key), "sent twice: {key}");
        }
        for page in world.wake.pages().values().filter(|page| page.is_open()) {
            let incident = &world.incidents[&page.incident];
            let calls =
                incident.is_open() && incident.diagnosis.wakes && !acknowledged(world, page.incident.0);
            let heard = self.heard.entry(page.id).or_insert(world.now);
            if !calls {
                *heard = world.now;
            }
            let silence = between(*heard, world.now);
            let pace = redial_after(between(page.due, world.now));
            let bound = SILENCE_MAX.max(FALLBACK_EVERY).max(pace * 2) + Duration::from_secs(90);
            assert!(
                silence <= bound,
                "{} was silent for {silence:?} at {}\n{}",
                page.id,
                world.now,
                world.story()
            );
        }
    }
}

/// An answer to an incident that became part of this one counts.
fn acknowledged(world: &World, id: u64) -> bool {
    world.incidents.values().any(|incident| {
        let mut survivor = incident.id.0;
        while let Some(into) = world.incidents[&types::IncidentId(survivor)].merged_into {
            survivor = into.0;
        }
        survivor == id && incident.is_acknowledged(world.now)
    })
}

fn steps_follow_each_other(world: &World) {
    let mut last: BTreeMap<PageId, (u32, u32)> = BTreeMap::new();
    for event in &world.journal {
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

/// Merges only what is open, and into something that is, as diagnose does.
fn play(world: &mut World, chance: &Chance) {
    let open = |world: &World, id: u64| world.incidents[&types::IncidentId(id)].is_open();
    match chance {
        Chance::Acknowledge(id) if open(world, *id) => world.acknowledge(*id),
        Chance::Wakes(id, wakes) if open(world, *id) => world.diagnose(*id, *wakes),
        Chance::Merge(id, into) if id != into && open(world, *id) && open(world, *into) => {
            world.merge(*id, *into)
        }
        Chance::Resolve(id) if open(world, *id) => world.resolve(*id),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_open_page_is_never_silent(
        chances in proptest::collection::vec(any_chance(), 120..400),
        dice in proptest::collection::vec(any::<u8>(), 64),
        slow in 1u64..8,
        people in 0u8..4,
        step in 1u64..20,
    ) {
        let mut config = config();
        match people {
            0 => config.people.clear(),
            1 => { config.people.remove(&"cy".into()); }
            2 => { config.schedules.insert("platform".into(), schedule("platform", &["ana"], "2026-11-16T09:00", Some("2026-11-16T12:10"))); }
            _ => {}
        }
        let start = at("2026-11-16T12:00:00Z");
        let mut world = World::new(config, start);
        let mut watcher = Watcher { heard: BTreeMap::new(), keys: BTreeSet::new(), may_repeat: BTreeSet::new() };
        let mut flying: Vec<(Time, Notification)> = Vec::new();
        let mut thrown = 0usize;
        for id in 1..4 {
            world.open(id, id != 3, &["auth"]);
        }
        for chance in &chances {
            let now = world.now;
            let (arrived, still): (Vec<_>, Vec<_>) = flying.drain(..).partition(|(at, _)| *at <= now);
            flying = still;
            for (_, notification) in arrived {
                thrown += 1;
                match answer(&notification, dice[thrown % dice.len()].wrapping_add(u8::try_from(thrown % 251).unwrap())) {
                    Some(result) => {
                        // A retry is the same attempt.
                        if matches!(&result, Err(undelivered) if undelivered.retriable || notification.page.is_none()) {
                            watcher.may_repeat.insert(notification.key.0.clone());
                        }
                        world.answer(&notification, result);
                    }
                    None => { watcher.may_repeat.insert(notification.key.0); }
                }
            }
            match chance {
                Chance::Crash | Chance::CrashFor(_) => {
                    let live = world.wake.known_text();
                    world.crash();
                    prop_assert_eq!(world.wake.known_text(), live);
                    watcher.may_repeat.extend(flying.drain(..).map(|(_, notification)| notification.key.0));
                    // Outcomes that were still to come after they were sent again are lost as well.
                    if let Chance::CrashFor(secs) = chance {
                        world.pass(Duration::from_secs(*secs));
                        watcher.heard.clear();
                    }
                }
                other => play(&mut world, other),
            }
            let notifications = world.settle();
            world.flying.clear();
            watcher.look(&world, &notifications);
            for notification in notifications {
                if slow * 5 >= 30 {
                    watcher.may_repeat.insert(notification.key.0.clone());
                }
                flying.push((types::time::later(world.now, secs(slow * 5)), notification));
            }
            world.pass(secs(step));
        }
        steps_follow_each_other(&world);
        let live = world.wake.known_text();
        world.crash();
        prop_assert_eq!(world.wake.known_text(), live);
    }
}
