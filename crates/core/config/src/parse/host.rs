//! Parses host names and addresses with their ports, and wildcards.

use crate::suggest::shown;
use crate::value_error::ValueError;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A DNS name (lower case, no trailing dot) or an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    Dns(String),
    Ip(IpAddr),
}

/// A host, with a port if one is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Host {
    pub(crate) name: Name,
    pub(crate) port: Option<u16>,
}

/// A host of a service, or a wildcard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// Whether it is written `*.NAME`.
    pub(crate) is_wildcard: bool,
    pub(crate) host: Host,
}

impl Host {
    /// Parses `NAME`, `NAME:PORT`, an IPv4 address, `[IPV6]:PORT` or an IPv6 address.
    pub(crate) fn read(text: &str) -> Result<Self, ValueError> {
        let given = text.trim();
        if given.contains('@') {
            return Err(ValueError::password_in_address());
        }
        if let Ok(ip) = given.parse::<Ipv6Addr>() {
            return Ok(Self { name: Name::Ip(ip.into()), port: None });
        }
        if let Some(rest) = given.strip_prefix('[') {
            let error = || {
                ValueError::new(format!("`{}` is not an address", shown(given)))
                    .hint("for example: [2001:db8::1]:8443")
            };
            let (inside, after) = rest.split_once(']').ok_or_else(error)?;
            let ip: Ipv6Addr = inside.parse().map_err(|_| error())?;
            let port = match after.strip_prefix(':') {
                Some(port) => Some(read_port(port)?),
                None if after.is_empty() => None,
                None => return Err(error()),
            };
            return Ok(Self { name: Name::Ip(ip.into()), port });
        }
        if given.contains("//") || given.contains('/') {
            let bare = given.split_once("//").map_or(given, |(_, rest)| rest);
            let bare = bare.split(['/', '?', '#']).next().unwrap_or_default();
            return Err(ValueError::new(format!("`{}` is a URL, not a host name", shown(given)))
                .hint(format!("write the name only: \"{}\"", shown(bare))));
        }
        let (name, port) = match given.rsplit_once(':') {
            Some((name, port)) => (name, Some(read_port(port)?)),
            None => (given, None),
        };
        if let Ok(ip) = name.parse::<IpAddr>() {
            return Ok(Self { name: Name::Ip(ip), port });
        }
        Ok(Self { name: Name::Dns(dns_name(name)?), port })
    }

    /// Formats it as the configuration writes it, with its port if that is not `usual`.
    pub(crate) fn text(&self, usual: u16) -> String {
        let port = self.port.filter(|port| *port != usual);
        match (&self.name, port) {
            (Name::Dns(name), None) => name.clone(),
            (Name::Dns(name), Some(port)) => format!("{name}:{port}"),
            (Name::Ip(IpAddr::V6(ip)), None) => format!("[{ip}]"),
            (Name::Ip(ip), None) => ip.to_string(),
            (Name::Ip(ip), Some(port)) => SocketAddr::new(*ip, port).to_string(),
        }
    }

    /// The name or address without port and brackets.
    pub(crate) fn bare(&self) -> String {
        match &self.name {
            Name::Dns(name) => name.clone(),
            Name::Ip(ip) => ip.to_string(),
        }
    }

    /// The name, if it is not an address.
    pub(crate) fn dns(&self) -> Option<&str> {
        match &self.name {
            Name::Dns(name) => Some(name),
            Name::Ip(_) => None,
        }
    }
}

impl Pattern {
    /// Parses a host, or `*.` and a host.
    pub(crate) fn read(text: &str) -> Result<Self, ValueError> {
        let given = text.trim();
        let (is_wildcard, rest) = given.strip_prefix("*.").map_or((false, given), |rest| (true, rest));
        if rest.contains('*') && !rest.contains('@') {
            return Err(ValueError::new(format!("`{}` has a `*` in the wrong place", shown(given)))
                .hint("`*` replaces the whole first label: \"*.acme.app\""));
        }
        let host = Host::read(rest)?;
        if is_wildcard && host.dns().is_none_or(|name| !name.contains('.')) {
            return Err(ValueError::new(format!("`{}` matches too much", shown(given)))
                .hint("for example: \"*.acme.app\""));
        }
        Ok(Self { is_wildcard, host })
    }

