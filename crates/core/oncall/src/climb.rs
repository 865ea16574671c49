//! Up the ladder by absolute deadlines: what came due while we were down is done at once, nothing is skipped, nothing waits
//! its full time again (P4), an empty rung is passed at once (P5).

use crate::key::Seat;
use crate::ladder::{Ways, usable};
use crate::line::LAST_RESORT_EVERY;
use crate::page::{Page, Step};
use types::time::later;
use types::{Happened, PersonId, Plan, Time};
use std::time::Duration;

/// A rung holds for at least this long, whatever the plan says.
const WAIT_MIN: Duration = Duration::from_secs(1);

/// When nobody at all can be called and there is no last resort, the ladder is tried again after this long.
const NOBODY_PAUSE: Duration = Duration::from_secs(60);

/// While the last resort goes on being tried, the ladder is climbed once more after this long: by then others may be on call.
pub(crate) const LAST_RESORT_WAIT: Duration = Duration::from_secs(1_800);

/// After an outage of our own so many overdue rungs are rung at once at most; from there the clock counts from now.
const OVERDUE_MAX: usize = 100;

struct Place {
    round: u32,
    rung: u32,
    until: Time,
    /// Nobody on it can be called.
    dead: bool,
}

/// The rungs that are due by now, as events, in order.
pub(crate) fn climb(plan: &Plan, ways: &Ways<'_>, page: &Page, now: Time) -> Vec<Happened> {
    let mut happened = Vec::new();
    let mut place = page.current().map(|step| Place {
        round: step.round,
        rung: step.rung,
        until: step.until,
        dead: is_dead(plan, ways, step),
    });
    let mut round_dead = place.as_ref().is_none_or(|place| {
        place.dead
            && page
                .steps
                .iter()
                .filter(|step| step.round == place.round)
                .all(|step| is_dead(plan, ways, step))
    });
    loop {
        let overdue = place.as_ref().map_or(page.due, |place| place.until);
        let passed = place.as_ref().is_some_and(|place| place.dead);
        if overdue > now && !passed {
            return happened;
        }
        let due = if happened.len() < OVERDUE_MAX { overdue.min(now) } else { now };
        let Some((round, rung)) = next(ways, page, place.as_ref(), round_dead, overdue <= now) else {
            return happened;
        };
        let last_resort = rung >= ways.len();
        let people = if last_resort { Vec::new() } else { ways.people(plan, rung, now) };
        let dead = !last_resort && people.is_empty();
        let nobody = round_dead;
        round_dead = dead && (round_dead || rung == 0);
        let wait = match ways.rung(rung) {
            // A rung may have somebody again by the time of the next try.
            None if nobody => LAST_RESORT_EVERY,
            None => LAST_RESORT_WAIT,
            Some(_) if dead && round_dead && rung + 1 >= ways.len() && ways.ladder.last_resort.is_empty() => {
                NOBODY_PAUSE
            }
            Some(_) if dead => Duration::ZERO,
            Some(rung) => rung.wait.max(WAIT_MIN),
        };
        let until = later(due, wait);
        happened.push(Happened::PageRung { page: page.id, round, rung, people, until });
        place = Some(Place { round, rung, until, dead });
    }
}

/// The rung after a place; `None` when its own time must pass first although nobody is there to be called.
fn next(
    ways: &Ways<'_>,
    page: &Page,
    place: Option<&Place>,
    round_dead: bool,
    overdue: bool,
) -> Option<(u32, u32)> {
    let Some(place) = place else { return Some((page.first_round, 0)) };
    if place.rung >= ways.len() {
        return overdue.then_some((place.round.saturating_add(1), 0));
    }
    if place.rung + 1 < ways.len() {
        return Some((place.round, place.rung + 1));
    }
    let climbed = place.round.saturating_sub(page.first_round) >= ways.ladder.repeat;
    if !ways.ladder.last_resort.is_empty() && (climbed || round_dead) {
        return Some((place.round, ways.len()));
    }
    // Nobody in the whole round can be called: trying again at this very instant would change nothing.
    (overdue || !round_dead).then_some((place.round.saturating_add(1), 0))
}

/// Whether nobody on a rung can be called any more.
fn is_dead(plan: &Plan, ways: &Ways<'_>, step: &Step) -> bool {
    let gone = |id: &PersonId| match plan.people.get(id) {
        Some(person) => step.line(&Seat::Person(id.clone())).is_dead(&usable(plan, &person.reach)),
        None => true,
    };
    step.rung < ways.len() && step.people.iter().all(gone)
}

/// When the climb must be looked at next: at the current rung's deadline, or before the first one at once.
pub(crate) fn deadline(page: &Page) -> Time {
    page.current().map_or(page.due, |step| step.until)
}
