//! The databases: a primary that loses its power, the replica that is promoted, the backups, and the connections of the
//! application.

use crate::TestbedError;
use crate::postgres::{Postgres, started};
use crate::tasks::{Tasks, lock};
use crate::time_tracker::Entry;
use drill::score::power::Entries;
use rustix::process::Signal;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};
use tokio::net::TcpSocket;
use tokio::time::timeout;
use tokio_postgres::{Client, Config, NoTls};

/// Age of the backup that is there at the start.
const OLD: Duration = Duration::from_secs(20 * 3_600);
/// Timeout of a statement of the application, with its connection.
const STATEMENT: Duration = Duration::from_secs(2);
/// Where the questions of the fixture itself come from.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Role of the application.
const ROLE: &str = "app";
/// Entries with the key under which they came, and how often each came.
const SCHEMA: &str = "create role app login; \
     create table entries (id bigserial primary key, idempotency_key text unique, deliveries int not null default 1, \
     client text not null, number bigint not null, said text not null); \
     create table visits (visits bigint not null); insert into visits values (0); \
     grant select, insert, update on entries to app; grant usage on sequence entries_id_seq to app; \
     grant select, update on visits to app";

/// The servers. They end when dropped.
pub(super) struct Databases {
    /// `None` while it is worked on.
    primary: Mutex<Option<Postgres>>,
    replica: Mutex<Option<Postgres>>,
    primary_port: u16,
}

impl Databases {
    /// Starts the primary.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub(super) async fn start() -> Result<Self, TestbedError> {
        if !Path::new("/usr/lib/postgresql").is_dir() {
            return Err(TestbedError::Missing("PostgreSQL (Debian: postgresql)"));
        }
        let primary = started(async {
            let server = Postgres::start(&[]).await;
            server.sql(SCHEMA).await;
            server
        });
        let primary = primary.await?;
        let primary_port = primary.port;
        Ok(Self { primary: Mutex::new(Some(primary)), replica: Mutex::default(), primary_port })
    }

    /// Adds the streaming replica.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) async fn add_replica(&self) -> Result<(), TestbedError> {
        let (primary, replica) =
            self.with_primary(async |primary| primary.replica("replica-1").await).await?;
        *lock(&self.primary) = Some(primary);
        *lock(&self.replica) = Some(replica);
        Ok(())
    }

    /// Takes the primary for a while; returns it with the result.
    async fn with_primary<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(&mut Postgres) -> T + Send + 'static,
    ) -> Result<(Postgres, T), TestbedError> {
        let taken = lock(&self.primary).take();
        let mut primary = taken.ok_or_else(|| TestbedError::Database("it is worked on".to_owned()))?;
        let runtime = tokio::runtime::Handle::current();
        let thread = tokio::task::spawn_blocking(move || {
            let done = runtime.block_on(work(&mut primary));
            (primary, done)
        });
        thread.await.map_err(|panic| TestbedError::Database(panic.to_string()))
    }

    /// Cuts its power.
    pub(super) fn kill_primary(&self) {
        if let Some(primary) = lock(&self.primary).as_mut() {
            primary.stop(Signal::KILL);
        }
    }

    /// Shuts the old primary down for good.
    pub(super) fn stop_primary(&self) {
        if let Some(primary) = lock(&self.primary).as_mut() {
            primary.stop(Signal::INT);
        }
    }

    /// Starts the old primary for a look at its data: sessions may not write.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) async fn return_primary(&self) -> Result<(), TestbedError> {
        let (primary, done) = self
            .with_primary(async |primary| {
                let path = primary.data().join("postgresql.auto.conf");
                let mut settings = std::fs::File::options().append(true).open(path)?;
                settings.write_all(b"default_transaction_read_only = on\n")?;
                primary.run().await;
                std::io::Result::Ok(())
            })
            .await?;
        *lock(&self.primary) = Some(primary);
        done.map_err(|error| TestbedError::Database(error.to_string()))
    }

    /// Promotes the replica.
    ///
    /// # Errors
    /// When there is none, or it refuses.
    pub(super) async fn promote(&self) -> Result<(), TestbedError> {
        let client = session(HERE, self.replica()?, "postgres", "promotion").await?;
        client.0.batch_execute("select pg_promote()").await.map_err(database)
    }

    /// Address of the primary at the start.
    pub(super) fn primary(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.primary_port))
    }

    /// Address of the replica.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn replica(&self) -> Result<SocketAddr, TestbedError> {
        let port = lock(&self.replica).as_ref().map(|replica| replica.port);
        let port = port.ok_or_else(|| TestbedError::Database("there is no replica".to_owned()))?;
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// URLs for mainstay: the primary, then the replica.
    pub(super) fn urls(&self) -> Vec<String> {
        let primary = lock(&self.primary).as_ref().map(Postgres::url);
        primary.into_iter().chain(lock(&self.replica).as_ref().map(Postgres::url)).collect()
    }

    /// Dumps the primary into a folder; an `old` backup is from the day before.
    ///
    /// # Errors
    /// When `pg_dump` fails or the folder cannot be written.
    pub(super) async fn back_up(&self, folder: &Path, old: bool) -> Result<(), TestbedError> {
        let port = self.primary_port.to_string();
        let dump = tokio::task::spawn_blocking(move || {
            Postgres::program("pg_dump")
                .args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-Fc", "postgres"])
                .output()
        });
        let dump = dump.await.map_err(|panic| TestbedError::Database(panic.to_string()))?;
        let dump = dump.map_err(|why| TestbedError::Database(why.to_string()))?;
        if !dump.status.success() {
            return Err(TestbedError::Database(String::from_utf8_lossy(&dump.stderr).into_owned()));
        }
        let path = folder.join(if old { "yesterday.dump" } else { "today.dump" });
        let write = || {
            let mut file = std::fs::File::create(&path)?;
            file.write_all(&dump.stdout)?;
            if old { file.set_modified(SystemTime::now() - OLD) } else { Ok(()) }
        };
        write().map_err(|why| TestbedError::Folder { path: path.clone(), why })
    }

    /// The entries of a browser at the new primary; `made` and `offline` are not filled in.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) async fn entries(&self, client: &str) -> Result<Entries, TestbedError> {
        let (session, _link) = session(HERE, self.replica()?, "postgres", "score").await?;
        let statement = "select number, deliveries from entries where client = $1 order by id";
        let rows = session.query(statement, &[&client]).await.map_err(database)?;
        let numbers: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        let different: std::collections::BTreeSet<i64> = numbers.iter().copied().collect();
        let repeated: i64 = rows.iter().map(|row| i64::from(row.get::<_, i32>(1)) - 1).sum();
        Ok(Entries {
            recorded: different.len() as u64,
            twice: (numbers.len() - different.len()) as u64,
            repeated: u64::try_from(repeated).unwrap_or(0),
            in_order: numbers.is_sorted(),
            ..Entries::default()
        })
    }
}

