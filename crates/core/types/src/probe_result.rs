//! Result of one probe: facts without judgement. The prober fills it in; `detect` judges it.

use crate::database::DatabaseSeen;
use crate::fault::{DnsFault, Fault, HttpFault, TlsFault};
use crate::pool::PoolSeen;
use crate::shown::{clean, clean_all};
use crate::ups::UpsSeen;
use crate::{ProbeId, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use thiserror::Error;

/// One result. It has no timestamp: the event loop adds the time of arrival.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// The probe.
    pub probe: ProbeId,
    /// Duration of each phase.
    pub phases: Phases,
    /// The answer, or the reason why there is none.
    pub answer: Answer,
    /// Result of each address behind the name; empty when no address was asked.
    #[serde(default)]
    pub addresses: Vec<AddressSeen>,
    /// Canonical name behind an alias (end of the CNAME chain), often a load balancer shared by several names.
    #[serde(default)]
    pub alias: Option<String>,
}

/// Result of one address behind a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AddressSeen {
    /// The address.
    pub address: IpAddr,
    /// The fault; `None` when it answered as expected.
    pub fault: Option<Fault>,
}

impl ProbeResult {
    /// A result without addresses.
    #[must_use]
    pub fn new(probe: ProbeId, phases: Phases, answer: Answer) -> Self {
        Self { probe, phases, answer, addresses: Vec::new(), alias: None }
    }
}

impl ProbeResult {
    /// Escapes external text in it, which ends up on terminals and pages.
    #[must_use]
    pub fn shown(mut self) -> Self {
        self.answer.clean();
        for seen in &mut self.addresses {
            seen.fault.iter_mut().for_each(Fault::clean);
        }
        self.alias.iter_mut().for_each(clean);
        self
    }
}

impl Answer {
    fn clean(&mut self) {
        match self {
            Self::Http(seen) => {
                for hop in &mut seen.hops {
                    clean(&mut hop.url);
                    hop.tls.iter_mut().for_each(TlsSeen::clean);
                }
                seen.unmet.iter_mut().for_each(HttpFault::clean);
                seen.unsearchable.iter_mut().for_each(clean);
            }
            Self::Tcp { .. } => {}
            Self::Dns(seen) => seen.clean(),
            Self::Tls(seen) => seen.clean(),
            Self::Domain(seen) => seen.clean(),
            Self::Database(seen) => seen.clean(),
            Self::Pool(seen) => seen.clean(),
            Self::Ups(seen) => seen.clean(),
            Self::Failed(fault) => fault.clean(),
        }
    }
}

impl TlsSeen {
    fn clean(&mut self) {
        clean(&mut self.name);
        for certificate in &mut self.chain {
            clean(&mut certificate.subject);
            clean(&mut certificate.issuer);
            certificate.names.iter_mut().for_each(clean);
            clean(&mut certificate.key);
        }
        self.faults.iter_mut().for_each(TlsFault::clean);
    }
}

impl DnsSeen {
    fn clean(&mut self) {
        match &mut self.delegation {
            Ok(servers) => clean_all(servers),
            Err(fault) => fault.clean(),
        }
        for said in &mut self.servers {
            clean(&mut said.server);
            clean_all(&mut said.zone_servers);
            if let Err(fault) = &mut said.soa {
                fault.clean();
            }
            said.names.iter_mut().filter_map(|name| name.as_mut().err()).for_each(DnsFault::clean);
        }
        for said in &mut self.resolvers {
            if let Err(fault) = &mut said.addresses {
                fault.clean();
            }
        }
    }
}

impl DomainSeen {
    fn clean(&mut self) {
        clean(&mut self.source);
        clean_all(&mut self.statuses);
        clean_all(&mut self.name_servers);
        self.registrar.iter_mut().for_each(clean);
    }
}

/// Durations of the phases; `None` for a phase that was not reached or does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// DNS lookup.
    pub dns: Option<Duration>,
    /// Connect.
    pub connect: Option<Duration>,
    /// TLS handshake.
    pub tls: Option<Duration>,
    /// From the end of the request to the first byte of the response.
    pub first_byte: Option<Duration>,
    /// From the start to the last byte, including redirects.
    pub total: Duration,
}

