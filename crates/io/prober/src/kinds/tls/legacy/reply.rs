//! Parsing of a server's plaintext reply to a TLS 1.2 ClientHello. RFC 5246, sections 6.2 and 7.

use super::hello::{OTHER_SUITES, OUR_GROUPS, OUR_SUITES};
use crate::kinds::tls::certificate;
use rustls::pki_types::CertificateDer;

/// Certificates read of one chain.
const CHAIN_MAX: usize = 32;
/// Key types whose handshake signatures the TLS library supports.
const OUR_KEYS: [&str; 4] = ["RSA", "EC P-256", "EC P-384", "Ed25519"];

/// The plaintext part of a server's reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reply {
    version: u16,
    suite: u16,
    /// The group of its key exchange, where it has one.
    group: Option<u16>,
    pub(super) chain: Vec<CertificateDer<'static>>,
}

/// Progress of reading a reply.
#[derive(Debug)]
pub(super) enum Ended {
    Reply(Reply),
    /// More is to come.
    NotYet,
    /// An alert, or no TLS.
    Never,
}

/// Parses the bytes received so far.
pub(super) fn read(bytes: &[u8]) -> Ended {
    let mut messages = Vec::new();
    let mut rest = bytes;
    while let [kind, 3, _, high, low, after @ ..] = rest {
        if *kind != 22 {
            return Ended::Never;
        }
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let piece = after.get(..length).unwrap_or(after);
        messages.extend_from_slice(piece);
        rest = &after[piece.len()..];
    }
    if !rest.is_empty() && (rest[0] != 22 || rest.get(1).is_some_and(|major| *major != 3)) {
        return Ended::Never;
    }
    flight(&messages).unwrap_or(Ended::Never)
}

/// Reads handshake messages up to ServerHelloDone; `None` for what is none.
fn flight(messages: &[u8]) -> Option<Ended> {
    let mut reply = None;
    let mut rest = messages;
    loop {
        let [kind, a, b, c, after @ ..] = rest else { return Some(Ended::NotYet) };
        let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).ok()?;
        let Some(body) = after.get(..length) else { return Some(Ended::NotYet) };
        rest = &after[length..];
        match (kind, &mut reply) {
            (2, None) => reply = Some(hello(body)?),
            (11, Some(reply)) => reply.chain = chain(body)?,
            (12, Some(reply)) => reply.group = group(body),
            (14, Some(reply)) => return Some(Ended::Reply(std::mem::take(reply))),
            // A stapled response, a request for a certificate of ours.
            (13 | 22, Some(_)) => {}
            _ => return None,
        }
    }
}

fn hello(body: &[u8]) -> Option<Reply> {
    let (version, rest) = body.split_first_chunk::<2>()?;
    let (session, rest) = rest.get(32..)?.split_first()?;
    let suite = rest.get(usize::from(*session)..)?.first_chunk::<2>()?;
    Some(Reply {
        version: u16::from_be_bytes(*version),
        suite: u16::from_be_bytes(*suite),
        ..Reply::default()
    })
}

fn chain(body: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let mut rest = body.get(3..)?;
    let mut chain = Vec::new();
    while let [a, b, c, after @ ..] = rest {
        let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).ok()?;
        if chain.len() < CHAIN_MAX {
            chain.push(CertificateDer::from(after.get(..length)?.to_vec()));
        }
        rest = after.get(length..)?;
    }
    Some(chain)
}

