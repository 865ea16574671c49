//! One answer to one probe: facts, not judgements. The prober fills it in; `watch` judges it.

use crate::fault::{DnsFault, Fault, TlsFault};
use crate::shown::{clean, clean_all};
use crate::{ProbeId, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// One answer. It carries no time: whoever owns the clock stamps it on arrival.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// The question that this answers.
    pub probe: ProbeId,
    /// How long each part took.
    pub phases: Phases,
    /// What was seen, or why nothing was.
    pub answer: Answer,
    /// Every address behind the name that was asked, and how each did; empty where no address was asked.
    #[serde(default)]
    pub addresses: Vec<AddressSeen>,
    /// The name that the name is an alias of (CNAME, followed to its end): a balancer that many names share.
    #[serde(default)]
    pub alias: Option<String>,
}

/// How one address behind a name did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AddressSeen {
    /// The address asked.
    pub address: IpAddr,
    /// What was wrong; `None` where it answered as expected.
    pub fault: Option<Fault>,
}

impl ProbeResult {
    /// An answer that tells nothing of addresses.
    #[must_use]
    pub fn new(probe: ProbeId, phases: Phases, answer: Answer) -> Self {
        Self { probe, phases, answer, addresses: Vec::new(), alias: None }
    }
}

impl ProbeResult {
    /// The same with nothing in it that hides or moves text, for whatever outsiders wrote ends up before people.
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
            }
            Self::Tcp { .. } => {}
            Self::Dns(seen) => seen.clean(),
            Self::Tls(seen) => seen.clean(),
            Self::Domain(seen) => seen.clean(),
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

/// How long each part of an answer took; `None` for a part that was not reached or is not part of the question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// Looking the name up.
    pub dns: Option<Duration>,
    /// Opening the connection.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// From the request sent to the first byte of the answer.
    pub first_byte: Option<Duration>,
    /// From the first step to the last byte, redirects included.
    pub total: Duration,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// An HTTP response, read to its end or to the limit.
    Http(HttpSeen),
    /// A connection was accepted.
    Tcp {
        /// By whom.
        address: SocketAddr,
    },
    /// What name servers said.
    Dns(DnsSeen),
    /// What certificate was served; faults of the certificate are inside, not a failure to look.
    Tls(TlsSeen),
    /// What the registry said.
    Domain(DomainSeen),
    /// The question got no answer of its kind. For a `domain` probe this means "not known now", never "expired".
    Failed(Fault),
}

/// The last HTTP response of a chain of redirects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpSeen {
    /// Status code of the last response.
    pub status: u16,
    /// Who answered last.
    pub address: SocketAddr,
    /// Bytes of body read, after which either the end or our limit came.
    pub body_bytes: u64,
    /// Whether the text looked for was in the body; `None` when none was looked for, or our limit came before it and before
    /// the end.
    pub body_found: Option<bool>,
    /// Every address asked on the way, the last one included, with the certificate each one showed.
    pub hops: Vec<Hop>,
}

/// One request of a chain of redirects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// The URL asked for.
    pub url: String,
    /// Its status code.
    pub status: u16,
    /// The certificate, where the scheme was https.
    pub tls: Option<TlsSeen>,
}

/// A certificate chain as served, and everything wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsSeen {
    /// Who served it.
    pub address: SocketAddr,
    /// The name that was asked for in SNI.
    pub name: String,
    /// The chain in the order served, leaf first.
    pub chain: Vec<Certificate>,
    /// Every fault, worst first; empty when a browser would be content.
    pub faults: Vec<TlsFault>,
    /// Places in the chain of certificates that no client needs: the best verified path does without them.
    #[serde(default)]
    pub spare: Vec<usize>,
    /// The newest version of TLS that it speaks, where that is older than TLS 1.2.
    #[serde(default)]
    pub outdated: Option<String>,
}

/// The parts of an X.509 certificate that matter to a watchman.
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

/// What the parent, each authoritative server and our resolvers said about one registrable domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsSeen {
    /// The registrable domain: `acme.app`.
    pub zone: String,
    /// What the parent's servers say, asked directly; `Err` when none of them gave a usable answer.
    pub delegation: Result<BTreeSet<String>, DnsFault>,
    /// What each delegated server says, asked directly.
    pub servers: Vec<ServerSaid>,
    /// What each resolver says for each name asked.
    pub resolvers: Vec<ResolverSaid>,
}

/// One authoritative server's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerSaid {
    /// Name of the server, lower case, no trailing dot.
    pub server: String,
    /// The address asked; `None` when the name has none.
    pub address: Option<IpAddr>,
    /// Serial of the zone, or what was wrong.
    pub soa: Result<u32, DnsFault>,
    /// What it answered for each sampled name; same order as the probe's names.
    pub names: Vec<Result<BTreeSet<IpAddr>, DnsFault>>,
    /// The name servers that it itself names for the zone; empty where it did not say.
    #[serde(default)]
    pub zone_servers: BTreeSet<String>,
}

/// One resolver's answer for one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolverSaid {
    /// The resolver asked.
    pub resolver: SocketAddr,
    /// The name asked for.
    pub name: String,
    /// The addresses, or what was wrong.
    pub addresses: Result<BTreeSet<IpAddr>, DnsFault>,
    /// Seconds for which the resolver may go on saying so.
    pub ttl_secs: Option<u32>,
}

/// What the registry (and the registrar, where linked) say about a registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainSeen {
    /// The registrable domain.
    pub domain: String,
    /// Where the answer came from: an RDAP URL, `whois:HOST`, or `config`.
    pub source: String,
    /// Expiry by the registry. `None` where it hides the date.
    pub registry_expires: Option<Time>,
    /// Expiry by the registrar; the one that was paid for.
    pub registrar_expires: Option<Time>,
    /// Status codes, as EPP spells them in RDAP: lower case with spaces.
    pub statuses: BTreeSet<String>,
    /// Name servers by the registry, lower case, no trailing dot.
    pub name_servers: BTreeSet<String>,
    /// The registrar's name.
    pub registrar: Option<String>,
    /// When the registry's own data was last brought up to date.
    pub database_updated: Option<Time>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = "ns1.\u{1b}[2J\u{7}\u{202e}exe";

    #[test]
    fn what_outsiders_write_is_shown_and_not_carried_out() {
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
            servers: vec![ServerSaid {
                server: EVIL.to_owned(),
                address: None,
                soa: Err(DnsFault::Garbage { why: EVIL.to_owned() }),
                names: vec![Err(DnsFault::LameServers { servers: texts() })],
                zone_servers: texts(),
            }],
            resolvers: Vec::new(),
        };
        let hop = Hop { url: EVIL.to_owned(), status: 200, tls: Some(tls.clone()) };
        let http =
            HttpSeen { status: 200, address: tls.address, body_bytes: 0, body_found: None, hops: vec![hop] };
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
