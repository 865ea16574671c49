//! Sources of traffic that a denial or a traffic policy names: countries, autonomous systems, CIDR ranges.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A source of traffic that can be denied.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DenyTarget {
    /// A country: two capital letters of ISO 3166-1.
    Country(String),
    /// An autonomous system by its number.
    Asn(u32),
    /// A CIDR range or a single address.
    Cidr(IpNet),
}

impl fmt::Display for DenyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Country(code) => write!(f, "country {code}"),
            Self::Asn(number) => write!(f, "AS{number}"),
            Self::Cidr(cidr) => write!(f, "{cidr}"),
        }
    }
}

/// Returns a CIDR range with its host bits cleared; a range of IPv4-mapped addresses (RFC 4291 section 2.5.5.2) as
/// IPv4.
#[must_use]
pub fn plain(net: IpNet) -> IpNet {
    let net = net.trunc();
    let IpAddr::V6(address) = net.addr() else { return net };
    let prefix = net.prefix_len().checked_sub(96);
    let mapped = address.to_ipv4_mapped().zip(prefix);
    mapped.and_then(|(four, prefix)| IpNet::new(four.into(), prefix).ok()).unwrap_or(net)
}

/// The text names no country, autonomous system or CIDR range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a country (EE), an autonomous system (AS64500), an address or a CIDR range (192.0.2.0/24)"
)]
pub struct InvalidDenyTarget(String);

impl FromStr for DenyTarget {
    type Err = InvalidDenyTarget;

    /// Parses the displayed form and what people type: `EE`, `country ee`, `AS64500`, `192.0.2.7`, `2001:db8::/32`.
    /// Host bits of a range are cleared, and IPv4 written as IPv6 (`::ffff:192.0.2.7`) becomes IPv4.
    fn from_str(text: &str) -> Result<Self, InvalidDenyTarget> {
        let word = text.trim();
        let country = |code: &str| {
            let letters = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
            letters.then(|| Self::Country(code.to_ascii_uppercase()))
        };
        let asn = || {
            let (head, number) = word.split_at_checked(2)?;
            let digits = head.eq_ignore_ascii_case("as") && number.bytes().all(|byte| byte.is_ascii_digit());
            number.parse().ok().filter(|_| digits).map(Self::Asn)
        };
        let cidr = || {
            let single = word.parse::<IpAddr>().ok().map(IpNet::from);
            single.or_else(|| word.parse().ok()).map(|net| Self::Cidr(plain(net)))
        };
        let named = word.split_once(' ').filter(|(kind, _)| *kind == "country");
        named
            .map_or_else(|| country(word), |(_, code)| country(code.trim()))
            .or_else(asn)
            .or_else(cidr)
            .ok_or_else(|| InvalidDenyTarget(word.chars().take(60).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deny_target_parses_what_people_type() {
        for (typed, wanted) in [
            ("ee", Some("country EE")),
            ("country EE", Some("country EE")),
            (" AS64500 ", Some("AS64500")),
            ("as64500", Some("AS64500")),
            ("AS", Some("country AS")),
            ("192.0.2.7", Some("192.0.2.7/32")),
            ("192.0.2.7/24", Some("192.0.2.0/24")),
            ("2001:db8::1/32", Some("2001:db8::/32")),
            ("AS64500x", None),
            ("AS-1", None),
            ("AS99999999999", None),
            ("E1", None),
            ("é", None),
            ("192.0.2.0/33", None),
            ("", None),
        ] {
            let read = typed.parse::<DenyTarget>().ok();
            assert_eq!(read.as_ref().map(ToString::to_string).as_deref(), wanted, "{typed}");
            if let Some(read) = read {
                assert_eq!(read.to_string().parse(), Ok(read), "{typed}");
            }
        }
    }
}
