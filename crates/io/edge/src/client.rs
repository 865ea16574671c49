//! The identity of clients: the signed cookie of a recognized client, and the signed header by which a caller
//! forwards its client.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use tokens::Passes;
use traffic::Class;
use types::Time;

/// The header by which declared callers forward the client for which they ask.
pub(crate) const CLIENT: &str = "mainstay-client";
/// The header by which declared callers identify themselves.
pub(crate) const CALLER: HeaderName = HeaderName::from_static("mainstay-caller");
/// Lifetime of the header sent to a server, which copies it into the calls that it makes for the request.
const HEADER_VALID: Duration = Duration::from_secs(600);

/// Client numbers per address (IPv6: per /64) and service: several people of one office have limits of their own,
/// and one address cannot get more limits by earning more cookies.
const NUMBERS_PER_ADDRESS: u8 = 32;
/// Time for which the limit of the address applies as well to a newly recognized client.
const NEW_SECS: i64 = 300;

/// Markers in the signed header: a recognized client, and one that was recognized only a few minutes ago.
const RECOGNIZED: u8 = 1;
const NEW: u8 = 2;

/// The signers of both, and what numbers are derived from.
pub(crate) struct ClientTokens {
    cookies: Passes,
    headers: Passes,
    numbers: tokens::Key,
}

/// A recognized client, as its cookie says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecognizedClient {
    pub(crate) number: u64,
    /// When it was recognized, in seconds since 1970.
    since: u32,
}

impl RecognizedClient {
    /// Whether that was a moment ago.
    pub(crate) fn is_new(self) -> bool {
        Time::now().as_second() < i64::from(self.since) + NEW_SECS
    }
}

/// A client as the signed header describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// Its number, if it is recognized.
    pub(crate) recognized: Option<u64>,
    /// Whether it is known since a moment ago.
    pub(crate) is_new: bool,
    /// The class that it had where the request entered.
    pub(crate) class: Class,
    /// Its address.
    pub(crate) address: IpAddr,
}

impl ClientTokens {
    pub(crate) fn new(key: &tokens::Key, now: Time) -> Self {
        Self {
            cookies: Passes::new(key, "client cookie", now),
            headers: Passes::new(key, "client header", now),
            numbers: key.derive("client number"),
        }
    }

    /// Returns the client in this service's cookie. A cookie of another service is ignored: it may have been earned
    /// more easily.
    pub(crate) fn client(&self, headers: &HeaderMap, service: u64, tls: bool) -> Option<RecognizedClient> {
        let wanted = name(tls).as_bytes();
        // Not with the crate `cookie`: it parses every pair into a struct of text (300 ns for four cookies, against
        // 60 ns here for each request), and rejects a line with bytes that are not UTF-8.
        for value in headers.get_all(header::COOKIE) {
            for pair in value.as_bytes().split(|b| *b == b';').map(<[u8]>::trim_ascii) {
                let value = pair.strip_prefix(wanted).and_then(|rest| rest.strip_prefix(b"="));
                if let Some(value) = value {
                    let body = self.cookies.verify(value, Time::now()).ok()?;
                    let (of, rest) = body.split_first_chunk::<8>()?;
                    let (number, since) = rest.split_first_chunk::<8>()?;
                    let since = u32::from_be_bytes(since.try_into().ok()?);
                    let found = RecognizedClient { number: u64::from_be_bytes(*number), since };
                    return (u64::from_be_bytes(*of) == service).then_some(found);
                }
            }
        }
        None
    }