/// Answer of a probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// An HTTP response, read to its end or to the size limit.
    Http(HttpSeen),
    /// A connection was accepted.
    Tcp {
        /// The address.
        address: SocketAddr,
    },
    /// Answers of name servers.
    Dns(DnsSeen),
    /// A certificate chain, with its faults.
    Tls(TlsSeen),
    /// An answer of the registry.
    Domain(DomainSeen),
    /// Facts of the nodes of a database.
    Database(Box<DatabaseSeen>),
    /// Members of a pool behind another load balancer.
    Pool(Box<PoolSeen>),
    /// State of an uninterruptible power supply.
    Ups(UpsSeen),
    /// No answer. For a `domain` probe this means "unknown", never "expired".
    Failed(Fault),
}

/// Last HTTP response of a redirect chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpSeen {
    /// Status code.
    pub status: u16,
    /// Address that answered.
    pub address: SocketAddr,
    /// Body bytes read, up to the end or the size limit.
    pub body_bytes: u64,
    /// Whether the body has the expected text; `None` without one, or when the size limit came before the text and the
    /// end.
    pub body_found: Option<bool>,
    /// All requests of the chain, including the last.
    pub hops: Vec<Hop>,
    /// Expectations of the content that it does not meet, the most important first.
    #[serde(default)]
    pub unmet: Vec<HttpFault>,
    /// Why the body could not be searched, or not all of it.
    #[serde(default)]
    pub unsearchable: Option<String>,
    /// Breaches of the protocol that browsers tolerate.
    #[serde(default)]
    pub notes: BTreeSet<HttpNote>,
}

impl HttpSeen {
    /// A response without a body, about which nothing else is known.
    #[must_use]
    pub fn new(status: u16, address: SocketAddr) -> Self {
        Self {
            status,
            address,
            body_bytes: 0,
            body_found: None,
            hops: Vec::new(),
            unmet: Vec::new(),
            unsearchable: None,
            notes: BTreeSet::new(),
        }
    }
}

/// A breach of the protocol that browsers tolerate, in a response that counts all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Error)]
#[serde(rename_all = "snake_case")]
pub enum HttpNote {
    /// A line of the head has no colon, or no name before it.
    #[error("a line of the head is not a header")]
    OddLine,
    /// More than 100 headers: many clients refuse them.
    #[error("more than 100 headers")]
    ManyHeaders,
    /// Lines end with LF alone (RFC 9112, section 2.2).
    #[error("lines of the head end with LF instead of CRLF")]
    BareLf,
    /// A value goes on in the next line (RFC 9112, section 5.2).
    #[error("a header is folded over several lines")]
    Folded,
    /// The status line is not as RFC 9112, section 4, has it.
    #[error("an irregular status line")]
    OddStatusLine,
    /// `Location` has bytes that are not ASCII.
    #[error("`Location` has characters that are not ASCII")]
    LocationBytes,
    /// `Transfer-Encoding` in a response of HTTP/1.0 (RFC 9112, section 6.1).
    #[error("`Transfer-Encoding` in a response of HTTP/1.0")]
    OldChunked,
    /// `Content-Length` beside `Transfer-Encoding`, not a number, or twice.
    #[error("an irregular `Content-Length`")]
    OddLength,
    /// A content coding that no one asked for.
    #[error("compressed although no content coding was accepted")]
    UnaskedCoding,
}

/// One request of a redirect chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// The URL.
    pub url: String,
    /// Status code of the response.
    pub status: u16,
    /// The certificate chain, for https.
    pub tls: Option<TlsSeen>,
}

/// A served certificate chain and its faults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsSeen {
    /// Address that served it.
    pub address: SocketAddr,
    /// Server name in SNI.
    pub name: String,
    /// The chain in the order served, leaf first.
    pub chain: Vec<Certificate>,
    /// Faults, worst first; empty when a browser accepts the chain.
    pub faults: Vec<TlsFault>,
    /// Positions of certificates outside the best verified path.
    #[serde(default)]
    pub spare: Vec<usize>,
    /// Newest supported TLS version, when it is older than TLS 1.2.
    #[serde(default)]
    pub outdated: Option<String>,
}

/// The parts of an X.509 certificate that matter for monitoring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Subject, in RFC 4514 form.
    pub subject: String,
    /// Issuer, in RFC 4514 form.
    pub issuer: String,
    /// DNS names and addresses presented.
    pub names: Vec<String>,
    /// Valid from.
    pub not_before: Time,
    /// Valid until.
    pub not_after: Time,
    /// Kind and size of the key: `RSA 2048`, `EC P-256`.
    pub key: String,
}

