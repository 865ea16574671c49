//! MariaDB and MySQL: one connection to a node, kept between rounds, and the facts of each round.
//!
//! The connection is kept because a full server refuses newcomers: what fills it is visible only from inside. It never writes,
//! and its statements end after three seconds. Whatever its user may not read is reported as such. The library has the
//! packets; the connection itself is mainstay's own, so that addresses, certificates, times and sizes have its limits.
//!
//! | module | holds |
//! |---|---|
//! | `target` | the URL |
//! | `login` | greeting, TLS and login |
//! | `wire` | packets and results, each within its limits |
//! | `rows` | rows by the names of their columns |
//! | `refusal` | what errors say about the node |
//! | `product` | the statements, by product and version |
//! | `session` | one connection |
//! | `activity` | what the sessions do |
//! | `locks` | who waits for whom |
//! | `replication` | the streams of a replica |
//! | `binlog` | positions in the binary log, as bytes |

mod activity;
mod binlog;
mod listing;
mod locks;
mod login;
mod product;
mod refusal;
mod replication;
mod rows;
mod session;
mod target;
mod wire;

pub(crate) use binlog::{Binlog, subtract_delay};

use crate::connect::RETRY_PAUSE;
use crate::kinds::database::url::UrlError;
use crate::kinds::tls::Tls;
use crate::names::Names;
use activity::Activity;
use replication::{Coordinates, Following, Streams};
use rows::{Figures, Rows};
use session::Session;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use target::Target;
use tokio::time::{Instant, timeout_at};
use types::Fault;
use types::database::{Connections, Memory, NodeAnswer, NodeFacts, Reading, Role, Work};
use types::fault::Phase;

/// A node, and the connection to it.
pub(crate) struct Node {
    target: Target,
    /// Whether the configuration calls it the primary.
    is_declared_primary: bool,
    link: Link,
    /// Whether it has been seen to refuse writes: one that accepts them afterwards was promoted.
    was_read_only: bool,
    place: Place,
}

enum Link {
    /// Not attempted yet, or lost.
    None,
    /// Kept from round to round.
    Open(Box<Session>),
    /// The last attempt failed; the next one is at this time.
    Paused(Instant, NodeAnswer),
}

/// Where a node is in the replication, in the last round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    server: u64,
    written: Option<Coordinates>,
    /// Sizes of the files of its binary log by their numbers, in a round in which a file began.
    sizes: BTreeMap<u64, u64>,
    following: Option<Following>,
}

impl Node {
    /// A node by its URL. Connects to nothing yet.
    ///
    /// # Errors
    /// What is wrong with the URL, without the URL.
    pub(crate) fn new(url: &str, is_declared_primary: bool) -> Result<Self, UrlError> {
        let (target, place) = (target::parse(url)?, Place::default());
        Ok(Self { target, is_declared_primary, link: Link::None, was_read_only: false, place })
    }

