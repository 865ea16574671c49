//! Single points of failure: one server, one machine, one network, one database, one certificate, one operator.

use crate::definition::Definition;
use crate::found::Found;
use crate::{Audited, Evidence};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use types::audit::{Criterion, Level};
use types::config::{Pool, ProbeKind};
use types::{Config, Resource, ServiceId};

pub(crate) const CRITERIA: &[Definition] = &[
    Definition {
        criterion: Criterion::SingleServer,
        level: Level::Should,
        title: "A pool has more than one server",
        why: "One server cannot be restarted, updated or lost without an outage.",
        how: "From the configuration; for a pool behind another load balancer from the members that it lists. A host name counts as one \
              server, because it may have one address only.",
        remedy: "Add a server to the pool, on another machine.",
        check: single_server,
    },
    Definition {
        criterion: Criterion::OneMachine,
        level: Level::Should,
        title: "The servers of a pool are on more than one machine",
        why: "Processes at different ports of one address share its power, its disk and its kernel.",
        how: "From the configuration: the addresses of the servers of a pool, without their ports.",
        remedy: "Move a server to another machine.",
        check: one_machine,
    },
    Definition {
        criterion: Criterion::OneNetwork,
        level: Level::Should,
        title: "The servers of all pools are in more than one network",
        why: "One switch, one rack or one power feed is behind most subnets. On 2021-03-10 a fire in one data centre in Strasbourg took \
              companies down whose servers and backups were all there.",
        how: "From the configuration: whether the addresses of all servers of the edge are in one IPv4 /24 or IPv6 /64. Needs three servers at least.",
        remedy: "Place some servers in another zone or site. If one subnet spans several sites, accept it with an exception that says so.",
        check: one_network,
    },
    Definition {
        criterion: Criterion::SingleDatabase,
        level: Level::Should,
        title: "A database has a replica",
        why: "In August 2011 a power cut took down the one database server of a time tracker: half a day of outage, and no second one to promote.",
        how: "From the configuration: `replicas` of each database.",
        remedy: "Set up a replica on another machine and add its URL to `replicas`.",
        check: single_database,
    },
    Definition {
        criterion: Criterion::OneCertificate,
        level: Level::Should,
        title: "Services do not share one certificate",
        why: "On 2021-04-06 an expired wildcard certificate took most services of a game company down at once, for more than five hours.",
        how: "From the certificates that the probes are served: the same one for every host of three or more services.",
        remedy: "A certificate for each service, renewed on its own day. Let's Encrypt and other ACME authorities issue them without charge.",
        check: one_certificate,
    },
];

fn single_server(audited: &Audited<'_>, found: &mut Found) {
    let config = audited.config;
    for pool in config.pools.values() {
        if let [only] = pool.servers.as_slice() {
            let remedy = format!("a second server in [pool.{}] servers", pool.id);
            found.fail(Resource::pool(&pool.id.0), format!("{} is its only server", only.at), remedy);
        }
    }
    for pool in config.external_pools.values() {
        let resource = Resource::pool(&pool.id.0);
        match audited.evidence.members.get(&pool.id) {
            Some(members) if members.len() < 2 => {
                let only = members.first().map_or_else(
                    || "no server is listed".to_owned(),
                    |only| format!("{only} is its only server"),
                );
                found.fail(resource, only, "a second server at its load balancer");
            }
            Some(_) => {}
            None => found.unknown(resource, "its load balancer has not listed its members yet"),
        }
    }
}

/// Addresses of the servers of a pool, if all are written as addresses.
fn addresses(pool: &Pool) -> Option<BTreeSet<IpAddr>> {
    pool.servers.iter().map(|server| Some(server.at.parse::<SocketAddr>().ok()?.ip())).collect()
}

fn one_machine(audited: &Audited<'_>, found: &mut Found) {
    for pool in audited.config.pools.values().filter(|pool| pool.servers.len() > 1) {
        let Some(machines) = addresses(pool) else { continue };
        if let Some(only) = machines.first().filter(|_| machines.len() == 1) {
            let evidence = format!("its {} servers are all at {only}", pool.servers.len());
            found.fail(
                Resource::pool(&pool.id.0),
                evidence,
                format!("a server at another address in [pool.{}]", pool.id),
            );
        }
    }
}

fn one_network(audited: &Audited<'_>, found: &mut Found) {
    let pools: Option<Vec<BTreeSet<IpAddr>>> = audited.config.pools.values().map(addresses).collect();
    // A host name may be anywhere.
    let Some(pools) = pools else { return };
    let machines: BTreeSet<IpAddr> = pools.into_iter().flatten().collect();
    let networks: BTreeSet<String> = machines.iter().map(|address| network(*address)).collect();
    if let Some(only) = networks.first().filter(|_| networks.len() == 1 && machines.len() > 2) {
        let evidence = format!("all {} servers are in {only}", machines.len());
        let remedy = "servers in another zone; an exception if this subnet spans several sites";
        found.fail(Resource::here(), evidence, remedy);
    }
}

fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

fn single_database(audited: &Audited<'_>, found: &mut Found) {
    for (name, _) in audited.config.databases.iter().filter(|(_, database)| database.replicas.is_empty()) {
        let remedy = format!("a replica on another machine, and its URL in [database.{name}] replicas");
        found.fail(Resource::database(name), "no replica is declared: its loss is an outage", remedy);
    }
}

fn one_certificate(audited: &Audited<'_>, found: &mut Found) {
    let config = audited.config;
    let mut services: BTreeMap<_, BTreeSet<&ServiceId>> = BTreeMap::new();
    let mut served: BTreeSet<&ServiceId> = BTreeSet::new();
    let mut waits = false;
    for service in config.services.values() {
        for host in &service.hosts {
            let Some(leaf) = audited.evidence.certificates.get(host) else {
                waits |= is_probed(config, host);
                continue;
            };
            services.entry((&leaf.issuer, &leaf.subject, leaf.not_before)).or_default().insert(&service.id);
            served.insert(&service.id);
        }
    }
    let shared = services.into_iter().find(|(_, all)| all.len() == served.len() && all.len() > 2);
    match shared {
        Some(((_, subject, _), all)) => {
            let evidence =
                format!("all {} services with a certificate have the same one, {subject}", all.len());
            found.fail(Resource::here(), evidence, "a certificate for each service");
        }
        // Certificates that differ already settle it, whatever is served elsewhere.
        None if waits && served.len() < 3 => {
            found.unknown(Resource::here(), "not every certificate was served yet");
        }
        None => {}
    }
}

/// Whether the certificate of a host is probed.
fn is_probed(config: &Config, name: &str) -> bool {
    config.probes.values().any(
        |probe| matches!(&probe.kind, ProbeKind::Tls { host, port } if Evidence::host(host, *port) == name),
    )
}
