//! Signed tokens: the cookie of a recognized client, and the header that forwards a client's identity.

use crate::facts::{Class, Identity};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use tokens::{Key, Passes};
use types::{Time, time};

/// Lifetime of the header that a server gets with a request.
const HEADER_VALID: Duration = Duration::from_secs(600);

/// Signs and reads the cookie of recognized clients and the header `mainstay-client`. The keys change by themselves;
/// one made long ago still reads and signs like a new one, only slower.
#[derive(Clone, Debug)]
pub struct ClientTokens {
    cookies: Passes,
    headers: Passes,
}

/// The content of the header: the client for which a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardedClient {
    /// The number of a recognized client; `None` for any client else.
    pub recognized: Option<u64>,
    /// The class that the request had where it entered.
    pub class: Class,
    /// The client's address.
    pub address: IpAddr,
}

impl ForwardedClient {
    /// The client, for [`Facts`](crate::Facts).
    #[must_use]
    pub fn identity(&self) -> Identity<'static> {
        self.recognized.map_or(Identity::FirstTime, Identity::Recognized)
    }
}

impl ClientTokens {
    /// Derives the keys from the installation's key.
    #[must_use]
    pub fn new(key: &Key, now: Time) -> Self {
        Self { cookies: Passes::new(key, "client", now), headers: Passes::new(key, "hop", now) }
    }

    /// The value of a cookie that makes a client known. The number is random. 40 characters.
    #[must_use]
    pub fn cookie(&self, client: u64, lasting: Duration, now: Time) -> String {
        self.cookies.sign(&client.to_be_bytes(), time::later(now, lasting), now)
    }

    /// The number of the client that shows this cookie, if it is ours and its time is not over.
    #[must_use]
    pub fn client(&self, cookie: &[u8], now: Time) -> Option<u64> {
        let body = self.cookies.verify(cookie, now).ok()?;
        Some(u64::from_be_bytes((*body).try_into().ok()?))
    }

    /// The value of the header, good for ten minutes.
    #[must_use]
    pub fn header(&self, forwarded: &ForwardedClient, now: Time) -> String {
        let mut body = [0; 26];
        body[0] = forwarded.class as u8;
        body[1] = u8::from(forwarded.recognized.is_some());
        body[2..10].copy_from_slice(&forwarded.recognized.unwrap_or_default().to_be_bytes());
        let length = match forwarded.address.to_canonical() {
            IpAddr::V4(v4) => {
                body[10..14].copy_from_slice(&v4.octets());
                14
            }
            IpAddr::V6(v6) => {
                body[10..26].copy_from_slice(&v6.octets());
                26
            }
        };
        self.headers.sign(&body[..length], time::later(now, HEADER_VALID), now)
    }

    /// Returns the content of a valid header. To be trusted from a declared caller only.
    #[must_use]
    pub fn forwarded(&self, header: &[u8], now: Time) -> Option<ForwardedClient> {
        let body = self.headers.verify(header, now).ok()?;
        let (head, address) = body.split_first_chunk::<10>()?;
        let class = Class::ALL.into_iter().find(|class| *class as u8 == head[0])?;
        let number = u64::from_be_bytes(head[2..].try_into().ok()?);
        let client = match address.len() {
            4 => IpAddr::V4(Ipv4Addr::from_bits(u32::from_be_bytes(address.try_into().ok()?))),
            _ => IpAddr::V6(Ipv6Addr::from_bits(u128::from_be_bytes(address.try_into().ok()?))),
        };
        Some(ForwardedClient { recognized: (head[1] == 1).then_some(number), class, address: client })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_tokens_verify_and_others_do_not() {
        let now: Time = "2026-11-22T04:00:00Z".parse().unwrap();
        let pass = ClientTokens::new(&Key::new([42; 32]), now);
        let cookie = pass.cookie(77, Duration::from_secs(86_400), now);
        assert_eq!(cookie.len(), 40);
        assert_eq!(pass.client(cookie.as_bytes(), now), Some(77));
        assert_eq!(pass.client(cookie.as_bytes(), time::later(now, Duration::from_secs(86_400))), None);
        assert_eq!(pass.forwarded(cookie.as_bytes(), now), None);
        for address in ["203.0.113.9", "2001:db8::7"] {
            for known in [None, Some(0), Some(u64::MAX)] {
                for class in Class::ALL {
                    let forwarded =
                        ForwardedClient { recognized: known, class, address: address.parse().unwrap() };
                    let header = pass.header(&forwarded, now);
                    assert!(header.len() <= 64, "{}", header.len());
                    assert_eq!(pass.forwarded(header.as_bytes(), now), Some(forwarded));
                    assert_eq!(pass.client(header.as_bytes(), now), None);
                }
            }
        }
    }
}
