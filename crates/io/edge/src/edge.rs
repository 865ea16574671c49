//! The edge as a whole: started with a policy, given new ones, stopped.

use crate::acceptor::accept;
use crate::cache::store::Purge;
use crate::descriptors;
use crate::geo::Geo;
use crate::health;
use crate::listen::{self, ListenAddress};
use crate::shared::Shared;
use crate::telemetry::{Settings, Telemetry};
use crate::thread::Thread;
use crate::ticks::{TICK, whole_ticks};
use crate::tls::certificates::{self, Certificates};
use crate::view::{Parts, View};
use prometheus_client::encoding::DescriptorEncoder;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{MissedTickBehavior, interval, sleep};
use types::traffic::Rollup;
use types::{CallerId, ServiceId, Time};

/// Interval at which certificate and GeoIP files are checked for changes.
const FILES: Duration = Duration::from_secs(2);
/// After a failure to accept: most often there are no file descriptors left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// Delay after closing idle connections, until the threads have closed them.
const ROOM_AGAIN: Duration = Duration::from_millis(2);
/// Connections closed where descriptors are used up: for the next ones, and for those to servers.
const MADE_ROOM: usize = 16;
/// Time that the last connections have for closing when the edge stops.
const CLOSING: Duration = Duration::from_secs(3);
/// Interval at which a stopping thread checks for its last connection.
const LOOK: Duration = Duration::from_millis(20);

/// Errors of [`Edge::start`].
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration has no `[edge]`.
    #[error("the configuration declares no edge")]
    NotDeclared,
    /// An address cannot be listened on; those opened before are closed again.
    #[error("cannot listen on {at}: {why}")]
    Listen {
        /// Which.
        at: SocketAddr,
        /// The system's error.
        why: io::Error,
    },
    /// Another process listens on an address, so that each would get a part of the connections.
    #[error("another process already listens on {at} and would answer a part of the connections")]
    Taken {
        /// Which.
        at: SocketAddr,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// A thread cannot be started.
    #[error("a thread cannot be started: {0}")]
    Thread(io::Error),
}

/// What the edge enforces and the secrets that it needs.
#[derive(Debug)]
pub struct Terms {
    /// The configuration in force and what is denied.
    pub policy: types::Policy,
    /// Tokens of declared callers, by name.
    pub tokens: BTreeMap<CallerId, SecretString>,
}

/// A running edge. Dropped, it stops without waiting for any client.
pub struct Edge {
    shared: Arc<Shared>,
    key: tokens::Key,
    threads: Vec<(UnboundedSender<Order>, JoinHandle<()>)>,
    files: Option<JoinHandle<()>>,
    stop: Arc<(Mutex<bool>, Condvar)>,
    /// As declared, and where it is really listened.
    addresses: Mutex<BTreeMap<ListenAddress, SocketAddr>>,
    /// The second of the last roll-up.
    rolled: Mutex<Instant>,
    sharing: Sharing,
}

/// Whether the edge listens where another process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Refused: otherwise half of the clients would be served by another configuration.
    Refused,
    /// Allowed until the other process ends: a hand-over without a refused connection.
    Allowed,
}

/// An order to a thread.
enum Order {
    Open(ListenAddress, std::net::TcpListener),
    Close(ListenAddress),
    /// Finish what is in progress until then, and end.
    Stop(Instant),
}

impl Edge {
    /// Listens and serves. `key` is the installation's: nodes with the same one accept each other's clients.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running.
    pub fn start(terms: &Terms, key: tokens::Key) -> Result<Self, StartError> {
        Self::start_sharing(terms, key, Sharing::Refused)
    }