/// Answers of the parent zone, each authoritative server and the resolvers about one registrable domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsSeen {
    /// The registrable domain: `acme.app`.
    pub zone: String,
    /// Name servers in the parent zone; `Err` when no server of the parent gave a usable answer.
    pub delegation: Result<BTreeSet<String>, DnsFault>,
    /// Answer of each delegated server.
    pub servers: Vec<ServerAnswer>,
    /// Answer of each resolver for each name.
    pub resolvers: Vec<ResolverAnswer>,
}

/// Answer of one authoritative server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerAnswer {
    /// Name of the server, lower case, no trailing dot.
    pub server: String,
    /// Its address; `None` when the name has none.
    pub address: Option<IpAddr>,
    /// Serial of the zone, or the fault.
    pub soa: Result<u32, DnsFault>,
    /// Its answer for each name, in the order of the probe's names.
    pub names: Vec<Result<BTreeSet<IpAddr>, DnsFault>>,
    /// NS records of the zone on this server; empty when unknown.
    #[serde(default)]
    pub zone_servers: BTreeSet<String>,
}

/// Answer of one resolver for one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolverAnswer {
    /// The resolver.
    pub resolver: SocketAddr,
    /// The name.
    pub name: String,
    /// The addresses, or the fault.
    pub addresses: Result<BTreeSet<IpAddr>, DnsFault>,
    /// Remaining TTL in seconds.
    pub ttl_secs: Option<u32>,
}

/// Registration by the registry, and by the registrar if linked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainSeen {
    /// The registrable domain.
    pub domain: String,
    /// Source: an RDAP URL, `whois:HOST`, or `config`.
    pub source: String,
    /// Expiry by the registry; `None` when it hides the date.
    pub registry_expires: Option<Time>,
    /// Expiry by the registrar, which is the one that was paid for.
    pub registrar_expires: Option<Time>,
    /// Status codes, as EPP spells them in RDAP: lower case with spaces.
    pub statuses: BTreeSet<String>,
    /// Name servers by the registry, lower case, no trailing dot.
    pub name_servers: BTreeSet<String>,
    /// The registrar's name.
    pub registrar: Option<String>,
    /// Last update of the registry's own database.
    pub database_updated: Option<Time>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = "ns1.\u{1b}[2J\u{7}\u{202e}exe";

    #[test]
    fn external_text_is_escaped() {
        let texts = || BTreeSet::from([EVIL.to_owned()]);
        let certificate = Certificate {
            subject: EVIL.to_owned(),
            issuer: EVIL.to_owned(),
            names: vec![EVIL.to_owned()],
            not_before: Time::UNIX_EPOCH,
            not_after: Time::UNIX_EPOCH,
            key: EVIL.to_owned(),
        };
        let tls = TlsSeen {
            address: ([127, 0, 0, 1], 443).into(),
            name: EVIL.to_owned(),
            chain: vec![certificate],
            faults: vec![TlsFault::WrongName { presented: vec![EVIL.to_owned()] }],
            spare: Vec::new(),
            outdated: None,
        };
        let domain = DomainSeen {
            domain: "acme.app".to_owned(),
            source: EVIL.to_owned(),
            registry_expires: None,
            registrar_expires: None,
            statuses: texts(),
            name_servers: texts(),
            registrar: Some(EVIL.to_owned()),
            database_updated: None,
        };
        let dns = DnsSeen {
            zone: "acme.app".to_owned(),
            delegation: Ok(texts()),
            servers: vec![ServerAnswer {
                server: EVIL.to_owned(),
                address: None,
                soa: Err(DnsFault::Garbage { why: EVIL.to_owned() }),
                names: vec![Err(DnsFault::LameServers { servers: texts() })],
                zone_servers: texts(),
            }],
            resolvers: Vec::new(),
        };
        let hop = Hop { url: EVIL.to_owned(), status: 200, tls: Some(tls.clone()) };
        let http = HttpSeen { hops: vec![hop], ..HttpSeen::new(200, tls.address) };
        for answer in [
            Answer::Http(http),
            Answer::Dns(dns),
            Answer::Tls(tls),
            Answer::Domain(domain),
            Answer::Failed(Fault::Lookup { why: EVIL.to_owned(), retry_after: None }),
        ] {
            let sample = ProbeResult {
                alias: Some(EVIL.to_owned()),
                ..ProbeResult::new(ProbeId("p".to_owned()), Phases::default(), answer)
            };
            let shown = format!("{:?}", sample.shown());
            assert!(!shown.contains(&format!("{EVIL:?}")), "{shown}");
        }
    }
}