    /// A client that succeeds for the first time.
    pub(crate) fn recognize(&self, service: u64, address: IpAddr) -> RecognizedClient {
        let address = match address.to_canonical() {
            IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from(u128::from(six) >> 64 << 64)),
            four => four,
        };
        let number =
            self.numbers.number(&format!("{service} {address} {}", fastrand::u8(..NUMBERS_PER_ADDRESS)));
        RecognizedClient { number, since: u32::try_from(Time::now().as_second()).unwrap_or(u32::MAX) }
    }

    /// The cookie that makes a client known at a service.
    pub(crate) fn cookie(
        &self,
        service: u64,
        client: RecognizedClient,
        lasting: Duration,
        tls: bool,
    ) -> Option<HeaderValue> {
        let now = Time::now();
        let until = now.checked_add(jiff::SignedDuration::try_from(lasting).ok()?).ok()?;
        let mut body = [0; 20];
        body[..8].copy_from_slice(&service.to_be_bytes());
        body[8..16].copy_from_slice(&client.number.to_be_bytes());
        body[16..].copy_from_slice(&client.since.to_be_bytes());
        let pass = self.cookies.sign(&body, until, now);
        let secure = if tls { "; Secure" } else { "" };
        let text = format!(
            "{}={pass}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
            name(tls),
            lasting.as_secs()
        );
        HeaderValue::try_from(text).ok()
    }

    /// Returns the client for which a declared caller asks.
    pub(crate) fn forwarded(&self, headers: &HeaderMap) -> Option<Client> {
        let mut values = headers.get_all(CLIENT).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let body = self.headers.verify(value.as_bytes(), Time::now()).ok()?;
        let body: &[u8; 26] = (*body).try_into().ok()?;
        let number = u64::from_be_bytes(*body.first_chunk()?);
        let six: [u8; 16] = body[10..].try_into().ok()?;
        Some(Client {
            recognized: matches!(body[8], RECOGNIZED | NEW).then_some(number),
            is_new: body[8] == NEW,
            class: *Class::ALL.get(usize::from(body[9]))?,
            address: Ipv6Addr::from(six).to_canonical(),
        })
    }

    /// Returns the header value for a server.
    pub(crate) fn header(&self, client: &Client) -> String {
        let mut body = [0; 26];
        body[..8].copy_from_slice(&client.recognized.unwrap_or(0).to_be_bytes());
        body[8] = match (client.recognized, client.is_new) {
            (None, _) => 0,
            (Some(_), false) => RECOGNIZED,
            (Some(_), true) => NEW,
        };
        body[9] = Class::ALL.iter().position(|class| *class == client.class).map_or(0, |at| at as u8);
        let six = match client.address {
            IpAddr::V4(four) => four.to_ipv6_mapped(),
            IpAddr::V6(six) => six,
        };
        body[10..].copy_from_slice(&six.octets());
        let now = Time::now();
        let until =
            jiff::SignedDuration::try_from(HEADER_VALID).ok().and_then(|lasts| now.checked_add(lasts).ok());
        self.headers.sign(&body, until.unwrap_or(now), now)
    }
}

/// Over TLS a cookie that no other host can set.
fn name(tls: bool) -> &'static str {
    if tls { "__Host-mainstay" } else { "mainstay" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn signed_tokens_verify_and_others_do_not() {
        let tokens = ClientTokens::new(&tokens::Key::new([7; 32]), Time::now());
        for tls in [true, false] {
            let client = RecognizedClient { number: 42, since: 1_000_000 };
            let cookie = tokens.cookie(7, client, Duration::from_secs(60), tls).unwrap();
            let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, format!("a=b; {pair}; c=d").parse().unwrap());
            assert_eq!(tokens.client(&headers, 7, tls), Some(client));
            assert_eq!(tokens.client(&headers, 8, tls), None, "of another service");
            assert_eq!(tokens.client(&headers, 7, !tls), None);
            headers.insert(header::COOKIE, format!("{}x", pair).parse().unwrap());
            assert_eq!(tokens.client(&headers, 7, tls), None);
        }
        for address in ["192.0.2.1", "2001:db8::1"] {
            for (recognized, is_new) in [(None, false), (Some(9), false), (Some(9), true)] {
                let address = address.parse().unwrap();
                let client = Client { recognized, is_new, class: Class::FirstTime, address };
                let mut headers = HeaderMap::new();
                headers.insert(CLIENT, tokens.header(&client).parse().unwrap());
                assert_eq!(tokens.forwarded(&headers), Some(client));
                headers.append(CLIENT, tokens.header(&client).parse().unwrap());
                assert_eq!(tokens.forwarded(&headers), None, "two headers are none");
            }
        }
    }

    #[test]
    fn address_gets_few_numbers_however_often_it_succeeds() {
        let tokens = ClientTokens::new(&tokens::Key::new([7; 32]), Time::now());
        let numbers = |service, client: &str| {
            let client = client.parse().unwrap();
            let all = (0..2_000).map(|_| tokens.recognize(service, client));
            all.inspect(|client| assert!(client.is_new()))
                .map(|client| client.number)
                .collect::<BTreeSet<_>>()
        };
        let first = numbers(1, "192.0.2.1");
        assert_eq!(first.len(), usize::from(NUMBERS_PER_ADDRESS));
        assert_eq!(first, numbers(1, "::ffff:192.0.2.1"));
        assert_eq!(numbers(1, "2001:db8::1"), numbers(1, "2001:db8::2"));
        for other in [numbers(2, "192.0.2.1"), numbers(1, "192.0.2.2"), numbers(1, "2001:db8:0:1::1")] {
            assert!(first.is_disjoint(&other));
        }
        assert!(!RecognizedClient { number: 1, since: 1_000_000 }.is_new());
    }
}