    /// `host:port`.
    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.target.host, self.target.port)
    }

    /// Where it was in the replication in the last round.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// One round. Ends at the deadline.
    pub(crate) async fn round(&mut self, names: &Names, tls: &Tls, deadline: Instant) -> NodeAnswer {
        if let Link::Paused(until, answer) = &self.link
            && Instant::now() < *until
        {
            return answer.clone();
        }
        // A connection that was lost since the last round, by a restart for example, is replaced in this round. One that
        // hangs is not: the server would get a connection for each round.
        if let Link::Open(session) = std::mem::replace(&mut self.link, Link::None)
            && !session.is_outdated()
        {
            match self.measured(session, deadline).await {
                Ok(answer) => return answer,
                Err(why) if !was_cut(&why) => return self.pause(why),
                Err(_) => {}
            }
        }
        let opened = match timeout_at(deadline, Session::open(&self.target, names, tls, deadline)).await {
            Ok(Ok(session)) => self.measured(Box::new(session), deadline).await,
            Ok(Err(why)) => Err(why),
            Err(_) => Err(NodeAnswer::Failed(Fault::TimedOut { phase: Phase::FirstByte })),
        };
        opened.unwrap_or_else(|why| self.pause(why))
    }

    /// Measures over a connection and keeps it. The error is why it was lost.
    async fn measured(
        &mut self,
        mut session: Box<Session>,
        deadline: Instant,
    ) -> Result<NodeAnswer, NodeAnswer> {
        session.renew();
        match timeout_at(deadline, self.measure(&mut session)).await {
            Ok(Ok(facts)) => {
                self.link = Link::Open(session);
                Ok(NodeAnswer::Facts(Box::new(facts)))
            }
            Ok(Err(why)) => Err(why),
            Err(_) => Err(NodeAnswer::Failed(Fault::TimedOut { phase: Phase::Body })),
        }
    }

    fn pause(&mut self, answer: NodeAnswer) -> NodeAnswer {
        self.link = Link::Paused(Instant::now() + RETRY_PAUSE, answer.clone());
        answer
    }

    /// Measures over an open connection. Only the loss of the connection is an error.
    async fn measure(&mut self, session: &mut Session) -> Result<NodeFacts, NodeAnswer> {
        let variables = session.rows(product::VARIABLES, "").await?;
        let variables = variables.known().and_then(Rows::first);
        let is_on = |name: &str| variables.is_some_and(|row| row.is_on(name));
        let number = |name: &str| variables.and_then(|row| row.number::<u64>(&[name]));
        let status = Figures::read(session.rows(product::STATUS, "").await?);
        let has_performance_schema = session.fixed.is_on("performance_schema");
        let running = status.number("Threads_running").map(small);
        let activity = Activity::read(session, has_performance_schema, running).await?;
        let (statement, grant) = session.product.replica_status();
        let streams = session.rows(statement, grant).await?;
        let (statement, grant) = session.product.log_status();
        let log = if is_on("log_bin") { session.rows(statement, grant).await? } else { Reading::Absent };
        let written = log.known().and_then(Coordinates::written);
        let sizes = match (written, self.place.written) {
            (Some(now), Some(before)) if now.file == before.file => BTreeMap::new(),
            (Some(_), _) => replication::sizes(&session.rows(product::LOGS, grant).await?),
            _ => BTreeMap::new(),
        };
        let mut lacks: BTreeSet<String> = BTreeSet::new();
        lacks.extend(missing(&activity.sessions));
        lacks.extend(missing(&activity.blocked));
        lacks.extend(missing(&streams));
        lacks.extend(missing(&log));
        session.lacks_rights = !lacks.is_empty();
        let streams = streams.and_then(|rows| Streams::read(&rows));
        let role = self.role(is_on("read_only"), streams.known());
        self.place = Place {
            server: number("server_id").unwrap_or_default(),
            written,
            sizes,
            following: streams.known().and_then(|streams| streams.following.clone()),
        };
        Ok(NodeFacts {
            version: session.product.name.clone(),
            role,
            encryption: session.encryption.clone(),
            uptime: Duration::from_secs(status.number("Uptime").unwrap_or_default()),
            lacks: (!lacks.is_empty()).then(|| lacks.into_iter().collect::<Vec<_>>().join(", ")),
            connections: connections(number("max_connections"), &status).into(),
            sessions: activity.sessions,
            blocked: activity.blocked,
            upstream: streams.and_then(|streams| Some(streams.upstream)),
            standbys: activity.standbys,
            work: work(&status, session.statements).into(),
            memory: memory(&session.fixed, &status).into(),
            ..NodeFacts::default()
        })
    }

    /// The role. A replica that accepts writes is one by the configuration: in a ring, each node follows another one.
    fn role(&mut self, is_read_only: bool, streams: Option<&Streams>) -> Role {
        let was_promoted = self.was_read_only && !is_read_only;
        self.was_read_only |= is_read_only;
        let follows = streams.is_some_and(|streams| !streams.stopped);
        if is_read_only || (follows && !self.is_declared_primary && !was_promoted) {
            Role::Replica
        } else {
            Role::Primary
        }
    }
}

/// Whether a connection ended in a way that a new one may not: a restart, a firewall that forgot it.
fn was_cut(why: &NodeAnswer) -> bool {
    match why {
        NodeAnswer::Starting { .. } => true,
        NodeAnswer::Failed(fault) => matches!(fault, Fault::Unreachable { .. } | Fault::Truncated),
        _ => false,
    }
}

/// The right that a reading needs, if it is missing.
fn missing<T>(reading: &Reading<T>) -> Option<String> {
    match reading {
        Reading::NotPermitted { grant } => Some(grant.clone()),
        _ => None,
    }
}

fn connections(max: Option<u64>, status: &Figures) -> Option<Connections> {
    Some(Connections {
        used: small(status.number("Threads_connected")?),
        max: small(max?),
        reserved: 0,
        refused: status.number("Connection_errors_max_connections"),
    })
}

/// Rows sent to clients, where the server counts them: the applier of a replica reads rows as well.
fn work(status: &Figures, own: u64) -> Option<Work> {
    Some(Work {
        transactions: status.number("Questions")?,
        rows_read: status
            .number("Rows_sent")
            .or_else(|| status.number("Innodb_rows_read"))
            .unwrap_or_default(),
        deadlocks: status.number("Innodb_deadlocks").unwrap_or_default(),
        own_transactions: own,
    })
}

/// The buffer pool, which is the only memory with a limit of its own. It is full on an ordinary day, and evicts.
fn memory(fixed: &Figures, status: &Figures) -> Option<Memory> {
    Some(Memory {
        used: status.number("Innodb_buffer_pool_bytes_data")?,
        max: fixed.number("innodb_buffer_pool_size")?,
        evicted: status.number("Innodb_buffer_pool_pages_LRU_freed").unwrap_or_default(),
        evicts: true,
    })
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
