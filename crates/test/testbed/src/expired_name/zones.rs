//! The DNS tree: zones and their servers.

use super::{AUTH, DOMAIN, MANAGEMENT, PARKING_DOMAIN, Settings, WELL, WELL_DOMAIN};
use crate::TestbedError;
use crate::address_block::{AddressBlock, address_of};
use crate::names::parking::Parking;
use crate::names::server::Answers;
use crate::names::zone::{self, Zone};
use crate::names::{DnsReply, name};
use crate::tasks::lock;
use hickory_proto::op::Query;
use hickory_proto::rr::Name;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Mutex;

pub(super) const HOSTING_DOMAIN: &str = "dnshost.example";
/// TTL of delegations of the infrastructure.
const TREE_TTL: u32 = 3_600;
pub(super) const NEGATIVE_TTL: u32 = 5;

/// The zones of the top-level domains, which change while they are served.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) zones: Mutex<Vec<Zone>>,
}

impl Answers for Tree {
    async fn answer(&self, query: Query) -> DnsReply {
        zone::answer(&lock(&self.zones), &query)
    }
}

impl Answers for Parking {
    async fn answer(&self, query: Query) -> DnsReply {
        Parking::answer(self, &query)
    }
}

/// Name servers of the domain before and after the fault.
pub(super) struct Delegations {
    pub(super) hosting: Vec<(Name, Ipv4Addr)>,
    pub(super) parking: Vec<(Name, Ipv4Addr)>,
    pub(super) ttl: u32,
}

/// Addresses of the TLS servers.
pub(super) struct Addresses {
    pub(super) service: SocketAddrV4,
    pub(super) parking_page: SocketAddrV4,
    pub(super) well: SocketAddrV4,
    pub(super) edge: Ipv4Addr,
}

impl Addresses {
    pub(super) fn of(block: &AddressBlock) -> io::Result<Self> {
        Ok(Self {
            service: address_of(&block.service)?,
            parking_page: address_of(&block.parking_page)?,
            well: address_of(&block.well)?,
            edge: block.edge,
        })
    }
}

/// `ns1.` and `ns2.` of a domain.
pub(super) fn servers(
    domain: &str,
    addresses: [SocketAddrV4; 2],
) -> Result<Vec<(Name, Ipv4Addr)>, TestbedError> {
    let server = |(index, address): (usize, &SocketAddrV4)| {
        Ok((name(&format!("ns{}.{domain}", index + 1))?, *address.ip()))
    };
    addresses.iter().enumerate().map(server).collect()
}

pub(super) fn plain(servers: &[(Name, Ipv4Addr)]) -> Vec<String> {
    servers.iter().map(|(name, _)| name.to_ascii().trim_end_matches('.').to_owned()).collect()
}

pub(super) fn root_zone(root: Ipv4Addr, tld: Ipv4Addr) -> Result<Zone, TestbedError> {
    let server = name("a.root.example")?;
    let mut zone = Zone::new(Name::root(), vec![server.clone()], TREE_TTL, NEGATIVE_TTL);
    zone.add_address(server, root);
    for top in ["app", "io", "example"] {
        zone.delegate(name(top)?, &[(name("a.tld.example")?, tld)], TREE_TTL);
    }
    Ok(zone)
}

pub(super) fn top_level(
    delegations: &Delegations,
    root: Ipv4Addr,
    tld: Ipv4Addr,
) -> Result<Vec<Zone>, TestbedError> {
    let server = name("a.tld.example")?;
    let zone = |top: &str| {
        Ok::<_, TestbedError>(Zone::new(name(top)?, vec![server.clone()], TREE_TTL, NEGATIVE_TTL))
    };
    let (mut app, mut io, mut example) = (zone("app")?, zone("io")?, zone("example")?);
    app.delegate(name(DOMAIN)?, &delegations.hosting, delegations.ttl);
    io.delegate(name(WELL_DOMAIN)?, &delegations.hosting, delegations.ttl);
    example.add_address(name("a.root.example")?, root);
    example.add_address(server.clone(), tld);
    example.delegate(name(HOSTING_DOMAIN)?, &delegations.hosting, TREE_TTL);
    example.delegate(name(PARKING_DOMAIN)?, &delegations.parking, TREE_TTL);
    Ok(vec![app, io, example])
}

pub(super) fn hosted(
    settings: &Settings,
    delegations: &Delegations,
    addresses: &Addresses,
) -> Result<Vec<Zone>, TestbedError> {
    let servers: Vec<Name> = delegations.hosting.iter().map(|(name, _)| name.clone()).collect();
    let ttl = u32::try_from(settings.answer_ttl.as_secs()).unwrap_or(u32::MAX);
    let zone = |domain: &str, ttl: u32| {
        Ok::<_, TestbedError>(Zone::new(name(domain)?, servers.clone(), ttl, NEGATIVE_TTL))
    };
    let mut acme = zone(DOMAIN, ttl)?;
    acme.add_address(name(DOMAIN)?, *addresses.service.ip());
    acme.add_address(name(AUTH)?, *addresses.service.ip());
    acme.add_address(name("*.acme.app")?, *addresses.service.ip());
    let mut well = zone(WELL_DOMAIN, ttl)?;
    well.add_address(name(WELL)?, *addresses.well.ip());
    well.add_address(name(MANAGEMENT)?, addresses.edge);
    let mut own = zone(HOSTING_DOMAIN, TREE_TTL)?;
    for (server, address) in &delegations.hosting {
        own.add_address(server.clone(), *address);
    }
    Ok(vec![acme, well, own])
}
