//! Fixture of the drill `power-cut`: a time tracker of three application servers, one database, and a person with a browser.
//!
//! `time.localhost` is served by three servers before a PostgreSQL, `site.localhost` is independent of it. In front is mainstay's edge
//! with the offline kit. The power cut kills the database (mainstay is killed by the drill, in the same moment). Its replica is promoted,
//! and the application does not know of it: it connects to the old primary again when that is started for a look at its data.
//! After the hard stop each application server leaks: once it serves again, it becomes slower and slower, and crashes.
//!
//! | module | holds |
//! |---|---|
//! | `server` | an application server and its leak |
//! | `database` | the PostgreSQL servers, backups, connections of the application |
//! | `browser` | Chromium |
//! | `subscribers` | webhooks that subscribe to the status page |
//! | `config` | the mainstay.toml |
//!
//! Deliberately absent: power. What it takes away at once is killed with SIGKILL.

mod browser;
mod config;
mod database;
mod server;
mod subscribers;

use crate::TestbedError;
use crate::phone::{Behavior, Phone};
use crate::surge::write_keys;
use crate::tasks::{Tasks, lock};
use crate::web::{self, Server as WebServer};
use browser::Browser;
use database::{Databases, Target};
use drill::score::power::{Entries, PowerObservations};
use drill::{Act, Milestone, Observations};
use hyper::StatusCode;
use jiff::Timestamp;
use server::AppServer;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use subscribers::Subscriber;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

/// Application servers.
const SERVERS: usize = 3;
/// Names of the services.
const HOST: &str = "time.localhost";
const SITE: &str = "site.localhost";
/// Interval of the look at servers that leak, and at entries that are delivered.
const LOOK: Duration = Duration::from_millis(100);
/// Time for which a restarted server is down.
const RESTART: Duration = Duration::from_millis(500);
/// Longest wait for a part of the entries, before the edge is killed.
const DELIVERY: Duration = Duration::from_secs(30);
/// Kills of the edge are spread over the delivery: each after this part of what is kept.
const PART: u64 = 4;

/// The running fixture. Stops when dropped.
pub struct PowerCut {
    clients_at: SocketAddr,
    probes_at: SocketAddr,
    site: SocketAddr,
    phone: Phone,
    servers: Arc<Vec<Arc<AppServer>>>,
    target: Arc<Target>,
    browser: tokio::sync::Mutex<Option<Browser>>,
    subscribers: Vec<Subscriber>,
    record: Arc<Mutex<Record>>,
    work: Mutex<Tasks>,
    folder: PathBuf,
    _site: WebServer,
    /// Last, so that it ends after its clients.
    databases: Databases,
}

/// What the fixture knows.
#[derive(Clone, Debug, Default)]
struct Record {
    fault_at: Option<Timestamp>,
    power: PowerObservations,
}

