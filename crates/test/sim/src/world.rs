//! True state of the simulated world. Probes read it; the engine must find it out.

use fastrand::Rng;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use types::config::{Probe, ProbeKind};
use types::fault::{DnsFault, Fault, TlsFault};
use types::probe_result::{
    Answer, Certificate, DnsSeen, DomainSeen, Hop, HttpSeen, Phases, ProbeResult, ResolverAnswer,
    ServerAnswer, TlsSeen,
};
use types::{AddressSeen, Config, Time, time};

/// How long resolvers go on with an old answer.
pub const CACHED_FOR: Duration = Duration::from_secs(300);

/// Where the shop and the web site are served, and where everything else is.
const SHARED: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 20));
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));
const BALANCER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 30));
const PARKING: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));

fn address_of(host: &str, parked: bool) -> IpAddr {
    match host {
        _ if parked => PARKING,
        "shop.acme.com" | "www.acme.io" => SHARED,
        _ if host.starts_with("app-") => BALANCER,
        _ => HOME,
    }
}

/// Kind of a true outage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outage {
    /// A registration ran out and was parked; names follow when caches run out, and come back as slowly.
    Expired(&'static str),
    /// A host refuses connections.
    Refused(&'static str),
    /// The server of the shop and of the web site is dead; nothing but their address ties them together.
    Server,
    /// The load balancer of every host `app-*` refuses connections.
    Balancer,
    /// The machine's resolver does not answer, so no host name leads anywhere from here.
    Resolver,
    /// A host serves a certificate of seven days that has 18 hours left when it is renewed.
    LastDay(&'static str),
    /// A host serves the certificate of another name.
    WrongName(&'static str),
    /// mainstay has no connectivity; everything else works.
    Isolated,
    /// The registry gives no usable answers; the world is well.
    RegistryDown,
    /// A service receives three hundred times its usual traffic, and most requests are refused.
    Flood(&'static str),
    /// Sign-in rate-limits the shop's front end: a limit conflict.
    Fight,
    /// Two of the three servers of a pool are away.
    Shrunk(&'static str),
    /// One of the three servers of a pool is away.
    Spare(&'static str),
    /// The edge sends no roll-ups.
    Silent,
}

/// An outage with its start and end.
#[derive(Clone, Debug)]
pub struct Spell {
    /// What is broken.
    pub outage: Outage,
    /// From when.
    pub from: Time,
    /// Until when it is repaired.
    pub to: Time,
}

impl Spell {
    /// Whether users are affected, so that people on call must be paged.
    #[must_use]
    pub fn hurts(&self) -> bool {
        !matches!(
            self.outage,
            Outage::Isolated
                | Outage::RegistryDown
                | Outage::Silent
                | Outage::Resolver
                | Outage::LastDay(_)
                | Outage::Spare(_)
        )
    }
}

/// The simulated world.
#[derive(Clone, Debug)]
pub struct World {
    /// Everything that breaks during the run, in order of time.
    pub spells: Vec<Spell>,
}

impl World {
    /// A world that breaks about every two hours, never twice concurrently, and is well for an hour at its end.
    #[must_use]
    pub fn by_chance(begin: Time, hours: u64, chance: &mut Rng) -> Self {
        let end = time::later(begin, Duration::from_secs(hours * 3_600));
        let mut spells = Vec::new();
        let mut from = time::later(begin, Duration::from_secs(chance.u64(300..3_600)));
        while time::later(from, Duration::from_secs(7_200)) < end {
            let outage = match chance.u8(0..14) {
                0 => Outage::Expired("acme.app"),
                1 => Outage::Expired("acme.com"),
                2 | 3 => Outage::Refused("auth.acme.app"),
                4 => Outage::Refused("www.acme.io"),
                5 => Outage::WrongName("shop.acme.com"),
                6 => Outage::Isolated,
                7 => Outage::RegistryDown,
                8 | 9 => Outage::Flood("auth"),
                10 => Outage::Fight,
                11 => Outage::Shrunk("shop"),
                12 => Outage::Server,
                _ => Outage::Silent,
            };
            let to = time::later(from, Duration::from_secs(chance.u64(120..3_000)));
            spells.push(Spell { outage, from, to });
            from = time::later(to, Duration::from_secs(chance.u64(1_800..7_200)));
        }
        Self { spells }
    }

    pub(crate) fn now<'a>(&'a self, at: Time) -> impl Iterator<Item = &'a Outage> + 'a {
        self.spells.iter().filter(move |spell| spell.from <= at && at < spell.to).map(|spell| &spell.outage)
    }

    /// Whether a registration is away as of `at`, as its registry and its parent zone say.
    fn expired(&self, domain: &str, at: Time) -> bool {
        self.now(at).any(|outage| matches!(outage, Outage::Expired(name) if *name == domain))
    }

    /// Whether the names of a registration lead to the parking page: later than the registration, by the caches.
    fn parked(&self, domain: &str, at: Time) -> bool {
        self.expired(domain, time::earlier(at, CACHED_FOR))
    }

    /// The answer that a probe gets at `at`.
    #[must_use]
    pub fn answer(&self, config: &Config, probe: &Probe, at: Time) -> ProbeResult {
        let fails_locally = |outage: &Outage| match outage {
            Outage::Isolated => true,
            Outage::Resolver => {
                matches!(probe.kind, ProbeKind::Http { .. } | ProbeKind::Tls { .. } | ProbeKind::Tcp { .. })
            }
            _ => false,
        };
        let answer = if self.now(at).any(fails_locally) {
            local_failure(&probe.kind)
        } else {
            self.seen(config, &probe.kind, at)
        };
        let phases = Phases { total: Duration::from_millis(40), ..Phases::default() };
        let mut sample = ProbeResult::new(probe.id.clone(), phases, answer);
        if let ProbeKind::Http { .. } | ProbeKind::Tls { .. } = probe.kind {
            let fault = match &sample.answer {
                Answer::Failed(fault) => Some(fault.clone()),
                _ => None,
            };
            let address = address_of(&probe.about.name, self.parked(zone_of(&probe.about.name), at));
            sample.addresses = vec![AddressSeen { address, fault }];
        }
        sample
    }

    fn seen(&self, config: &Config, kind: &ProbeKind, at: Time) -> Answer {
        match kind {
            ProbeKind::Http { url, .. } => {
                let host = url.trim_start_matches("https://").trim_end_matches('/');
                if let Some(tls) = self.tls_fault(host, at) {
                    return Answer::Failed(Fault::Tls { tls });
                }
                if self.refused(host, at) {
                    return Answer::Failed(Fault::Refused);
                }
                let hop = Hop { url: url.clone(), status: 200, tls: None };
                Answer::Http(HttpSeen { body_bytes: 2, hops: vec![hop], ..HttpSeen::new(200, here(443)) })
            }
            ProbeKind::Tcp { port, .. } => Answer::Tcp { address: here(*port) },
            ProbeKind::Tls { host, port } => {
                if self.refused(host, at) {
                    return Answer::Failed(Fault::Refused);
                }
                Answer::Tls(TlsSeen {
                    address: here(*port),
                    name: host.clone(),
                    chain: vec![self.certificate(host, at)],
                    faults: self.tls_fault(host, at).into_iter().collect(),
                    spare: Vec::new(),
                    outdated: None,
                })
            }
            ProbeKind::Dns { zone, names } => Answer::Dns(self.dns(config, zone, names, at)),
            ProbeKind::Domain { name } => self.registration(name, at),
            // The world has none.
            ProbeKind::Database { .. } | ProbeKind::Pool { .. } | ProbeKind::Nut { .. } => {
                Answer::Failed(Fault::Refused)
            }
        }
    }

    fn certificate(&self, host: &str, at: Time) -> Certificate {
        let day = |days: u64| Duration::from_secs(days * 86_400);
        let last_day = self.spells.iter().find(|spell| {
            matches!(spell.outage, Outage::LastDay(name) if name == host) && spell.from <= at && at < spell.to
        });
        let (not_before, not_after) = match last_day {
            Some(spell) => {
                let end = time::later(spell.to, Duration::from_secs(18 * 3_600));
                (time::earlier(end, day(7)), end)
            }
            None => (time::earlier(at, day(10)), time::later(at, day(80))),
        };
        Certificate {
            subject: format!("CN={host}"),
            issuer: "CN=Box CA".to_owned(),
            names: vec![host.to_owned()],
            not_before,
            not_after,
            key: "EC P-256".to_owned(),
        }
    }

    fn refused(&self, host: &str, at: Time) -> bool {
        self.now(at).any(|outage| match outage {
            Outage::Refused(name) => *name == host,
            Outage::Server => address_of(host, false) == SHARED,
            Outage::Balancer => address_of(host, false) == BALANCER,
            _ => false,
        })
    }

    fn tls_fault(&self, host: &str, at: Time) -> Option<TlsFault> {
        let wrong = self.now(at).any(|outage| matches!(outage, Outage::WrongName(name) if *name == host));
        let parked = self.parked(zone_of(host), at);
        (wrong || parked).then(|| TlsFault::WrongName { presented: vec!["parking.test".to_owned()] })
    }

    fn dns(&self, _config: &Config, zone: &str, names: &[String], at: Time) -> DnsSeen {
        let (home, parking) = (HOME, PARKING);
        let (servers, address) =
            if self.expired(zone, at) { (parking_servers(), parking) } else { (home_servers(), home) };
        let resolved = if self.parked(zone, at) { parking } else { home };
        let said = |server: &String| ServerAnswer {
            server: server.clone(),
            address: Some(address),
            soa: Ok(1),
            names: names.iter().map(|_| Ok(BTreeSet::from([address]))).collect(),
            zone_servers: BTreeSet::new(),
        };
        let resolver = |name: &String| ResolverAnswer {
            resolver: here(53),
            name: name.clone(),
            addresses: Ok(BTreeSet::from([resolved])),
            ttl_secs: Some(60),
        };
        DnsSeen {
            zone: zone.to_owned(),
            servers: servers.iter().map(said).collect(),
            delegation: Ok(servers),
            resolvers: names.iter().map(resolver).collect(),
        }
    }

    fn registration(&self, domain: &str, at: Time) -> Answer {
        if self.now(at).any(|outage| *outage == Outage::RegistryDown) {
            return Answer::Failed(Fault::Lookup { why: "503".to_owned(), retry_after: None });
        }
        let expired = self.expired(domain, at);
        let year = Duration::from_secs(365 * 86_400);
        let spell = self.spells.iter().rev().find(|spell| {
            spell.from <= at && matches!(spell.outage, Outage::Expired(name) if name == domain)
        });
        let base = spell.map_or(self.spells.first().map_or(at, |spell| spell.from), |spell| spell.from);
        let paid_until = if expired { base } else { time::later(base, year) };
        Answer::Domain(DomainSeen {
            domain: domain.to_owned(),
            source: "https://rdap.box.test/".to_owned(),
            registry_expires: Some(time::later(base, year)),
            registrar_expires: Some(paid_until),
            statuses: if expired {
                BTreeSet::from(["auto renew period".to_owned()])
            } else {
                BTreeSet::new()
            },
            name_servers: if expired { parking_servers() } else { home_servers() },
            registrar: Some("Box Registrar".to_owned()),
            database_updated: None,
        })
    }
}

fn local_failure(kind: &ProbeKind) -> Answer {
    let why = "no answer from the resolver".to_owned();
    match kind {
        ProbeKind::Domain { .. } => Answer::Failed(Fault::Lookup { why, retry_after: None }),
        ProbeKind::Dns { zone, .. } => Answer::Dns(DnsSeen {
            zone: zone.clone(),
            delegation: Err(DnsFault::Silent),
            servers: Vec::new(),
            resolvers: Vec::new(),
        }),
        _ => Answer::Failed(Fault::NameUnanswered { why }),
    }
}

fn zone_of(host: &str) -> &str {
    let dots: Vec<usize> = host.match_indices('.').map(|(at, _)| at).collect();
    match dots.as_slice() {
        [.., before, _] => host.get(before + 1..).unwrap_or(host),
        _ => host,
    }
}

fn home_servers() -> BTreeSet<String> {
    BTreeSet::from(["ns1.host.test".to_owned(), "ns2.host.test".to_owned()])
}

fn parking_servers() -> BTreeSet<String> {
    BTreeSet::from(["ns1.parking.test".to_owned(), "ns2.parking.test".to_owned()])
}

fn here(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, 10), port))
}
