//! Those who wait for a permit: by rank, bounded in time and in number, the newest first when it takes longer.

use crate::admission::Ticket;
use crate::concurrency::WINDOW;
use crate::facts::Class;
use crate::tick::Tick;
use std::collections::BTreeMap;

/// One in so many permits goes to a first-time visitor who waits, whoever else does.
const NEWCOMER_EVERY: u32 = 20;

/// Everybody who waits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    lanes: [Lane; 4],
    issued: u64,
    /// Before this nobody has waited long enough.
    soonest: Option<Tick>,
    /// Permits given since a first-time visitor got one.
    without_newcomer: u32,
}

#[derive(Clone, Debug, Default)]
struct Lane {
    /// When each has waited long enough, in the order in which they came, and which visitor it is.
    waiting: BTreeMap<Ticket, (Tick, Option<u64>)>,
    /// When it was empty last.
    empty: Tick,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.lanes.iter().map(|lane| lane.waiting.len()).sum()
    }

    /// Whether anybody waits who goes before a newcomer of this class, or beside it.
    pub(crate) fn before(&self, class: Class) -> bool {
        self.lanes[..=class as usize].iter().any(|lane| !lane.waiting.is_empty())
    }

    /// Lets somebody wait until a tick; `None` when so many wait already.
    pub(crate) fn push(
        &mut self,
        class: Class,
        visitor: Option<u64>,
        until: Tick,
        most: usize,
        now: Tick,
    ) -> Option<Ticket> {
        let lane = &mut self.lanes[class as usize];
        if lane.waiting.len() >= most {
            return None;
        }
        if lane.waiting.is_empty() {
            lane.empty = now;
        }
        self.issued += 1;
        let ticket = Ticket(self.issued << 2 | class as u64);
        lane.waiting.insert(ticket, (until, visitor));
        self.soonest = Some(self.soonest.map_or(until, |soonest| soonest.min(until)));
        Some(ticket)
    }

    /// Somebody went away. `false` when they did not wait.
    pub(crate) fn remove(&mut self, ticket: Ticket) -> bool {
        self.lanes[(ticket.0 & 3) as usize].waiting.remove(&ticket).is_some()
    }

    /// A request got a permit without waiting.
    pub(crate) fn passed(&mut self, class: Class) {
        self.without_newcomer =
            if class == Class::First { 0 } else { self.without_newcomer.saturating_add(1) };
    }

    /// Who is next, and which visitor it is.
    pub(crate) fn pop(&mut self, now: Tick) -> Option<(Ticket, Option<u64>)> {
        let first = Class::First as usize;
        let newcomer = self.without_newcomer + 1 >= NEWCOMER_EVERY && !self.lanes[first].waiting.is_empty();
        let class =
            if newcomer { first } else { self.lanes.iter().position(|lane| !lane.waiting.is_empty())? };
        self.passed(Class::ALL[class]);
        let lane = &mut self.lanes[class];
        // Who has waited for long will leave soon: while the queue does not empty, the newest has the best chance.
        let newest = now.since(lane.empty) > WINDOW;
        let (ticket, (_, visitor)) =
            if newest { lane.waiting.pop_last()? } else { lane.waiting.pop_first()? };
        Some((ticket, visitor))
    }

    /// Takes out all who have waited long enough.
    pub(crate) fn expire(&mut self, now: Tick, mut out: impl FnMut(Ticket)) {
        for lane in &mut self.lanes {
            lane.waiting.retain(|ticket, (until, _)| {
                let stays = *until > now;
                if !stays {
                    out(*ticket);
                }
                stays
            });
        }
        self.soonest =
            self.lanes.iter().flat_map(|lane| lane.waiting.values().map(|(until, _)| *until)).min();
    }

    /// Takes out everybody.
    pub(crate) fn clear(&mut self, mut out: impl FnMut(Ticket)) {
        for lane in &mut self.lanes {
            std::mem::take(&mut lane.waiting).into_keys().for_each(&mut out);
        }
    }

    /// When the next one has waited long enough, at the earliest.
    pub(crate) fn next(&self) -> Tick {
        if self.len() == 0 { Tick::NEVER } else { self.soonest.unwrap_or(Tick::NEVER) }
    }
}

/// The class that a ticket was given for.
pub(crate) fn class_of(ticket: Ticket) -> Class {
    Class::ALL[(ticket.0 & 3) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Tick = Tick(1_000_000);

    fn push(queue: &mut Queue, class: Class, at: Tick) -> Ticket {
        queue.push(class, Some(7), at.after(WINDOW), 100, at).unwrap()
    }

    #[test]
    fn by_rank_and_the_oldest_first_while_it_is_short() {
        let mut queue = Queue::default();
        let pushed: Vec<Ticket> = [Class::Bot, Class::First, Class::Known, Class::Known, Class::Urgent]
            .map(|class| push(&mut queue, class, NOW))
            .into();
        let popped: Vec<Ticket> = std::iter::from_fn(|| queue.pop(NOW).map(|(ticket, _)| ticket)).collect();
        assert_eq!(popped, [pushed[4], pushed[2], pushed[3], pushed[1], pushed[0]]);
        assert_eq!(queue.next(), Tick::NEVER);
    }

    #[test]
    fn the_newest_first_when_it_does_not_empty() {
        let mut queue = Queue::default();
        let old = push(&mut queue, Class::First, NOW);
        let later = NOW.after(WINDOW * 2);
        let new = push(&mut queue, Class::First, later);
        assert_eq!(queue.pop(later), Some((new, Some(7))));
        let mut late = Vec::new();
        queue.expire(later, |ticket| late.push(ticket));
        assert_eq!(late, [old]);
    }

    #[test]
    fn one_in_twenty_is_a_newcomer() {
        let mut queue = Queue::default();
        for _ in 0..60 {
            push(&mut queue, Class::Known, NOW);
            push(&mut queue, Class::First, NOW);
        }
        let newcomers = (0..60)
            .filter(|_| queue.pop(NOW).map(|(ticket, _)| class_of(ticket)) == Some(Class::First))
            .count();
        assert_eq!(newcomers, 3);
    }

    #[test]
    fn nobody_is_let_in_beyond_the_bound_and_whoever_left_is_not_called() {
        let mut queue = Queue::default();
        let first = queue.push(Class::Known, Some(7), NOW, 1, NOW).unwrap();
        assert_eq!(queue.push(Class::Known, Some(7), NOW, 1, NOW), None);
        assert!(queue.remove(first) && !queue.remove(first));
        assert_eq!(queue.pop(NOW), None);
    }
}
