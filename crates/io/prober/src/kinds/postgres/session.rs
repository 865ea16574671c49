//! One connection to a node: opened, prepared, and kept between rounds.

use super::guard::{Guarded, ROUND_MAX};
use super::queries::{FIXED, Queries, Query, SETUP};
use super::rows::{fact, identifier};
use super::target::Target;
use crate::kinds::database::RIGHTS_AGAIN;
use crate::kinds::database::encrypt::Encrypt;
use crate::kinds::tls::{Alpn, Tls};
use crate::names::Names;
use crate::{connect, faults};
use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, NoTls, Row};
use types::Fault;
use types::database::{Encryption, NodeAnswer, Reading};
use types::fault::Phase;
use types::probe_result::Phases;

/// Asks for TLS (PostgreSQL protocol, "SSLRequest"). The answer is one byte.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// Time for the reason of a connection's end, which the task of the connection has already.
const REASON_WAIT: Duration = Duration::from_millis(200);
/// Longest message of a server that is passed on, in characters.
const SAID_MAX: usize = 200;

/// An open connection.
pub(super) struct Session {
    client: Client,
    queries: Queries,
    link: Link,
    budget: Arc<AtomicUsize>,
    /// What cannot change while it lasts.
    pub(super) fixed: Fixed,
    pub(super) encryption: Encryption,
    /// Transactions that mainstay has executed on it.
    pub(super) transactions: u64,
    opened: Instant,
}

/// Facts that are read once for each connection.
#[derive(Clone)]
pub(super) struct Fixed {
    pub(super) version: String,
    pub(super) max: u32,
    pub(super) reserved: u32,
    pub(super) reads_all: bool,
    pub(super) identifier: Option<String>,
}

impl Session {
    /// Connects, logs in and prepares the queries.
    pub(super) async fn open(
        target: &Target,
        names: &Names,
        tls: &Tls,
        deadline: Instant,
    ) -> Result<Self, NodeAnswer> {
        let mut phases = Phases::default();
        let opened = connect::open(names, (&target.host, target.port), deadline, &mut phases).await;
        let (mut stream, address) = opened.map_err(NodeAnswer::Failed)?;
        let late = |_| NodeAnswer::Failed(Fault::TimedOut { phase: Phase::FirstByte });
        let offered = timeout_at(deadline, offers_tls(&mut stream, target.encrypt)).await.map_err(late)?;
        if !offered.map_err(NodeAnswer::Failed)? {
            let login = Self::log_in(stream, target, Encryption::Plain);
            return timeout_at(deadline, login).await.map_err(late)?;
        }
        let shaken = tls.handshake(stream, address, &target.host, Alpn::Nothing, deadline, &mut phases).await;
        let encryption = target.encrypt.judge(&shaken).map_err(NodeAnswer::Failed);
        let stream = shaken.stream.map_err(NodeAnswer::Failed)?;
        let encryption = encryption?;
        let login = Self::log_in(stream, target, encryption);
        timeout_at(deadline, login).await.map_err(late)?
    }

    async fn log_in<S>(stream: S, target: &Target, encryption: Encryption) -> Result<Self, NodeAnswer>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let budget = Arc::new(AtomicUsize::new(ROUND_MAX));
        let stream = Guarded::new(stream, Arc::clone(&budget));
        let connected = target.login.connect_raw(stream, NoTls).await;
        let (client, link) = connected.map_err(|error| answer_of(&error))?;
        let mut link = Link(tokio::spawn(link));
        let prepared = async {
            client.batch_execute(SETUP).await?;
            let fixed = client.query_one(FIXED, &[]).await?;
            let queries = Queries::prepare(&client, fixed.try_get(4)?).await?;
            let fixed = Fixed {
                version: format!("PostgreSQL {}", short(fixed.try_get(0)?)),
                max: count(fixed.try_get(1)?),
                reserved: count(fixed.try_get(2)?),
                reads_all: fixed.try_get(3)?,
                identifier: fact(queries.rows(&client, Query::Identity, None).await?, identifier)
                    .known()
                    .cloned(),
            };
            Ok::<_, Error>((fixed, queries))
        };
        match prepared.await {
            Ok((fixed, queries)) => {
                // The settings, the query of what is fixed with its preparation, the identifier.
                let transactions = 4 + queries.transactions();
                let opened = Instant::now();
                Ok(Self { client, queries, link, budget, fixed, encryption, transactions, opened })
            }
            Err(error) => Err(link.reason(error).await),
        }
    }

    /// Whether rights may have been granted since they were read.
    pub(super) fn is_outdated(&self) -> bool {
        !self.fixed.reads_all && self.opened.elapsed() >= RIGHTS_AGAIN
    }

    /// Begins a round: the server may send a round's bytes again.
    pub(super) fn renew(&self) {
        self.budget.store(ROUND_MAX, Ordering::Relaxed);
    }

    /// Executes a query of the round. Only the loss of the connection is an error.
    pub(super) async fn rows(&self, query: Query) -> Result<Reading<Vec<Row>>, Error> {
        self.queries.rows(&self.client, query, None).await
    }

    /// The same for the texts of statements.
    pub(super) async fn texts(&self, ids: &[i64]) -> Result<Reading<Vec<Row>>, Error> {
        self.queries.rows(&self.client, Query::StatementTexts, Some(ids)).await
    }

    /// Why the connection was lost.
    pub(super) async fn why_lost(mut self, error: Error) -> NodeAnswer {
        self.link.reason(error).await
    }
}

