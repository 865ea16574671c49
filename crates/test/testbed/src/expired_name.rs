//! Fixture of the drill `expired-name`.
//!
//! `acme.app`, with a wildcard under it, serves sign-in and five tenants; `acme.io` serves an independent host. When
//! the registration expires, the parent zone delegates to the parking servers of the registrar, the registry reports
//! it, and resolvers use their caches until they expire. Management proxies behind the edge, at a host of `acme.io`, call a
//! host under the name, end with the first error, and are started again; the sign-in configuration comes from them.

mod config;
mod management;
mod settings;
mod zones;

pub use settings::Settings;

use crate::TestbedError;
use crate::address_block::AddressBlock;
use crate::clients::{Destination, Load, OK};
use crate::keys::Authority;
use crate::names::parking::Parking;
use crate::names::server;
use crate::names::walk::Root;
use crate::names::zone::Zone;
use crate::names::{Resolver, name};
use crate::phone::{Behavior, Phone};
use crate::registry::{Registry, Standing};
use crate::tasks::{Tasks, lock};
use crate::web::{self, Server};
use drill::score::Clients;
use drill::{Act, Observations};
use hickory_proto::rr::Name;
use hyper::StatusCode;
use jiff::Timestamp;
use management::{EdgeAddresses, Management};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep_until};
use zones::{
    Addresses, Delegations, HOSTING_DOMAIN, NEGATIVE_TTL, Tree, hosted, plain, root_zone, servers, top_level,
};

/// The domain that expires.
pub const DOMAIN: &str = "acme.app";
/// The name that the management proxies call.
pub const API: &str = "api.acme.app";
/// The domain that stays healthy.
pub const WELL_DOMAIN: &str = "acme.io";
/// The only name of the domain that is not a tenant.
pub const AUTH: &str = "auth.acme.app";
/// The host that stays healthy.
pub const WELL: &str = "hello.acme.io";
/// The host of the management proxies, at the edge.
pub const MANAGEMENT: &str = "manage.acme.io";
/// Domain of the parking servers and the parking page.
pub const PARKING_DOMAIN: &str = "expired-parking.example";

/// The running fixture. Stops when dropped.
pub struct ExpiredName {
    settings: Settings,
    dns_port: u16,
    https_port: u16,
    root: Ipv4Addr,
    tree: Arc<Tree>,
    resolver: Arc<Resolver>,
    registry: Registry,
    phone: Phone,
    load: Option<Load>,
    management: Management,
    ca: PathBuf,
    client: Arc<rustls::ClientConfig>,
    names: Vec<Name>,
    domain: Name,
    delegations: Delegations,
    history: Mutex<History>,
    _dns: Tasks,
    _https: Vec<Server>,
}

/// A TTL as DNS messages have it.
fn seconds(ttl: Duration) -> u32 {
    u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX)
}

/// Registers both domains with the name servers of the hosting provider, and those for parking.
fn register(registry: &Registry, delegations: &Delegations) {
    for domain in [DOMAIN, WELL_DOMAIN] {
        registry.register(domain, plain(&delegations.hosting), plain(&delegations.parking));
    }
}

/// Acts performed so far.
#[derive(Clone, Copy, Debug, Default)]
struct History {
    fault_at: Option<Timestamp>,
    /// The last change of the delegation, on the clock of the TTLs.
    changed: Option<Instant>,
    caches_expire_at: Option<Timestamp>,
}

impl ExpiredName {
    /// Starts all servers.
    ///
    /// # Errors
    /// When no addresses are free, or the folder cannot be written.
    pub async fn start(settings: Settings) -> Result<Self, TestbedError> {
        let block = AddressBlock::reserve().await?;
        let addresses =
            Addresses::of(&block).map_err(|last| TestbedError::NoAddressBlock { tries: 1, last })?;

        let hosting = servers(HOSTING_DOMAIN, [block.hosts[0].address, block.hosts[1].address])?;
        let parking = servers(PARKING_DOMAIN, [block.parking[0].address, block.parking[1].address])?;
        let delegations = Delegations { hosting, parking, ttl: seconds(settings.delegation_ttl) };
        let tld = *block.tld.address.ip();
        let tree =
            Arc::new(Tree { zones: Mutex::new(top_level(&delegations, *block.root.address.ip(), tld)?) });
        let root = Tree { zones: Mutex::new(vec![root_zone(*block.root.address.ip(), tld)?]) };
        let hosted = Arc::new(Tree { zones: Mutex::new(hosted(&settings, &delegations, &addresses)?) });
        let parked = Arc::new(Parking {
            servers: delegations.parking.clone(),
            address: *addresses.parking_page.ip(),
            ttl: seconds(settings.parking_ttl),
            negative_ttl: NEGATIVE_TTL,
        });

        let (dns_port, https_port, root_address) =
            (block.dns_port, block.https_port, *block.root.address.ip());
        let edge = EdgeAddresses::new(block.edge, block.http_port, https_port);
        let mut dns = Tasks::default();
        server::serve(&mut dns, block.root, Arc::new(root));
        server::serve(&mut dns, block.tld, Arc::clone(&tree));
        block.hosts.into_iter().for_each(|sockets| server::serve(&mut dns, sockets, Arc::clone(&hosted)));
        block.parking.into_iter().for_each(|sockets| server::serve(&mut dns, sockets, Arc::clone(&parked)));
        let from = Root { address: root_address, port: dns_port };
        let resolver = Arc::new(Resolver::start(block.resolver, from));

        let authority = Authority::new("Testbed Root CA")?;
        let ca = write_keys(&settings.folder, &authority)?;
        let https = https_servers(&authority, block.service, block.well, block.parking_page)?;
        let client = authority.client()?;
        let management = Management::start(block.proxies, edge, Arc::clone(&resolver), Arc::clone(&client))?;

        let no_address = |why| TestbedError::NoAddressBlock { tries: 1, last: why };
        let registry = Registry::start(block.registry).map_err(no_address)?;
        register(&registry, &delegations);
        let phone = Phone::start(block.phone).map_err(no_address)?;
        phone.person("ana", Behavior::Answers { after: settings.answers_after });

        let names = names(&settings)?;
        let load = settings
            .client_interval
            .map(|every| start_load(every, &names, https_port, Arc::clone(&resolver), Arc::clone(&client)));
        Ok(Self {
            domain: name(DOMAIN)?,
            settings,
            dns_port,
            https_port,
            root: root_address,
            tree,
            resolver,
            registry,
            phone,
            load,
            management,
            ca,
            client,
            names,
            delegations,
            history: Mutex::default(),
            _dns: dns,
            _https: https,
        })
    }

