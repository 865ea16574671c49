//! The client's address behind trusted proxies (RFC 7239 and X-Forwarded-For), and the headers that describe it to
//! servers.
//!
//! A proxy that writes one of the two fields may pass the other one unchanged from the client. It writes its own
//! field into every request. So the field that a proxy's last request had alone is the one that it writes, and that
//! one is trusted where both are present; until there was such a request, X-Forwarded-For, which most proxies
//! write. Servers get X-Forwarded-* only: all read it, and two chains could contradict each other.

use crate::connection::Connection;
use crate::head::{self, Host};
use crate::outgoing_headers::OutgoingHeaders;
use http::header::{self, HeaderMap, HeaderValue};
use ipnet::IpNet;
use std::cell::RefCell;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The most addresses of one chain that are read.
const CHAIN_MAX: usize = 32;
/// Proxies of which it is remembered what they write.
const PROXIES_MAX: usize = 256;

/// What trusted proxies say about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForwardedInfo {
    /// The first address from the right that is no trusted proxy.
    pub(crate) client: IpAddr,
    /// The field that is believed; `None` where the connection does not come from a trusted proxy.
    pub(crate) by: Option<Field>,
    /// Whether the client used HTTPS, where a trusted proxy says so.
    pub(crate) https: Option<bool>,
    /// The host that the client asked for, where a trusted proxy says so.
    host: Option<HeaderValue>,
}

impl ForwardedInfo {
    /// The host that the client asked for, where a trusted proxy names it.
    pub(crate) fn host(&self) -> Option<&str> {
        self.host.as_ref()?.to_str().ok()
    }
}

/// The field in which a proxy names the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// `X-Forwarded-For`.
    Older,
    /// `Forwarded`.
    Standard,
}

/// The field that each proxy writes, as its last request with only one of them showed.
#[derive(Default)]
pub(crate) struct HeaderPreferences(RefCell<Vec<(IpAddr, Field)>>);

impl HeaderPreferences {
    /// The field to believe, of those that a request has.
    fn field(&self, hop: IpAddr, older: bool, standard: bool) -> Field {
        let mut known = self.0.borrow_mut();
        let at = known.iter().position(|(at, _)| *at == hop);
        let only = match (older, standard) {
            (true, false) => Field::Older,
            (false, true) => Field::Standard,
            // Both, or none: an own request of the proxy, for its health checks.
            _ => return at.map_or(Field::Older, |at| known[at].1),
        };
        match at {
            Some(at) => known[at].1 = only,
            None if known.len() < PROXIES_MAX => known.push((hop, only)),
            None => {}
        }
        only
    }
}

/// Reads the chain from the right, as long as it was written by proxies that are believed.
pub(crate) fn client_info(
    peer: IpAddr,
    proxies: &[IpNet],
    header_preferences: &HeaderPreferences,
    headers: &HeaderMap,
) -> ForwardedInfo {
    let peer = plain(peer);
    if proxies.is_empty() || !declared(proxies, peer) {
        return ForwardedInfo { client: peer, by: None, https: None, host: None };
    }
    let has = (headers.contains_key(OLDER), headers.contains_key(header::FORWARDED));
    let by = header_preferences.field(peer, has.0, has.1);
    let mut origin = ForwardedInfo { client: peer, by: Some(by), https: None, host: None };
    match by {
        Field::Older => {
            let values = headers.get_all(OLDER).iter().rev();
            let chain = values.flat_map(|value| value.as_bytes().rsplit(|b| *b == b',')).map(address);
            for next in chain.take(CHAIN_MAX) {
                // An entry that cannot be parsed was not written by a trusted proxy; entries further left are not
                // trusted either.
                let Some(next) = next else { break };
                origin.client = next;
                if !declared(proxies, next) {
                    break;
                }
            }
        }
        Field::Standard => {
            let values = headers.get_all(header::FORWARDED).iter().rev();
            let chain = values.flat_map(|value| elements(value.as_bytes()).into_iter().rev());
            for element in chain.take(CHAIN_MAX) {
                // An entry further left is nearer to the client: that proxy knows how the client connected.
                let Some(node) = Node::read(element) else { break };
                origin.https = node.https.or(origin.https);
                origin.host = node.host.or(origin.host);
                let Some(next) = node.client else { break };
                origin.client = next;
                if !declared(proxies, next) {
                    break;
                }
            }
        }
    }
    let older_host = || headers.get("x-forwarded-host").cloned();
    let older_proto = || headers.get_all("x-forwarded-proto").iter().next_back();
    let last = |proto: &HeaderValue| proto.as_bytes().rsplit(|b| *b == b',').next().and_then(scheme);
    origin.https = origin.https.or_else(|| older_proto().and_then(last));
    origin.host = origin.host.or_else(older_host);
    origin
}