    /// Whether a wildcard matches the host.
    pub(crate) fn covers(&self, sample: &Host) -> bool {
        let (Some(base), Some(name)) = (self.host.dns(), sample.dns()) else { return false };
        let fits = name.strip_suffix(base).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'));
        self.is_wildcard && fits && sample.port.is_none_or(|port| port == self.host.port.unwrap_or(443))
    }

    /// Formats it as the configuration writes it.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", if self.is_wildcard { "*." } else { "" }, self.host.text(443))
    }
}

/// The parent domains of a name: `acme.app` and `app` for `demo.acme.app`.
pub(crate) fn above(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(name.split_once('.'), |(_, above)| above.split_once('.')).map(|(_, above)| above)
}

fn read_port(text: &str) -> Result<u16, ValueError> {
    let port = if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None };
    port.filter(|port| *port > 0).ok_or_else(|| {
        ValueError::new(format!("`{}` is not a port", shown(text)))
            .hint("a number from 1 to 65535 after the colon")
    })
}

/// Parses a DNS name; returns it in lower case without the trailing dot.
pub(crate) fn dns_name(text: &str) -> Result<String, ValueError> {
    let name = text.strip_suffix('.').unwrap_or(text).to_lowercase();
    let error = |why: &str| ValueError::new(format!("`{}` is not a host name: {why}", shown(text)));
    if !name.is_ascii() {
        return Err(error("it has characters outside of ASCII")
            .hint("write it in its ASCII form, which begins with xn--"));
    }
    if name.is_empty() || name.len() > 253 {
        return Err(error("it must have 1 to 253 characters"));
    }
    for label in name.split('.') {
        if label.is_empty() || label.len() > 63 {
            return Err(error("each label must have 1 to 63 characters"));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(error("a label must not begin or end with -"));
        }
        if let Some(c) = label.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-' && *c != '_') {
            return Err(error(&format!("`{}` is not allowed", shown(&c.to_string()))));
        }
    }
    if name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(error("it looks like an address but is not one"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (text, canonical) in [
            ("Auth.Acme.com.", Some("auth.acme.com")),
            ("auth.acme.app:8443", Some("auth.acme.app:8443")),
            ("auth.acme.app:443", Some("auth.acme.app")),
            ("10.0.0.1", Some("10.0.0.1")),
            ("10.0.0.1:8443", Some("10.0.0.1:8443")),
            ("::1", Some("[::1]")),
            ("[::1]:443", Some("[::1]")),
            ("[::1]:8443", Some("[::1]:8443")),
            ("localhost", Some("localhost")),
            ("_dmarc.acme.com", Some("_dmarc.acme.com")),
            ("", None),
            (":443", None),
            ("a..b", None),
            ("-a.com", None),
            ("a b.com", None),
            ("10.0.0.300", None),
            ("auth.acme.com:0", None),
            ("auth.acme.com:+1", None),
            ("auth.acme.com:99999", None),
            ("https://auth.acme.com", None),
            ("münchen.de", None),
            ("[::1", None),
            ("*.acme.app", None),
        ] {
            assert_eq!(Host::read(text).ok().map(|host| host.text(443)).as_deref(), canonical, "{text:?}");
        }
    }

    #[test]
    fn wildcard_matches_hosts_below_it() {
        let tenants = Pattern::read("*.acme.app:8443").unwrap();
        for (name, covered) in [
            ("demo.acme.app", true),
            ("a.b.acme.app", true),
            ("demo.acme.app:8443", true),
            ("demo.acme.app:9", false),
            ("acme.app", false),
            ("demoacme.app", false),
            ("demo.acme.com", false),
        ] {
            assert_eq!(tenants.covers(&Host::read(name).unwrap()), covered, "{name}");
        }
        for text in ["*", "*.com", "a.*.com", "*a.com", "*.*.com", "*.10.0.0.1"] {
            assert!(Pattern::read(text).is_err(), "{text}");
        }
    }
}