impl PowerCut {
    /// Starts the fixture, with a backup of the day before.
    ///
    /// # Errors
    /// When PostgreSQL is not installed, no address is free, or the folder cannot be written.
    pub async fn start(folder: &Path) -> Result<Self, TestbedError> {
        let no_address = |last| TestbedError::NoAddressBlock { tries: 1, last };
        let bind = async || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(no_address);
        let backups = folder.join("backups");
        std::fs::create_dir_all(&backups)
            .map_err(|why| TestbedError::Folder { path: backups.clone(), why })?;
        let databases = Databases::start().await?;
        databases.back_up(&backups, true).await?;
        let target = Target::new(databases.primary());
        let servers: Vec<Arc<AppServer>> = reserve()
            .map_err(no_address)?
            .into_iter()
            .zip(1..)
            .map(|(address, number)| AppServer::new(address, number, Arc::clone(&target)))
            .collect();
        for server in &servers {
            server.listen().await.map_err(no_address)?;
        }
        let (servers, record): (_, Arc<Mutex<Record>>) = (Arc::new(servers), Arc::default());
        let site = bind().await?;
        let site_at = site.local_addr().map_err(no_address)?;
        // Bound and released: configuration and browser must know the addresses before mainstay listens.
        let (clients, probes) = (bind().await?, bind().await?);
        let clients_at = clients.local_addr().map_err(no_address)?;
        let probes_at = probes.local_addr().map_err(no_address)?;
        let handler =
            web::handler(|_, _| async { web::answer(StatusCode::OK, "text/html", "<title>Acme</title>") });
        let phone = Phone::start(bind().await?).map_err(no_address)?;
        phone.person("ana", Behavior::Answers { after: Duration::from_secs(4) });
        write_keys(folder, &["time", "site"])?;
        let mut work = Tasks::default();
        work.spawn(crash_what_leaks(Arc::clone(&servers), Arc::clone(&record)));
        let mut subscribers = Vec::new();
        for component in [None, Some("time"), Some("site")] {
            subscribers.push(Subscriber::start(component).await?);
        }
        let fixture = Self {
            clients_at,
            probes_at,
            site: site_at,
            phone,
            servers,
            target,
            browser: tokio::sync::Mutex::default(),
            subscribers,
            record,
            work: Mutex::new(work),
            folder: folder.to_owned(),
            _site: WebServer::start(site, None, handler),
            databases,
        };
        config::write_secrets(&fixture)?;
        Ok(fixture)
    }

    /// Performs one act of a script. Returns the instant from which it is in effect.
    ///
    /// # Errors
    /// [`TestbedError::UnsupportedAct`] for acts of another fixture; a database or browser that does not answer.
    pub async fn act(&self, act: &Act) -> Result<Timestamp, TestbedError> {
        let began = Timestamp::now();
        match act {
            Act::BackUp => self.databases.back_up(&self.folder.join("backups"), false).await?,
            Act::AddReplicas { count: 1 } => {
                self.databases.add_replica().await?;
                config::write_secrets(self)?;
            }
            Act::RecordEntries { count } => self.record_entries(*count).await?,
            Act::PowerCut => {
                self.databases.kill_primary();
                lock(&self.record).fault_at.get_or_insert(began);
            }
            Act::PromoteReplica => {
                self.databases.promote().await?;
                lock(&self.record).power.promoted_at = Some(began);
            }
            Act::ReturnPrimary => {
                self.databases.return_primary().await?;
                lock(&self.record).power.wrong_since = Some(Timestamp::now());
            }
            Act::FollowPromotion => {
                self.databases.stop_primary();
                self.target.set(self.databases.replica()?);
                self.servers.iter().for_each(|server| server.leak());
                lock(&self.record).power.leaks_since = Some(Timestamp::now());
            }
            Act::KillEdge => self.deliver_a_part().await?,
            Act::RestartServers { count } => {
                for server in self.servers.iter().take(*count as usize) {
                    server.vanish();
                    sleep(RESTART).await;
                    server.forget_leak();
                    restart(server).await;
                }
            }
            Act::ProviderWorks { lasting } => {
                self.servers.iter().for_each(|server| server.vanish());
                let (servers, lasting) = (Arc::clone(&self.servers), *lasting);
                lock(&self.work).spawn(async move {
                    sleep(lasting).await;
                    for server in &*servers {
                        server.forget_leak();
                        restart(server).await;
                    }
                });
            }
            // The drill does the rest.
            Act::Audit { .. } | Act::Subscribe | Act::PowerReturns | Act::AnnounceMaintenance { .. } => {}
            _ if self.phone.act(act) => {}
            _ => return Err(TestbedError::UnsupportedAct(act.to_string())),
        }
        Ok(began)
    }

    async fn record_entries(&self, count: u32) -> Result<(), TestbedError> {
        let mut browser = self.browser.lock().await;
        if browser.is_none() {
            *browser = Some(Browser::start(self.clients_at, HOST).await?);
        }
        let Some(browser) = &*browser else { return Ok(()) };
        let kept = browser.record(count).await?;
        let entries = &mut lock(&self.record).power.entries;
        entries.made += u64::from(count);
        entries.offline += kept;
        Ok(())
    }

