//! A layer of a schedule: whose turn it is.

use super::restrictions::{CountedTurns, hours};
use super::wallclock::Turns;
use jiff::tz::TimeZone;
use types::config::Layer;
use types::wallclock::instant;
use types::{PersonId, Time};

/// A layer in its timezone.
pub(super) struct Duty<'a> {
    layer: &'a Layer,
    turns: Turns<'a>,
    /// Its end; [`Time::MAX`] if it has none.
    end: Time,
    /// The turns that count, when some do not.
    counted: Option<CountedTurns>,
}

impl<'a> Duty<'a> {
    pub(super) fn new(timezone: &'a TimeZone, layer: &'a Layer) -> Self {
        let turns = Turns { timezone, start: layer.start, rotation: layer.rotation };
        Self {
            counted: CountedTurns::new(&turns, &layer.restrictions),
            end: layer.until.map_or(Time::MAX, |until| instant(timezone, until)),
            layer,
            turns,
        }
    }

    /// The people whose turn it is; none in a planned gap. `None` when the layer is not on duty: before its start, after
    /// its end, outside of its restrictions.
    pub(super) fn people(&self, at: Time) -> Option<&'a [PersonId]> {
        if at >= self.end {
            return None;
        }
        let number = self.turns.at(at)?;
        if !hours(self.turns.timezone, &self.layer.restrictions, at).is_within {
            return None;
        }
        let number = self.counted.as_ref().map_or(number, |counted| counted.before(number));
        let Ok(turns @ 1..) = i64::try_from(self.layer.people.len()) else { return Some(&[]) };
        let turn = usize::try_from(number.rem_euclid(turns)).ok()?;
        self.layer.people.get(turn).map(Vec::as_slice)
    }

    /// The first instant after `at` at which a turn may begin or end; [`Time::MAX`] if there is none.
    pub(super) fn next_change(&self, at: Time) -> Time {
        if at >= self.end {
            return Time::MAX;
        }
        let Some(number) = self.turns.at(at) else { return self.turns.begins(0).min(self.end) };
        let handoff = match self.layer.people.len() {
            0 | 1 => Time::MAX,
            _ => self.turns.begins(number.saturating_add(1)),
        };
        let hours = hours(self.turns.timezone, &self.layer.restrictions, at);
        [handoff, hours.until, self.end].into_iter().filter(|change| *change > at).min().unwrap_or(Time::MAX)
    }
}
