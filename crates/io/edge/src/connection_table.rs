//! Open connections, altogether and by address, and which of them has been idle longest: at a limit it makes room.
//!
//! Connections write their state into an atomic of their own; the order is not updated for each request. It is
//! corrected when a slot is needed: an entry at the front that was active meanwhile moves back to its place.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::AbortHandle;
use types::traffic::client_prefix;

/// Entries examined for one slot; bounds the cost of a new connection.
const LOOKS_MAX: usize = 64;
/// Ticks until a connection with a request in progress is examined again.
const LOOK_AGAIN_TICKS: u32 = 10;
/// A activity with something in progress.
const BUSY: u32 = u32::MAX;

/// Idle time of one connection.
#[derive(Debug)]
pub(crate) struct Activity(AtomicU32);

impl Activity {
    pub(crate) fn new(now: u32) -> Arc<Self> {
        Arc::new(Self(AtomicU32::new(now)))
    }

    /// Something is in progress: the connection is not closed for another one.
    pub(crate) fn busy(&self) {
        self.0.store(BUSY, Ordering::Relaxed);
    }

    /// Marks the connection as idle since this tick.
    pub(crate) fn idle(&self, now: u32) {
        self.0.store(now.min(BUSY - 1), Ordering::Relaxed);
    }

    /// Whether something is in progress.
    pub(crate) fn is_busy(&self) -> bool {
        self.idle_since().is_none()
    }

    fn idle_since(&self) -> Option<u32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|since| *since != BUSY)
    }
}

/// Limits of connections: in total and for one address, an IPv6 address by its /64.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    pub(crate) total: u32,
    /// `None` for trusted proxies.
    pub(crate) per_ip: Option<u32>,
}

/// Open connections, in total and by address.
#[derive(Default)]
pub(crate) struct ConnectionTable(Mutex<Open>);

#[derive(Default)]
struct Open {
    each: HashMap<IpAddr, u32>,
    entries: HashMap<u64, Entry>,
    /// By the earliest tick since which an entry may have been idle, and its number.
    order: BTreeSet<(u32, u64)>,
    next: u64,
}

struct Entry {
    /// The tick of its entry in the order.
    tick: u32,
    activity: Arc<Activity>,
    from: Option<IpAddr>,
    task: Option<AbortHandle>,
}

impl ConnectionTable {
    pub(crate) fn count(&self) -> u64 {
        self.with(|open| open.entries.len() as u64)
    }

    /// Takes a slot, closing the connection that has been idle longest if the table is full. `None` when the
    /// address has all that it may, or when no connection is idle.
    pub(crate) fn enter(
        self: &Arc<Self>,
        from: IpAddr,
        limits: ConnectionLimits,
        now: u32,
    ) -> Option<ConnectionSlot> {
        let from = limits.per_ip.map(|each| (client_prefix(from), each));
        let activity = Activity::new(now);
        let number = self.with(|open| {
            if let Some((from, each)) = from
                && open.each.get(&from).is_some_and(|has| *has >= each)
            {
                return None;
            }
            if open.entries.len() >= limits.total as usize {
                open.close_longest_idle(now)?;
            }
            if let Some((from, _)) = from {
                *open.each.entry(from).or_insert(0) += 1;
            }
            let number = open.next;
            open.next += 1;
            let entry = Entry {
                tick: now,
                activity: Arc::clone(&activity),
                from: from.map(|(from, _)| from),
                task: None,
            };
            open.entries.insert(number, entry);
            open.order.insert((now, number));
            Some(number)
        })?;
        Some(ConnectionSlot { connections: Arc::clone(self), number, activity })
    }

    /// Closes up to `wanted` connections that have been idle longest. Returns how many.
    pub(crate) fn make_room(&self, wanted: usize, now: u32) -> usize {
        self.with(|open| (0..wanted).map_while(|_| open.close_longest_idle(now)).count())
    }

