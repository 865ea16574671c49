//! Phase between admit and forward for a write with an idempotency key: the key is read, and remembered on disk. What follows
//! is in [`crate::request`].

use super::respond::Refused;
use super::respond::error_page::Refusal;
use crate::exchange::Exchange;
use crate::idempotency::{Asked, Keyed, Reply, Unavailable};
use crate::request_body::RequestBody;
use http::StatusCode;
use http::header::HeaderName;
use http::request::Parts;
use ring::digest::{Context, SHA256};
use std::net::IpAddr;
use traffic::Route;
use traffic::idempotency::{Fingerprint, key};

/// The header of a key (draft-ietf-httpapi-idempotency-key-header-07).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const BAD_KEY: Refusal = Refusal::new(
    StatusCode::BAD_REQUEST,
    "The Idempotency-Key of this request is not one value of 16 to 128 printable characters. A retry does not help; a UUID is a good key.",
);

/// Returns the key of a request, where it is a write that is delivered once.
///
/// # Errors
/// When the key may be one that another client uses too.
pub(crate) fn keyed(route: &Route, parts: &Parts) -> Result<Option<Box<Keyed>>, Refused> {
    let Some(offline) = route.offline() else { return Ok(None) };
    let mut values = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if !offline.is_write(parts.method.as_str(), parts.uri.path()) {
        return Ok(None);
    }
    match key(value.as_bytes()).filter(|_| values.next().is_none()) {
        Some(key) => {
            let (keep, max_body) = (offline.keep, offline.max_body);
            Ok(Some(Box::new(Keyed { key: key.into(), keep, max_body })))
        }
        None => Err(Refused::Malformed(BAD_KEY)),
    }
}

/// Remembers the key, or finds what is known of it.
pub(crate) async fn begin(exchange: &Exchange, keyed: Keyed) -> Result<Reply, Unavailable> {
    let view = &exchange.admitted.view.shared;
    let route = view.policy.routes().get(exchange.admitted.route).ok_or(Unavailable)?;
    let store = view.keys.clone().ok_or(Unavailable)?;
    let fingerprint = fingerprint(exchange);
    let service = route.service.0.as_str().into();
    let client = client(exchange.admitted.cleared.client.address);
    store.begin(Asked { service, key: keyed.key, client, fingerprint, keep: keyed.keep }).await
}

/// The number of a client in the store, an IPv6 one by its /64: a digest, so that no address is on the disk. It is the same after a
/// restart.
fn client(address: IpAddr) -> i64 {
    let mut digest = Context::new(&SHA256);
    match address.to_canonical() {
        IpAddr::V4(address) => digest.update(&address.octets()),
        IpAddr::V6(address) => digest.update(&address.octets()[..8]),
    }
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest.finish().as_ref()[..8]);
    i64::from_be_bytes(bytes)
}

/// The digest of method, host, target and body. Neither cookies nor headers: they differ when the request is sent again.
fn fingerprint(exchange: &Exchange) -> Fingerprint {
    let mut digest = Context::new(&SHA256);
    let target = exchange.parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let host = exchange.admitted.host.name();
    for part in [exchange.parts.method.as_str(), &*host, target] {
        digest.update(part.as_bytes());
        digest.update(b"\n");
    }
    for part in exchange.admitted.body.iter().flat_map(RequestBody::read_parts) {
        digest.update(part);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.finish().as_ref());
    bytes
}
