//! A node of the dependency graph, written `kind.name`: `domain.acme.app`, `service.auth`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What sort of thing a node is. The order is from what people rely on down to what it stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// What people rely on; declared by the configuration.
    Service,
    /// A probe written by hand that speaks for no declared service.
    Probe,
    /// A public name, with its port where that is not 443: what answers there over HTTP.
    Host,
    /// Servers able to answer alike, behind mainstay's own edge.
    Pool,
    /// The certificate served at a host.
    Tls,
    /// An address that answers for several names: `address.192.0.2.9`.
    Address,
    /// The answers of the name servers of a registrable domain.
    Dns,
    /// The registration of a registrable domain.
    Domain,
    /// Mainstay itself: its resolver, its uplink, its disk.
    Mainstay,
}

impl Kind {
    const WORDS: [(Kind, &'static str); 9] = [
        (Kind::Service, "service"),
        (Kind::Probe, "probe"),
        (Kind::Host, "host"),
        (Kind::Pool, "pool"),
        (Kind::Tls, "tls"),
        (Kind::Address, "address"),
        (Kind::Dns, "dns"),
        (Kind::Domain, "domain"),
        (Kind::Mainstay, "mainstay"),
    ];

    /// The word before the dot.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(kind, _)| *kind == self).map_or("resource", |(_, word)| word)
    }
}

/// A node of the dependency graph.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// What sort of thing it is.
    pub kind: Kind,
    /// Its name among its sort: `acme.app`, `auth`, `auth.acme.com`.
    pub name: String,
}

impl Resource {
    /// A node of the graph.
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }

    /// `service.NAME`.
    pub fn service(name: impl Into<String>) -> Self {
        Self::new(Kind::Service, name)
    }

    /// `host.NAME`.
    pub fn host(name: impl Into<String>) -> Self {
        Self::new(Kind::Host, name)
    }

    /// `pool.NAME`.
    pub fn pool(name: impl Into<String>) -> Self {
        Self::new(Kind::Pool, name)
    }

    /// `tls.NAME`.
    pub fn tls(name: impl Into<String>) -> Self {
        Self::new(Kind::Tls, name)
    }

    /// `address.IP`.
    #[must_use]
    pub fn address(address: std::net::IpAddr) -> Self {
        Self::new(Kind::Address, address.to_string())
    }

    /// `dns.NAME`.
    pub fn dns(name: impl Into<String>) -> Self {
        Self::new(Kind::Dns, name)
    }

    /// `domain.NAME`.
    pub fn domain(name: impl Into<String>) -> Self {
        Self::new(Kind::Domain, name)
    }

    /// `mainstay.here`: this very process, and the network it looks out of.
    #[must_use]
    pub fn here() -> Self {
        Self::new(Kind::Mainstay, "here")
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind.word(), self.name)
    }
}

/// The text was not `kind.name` with a kind that exists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not written kind.name, such as service.auth or domain.acme.app")]
pub struct NotAResource(pub String);

impl FromStr for Resource {
    type Err = NotAResource;

    fn from_str(text: &str) -> Result<Self, NotAResource> {
        let wrong = || NotAResource(text.to_owned());
        let (word, name) = text.split_once('.').ok_or_else(wrong)?;
        let (kind, _) = Kind::WORDS.into_iter().find(|(_, w)| *w == word).ok_or_else(wrong)?;
        if name.is_empty() { Err(wrong()) } else { Ok(Self::new(kind, name)) }
    }
}

impl Serialize for Resource {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Resource {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["service.auth", "host.auth.acme.com:8443", "domain.acme.app", "mainstay.here"] {
            assert_eq!(text.parse::<Resource>().unwrap().to_string(), text);
        }
        for text in ["", "auth", "cat.felix", "service."] {
            assert!(text.parse::<Resource>().is_err(), "{text:?}");
        }
    }
}