/// Adds the headers that tell the server the client, the scheme, the host and the port. `forwarded_client`: the client's
/// address where a caller forwards one.
pub(crate) fn fields(
    own: &mut OutgoingHeaders,
    origin: &ForwardedInfo,
    connection: &Connection,
    forwarded_client: Option<IpAddr>,
    host: &Host,
    headers: &HeaderMap,
) {
    own.put(OLDER, |chain| {
        match (forwarded_client, origin.by) {
            (Some(forwarded_client), _) => {
                let _ = write!(chain, "{forwarded_client}, ");
            }
            // The whole chain goes on.
            (None, Some(Field::Older)) => {
                for value in headers.get_all(OLDER) {
                    chain.extend_from_slice(value.as_bytes());
                    chain.extend_from_slice(b", ");
                }
            }
            (None, Some(Field::Standard)) if origin.client != connection.peer.ip().to_canonical() => {
                let _ = write!(chain, "{}, ", origin.client);
            }
            (None, _) => {}
        }
        chain.extend_from_slice(connection.who.as_bytes());
    });
    own.put("x-real-ip", |out| match (forwarded_client, origin.by) {
        (None, None) => out.extend_from_slice(connection.who.as_bytes()),
        (forwarded_client, _) => {
            let _ = write!(out, "{}", forwarded_client.unwrap_or(origin.client));
        }
    });
    let https = origin.https.unwrap_or(connection.tls);
    own.put("x-forwarded-proto", |out| out.extend_from_slice(if https { b"https" } else { b"http" }));
    let named = origin.host.as_ref().unwrap_or(&host.value);
    own.put("x-forwarded-host", |out| out.extend_from_slice(named.as_bytes()));
    // A trusted proxy may know better, where ports are mapped before it.
    if origin.by.is_none() || !headers.contains_key(PORT) {
        own.put(PORT, |out| out.extend_from_slice(port(named.as_bytes(), https)));
    }
}

/// The port that the client used: the one in its host, otherwise the default port of the scheme.
fn port(host: &[u8], https: bool) -> &[u8] {
    let explicit = memchr::memrchr(b':', host).map(|at| &host[at + 1..]);
    match explicit.filter(|port| !port.is_empty() && port.iter().all(u8::is_ascii_digit)) {
        Some(port) => port,
        None if https => b"443",
        None => b"80",
    }
}

const PORT: &str = "x-forwarded-port";
const OLDER: &str = "x-forwarded-for";

/// Whether an address is a trusted proxy.
pub(crate) fn declared(proxies: &[IpNet], address: IpAddr) -> bool {
    proxies.iter().any(|net| net.contains(&address))
}

/// Converts an IPv4-mapped address to IPv4.
pub(crate) fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Parses `192.0.2.1`, `192.0.2.1:80`, `"[2001:db8::1]:80"`, `2001:db8::1`; a port may be an obfuscated identifier:
/// `[2001:db8::1]:_a`.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(bytes).ok()?.trim().trim_matches('"');
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(plain(address));
    }
    let (address, port): (IpAddr, _) = match text.strip_prefix('[') {
        Some(six) => {
            let (six, port) = six.split_once(']')?;
            (six.parse::<Ipv6Addr>().ok()?.into(), port)
        }
        None => {
            let (four, port) = text.split_at(text.find(':')?);
            (four.parse::<Ipv4Addr>().ok()?.into(), port)
        }
    };
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then(|| plain(address))
}

fn is_port(port: &str) -> bool {
    let word =
        |word: &str| word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    port.parse::<u16>().is_ok() || port.strip_prefix('_').is_some_and(word)
}

