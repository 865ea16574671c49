//! The fields of a request that reach a server, in one table.
//!
//! Servers trust some fields because only a proxy writes them: the client's address, the original path, the
//! signed-in user. From a client they are a forgery. The edge sets some of them itself, drops the others, and
//! passes what a trusted proxy legitimately writes. Names with `_` count as those with `-`: servers that turn
//! fields into variables cannot tell them apart.

use http::HeaderMap;
use http::header::{self, HeaderName};

/// The party that may write a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    /// Each connection for itself: framing and hop-by-hop fields (RFC 9110 section 7.6.1).
    Connection,
    /// The edge; it replaces what was received.
    Edge,
    /// A trusted proxy; dropped from any other peer.
    Hop,
    /// Never passed: no honest client or proxy sends it.
    Nobody,
}

/// The table. `None`: any client may write it. `name` is in lower case, with `-` for `_`.
fn writer(name: &str) -> Option<Writer> {
    Some(match name {
        "host" | "connection" | "transfer-encoding" | "content-length" | "te" | "upgrade" | "expect"
        | "keep-alive" | "proxy-connection" | "proxy-authorization" | "http2-settings" => Writer::Connection,
        "forwarded" | "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host" | "x-real-ip"
        | "x-request-id" | "traceparent" | "tracestate" | "mainstay-client" | "mainstay-caller"
        | "mainstay-probe" => {
            Writer::Edge
        }
        // CGI makes HTTP_PROXY of it; the other two choose the file that Rack and nginx send.
        "proxy" | "x-sendfile-type" | "x-accel-mapping" => Writer::Nobody,
        // The client's address.
        "true-client-ip" | "cf-connecting-ip" | "cf-connecting-ipv6" | "cf-pseudo-ipv4" | "x-client-ip"
        | "client-ip" | "x-cluster-client-ip" | "fastly-client-ip" | "fly-client-ip" | "x-azure-clientip"
        | "x-azure-socketip" | "x-envoy-external-address" | "x-appengine-user-ip" | "x-nf-client-connection-ip"
        | "x-original-forwarded-for" | "x-remote-ip" | "x-remote-addr" | "remote-addr" | "x-proxyuser-ip"
        | "proxy-client-ip" | "wl-proxy-client-ip" | "x-real-port"
        // How the request was made.
        | "front-end-https" | "x-scheme" | "x-url-scheme"
        // The original target.
        | "x-original-url" | "x-original-uri" | "x-original-host" | "x-original-method" | "x-rewrite-url"
        // The signed-in user.
        | "remote-user" | "x-remote-user" | "x-webauth-user" | "client-cert" | "client-cert-chain"
        | "x-client-cert" => Writer::Hop,
        _ if SETS.iter().any(|prefix| name.starts_with(prefix)) => Writer::Hop,
        _ => return None,
    })
}

/// Beginnings of names that only proxies write.
const SETS: [&str; 5] = ["x-forwarded-", "x-auth-request-", "ssl-client-", "x-ssl-client-", "x-remote-user-"];

/// First letters of the names in the table.
const LETTERS: &[u8] = b"cefhkmprstuwx";

/// Whether a field of a request is passed on unchanged. `proxy`: it comes from a trusted proxy.
#[inline]
pub(crate) fn passes(name: &HeaderName, hop: bool) -> bool {
    match *name {
        header::ACCEPT
        | header::ACCEPT_ENCODING
        | header::ACCEPT_LANGUAGE
        | header::USER_AGENT
        | header::COOKIE
        | header::AUTHORIZATION
        | header::CACHE_CONTROL
        | header::REFERER
        | header::CONTENT_TYPE => true,
        _ => passes_other(name.as_str(), hop),
    }
}

fn passes_other(name: &str, hop: bool) -> bool {
    match of(name) {
        None => true,
        // A proxy writes the name as it is known; a variant of it is its client's.
        Some(Writer::Hop) => hop && !name.contains('_'),
        Some(Writer::Connection | Writer::Edge | Writer::Nobody) => false,
    }
}

fn of(name: &str) -> Option<Writer> {
    if !name.as_bytes().first().is_some_and(|first| LETTERS.contains(first)) {
        return None;
    }
    if name.contains('_') { writer(&name.replace('_', "-")) } else { writer(name) }
}

