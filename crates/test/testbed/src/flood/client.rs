//! One client: address, cookies, connection, and the request in progress.

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::time::Instant;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::task::AbortHandle;

/// Most cookies of one client.
const COOKIES_MAX: usize = 8;

/// A request in progress.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) phase: usize,
    /// Due time of the visit.
    pub(super) visit_due: Instant,
    /// Due time of this request, from which its deadline counts.
    pub(super) due: Instant,
    /// Time of sending, from which the response time of the server counts.
    pub(super) sent: Instant,
    pub(super) step: usize,
    pub(super) attempt: u8,
    /// Repeated because the connection had been closed.
    pub(super) resent: bool,
    /// Distinguishes it from earlier requests.
    pub(super) serial: u32,
}

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) group: usize,
    pub(super) from: Ipv4Addr,
    pub(super) flight: Cell<Option<Flight>>,
    pub(super) jar: RefCell<Vec<String>>,
    pub(super) writer: RefCell<Option<OwnedWriteHalf>>,
    /// Connects, reads.
    pub(super) task: RefCell<Option<AbortHandle>>,
}

impl Client {
    pub(super) fn new(group: usize, from: Ipv4Addr, cookie: Option<&String>) -> Self {
        Self {
            group,
            from,
            flight: Cell::new(None),
            jar: RefCell::new(cookie.into_iter().cloned().collect()),
            writer: RefCell::new(None),
            task: RefCell::new(None),
        }
    }

    /// Closes the connection.
    pub(super) fn hang_up(&self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        self.writer.take();
    }

    /// Keeps a cookie: the last of each name.
    pub(super) fn keep(&self, cookie: String) -> bool {
        let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
        let mut jar = self.jar.borrow_mut();
        let first = jar.is_empty();
        jar.retain(|held| name(held) != name(&cookie));
        if jar.len() < COOKIES_MAX {
            jar.push(cookie);
        }
        first
    }
}
