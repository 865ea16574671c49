//! Requests that wait for a permit: by rank, fair between clients, bounded in time and in number.
//!
//! Each client has a queue of its own, first in, first out, and only the head of each competes. So a client that
//! sends a hundred requests concurrently makes only itself wait: the heads of the others take turns with its own.

use crate::admission::Ticket;
use crate::facts::Class;
use crate::tick::Tick;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// One in this many permits goes to a waiting first-time client, whatever else waits.
const NEWCOMER_EVERY: u32 = 20;
/// Requests of one client that wait at most; as many streams as a few browsers or one load generator open.
const LINE_MAX: usize = 1_024;
/// Requests that wait at most in one class, so that memory stays bounded.
const WAITING_MAX: usize = 16_384;

/// The numbers of opens begin here.
const OPENS: u64 = 1 << 60;

/// All requests that wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    classes: [ClassQueue; 4],
    issued: u64,
    /// Permits given since a first-time client got one.
    without_newcomer: u32,
}

/// The requests of one class.
#[derive(Clone, Debug, Default)]
struct ClassQueue {
    waiting: BTreeMap<Ticket, Waiting>,
    lines: BTreeMap<Owner, VecDeque<Ticket>>,
    /// The head of each line by the turn that it got, and by its own age.
    turns: BTreeMap<u64, Ticket>,
    heads: BTreeMap<Ticket, Head>,
    deadlines: BTreeSet<(Tick, Ticket)>,
    /// The tick at which it was last empty.
    empty: Tick,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    owner: Owner,
    deadline: Tick,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    turn: u64,
    since: Tick,
}

/// The owner of a request. A declared caller on its own behalf has one per request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Client(u64),
    Single(Ticket),
}

/// A request that leaves the queue, and whose it is.
pub(crate) type Popped = (Ticket, Option<u64>);

