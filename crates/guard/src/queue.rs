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
    /// When each has waited long enough, in the order in which they came.
    waiting: BTreeMap<Ticket, Tick>,
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
    pub(crate) fn push(&mut self, class: Class, until: Tick, most: usize, now: Tick) -> Option<Ticket> {
        let lane = &mut self.lanes[class as usize];
        if lane.waiting.len() >= most {
            return None;
        }
        if lane.waiting.is_empty() {
            lane.empty = now;
        }
        self.issued += 1;
        let ticket = Ticket(self.issued << 2 | class as u64);
        lane.waiting.insert(ticket, until);
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

    /// Who is next.
    pub(crate) fn pop(&mut self, now: Tick) -> Option<Ticket> {
        let first = Class::First as usize;
        let newcomer = self.without_newcomer + 1 >= NEWCOMER_EVERY && !self.lanes[first].waiting.is_empty();
        let class =
            if newcomer { first } else { self.lanes.iter().position(|lane| !lane.waiting.is_empty())? };
        self.passed(Class::ALL[class]);
        let lane = &mut self.lanes[class];
        // Who has waited for long will leave soon: while the queue does not empty, the newest has the best chance.
        let newest = now.since(lane.empty) > WINDOW;
        let (ticket, _) = if newest { lane.waiting.pop_last()? } else { lane.waiting.pop_first()? };
        Some(ticket)
    }

    /// Takes out all who have waited long enough.
    pub(crate) fn expire(&mut self, now: Tick, mut out: impl FnMut(Ticket)) {
        for lane in &mut self.lanes {
            lane.waiting.retain(|ticket, until| {
                let stays = *until > now;
                if !stays {
                    out(*ticket);
                }
                stays
            });
        }
        self.soonest = self.lanes.iter().flat_map(|lane| lane.waiting.values().copied()).min();
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
