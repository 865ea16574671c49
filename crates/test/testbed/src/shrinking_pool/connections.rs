//! The database connections of one API server: a bounded number, opened when needed.

use crate::tasks::{Tasks, lock};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant as Deadline, timeout_at};
use tokio_postgres::{Client, Config, NoTls};

/// Time after which a connection without work is closed.
const IDLE: Duration = Duration::from_secs(3);

/// Why a statement was not executed.
#[derive(Clone, Debug, Error)]
pub(super) enum QueryError {
    #[error("no connection became free in time, or no answer came in time")]
    TimedOut,
    #[error("the database refused: {0}")]
    Refused(String),
}

/// At most `most` connections. A statement that has begun is executed to its end, whether or not someone still waits for it.
pub(super) struct Connections {
    database: SocketAddr,
    application: String,
    /// Whether connections are kept when they have no work.
    keeps: bool,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<(Client, Instant)>>,
    tasks: Mutex<Tasks>,
}

impl Connections {
    pub(super) fn new(database: SocketAddr, application: &str, most: usize, keeps: bool) -> Arc<Self> {
        Arc::new(Self {
            database,
            application: application.to_owned(),
            keeps,
            permits: Arc::new(Semaphore::new(most)),
            idle: Mutex::default(),
            tasks: Mutex::default(),
        })
    }

    /// Executes a statement; waits at most this long for a connection and the answer together.
    pub(super) async fn execute(
        self: &Arc<Self>,
        statement: &'static str,
        within: Duration,
    ) -> Result<(), QueryError> {
        let deadline = Deadline::now() + within;
        let permit = timeout_at(deadline, Arc::clone(&self.permits).acquire_owned()).await;
        let permit = permit.map_err(|_| QueryError::TimedOut)?.map_err(|_| QueryError::TimedOut)?;
        let (done, answer) = oneshot::channel();
        let own = Arc::clone(self);
        lock(&self.tasks).spawn(async move {
            let result = own.on_a_connection(statement).await;
            drop(permit);
            let _ = done.send(result);
        });
        match timeout_at(deadline, answer).await {
            Ok(Ok(result)) => result,
            _ => Err(QueryError::TimedOut),
        }
    }

    async fn on_a_connection(&self, statement: &str) -> Result<(), QueryError> {
        let kept = lock(&self.idle).pop().map(|(client, _)| client);
        let client = match kept.filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.connect().await?,
        };
        let result = client.batch_execute(statement).await.map_err(refused);
        if !client.is_closed() {
            lock(&self.idle).push((client, Instant::now()));
        }
        result
    }

    async fn connect(&self) -> Result<Client, QueryError> {
        let stream = TcpStream::connect(self.database).await;
        let stream = stream.map_err(|error| QueryError::Refused(error.to_string()))?;
        let mut config = Config::new();
        config.user(super::database::ROLE).dbname("postgres").application_name(&self.application);
        let (client, link) = config.connect_raw(stream, NoTls).await.map_err(refused)?;
        lock(&self.tasks).spawn(async move {
            if let Err(error) = link.await {
                tracing::debug!(%error, "connection to the database");
            }
        });
        Ok(client)
    }

    /// Closes connections that have had no work for a while.
    pub(super) fn close_idle(&self) {
        if !self.keeps {
            lock(&self.idle).retain(|(_, since)| since.elapsed() < IDLE);
        }
    }

    /// Closes all connections, also those with work: the process ends. The database notices when it answers.
    pub(super) fn close(&self) {
        self.permits.close();
        lock(&self.idle).clear();
        *lock(&self.tasks) = Tasks::default();
    }
}

fn refused(error: tokio_postgres::Error) -> QueryError {
    QueryError::Refused(match error.as_db_error() {
        Some(said) => said.message().to_owned(),
        None => error.to_string(),
    })
}
