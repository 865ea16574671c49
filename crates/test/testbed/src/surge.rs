//! Fixture of the drill `surge`: a sign-in service with conflicting limits, its usual clients, and a flood.
//!
//! `auth.localhost` is the sign-in page, `api.localhost` the API that it calls, `shop.localhost` is independent of
//! both. In front of them is the proxy under test: mainstay's edge, with the configuration that this fixture writes, or
//! a plain round-robin proxy. Half of the usual clients are recognized clients.
//!
//! Deliberately absent: protection in the configuration beyond a pool and `recognize`, as in the reported outage.

mod config;
pub mod plain;

use crate::TestbedError;
use crate::flood::{ClientRange, Flood, Group, Settings, Step};
use crate::keys::Authority;
use crate::phone::{Behavior, Phone};
use crate::signin::{Api, ApiSettings, Bounds, FrontEnd, FrontSettings};
use crate::tasks::lock;
use crate::web::{self, Server};
use drill::score::{Clients, Served};
use drill::{Act, Observations};
use hyper::StatusCode;
use jiff::Timestamp;
use plain::PlainProxy;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use tokio::net::TcpListener;

/// Visits per second of each half of the usual clients. A visit is two requests: the page, and the sign-in.
const VISITS: f64 = 3.0;
/// Multiple of the usual visits after the flood, when clients that could not sign in return.
const RETURNING: f64 = 2.0;
/// Usual requests per second of the sign-in service.
const USUAL: f64 = 2.0 * 2.0 * VISITS;
/// Deadline of a request.
const DEADLINE: Duration = Duration::from_secs(5);
/// Source address of the calls of the sign-in page; the configuration declares it as a caller.
const CALLS_FROM: Ipv4Addr = Ipv4Addr::new(127, 88, 0, 9);
/// Domain of all names: `auth.localhost`.
const TOP: &str = "localhost";

/// The proxy under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// mainstay's edge, started by the drill.
    Mainstay,
    /// A plain round-robin proxy, started here.
    Plain,
}

/// The running fixture. Stops when dropped.
pub struct Surge {
    listeners: Listeners,
    front: FrontEnd,
    api: Api,
    shop: SocketAddr,
    phone: Phone,
    flood: Flood,
    folder: PathBuf,
    proxy: Option<PlainProxy>,
    history: Mutex<History>,
    _shop: Server,
}

/// Listeners of the proxy.
#[derive(Clone, Copy, Debug)]
struct Listeners {
    /// For clients.
    clients: SocketAddr,
    /// For calls of the API; the same where the proxy routes by name.
    calls: SocketAddr,
    /// For probes.
    tls: SocketAddr,
}

#[derive(Clone, Copy, Debug, Default)]
struct History {
    fault_at: Option<Timestamp>,
    flood_ended: Option<Timestamp>,
}

/// Requests served in one part of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// `before`, `flood`, `after`, `recovered`.
    pub name: String,
    /// Requests of clients.
    pub clients: Clients,
    /// Requests per second of the flood that were sent.
    pub flood_per_sec: f64,
}

impl Surge {
    /// Starts the fixture and the usual traffic.
    ///
    /// # Errors
    /// When no address is free, or the folder cannot be written.
    pub async fn start(folder: &Path, proxy: Proxy) -> Result<Self, TestbedError> {
        let no_address = |last| TestbedError::NoAddressBlock { tries: 1, last };
        let bind = async || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let api = Api::start(bind().await.map_err(no_address)?, limited()).map_err(no_address)?;
        let front_at = bind().await.map_err(no_address)?;
        let (proxy, listeners) = match proxy {
            Proxy::Mainstay => (None, Listeners::free().map_err(no_address)?),
            Proxy::Plain => {
                let to = [front_at.local_addr().map_err(no_address)?, api.address()];
                let proxy = PlainProxy::start(folder, to).await.map_err(no_address)?;
                let [clients, calls] = proxy.listeners();
                (Some(proxy), Listeners { clients, calls, tls: clients })
            }
        };
        let mut settings = FrontSettings::new(listeners.calls, &format!("api.{TOP}"), CALLS_FROM);
        // A rejected call is tried three times and counts three times: 15 calls per second against a limit of 9.
        settings.budget = Bounds { most: 100.0, least: 5.0, creep: 1.0 };
        let front = FrontEnd::start(front_at, settings).map_err(no_address)?;
        let shop = bind().await.map_err(no_address)?;
        let shop_at = shop.local_addr().map_err(no_address)?;
        let handler =
            web::handler(|_, _| async { web::answer(StatusCode::OK, "text/html", "<title>Shop</title>") });
        let phone = Phone::start(bind().await.map_err(no_address)?).map_err(no_address)?;
        phone.person("ana", Behavior::Answers { after: Duration::from_secs(4) });
        write_keys(folder, &["auth", "api", "shop"])?;
        let flood = Flood::start(groups(listeners.clients)).map_err(no_address)?;
        flood.phase("before", &[VISITS, VISITS, 0.0]);
        Ok(Self {
            listeners,
            front,
            api,
            shop: shop_at,
            phone,
            flood,
            folder: folder.to_owned(),
            proxy,
            history: Mutex::default(),
            _shop: Server::start(shop, None, handler),
        })
    }

