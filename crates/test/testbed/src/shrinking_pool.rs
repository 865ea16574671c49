//! Fixture of the drill `shrinking-pool`: API servers before one PostgreSQL, thousands of WebSocket clients, a slow query.
//!
//! `api.localhost` is served by 20 API servers, `site.localhost` is independent of them. In front is the proxy under test: mainstay's
//! edge, with the configuration that this fixture writes, or HAProxy. When the much-used code becomes inefficient, queries pile up, the
//! database runs out of connections, and the health checks of 18 servers, which ask the database, time out. These servers end
//! themselves after a while, and stay down until someone starts them. Two older installations remain.
//!
//! | module | holds |
//! |---|---|
//! | `server` | one process of an API server |
//! | `supervisor` | what starts it again, and when that ends |
//! | `connections` | its database connections |
//! | `database` | the PostgreSQL servers, the statements |
//! | `sockets` | the WebSocket clients |
//! | `record` | what the fixture sees, and the effect of each fix by that |
//! | `config` | the mainstay.toml |
//! | `plain` | HAProxy, for comparison |
//!
//! Deliberately absent: real work of the servers. It is slept, so that 20 servers fit on one machine.

mod config;
mod connections;
mod database;
mod plain;
mod record;
mod server;
mod sockets;
mod supervisor;

use crate::TestbedError;
use crate::flood::{ClientRange, Flood, Group, Settings, Step};
use crate::phone::{Behavior, Phone};
use crate::surge::{Part, Proxy, clients_since_fault, parts, write_keys};
use crate::tasks::{Tasks, lock};
use crate::web::{self, Server as WebServer};
use database::Databases;
use drill::score::Served;
use drill::score::fix::Around;
use drill::score::pool::{Opens, PoolObservations};
use drill::{Act, Observations};
use hyper::StatusCode;
use jiff::Timestamp;
use plain::PlainPool;
pub use record::Sample;
use record::{BESIDE, IN_EFFECT, Record};
use server::{Kind, OPENS_MAX, Server};
use sockets::Sockets;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use supervisor::{Order, Supervised};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

/// API servers at the start, and those of them that are older installations.
const SERVERS: usize = 20;
const STEADY: usize = 2;
/// Most API servers.
const SERVERS_MAX: usize = 40;
/// Minimum of the pool.
const MIN_HEALTHY: u32 = 10;
/// Visits per second of each half of the usual clients. A visit is two requests.
const VISITS: f64 = 12.0;
/// Deadline of a request.
const DEADLINE: Duration = Duration::from_secs(2);
/// Time between the servers of a rollback.
const ROLL: Duration = Duration::from_secs(3);
/// Time for the first start of the servers.
const START: Duration = Duration::from_secs(30);
/// Domain of all names: `api.localhost`.
const TOP: &str = "localhost";
/// Most WebSocket clients.
pub const CLIENTS_MAX: usize = 9_500;

/// The running fixture. Stops when dropped.
pub struct ShrinkingPool {
    clients_at: SocketAddr,
    probes_at: SocketAddr,
    site: SocketAddr,
    phone: Phone,
    flood: Arc<Flood>,
    sockets: Arc<Sockets>,
    slow: Arc<AtomicBool>,
    /// Addresses for every server that may be started.
    reserved: Vec<SocketAddr>,
    servers: Arc<Mutex<Vec<Supervised>>>,
    record: Arc<Mutex<Record>>,
    history: Mutex<History>,
    folder: PathBuf,
    proxy: Option<PlainPool>,
    _site: WebServer,
    _recorder: Tasks,
    /// Last, so that it ends after its clients.
    databases: Databases,
}

#[derive(Clone, Debug, Default)]
struct History {
    fault_at: Option<Timestamp>,
    replicas_added: Option<Timestamp>,
    fixes: Vec<(Timestamp, String)>,
}

