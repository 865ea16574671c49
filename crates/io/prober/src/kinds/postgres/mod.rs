//! PostgreSQL: one connection to a node, kept between rounds, and the facts of each round.
//!
//! The connection is kept because a full server refuses newcomers: what fills it is visible only from inside. It never writes,
//! and its statements end after three seconds. Whatever a role of `pg_monitor` may not read is reported as such.
//!
//! | module | holds |
//! |---|---|
//! | `target` | the URL |
//! | `session` | opening a connection, and what its errors say about the node |
//! | `guard` | limits on what the server may send |
//! | `queries` | the queries |
//! | `rows` | rows to facts |
//! | `load` | load by statement |
//! | `pgbackrest` | the backups, by their tool |

mod guard;
mod load;
pub(crate) mod pgbackrest;
mod queries;
mod rows;
mod session;
mod target;

use crate::connect::RETRY_PAUSE;
use crate::kinds::database::url::UrlError;
use crate::kinds::tls::Tls;
use crate::names::Names;
use load::Statements;
use queries::{GRANT, Query};
use rows::fact;
use session::Session;
use target::Target;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Error;
use types::Fault;
use types::database::{Connections, NodeAnswer, NodeFacts, Position, Reading, Role, Sessions, Standbys};
use types::fault::Phase;

/// A node, and the connection to it.
pub(crate) struct Node {
    target: Target,
    link: Link,
}

enum Link {
    /// Not attempted yet, or lost.
    None,
    /// Kept from round to round.
    Open(Box<Session>, Box<Statements>),
    /// The last attempt failed; the next one is at this time.
    Paused(Instant, NodeAnswer),
}

impl Node {
    /// A node by its URL. Connects to nothing yet.
    ///
    /// # Errors
    /// What is wrong with the URL, without the URL.
    pub(crate) fn new(url: &str) -> Result<Self, UrlError> {
        Ok(Self { target: target::parse(url)?, link: Link::None })
    }