    /// Lets the browser deliver a part of what it keeps: the edge is killed while it delivers the rest.
    async fn deliver_a_part(&self) -> Result<(), TestbedError> {
        let browser = self.browser.lock().await;
        let Some(browser) = &*browser else { return Ok(()) };
        let recorded =
            async || Ok::<_, TestbedError>(self.databases.entries(&browser.client).await?.recorded);
        let before = recorded().await?;
        let left = lock(&self.record).power.entries.made.saturating_sub(before);
        let wanted = before + (left / PART).max(1);
        let began = Instant::now();
        browser.begin_delivery().await?;
        while recorded().await? < wanted {
            if began.elapsed() > DELIVERY {
                let what = format!("{wanted} entries to be recorded; {before} were, and {left} were left");
                return Err(TestbedError::Timeout { what, within: DELIVERY });
            }
            // Asked again, because the edge may have been away at the first time.
            browser.begin_delivery().await?;
            sleep(LOOK / 4).await;
        }
        lock(&self.record).power.edge_kills += 1;
        Ok(())
    }

    /// Waits for a milestone that only the fixture can observe.
    ///
    /// # Errors
    /// When that takes longer than `within`.
    pub async fn observed(&self, milestone: Milestone, within: Duration) -> Result<(), TestbedError> {
        let began = Instant::now();
        loop {
            let is_reached = match milestone {
                Milestone::EntriesDelivered => self.entries_are_delivered().await?,
                _ => lock(&self.record).power.crashed_at.is_some(),
            };
            if is_reached {
                return Ok(());
            }
            if began.elapsed() > within {
                let what = format!("{milestone}: {:?}", lock(&self.record).power);
                return Err(TestbedError::Timeout { what, within });
            }
            sleep(LOOK).await;
        }
    }

    /// Whether nothing is kept in the browser any more. Takes note of what the new primary has.
    async fn entries_are_delivered(&self) -> Result<bool, TestbedError> {
        let browser = self.browser.lock().await;
        let Some(browser) = &*browser else { return Ok(false) };
        browser.begin_delivery().await?;
        let kept = browser.kept().await?;
        let seen = self.databases.entries(&browser.client).await?;
        let entries = &mut lock(&self.record).power.entries;
        *entries = Entries { made: entries.made, offline: entries.offline, ..seen };
        Ok(kept == 0)
    }

    /// Records of the fixture since the fault, for the score.
    #[must_use]
    pub fn observations(&self) -> Observations {
        let Record { fault_at, mut power } = lock(&self.record).clone();
        let Some(fault_at) = fault_at else { return Observations::default() };
        power.received = self.subscribers.iter().map(Subscriber::received).collect();
        Observations { power: Some(power), ..self.phone.observations(fault_at) }
    }

    /// Subscribers of the status page: URL, and component or all.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<(String, Option<&'static str>)> {
        self.subscribers.iter().map(Subscriber::subscription).collect()
    }

    /// The phone.
    #[must_use]
    pub fn phone(&self) -> &Phone {
        &self.phone
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
        std::net::TcpListener::bind((Ipv4Addr::new(127, 61, net, host), 0))?.local_addr()
    };
    (0..SERVERS).map(address).collect()
}

async fn restart(server: &Arc<AppServer>) {
    if let Err(error) = server.listen().await {
        tracing::warn!(%error, "an application server does not start");
    }
}

async fn crash_what_leaks(servers: Arc<Vec<Arc<AppServer>>>, record: Arc<Mutex<Record>>) {
    loop {
        sleep(LOOK).await;
        if let Some(at) = servers.iter().find_map(|server| server.crash_if_due()) {
            lock(&record).power.crashed_at.get_or_insert(at);
        }
    }
}
