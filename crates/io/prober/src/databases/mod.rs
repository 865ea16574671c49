//! Databases: one round of measurements of all nodes of one database.
//!
//! | module | holds |
//! |---|---|
//! | `target` | which database, and its URLs |
//! | `positions` | lag of replicas by positions of their primary |
//! | `backups` | its backups, by their tool or their folder |
//! | `dump_files` | backups that are files: age and size |

mod backups;
mod dump_files;
mod positions;
mod target;

pub use target::DatabaseTarget;

use crate::kinds::database::url::UrlError;
use crate::kinds::mysql::{self, Binlog};
use crate::kinds::postgres;
use crate::kinds::redis;
use crate::kinds::tls::Tls;
use crate::names::Names;
use crate::setup::{Clock, SetupError};
use backups::Backups;
use futures_util::future::join_all;
use positions::Positions;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use target::unusable_url;
use tls_roots::Roots;
use tokio::sync::Mutex;
use tokio::time::Instant;
use types::config::{self, Config};
use types::database::{DatabaseSeen, NodeAnswer, NodeFacts, NodeSeen};

/// A database of the configuration, with its connections.
pub(crate) struct WatchedDatabase {
    target: DatabaseTarget,
    monitor: Mutex<DatabaseMonitor>,
}

impl WatchedDatabase {
    /// Every database of a configuration. Those of `before` that did not change keep their connections.
    ///
    /// # Errors
    /// A URL cannot be read or used.
    pub(crate) fn all(
        config: &Config,
        before: &BTreeMap<String, Arc<Self>>,
        (names, tls, clock): (&Arc<Names>, &Arc<Tls>, &Clock),
    ) -> Result<BTreeMap<String, Arc<Self>>, SetupError> {
        let watch = |(name, database): (&String, &config::Database)| {
            let target = DatabaseTarget::read(name, database)?;
            if let Some(same) = before.get(name).filter(|before| before.target.is_same(&target)) {
                return Ok((name.clone(), Arc::clone(same)));
            }
            let parts = (Arc::clone(names), Arc::clone(tls), Arc::clone(clock));
            let monitor = Mutex::new(DatabaseMonitor::with(&target, parts)?);
            Ok((name.clone(), Arc::new(Self { target, monitor })))
        };
        config.databases.iter().map(watch).collect()
    }

    /// Measures all nodes. Returns within the limit, unless another round has not ended.
    pub(crate) async fn round(&self, limit: Duration) -> DatabaseSeen {
        self.monitor.lock().await.round(limit).await
    }
}

/// Watches one database. Keeps at most one connection to each node.
pub struct DatabaseMonitor {
    nodes: Vec<Node>,
    names: Arc<Names>,
    tls: Arc<Tls>,
    clock: Clock,
    positions: Positions,
    binlog: Binlog,
    backups: Backups,
}

struct Node {
    name: String,
    engine: Engine,
}

enum Engine {
    Postgres(Box<postgres::Node>),
    Mysql(Box<mysql::Node>),
    Redis(Box<redis::Node>),
}

impl DatabaseMonitor {
    /// Reads the URLs. Connects to nothing yet.
    ///
    /// # Errors
    /// A URL, or a file that the configuration names, cannot be used.
    pub fn new(config: &Config, target: &DatabaseTarget, clock: Clock) -> Result<Self, SetupError> {
        let roots = Roots::load(&config.site.extra_ca_files)?;
        let tls = Arc::new(Tls::new(roots, Arc::clone(&clock))?);
        Self::with(target, (Arc::new(Names::new(config)), tls, clock))
    }

    fn with(
        target: &DatabaseTarget,
        (names, tls, clock): (Arc<Names>, Arc<Tls>, Clock),
    ) -> Result<Self, SetupError> {
        let engine = |(place, url): (usize, &SecretString)| {
            let url = url.expose_secret();
            let node = match url.split_once(':').map(|(scheme, _)| scheme) {
                Some("postgres" | "postgresql") => postgres::Node::new(url)
                    .map(|node| Node { name: node.name(), engine: Engine::Postgres(Box::new(node)) }),
                Some("mysql" | "mariadb") => mysql::Node::new(url, place == 0)
                    .map(|node| Node { name: node.name(), engine: Engine::Mysql(Box::new(node)) }),
                Some("redis" | "rediss" | "valkey" | "valkeys") => redis::Node::new(url)
                    .map(|node| Node { name: node.name(), engine: Engine::Redis(Box::new(node)) }),
                _ => Err(UrlError::Scheme),
            };
            node.map_err(|why| unusable_url(&target.name, place, &why))
        };
        Ok(Self {
            nodes: target.urls.iter().enumerate().map(engine).collect::<Result<_, _>>()?,
            names,
            tls,
            clock,
            positions: Positions::default(),
            binlog: Binlog::default(),
            backups: Backups::new(target.backups.clone()),
        })
    }

    /// Measures all nodes at the same time. Returns within the limit.
    pub async fn round(&mut self, limit: Duration) -> DatabaseSeen {
        let deadline = Instant::now() + limit;
        let (names, tls) = (&self.names, &self.tls);
        let nodes = join_all(self.nodes.iter_mut().map(|node| async {
            let answer = match &mut node.engine {
                Engine::Postgres(postgres) => postgres.round(names, tls, deadline).await,
                Engine::Mysql(mysql) => mysql.round(names, tls, deadline).await,
                Engine::Redis(redis) => redis.round(names, tls, deadline).await,
            };
            NodeSeen { node: node.name.clone(), answer }
        }));
        let (mut nodes, backups) = tokio::join!(nodes, self.backups.read((self.clock)(), deadline));
        self.follow(&mut nodes);
        // Text from outside is escaped here, before it can be shown anywhere.
        DatabaseSeen { at: (self.clock)(), nodes, backups }.shown()
    }

    /// Completes the lag of the replicas.
    fn follow(&mut self, nodes: &mut [NodeSeen]) {
        self.binlog.place(&mut in_binary_logs(&self.nodes, nodes));
        self.positions.follow(nodes, Instant::now());
        for (place, facts) in in_binary_logs(&self.nodes, nodes) {
            mysql::subtract_delay(place, facts);
        }
    }
}

/// The nodes that answered and have a place in binary logs.
fn in_binary_logs<'a>(
    nodes: &'a [Node],
    seen: &'a mut [NodeSeen],
) -> Vec<(&'a mysql::Place, &'a mut NodeFacts)> {
    let pairs = nodes.iter().zip(seen).filter_map(|(node, seen)| match (&node.engine, &mut seen.answer) {
        (Engine::Mysql(mysql), NodeAnswer::Facts(facts)) => Some((mysql.place(), &mut **facts)),
        _ => None,
    });
    pairs.collect()
}
