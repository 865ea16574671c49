//! Advances a page through its escalation by absolute deadlines. Steps that became due while mainstay was down are
//! reached immediately; no step is skipped or waits its full time again (P4). A step without people is passed
//! immediately (P5).

use super::availability::usable;
use super::route::Route;
use crate::page::{Page, Step};
use crate::queue::{FALLBACK_INTERVAL, Recipient};
use std::time::Duration;
use types::time::later;
use types::{Config, EventKind, PersonId, Time};

/// The shortest time between a step and the next one, whatever the configuration says.
const ESCALATE_AFTER_MIN: Duration = Duration::from_secs(1);

/// When no one can be paged and there is no fallback contact, the escalation is tried again after this long.
const EMPTY_ROUND_DELAY: Duration = Duration::from_secs(60);

/// After the fallback was reached, the next round begins after this long: by then, other people may be on call. The
/// fallback contacts are still tried meanwhile.
const NEXT_ROUND_DELAY: Duration = Duration::from_secs(1_800);

/// At most this many overdue steps are reached in one reaction; the deadlines of further steps count from now.
const OVERDUE_MAX: usize = 100;

struct Position {
    round: u32,
    step: u32,
    until: Time,
    /// No one on it can be paged.
    exhausted: bool,
}

/// The steps that are due now, as events, in order.
pub(crate) fn advance(config: &Config, route: &Route<'_>, page: &Page, now: Time) -> Vec<EventKind> {
    let mut events = Vec::new();
    let mut position = page.current().map(|step| Position {
        round: step.round,
        step: step.step,
        until: step.until,
        exhausted: is_exhausted(config, route, step),
    });
    let mut round_exhausted = position.as_ref().is_none_or(|position| {
        position.exhausted
            && page
                .steps
                .iter()
                .filter(|step| step.round == position.round)
                .all(|step| is_exhausted(config, route, step))
    });
    loop {
        let deadline = position.as_ref().map_or(page.run_start, |position| position.until);
        let exhausted = position.as_ref().is_some_and(|position| position.exhausted);
        if deadline > now && !exhausted {
            return events;
        }
        let due = if events.len() < OVERDUE_MAX { deadline.min(now) } else { now };
        let next = next_step(route, page, position.as_ref(), round_exhausted, deadline <= now);
        let Some((round, step)) = next else { return events };
        let is_fallback = step >= route.len();
        let people = if is_fallback { Vec::new() } else { route.people(config, step, now) };
        let exhausted = !is_fallback && people.is_empty();
        let nobody_before = round_exhausted;
        round_exhausted = exhausted && (round_exhausted || step == 0);
        let ends_round = step + 1 >= route.len() && route.escalation.fallback.is_empty();
        let wait = match route.step(step) {
            // People may be on call by the time of the next try.
            None if nobody_before => FALLBACK_INTERVAL,
            None => NEXT_ROUND_DELAY,
            Some(_) if exhausted && round_exhausted && ends_round => EMPTY_ROUND_DELAY,
            Some(_) if exhausted => Duration::ZERO,
            Some(step) => step.escalate_after.max(ESCALATE_AFTER_MIN),
        };
        let until = later(due, wait);
        events.push(EventKind::PageStep { page: page.id, round, step, people, until });
        position = Some(Position { round, step, until, exhausted });
    }
}

/// The round and step after a position; `None` while the deadline of an exhausted round is not reached.
fn next_step(
    route: &Route<'_>,
    page: &Page,
    position: Option<&Position>,
    round_exhausted: bool,
    overdue: bool,
) -> Option<(u32, u32)> {
    let Some(position) = position else { return Some((page.first_round, 0)) };
    if position.step >= route.len() {
        return overdue.then_some((position.round.saturating_add(1), 0));
    }
    if position.step + 1 < route.len() {
        return Some((position.round, position.step + 1));
    }
    let repeated = position.round.saturating_sub(page.first_round) >= route.escalation.repeat;
    if !route.escalation.fallback.is_empty() && (repeated || round_exhausted) {
        return Some((position.round, route.len()));
    }
    // No one in the round can be paged: another round at the same instant would find the same people.
    (overdue || !round_exhausted).then_some((position.round.saturating_add(1), 0))
}

/// Whether no one on a step can be paged any more.
fn is_exhausted(config: &Config, route: &Route<'_>, step: &Step) -> bool {
    let is_unavailable = |id: &PersonId| match config.people.get(id) {
        Some(person) => {
            step.queue(&Recipient::Person(id.clone())).is_exhausted(&usable(config, &person.contacts))
        }
        None => true,
    };
    step.step < route.len() && step.people.iter().all(is_unavailable)
}