    fn with<R>(&self, act: impl FnOnce(&mut Open) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Open {
    fn close_longest_idle(&mut self, now: u32) -> Option<()> {
        for _ in 0..LOOKS_MAX {
            let (tick, number) = *self.order.first().filter(|(tick, _)| *tick < now)?;
            let entry = self.entries.get_mut(&number)?;
            let since = entry.activity.idle_since();
            if since.is_some_and(|since| since <= tick) && entry.task.is_some() {
                if let Some(task) = self.remove(number).and_then(|entry| entry.task) {
                    task.abort();
                }
                return Some(());
            }
            let later = since.filter(|since| *since > tick).unwrap_or(now + LOOK_AGAIN_TICKS);
            entry.tick = later;
            self.order.remove(&(tick, number));
            self.order.insert((later, number));
        }
        None
    }

    fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.entries.remove(&number)?;
        self.order.remove(&(entry.tick, number));
        if let Some(from) = entry.from
            && let Some(has) = self.each.get_mut(&from)
        {
            *has -= 1;
            if *has == 0 {
                self.each.remove(&from);
            }
        }
        Some(entry)
    }
}

/// The slot of an open connection.
pub(crate) struct ConnectionSlot {
    connections: Arc<ConnectionTable>,
    number: u64,
    pub(crate) activity: Arc<Activity>,
}

impl ConnectionSlot {
    /// The number of the connection.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

impl ConnectionTable {
    /// Names the task to end when the connection makes room. Before that it is not closed.
    pub(crate) fn served_by(&self, number: u64, task: AbortHandle) {
        self.with(|open| {
            if let Some(entry) = open.entries.get_mut(&number) {
                entry.task = Some(task);
            }
        });
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.connections.with(|open| drop(open.remove(self.number)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    fn take(
        connections: &Arc<ConnectionTable>,
        address: &str,
        now: u32,
    ) -> Option<(ConnectionSlot, tokio::task::JoinHandle<()>)> {
        let limits = ConnectionLimits { total: 4, per_ip: Some(2) };
        let place = connections.enter(address.parse().unwrap(), limits, now)?;
        let task = tokio::spawn(std::future::pending());
        connections.served_by(place.number(), task.abort_handle());
        Some((place, task))
    }

    async fn is_closed(task: tokio::task::JoinHandle<()>) -> bool {
        task.await.is_err_and(|why| why.is_cancelled())
    }

    #[test]
    fn full_edge_closes_the_connection_idle_longest() {
        runtime().block_on(async {
            let all = Arc::<ConnectionTable>::default();
            let (first, _first) = take(&all, "192.0.2.1", 1).unwrap();
            let (second, closed) = take(&all, "192.0.2.1", 2).unwrap();
            let (_third, _) = take(&all, "192.0.2.2", 3).unwrap();
            let (_fourth, _) = take(&all, "192.0.2.2", 4).unwrap();
            assert!(take(&all, "192.0.2.2", 50).is_none(), "one address has all that it may");
            // The first was active since, so the second has been idle longest.
            first.activity.idle(20);
            let _fifth = take(&all, "192.0.2.3", 50).unwrap();
            assert!(is_closed(closed).await);
            assert_eq!(all.count(), 4);
            drop(second);
            assert_eq!(all.count(), 4, "a place is given back once");
            let _sixth = take(&all, "192.0.2.1", 50).unwrap();
            assert_eq!(all.count(), 4);
        });
    }

    #[test]
    fn connection_with_something_under_way_is_not_closed() {
        runtime().block_on(async {
            let all = Arc::<ConnectionTable>::default();
            let held: Vec<_> =
                (1..=4).map(|last| take(&all, &format!("192.0.2.{last}"), 1).unwrap()).collect();
            held.iter().for_each(|(place, _)| place.activity.busy());
            assert!(take(&all, "192.0.2.9", 50).is_none());
            held[2].0.activity.idle(55);
            assert!(take(&all, "192.0.2.9", 55).is_none(), "looked at again after a second");
            let _new = take(&all, "192.0.2.9", 65).unwrap();
            let idle = held.into_iter().nth(2).unwrap().1;
            assert!(is_closed(idle).await);
        });
    }

    #[test]
    fn room_is_made_for_as_many_as_are_wanted_and_idle() {
        runtime().block_on(async {
            let all = Arc::<ConnectionTable>::default();
            let held: Vec<_> =
                (1..=4).map(|last| take(&all, &format!("192.0.2.{last}"), last).unwrap()).collect();
            held[0].0.activity.busy();
            assert_eq!(all.make_room(2, 9), 2);
            assert_eq!(all.make_room(9, 9), 1);
            assert_eq!(all.count(), 1);
        });
    }
}