    /// The same, possibly on addresses where another process listens.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running.
    pub fn start_sharing(terms: &Terms, key: tokens::Key, sharing: Sharing) -> Result<Self, StartError> {
        let zero = Instant::now();
        let edge = fitted(terms.policy.config.edge.clone().ok_or(StartError::NotDeclared)?, None);
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let count = edge.threads.map_or_else(cores, |threads| threads as usize).max(1);
        let certificates = Arc::new(Certificates::default());
        refresh(&certificates, &edge.certificates);
        let tls = certificates::config(Arc::clone(&certificates))?;
        let mut settings = Settings::new(count, zero);
        settings.otlp.clone_from(&edge.otlp);
        if edge.access_log {
            settings.access = Some(Box::new(io::stdout()));
        }
        let telemetry = Telemetry::new(settings).map_err(StartError::Thread)?;
        let parts = Parts { policy: &terms.policy, edge, tokens: &terms.tokens, key: &key, zero };
        let view = View::new(parts, None, Time::now());
        let shared = Arc::new(Shared::new(view, telemetry, zero, certificates, tls));
        places(&shared);
        let mut edge = Self {
            key,
            threads: Vec::with_capacity(count),
            files: None,
            stop: Arc::default(),
            addresses: Mutex::default(),
            rolled: Mutex::new(Instant::now()),
            sharing,
            shared,
        };
        for number in 0..count {
            let (orders, inbox) = unbounded_channel();
            let shared = Arc::clone(&edge.shared);
            let handle = std::thread::Builder::new()
                .name(format!("edge-{number}"))
                .spawn(move || {
                    if let Err(why) = run(shared, number, inbox) {
                        tracing::error!("edge thread {number} ended: {why}");
                    }
                })
                .map_err(StartError::Thread)?;
            edge.threads.push((orders, handle));
        }
        edge.listen()?;
        let (shared, stop) = (Arc::clone(&edge.shared), Arc::clone(&edge.stop));
        let files = std::thread::Builder::new().name("edge-files".into());
        edge.files = Some(files.spawn(move || watch_files(&shared, &stop)).map_err(StartError::Thread)?);
        Ok(edge)
    }

    /// Applies another policy from the next request on. Connections are kept; listeners that the configuration no
    /// longer names are closed, new ones are opened.
    ///
    /// # Errors
    /// When a new listener cannot be opened; everything else is in force nevertheless.
    pub fn reload(&self, terms: &Terms) -> Result<(), StartError> {
        let edge = terms.policy.config.edge.clone().ok_or(StartError::NotDeclared)?;
        let before = self.shared.view();
        let edge = fitted(edge, Some(&before.edge));
        let parts = Parts {
            policy: &terms.policy,
            edge,
            tokens: &terms.tokens,
            key: &self.key,
            zero: self.shared.zero,
        };
        let view = View::new(parts, Some(&before), Time::now());
        refresh(&self.shared.certificates, &view.edge.certificates);
        self.shared.publish(view);
        places(&self.shared);
        self.listen()
    }

