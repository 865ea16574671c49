//! Limits of connections, in total and per address. A full server closes the connection that is idle longest.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use types::traffic::client_prefix;

/// Maximum number of connections, if the limit of open files allows it.
const CONNECTIONS_MAX: u64 = 1_024;
/// Minimum of that number.
const CONNECTIONS_MIN: u64 = 32;
/// Share of the open files of the process: the others are for probes, notifications and the journal.
const FILES_SHARE: u64 = 16;

/// Connections of one listener.
#[derive(Debug)]
pub(crate) struct Connections {
    max: usize,
    /// Maximum per client address; of an IPv6 address its /64.
    max_per_ip: usize,
    open: Mutex<HashMap<u64, Taken>>,
    /// Logical clock of activity.
    clock: AtomicU64,
}

#[derive(Debug)]
struct Taken {
    from: IpAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Requests in flight.
    busy: AtomicU32,
    /// Logical time of the last activity.
    active: AtomicU64,
    close: Notify,
}

impl Connections {
    /// Sizes the limits by the limit of open files.
    pub(crate) fn new(files: Option<u64>) -> Arc<Self> {
        let fitting = files
            .map_or(CONNECTIONS_MAX, |files| (files / FILES_SHARE).clamp(CONNECTIONS_MIN, CONNECTIONS_MAX));
        Self::with_max(usize::try_from(fitting).unwrap_or(1))
    }

    fn with_max(max: usize) -> Arc<Self> {
        Arc::new(Self { max, max_per_ip: (max / 2).max(1), open: Mutex::default(), clock: AtomicU64::new(0) })
    }

    /// Takes a slot for a new connection. Without a free one, the connection that is idle longest is closed: one of
    /// the same address if that is at its limit. `None` when no connection is idle.
    pub(crate) fn take(self: &Arc<Self>, from: IpAddr) -> Option<Slot> {
        let from = client_prefix(from);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().filter(|taken| taken.from == from).count() >= self.max_per_ip {
            close_longest_idle(&mut open, |taken| taken.from == from)?;
        } else if open.len() >= self.max {
            close_longest_idle(&mut open, |_| true)?;
        }
        let number = self.next();
        let state = Arc::new(State { active: AtomicU64::new(number), ..State::default() });
        open.insert(number, Taken { from, state: Arc::clone(&state) });
        Some(Slot { connections: Arc::clone(self), number, state })
    }

    /// Closes the connection that is idle longest, if any.
    pub(crate) fn make_room(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = close_longest_idle(&mut open, |_| true);
    }

    fn next(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

fn close_longest_idle(open: &mut HashMap<u64, Taken>, of: impl Fn(&Taken) -> bool) -> Option<()> {
    let idle = open.iter().filter(|(_, taken)| of(taken) && taken.state.busy.load(Ordering::Relaxed) == 0);
    let (number, _) = idle.min_by_key(|(_, taken)| taken.state.active.load(Ordering::Relaxed))?;
    let number = *number;
    open.remove(&number)?.state.close.notify_one();
    Some(())
}

/// Slot of one connection.
#[derive(Debug)]
pub(crate) struct Slot {
    connections: Arc<Connections>,
    number: u64,
    state: Arc<State>,
}

impl Slot {
    /// Marks a request as in flight until the guard is dropped.
    pub(crate) fn busy(&self) -> Busy {
        self.state.busy.fetch_add(1, Ordering::Relaxed);
        Busy { connections: Arc::clone(&self.connections), state: Arc::clone(&self.state) }
    }

    /// Returns when the connection must be closed.
    pub(crate) async fn closed(&self) {
        self.state.close.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Busy {
    connections: Arc<Connections>,
    state: Arc<State>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.state.active.store(self.connections.next(), Ordering::Relaxed);
        self.state.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_closed(slot: &Slot) -> bool {
        let mut closed = std::pin::pin!(slot.closed());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        closed.as_mut().poll(&mut cx).is_ready()
    }

    #[test]
    fn longest_idle_connection_is_closed_within_the_limits() {
        let connections = Connections::with_max(4);
        let take = |last: u8| connections.take([192, 0, 2, last].into());
        let (first, second) = (take(1).unwrap(), take(1).unwrap());
        // One address may have two: its own oldest is closed, although slots are free.
        let third = take(1).unwrap();
        assert!(is_closed(&first) && !is_closed(&second));
        let busy = second.busy();
        let (fourth, _fifth) = (take(2).unwrap(), take(3).unwrap());
        let _sixth = take(4).unwrap();
        assert!(is_closed(&third) && !is_closed(&second), "the second has a request in flight");
        drop(busy);
        let _seventh = take(5).unwrap();
        assert!(is_closed(&fourth) && !is_closed(&second), "active more recently");
        drop(first);
        assert_eq!(connections.open.lock().unwrap().len(), 4);
    }

    #[test]
    fn connection_with_a_request_in_flight_is_not_closed() {
        let connections = Connections::with_max(2);
        let all: Vec<Slot> =
            (1..=2).map(|last| connections.take([192, 0, 2, last].into()).unwrap()).collect();
        let _busy: Vec<Busy> = all.iter().map(Slot::busy).collect();
        assert!(connections.take([192, 0, 2, 3].into()).is_none());
    }

    #[test]
    fn open_files_bound_the_connections() {
        for (files, all) in [(None, 1_024), (Some(256), 32), (Some(1_024), 64), (Some(1 << 20), 1_024)] {
            assert_eq!(Connections::new(files).max, all, "{files:?}");
        }
    }
}
