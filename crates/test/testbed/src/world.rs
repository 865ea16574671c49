//! All of it put together: the world of the drill `expired-name`.
//!
//! `acme.app`, with a wildcard under it, carries sign-in and five tenants; `acme.io` carries a host that has nothing to
//! do with it. When the registration lapses, the parent names the registrar's parking servers, the registry says so, and
//! resolvers go on with what they have.

mod config;
mod settings;
mod zones;

pub use settings::ExpiredName;

use crate::LabError;
use crate::ground::Ground;
use crate::keys::Authority;
use crate::names::parking::Parking;
use crate::names::server;
use crate::names::walk::Root;
use crate::names::zone::Zone;
use crate::names::{Resolver, name};
use crate::phone::{Manner, Phone, Provider};
use crate::registry::{Registry, Standing};
use crate::tasks::{Tasks, lock};
use crate::visitors::{Destination, Load, OK};
use crate::web::{self, Server};
use drill::score::Visitors;
use drill::{Act, Witness};
use hickory_proto::rr::Name;
use hyper::StatusCode;
use jiff::Timestamp;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use zones::{
    Addresses, Delegations, HOSTING_DOMAIN, NEGATIVE_TTL, Tree, hosted, plain, root_zone, servers, top_level,
};

/// The domain that expires.
pub const DOMAIN: &str = "acme.app";
/// The domain that stays well.
pub const WELL_DOMAIN: &str = "acme.io";
/// The only name of the domain that is not a tenant.
pub const AUTH: &str = "auth.acme.app";
/// The host that stays well.
pub const WELL: &str = "hello.acme.io";
/// Where the registrar's parking servers and page live.
pub const PARKING_DOMAIN: &str = "expired-parking.example";

/// A world with everything in it. Stops when dropped.
pub struct World {
    settings: ExpiredName,
    dns_port: u16,
    https_port: u16,
    root: Ipv4Addr,
    tree: Arc<Tree>,
    resolver: Arc<Resolver>,
    registry: Registry,
    phone: Phone,
    load: Option<Load>,
    ca: PathBuf,
    client: Arc<rustls::ClientConfig>,
    names: Vec<Name>,
    domain: Name,
    delegations: Delegations,
    history: Mutex<History>,
    _dns: Tasks,
    _https: Vec<Server>,
}

/// What has been done to the world.
#[derive(Clone, Copy, Debug, Default)]
struct History {
    fault_at: Option<Timestamp>,
    /// The last change of the delegation, by the clock that TTLs go by.
    changed: Option<Instant>,
    caches_expire_at: Option<Timestamp>,
}

impl World {
    /// Builds the world and begins to serve it.
    ///
    /// # Errors
    /// See [`LabError`]: no free addresses, or the folder cannot be written.
    pub async fn expired_name(settings: ExpiredName) -> Result<Self, LabError> {
        let ground = Ground::claim().await?;
        let addresses = Addresses::of(&ground).map_err(|last| LabError::NoGround { tries: 1, last })?;
        let seconds = |ttl: Duration| u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX);

        let hosting = servers(HOSTING_DOMAIN, [ground.hosts[0].address, ground.hosts[1].address])?;
        let parking = servers(PARKING_DOMAIN, [ground.parking[0].address, ground.parking[1].address])?;
        let delegations = Delegations { hosting, parking, ttl: seconds(settings.delegation_ttl) };
        let tld = *ground.tld.address.ip();
        let tree =
            Arc::new(Tree { zones: Mutex::new(top_level(&delegations, *ground.root.address.ip(), tld)?) });
        let root = Tree { zones: Mutex::new(vec![root_zone(*ground.root.address.ip(), tld)?]) };
        let hosted = Arc::new(Tree { zones: Mutex::new(hosted(&settings, &delegations, &addresses)?) });
        let parked = Arc::new(Parking {
            servers: delegations.parking.clone(),
            address: *addresses.parking_page.ip(),
            ttl: seconds(settings.parking_ttl),
            negative_ttl: NEGATIVE_TTL,
        });