    /// Opens and closes listeners until they match the configuration.
    fn listen(&self) -> Result<(), StartError> {
        let view = self.shared.view();
        let plain = view.edge.listen.iter().map(|at| ListenAddress { at: *at, tls: false });
        let tls = view.edge.listen_tls.iter().map(|at| ListenAddress { at: *at, tls: true });
        let wanted: Vec<ListenAddress> = plain.chain(tls).collect();
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        // Sockets of our own on the same port, also those that are being closed, are no other process.
        let mut ports: Vec<u16> = addresses.values().map(SocketAddr::port).collect();
        let gone: Vec<ListenAddress> =
            addresses.keys().filter(|address| !wanted.contains(address)).copied().collect();
        for address in gone {
            addresses.remove(&address);
            for (orders, _) in &self.threads {
                let _ = orders.send(Order::Close(address));
            }
        }
        let mut failed = None;
        for address in wanted {
            if addresses.contains_key(&address) {
                continue;
            }
            if self.sharing == Sharing::Refused
                && !ports.contains(&address.at.port())
                && listen::is_taken(address.at)
            {
                failed = Some(StartError::Taken { at: address.at });
                continue;
            }
            match listen::open(address.at, self.threads.len()) {
                Ok((at, sockets)) => {
                    ports.push(at.port());
                    addresses.insert(address, at);
                    for ((orders, _), socket) in self.threads.iter().zip(sockets) {
                        let _ = orders.send(Order::Open(address, socket));
                    }
                }
                Err(why) => failed = Some(StartError::Listen { at: address.at, why }),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Returns the listening addresses, with real ports in place of 0, and whether each is for TLS.
    #[must_use]
    pub fn listening(&self) -> Vec<(SocketAddr, bool)> {
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.iter().map(|(address, at)| (*at, address.tls)).collect()
    }

    /// Returns the telemetry: traces, metrics, the latest failed requests.
    #[must_use]
    pub fn telemetry(&self) -> &Telemetry {
        &self.shared.telemetry
    }

    /// Returns the problems of certificates, one sentence each.
    #[must_use]
    pub fn certificate_trouble(&self) -> Vec<String> {
        self.shared.certificates.trouble(Time::now()).iter().map(ToString::to_string).collect()
    }

    /// Drops stored responses of a service: of a path with all its queries, of `/a/*`, or all. Returns how many; `None`
    /// where no path of the service is cached.
    #[must_use]
    pub fn purge(&self, service: &ServiceId, path: Option<&str>) -> Option<u64> {
        let view = self.shared.view();
        let is_cached =
            view.policy.routes().iter().any(|route| route.service == *service && route.has_cache());
        let cache = view.cache.as_ref().filter(|_| is_cached)?;
        // Keys have targets in the one form in which the edge forwards them.
        let encoded = path.and_then(|path| traffic::target::encoded(path).ok().flatten());
        Some(cache.purge(Purge { service: &service.0, path: encoded.as_deref().or(path) }))
    }

    /// Encodes everything measured, for `/metrics`.
    ///
    /// # Errors
    /// When the encoder cannot write.
    pub fn metrics(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        self.shared.telemetry.metrics(encoder)?;
        let view = self.shared.view();
        let valves = view.policy.routes().iter().map(|route| (&route.service, route.valve()));
        self.shared.telemetry.valve_metrics(valves, encoder)?;
        if let Some(cache) = &view.cache {
            self.shared.telemetry.cache_metrics(cache.usage(), encoder)?;
        }
        if let Some(keys) = &view.keys {
            self.shared.telemetry.key_metrics(&keys.usage(), encoder)?;
        }
        let ends = self.shared.certificates.ends();
        self.shared.telemetry.certificate_metrics(&ends, encoder)
    }

    /// Returns the counters since the last call. To be called once a second.
    #[must_use]
    pub fn roll_up(&self) -> Rollup {
        let span = {
            let mut rolled = self.rolled.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *rolled, Instant::now()).elapsed()
        };
        let view = self.shared.view();
        let pools = view.pools.iter();
        let pools = pools.map(|(pool, _)| (pool.id.clone(), pool.ask(traffic::LoadBalancer::seen))).collect();
        let services = view.policy.routes().iter().map(|route| &route.service);
        self.shared.telemetry.roll_up(span, services, pools, self.shared.connections.count())
    }

    /// Takes nothing new, finishes what is in progress for `grace` at most, and ends. Where many connections are open
    /// they are closed over `drain_timeout`, and it may take longer by that time.
    pub fn stop(mut self, grace: Duration) {
        self.end(grace);
    }

    fn end(&mut self, grace: Duration) {
        let longest = self.shared.view().edge.limits.drain_timeout;
        let spread = traffic::drain::spread(self.shared.connections.count(), longest);
        let spread = if grace.is_zero() { Duration::ZERO } else { spread };
        self.shared.drain(whole_ticks(spread));
        let until = Instant::now() + if spread.is_zero() { grace } else { grace.max(spread + CLOSING) };
        for (orders, _) in &self.threads {
            let _ = orders.send(Order::Stop(until));
        }
        {
            let (stop, wake) = &*self.stop;
            *stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
            wake.notify_all();
        }
        let threads = self.threads.drain(..).map(|(_, handle)| handle);
        for handle in threads.chain(self.files.take()) {
            if handle.join().is_err() {
                tracing::error!("an edge thread panicked");
            }
        }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

/// The configuration's edge with as many connections as there are descriptors for.
fn fitted(mut edge: types::config::Edge, before: Option<&types::config::Edge>) -> types::config::Edge {
    let (declared, limit) = (edge.limits.max_connections, descriptors::limit());
    edge.limits.max_connections = declared.min(descriptors::connections(limit));
    let is_news = before.is_none_or(|before| before.limits.max_connections != edge.limits.max_connections);
    if let Some(why) = descriptors::shortage(declared, limit).filter(|_| is_news) {
        tracing::warn!("{why}");
    }
    edge
}

/// One serving thread.
fn run(shared: Arc<Shared>, number: usize, mut inbox: UnboundedReceiver<Order>) -> io::Result<()> {
    let runtime =
        Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        let thread = Thread::new(shared, number);
        spawn_local(tick(Rc::clone(&thread)));
        if number == 0 {
            spawn_local(health::keep(Rc::clone(&thread)));
            if let Some(exporter) = thread.shared.telemetry.exporter() {
                spawn_local(exporter.run());
            }
        }
        let mut addresses: BTreeMap<ListenAddress, AbortHandle> = BTreeMap::new();
        while let Some(order) = inbox.recv().await {
            match order {
                Order::Open(address, socket) => match TcpListener::from_std(socket) {
                    Ok(listener) => {
                        let task = spawn_local(listening(Rc::clone(&thread), listener, address.tls));
                        addresses.insert(address, task.abort_handle());
                    }
                    Err(why) => tracing::error!("cannot listen on {}: {why}", address.at),
                },
                Order::Close(address) => {
                    if let Some(task) = addresses.remove(&address) {
                        task.abort();
                    }
                }
                Order::Stop(until) => {
                    addresses.values().for_each(AbortHandle::abort);
                    thread.ticks.ring();
                    // Closes a listener and accepts the connections that are already in its queue.
                    tokio::task::yield_now().await;
                    while !thread.served.borrow().is_empty() && Instant::now() < until {
                        sleep(LOOK).await;
                    }
                    break;
                }
            }
        }
        thread.ended.set(true);
    });
    Ok(())
}

async fn tick(thread: Rc<Thread>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        thread.advance();
    }
}

async fn listening(thread: Rc<Thread>, listener: TcpListener, tls: bool) {
    // Connections that the kernel has already accepted are served also when the listener is closed.
    let last = Last { thread: Rc::clone(&thread), listener, tls };
    loop {
        match last.listener.accept().await {
            Ok((socket, peer)) => accept(&thread, socket, peer, tls),
            Err(why) => {
                let closed = if descriptors::are_used_up(&why) {
                    thread.shared.connections.make_room(MADE_ROOM, thread.ticks.now())
                } else {
                    0
                };
                if thread.may_warn() {
                    tracing::warn!(
                        "accepting a connection failed: {why}; {closed} idle connections closed to free descriptors"
                    );
                }
                sleep(if closed > 0 { ROOM_AGAIN } else { ACCEPT_AGAIN }).await;
            }
        }
    }
}

struct Last {
    thread: Rc<Thread>,
    listener: TcpListener,
    tls: bool,
}

impl Drop for Last {
    fn drop(&mut self) {
        if self.thread.ended.get() {
            return;
        }
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        while let std::task::Poll::Ready(Ok((socket, peer))) = self.listener.poll_accept(&mut cx) {
            accept(&self.thread, socket, peer, self.tls);
        }
    }
}

fn watch_files(shared: &Shared, stop: &(Mutex<bool>, Condvar)) {
    let (stop, wake) = stop;
    let mut stopped = stop.lock().unwrap_or_else(PoisonError::into_inner);
    while !*stopped {
        let waited = wake.wait_timeout(stopped, FILES).unwrap_or_else(PoisonError::into_inner);
        stopped = waited.0;
        if !*stopped {
            refresh(&shared.certificates, &shared.view().edge.certificates);
            log_changes(&shared.geo.load());
        }
    }
}

fn refresh(certificates: &Certificates, files: &[types::config::CertificateFiles]) {
    for unusable in certificates.refresh(files, Time::now()) {
        tracing::error!("{unusable}");
    }
}

/// Places again, where the configuration names other files.
fn places(shared: &Shared) {
    let view = shared.view();
    let wanted: (Option<PathBuf>, Option<PathBuf>) =
        (view.edge.geoip_country.clone(), view.edge.geoip_asn.clone());
    let mut known = shared.places.lock().unwrap_or_else(PoisonError::into_inner);
    if *known != wanted {
        let geo = Geo::new(wanted.0.as_deref(), wanted.1.as_deref());
        log_changes(&geo);
        shared.geo.store(Arc::new(geo));
        *known = wanted;
    }
}

fn log_changes(geo: &Geo) {
    for changed in geo.refresh() {
        match &changed {
            crate::geo::Changed::Read(_) => tracing::info!("{changed}"),
            crate::geo::Changed::Broken { .. } => tracing::error!("{changed}"),
        }
    }
}
