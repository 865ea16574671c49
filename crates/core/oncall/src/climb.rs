//! Up the escalation by absolute deadlines: what came due while we were down is done at once, nothing is skipped, nothing waits
//! its full time again (P4), an empty step is passed at once (P5).

use crate::escalation::{Ways, usable};
use crate::key::Seat;
use crate::line::FALLBACK_EVERY;
use crate::page::{Page, Step};
use std::time::Duration;
use types::time::later;
use types::{Config, EventKind, PersonId, Time};

/// A step holds for at least this long, whatever the configuration says.
const WAIT_MIN: Duration = Duration::from_secs(1);

/// When nobody at all can be called and there is no last resort, the escalation is tried again after this long.
const NOBODY_PAUSE: Duration = Duration::from_secs(60);

/// While the last resort goes on being tried, the escalation is climbed once more after this long: by then others may be on call.
pub(crate) const FALLBACK_WAIT: Duration = Duration::from_secs(1_800);

/// After an outage of our own so many overdue steps are step at once at most; from there the clock counts from now.
const OVERDUE_MAX: usize = 100;

struct Place {
    round: u32,
    step: u32,
    until: Time,
    /// Nobody on it can be called.
    dead: bool,
}

/// The steps that are due by now, as events, in order.
pub(crate) fn climb(config: &Config, ways: &Ways<'_>, page: &Page, now: Time) -> Vec<EventKind> {
    let mut events = Vec::new();
    let mut place = page.current().map(|step| Place {
        round: step.round,
        step: step.step,
        until: step.until,
        dead: is_dead(config, ways, step),
    });
    let mut round_dead = place.as_ref().is_none_or(|place| {
        place.dead
            && page
                .steps
                .iter()
                .filter(|step| step.round == place.round)
                .all(|step| is_dead(config, ways, step))
    });
    loop {
        let overdue = place.as_ref().map_or(page.due, |place| place.until);
        let passed = place.as_ref().is_some_and(|place| place.dead);
        if overdue > now && !passed {
            return events;
        }
        let due = if events.len() < OVERDUE_MAX { overdue.min(now) } else { now };
        let Some((round, step)) = next(ways, page, place.as_ref(), round_dead, overdue <= now) else {
            return events;
        };
        let fallback = step >= ways.len();
        let people = if fallback { Vec::new() } else { ways.people(config, step, now) };
        let dead = !fallback && people.is_empty();
        let nobody = round_dead;
        round_dead = dead && (round_dead || step == 0);
        let wait = match ways.step(step) {
            // A step may have somebody again by the time of the next try.
            None if nobody => FALLBACK_EVERY,
            None => FALLBACK_WAIT,
            Some(_)
                if dead && round_dead && step + 1 >= ways.len() && ways.escalation.fallback.is_empty() =>
            {
                NOBODY_PAUSE
            }
            Some(_) if dead => Duration::ZERO,
            Some(step) => step.escalate_after.max(WAIT_MIN),
        };
        let until = later(due, wait);
        events.push(EventKind::PageStep { page: page.id, round, step, people, until });
        place = Some(Place { round, step, until, dead });
    }
}

/// The step after a place; `None` when its own time must pass first although nobody is there to be called.
fn next(
    ways: &Ways<'_>,
    page: &Page,
    place: Option<&Place>,
    round_dead: bool,
    overdue: bool,
) -> Option<(u32, u32)> {
    let Some(place) = place else { return Some((page.first_round, 0)) };
    if place.step >= ways.len() {
        return overdue.then_some((place.round.saturating_add(1), 0));
    }
    if place.step + 1 < ways.len() {
        return Some((place.round, place.step + 1));
    }
    let climbed = place.round.saturating_sub(page.first_round) >= ways.escalation.repeat;
    if !ways.escalation.fallback.is_empty() && (climbed || round_dead) {
        return Some((place.round, ways.len()));
    }
    // Nobody in the whole round can be called: trying again at this very instant would change nothing.
    (overdue || !round_dead).then_some((place.round.saturating_add(1), 0))
}

/// Whether nobody on a step can be called any more.
fn is_dead(config: &Config, ways: &Ways<'_>, step: &Step) -> bool {
    let gone = |id: &PersonId| match config.people.get(id) {
        Some(person) => step.line(&Seat::Person(id.clone())).is_dead(&usable(config, &person.contacts)),
        None => true,
    };
    step.step < ways.len() && step.people.iter().all(gone)
}

/// When the climb must be looked at next: at the current step's deadline, or before the first one at once.
pub(crate) fn deadline(page: &Page) -> Time {
    page.current().map_or(page.due, |step| step.until)
}
