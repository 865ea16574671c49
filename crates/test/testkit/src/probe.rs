//! Probe results and answers.

use crate::time::at;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use types::fault::{DnsFault, TlsFault};
use types::probe_result::{
    Certificate, DnsSeen, DomainSeen, HttpSeen, Phases, ProbeResult, ResolverAnswer, ServerAnswer, TlsSeen,
};
use types::{Answer, ProbeId, Time};

const HTTPS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 443);

/// The result of one probe after this many milliseconds.
#[must_use]
pub fn result(probe: &str, millis: u64, answer: Answer) -> ProbeResult {
    let phases = Phases { total: Duration::from_millis(millis), ..Phases::default() };
    ProbeResult::new(ProbeId::from(probe), phases, answer)
}

/// A short response with this status code from 192.0.2.1:443.
#[must_use]
pub fn http(status: u16) -> Answer {
    http_from(HTTPS, status)
}

/// A short response with this status code from an address.
#[must_use]
pub fn http_from(address: SocketAddr, status: u16) -> Answer {
    Answer::Http(HttpSeen { body_bytes: 2, ..HttpSeen::new(status, address) })
}

/// A certificate for one name.
#[must_use]
pub fn certificate(name: &str, not_before: Time, not_after: Time) -> Certificate {
    Certificate {
        subject: format!("CN={name}"),
        issuer: "CN=CA".to_owned(),
        names: vec![name.to_owned()],
        not_before,
        not_after,
        key: "EC P-256".to_owned(),
    }
}

/// A handshake with this chain and these faults.
#[must_use]
pub fn handshake(name: &str, chain: Vec<Certificate>, faults: Vec<TlsFault>) -> Answer {
    Answer::Tls(TlsSeen {
        address: HTTPS,
        name: name.to_owned(),
        chain,
        faults,
        spare: Vec::new(),
        outdated: None,
    })
}

/// A handshake with a certificate that is valid between two instants.
#[must_use]
pub fn tls(name: &str, faults: Vec<TlsFault>, from: &str, until: &str) -> Answer {
    handshake(name, vec![certificate(name, at(from), at(until))], faults)
}

/// What name servers answer: the delegation, then for each server its name, whether it serves, and the last byte of the
/// address that it gives for every name. Resolvers answer with .1.
#[must_use]
pub fn dns(
    zone: &str,
    names: &[&str],
    delegation: Result<&[&str], DnsFault>,
    servers: &[(&str, Result<u8, DnsFault>)],
) -> Answer {
    let address = |byte: u8| BTreeSet::from([IpAddr::from([192, 0, 2, byte])]);
    let server = |(server, answer): &(&str, Result<u8, DnsFault>)| ServerAnswer {
        server: (*server).to_owned(),
        address: Some([192, 0, 2, 53].into()),
        soa: answer.clone().map(|_| 1),
        names: names.iter().map(|_| answer.clone().map(address)).collect(),
        zone_servers: BTreeSet::new(),
    };
    let resolver = |name: &&str| ResolverAnswer {
        resolver: ([127, 0, 0, 53], 53).into(),
        name: (*name).to_owned(),
        addresses: Ok(address(1)),
        ttl_secs: Some(60),
    };
    Answer::Dns(DnsSeen {
        zone: zone.to_owned(),
        delegation: delegation.map(set),
        servers: servers.iter().map(server).collect(),
        resolvers: names.iter().map(resolver).collect(),
    })
}

/// A registration without dates, status codes and name servers.
#[must_use]
pub fn registration(domain: &str) -> DomainSeen {
    DomainSeen {
        domain: domain.to_owned(),
        source: "https://registry.example/".to_owned(),
        registry_expires: None,
        registrar_expires: None,
        statuses: BTreeSet::new(),
        name_servers: BTreeSet::new(),
        registrar: Some("Example Registrar, Inc.".to_owned()),
        database_updated: None,
    }
}

/// Names as a set.
#[must_use]
pub fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
