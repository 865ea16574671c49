//! Whose request it is: the cookie of a visitor who once succeeded, and the signed word of a caller for whom it asks.

use guard::Class;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use model::Time;
use seal::Passes;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// The field by which a service's own callers say for whom they ask.
pub(crate) const VISITOR: &str = "mainstay-visitor";
/// The field by which they say who they are.
pub(crate) const CALLER: HeaderName = HeaderName::from_static("mainstay-caller");
/// For how long the word to a server is good; it copies it into calls that it makes while it answers.
const WORD_LASTS: Duration = Duration::from_secs(600);

/// The signers of both.
pub(crate) struct Known {
    cookies: Passes,
    words: Passes,
}

/// A visitor as a signed word tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visitor {
    /// Its number, where it is a known one.
    pub(crate) known: Option<u64>,
    /// The rank that it came in with.
    pub(crate) class: Class,
    /// Its address.
    pub(crate) client: IpAddr,
}

impl Known {
    pub(crate) fn new(key: &seal::Key, now: Time) -> Self {
        Self {
            cookies: Passes::new(key, "visitor cookie", now),
            words: Passes::new(key, "visitor header", now),
        }
    }

    /// The number of a known visitor.
    pub(crate) fn visitor(&self, headers: &HeaderMap, tls: bool) -> Option<u64> {
        let wanted = name(tls).as_bytes();
        for value in headers.get_all(header::COOKIE) {
            for pair in value.as_bytes().split(|b| *b == b';').map(<[u8]>::trim_ascii) {
                let value = pair.strip_prefix(wanted).and_then(|rest| rest.strip_prefix(b"="));
                if let Some(value) = value {
                    let body = self.cookies.open(value, Time::now()).ok()?;
                    return (*body).try_into().ok().map(u64::from_be_bytes);
                }
            }
        }
        None
    }

    /// The cookie that makes a visitor known.
    pub(crate) fn cookie(&self, visitor: u64, lasting: Duration, tls: bool) -> Option<HeaderValue> {
        let now = Time::now();
        let until = now.checked_add(jiff::SignedDuration::try_from(lasting).ok()?).ok()?;
        let pass = self.cookies.sign(&visitor.to_be_bytes(), until, now);
        let secure = if tls { "; Secure" } else { "" };
        let text = format!(
            "{}={pass}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
            name(tls),
            lasting.as_secs()
        );
        HeaderValue::try_from(text).ok()
    }

    /// What a declared caller says of the visitor for whom it asks.
    pub(crate) fn told(&self, headers: &HeaderMap) -> Option<Visitor> {
        let mut values = headers.get_all(VISITOR).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let body = self.words.open(value.as_bytes(), Time::now()).ok()?;
        let body: &[u8; 26] = (*body).try_into().ok()?;
        let number = u64::from_be_bytes(*body.first_chunk()?);
        let six: [u8; 16] = body[10..].try_into().ok()?;
        Some(Visitor {
            known: (body[8] == 1).then_some(number),
            class: *Class::ALL.get(usize::from(body[9]))?,
            client: Ipv6Addr::from(six).to_canonical(),
        })
    }

    /// The word for a server.
    pub(crate) fn word(&self, visitor: &Visitor) -> String {
        let mut body = [0; 26];
        body[..8].copy_from_slice(&visitor.known.unwrap_or(0).to_be_bytes());
        body[8] = u8::from(visitor.known.is_some());
        body[9] = Class::ALL.iter().position(|class| *class == visitor.class).map_or(0, |at| at as u8);
        let six = match visitor.client {
            IpAddr::V4(four) => four.to_ipv6_mapped(),
            IpAddr::V6(six) => six,
        };
        body[10..].copy_from_slice(&six.octets());
        let now = Time::now();
        let until =
            jiff::SignedDuration::try_from(WORD_LASTS).ok().and_then(|lasts| now.checked_add(lasts).ok());
        self.words.sign(&body, until.unwrap_or(now), now)
    }
}

/// Over TLS a cookie that no other host can set.
fn name(tls: bool) -> &'static str {
    if tls { "__Host-mainstay" } else { "mainstay" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_comes_back_and_nothing_else() {
        let known = Known::new(&seal::Key::new([7; 32]), Time::now());
        for tls in [true, false] {
            let cookie = known.cookie(42, Duration::from_secs(60), tls).unwrap();
            let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, format!("a=b; {pair}; c=d").parse().unwrap());
            assert_eq!(known.visitor(&headers, tls), Some(42));
            assert_eq!(known.visitor(&headers, !tls), None);
            headers.insert(header::COOKIE, format!("{}x", pair).parse().unwrap());
            assert_eq!(known.visitor(&headers, tls), None);
        }
        for client in ["192.0.2.1", "2001:db8::1"] {
            for known_as in [None, Some(9)] {
                let visitor =
                    Visitor { known: known_as, class: Class::First, client: client.parse().unwrap() };
                let mut headers = HeaderMap::new();
                headers.insert(VISITOR, known.word(&visitor).parse().unwrap());
                assert_eq!(known.told(&headers), Some(visitor));
                headers.append(VISITOR, known.word(&visitor).parse().unwrap());
                assert_eq!(known.told(&headers), None, "two words are none");
            }
        }
    }
}