    /// Performs one act of a script. Returns the instant from which it is in effect.
    ///
    /// # Errors
    /// [`TestbedError::UnsupportedAct`] for acts of another fixture; [`TestbedError::Unresolved`] for `warm caches`.
    pub async fn act(&self, act: &Act) -> Result<Timestamp, TestbedError> {
        match act {
            Act::WarmCaches => return self.warm().await,
            Act::Swap => return Ok(self.swap()),
            Act::Hold => return Ok(self.hold()),
            Act::Renew => return Ok(self.renew()),
            _ if self.phone.act(act) => {}
            _ => return Err(TestbedError::UnsupportedAct(act.to_string())),
        }
        Ok(Timestamp::now())
    }

    /// Lets the resolver look up every name again, so that each answer is valid for its whole TTL.
    ///
    /// # Errors
    /// [`TestbedError::Unresolved`] when a name has no address.
    pub async fn warm(&self) -> Result<Timestamp, TestbedError> {
        self.resolver.forget();
        for name in &self.names {
            let found = self.resolver.look_up(name).await;
            found.ok_or_else(|| TestbedError::Unresolved(name.to_ascii()))?;
        }
        Ok(Timestamp::now())
    }

    /// The fault: the registration has expired, and the parent zone delegates to the parking servers.
    pub fn swap(&self) -> Timestamp {
        self.break_with(Standing::Parked, |tld| {
            tld.delegate(self.domain.clone(), &self.delegations.parking, self.delegations.ttl);
        })
    }

    /// The registrar removes the name from the parent zone.
    pub fn hold(&self) -> Timestamp {
        self.break_with(Standing::OnHold, |tld| tld.undelegate(&self.domain))
    }

    /// The registration is renewed: the parent zone delegates to the old servers again. Caches of resolvers are not
    /// changed.
    pub fn renew(&self) -> Timestamp {
        let at = Timestamp::now();
        self.registry.set(DOMAIN, Standing::Renewed, at);
        self.change(|tld| {
            tld.delegate(self.domain.clone(), &self.delegations.hosting, self.delegations.ttl);
        });
        lock(&self.history).changed = Some(Instant::now());
        at
    }

    fn break_with(&self, standing: Standing, change: impl FnOnce(&mut Zone)) -> Timestamp {
        let at = Timestamp::now();
        self.registry.set(DOMAIN, standing, at);
        self.change(change);
        let changed = Instant::now();
        let expire = self.resolver.old_until(&self.domain, &self.names, changed);
        let mut history = lock(&self.history);
        history.changed = Some(changed);
        if history.fault_at.is_none() {
            history.fault_at = Some(at);
            // A resolver with an empty cache gives the new answer to the next client.
            history.caches_expire_at = Some(expire.into_iter().min().map_or(at, instant_to_time));
            if let Some(load) = &self.load {
                load.count();
            }
        }
        at
    }

    fn change(&self, change: impl FnOnce(&mut Zone)) {
        let mut zones = lock(&self.tree.zones);
        if let Some(tld) = zones.iter_mut().find(|zone| *zone.origin() == self.domain.base_name()) {
            change(tld);
        }
    }

    /// Time of the fault.
    #[must_use]
    pub fn fault_at(&self) -> Option<Timestamp> {
        lock(&self.history).fault_at
    }

    /// Time at which the first cached answer from before the fault expires: from then on clients can reach the parking
    /// page. `None` before the fault.
    #[must_use]
    pub fn cached_until(&self) -> Option<Timestamp> {
        lock(&self.history).caches_expire_at
    }