/// The task that serves a connection. It ends when this is dropped.
struct Link(JoinHandle<Result<(), Error>>);

impl Link {
    /// The reason why a connection ended: the error of its task says more than that it is closed.
    async fn reason(&mut self, error: Error) -> NodeAnswer {
        if !error.is_closed() {
            return answer_of(&error);
        }
        match timeout(REASON_WAIT, &mut self.0).await {
            Ok(Ok(Err(cause))) => answer_of(&cause),
            Ok(Err(_)) => {
                NodeAnswer::Failed(Fault::Garbage { why: "its messages cannot be read".to_owned() })
            }
            _ => answer_of(&error),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Asks whether the server has TLS. `Ok(false)` continues without.
async fn offers_tls(stream: &mut TcpStream, encrypt: Encrypt) -> Result<bool, Fault> {
    if encrypt == Encrypt::Never {
        return Ok(false);
    }
    let mut answer = [0_u8];
    let asked = async {
        stream.write_all(&SSL_REQUEST).await?;
        stream.read_exact(&mut answer).await
    };
    asked.await.map_err(|error| faults::from_io(&error, Phase::FirstByte))?;
    match answer {
        [b'S'] => Ok(true),
        [b'N'] if encrypt == Encrypt::IfOffered => Ok(false),
        [b'N'] => Err(Fault::Handshake {
            why: "the server has no TLS, and sslmode requires it (set ssl = on there)".to_owned(),
        }),
        _ => Err(Fault::Garbage { why: "what it sends is not the PostgreSQL protocol".to_owned() }),
    }
}

/// What an error says about the node.
pub(super) fn answer_of(error: &Error) -> NodeAnswer {
    if let Some(said) = error.as_db_error() {
        return refused(said.code(), said.message());
    }
    let Some(cause) = error.source() else {
        return NodeAnswer::Failed(if error.is_closed() {
            Fault::Unreachable { why: "the server closed the connection".to_owned() }
        } else {
            Fault::Garbage { why: error.to_string() }
        });
    };
    let what = error.to_string();
    if matches!(what.as_str(), "authentication error" | "invalid configuration") {
        return NodeAnswer::Denied { said: short(&cause.to_string()) };
    }
    let unreadable =
        || Fault::Garbage { why: format!("its messages cannot be read ({})", short(&cause.to_string())) };
    NodeAnswer::Failed(match cause.downcast_ref::<io::Error>() {
        // The library reports an impossible length as an I/O error.
        Some(io) if what.starts_with("error communicating") && io.kind() != io::ErrorKind::InvalidInput => {
            faults::from_io(io, Phase::FirstByte)
        }
        _ => unreadable(),
    })
}

fn refused(code: &SqlState, said: &str) -> NodeAnswer {
    let said = short(said);
    // PgBouncer has no code of its own for a full client table.
    let pooler_full =
        *code == SqlState::PROTOCOL_VIOLATION && said.starts_with("no more connections allowed");
    // A limit of mainstay's own role says nothing about the others.
    let of_role = said.starts_with("too many connections for role");
    if pooler_full || (*code == SqlState::TOO_MANY_CONNECTIONS && !of_role) {
        return NodeAnswer::Saturated { said };
    }
    if [SqlState::CANNOT_CONNECT_NOW, SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN].contains(code) {
        return NodeAnswer::Starting { said };
    }
    let login = code.code().starts_with("28")
        || of_role
        || [SqlState::INVALID_CATALOG_NAME, SqlState::INSUFFICIENT_PRIVILEGE].contains(code);
    if login {
        return NodeAnswer::Denied { said };
    }
    NodeAnswer::Failed(Fault::Unreachable { why: format!("the server ended the session: {said}") })
}

fn short(said: &str) -> String {
    text::truncate::chars(said, SAID_MAX)
}

fn count(number: i64) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        for (code, said, word) in [
            (
                "53300",
                "remaining connection slots are reserved for non-replication superuser connections",
                "saturated",
            ),
            ("53300", "sorry, too many clients already", "saturated"),
            ("53300", "too many connections for database \"shop\"", "saturated"),
            ("53300", "too many connections for role \"mainstay\"", "denied"),
            ("08P01", "no more connections allowed (max_client_conn)", "saturated"),
            ("57P03", "the database system is starting up", "starting"),
            ("57P01", "terminating connection due to administrator command", "starting"),
            ("28P01", "password authentication failed for user \"mainstay\"", "denied"),
            ("28000", "no pg_hba.conf entry for host", "denied"),
            ("3D000", "database \"x\" does not exist", "denied"),
            ("XX000", "boom", "failed"),
        ] {
            let got = match refused(&SqlState::from_code(code), said) {
                NodeAnswer::Saturated { .. } => "saturated",
                NodeAnswer::Starting { .. } => "starting",
                NodeAnswer::Denied { .. } => "denied",
                NodeAnswer::Failed(_) => "failed",
                NodeAnswer::Facts(_) => "facts",
            };
            assert_eq!(got, word, "{said}");
        }
    }
}