        let (dns_port, https_port, root_address) =
            (ground.dns_port, ground.https_port, *ground.root.address.ip());
        let mut dns = Tasks::default();
        server::serve(&mut dns, ground.root, Arc::new(root));
        server::serve(&mut dns, ground.tld, Arc::clone(&tree));
        for seat in ground.hosts {
            server::serve(&mut dns, seat, Arc::clone(&hosted));
        }
        for seat in ground.parking {
            server::serve(&mut dns, seat, Arc::clone(&parked));
        }
        let from = Root { address: root_address, port: dns_port };
        let resolver = Arc::new(Resolver::start(ground.resolver, from));

        let authority = Authority::new("Lab Root CA")?;
        let ca = settings.folder.join("lab-ca.pem");
        std::fs::write(&ca, authority.pem()).map_err(|why| LabError::Folder { path: ca.clone(), why })?;
        let cert =
            |names: &[&str]| authority.server(&names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>());
        let page = |body: &'static str| {
            web::handler(move |_, _| async move { web::answer(StatusCode::OK, "text/html", body) })
        };
        let https = vec![
            Server::start(ground.service, Some(cert(&[DOMAIN, "*.acme.app"])?), page(OK)),
            Server::start(ground.well, Some(cert(&[WELL])?), page(OK)),
            Server::start(
                ground.parking_page,
                Some(cert(&["www.expired-parking.example", PARKING_DOMAIN])?),
                page("<!doctype html><title>Expired</title><h1>This name has expired</h1>\n"),
            ),
        ];
        let client = authority.client()?;

        let silent = |why| LabError::NoGround { tries: 1, last: why };
        let registry = Registry::start(ground.registry).map_err(silent)?;
        for domain in [DOMAIN, WELL_DOMAIN] {
            registry.register(domain, plain(&delegations.hosting), plain(&delegations.parking));
        }
        let phone = Phone::start(ground.phone).map_err(silent)?;
        phone.person("ana", Manner::Answers { after: settings.answers_after });

        let mut names = vec![name(AUTH)?];
        for tenant in &settings.tenants {
            names.push(name(&format!("{tenant}.{DOMAIN}"))?);
        }
        let load = settings.visitors_every.map(|every| {
            let to = |name: &Name| Destination {
                host: name.to_ascii().trim_end_matches('.').to_owned(),
                name: name.clone(),
            };
            let destinations = names.iter().map(to).collect();
            Load::start(every, destinations, https_port, Arc::clone(&resolver), Arc::clone(&client))
        });
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
            ca,
            client,
            names,
            delegations,
            history: Mutex::default(),
            _dns: dns,
            _https: https,
        })
    }

    /// Does one act of a script. The instant is the one from which it holds.
    ///
    /// # Errors
    /// Only `warm caches` can fail: when the lab's own resolver cannot look the lab's own names up.
    pub async fn act(&self, act: &Act) -> Result<Timestamp, LabError> {
        match act {
            Act::WarmCaches => return self.warm().await,
            Act::Swap => return Ok(self.swap()),
            Act::Hold => return Ok(self.hold()),
            Act::Renew => return Ok(self.renew()),
            Act::Flood { .. } | Act::FloodEnds | Act::PassVisitorOn => {
                return Err(LabError::NotHere(act.to_string()));
            }
            Act::PersonAnswers { person, after } => {
                self.phone.person(&person.0, Manner::Answers { after: *after });
            }
            Act::PersonSilent { person } => self.phone.person(&person.0, Manner::Silent),
            Act::PhoneWorks => self.phone.provider(Provider::Works),
            Act::PhoneFails => self.phone.provider(Provider::Fails),
            Act::PhoneHangs => self.phone.provider(Provider::Hangs),
        }
        Ok(Timestamp::now())
    }

    /// Makes the resolver look every name up afresh, so that each answer is good for its whole lifetime.
    ///
    /// # Errors
    /// [`LabError::Unresolved`] when a name has no address.
    pub async fn warm(&self) -> Result<Timestamp, LabError> {
        self.resolver.forget();
        for name in &self.names {
            let found = self.resolver.look_up(name).await;
            found.ok_or_else(|| LabError::Unresolved(name.to_ascii()))?;
        }
        Ok(Timestamp::now())
    }

    /// The fault: the registration has lapsed and the parent names the registrar's parking servers.
    pub fn swap(&self) -> Timestamp {
        self.break_with(Standing::Parked, |tld| {
            tld.delegate(self.domain.clone(), &self.delegations.parking, self.delegations.ttl);
        })
    }

    /// The registrar takes the name out of the zone altogether.
    pub fn hold(&self) -> Timestamp {
        self.break_with(Standing::Held, |tld| tld.undelegate(&self.domain))
    }

    /// Somebody pays: the parent names the old servers again. What resolvers hold, they hold.
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
            // A resolver that held nothing tells the new answer to whoever asks next.
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

    /// When the fault came.
    #[must_use]
    pub fn fault_at(&self) -> Option<Timestamp> {
        lock(&self.history).fault_at
    }

    /// When the resolver's first cached answer from before the fault ran out, or will: from then on visitors of the
    /// resolver can meet the parking page. `None` before the fault.
    #[must_use]
    pub fn cached_until(&self) -> Option<Timestamp> {
        lock(&self.history).caches_expire_at
    }

    /// Waits until the resolver holds nothing more of the time before the last change.
    ///
    /// # Errors
    /// [`LabError::Late`] when that takes longer than `within`.
    pub async fn caches_expired(&self, within: Duration) -> Result<Timestamp, LabError> {
        let deadline = Instant::now() + within;
        loop {
            let Some(changed) = lock(&self.history).changed else { return Ok(Timestamp::now()) };
            // What runs out last may have been fetched anew meanwhile: look again until nothing is left.
            let old = self.resolver.old_until(&self.domain, &self.names, changed);
            let Some(last) = old.into_iter().max() else { return Ok(Timestamp::now()) };
            if Instant::now() >= deadline {
                return Err(LabError::Late { what: "the end of cached answers".to_owned(), within });
            }
            sleep_until(last.min(deadline) + Duration::from_millis(5)).await;
        }
    }

    /// What others than mainstay saw since the fault, for the score.
    #[must_use]
    pub fn witness(&self) -> Witness {
        let history = *lock(&self.history);
        let Some(fault_at) = history.fault_at else { return Witness::default() };
        let woke: Vec<_> =
            self.phone.calls().into_iter().filter(|call| call.woke() && call.at >= fault_at).collect();
        let answers = self.phone.answers();
        Witness {
            asked: woke.iter().map(|call| call.at).min(),
            answered: answers.iter().filter(|a| a.ok() && a.at >= fault_at).map(|a| a.at).min(),
            keys: woke.into_iter().map(|call| call.key).collect(),
            caches_expire_at: history.caches_expire_at,
            visitors: self.visited(),
            ..Witness::default()
        }
    }

    /// How visitors fared since the fault.
    #[must_use]
    pub fn visited(&self) -> Visitors {
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

    /// PEM file of the authority behind every certificate of this world.
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

    /// GETs the page of a host as a visitor does who trusts this world's authority: looks it up, checks the certificate.
    ///
    /// # Errors
    /// What the network or the certificate was like.
    pub async fn browse(&self, host: &str) -> io::Result<(StatusCode, bytes::Bytes)> {
        let asked = name(host).map_err(io::Error::other)?;
        let address = self.resolver.look_up(&asked).await.ok_or(io::ErrorKind::NotFound)?;
        let address = SocketAddrV4::new(address, self.https_port);
        web::get(address, host, &self.client, Duration::from_secs(10)).await
    }

    /// The mainstay.toml that watches this world.
    #[must_use]
    pub fn config_toml(&self, data: &Path, listen: std::net::SocketAddr) -> String {
        config::toml(self, data, listen)
    }
}

fn instant_to_time(at: Instant) -> Timestamp {
    types::time::later(Timestamp::now(), at.saturating_duration_since(Instant::now()))
}