/// The named group of an elliptic key exchange.
fn group(body: &[u8]) -> Option<u16> {
    match body {
        [3, high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

impl Reply {
    /// The version, if the TLS library does not support it.
    pub(super) fn outdated(&self) -> Option<&'static str> {
        match self.version {
            0x0302 => Some("TLS 1.1"),
            0x0301 => Some("TLS 1.0"),
            0x0300 => Some("SSL 3.0"),
            _ => None,
        }
    }

    /// The part that the TLS library does not support; `None` if it supports this server.
    pub(super) fn beyond_us(&self) -> Option<String> {
        if let Some(version) = self.outdated() {
            return Some(format!("nothing newer than {version}"));
        }
        if self.version != 0x0303 {
            return None;
        }
        if let Some((_, name)) = OTHER_SUITES.iter().find(|(suite, _)| *suite == self.suite) {
            let kind = match name {
                name if name.starts_with("TLS_RSA_") => "RSA key exchange, without forward secrecy",
                name if name.contains("_CBC_") => "CBC mode",
                name if name.starts_with("TLS_DHE_") => "Diffie-Hellman over finite fields",
                _ => "of another kind",
            };
            return Some(format!("its best cipher suite is {name} ({kind})"));
        }
        if !OUR_SUITES.contains(&self.suite) {
            return Some(format!("its best cipher suite is number {:#06x}", self.suite));
        }
        if let Some(group) = self.group.filter(|group| !OUR_GROUPS.contains(group)) {
            let name = match group {
                0x0019 => "P-521".to_owned(),
                0x001e => "X448".to_owned(),
                0x0016 => "secp256k1".to_owned(),
                other => format!("number {other:#06x}"),
            };
            return Some(format!("its key exchange is in the group {name}"));
        }
        let key = certificate::read(self.chain.first()?)?.reported.key;
        (!OUR_KEYS.iter().any(|ours| key.starts_with(ours)))
            .then(|| format!("its certificate has a key of kind {key}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind][..], &length[1..], body].concat()
    }

    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind, 3, 3][..], &length, body].concat()
    }

    fn flight_of(version: u16, suite: u16, group: Option<u16>) -> Vec<u8> {
        let mut hello = version.to_be_bytes().to_vec();
        hello.extend([0; 32]);
        hello.extend([2, 9, 9]);
        hello.extend(suite.to_be_bytes());
        hello.push(0);
        let mut all = message(2, &hello);
        all.extend(message(11, &[0, 0, 6, 0, 0, 3, 1, 2, 3]));
        if let Some(group) = group {
            all.extend(message(12, &[&[3][..], &group.to_be_bytes(), &[1, 4]].concat()));
        }
        all.extend(message(14, &[]));
        all
    }

    fn reply(messages: &[u8]) -> Reply {
        match read(&record(22, messages)) {
            Ended::Reply(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_we_lack_has_a_name() {
        for (version, suite, group, what) in [
            (0x0301, 0xc014, None, Some("nothing newer than TLS 1.0")),
            (0x0302, 0x002f, None, Some("nothing newer than TLS 1.1")),
            (
                0x0303,
                0xc014,
                Some(0x1d),
                Some("its best cipher suite is TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA (CBC mode)"),
            ),
            (
                0x0303,
                0x009c,
                None,
                Some(
                    "its best cipher suite is TLS_RSA_WITH_AES_128_GCM_SHA256 (RSA key exchange, without forward secrecy)",
                ),
            ),
            (
                0x0303,
                0x009e,
                None,
                Some(
                    "its best cipher suite is TLS_DHE_RSA_WITH_AES_128_GCM_SHA256 (Diffie-Hellman over finite fields)",
                ),
            ),
            (0x0303, 0xc02f, Some(0x19), Some("its key exchange is in the group P-521")),
            (0x0303, 0xc02f, Some(0x1d), None),
            (0x0304, 0x1301, None, None),
        ] {
            assert_eq!(reply(&flight_of(version, suite, group)).beyond_us().as_deref(), what);
        }
        assert_eq!(reply(&flight_of(0x0303, 0xc014, None)).chain.len(), 1);
    }

    #[test]
    fn pieces_and_refusals_differ() {
        let whole = flight_of(0x0303, 0xc014, None);
        let records: Vec<u8> = whole.chunks(10).flat_map(|piece| record(22, piece)).collect();
        assert!(matches!(read(&records), Ended::Reply(_)));
        for end in 0..records.len() {
            assert!(matches!(read(&records[..end]), Ended::NotYet), "{end}");
        }
        for bytes in
            [&record(21, &[2, 40])[..], b"HTTP/1.1 400 Bad Request", b"\x15", &record(22, &message(1, b"x"))]
        {
            assert!(matches!(read(bytes), Ended::Never), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), place in 0usize..60, flip in 1u8..) {
            let _ = read(&bytes);
            let _ = read(&record(22, &bytes));
            let mut broken = record(22, &flight_of(0x0303, 0xc014, Some(0x1d)));
            broken[place] ^= flip;
            if let Ended::Reply(reply) = read(&broken) {
                let _ = reply.beyond_us();
            }
        }
    }
}
