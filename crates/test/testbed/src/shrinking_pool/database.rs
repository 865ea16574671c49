//! The database: a real PostgreSQL with few connections, and the statement that becomes slow.

use crate::TestbedError;
use crate::postgres::{Postgres, started};
use crate::tasks::lock;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

/// Role of the API servers.
pub(super) const ROLE: &str = "api";
/// Connections that the server accepts, the default of PostgreSQL; three are reserved for superusers.
const CONNECTIONS_MAX: u32 = 100;

/// The usual statement.
pub(super) const QUICK: &str = "select seconds from totals where workspace = 1";
/// The inefficient one: it recounts under the lock of one row, so that all callers wait for each other.
pub(super) const SLOW: &str = "update totals set seconds = recount(workspace) where workspace = 1";
/// What a health check asks.
pub(super) const HEALTH: &str = "select 1";

/// The recount takes 50 ms. It sleeps instead of computing, so that the machine of the drill has its cores for the rest.
const SCHEMA: &str = "create role api login; \
     create table entries as select i as id, 1 as workspace, i % 60 as seconds from generate_series(1, 1000) as i; \
     create table totals as select workspace, sum(seconds) as seconds from entries group by workspace; \
     create function recount(which int) returns bigint language plpgsql as $$ begin perform pg_sleep(0.05); \
     return (select sum(seconds) from entries where workspace = which); end $$; \
     grant select, update on totals to api; grant select on entries to api";

/// The primary and its replicas. They end when dropped.
pub(super) struct Databases {
    primary: Arc<Postgres>,
    replicas: Mutex<Vec<Postgres>>,
}

impl Databases {
    /// Starts the primary.
    pub(super) async fn start() -> Result<Self, TestbedError> {
        if !std::path::Path::new("/usr/lib/postgresql").is_dir() {
            return Err(TestbedError::Missing("PostgreSQL (Debian: postgresql)"));
        }
        let primary = started(async {
            let connections = format!("max_connections={CONNECTIONS_MAX}");
            let server = Postgres::start(&[&connections]).await;
            server.sql(SCHEMA).await;
            server
        });
        Ok(Self { primary: Arc::new(primary.await?), replicas: Mutex::default() })
    }

    /// Adds a streaming replica. It answers queries, and none is sent to it.
    pub(super) async fn add_replica(&self) -> Result<(), TestbedError> {
        let name = format!("replica-{}", lock(&self.replicas).len() + 1);
        let primary = Arc::clone(&self.primary);
        let replica = started(async move { primary.replica(&name).await }).await?;
        lock(&self.replicas).push(replica);
        Ok(())
    }

    /// Where the API servers connect to.
    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.primary.port))
    }

    /// URLs for mainstay: the primary, then the replicas.
    pub(super) fn urls(&self) -> Vec<String> {
        let replicas = lock(&self.replicas);
        std::iter::once(&*self.primary).chain(&*replicas).map(Postgres::url).collect()
    }
}