impl Queue {
    /// A queue whose tickets differ from those of an ordinary one.
    pub(crate) fn of_opens() -> Self {
        Self { issued: OPENS, ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.classes.iter().map(|lane| lane.waiting.len()).sum()
    }

    /// Clients that wait in this class and in those before it.
    pub(crate) fn clients(&self, class: Class) -> usize {
        self.classes[..=class as usize].iter().map(|lane| lane.heads.len()).sum()
    }

    /// Whether a request waits that goes before a new one of this class, or has the same class.
    pub(crate) fn before(&self, class: Class) -> bool {
        self.classes[..=class as usize].iter().any(|lane| !lane.waiting.is_empty())
    }

    /// Whether one client has as many waiting as it may.
    pub(crate) fn is_full_for(&self, class: Class, client: u64) -> bool {
        let lane = &self.classes[class as usize];
        !lane.waiting.is_empty()
            && lane.lines.get(&Owner::Client(client)).is_some_and(|line| line.len() >= LINE_MAX)
    }

    /// Lets a request wait until its deadline; `None` when too many wait already. `most` is for clients in one class.
    pub(crate) fn push(
        &mut self,
        class: Class,
        client: Option<u64>,
        deadline: Tick,
        most: usize,
        now: Tick,
    ) -> Option<Ticket> {
        let lane = &mut self.classes[class as usize];
        self.issued += 1;
        let ticket = Ticket(self.issued << 2 | class as u64);
        let owner = client.map_or(Owner::Single(ticket), Owner::Client);
        let line = lane.lines.get(&owner).map_or(0, VecDeque::len);
        if lane.waiting.len() >= WAITING_MAX || line >= LINE_MAX || line == 0 && lane.heads.len() >= most {
            return None;
        }
        if lane.waiting.is_empty() {
            lane.empty = now;
        }
        lane.waiting.insert(ticket, Waiting { owner, deadline });
        lane.deadlines.insert((deadline, ticket));
        lane.lines.entry(owner).or_default().push_back(ticket);
        if line == 0 {
            lane.heads_with(ticket, self.issued, now);
        }
        Some(ticket)
    }

    /// A request went away. `false` when it did not wait.
    pub(crate) fn remove(&mut self, ticket: Ticket, now: Tick) -> bool {
        self.issued += 1;
        self.classes[class_of(ticket) as usize].take(ticket, self.issued, now).is_some()
    }

    /// A request got a permit without waiting.
    pub(crate) fn passed(&mut self, class: Class) {
        self.without_newcomer =
            if class == Class::FirstTime { 0 } else { self.without_newcomer.saturating_add(1) };
    }

    /// Returns the next client. `newest`: for how long a queue may be busy before the newest goes first; a client
    /// that has waited for long will leave soon.
    pub(crate) fn next(&self, newest: Option<Duration>, now: Tick) -> Option<Popped> {
        let first = Class::FirstTime as usize;
        let newcomer = self.without_newcomer + 1 >= NEWCOMER_EVERY && !self.classes[first].waiting.is_empty();
        let class =
            if newcomer { first } else { self.classes.iter().position(|lane| !lane.waiting.is_empty())? };
        let lane = &self.classes[class];
        let is_busy = newest.is_some_and(|after| now.since(lane.empty) > after);
        let ticket = if is_busy { lane.heads.keys().next_back() } else { lane.turns.values().next() };
        let ticket = *ticket?;
        lane.waiting.get(&ticket).map(|waiting| (ticket, waiting.owner.number()))
    }

    /// Removes the one that [`Queue::next`] returned.
    pub(crate) fn pop(&mut self, ticket: Ticket, now: Tick) {
        self.passed(class_of(ticket));
        self.remove(ticket, now);
    }

    /// The head of one client's line, in the class of a ticket.
    pub(crate) fn head_of(&self, of: Ticket, client: u64) -> Option<Ticket> {
        self.classes[class_of(of) as usize].lines.get(&Owner::Client(client))?.front().copied()
    }

    /// Removes all whose deadline has passed, and the heads that have waited for longer than `patience` allows for
    /// their class.
    pub(crate) fn expire(
        &mut self,
        patience: impl Fn(Class) -> Option<Duration>,
        now: Tick,
        late: &mut Vec<Ticket>,
    ) {
        for (class, lane) in Class::ALL.into_iter().zip(&mut self.classes) {
            let from = late.len();
            late.extend(
                lane.deadlines.iter().take_while(|(until, _)| *until <= now).map(|(_, ticket)| *ticket),
            );
            if let Some(patience) = patience(class) {
                let waited = |head: &Head| now.since(head.since) >= patience;
                late.extend(lane.heads.iter().filter(|(_, head)| waited(head)).map(|(ticket, _)| *ticket));
            }
            for ticket in &late[from..] {
                self.issued += 1;
                lane.take(*ticket, self.issued, now);
            }
            // A request whose deadline has passed may be a head that has waited for too long as well.
            let mut own: Vec<Ticket> = late.split_off(from);
            own.sort_unstable();
            own.dedup();
            late.append(&mut own);
        }
    }

    /// Removes all requests.
    pub(crate) fn clear(&mut self, out: &mut Vec<Ticket>) {
        for lane in &mut self.classes {
            out.extend(std::mem::take(&mut lane.waiting).into_keys());
            *lane = ClassQueue { empty: lane.empty, ..ClassQueue::default() };
        }
    }

    /// The first deadline.
    pub(crate) fn deadline(&self) -> Tick {
        let first = self.classes.iter().filter_map(|lane| lane.deadlines.first());
        first.map(|(until, _)| *until).min().unwrap_or(Tick::NEVER)
    }
}

impl ClassQueue {
    fn heads_with(&mut self, ticket: Ticket, turn: u64, now: Tick) {
        self.turns.insert(turn, ticket);
        self.heads.insert(ticket, Head { turn, since: now });
    }