/// One element of `Forwarded`. The proxy's own address, `by`, is not needed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Node {
    /// The client of that proxy; `None` when it is hidden: `unknown`, `_hidden`, missing.
    client: Option<IpAddr>,
    https: Option<bool>,
    host: Option<HeaderValue>,
}

impl Node {
    /// Parses `for=192.0.2.1;proto=https;host=a.test`. `None` when a parameter is repeated or ambiguous.
    fn read(element: &[u8]) -> Option<Self> {
        let (mut node, mut client, mut proto, mut host) = (Self::default(), None, None, None);
        for pair in apart(element, b';')?.into_iter().filter(|pair| !pair.trim_ascii().is_empty()) {
            let at = memchr::memchr(b'=', pair)?;
            let (name, value) = (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii());
            let seen = match name {
                _ if name.eq_ignore_ascii_case(b"for") => &mut client,
                _ if name.eq_ignore_ascii_case(b"proto") => &mut proto,
                _ if name.eq_ignore_ascii_case(b"host") => &mut host,
                _ => continue,
            };
            if seen.replace(unquoted(value)?).is_some() {
                return None;
            }
        }
        node.client = client.and_then(|value| address(&value));
        node.https = proto.and_then(|value| scheme(&value));
        node.host =
            host.filter(|value| head::valid(value)).and_then(|value| HeaderValue::try_from(value).ok());
        Some(node)
    }
}

/// The elements of one line. A quote that never ends is a client's, in front of what a proxy wrote: then commas alone
/// count, and each element is read for itself.
fn elements(connection: &[u8]) -> Vec<&[u8]> {
    apart(connection, b',').unwrap_or_else(|| connection.split(|b| *b == b',').collect())
}

