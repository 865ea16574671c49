//! An open-loop load generator.
//!
//! Visits start on an absolute schedule, independent of earlier visits: a slow service does not slow the clients down,
//! and visits that could not be sent are counted. Each client has an address of 127.0.0.0/8, a connection that is kept
//! while the server keeps it, and - if it is recognized - its cookies. HTTP/1.1 in the clear, by hand: one core sends
//! tens of thousands of requests a second.
//!
//! | module | holds |
//! |---|---|
//! | [`clients`] | settings: groups, their addresses and requests |
//! | [`tally`] | counters, phase by phase |
//! | `drive` | the schedule: visits, deadlines, retries that are due |
//! | `request` | requests over a connection: sent, answered, failed, retried |
//! | `generator` | the state of one generator |
//! | `client` | one client: address, cookies, connection |
//! | `wire` | the responses, as bytes |
//!
//! Deliberately absent: waiting for answers before the next visit, TLS, think time within a visit.

mod client;
pub mod clients;
mod drive;
mod generator;
mod request;
pub mod tally;
pub(crate) mod wire;

pub use clients::{ClientRange, Group, Settings, Step};
pub use tally::{GroupReport, PhaseReport, Report};

use crate::tasks::lock;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tally::Tally;

/// The generator, on a thread of its own. Stops when dropped.
#[derive(Debug)]
pub struct Flood {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// State shared by generator and owner.
#[derive(Debug)]
struct Shared {
    tally: Mutex<Tally>,
    /// The current phase: its number, and visits per second of each group.
    order: Mutex<(usize, Vec<f64>)>,
    /// Starts no more visits, and ends after the last response or deadline.
    ends: AtomicBool,
    /// Ends immediately.
    stops: AtomicBool,
}

impl Shared {
    /// Begins a phase; its number.
    fn begin(&self, name: &str, rates: &[f64]) -> usize {
        let number = lock(&self.tally).begin(name, rates);
        *lock(&self.order) = (number, rates.to_vec());
        number
    }
}

impl Flood {
    /// Starts without traffic.
    ///
    /// # Errors
    /// When the thread or the runtime cannot be started.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            tally: Mutex::new(Tally::new(&settings.groups)),
            order: Mutex::new((0, vec![0.0; settings.groups.len()])),
            ends: AtomicBool::new(false),
            stops: AtomicBool::new(false),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let of = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("clients".to_owned()).spawn(move || {
            runtime.block_on(tokio::task::LocalSet::new().run_until(drive::drive(settings, of)))
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Starts a phase with these visits per second of each group, in the order of the settings.
    pub fn phase(&self, name: &str, rates: &[f64]) {
        self.shared.begin(name, rates);
    }

    /// Starts a phase with the same visits after a while, and again each time that as much as `each` has passed, until another
    /// one begins.
    pub fn phases_after(&self, delay: Duration, each: Duration, name: String) {
        let shared = Arc::clone(&self.shared);
        let (mut current, rates) = lock(&shared.order).clone();
        tokio::spawn(async move {
            let mut pause = delay;
            loop {
                tokio::time::sleep(pause).await;
                if lock(&shared.order).0 != current || shared.ends.load(Ordering::Relaxed) {
                    return;
                }
                current = shared.begin(&name, &rates);
                pause = each;
            }
        });
    }

    /// Counters so far, without requests in progress.
    #[must_use]
    pub fn report(&self) -> Report {
        lock(&self.shared.tally).report()
    }

    /// Ends the traffic, and waits for the last responses for at most one deadline.
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
