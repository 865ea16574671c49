//! On-call schedules: layers, restrictions, overrides, time off.

use crate::{PersonId, ScheduleId, Time};
use jiff::civil;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An on-call schedule, with everything that decides who is on call in it.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Its name in the configuration.
    pub id: ScheduleId,
    /// Timezone of all its local times.
    pub timezone: TimeZone,
    /// Layers of the rotation. The last one that has a person on call wins.
    pub layers: Vec<Layer>,
    /// Overrides, applied in this order: a later one changes what the ones before it left.
    pub overrides: Vec<Override>,
    /// Time off of each person who has any.
    pub away: Arc<BTreeMap<PersonId, Vec<TimeOff>>>,
}

/// A layer of a schedule: people in rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The people of each turn, in order; the first have the shift that begins at `start`. A turn without people, and a
    /// layer without turns, is a planned gap: no one is on call, whatever the layers below say.
    pub people: Vec<Vec<PersonId>>,
    /// Begin of the first shift, local time.
    pub start: civil::DateTime,
    /// Length of a shift.
    pub rotation: Rotation,
    /// Hours of the week to which it is limited; all hours when empty. A shift that lies wholly outside of them takes no
    /// turn.
    pub restrictions: Vec<Restriction>,
    /// End of the layer, local time.
    pub until: Option<civil::DateTime>,
}

/// Length of a shift in wall-clock time: a week stays a week across a DST change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Hours.
    Hours(u32),
    /// Days.
    Days(u32),
    /// Weeks.
    Weeks(u32),
    /// Months.
    Months(u32),
}

/// A range of hours on some days of the week, local time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restriction {
    /// The days on which it begins, from Monday to Sunday.
    pub days: [bool; 7],
    /// Its begin.
    pub from: civil::Time,
    /// Its end. Not after `from`, it is on the next day: equal times are 24 hours.
    pub to: civil::Time,
}

/// A change of who is on call, from `from` until just before `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// First instant.
    pub from: Time,
    /// First instant after it.
    pub to: Time,
    /// What changes.
    pub change: OverrideChange,
}

/// What an override changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverrideChange {
    /// These people are on call in addition.
    Add(Vec<PersonId>),
    /// These people are not on call.
    Remove(Vec<PersonId>),
    /// The second person is on call whenever the first would be.
    Replace(BTreeMap<PersonId, PersonId>),
    /// These people are on call and no others; no one when empty.
    Only(Vec<PersonId>),
}

/// Time off of a person, from `from` until just before `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOff {
    /// First instant.
    pub from: Time,
    /// First instant after it.
    pub to: Time,
}

impl Layer {
    /// Everybody in the rotation.
    pub fn everybody(&self) -> impl Iterator<Item = &PersonId> {
        self.people.iter().flatten()
    }
}

impl OverrideChange {
    /// Everybody whom it names.
    pub fn named(&self) -> Vec<&PersonId> {
        match self {
            Self::Add(people) | Self::Remove(people) | Self::Only(people) => people.iter().collect(),
            Self::Replace(pairs) => pairs.iter().flat_map(|(who, by)| [who, by]).collect(),
        }
    }

    /// The people whom it puts on call.
    pub fn brings(&self) -> Vec<&PersonId> {
        match self {
            Self::Add(people) | Self::Only(people) => people.iter().collect(),
            Self::Remove(_) => Vec::new(),
            Self::Replace(pairs) => pairs.values().collect(),
        }
    }
}