/// Splits, but not within quotes. `None` when a quote does not end.
fn apart(bytes: &[u8], by: u8) -> Option<Vec<&[u8]>> {
    let (mut parts, mut from, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if *byte == by && !quoted => {
                parts.push(&bytes[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&bytes[from..]);
    (!quoted).then_some(parts)
}

/// The value of a token or of a quoted string (RFC 9110 section 5.6.4). `None` when it is half of each.
fn unquoted(value: &[u8]) -> Option<Vec<u8>> {
    let Some(inner) = value.strip_prefix(b"\"") else {
        return (!value.contains(&b'"')).then(|| value.to_vec());
    };
    let inner = inner.strip_suffix(b"\"")?;
    let (mut out, mut escaped) = (Vec::with_capacity(inner.len()), false);
    for byte in inner {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => {
                escaped = true;
                continue;
            }
            b'"' => return None,
            _ => {}
        }
        out.push(*byte);
    }
    (!escaped).then_some(out)
}

fn scheme(bytes: &[u8]) -> Option<bool> {
    let bytes = bytes.trim_ascii();
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

    use proptest::prelude::*;

    type Fields<'a> = &'a [(&'static str, &'a str)];

    fn read(peer: &str, header_preferences: &HeaderPreferences, fields: Fields<'_>) -> ForwardedInfo {
        let proxies: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].iter().map(|net| net.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        client_info(peer.parse().unwrap(), &proxies, header_preferences, &headers)
    }

    #[test]
    fn only_trusted_proxies_are_believed_from_the_right() {
        let table: [(&str, Fields<'_>, &str); 24] = [
            ("192.0.2.9", &[("x-forwarded-for", "1.1.1.1")], "192.0.2.9"),
            ("192.0.2.9", &[("forwarded", "for=1.1.1.1")], "192.0.2.9"),
            ("10.0.0.1", &[("x-forwarded-for", "1.1.1.1")], "1.1.1.1"),
            ("10.0.0.1", &[("x-forwarded-for", "6.6.6.6, 1.1.1.1, 10.2.3.4")], "1.1.1.1"),
            ("10.0.0.1", &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.1.1.1")], "1.1.1.1"),
            ("10.0.0.1", &[("x-forwarded-for", "10.1.1.1, 10.2.2.2")], "10.1.1.1"),
            ("10.0.0.1", &[("x-forwarded-for", "6.6.6.6, unknown, 10.2.2.2")], "10.2.2.2"),
            ("10.0.0.1", &[("x-forwarded-for", "1.1.1.1:4711")], "1.1.1.1"),
            ("::ffff:10.0.0.1", &[("x-forwarded-for", "::ffff:1.1.1.1")], "1.1.1.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[("forwarded", "for=\"[2001:db8::1]:80\";proto=https")], "2001:db8::1"),
            ("10.0.0.1", &[("forwarded", "For=\"[2001:db8::1]\" ; By=_edge")], "2001:db8::1"),
            ("10.0.0.1", &[("forwarded", "for=6.6.6.6, for=1.1.1.1;by=10.0.0.2")], "1.1.1.1"),
            ("10.0.0.1", &[("forwarded", "for=1.1.1.1;proto=https,for=10.0.0.2")], "1.1.1.1"),
            (
                "10.0.0.1",
                &[("forwarded", "for=6.6.6.6"), ("forwarded", "for=1.1.1.1, for=10.0.0.2")],
                "1.1.1.1",
            ),
            ("10.0.0.1", &[("forwarded", "for=\"1.1.1.1:_port\", for=10.0.0.2")], "1.1.1.1"),
            ("10.0.0.1", &[("forwarded", "for=6.6.6.6, for=unknown, for=10.0.0.2")], "10.0.0.2"),
            ("10.0.0.1", &[("forwarded", "for=6.6.6.6, for=\"_hidden\"")], "10.0.0.1"),
            ("10.0.0.1", &[("forwarded", "for=6.6.6.6, proto=https")], "10.0.0.1"),
            ("10.0.0.1", &[("forwarded", "for=6.6.6.6;for=7.7.7.7")], "10.0.0.1"),
            ("10.0.0.1", &[("forwarded", "for=\"6.6.6.6, for=1.1.1.1")], "1.1.1.1"),
            ("10.0.0.1", &[("forwarded", "for=\"6.6.6.6\\, for=\"[2001:db8::1]:80\"")], "2001:db8::1"),
            ("10.0.0.1", &[("forwarded", "x=\"a,for=6.6.6.6;\\\"\";for=1.1.1.1")], "1.1.1.1"),
            ("10.0.0.1", &[("forwarded", "")], "10.0.0.1"),
        ];
        for (peer, fields, expected) in table {
            let seen = read(peer, &HeaderPreferences::default(), fields);
            assert_eq!(seen.client.to_string(), expected, "{peer} {fields:?}");
        }
    }

    #[test]
    fn of_both_fields_the_one_is_believed_that_the_hop_writes() {
        let both: Fields<'_> = &[("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=2.2.2.2")];
        let header_preferences = HeaderPreferences::default();
        let client = |peer, fields| read(peer, &header_preferences, fields).client.to_string();
        assert_eq!(client("10.0.0.1", both), "1.1.1.1", "nothing is known of this hop");
        assert_eq!(client("10.0.0.1", &[("forwarded", "for=3.3.3.3")]), "3.3.3.3");
        assert_eq!(client("10.0.0.1", both), "2.2.2.2", "it leaves the older field to visitors");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", both), "2.2.2.2", "its own health checks change nothing");
        assert_eq!(client("10.0.0.2", both), "1.1.1.1", "each hop for itself");
        assert_eq!(client("10.0.0.1", &[("x-forwarded-for", "3.3.3.3")]), "3.3.3.3");
        assert_eq!(client("10.0.0.1", both), "1.1.1.1", "it was set up again");
        assert_eq!(client("192.0.2.9", &[("forwarded", "for=3.3.3.3")]), "192.0.2.9");
        assert_eq!(header_preferences.0.borrow().len(), 1, "only of hops anything is remembered");
    }

    #[test]
    fn port_is_that_of_the_host_or_of_the_scheme() {
        for (host, https, expected) in [
            ("a.test", false, "80"),
            ("a.test", true, "443"),
            ("a.test:8443", true, "8443"),
            ("[2001:db8::1]", true, "443"),
            ("[2001:db8::1]:81", false, "81"),
            ("a.test:", false, "80"),
        ] {
            assert_eq!(port(host.as_bytes(), https), expected.as_bytes(), "{host}");
        }
    }

    #[test]
    fn first_trusted_proxy_determines_scheme_and_host() {
        let table: [(Fields<'_>, Option<bool>, Option<&str>); 8] = [
            (
                &[("forwarded", "for=1.1.1.1;proto=https;host=a.test, for=10.0.0.2;proto=http;host=b.test")],
                Some(true),
                Some("a.test"),
            ),
            (&[("forwarded", "for=6.6.6.6;proto=https, for=1.1.1.1;proto=http")], Some(false), None),
            (&[("forwarded", "for=1.1.1.1, for=10.0.0.2;Proto=\"HTTPS\"")], Some(true), None),
            (&[("forwarded", "for=1.1.1.1;proto=ftp;host=\"a.test:8443\"")], None, Some("a.test:8443")),
            (&[("forwarded", "for=1.1.1.1;host=\"a test\"")], None, None),
            (
                &[
                    ("x-forwarded-for", "1.1.1.1"),
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-host", "a.test"),
                ],
                Some(true),
                Some("a.test"),
            ),
            (
                &[
                    ("x-forwarded-for", "1.1.1.1"),
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-proto", "http"),
                ],
                Some(false),
                None,
            ),
            (&[("forwarded", "for=1.1.1.1"), ("x-forwarded-proto", "http, https")], Some(true), None),
        ];
        for (fields, https, host) in table {
            let seen = read("10.0.0.1", &HeaderPreferences::default(), fields);
            assert_eq!(
                (seen.https, seen.host.as_ref().map(|host| host.to_str().unwrap())),
                (https, host),
                "{fields:?}"
            );
            let seen = read("192.0.2.9", &HeaderPreferences::default(), fields);
            assert_eq!((seen.https, seen.host), (None, None), "{fields:?}");
        }
    }

    /// Pieces of which chains are made, honest and not.
    fn piece() -> impl Strategy<Value = String> {
        let words = [
            "for=",
            "proto=https",
            "host=",
            "by=",
            ";",
            ",",
            "\"",
            "\\",
            "10.0.0.2",
            "6.6.6.6",
            "[2001:db8::1]",
            ":80",
            "unknown",
            "_x",
            " ",
            "=",
        ];
        prop_oneof![3 => prop::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => "[ -~]{0,4}"]
    }

    proptest! {
        #[test]
        fn nothing_that_a_visitor_sends_makes_it_another(
            pieces in prop::collection::vec(piece(), 0..24),
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            six in any::<bool>(),
        ) {
            let text = pieces.concat();
            let mut headers = HeaderMap::new();
            let values = [HeaderValue::from_str(&text).ok(), HeaderValue::from_bytes(&bytes).ok()];
            for value in values.into_iter().flatten() {
                for name in [OLDER, "forwarded", "x-forwarded-proto", "x-forwarded-host"] {
                    headers.append(name, value.clone());
                }
            }
            let proxies: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
            // Without a proxy: the peer.
            let peer: IpAddr = if six { "2001:db8::9" } else { "192.0.2.9" }.parse().unwrap();
            let alone = ForwardedInfo { client: peer, by: None, https: None, host: None };
            prop_assert_eq!(&client_info(peer, &proxies, &HeaderPreferences::default(), &headers), &alone);
            prop_assert_eq!(&client_info(peer, &[], &HeaderPreferences::default(), &headers), &alone);
            // Behind a proxy: the address that the proxy names, in either field.
            let node = if six { format!("for=\"[{peer}]:80\"") } else { format!("for={peer}") };
            for (name, mine) in [("forwarded", node), (OLDER, peer.to_string())] {
                let hop: IpAddr = "10.0.0.1".parse().unwrap();
                let mut lines = HeaderMap::new();
                lines.append(name, format!("{text}, {mine}").parse().unwrap());
                prop_assert_eq!(client_info(hop, &proxies, &HeaderPreferences::default(), &lines).client, peer, "{}", text);
                let mut lines = headers.clone();
                let header_preferences = HeaderPreferences::default();
                header_preferences.field(hop, name == OLDER, name != OLDER);
                lines.append(name, mine.parse().unwrap());
                prop_assert_eq!(client_info(hop, &proxies, &header_preferences, &lines).client, peer, "{}", text);
            }
        }
    }
}
