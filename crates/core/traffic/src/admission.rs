//! Types between the edge and a pool: arrivals, permits, outcomes.

use crate::facts::Class;
use crate::tick::Tick;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// A request that passed its verdict and needs a server.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Its class.
    pub class: Class,
    /// The number of its client, from the [`Verdict`](crate::Verdict).
    pub client: u64,
    /// The number of its client's subnet, from [`subnet_number`](crate::subnet_number).
    pub subnet: u64,
    /// Whether a declared caller sends it on its own behalf.
    pub own: bool,
    /// The longest time until its response.
    pub deadline: Duration,
}

/// The decision on an arrival.
#[derive(Debug)]
pub enum Admission {
    /// It goes to this server now.
    Go(Permit),
    /// It waits in the queue; [`LoadBalancer::woken`](crate::LoadBalancer::woken) returns the decision.
    Wait(Ticket),
    /// It is refused with a 503.
    Shed(Shed),
}

/// The decision on a request that waited.
#[derive(Debug)]
pub enum Woken {
    /// It goes to this server now. If it has gone meanwhile, give the permit back with [`Outcome::Unsent`].
    Go(Permit),
    /// It is refused with a 503.
    Shed(Shed),
}

/// A refusal because the pool is overloaded or has no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shed {
    /// When to retry: computed from the rate of served requests, with jitter.
    pub retry_after: Duration,
    /// The reason.
    pub why: ShedWhy,
}

/// Reason of a [`Shed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShedWhy {
    /// More requests than servers can answer; requests of a better class went first.
    Overload,
    /// Queue timeout.
    Waited,
    /// There is no server at all: none declared or found, or all are draining.
    NoServer,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

/// A permit for one request to one server. It is given back exactly once, by
/// [`LoadBalancer::done`](crate::LoadBalancer::done) or [`LoadBalancer::retry`](crate::LoadBalancer::retry): when
/// the body of the response ended, or a second after its head, whichever is first - a slow reader is no load for a
/// server; for a streaming response at its head, for a tunnel at its 101.
#[derive(Debug)]
#[must_use = "a permit that is not given back is lost for ever"]
pub struct Permit {
    pub(crate) server: SocketAddr,
    /// The server's number, which no other ever has.
    pub(crate) serial: u64,
    pub(crate) since: Tick,
    pub(crate) tried: Tried,
    /// The number of its client; `None` for a declared caller on its own behalf.
    pub(crate) client: Option<u64>,
    /// Whether its place was given back before it: see [`LoadBalancer::yields`](crate::LoadBalancer::yields).
    pub(crate) yielded: bool,
    /// The long-lived connection that it begins, with its number.
    pub(crate) open: Option<(Opening, u64)>,
}

/// A kind of long-lived connection. The request that begins one is an open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Opening {
    /// A WebSocket, or another protocol that is switched to.
    WebSocket,
    /// Server-sent events.
    EventStream,
}

impl Opening {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::WebSocket, Self::EventStream];
}

/// An open long-lived connection. It counts at its server until it is given back, exactly once, by
/// [`LoadBalancer::closed`](crate::LoadBalancer::closed).
#[derive(Debug)]
#[must_use = "a connection that is not given back counts for ever"]
pub struct Open {
    pub(crate) serial: u64,
}

impl Open {
    /// Returns the number of its server in the pool: see [`LoadBalancer::leaving`](crate::LoadBalancer::leaving).
    #[must_use]
    pub fn server(&self) -> u64 {
        self.serial
    }
}

/// Servers that a request was sent to before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tried([u64; Permit::TRIES]);

impl Tried {
    pub(crate) fn has(self, serial: u64) -> bool {
        self.0.contains(&serial)
    }

    /// With one more; `None` when it was sent often enough.
    pub(crate) fn with(mut self, serial: u64) -> Option<Self> {
        *self.0.iter_mut().find(|free| **free == 0)? = serial;
        Some(self)
    }
}

impl Permit {
    /// The most retries of one request.
    pub const TRIES: usize = 2;

    /// Returns the server.
    #[must_use]
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// Returns the number of its client, from the [`Verdict`](crate::Verdict). `None` for a declared caller on its
    /// own behalf.
    #[must_use]
    pub fn client(&self) -> Option<u64> {
        self.client
    }

    /// Whether its place was given back already.
    #[must_use]
    pub fn yielded(&self) -> bool {
        self.yielded
    }

    /// Whether it is for an open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Returns when it was issued.
    #[must_use]
    pub fn since(&self) -> Tick {
        self.since
    }
}

/// The outcome of a permit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server answered.
    Answered {
        /// Time to first byte.
        latency: Duration,
        /// Its status code.
        status: u16,
    },
    /// The server failed.
    Failed(Failure),
    /// The client left before it answered. The server goes on with it for a while, and that is counted.
    Left,
    /// Nothing was sent: the client had disconnected when the permit came.
    Unsent,
}

/// A failure of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection: the reason.
    Connect(String),
    /// The connection broke before the response's head was whole.
    Reset,
    /// Timeout.
    Timeout,
    /// The response was not HTTP.
    Garbage,
    /// Its certificate is not valid for the configured name.
    Certificate {
        /// The name.
        expected: String,
        /// The problem, with the names presented.
        why: String,
    },
    /// A health check was answered with this status.
    Status(u16),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(why) => write!(f, "no connection: {why}"),
            Self::Reset => f.write_str("the connection broke before a response"),
            Self::Timeout => f.write_str("response timeout"),
            Self::Garbage => f.write_str("the response was not HTTP"),
            Self::Certificate { expected, why } => write!(f, "certificate not valid for {expected}: {why}"),
            Self::Status(status) => write!(f, "the health check was answered with {status}"),
        }
    }
}