impl ShrinkingPool {
    /// Starts the fixture and the usual traffic, with a number of WebSocket clients.
    ///
    /// # Errors
    /// When PostgreSQL is not installed, no address is free, or the folder cannot be written.
    pub async fn start(folder: &Path, proxy: Proxy, clients: usize) -> Result<Self, TestbedError> {
        let no_address = |last| TestbedError::NoAddressBlock { tries: 1, last };
        let bind = async || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(no_address);
        let databases = Databases::start().await?;
        let reserved = reserve().map_err(no_address)?;
        let slow = Arc::new(AtomicBool::new(false));
        let servers = reserved.iter().take(SERVERS).enumerate().map(|(number, address)| {
            let kind = if number < STEADY { Kind::Steady } else { Kind::Checking };
            Supervised::start(Server::new(*address, kind, Arc::clone(&slow)), databases.address())
        });
        let servers: Arc<Mutex<Vec<Supervised>>> = Arc::new(Mutex::new(servers.collect()));
        all_work(&servers).await?;
        let (site, probes) = (bind().await?, bind().await?);
        let (site_at, probes_at) =
            (site.local_addr().map_err(no_address)?, probes.local_addr().map_err(no_address)?);
        let proxy = match proxy {
            Proxy::Mainstay => None,
            Proxy::Plain => Some(PlainPool::start(folder, &reserved, clients).await?),
        };
        // Bound and released: configuration and clients must know the address before mainstay listens.
        let free = bind().await?.local_addr().map_err(no_address)?;
        let clients_at = proxy.as_ref().map_or(free, |proxy| proxy.listener);
        let handler =
            web::handler(|_, _| async { web::answer(StatusCode::OK, "text/html", "<title>Acme</title>") });
        let phone = Phone::start(bind().await?).map_err(no_address)?;
        phone.person("ana", Behavior::Answers { after: Duration::from_secs(4) });
        write_keys(folder, &["api", "site"])?;
        let flood = Flood::start(groups(clients_at)).map_err(no_address)?;
        flood.phase("before", &[VISITS, VISITS]);
        let (flood, record) = (Arc::new(flood), Arc::new(Mutex::new(Record::default())));
        let sockets = Arc::new(Sockets::start(clients.min(CLIENTS_MAX), clients_at, &format!("api.{TOP}")));
        let mut recorder = Tasks::default();
        recorder.spawn(keep_record(
            Arc::clone(&record),
            Arc::clone(&servers),
            Arc::clone(&sockets),
            Arc::clone(&flood),
        ));
        let fixture = Self {
            clients_at,
            probes_at,
            site: site_at,
            phone,
            flood,
            sockets,
            slow,
            reserved,
            servers,
            record,
            history: Mutex::default(),
            folder: folder.to_owned(),
            proxy,
            _site: WebServer::start(site, None, handler),
            _recorder: recorder,
            databases,
        };
        config::write_secrets(&fixture)?;
        Ok(fixture)
    }

    /// Performs one act of a script. Returns the instant from which it is in effect.
    ///
    /// # Errors
    /// [`TestbedError::UnsupportedAct`] for acts of another fixture; a database that does not start.
    pub async fn act(&self, act: &Act) -> Result<Timestamp, TestbedError> {
        let began = Timestamp::now();
        if let Some(note) = act.note() {
            lock(&self.history).fixes.push((began, note.clone()));
            self.flood.phase(&note, &[VISITS, VISITS]);
            self.flood.phases_after(IN_EFFECT, BESIDE, in_effect(&note));
        }
        match act {
            Act::SlowQuery => {
                let fault = *lock(&self.history).fault_at.get_or_insert(began);
                self.slow.store(true, Ordering::Relaxed);
                self.flood.phase("slow query", &[VISITS, VISITS]);
                return Ok(fault);
            }
            Act::FixQuery => self.slow.store(false, Ordering::Relaxed),
            Act::AddServers { count } => self.add_servers(*count as usize),
            Act::AddReplicas { count } => {
                for _ in 0..*count {
                    self.databases.add_replica().await?;
                }
                config::write_secrets(self)?;
                lock(&self.history).replicas_added = Some(Timestamp::now());
            }
            Act::RollBack => {
                let serving: Vec<usize> = {
                    let servers = lock(&self.servers);
                    let works = |at: &usize| servers[*at].server.works.load(Ordering::Relaxed);
                    (0..servers.len()).filter(works).collect()
                };
                for at in serving.into_iter().take(SERVERS_MAX) {
                    lock(&self.servers)[at].order(Order::Replace);
                    sleep(ROLL).await;
                }
            }
            Act::ReturnServers => {
                let servers = lock(&self.servers);
                servers.iter().for_each(|one| one.server.forget_opens());
                servers.iter().for_each(|one| one.order(Order::Start));
            }
            _ if self.phone.act(act) => {}
            _ => return Err(TestbedError::UnsupportedAct(act.to_string())),
        }
        Ok(began)
    }

