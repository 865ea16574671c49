//! Who asks, behind hops that are believed (RFC 7239 and the older X-Forwarded-For), and what is said of it outward.

use crate::head::Host;
use crate::line::Line;
use crate::own::Own;
use http::header::{self, HeaderMap};
use ipnet::IpNet;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

/// Addresses in one chain that are looked at; more are no honest chain.
const CHAIN_MAX: usize = 32;

/// What hops said of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The first address from the right that is no declared hop.
    pub(crate) client: IpAddr,
    /// Whether the connection comes from a declared hop.
    pub(crate) believed: bool,
    /// Whether the visitor came by HTTPS, where a believed hop says so.
    pub(crate) https: Option<bool>,
}

/// Reads the chain from the right, as long as it was written by hops that are believed.
pub(crate) fn origin(peer: IpAddr, hops: &[IpNet], headers: &HeaderMap) -> Origin {
    let peer = plain(peer);
    if hops.is_empty() || !declared(hops, peer) {
        return Origin { client: peer, believed: false, https: None };
    }
    let mut client = peer;
    let mut chain: Vec<Option<IpAddr>> = Vec::new();
    let older = headers.get_all("x-forwarded-for");
    let mut https = headers.get("x-forwarded-proto").and_then(|proto| scheme(proto.as_bytes()));
    if older.iter().next().is_some() {
        for value in older {
            chain.extend(value.as_bytes().split(|b| *b == b',').map(address));
        }
    } else {
        for value in headers.get_all(header::FORWARDED) {
            for element in value.as_bytes().split(|b| *b == b',') {
                chain.push(parameter(element, b"for").and_then(address));
                https = parameter(element, b"proto").and_then(scheme).or(https);
            }
        }
    }
    for next in chain.into_iter().rev().take(CHAIN_MAX) {
        // What cannot be read was written by somebody, and whoever wrote further left is not known.
        let Some(next) = next else { break };
        client = next;
        if !declared(hops, next) {
            break;
        }
    }
    Origin { client, believed: true, https }
}

/// What the server is told: who asked, how and for which host. `client` is the visitor's address where a caller asks for one.
pub(crate) fn fields(
    own: &mut Own,
    origin: &Origin,
    line: &Line,
    told: Option<IpAddr>,
    host: &Host,
    headers: &HeaderMap,
) {
    own.put("x-forwarded-for", |chain| {
        if let Some(told) = told {
            let _ = write!(chain, "{told}, ");
        } else if origin.believed {
            // The whole chain goes on, by whichever field it came.
            let mut older = headers.get_all("x-forwarded-for").iter().peekable();
            if older.peek().is_none() && origin.client != line.peer.ip().to_canonical() {
                let _ = write!(chain, "{}, ", origin.client);
            }
            for value in older {
                chain.extend_from_slice(value.as_bytes());
                chain.extend_from_slice(b", ");
            }
        }
        chain.extend_from_slice(line.who.as_bytes());
    });
    let https = origin.https.unwrap_or(line.tls);
    own.put("x-forwarded-proto", |out| out.extend_from_slice(if https { b"https" } else { b"http" }));
    let named = headers.get("x-forwarded-host").filter(|_| origin.believed).unwrap_or(&host.value);
    own.put("x-forwarded-host", |out| out.extend_from_slice(named.as_bytes()));
}

/// Whether an address is a declared hop.
pub(crate) fn declared(hops: &[IpNet], address: IpAddr) -> bool {
    hops.iter().any(|net| net.contains(&address))
}

/// An IPv4 address that came over an IPv6 socket is the IPv4 address.
pub(crate) fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `"[2001:db8::1]:80"`, `2001:db8::1`.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(bytes).ok()?.trim().trim_matches('"');
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(plain(address));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(plain(address.ip()));
    }
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(plain)
}

fn parameter<'a>(element: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    element.split(|b| *b == b';').find_map(|pair| {
        let at = memchr::memchr(b'=', pair)?;
        pair[..at].trim_ascii().eq_ignore_ascii_case(wanted).then(|| pair[at + 1..].trim_ascii())
    })
}

fn scheme(bytes: &[u8]) -> Option<bool> {
    let bytes = bytes.strip_prefix(b"\"").and_then(|b| b.strip_suffix(b"\"")).unwrap_or(bytes).trim_ascii();
    if bytes.eq_ignore_ascii_case(b"https") {
        Some(true)
    } else if bytes.eq_ignore_ascii_case(b"http") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, fields: &[(&'static str, &str)]) -> String {
        let hops: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].iter().map(|net| net.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        origin(peer.parse().unwrap(), &hops, &headers).client.to_string()
    }

    #[test]
    fn only_declared_hops_are_believed_and_from_the_right() {
        type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);
        let table: [Case; 11] = [
            ("192.0.2.9", &[("x-forwarded-for", "1.1.1.1")], "192.0.2.9"),
            ("10.0.0.1", &[("x-forwarded-for", "1.1.1.1")], "1.1.1.1"),
            ("10.0.0.1", &[("x-forwarded-for", "6.6.6.6, 1.1.1.1, 10.2.3.4")], "1.1.1.1"),
            ("10.0.0.1", &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.1.1.1")], "1.1.1.1"),
            ("10.0.0.1", &[("x-forwarded-for", "10.1.1.1, 10.2.2.2")], "10.1.1.1"),
            ("10.0.0.1", &[("x-forwarded-for", "6.6.6.6, unknown, 10.2.2.2")], "10.2.2.2"),
            ("10.0.0.1", &[("x-forwarded-for", "1.1.1.1:4711")], "1.1.1.1"),
            ("10.0.0.1", &[("forwarded", "for=\"[2001:db8::1]:80\";proto=https")], "2001:db8::1"),
            ("10.0.0.1", &[("forwarded", "for=6.6.6.6, for=1.1.1.1;by=10.0.0.2")], "1.1.1.1"),
            ("::ffff:10.0.0.1", &[("x-forwarded-for", "::ffff:1.1.1.1")], "1.1.1.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ];
        for (peer, fields, expected) in table {
            assert_eq!(seen(peer, fields), expected, "{peer} {fields:?}");
        }
    }
}
