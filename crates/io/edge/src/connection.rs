//! State of one client's connection, shared by its socket, its task and its requests.

pub(crate) mod http2_session;
mod http2_window;

use crate::client::{Client, ClientTokens};
use crate::connection_table::Activity;
use crate::geo::Location;
use crate::long_lived::Switched;
use crate::ticks::Ticks;
use crate::upstream::h1::codec;
use http::{HeaderMap, StatusCode};
use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Poll;
use tokio::task::AbortHandle;

/// Bytes of interim responses that are kept until they can be sent.
const INTERIM_BYTES: usize = 16 * 1024;
/// Ticks for which a signed header is reused: it is valid for ten times as long.
const HEADER_TICKS: u32 = 600;

/// A connection, shared by its socket, its task and its requests.
pub(crate) struct Connection {
    /// The client's address: from the PROXY protocol where it is required, otherwise the socket's peer.
    pub(crate) peer: SocketAddr,
    /// The address of `peer` as text, for headers to servers.
    pub(crate) who: Box<str>,
    /// Whether it speaks TLS to us.
    pub(crate) tls: bool,
    pub(crate) ticks: Rc<Ticks>,
    /// Tells all threads whether something is in progress.
    pub(crate) activity: Arc<Activity>,
    /// The client of the latest request.
    pub(crate) asked: Rc<Cell<Option<Asked>>>,
    /// Requests in progress.
    pub(crate) busy: Cell<u32>,
    /// Whether the last request has no response yet.
    pub(crate) waits: Cell<bool>,
    /// The index of the pool of the last request.
    pub(crate) pool: Cell<usize>,
    /// The tick at which something last began or ended.
    pub(crate) last: Cell<u32>,
    /// The tick at which the first byte of the next head arrived; 0 before that.
    pub(crate) head_since: Cell<u32>,
    /// Bytes received since the last request began.
    pub(crate) came: Cell<usize>,
    /// The tick since which the client takes nothing; 0 when it does.
    pub(crate) stuck_since: Cell<u32>,
    /// Whether everything that was answered has left.
    pub(crate) flushed: Cell<bool>,
    /// Whether everything that was received has been read.
    pub(crate) dry: Cell<bool>,
    /// Whether it is counted as resting.
    pub(crate) rests: Cell<bool>,
    /// Whether it was parked before.
    pub(crate) returned: Cell<bool>,
    /// Whether it speaks HTTP/2.
    pub(crate) http2: Cell<bool>,
    /// The location of its last client.
    location: Cell<Option<(IpAddr, Location)>>,
    /// The signed header for its last client, and the tick until which it is reused.
    client_header: RefCell<Option<(Client, u32, String)>>,
    /// Whether hyper's buffer was empty at the last check, and no final response had begun.
    pub(crate) clean: Cell<bool>,
    /// Interim responses to be sent before the one that is waited for.
    pub(crate) interim: RefCell<Vec<u8>>,
    /// The server's side of a tunnel that begins once the 101 has left.
    pub(crate) tunnel: RefCell<Option<Box<Switched>>>,
}

impl Connection {
    /// Records whether the client takes what is written to it.
    #[inline]
    pub(crate) fn wrote<T>(&self, polled: &Poll<T>) {
        if polled.is_ready() {
            self.stuck_since.set(0);
        } else if self.stuck_since.get() == 0 {
            self.stuck_since.set(self.ticks.now());
        }
    }

    pub(crate) fn new(peer: SocketAddr, tls: bool, ticks: Rc<Ticks>, activity: Arc<Activity>) -> Rc<Self> {
        let asked = Rc::default();
        let now = ticks.now();
        Rc::new(Self {
            peer,
            tls,
            ticks,
            activity,
            asked,
            busy: Cell::new(0),
            waits: Cell::new(false),
            pool: Cell::new(0),
            who: write(peer.ip().to_canonical()),
            last: Cell::new(now),
            head_since: Cell::new(now),
            came: Cell::new(0),
            stuck_since: Cell::new(0),
            flushed: Cell::new(true),
            dry: Cell::new(false),
            rests: Cell::new(false),
            returned: Cell::new(false),
            http2: Cell::new(false),
            location: Cell::new(None),
            client_header: RefCell::new(None),
            clean: Cell::new(false),
            interim: RefCell::default(),
            tunnel: RefCell::new(None),
        })
    }