/// Whether a field is allowed in a trailer (RFC 9110 section 6.5.1): not those of framing, routing, authentication,
/// or of content coding.
pub(crate) fn may_trail(name: &HeaderName) -> bool {
    !matches!(
        name.as_str(),
        "transfer-encoding"
            | "content-length"
            | "host"
            | "connection"
            | "te"
            | "trailer"
            | "upgrade"
            | "keep-alive"
            | "proxy-connection"
            | "content-encoding"
            | "content-type"
            | "content-range"
            | "authorization"
            | "proxy-authorization"
            | "set-cookie"
            | "cookie"
    )
}

/// Whether a field of a request's trailers is passed on: in addition, none that only proxies write.
fn trails(name: &HeaderName) -> bool {
    let dashed = || name.as_str().replace('_', "-");
    let plain = || HeaderName::try_from(dashed()).is_ok_and(|name| may_trail(&name));
    may_trail(name) && of(name.as_str()).is_none() && (!name.as_str().contains('_') || plain())
}

/// The trailers of a request as a server gets them. HTTP/2 gives a whole connection up for some of the others.
pub(crate) fn trailers(all: HeaderMap) -> HeaderMap {
    if all.keys().all(trails) {
        return all;
    }
    let mut kept = HeaderMap::new();
    for (name, value) in &all {
        if trails(name) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HeaderName {
        HeaderName::try_from(text.to_ascii_lowercase()).unwrap()
    }

    #[test]
    fn forged_fields_reach_no_server() {
        for field in [
            "X-Forwarded-For",
            "Forwarded",
            "X-Real-IP",
            "X-Forwarded-Host",
            "X-Forwarded-Port",
            "X-Forwarded-Server",
            "X-Forwarded-Prefix",
            "X-Forwarded-Ssl",
            "X-Forwarded-Scheme",
            "X-Forwarded-User",
            "X-Original-URL",
            "X-Rewrite-URL",
            "True-Client-IP",
            "CF-Connecting-IP",
            "X-Client-IP",
            "Client-IP",
            "X-Cluster-Client-IP",
            "Front-End-Https",
            "Remote-User",
            "X-Remote-User",
            "Proxy",
            "Mainstay-Client",
            "Mainstay-Caller",
            "X-Request-Id",
            "Expect",
            "TE",
            "Host",
            "Content-Length",
            "Transfer-Encoding",
            "Keep-Alive",
            "Upgrade",
            "X-Auth-Request-User",
            "WL-Proxy-Client-IP",
        ] {
            for field in [field.to_owned(), field.replace('-', "_")] {
                assert!(!passes(&name(&field), false), "{field}");
                assert_eq!(trailers(HeaderMap::from_iter([(name(&field), field.parse().unwrap())])).len(), 0);
            }
        }
    }

    #[test]
    fn proxy_fields_pass_from_trusted_proxies() {
        for field in ["x-forwarded-prefix", "x-forwarded-port", "x-forwarded-server", "cf-connecting-ip"] {
            assert!(passes(&name(field), true), "{field}");
        }
        for field in ["x-forwarded-for", "x-real-ip", "connection", "mainstay-client", "proxy", "x_real_ip"] {
            assert!(!passes(&name(field), true), "{field}");
        }
    }

    #[test]
    fn other_fields_pass_from_any_client() {
        for field in ["accept", "x-mine", "x_mine", "sec-fetch-mode", "if-none-match", "x-api-key", "origin"]
        {
            assert!(passes(&name(field), false), "{field}");
            assert!(of(field).is_none());
        }
        for field in ["x-checksum", "grpc-status", "server-timing"] {
            assert!(trails(&name(field)), "{field}");
        }
        for field in ["cookie", "authorization", "content_type", "set_cookie", "trailer"] {
            assert!(!trails(&name(field)), "{field}");
        }
    }

    #[test]
    fn every_name_of_the_table_is_looked_up() {
        let text = include_str!("fields.rs");
        let table = text.split("fn writer").nth(1).unwrap().split("/// Beginnings").next().unwrap();
        for field in table.split('"').skip(1).step_by(2) {
            assert!(of(field).is_some(), "{field}");
        }
    }
}