    /// Takes one out; the next of its client, if it was the head, gets a turn behind all others.
    fn take(&mut self, ticket: Ticket, turn: u64, now: Tick) -> Option<Waiting> {
        let waiting = self.waiting.remove(&ticket)?;
        self.deadlines.remove(&(waiting.deadline, ticket));
        let line = self.lines.get_mut(&waiting.owner)?;
        if let Some(head) = self.heads.remove(&ticket) {
            self.turns.remove(&head.turn);
            line.pop_front();
            if let Some(next) = line.front().copied() {
                self.heads_with(next, turn, now);
            } else {
                self.lines.remove(&waiting.owner);
            }
        } else {
            line.retain(|other| *other != ticket);
        }
        Some(waiting)
    }
}

impl Owner {
    fn number(self) -> Option<u64> {
        match self {
            Self::Client(number) => Some(number),
            Self::Single(_) => None,
        }
    }
}

/// Whether a ticket was given for an open.
pub(crate) fn is_open(ticket: Ticket) -> bool {
    ticket.0 >> 2 >= OPENS
}

/// The class that a ticket was given for.
pub(crate) fn class_of(ticket: Ticket) -> Class {
    Class::ALL[(ticket.0 & 3) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Tick = Tick(1_000_000);
    const WHILE: Duration = Duration::from_millis(100);

    fn push(queue: &mut Queue, class: Class, client: u64, at: Tick) -> Ticket {
        queue.push(class, Some(client), at.after(WHILE), 100, at).unwrap()
    }

    fn pop(queue: &mut Queue, newest: Option<Duration>, now: Tick) -> Option<Ticket> {
        let (ticket, _) = queue.next(newest, now)?;
        queue.pop(ticket, now);
        Some(ticket)
    }

    #[test]
    fn ranks_come_first_then_age() {
        let mut queue = Queue::default();
        let pushed: Vec<Ticket> =
            [Class::Bot, Class::FirstTime, Class::Recognized, Class::Recognized, Class::Priority]
                .into_iter()
                .zip(1..)
                .map(|(class, client)| push(&mut queue, class, client, NOW))
                .collect();
        let popped: Vec<Ticket> = std::iter::from_fn(|| pop(&mut queue, Some(WHILE), NOW)).collect();
        assert_eq!(popped, [pushed[4], pushed[2], pushed[3], pushed[1], pushed[0]]);
        assert_eq!(queue.deadline(), Tick::NEVER);
    }

    #[test]
    fn clients_take_turns() {
        let mut queue = Queue::default();
        let many: Vec<Ticket> = (0..4).map(|_| push(&mut queue, Class::FirstTime, 1, NOW)).collect();
        let few: Vec<Ticket> = (0..2).map(|_| push(&mut queue, Class::FirstTime, 2, NOW)).collect();
        assert_eq!(queue.clients(Class::FirstTime), 2);
        let popped: Vec<Ticket> = std::iter::from_fn(|| pop(&mut queue, None, NOW)).collect();
        assert_eq!(popped, [many[0], few[0], many[1], few[1], many[2], many[3]]);
    }

    #[test]
    fn newest_client_goes_first_where_the_queue_does_not_empty() {
        let mut queue = Queue::default();
        let old = push(&mut queue, Class::FirstTime, 1, NOW);
        let hog = push(&mut queue, Class::FirstTime, 1, NOW);
        let later = NOW.after(WHILE * 2);
        let new = push(&mut queue, Class::FirstTime, 2, later);
        assert_eq!(pop(&mut queue, None, later), Some(old));
        // The line of the first client has a new head, which is still older than the other client.
        assert_eq!(pop(&mut queue, Some(WHILE), later), Some(new));
        let mut late = Vec::new();
        queue.expire(|_| None, later, &mut late);
        assert_eq!(late, [hog]);
    }

    #[test]
    fn only_heads_lose_patience() {
        let mut queue = Queue::default();
        let deadline = NOW.after(WHILE * 10);
        let line: Vec<Ticket> =
            (0..3).map(|_| queue.push(Class::FirstTime, Some(1), deadline, 9, NOW).unwrap()).collect();
        let mut late = Vec::new();
        queue.expire(|_| Some(WHILE), NOW.after(WHILE), &mut late);
        assert_eq!(late, line[..1]);
        queue.expire(|_| Some(WHILE), NOW.after(WHILE), &mut late);
        assert_eq!((late.len(), queue.len()), (1, 2));
        queue.expire(|_| Some(WHILE), deadline, &mut late);
        assert_eq!((late, queue.len()), (line, 0));
    }

    #[test]
    fn one_in_twenty_is_a_newcomer() {
        let mut queue = Queue::default();
        for client in 0..60 {
            push(&mut queue, Class::Recognized, client, NOW);
            push(&mut queue, Class::FirstTime, 100 + client, NOW);
        }
        let newcomers = (0..60)
            .filter(|_| pop(&mut queue, Some(WHILE), NOW).map(class_of) == Some(Class::FirstTime))
            .count();
        assert_eq!(newcomers, 3);
    }

    #[test]
    fn queue_refuses_beyond_its_bounds_and_forgets_clients_that_left() {
        let mut queue = Queue::default();
        let first = queue.push(Class::Recognized, Some(7), NOW, 1, NOW).unwrap();
        assert_eq!(queue.push(Class::Recognized, Some(8), NOW, 1, NOW), None);
        for _ in 1..LINE_MAX {
            assert!(queue.push(Class::Recognized, Some(7), NOW, 1, NOW).is_some());
        }
        assert!(queue.is_full_for(Class::Recognized, 7) && !queue.is_full_for(Class::Recognized, 8));
        assert_eq!(queue.push(Class::Recognized, Some(7), NOW, 1, NOW), None);
        assert!(queue.remove(first, NOW) && !queue.remove(first, NOW));
        let mut rest = Vec::new();
        queue.clear(&mut rest);
        assert_eq!((rest.len(), queue.len()), (LINE_MAX - 1, 0));
        assert_eq!(pop(&mut queue, None, NOW), None);
    }
}