    fn add_servers(&self, count: usize) {
        let mut servers = lock(&self.servers);
        let more = self.reserved.iter().skip(servers.len()).take(count);
        let more: Vec<Supervised> = more
            .map(|address| Server::new(*address, Kind::Checking, Arc::clone(&self.slow)))
            .map(|server| Supervised::start(server, self.databases.address()))
            .collect();
        servers.extend(more);
    }

    /// Waits until all servers work and all clients are connected.
    ///
    /// # Errors
    /// When that takes longer than `within`.
    pub async fn clients_back(&self, within: Duration) -> Result<(), TestbedError> {
        let deadline = Instant::now() + within;
        loop {
            let is_well = |record: &Record| match record.last() {
                Some(last) => record.well_since(Timestamp::UNIX_EPOCH).is_some_and(|at| at <= last.at),
                None => false,
            };
            if is_well(&lock(&self.record)) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let last = lock(&self.record).last().copied();
                return Err(TestbedError::Timeout {
                    what: format!("servers and clients back: {last:?}"),
                    within,
                });
            }
            sleep(record::EVERY.min(within)).await;
        }
    }

    /// Records of the fixture since the fault, for the score.
    #[must_use]
    pub fn observations(&self) -> Observations {
        let history = lock(&self.history).clone();
        let Some(fault_at) = history.fault_at else { return Observations::default() };
        Observations {
            clients: clients_since_fault(&self.parts()),
            pool: Some(self.pool_observations(&history, fault_at)),
            ..self.phone.observations(fault_at)
        }
    }

    fn pool_observations(&self, history: &History, fault_at: Timestamp) -> PoolObservations {
        let record = lock(&self.record);
        let report = self.flood.report();
        let around =
            |note: &str, served| Around { served, p50_ms: report.p50_around(note, &in_effect(note)) };
        let next = |number: usize| history.fixes.get(number + 1).map(|(at, _)| *at);
        let fixes = history.fixes.iter().enumerate().map(|(number, (at, note))| {
            (*at, note.clone(), around(note, record.served_around(*at, next(number))))
        });
        let opens: Vec<(u32, u32)> = lock(&self.servers).iter().map(|one| one.server.opens()).collect();
        let most = |which: fn(&(u32, u32)) -> u32| opens.iter().map(which).max().unwrap_or(0);
        PoolObservations {
            fault_at: Some(fault_at),
            fell_at: record.fell_at(fault_at, MIN_HEALTHY),
            replicas_added: history.replicas_added,
            fixes: fixes.collect(),
            opens: Opens { limit: OPENS_MAX, highest: most(|one| one.0), per_sec: most(|one| one.1) },
            sockets: Served { asked: Some(self.sockets.clients()), served: Some(self.sockets.open()) },
            well_at: record.well_since(fault_at),
        }
    }

    /// Requests served, part by part.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        parts(&self.flood)
    }

    /// The newest sample of what the fixture sees.
    #[must_use]
    pub fn look(&self) -> Option<Sample> {
        lock(&self.record).last().copied()
    }

    /// One line about the present: servers, WebSockets, requests.
    #[must_use]
    pub fn present(&self) -> String {
        let tries = self.sockets.tries();
        lock(&self.record).last().map_or_else(String::new, |last| {
            let Sample { working, servers, open, clients, asked, served, .. } = last;
            format!(
                "{working} of {servers} servers work; {open} of {clients} clients connected ({tries} tries); \
                 {served} of {asked} visits served"
            )
        })
    }

    /// Addresses of the servers that were started.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        lock(&self.servers).iter().map(|one| one.server.address).collect()
    }

    /// Where clients connect to: the proxy.
    #[must_use]
    pub fn clients_at(&self) -> SocketAddr {
        self.clients_at
    }

    /// The phone.
    #[must_use]
    pub fn phone(&self) -> &Phone {
        &self.phone
    }

    /// Name of the proxy, unless that is mainstay: `haproxy 2.6.12`.
    #[must_use]
    pub fn proxy_name(&self) -> Option<&str> {
        self.proxy.as_ref().map(|proxy| proxy.name.as_str())
    }

    /// The mainstay.toml that monitors and serves this fixture as it is now.
    #[must_use]
    pub fn config_toml(&self, data: &Path, listen: SocketAddr) -> String {
        config::toml(self, data, listen)
    }
}

