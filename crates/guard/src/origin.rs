//! A pool as the edge asks it: who may go now and to which server, who waits, who comes again later.

use crate::chance::Chance;
use crate::facts::Class;
use crate::tick::Tick;
use model::plan;
use model::traffic::{PoolSeen, ServerSeen, ServerState};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// A request that passed its verdict and wants a server.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Its rank.
    pub class: Class,
    /// Whose it is: the number of the [`Verdict`](crate::Verdict).
    pub visitor: u64,
    /// How long it may take in all from now.
    pub deadline: Duration,
}

/// What becomes of it.
#[derive(Debug)]
pub enum Admission {
    /// It goes to this server now.
    Go(Permit),
    /// It waits, for a tenth of a second at most: [`Origin::woken`] tells what becomes of it.
    Wait(Ticket),
    /// It is refused with a 503.
    Shed(Shed),
}

/// What becomes of one that waited.
#[derive(Debug)]
pub enum Woken {
    /// It goes to this server now. If it has gone away meanwhile, give the permit back with [`Outcome::Left`].
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
pub struct Ticket(u64);

/// The right to ask one server one thing. It is given back exactly once, by [`Origin::done`] or [`Origin::retry`]: when the
/// body of the answer ended, or a second after its head, whichever is first - a slow reader is no load for a server; for
/// a tunnel at its 101.
#[derive(Debug)]
#[must_use = "a permit that is not given back is lost for ever"]
pub struct Permit {
    server: SocketAddr,
    since: Tick,
}

impl Permit {
    /// Which server to ask.
    #[must_use]
    pub fn server(&self) -> SocketAddr {
        self.server
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
        /// From the first byte sent to the head of the answer.
        latency: Duration,
        /// Its status code.
        status: u16,
    },
    /// It did not.
    Failed(Failure),
    /// The visitor left before it answered.
    Left,
}

/// How a server failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection: why, in plain words.
    Connect(String),
    /// The connection broke before the answer's head was whole.
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

/// A pool and everything that is known of it. One for all threads, behind a lock that is held for a moment.
#[derive(Debug)]
pub struct Origin {
    servers: Vec<(SocketAddr, u32)>,
    inflight: u32,
    limit: u32,
    woken: Vec<(Ticket, Woken)>,
    chance: Chance,
}

impl Origin {
    /// A pool as the plan declares it. The seed is secret and random.
    #[must_use]
    pub fn new(pool: &plan::Pool, tick: Tick, seed: u64) -> Self {
        let mut origin =
            Self { servers: Vec::new(), inflight: 0, limit: 0, woken: Vec::new(), chance: Chance::new(seed) };
        origin.reshape(pool, tick);
        origin
    }

    /// The plan declares the pool anew. What is known of servers that stay is kept.
    pub fn reshape(&mut self, pool: &plan::Pool, _tick: Tick) {
        self.limit = pool.begin;
        let addresses = pool.servers.iter().filter(|server| !server.drain);
        self.servers = addresses.filter_map(|server| Some((server.at.parse().ok()?, 0))).collect();
    }

    /// A request wants a server.
    pub fn arrive(&mut self, tick: Tick, _arrival: Arrival) -> Admission {
        let limit = self.limit;
        let inflight = self.inflight;
        match self.servers.iter_mut().min_by_key(|(_, has)| *has) {
            None => Admission::Shed(Shed { retry_after: Duration::from_secs(5), why: ShedWhy::NoServer }),
            Some(_) if inflight >= limit => Admission::Shed(Shed {
                retry_after: Duration::from_secs(1 + self.chance.below(3)),
                why: ShedWhy::Overload,
            }),
            Some((server, has)) => {
                *has += 1;
                self.inflight += 1;
                Admission::Go(Permit { server: *server, since: tick })
            }
        }
    }

    /// One that waited has gone away.
    pub fn gave_up(&mut self, _ticket: Ticket) {}

    /// A permit comes back.
    pub fn done(&mut self, _tick: Tick, permit: Permit, _outcome: Outcome) {
        self.inflight = self.inflight.saturating_sub(1);
        if let Some((_, has)) = self.servers.iter_mut().find(|(server, _)| *server == permit.server) {
            *has = has.saturating_sub(1);
        }
    }

    /// A permit comes back from a request that may be repeated: another server to ask, if one may.
    pub fn retry(&mut self, tick: Tick, permit: Permit, outcome: Outcome) -> Option<Permit> {
        self.done(tick, permit, outcome);
        None
    }

    /// Time went by. To be called at [`Origin::next`], and every tenth of a second.
    pub fn tick(&mut self, _tick: Tick) {}

    /// When something is to be done at the latest.
    #[must_use]
    pub fn next(&self) -> Tick {
        Tick::NEVER
    }

    /// What became of those that waited, each told once. To be asked after every other call.
    pub fn woken(&mut self) -> std::vec::Drain<'_, (Ticket, Woken)> {
        self.woken.drain(..)
    }

    /// What a health check found.
    pub fn health(&mut self, _tick: Tick, _server: SocketAddr, _found: Result<(), Failure>) {}

    /// Names of servers that are to be looked up, with their ports: `app.internal:8080`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }

    /// Every server that there is now: to be asked for its health.
    pub fn servers(&self) -> impl Iterator<Item = SocketAddr> {
        self.servers.iter().map(|(server, _)| *server)
    }

    /// Where a name leads now.
    pub fn resolved(&mut self, _tick: Tick, _at: &str, _found: &[SocketAddr]) {}

    /// The pool as it stands. What was counted since the last time is told once.
    pub fn seen(&mut self, tick: Tick) -> PoolSeen {
        let servers = self.servers.iter().map(|(server, has)| ServerSeen {
            address: server.to_string(),
            state: ServerState::Serving,
            since: tick.since(Tick(0)),
            why: None,
            inflight: *has,
            answered: 0,
            failed: 0,
            latency: Duration::ZERO,
        });
        PoolSeen {
            servers: servers.collect(),
            limit: self.limit,
            inflight: self.inflight,
            ..PoolSeen::default()
        }
    }
}
