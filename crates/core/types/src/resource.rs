//! A node of the dependency graph, written `kind.name`: `domain.acme.app`, `service.auth`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Kind of a resource, ordered from services down to what they depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A configured service.
    Service,
    /// A configured probe that belongs to no service.
    Probe,
    /// HTTP at a public name, with the port when it is not 443.
    Host,
    /// A pool of interchangeable servers behind the edge.
    Pool,
    /// A configured database with its replicas.
    Database,
    /// The certificate of a host.
    Tls,
    /// An address shared by several names: `address.192.0.2.9`.
    Address,
    /// A declared location of machines, such as a rack: `location.rack A`.
    Location,
    /// DNS of a registrable domain.
    Dns,
    /// The registration of a registrable domain.
    Domain,
    /// A job that reports by heartbeats.
    Heartbeat,
    /// Another system that hands its alerts in: `source.prometheus`, and `source.prometheus/DiskFull` for alerts about nothing
    /// that is configured.
    Source,
    /// mainstay itself: its resolver, its network, its disk.
    Mainstay,
}

impl Kind {
    const NAMES: [(Kind, &'static str); 13] = [
        (Kind::Service, "service"),
        (Kind::Probe, "probe"),
        (Kind::Host, "host"),
        (Kind::Pool, "pool"),
        (Kind::Database, "database"),
        (Kind::Tls, "tls"),
        (Kind::Address, "address"),
        (Kind::Location, "location"),
        (Kind::Dns, "dns"),
        (Kind::Domain, "domain"),
        (Kind::Heartbeat, "heartbeat"),
        (Kind::Source, "source"),
        (Kind::Mainstay, "mainstay"),
    ];

    /// The part before the dot.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("resource", |(_, name)| name)
    }
}

/// A node of the dependency graph.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// Its kind.
    pub kind: Kind,
    /// Its name, unique within the kind: `acme.app`, `auth`, `auth.acme.com`.
    pub name: String,
}

impl Resource {
    /// A resource of any kind.
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

    /// `database.NAME`.
    pub fn database(name: impl Into<String>) -> Self {
        Self::new(Kind::Database, name)
    }

    /// `heartbeat.NAME`.
    pub fn heartbeat(name: impl Into<String>) -> Self {
        Self::new(Kind::Heartbeat, name)
    }

    /// `source.NAME`.
    pub fn source(name: impl Into<String>) -> Self {
        Self::new(Kind::Source, name)
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

    /// `location.NAME`.
    pub fn location(name: impl Into<String>) -> Self {
        Self::new(Kind::Location, name)
    }

    /// `dns.NAME`.
    pub fn dns(name: impl Into<String>) -> Self {
        Self::new(Kind::Dns, name)
    }

    /// `domain.NAME`.
    pub fn domain(name: impl Into<String>) -> Self {
        Self::new(Kind::Domain, name)
    }

    /// `mainstay.here`: this process and the network that it uses.
    #[must_use]
    pub fn here() -> Self {
        Self::new(Kind::Mainstay, "here")
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind.as_str(), self.name)
    }
}

/// The text is not `kind.name` with a known kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not written kind.name, such as service.auth or domain.acme.app")]
pub struct NotAResource(pub String);

impl FromStr for Resource {
    type Err = NotAResource;

    fn from_str(text: &str) -> Result<Self, NotAResource> {
        let wrong = || NotAResource(text.to_owned());
        let (kind, name) = text.split_once('.').ok_or_else(wrong)?;
        let (kind, _) = Kind::NAMES.into_iter().find(|(_, w)| *w == kind).ok_or_else(wrong)?;
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
    fn displayed_form_is_parsed_again() {
        for text in
            ["service.auth", "host.auth.acme.com:8443", "database.main", "domain.acme.app", "mainstay.here"]
        {
            assert_eq!(text.parse::<Resource>().unwrap().to_string(), text);
        }
        for text in ["", "auth", "cat.felix", "service."] {
            assert!(text.parse::<Resource>().is_err(), "{text:?}");
        }
    }
}