/// An address of its own for each server. No other program of the machine uses them, so that a server finds its port free when it
/// starts again.
fn reserve() -> std::io::Result<Vec<SocketAddr>> {
    let net = fastrand::u8(..);
    let address = |number: usize| {
        let host = u8::try_from(number + 1).unwrap_or(u8::MAX);
        std::net::TcpListener::bind((Ipv4Addr::new(127, 60, net, host), 0))?.local_addr()
    };
    (0..SERVERS_MAX).map(address).collect()
}

async fn all_work(servers: &Mutex<Vec<Supervised>>) -> Result<(), TestbedError> {
    let deadline = Instant::now() + START;
    loop {
        let works = |one: &Supervised| one.server.works.load(Ordering::Relaxed);
        if lock(servers).iter().all(works) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(TestbedError::Timeout { what: "the API servers start".to_owned(), within: START });
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn keep_record(
    record: Arc<Mutex<Record>>,
    servers: Arc<Mutex<Vec<Supervised>>>,
    sockets: Arc<Sockets>,
    flood: Arc<Flood>,
) {
    let mut turn = tokio::time::interval(record::EVERY);
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        let report = flood.report();
        let groups = || report.phases.iter().flat_map(|phase| &phase.groups);
        let (working, count) = {
            let servers = lock(&servers);
            let works = servers.iter().filter(|one| one.server.works.load(Ordering::Relaxed));
            (works.count(), servers.len())
        };
        lock(&record).add(Sample {
            at: Timestamp::now(),
            working: u32::try_from(working).unwrap_or(u32::MAX),
            servers: u32::try_from(count).unwrap_or(u32::MAX),
            open: sockets.open(),
            clients: sockets.clients(),
            asked: groups().map(|group| group.visits).sum(),
            served: groups().map(|group| group.good).sum(),
        });
    }
}

/// Phases of the visits in which a fix is in effect, a quarter of a minute each: those beside a fix are compared. Until it is in effect, and
/// while an earlier fix still came into effect, nothing can be said about it.
fn in_effect(note: &str) -> String {
    format!("{note}: in effect")
}

/// The usual clients in two halves. Together fewer than the connections that HAProxy has for them.
fn groups(target: SocketAddr) -> Settings {
    let sign_in = Step::post("/login", "user=ana&password=x");
    let range =
        |second: u8, count| vec![ClientRange { first: Ipv4Addr::new(127, second, 0, 0), subnets: 20, count }];
    let people = |name: &str, recognized, range| {
        Group::new(name, recognized, range, vec![sign_in.clone(), Step::get("/entries")])
    };
    let groups = vec![people("recognized", true, range(85, 120)), people("first", false, range(86, 160))];
    Settings { target, host: format!("api.{TOP}"), deadline: DEADLINE, groups, seed: 11 }
}
