//! Visitors in numbers: an open-loop generator.
//!
//! Visits begin by an absolute timetable, whatever became of those before: a service that is slow does not slow its
//! visitors down, and what could not be sent is counted as such and not forgotten. Each visitor is an address of
//! 127.0.0.0/8, a connection that is kept while the server keeps it, and - for those who are known - the cookies that
//! were given to it. HTTP/1.1 in the clear, by hand: one core sends tens of thousands of requests a second.
//!
//! | module | holds |
//! |---|---|
//! | [`clients`] | who comes: groups, their addresses, what they ask for |
//! | [`tally`] | how they fared, phase by phase |
//! | `drive` | the timetable, deadlines, repetitions |
//! | `client` | one visitor and its connection |
//! | `wire` | the answers, as bytes |
//!
//! Deliberately absent: waiting for answers before the next visit, TLS, think time within a visit.

mod client;
pub mod clients;
mod drive;
pub mod tally;
pub(crate) mod wire;

pub use clients::{ClientRange, Group, Settings, Step};
pub use tally::{GroupReport, PhaseReport, Report};

use crate::tasks::lock;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tally::Tally;

/// The generator, on a thread of its own. Stops when dropped.
#[derive(Debug)]
pub struct Flood {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What generator and owner see of each other.
#[derive(Debug)]
struct Shared {
    tally: Mutex<Tally>,
    /// The phase that has been ordered last: its number, and visits a second of each group.
    order: Mutex<(usize, Vec<f64>)>,
    /// No more visits; end when the last answer is in or overdue.
    ends: AtomicBool,
    /// End at once.
    stops: AtomicBool,
}

impl Flood {
    /// Begins, with nobody coming yet.
    ///
    /// # Errors
    /// When no thread or no runtime is to be had.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            tally: Mutex::new(Tally::new(&settings.groups)),
            order: Mutex::new((0, vec![0.0; settings.groups.len()])),
            ends: AtomicBool::new(false),
            stops: AtomicBool::new(false),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let of = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("visitors".to_owned()).spawn(move || {
            runtime.block_on(tokio::task::LocalSet::new().run_until(drive::drive(settings, of)))
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// From now on so many visits a second of each group, in the order of the settings; counted under this name.
    pub fn phase(&self, name: &str, rates: &[f64]) {
        let number = lock(&self.shared.tally).begin(name, rates);
        *lock(&self.shared.order) = (number, rates.to_vec());
    }

    /// How they fared until now. What is under way is not in it yet.
    #[must_use]
    pub fn report(&self) -> Report {
        lock(&self.shared.tally).report()
    }

    /// Nobody comes any more; waits for the last answers, a deadline at most.
    #[must_use]
    pub fn end(mut self) -> Report {
        self.shared.ends.store(true, Ordering::Relaxed);
        self.join();
        self.report()
    }

    fn join(&mut self) {
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the generator broke down");
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.shared.stops.store(true, Ordering::Relaxed);
        self.join();
    }
}
