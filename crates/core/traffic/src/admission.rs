//! What is said between the edge and a pool: arrivals, permits, outcomes.

use crate::facts::Class;
use crate::tick::Tick;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// A request that passed its verdict and wants a server.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Its rank.
    pub class: Class,
    /// Whose it is: the number of the [`Verdict`](crate::Verdict).
    pub client: u64,
    /// Whether it is a declared caller that asks for itself: for whom, nobody knows.
    pub own: bool,
    /// How long it may take in all from now.
    pub deadline: Duration,
}

/// What becomes of it.
#[derive(Debug)]
pub enum Admission {
    /// It goes to this server now.
    Go(Permit),
    /// It waits, for a tenth of a second at most: [`LoadBalancer::woken`](crate::LoadBalancer::woken) tells what becomes of it.
    Wait(Ticket),
    /// It is refused with a 503.
    Shed(Shed),
}

/// What becomes of one that waited.
#[derive(Debug)]
pub enum Woken {
    /// It goes to this server now. If it has gone away meanwhile, give the permit back with [`Outcome::Unsent`].
    Go(Permit),
    /// It is refused with a 503.
    Shed(Shed),
}

/// A refusal for want of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shed {
    /// When to come again: from how fast requests are really answered, and jittered.
    pub retry_after: Duration,
    /// Why.
    pub why: ShedWhy,
}

/// Why a request is refused for want of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShedWhy {
    /// More asked than servers can answer, and others went first.
    Overload,
    /// It waited as long as it may.
    Waited,
    /// There is no server at all: none declared or found, or all are draining.
    NoServer,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

/// The right to ask one server one thing. It is given back exactly once, by [`LoadBalancer::done`](crate::LoadBalancer::done) or
/// [`LoadBalancer::retry`](crate::LoadBalancer::retry): when the
/// body of the response ended, or a second after its head, whichever is first - a slow reader is no load for a server; for
/// a response that streams at its head, for a tunnel at its 101.
#[derive(Debug)]
#[must_use = "a permit that is not given back is lost for ever"]
pub struct Permit {
    pub(crate) server: SocketAddr,
    /// The server's number, which no other ever has.
    pub(crate) serial: u64,
    pub(crate) since: Tick,
    pub(crate) tried: Tried,
    /// Whose request it is; `None` for a declared caller that asks for itself.
    pub(crate) client: Option<u64>,
    /// Whether its place was given back before it: see [`LoadBalancer::yields`](crate::LoadBalancer::yields).
    pub(crate) yielded: bool,
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
    /// How often one request is sent again at most.
    pub const TRIES: usize = 2;

    /// Which server to ask.
    #[must_use]
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// Whose request it is: the number of the [`Verdict`](crate::Verdict). `None` for a declared caller that asks for itself.
    #[must_use]
    pub fn client(&self) -> Option<u64> {
        self.client
    }

    /// Whether its place is given back already.
    #[must_use]
    pub fn yielded(&self) -> bool {
        self.yielded
    }

    /// Since when it is held.
    #[must_use]
    pub fn since(&self) -> Tick {
        self.since
    }
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server answered.
    Answered {
        /// From the first byte sent to the head of the response.
        latency: Duration,
        /// Its status code.
        status: u16,
    },
    /// It did not.
    Failed(Failure),
    /// The client left before it answered. The server goes on with it for a while, and that is counted.
    Left,
    /// Nothing was sent: the client had left when the permit came.
    Unsent,
}

/// How a server failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection: why, in plain words.
    Connect(String),
    /// The connection broke before the response's head was whole.
    Reset,
    /// No answer in time.
    Timeout,
    /// What came was not HTTP.
    Garbage,
    /// Its certificate is not good for the name that it should have.
    Certificate {
        /// The name.
        expected: String,
        /// What is wrong, with the names presented.
        why: String,
    },
    /// A health check was answered with this status.
    Status(u16),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(why) => write!(f, "no connection: {why}"),
            Self::Reset => f.write_str("the connection broke before an answer"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Garbage => f.write_str("the answer was not HTTP"),
            Self::Certificate { expected, why } => write!(f, "certificate not for {expected}: {why}"),
            Self::Status(status) => write!(f, "the health check was answered with {status}"),
        }
    }
}