    /// `host:port`.
    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.target.host, self.target.port)
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
        if let Link::Open(session, statements) = std::mem::replace(&mut self.link, Link::None)
            && !session.is_outdated()
        {
            match self.measured(session, statements, deadline).await {
                Ok(answer) => return answer,
                Err(why) if !was_cut(&why) => return self.pause(why),
                Err(_) => {}
            }
        }
        let opened = match Session::open(&self.target, names, tls, deadline).await {
            Ok(session) => self.measured(Box::new(session), Box::default(), deadline).await,
            Err(why) => Err(why),
        };
        opened.unwrap_or_else(|why| self.pause(why))
    }

    /// Measures over a connection and keeps it. The error is why it was lost.
    async fn measured(
        &mut self,
        mut session: Box<Session>,
        mut statements: Box<Statements>,
        deadline: Instant,
    ) -> Result<NodeAnswer, NodeAnswer> {
        match timeout_at(deadline, measure(&mut session, &mut statements)).await {
            Ok(Ok(facts)) => {
                self.link = Link::Open(session, statements);
                Ok(NodeAnswer::Facts(Box::new(facts)))
            }
            Ok(Err(error)) => Err(session.why_lost(error).await),
            Err(_) => Err(NodeAnswer::Failed(Fault::TimedOut { phase: Phase::Body })),
        }
    }

    fn pause(&mut self, answer: NodeAnswer) -> NodeAnswer {
        self.link = Link::Paused(Instant::now() + RETRY_PAUSE, answer.clone());
        answer
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

/// Measures over an open connection. Only the loss of the connection is an error.
async fn measure(session: &mut Session, statements: &mut Statements) -> Result<NodeFacts, Error> {
    session.renew();
    let began = Instant::now();
    let position = fact(session.rows(Query::Position).await?, rows::position);
    let trip = began.elapsed();
    let replica = position.known().is_some_and(|position| position.replica);
    let counts = fact(session.rows(Query::Sessions).await?, rows::counts);
    session.transactions += 2;
    let mut facts = NodeFacts {
        version: session.fixed.version.clone(),
        role: if replica { Role::Replica } else { Role::Primary },
        encryption: session.encryption.clone(),
        uptime: position.known().map(|position| position.uptime).unwrap_or_default(),
        lacks: (!session.fixed.reads_all).then(|| GRANT.to_owned()),
        ..NodeFacts::default()
    };
    let (sessions, blocked) = sessions(session, &counts).await?;
    (facts.sessions, facts.blocked) = (sessions, blocked);
    if let Reading::Known((used, _)) = counts {
        let (max, reserved) = (session.fixed.max, session.fixed.reserved);
        facts.connections = Reading::Known(Connections { used, max, reserved, refused: None });
    }
    facts.position = position.and_then(|position| {
        Some(Position {
            system_identifier: session.fixed.identifier.clone(),
            timeline: position.timeline,
            bytes: position.bytes,
        })
    });
    if session.fixed.reads_all {
        session.transactions += 1;
        facts.clients = fact(session.rows(Query::Clients).await?, rows::clients);
    }
    replication(session, &mut facts).await?;
    session.transactions += 1;
    facts.statements = statements.read(session, trip).await?;
    Ok(facts)
}

/// What the sessions do. Locks are looked at only while sessions wait for one.
async fn sessions(
    session: &mut Session,
    counts: &Reading<(u32, Sessions)>,
) -> Result<(Reading<Sessions>, Reading<Vec<types::database::BlockedChain>>), Error> {
    if !session.fixed.reads_all {
        let not_permitted = || Reading::NotPermitted { grant: GRANT.to_owned() };
        return Ok((not_permitted(), Reading::NotPermitted { grant: GRANT.to_owned() }));
    }
    let Reading::Known((_, counted)) = counts else { return Ok((Reading::Absent, Reading::Absent)) };
    session.transactions += 1;
    let named = fact(session.rows(Query::Busy).await?, |rows| rows::busy(counted.clone(), rows));
    if counted.waiting_for_lock == 0 {
        return Ok((named, Reading::Known(Vec::new())));
    }
    session.transactions += 1;
    Ok((named, fact(session.rows(Query::Blocked).await?, rows::blocked)))
}

/// Replication, archiving, transaction ids and counters. The queries go out together.
async fn replication(session: &mut Session, facts: &mut NodeFacts) -> Result<(), Error> {
    let replica = facts.role == Role::Replica;
    session.transactions += 3;
    let own = session.transactions;
    let (standbys, slots, work) = tokio::try_join!(
        session.rows(Query::Standbys),
        session.rows(Query::Slots),
        session.rows(Query::Work)
    )?;
    let work = fact(work, |rows| rows::work(rows, own));
    let hidden = !session.fixed.reads_all;
    let not_permitted = || GRANT.to_owned();
    facts.standbys = match (fact(standbys, rows::standbys), work.known()) {
        (Reading::Known(_), _) if hidden => Reading::NotPermitted { grant: not_permitted() },
        (Reading::Known(connected), Some((_, synchronous))) => {
            Reading::Known(Standbys { synchronous: synchronous.clone(), connected })
        }
        (Reading::NotPermitted { grant }, _) => Reading::NotPermitted { grant },
        _ => Reading::Absent,
    };
    facts.slots = fact(slots, rows::slots);
    facts.work = work.and_then(|(work, _)| Some(work));
    if replica {
        session.transactions += 1;
        let upstream = fact(session.rows(Query::Upstream).await?, rows::upstream);
        facts.upstream = if hidden { Reading::NotPermitted { grant: not_permitted() } } else { upstream };
        return Ok(());
    }
    session.transactions += 2;
    let (archiver, wraparound) =
        tokio::try_join!(session.rows(Query::Archiver), session.rows(Query::Wraparound))?;
    facts.archiver = fact(archiver, rows::archiver);
    facts.wraparound = fact(wraparound, rows::wraparound);
    Ok(())
}