    /// Waits until the cache of the resolver holds no answer from before the last change.
    ///
    /// # Errors
    /// [`TestbedError::Timeout`] when that takes longer than `within`.
    pub async fn caches_expired(&self, within: Duration) -> Result<Timestamp, TestbedError> {
        let deadline = Instant::now() + within;
        loop {
            let Some(changed) = lock(&self.history).changed else { return Ok(Timestamp::now()) };
            // The last answer may have been fetched again meanwhile: repeat until none is left.
            let old = self.resolver.old_until(&self.domain, &self.names, changed);
            let Some(last) = old.into_iter().max() else { return Ok(Timestamp::now()) };
            if Instant::now() >= deadline {
                return Err(TestbedError::Timeout { what: "expiry of the caches".to_owned(), within });
            }
            sleep_until(last.min(deadline) + Duration::from_millis(5)).await;
        }
    }

    /// Records of the fixture since the fault, for the score.
    #[must_use]
    pub fn observations(&self) -> Observations {
        let history = *lock(&self.history);
        let Some(fault_at) = history.fault_at else { return Observations::default() };
        Observations {
            caches_expire_at: history.caches_expire_at,
            clients: self.clients(),
            management: Some(self.management.observations()),
            ..self.phone.observations(fault_at)
        }
    }

    /// Requests of clients since the fault.
    #[must_use]
    pub fn clients(&self) -> Clients {
        self.load.as_ref().map(Load::counts).unwrap_or_default()
    }

    /// The resolver.
    #[must_use]
    pub fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// Registry and registrar.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The phone.
    #[must_use]
    pub fn phone(&self) -> &Phone {
        &self.phone
    }

    /// PEM file of the certificate authority of all servers.
    #[must_use]
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// The root server, and the port of every authoritative server.
    #[must_use]
    pub fn root(&self) -> Root {
        Root { address: self.root, port: self.dns_port }
    }

    /// Port of every HTTPS server.
    #[must_use]
    pub fn https_port(&self) -> u16 {
        self.https_port
    }

    /// Gets the page of a host like a browser that trusts the certificate authority: resolves the name, checks the
    /// certificate.
    ///
    /// # Errors
    /// Network errors, and certificates that are not accepted.
    pub async fn browse(&self, host: &str) -> io::Result<(StatusCode, bytes::Bytes)> {
        let asked = name(host).map_err(io::Error::other)?;
        let address = self.resolver.look_up(&asked).await.ok_or(io::ErrorKind::NotFound)?;
        let address = SocketAddrV4::new(address, self.https_port);
        web::get(address, host, &self.client, Duration::from_secs(10)).await
    }

    /// The mainstay.toml that monitors this fixture.
    #[must_use]
    pub fn config_toml(&self, data: &Path, listen: std::net::SocketAddr) -> String {
        config::toml(self, data, listen)
    }
}

/// All names under the domain that clients use.
fn names(settings: &Settings) -> Result<Vec<Name>, TestbedError> {
    let tenants = settings.tenants.iter().map(|tenant| format!("{tenant}.{DOMAIN}"));
    [AUTH, API].map(str::to_owned).into_iter().chain(tenants).map(|host| name(&host)).collect()
}

/// Writes the certificate authority, and the certificate of the edge. Returns the path of the first.
fn write_keys(folder: &Path, authority: &Authority) -> Result<PathBuf, TestbedError> {
    let (chain, key) = authority.files(&[MANAGEMENT.to_owned()])?;
    for (file, text) in [("testbed-ca.pem", authority.pem()), ("edge.pem", chain), ("edge.key", key)] {
        let path = folder.join(file);
        std::fs::write(&path, text).map_err(|why| TestbedError::Folder { path, why })?;
    }
    Ok(folder.join("testbed-ca.pem"))
}

fn https_servers(
    authority: &Authority,
    service: TcpListener,
    well: TcpListener,
    parking_page: TcpListener,
) -> Result<Vec<Server>, TestbedError> {
    let cert = |names: &[&str]| authority.server(&names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>());
    let page = |body: &'static str| {
        web::handler(move |_, _| async move { web::answer(StatusCode::OK, "text/html", body) })
    };
    let expired = "<!doctype html><title>Expired</title><h1>This name has expired</h1>\n";
    Ok(vec![
        Server::start(service, Some(cert(&[DOMAIN, "*.acme.app"])?), page(OK)),
        Server::start(well, Some(cert(&[WELL])?), page(OK)),
        Server::start(
            parking_page,
            Some(cert(&["www.expired-parking.example", PARKING_DOMAIN])?),
            page(expired),
        ),
    ])
}

fn start_load(
    every: Duration,
    names: &[Name],
    port: u16,
    resolver: Arc<Resolver>,
    tls: Arc<rustls::ClientConfig>,
) -> Load {
    let destination = |name: &Name| Destination {
        host: name.to_ascii().trim_end_matches('.').to_owned(),
        name: name.clone(),
    };
    Load::start(every, names.iter().map(destination).collect(), port, resolver, tls)
}

fn instant_to_time(at: Instant) -> Timestamp {
    types::time::later(Timestamp::now(), at.saturating_duration_since(Instant::now()))
}
