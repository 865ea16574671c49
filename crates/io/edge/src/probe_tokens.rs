//! The signed header of mainstay's own probes: the valve of a service lets them through, because they measure the service
//! for those who are let in.

use http::header::{HeaderMap, HeaderName};
use std::time::Duration;
use tokens::{Key, Passes};
use types::Time;

/// The header.
pub(crate) const PROBE: HeaderName = HeaderName::from_static("mainstay-probe");
/// A token is made for one request; the clocks of two machines may differ by about a minute.
const VALID: Duration = Duration::from_secs(120);

/// Signs and verifies the header. A token is valid for one host, so that no other host can use it.
pub struct ProbeTokens {
    passes: Passes,
    hosts: Key,
}

impl ProbeTokens {
    /// `key` is the installation's.
    #[must_use]
    pub fn new(key: &Key, now: Time) -> Self {
        Self { passes: Passes::new(key, "probe", now), hosts: key.derive("probe host") }
    }

    /// Returns the value of the header `mainstay-probe` for a request to a host: in lower case, without a port.
    #[must_use]
    pub fn token(&self, host: &str, now: Time) -> String {
        self.passes.sign(&self.host(host), types::time::later(now, VALID), now)
    }

    /// Whether a request to a host shows a valid token.
    pub(crate) fn shown(&self, headers: &HeaderMap, host: &str) -> bool {
        let Some(value) = headers.get(PROBE) else { return false };
        let body = self.passes.verify(value.as_bytes(), Time::now());
        body.is_ok_and(|body| *body == self.host(host))
    }

    fn host(&self, host: &str) -> [u8; 8] {
        self.hosts.number(host).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_valid_for_its_host_and_for_a_moment() {
        let now = Time::now();
        let tokens = ProbeTokens::new(&Key::new([7; 32]), now);
        let shown = |token: String, host: &str| {
            let headers = HeaderMap::from_iter([(PROBE, token.parse().unwrap())]);
            tokens.shown(&headers, host)
        };
        assert!(shown(tokens.token("auth.acme.com", now), "auth.acme.com"));
        assert!(!shown(tokens.token("auth.acme.com", now), "shop.acme.com"));
        let old = types::time::earlier(now, Duration::from_secs(300));
        assert!(!shown(tokens.token("auth.acme.com", old), "auth.acme.com"));
        let other = ProbeTokens::new(&Key::new([8; 32]), now);
        assert!(!shown(other.token("auth.acme.com", now), "auth.acme.com"));
        assert!(!tokens.shown(&HeaderMap::new(), "auth.acme.com"));
    }
}
