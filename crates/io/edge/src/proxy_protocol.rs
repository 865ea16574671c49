//! The PROXY protocol, versions 1 and 2: parses a header into the address that it names. Pure and bounded.
//!
//! Source: HAProxy's proxy-protocol.txt.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header of version 1.
const V1_MAX: usize = 107;
/// The longest one of version 2 that is read, extensions included.
const V2_MAX: usize = 16 + 2048;
const V2_MARK: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// A header that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proxied {
    /// The client of the proxy; `None` when the proxy connects on its own behalf (`LOCAL`, `UNKNOWN`).
    pub(crate) source: Option<SocketAddr>,
    /// Its length in bytes; the client's data follows.
    pub(crate) length: usize,
}

/// Not a header of either version.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the connection does not begin with the PROXY protocol")]
pub(crate) struct NotProxied;

/// Reads the beginning of a connection. `None`: more is needed.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<Proxied>, NotProxied> {
    let compared = bytes.len().min(V2_MARK.len());
    if bytes[..compared] == V2_MARK[..compared] {
        return if bytes.len() < 16 { Ok(None) } else { second(bytes) };
    }
    let compared = bytes.len().min(6);
    if bytes[..compared] == b"PROXY "[..compared] { first(bytes) } else { Err(NotProxied) }
}

fn first(bytes: &[u8]) -> Result<Option<Proxied>, NotProxied> {
    let Some(end) = bytes.iter().take(V1_MAX).position(|b| *b == b'\n') else {
        return if bytes.len() >= V1_MAX { Err(NotProxied) } else { Ok(None) };
    };
    let line = bytes[..end].strip_suffix(b"\r").ok_or(NotProxied)?;
    let line = std::str::from_utf8(line).map_err(|_| NotProxied)?;
    let mut words = line.split(' ').skip(1);
    let length = end + 1;
    let family = words.next().ok_or(NotProxied)?;
    if family == "UNKNOWN" {
        return Ok(Some(Proxied { source: None, length }));
    }
    let mut next = || words.next().ok_or(NotProxied);
    let (source, target, from, to) = (next()?, next()?, next()?, next()?);
    if words.next().is_some() {
        return Err(NotProxied);
    }
    let (source, target): (IpAddr, IpAddr) = match family {
        "TCP4" => (four(source)?.into(), four(target)?.into()),
        "TCP6" => (six(source)?.into(), six(target)?.into()),
        _ => return Err(NotProxied),
    };
    let _ = (target, port(to)?);
    Ok(Some(Proxied { source: Some(SocketAddr::new(source, port(from)?)), length }))
}

fn four(text: &str) -> Result<Ipv4Addr, NotProxied> {
    text.parse().map_err(|_| NotProxied)
}

fn six(text: &str) -> Result<Ipv6Addr, NotProxied> {
    text.parse().map_err(|_| NotProxied)
}

fn port(text: &str) -> Result<u16, NotProxied> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().map_err(|_| NotProxied) } else { Err(NotProxied) }
}

fn second(bytes: &[u8]) -> Result<Option<Proxied>, NotProxied> {
    let (command, family) = (bytes[12], bytes[13]);
    let rest = usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
    let length = 16 + rest;
    if command >> 4 != 2 || length > V2_MAX {
        return Err(NotProxied);
    }
    let Some(body) = bytes.get(16..length) else { return Ok(None) };
    let source = match (command & 0x0f, family) {
        // LOCAL: the proxy connects on its own behalf.
        (0, _) => None,
        (1, 0x11) => Some(address4(body).ok_or(NotProxied)?),
        (1, 0x21) => Some(address6(body).ok_or(NotProxied)?),
        // Unspecified or of another kind: the connection's own ends count.
        (1, 0x00 | 0x31 | 0x32) => None,
        _ => return Err(NotProxied),
    };
    Ok(Some(Proxied { source, length }))
}

fn address4(body: &[u8]) -> Option<SocketAddr> {
    let body = body.first_chunk::<12>()?;
    let address = Ipv4Addr::new(body[0], body[1], body[2], body[3]);
    Some(SocketAddr::new(address.into(), u16::from_be_bytes([body[8], body[9]])))
}

fn address6(body: &[u8]) -> Option<SocketAddr> {
    let body = body.first_chunk::<36>()?;
    let address = Ipv6Addr::from(*body.first_chunk::<16>()?);
    Some(SocketAddr::new(address.into(), u16::from_be_bytes([body[32], body[33]])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = V2_MARK.to_vec();
        bytes.extend([0x20 | command, family]);
        bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn reads_both_versions_to_the_byte() {
        let four = [192, 0, 2, 7, 10, 0, 0, 1, 0x1f, 0x90, 0, 80];
        let mut six = [0u8; 36];
        six[..16].copy_from_slice(&"2001:db8::9".parse::<Ipv6Addr>().unwrap().octets());
        six[32..34].copy_from_slice(&443u16.to_be_bytes());
        let mut long = four.to_vec();
        long.extend([4, 0, 3, 1, 2, 3]);
        let table: [(Vec<u8>, Option<&str>); 9] = [
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 80\r\n".to_vec(), Some("192.0.2.7:8080")),
            (b"PROXY TCP6 2001:db8::9 ::1 443 80\r\n".to_vec(), Some("[2001:db8::9]:443")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), None),
            (v2(1, 0x11, &four), Some("192.0.2.7:8080")),
            (v2(1, 0x11, &long), Some("192.0.2.7:8080")),
            (v2(1, 0x21, &six), Some("[2001:db8::9]:443")),
            (v2(0, 0, b""), None),
            (v2(1, 0x31, &[0; 216]), None),
        ];
        for (mut bytes, source) in table {
            let length = bytes.len();
            for cut in 0..length {
                assert_eq!(read(&bytes[..cut]), Ok(None), "{}", bytes[..cut].escape_ascii());
            }
            bytes.extend(b"GET / HTTP/1.1\r\n");
            let source = source.map(|text| text.parse().unwrap());
            assert_eq!(read(&bytes), Ok(Some(Proxied { source, length })));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"PROXY TCP4 192.0.2.7 10.0.0.1 8080\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 80 9\r\n",
            b"PROXY TCP4 2001:db8::9 10.0.0.1 8080 80\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 +8080 80\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 99999 80\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 80\n",
            b"PROXY  TCP4 192.0.2.7 10.0.0.1 8080 80\r\n",
            b"PROXZ",
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x02\0\0",
        ] {
            assert_eq!(read(bad), Err(NotProxied), "{}", bad.escape_ascii());
        }
        assert_eq!(read(&[b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200]].concat()), Err(NotProxied));
    }

    proptest! {
        #[test]
        fn never_panics_and_stays_within(bytes in proptest::collection::vec(any::<u8>(), 0..3000), kind in 0u8..3) {
            let mut all = match kind { 0 => Vec::new(), 1 => b"PROXY ".to_vec(), _ => V2_MARK.to_vec() };
            all.extend(bytes);
            match read(&all) {
                Ok(Some(found)) => prop_assert!(found.length <= all.len() && found.length <= V2_MAX),
                Ok(None) => prop_assert!(all.len() < V2_MAX),
                Err(NotProxied) => {}
            }
        }
    }
}