/// The database that the application is configured with.
#[derive(Debug)]
pub(super) struct Target(Mutex<SocketAddr>);

impl Target {
    pub(super) fn new(address: SocketAddr) -> Arc<Self> {
        Arc::new(Self(Mutex::new(address)))
    }

    /// Another one from now on.
    pub(super) fn set(&self, address: SocketAddr) {
        *lock(&self.0) = address;
    }

    fn get(&self) -> SocketAddr {
        *lock(&self.0)
    }
}

/// The one connection of an application server: opened when it is needed, kept as long as it works.
pub(super) struct Connection {
    application: String,
    /// Address of the application server, from which it connects.
    from: IpAddr,
    target: Arc<Target>,
    open: tokio::sync::Mutex<Option<(SocketAddr, Client, Tasks)>>,
}

impl Connection {
    pub(super) fn new(application: String, from: IpAddr, target: Arc<Target>) -> Self {
        Self { application, from, target, open: tokio::sync::Mutex::default() }
    }

    /// Keeps the connection open.
    pub(super) async fn check(&self) {
        if let Err(why) = self.execute(async |client| client.batch_execute("select 1").await).await {
            tracing::debug!(%why, "check of the database");
        }
    }

    /// Counts a visit, as the application does with each page.
    pub(super) async fn count_visit(&self) -> Result<(), String> {
        self.execute(async |client| client.batch_execute("update visits set visits = visits + 1").await).await
    }

    /// Number of entries.
    pub(super) async fn entries(&self) -> Result<i64, String> {
        let count = async |client: &Client| {
            client.query_one("select count(*) from entries", &[]).await.map(|row| row.get(0))
        };
        self.execute(count).await
    }

    /// Records an entry once for each key.
    pub(super) async fn record(&self, entry: &Entry, key: Option<&str>) -> Result<(), String> {
        let number = i64::try_from(entry.number).map_err(|error| error.to_string())?;
        let statement = "insert into entries (idempotency_key, client, number, said) values ($1, $2, $3, $4) \
             on conflict (idempotency_key) do update set deliveries = entries.deliveries + 1";
        let insert = async |client: &Client| {
            client.execute(statement, &[&key, &entry.client, &number, &entry.text]).await.map(|_| ())
        };
        self.execute(insert).await
    }

    async fn execute<T>(
        &self,
        work: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, String> {
        let whole = async {
            let mut open = self.open.lock().await;
            let target = self.target.get();
            let kept = open.take().filter(|(address, client, _)| *address == target && !client.is_closed());
            let (address, client, link) = match kept {
                Some(kept) => kept,
                None => {
                    let (client, link) = session(self.from, target, ROLE, &self.application)
                        .await
                        .map_err(|error| error.to_string())?;
                    (target, client, link)
                }
            };
            let done = work(&client).await;
            if !client.is_closed() {
                *open = Some((address, client, link));
            }
            done.map_err(said)
        };
        timeout(STATEMENT, whole).await.map_err(|_| "no answer in time".to_owned())?
    }
}

/// A session, which ends with the tasks.
async fn session(
    from: IpAddr,
    to: SocketAddr,
    user: &str,
    application: &str,
) -> Result<(Client, Tasks), TestbedError> {
    let connecting = async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from, 0))?;
        socket.connect(to).await
    };
    let stream = connecting.await.map_err(|why: std::io::Error| TestbedError::Database(why.to_string()))?;
    let mut config = Config::new();
    config.user(user).dbname("postgres").application_name(application);
    let (client, link) = config.connect_raw(stream, NoTls).await.map_err(database)?;
    let mut tasks = Tasks::default();
    tasks.spawn(async move {
        if let Err(error) = link.await {
            tracing::debug!(%error, "connection to the database");
        }
    });
    Ok((client, tasks))
}

fn database(error: tokio_postgres::Error) -> TestbedError {
    TestbedError::Database(said(error))
}

fn said(error: tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => said.message().to_owned(),
        None => error.to_string(),
    }
}
