//! Shifts: the people on call at an instant or in a period. Pages, the forecast, the calendar and the command line all
//! use this module (P11).
//!
//! 1. Each layer has a turn at an instant, if it has begun and not ended and the instant is within its restrictions.
//! 2. Overrides change the people of the turn, one after the other. Then those who are away are left out.
//! 3. The last layer that still has a person on call wins. A turn without people is a planned gap: the layers below it
//!    are not asked.

mod duty;
mod overrides;
mod restrictions;
mod wallclock;

pub use types::wallclock::instant;
pub use wallclock::starts;

use duty::Duty;
use types::config::Schedule;
use types::{PersonId, Time};

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

/// The people on call at an instant; empty when no layer and no override has anybody on duty.
///
/// The cost does not depend on the distance from the start of a layer.
#[must_use]
pub fn on_call(schedule: &Schedule, at: Time) -> Vec<PersonId> {
    Roster::new(schedule).on_call(at)
}

/// The shifts from `from` until just before `to`, without the hours in which no one is on call. The first and the last
/// shift are cut there. Consecutive turns of one person are one shift.
#[must_use]
pub fn shifts(schedule: &Schedule, from: Time, to: Time) -> Vec<Shift> {
    let roster = Roster::new(schedule);
    let mut shifts: Vec<Shift> = Vec::new();
    let mut at = from;
    while at < to {
        let until = roster.next_change(at).min(to);
        let people = roster.on_call(at);
        match shifts.last_mut() {
            _ if people.is_empty() => {}
            Some(last) if last.to == at && last.people == people => last.to = until,
            _ => shifts.push(Shift { from: at, to: until, people }),
        }
        at = until;
    }
    shifts
}

/// A schedule, with what is computed once for all its shifts.
struct Roster<'a> {
    schedule: &'a Schedule,
    duties: Vec<Duty<'a>>,
    /// The instants at which overrides and time off begin and end, sorted.
    edges: Vec<Time>,
}

impl<'a> Roster<'a> {
    fn new(schedule: &'a Schedule) -> Self {
        let duties = schedule.layers.iter().map(|layer| Duty::new(&schedule.timezone, layer)).collect();
        Self { schedule, duties, edges: overrides::edges(schedule) }
    }

    fn on_call(&self, at: Time) -> Vec<PersonId> {
        let active = overrides::active(self.schedule, at);
        for duty in self.duties.iter().rev() {
            let Some(turn) = duty.people(at) else { continue };
            let people = overrides::apply(turn, &active, &self.schedule.away, at);
            if turn.is_empty() || !people.is_empty() {
                return people;
            }
        }
        overrides::apply(&[], &active, &self.schedule.away, at)
    }

    /// The first instant after `at` at which anything may change; [`Time::MAX`] if there is none.
    fn next_change(&self, at: Time) -> Time {
        let edge = self.edges.get(self.edges.partition_point(|edge| *edge <= at)).copied();
        let of_layers = self.duties.iter().map(|duty| duty.next_change(at));
        of_layers.chain(edge).min().unwrap_or(Time::MAX)
    }
}

#[cfg(test)]
mod tests;
