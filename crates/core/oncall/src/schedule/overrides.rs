//! Overrides and time off.

use std::collections::BTreeMap;
use types::config::{Override, OverrideChange, Schedule, TimeOff};
use types::{PersonId, Time};

/// The instants at which overrides and time off begin and end, sorted.
pub(super) fn edges(schedule: &Schedule) -> Vec<Time> {
    let overrides = schedule.overrides.iter().flat_map(|one| [one.from, one.to]);
    let away = schedule.away.values().flatten().flat_map(|one| [one.from, one.to]);
    let mut edges: Vec<Time> = overrides.chain(away).collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// What overrides change at an instant, in their order.
pub(super) fn active(schedule: &Schedule, at: Time) -> Vec<&OverrideChange> {
    let is_active = |one: &&Override| one.from <= at && at < one.to;
    schedule.overrides.iter().filter(is_active).map(|one| &one.change).collect()
}

/// The people of a turn after all changes, each once, without those who are away.
pub(super) fn apply(
    turn: &[PersonId],
    changes: &[&OverrideChange],
    away: &BTreeMap<PersonId, Vec<TimeOff>>,
    at: Time,
) -> Vec<PersonId> {
    let mut people: Vec<&PersonId> = Vec::new();
    add(&mut people, turn);
    for change in changes {
        match change {
            OverrideChange::Add(added) => add(&mut people, added),
            OverrideChange::Remove(removed) => people.retain(|person| !removed.contains(person)),
            OverrideChange::Only(only) => {
                people.clear();
                add(&mut people, only);
            }
            OverrideChange::Replace(pairs) => {
                let before = std::mem::take(&mut people);
                add(&mut people, before.into_iter().map(|person| pairs.get(person).unwrap_or(person)));
            }
        }
    }
    let is_away = |person: &PersonId| {
        away.get(person).is_some_and(|all| all.iter().any(|one| one.from <= at && at < one.to))
    };
    people.into_iter().filter(|person| !is_away(person)).cloned().collect()
}

/// Adds people who are not there yet.
fn add<'a>(people: &mut Vec<&'a PersonId>, more: impl IntoIterator<Item = &'a PersonId>) {
    for person in more {
        if !people.contains(&person) {
            people.push(person);
        }
    }
}
