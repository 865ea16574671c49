//! One fetch that concurrent requests for a URL share: the first asks a server, the others wait for its response.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// The longest wait for the response of another request.
pub(crate) const WAIT: Duration = Duration::from_secs(5);
/// Requests that wait for one; the others go on their own.
const WAITING_MAX: usize = 1_024;

/// How a fetch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Landed {
    /// The response is stored.
    Stored,
    /// It is not one for others.
    Alone,
    /// The servers failed.
    Failed,
    /// Its client left: another request is the first now.
    Left,
}

/// The fetches in progress, by key.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<Box<str>, Arc<Flight>>>);

/// A fetch in progress.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    /// 0 while it goes on, then [`Landed`] plus one.
    state: AtomicU8,
    waiting: AtomicUsize,
    over: Notify,
}

/// A request's part in a fetch.
pub(crate) enum Part {
    /// It fetches.
    First(Lead),
    /// It waits for this one.
    Waits(Arc<Flight>),
}

/// The fetch of a request. Dropped, it has left.
pub(crate) struct Lead {
    key: Box<str>,
    flight: Arc<Flight>,
    flights: Arc<Flights>,
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Flight>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the fetch of a URL, or begins it.
    pub(crate) fn join(self: &Arc<Self>, key: &str) -> Part {
        let mut flights = self.lock();
        if let Some(flight) = flights.get(key) {
            return Part::Waits(Arc::clone(flight));
        }
        let flight = Arc::<Flight>::default();
        flights.insert(key.into(), Arc::clone(&flight));
        Part::First(Lead { key: key.into(), flight, flights: Arc::clone(self) })
    }
}

impl Lead {
    /// Ends the fetch.
    pub(crate) fn land(self, landed: Landed) {
        self.end(landed);
    }

    fn end(&self, landed: Landed) {
        let state = landed as u8 + 1;
        if self.flight.state.compare_exchange(0, state, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.flights.lock().remove(&self.key);
            self.flight.over.notify_waiters();
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.end(Landed::Left);
    }
}

impl Flight {
    fn landed(&self) -> Option<Landed> {
        let all = [Landed::Stored, Landed::Alone, Landed::Failed, Landed::Left];
        usize::from(self.state.load(Ordering::Acquire)).checked_sub(1).and_then(|at| all.get(at)).copied()
    }

    /// Waits for its end; `None` where that takes longer than `most`, or too many wait.
    pub(crate) async fn wait(&self, most: Duration) -> Option<Landed> {
        let place = Place(&self.waiting);
        if place.0.fetch_add(1, Ordering::AcqRel) >= WAITING_MAX {
            return None;
        }
        let mut over = pin!(self.over.notified());
        over.as_mut().enable();
        // Registered first: otherwise an end between the two would be missed.
        if self.landed().is_none() {
            let _ = timeout(most, over).await;
        }
        self.landed()
    }
}

struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(flights: &Arc<Flights>) -> Lead {
        match flights.join("k") {
            Part::First(lead) => lead,
            Part::Waits(_) => panic!("another fetch goes on"),
        }
    }

    fn waits(flights: &Arc<Flights>) -> Arc<Flight> {
        match flights.join("k") {
            Part::Waits(flight) => flight,
            Part::First(_) => panic!("no fetch goes on"),
        }
    }

    #[tokio::test]
    async fn waiting_requests_learn_the_end_whichever_comes_first() {
        let flights = Arc::<Flights>::default();
        for landed in [Landed::Stored, Landed::Alone, Landed::Failed] {
            let lead = first(&flights);
            let (early, late) = (waits(&flights), waits(&flights));
            let waiting = tokio::spawn(async move { early.wait(WAIT).await });
            tokio::task::yield_now().await;
            lead.land(landed);
            assert_eq!((waiting.await.unwrap(), late.wait(WAIT).await), (Some(landed), Some(landed)));
        }
    }

    #[tokio::test]
    async fn first_request_that_leaves_makes_room_for_the_next() {
        let flights = Arc::<Flights>::default();
        let lead = first(&flights);
        let flight = waits(&flights);
        drop(lead);
        assert_eq!(flight.wait(WAIT).await, Some(Landed::Left));
        drop(first(&flights));
    }

    #[tokio::test]
    async fn wait_is_bounded_in_time_and_number() {
        let flights = Arc::<Flights>::default();
        let lead = first(&flights);
        let flight = waits(&flights);
        assert_eq!(flight.wait(Duration::from_millis(1)).await, None);
        flight.waiting.store(WAITING_MAX, Ordering::Relaxed);
        assert_eq!(flight.wait(WAIT).await, None, "at once");
        drop(lead);
    }
}
