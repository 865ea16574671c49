//! Databases: one round of measurements of all nodes of one database.

use crate::kinds::postgres;
use crate::kinds::postgres::pgbackrest::{self, BackupError};
use crate::kinds::redis;
use crate::kinds::tls::Tls;
use crate::kinds::url_error::UrlError;
use crate::names::Names;
use crate::setup::{self, Clock, SetupError};
use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tls_roots::Roots;
use tokio::sync::Mutex;
use tokio::time::Instant;
use types::config::{self, Config, SecretRef};
use types::database::{Backup, DatabaseSeen, NodeAnswer, NodeSeen, Reading, Role};

/// Positions of the primary that are kept: a day at one round in ten seconds. A lag beyond them is at least as long.
const POSITIONS_MAX: usize = 8_640;
/// Time between two looks at the backups.
const BACKUP_INTERVAL: Duration = Duration::from_mins(5);

/// A database to watch: URLs of its nodes, which hold passwords, and the stanza of its backups. Has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseTarget {
    /// Name in the configuration.
    pub name: String,
    /// URL of each node: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`, `rediss://USER:PASSWORD@HOST:PORT`.
    pub urls: Vec<String>,
    /// Stanza of pgBackRest.
    pub pgbackrest: Option<String>,
}

impl DatabaseTarget {
    /// Reads the URLs from where the configuration keeps them.
    ///
    /// # Errors
    /// A secret cannot be read.
    pub fn read(name: &str, database: &config::Database) -> Result<Self, SetupError> {
        let read = |(place, source): (usize, &SecretRef)| {
            setup::secret(source)
                .map(|url| url.expose_secret().to_owned())
                .map_err(|why| unusable_url(name, place, &why))
        };
        let sources = std::iter::once(&database.url).chain(&database.replicas);
        Ok(Self {
            name: name.to_owned(),
            urls: sources.enumerate().map(read).collect::<Result<_, _>>()?,
            pgbackrest: database.pgbackrest.clone(),
        })
    }
}

/// The error about a URL; places are counted from 0.
fn unusable_url(database: &str, place: usize, why: &dyn std::fmt::Display) -> SetupError {
    SetupError::DatabaseUrl { database: database.to_owned(), place: place + 1, why: why.to_string() }
}

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
            if let Some(same) = before.get(name).filter(|before| before.target == target) {
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
    stanza: Option<String>,
    backups: Option<(Instant, Reading<Vec<Backup>>)>,
}

struct Node {
    name: String,
    engine: Engine,
}

enum Engine {
    Postgres(Box<postgres::Node>),
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
        let engine = |(place, url): (usize, &String)| {
            let node = match url.split_once(':').map(|(scheme, _)| scheme) {
                Some("postgres" | "postgresql") => postgres::Node::new(url)
                    .map(|node| Node { name: node.name(), engine: Engine::Postgres(Box::new(node)) }),
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
            stanza: target.pgbackrest.clone(),
            backups: None,
        })
    }

    /// Measures all nodes at the same time. Returns within the limit.
    pub async fn round(&mut self, limit: Duration) -> DatabaseSeen {
        let deadline = Instant::now() + limit;
        let (names, tls) = (&self.names, &self.tls);
        let nodes = join_all(self.nodes.iter_mut().map(|node| async {
            let answer = match &mut node.engine {
                Engine::Postgres(postgres) => postgres.round(names, tls, deadline).await,
                Engine::Redis(redis) => redis.round(names, tls, deadline).await,
            };
            NodeSeen { node: node.name.clone(), answer }
        }));
        let mut nodes = match &self.stanza {
            Some(stanza) if is_due(self.backups.as_ref()) => {
                let (nodes, backups) = tokio::join!(nodes, pgbackrest::run("pgbackrest", stanza, deadline));
                self.backups = Some((Instant::now(), backups_of(stanza, backups)));
                nodes
            }
            _ => nodes.await,
        };
        self.positions.follow(&mut nodes, Instant::now());
        let backups = self.backups.as_ref().map(|(_, backups)| backups.clone()).unwrap_or_default();
        // Text from outside is escaped here, before it can be shown anywhere.
        DatabaseSeen { at: (self.clock)(), nodes, backups }.shown()
    }
}

fn is_due(backups: Option<&(Instant, Reading<Vec<Backup>>)>) -> bool {
    backups.is_none_or(|(at, _)| at.elapsed() >= BACKUP_INTERVAL)
}

/// A tool that fails says nothing good about the backups.
fn backups_of(stanza: &str, backups: Result<Vec<Backup>, BackupError>) -> Reading<Vec<Backup>> {
    let failed = |status| Backup { name: stanza.to_owned(), status, ..Backup::default() };
    Reading::Known(match backups {
        Ok(backups) if backups.is_empty() => vec![failed("pgbackrest does not know the stanza".to_owned())],
        Ok(backups) => backups,
        Err(error) => vec![failed(error.to_string())],
    })
}

/// Positions of the primary at times, by which a position of a replica has an age. The servers' own figures for this are
/// missing on a fresh replica and grow on an idle primary.
#[derive(Default)]
struct Positions(VecDeque<(Instant, u64)>);

impl Positions {
    /// Notes the position of the primary, and completes the lag of the replicas.
    fn follow(&mut self, nodes: &mut [NodeSeen], now: Instant) {
        let facts = nodes.iter_mut().filter_map(|seen| match &mut seen.answer {
            NodeAnswer::Facts(facts) => Some(facts),
            _ => None,
        });
        let (primaries, replicas): (Vec<_>, Vec<_>) = facts.partition(|facts| facts.role == Role::Primary);
        let Some(primary) = primaries.iter().find_map(|facts| facts.position.known()) else { return };
        let written = primary.bytes;
        self.note(now, written);
        for facts in replicas {
            let Some(replayed) = facts.position.known().map(|position| position.bytes) else { continue };
            if let Reading::Known(upstream) = &mut facts.upstream {
                upstream.lag_bytes = Some(written.saturating_sub(replayed));
                upstream.lag = Some(self.age(now, replayed));
            }
        }
    }

    fn note(&mut self, now: Instant, written: u64) {
        // After a promotion the new primary may be behind the old one.
        while self.0.back().is_some_and(|(_, bytes)| *bytes > written) {
            self.0.pop_back();
        }
        if self.0.back().is_some_and(|(_, bytes)| *bytes == written) {
            return;
        }
        if self.0.len() >= POSITIONS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((now, written));
    }

    /// Minimum age of a position: how long ago the primary was first seen beyond it.
    fn age(&self, now: Instant, replayed: u64) -> Duration {
        let beyond = self.0.partition_point(|(_, bytes)| *bytes <= replayed);
        self.0.get(beyond).map(|(at, _)| now.saturating_duration_since(*at)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_of_a_position_is_the_time_since_the_primary_passed_it() {
        let start = Instant::now();
        let at = |secs: u64| start + Duration::from_secs(secs);
        let mut positions = Positions::default();
        for (secs, bytes) in [(0, 100), (10, 100), (20, 200), (30, 300)] {
            positions.note(at(secs), bytes);
        }
        for (replayed, secs) in [(300, 0), (250, 0), (200, 0), (199, 10), (100, 10), (99, 30)] {
            assert_eq!(positions.age(at(30), replayed), Duration::from_secs(secs), "{replayed}");
        }
        for secs in 31..10_000 {
            positions.note(at(secs), 1_000 + secs);
        }
        assert_eq!(positions.0.len(), POSITIONS_MAX);
        assert_eq!(positions.age(at(10_000), 300), Duration::from_secs(8_640), "at least");
    }
}