    /// Performs one act of a script. Returns the instant from which it is in effect.
    ///
    /// # Errors
    /// [`TestbedError::UnsupportedAct`] for acts of another fixture.
    pub fn act(&self, act: &Act) -> Result<Timestamp, TestbedError> {
        let now = Timestamp::now();
        match act {
            Act::Flood { times } => {
                let fault = *lock(&self.history).fault_at.get_or_insert(now);
                self.flood.phase("flood", &[VISITS, VISITS, USUAL * f64::from(*times)]);
                return Ok(fault);
            }
            Act::FloodEnds => {
                lock(&self.history).flood_ended = Some(now);
                self.flood.phase("after", &[RETURNING * VISITS, RETURNING * VISITS, 0.0]);
            }
            Act::ForwardClient => {
                self.front.forward_client(true);
                self.flood.phase("recovered", &[RETURNING * VISITS, RETURNING * VISITS, 0.0]);
            }
            _ if self.phone.act(act) => {}
            _ => return Err(TestbedError::UnsupportedAct(act.to_string())),
        }
        Ok(now)
    }

    /// Records of the fixture since the start of the flood, for the score.
    #[must_use]
    pub fn observations(&self) -> Observations {
        let history = *lock(&self.history);
        let Some(fault_at) = history.fault_at else { return Observations::default() };
        Observations {
            clients: clients_since_fault(&self.parts()),
            flood_ended: history.flood_ended,
            conflict_began: self.api.rejecting_since().filter(|began| *began >= fault_at),
            ..self.phone.observations(fault_at)
        }
    }

    /// Requests served, part by part.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        parts(&self.flood)
    }

    /// The phone.
    #[must_use]
    pub fn phone(&self) -> &Phone {
        &self.phone
    }

    /// Name of the proxy, unless that is mainstay: `haproxy 3.0.11`.
    #[must_use]
    pub fn proxy_name(&self) -> Option<&str> {
        self.proxy.as_ref().map(PlainProxy::name)
    }

    /// The mainstay.toml that monitors and serves this fixture.
    #[must_use]
    pub fn config_toml(&self, data: &Path, listen: SocketAddr) -> String {
        config::toml(self, data, listen)
    }
}

impl Listeners {
    /// Bound and released: configuration and generator must know the addresses before mainstay listens.
    fn free() -> io::Result<Self> {
        let at = || std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let (plain, tls) = (at()?, at()?);
        let clients = plain.local_addr()?;
        Ok(Self { clients, calls: clients, tls: tls.local_addr()? })
    }
}

/// The API: 9 calls per second and address, over ten seconds.
fn limited() -> ApiSettings {
    ApiSettings { most: 90, ..ApiSettings::default() }
}

/// Writes a certificate authority, and the certificate of the edge for these names of `.localhost`.
pub(crate) fn write_keys(folder: &Path, names: &[&str]) -> Result<(), TestbedError> {
    let authority = Authority::new("Testbed Root CA")?;
    let names: Vec<String> = names.iter().map(|name| format!("{name}.{TOP}")).collect();
    let (chain, key) = authority.files(&names)?;
    for (name, text) in [("testbed-ca.pem", authority.pem()), ("edge.pem", chain), ("edge.key", key)] {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|why| TestbedError::Folder { path, why })?;
    }
    Ok(())
}

/// The usual clients in two halves, and the flood from three subnets.
fn groups(target: SocketAddr) -> Settings {
    let sign_in = |user: &str| Step::post("/login", &format!("user={user}&password=x"));
    let range = |second: u8, subnets, count| {
        vec![ClientRange { first: Ipv4Addr::new(127, second, 0, 0), subnets, count }]
    };
    let people = |name: &str, recognized, range| {
        Group::new(name, recognized, range, vec![Step::get("/login"), sign_in("ana")])
    };
    let flood = Group::new("flood", false, range(87, 3, 700), vec![sign_in("bot")]);
    let groups = vec![
        people("recognized", true, range(85, 20, 40)),
        people("first", false, range(86, 20, 200)),
        flood,
    ];
    Settings { target, host: format!("auth.{TOP}"), deadline: DEADLINE, groups, seed: 7 }
}

/// Requests served, part by part.
pub(crate) fn parts(flood: &Flood) -> Vec<Part> {
    flood.report().phases.iter().map(part).collect()
}

/// Requests of clients since the fault: of all parts but the first.
pub(crate) fn clients_since_fault(parts: &[Part]) -> Clients {
    let mut clients = Clients::default();
    for part in parts.iter().filter(|part| part.name != "before") {
        clients.recognized = clients.recognized + part.clients.recognized;
        clients.first = clients.first + part.clients.first;
    }
    clients
}

fn part(phase: &crate::flood::PhaseReport) -> Part {
    let served = |name: &str| {
        let group = phase.group(name);
        Served { asked: group.map(|group| group.visits), served: group.map(|group| group.good) }
    };
    Part {
        name: phase.name.clone(),
        clients: Clients { recognized: served("recognized"), first: served("first") },
        flood_per_sec: phase.group("flood").map_or(0.0, |flood| flood.sent_per_sec),
    }
}
