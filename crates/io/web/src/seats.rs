//! Who is connected: at most so many altogether and from one address, and which connection makes room for another one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use types::traffic::client_prefix;

/// Most connections at a time, where the system allows as many files.
const SEATS_MAX: u64 = 1_024;
/// So many in any case.
const SEATS_MIN: u64 = 32;
/// The part of the files of the process that they may take: the others are for probes, notifications and the journal.
const PART_OF_FILES: u64 = 16;

/// The connections of one listener.
#[derive(Debug)]
pub(crate) struct Seats {
    all: usize,
    /// From one address, an IPv6 one by its /64.
    each: usize,
    open: Mutex<HashMap<u64, Taken>>,
    /// Counts what happens: the smaller the number, the longer ago.
    turn: AtomicU64,
}

#[derive(Debug)]
struct Taken {
    from: IpAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Requests under way.
    busy: AtomicU32,
    /// When it last did something.
    since: AtomicU64,
    close: Notify,
}

impl Seats {
    /// As many as fit into a limit of files.
    pub(crate) fn new(files: Option<u64>) -> Arc<Self> {
        let fitting = files.map_or(SEATS_MAX, |files| (files / PART_OF_FILES).clamp(SEATS_MIN, SEATS_MAX));
        Self::of(usize::try_from(fitting).unwrap_or(1))
    }

    fn of(all: usize) -> Arc<Self> {
        Arc::new(Self { all, each: (all / 2).max(1), open: Mutex::default(), turn: AtomicU64::new(0) })
    }

    /// A seat for a new connection. Where there is none, the one that is idle longest is closed for it: of the same address
    /// where that has all that it may. `None` where nobody is idle.
    pub(crate) fn take(self: &Arc<Self>, from: IpAddr) -> Option<Seat> {
        let from = client_prefix(from);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().filter(|taken| taken.from == from).count() >= self.each {
            close_longest_idle(&mut open, |taken| taken.from == from)?;
        } else if open.len() >= self.all {
            close_longest_idle(&mut open, |_| true)?;
        }
        let number = self.next();
        let state = Arc::new(State { since: AtomicU64::new(number), ..State::default() });
        open.insert(number, Taken { from, state: Arc::clone(&state) });
        Some(Seat { seats: Arc::clone(self), number, state })
    }

    /// Closes the connection that is idle longest, if any is.
    pub(crate) fn make_room(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = close_longest_idle(&mut open, |_| true);
    }

    fn next(&self) -> u64 {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }
}

fn close_longest_idle(open: &mut HashMap<u64, Taken>, of: impl Fn(&Taken) -> bool) -> Option<()> {
    let idle = open.iter().filter(|(_, taken)| of(taken) && taken.state.busy.load(Ordering::Relaxed) == 0);
    let (number, _) = idle.min_by_key(|(_, taken)| taken.state.since.load(Ordering::Relaxed))?;
    let number = *number;
    open.remove(&number)?.state.close.notify_one();
    Some(())
}

/// The seat of one connection.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    state: Arc<State>,
}

impl Seat {
    /// Marks a request as under way until the guard is dropped.
    pub(crate) fn busy(&self) -> Busy {
        self.state.busy.fetch_add(1, Ordering::Relaxed);
        Busy { seats: Arc::clone(&self.seats), state: Arc::clone(&self.state) }
    }

    /// Returns once the connection has to make room.
    pub(crate) async fn is_wanted(&self) {
        self.state.close.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Busy {
    seats: Arc<Seats>,
    state: Arc<State>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.state.since.store(self.seats.next(), Ordering::Relaxed);
        self.state.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_closed(seat: &Seat) -> bool {
        let mut wanted = std::pin::pin!(seat.is_wanted());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        wanted.as_mut().poll(&mut cx).is_ready()
    }

    #[test]
    fn idle_longest_makes_room_and_no_address_takes_all() {
        let seats = Seats::of(4);
        let take = |last: u8| seats.take([192, 0, 2, last].into());
        let (first, second) = (take(1).unwrap(), take(1).unwrap());
        // One address may have two: its own oldest goes, although there are free seats.
        let third = take(1).unwrap();
        assert!(is_closed(&first) && !is_closed(&second));
        let busy = second.busy();
        let (fourth, _fifth) = (take(2).unwrap(), take(3).unwrap());
        let _sixth = take(4).unwrap();
        assert!(is_closed(&third) && !is_closed(&second), "a request is under way on the second");
        drop(busy);
        let _seventh = take(5).unwrap();
        assert!(is_closed(&fourth) && !is_closed(&second), "it was active later");
        drop(first);
        assert_eq!(seats.open.lock().unwrap().len(), 4);
    }

    #[test]
    fn nobody_makes_room_whose_request_is_under_way() {
        let seats = Seats::of(2);
        let all: Vec<Seat> = (1..=2).map(|last| seats.take([192, 0, 2, last].into()).unwrap()).collect();
        let _busy: Vec<Busy> = all.iter().map(Seat::busy).collect();
        assert!(seats.take([192, 0, 2, 3].into()).is_none());
    }

    #[test]
    fn files_bound_the_seats() {
        for (files, all) in [(None, 1_024), (Some(256), 32), (Some(1_024), 64), (Some(1 << 20), 1_024)] {
            assert_eq!(Seats::new(files).all, all, "{files:?}");
        }
    }
}