    /// Returns the location of an address; looked up once for all requests of one client.
    pub(crate) fn location(&self, of: IpAddr, look_up: impl FnOnce() -> Location) -> Location {
        match self.location.get() {
            Some((known, location)) if known == of => location,
            _ => {
                let location = look_up();
                self.location.set(Some((of, location)));
                location
            }
        }
    }

    /// Appends the signed header for a client; signed once a minute.
    pub(crate) fn client_header(&self, tokens: &ClientTokens, client: &Client, out: &mut Vec<u8>) {
        let mut header = self.client_header.borrow_mut();
        let now = self.ticks.now();
        if header.as_ref().is_none_or(|(of, until, _)| of != client || *until < now) {
            *header = Some((*client, now + HEADER_TICKS, tokens.header(client)));
        }
        if let Some((_, _, text)) = &*header {
            out.extend_from_slice(text.as_bytes());
        }
    }

    /// Has an interim response sent by HTTP/1.1, if there is room before the final one begins.
    pub(crate) fn inform(&self, status: StatusCode, headers: &HeaderMap) {
        let mut interim = self.interim.borrow_mut();
        let length: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if !self.waits.get() || interim.len() + length > INTERIM_BYTES {
            return;
        }
        interim.extend_from_slice(b"HTTP/1.1 ");
        interim.extend_from_slice(status.as_str().as_bytes());
        interim.push(b' ');
        interim.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
        interim.extend_from_slice(b"\r\n");
        for (name, value) in headers {
            codec::line(&mut interim, name.as_str().as_bytes(), value.as_bytes());
        }
        interim.extend_from_slice(b"\r\n");
    }

    /// A request begins; it is over when the token is dropped.
    pub(crate) fn begin(self: &Rc<Self>) -> Busy {
        self.busy.set(self.busy.get() + 1);
        self.activity.busy();
        self.waits.set(true);
        self.clean.set(self.flushed.replace(false));
        self.interim.borrow_mut().clear();
        self.head_since.set(0);
        Busy(Rc::clone(self))
    }
}

fn write(address: IpAddr) -> Box<str> {
    address.to_string().into_boxed_str()
}

/// A request in progress.
pub(crate) struct Busy(Rc<Connection>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.set(self.0.busy.get().saturating_sub(1));
        self.0.last.set(self.0.ticks.now());
        // With HTTP/1.1 the end of the response may not have been flushed yet: idle from the flush on.
        if self.0.busy.get() == 0 && (self.0.http2.get() || self.0.flushed.get()) {
            self.0.activity.idle(self.0.last.get());
        }
    }
}

/// The client and the service of a connection's latest request, so that a new denial ends what was admitted before
/// it. None for declared callers, which are never denied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// See [`traffic::Route::number`].
    pub(crate) service: u64,
    pub(crate) address: IpAddr,
    pub(crate) location: Location,
}

/// One connection of a thread, to be checked against new denials.
pub(crate) struct Served {
    pub(crate) connection: Weak<Connection>,
    pub(crate) asked: Rc<Cell<Option<Asked>>>,
    pub(crate) activity: Arc<Activity>,
    pub(crate) task: Option<AbortHandle>,
}

impl Served {
    /// Whether it goes on only for a client that is denied now.
    pub(crate) fn is_denied(&self, policy: &traffic::Policy, tick: traffic::Tick) -> bool {
        let Some(Asked { service, address, location }) = self.asked.get() else { return false };
        let route = policy.routes().iter().find(|route| route.number() == service);
        let denied =
            || route.is_some_and(|route| route.denies(address, location.country, location.asn, tick));
        match self.connection.upgrade() {
            // Requests of others may come from a proxy by the same connection; what is in progress by HTTP/1.1 is the
            // client's.
            Some(connection) if connection.peer.ip().to_canonical() != address => {
                !connection.http2.get() && self.activity.is_busy() && denied()
            }
            // Without its line it is a tunnel.
            _ => denied(),
        }
    }
}
