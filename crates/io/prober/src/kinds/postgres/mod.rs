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
//! | `statement` | statements without their literals |
//! | `chains` | who waits for whom |
//! | `load` | load by statement |
//! | `pgbackrest` | the backups, by their tool |

mod chains;
mod guard;
mod load;
pub(crate) mod pgbackrest;
mod queries;
mod rows;
mod session;
mod statement;
mod target;

use crate::kinds::tls::Tls;
use crate::kinds::url_error::UrlError;
use crate::names::Names;
use load::Statements;
use queries::{GRANT, Query};
use rows::fact;
use session::Session;
use std::time::Duration;
use target::Target;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Error;
use types::Fault;
use types::database::{Connections, NodeAnswer, NodeFacts, Position, Reading, Role, Sessions, Standbys};
use types::fault::Phase;

/// Pause after a failed attempt to connect, during which its result is repeated: a server in trouble gets one attempt.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

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
        // A connection that was lost since the last round, by a restart for example, is replaced in this round.
        if let Link::Open(mut session, mut statements) = std::mem::replace(&mut self.link, Link::None) {
            match timeout_at(deadline, measure(&mut session, &mut statements)).await {
                Ok(Ok(facts)) => {
                    self.link = Link::Open(session, statements);
                    return NodeAnswer::Facts(Box::new(facts));
                }
                // It is not replaced: a server that hangs would get one connection for each round.
                Err(_) => return self.pause(NodeAnswer::Failed(Fault::TimedOut { phase: Phase::Body })),
                Ok(Err(error)) => {
                    let why = session.why_lost(error).await;
                    if !was_cut(&why) {
                        return self.pause(why);
                    }
                }
            }
        }
        let mut session = match Session::open(&self.target, names, tls, deadline).await {
            Ok(session) => Box::new(session),
            Err(answer) => return self.pause(answer),
        };
        let mut statements = Box::new(Statements::default());
        match timeout_at(deadline, measure(&mut session, &mut statements)).await {
            Ok(Ok(facts)) => {
                self.link = Link::Open(session, statements);
                NodeAnswer::Facts(Box::new(facts))
            }
            Ok(Err(error)) => {
                let why = session.why_lost(error).await;
                self.pause(why)
            }
            Err(_) => self.pause(NodeAnswer::Failed(Fault::TimedOut { phase: Phase::Body })),
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
        facts.connections = Reading::Known(Connections { used, max, reserved });
    }
    facts.position = match position {
        Reading::Known(position) => Reading::Known(Position {
            system_identifier: session.fixed.identifier.clone(),
            timeline: position.timeline,
            bytes: position.bytes,
        }),
        Reading::NotPermitted { grant } => Reading::NotPermitted { grant },
        Reading::Absent => Reading::Absent,
    };
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
    facts.work = match work {
        Reading::Known((work, _)) => Reading::Known(work),
        Reading::NotPermitted { grant } => Reading::NotPermitted { grant },
        Reading::Absent => Reading::Absent,
    };
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
