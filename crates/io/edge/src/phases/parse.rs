//! Phase parse: the head is validated, and the service is found by the host.

use super::respond::Refused;
use super::respond::error_page::{self, Refusal};
use crate::connection::Connection;
use crate::head::{self, ConnectionOptions, HeaderPresence, Host};
use crate::inbound::Inbound;
use crate::telemetry::{OpenRecord, RouteKey};
use crate::thread::ThreadView;
use http::StatusCode;
use http::request::Parts;
use traffic::Route;
use types::config;

/// A valid head, and the service that it is for.
pub(crate) struct Parsed<'a> {
    pub(crate) host: Host,
    pub(crate) options: ConnectionOptions,
    pub(crate) route: &'a Route,
    /// Bytes of the body, where the length is declared.
    pub(crate) length: Option<u64>,
}

/// Validates the head and finds the service. `https`: whether a trusted proxy says that the client used HTTPS.
pub(crate) fn parse<'a>(
    connection: &Connection,
    view: &'a ThreadView,
    (parts, has): (&mut Parts, HeaderPresence),
    body: Option<&Inbound>,
    https: Option<bool>,
    record: &mut OpenRecord,
) -> Result<Parsed<'a>, Refused> {
    if connection.http2.get()
        && let Err(refusal) = http2_only(view, parts)
    {
        record.asks(parts.version, &parts.method, "", parts.uri.path());
        return Err(Refused::Malformed(refusal));
    }
    let (host, options) = match head::examine(parts, has) {
        Ok(found) => found,
        Err(error) => {
            record.asks(parts.version, &parts.method, "", parts.uri.path());
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
            return Err(Refused::Malformed(Refusal::new(status, error.message()).and_close()));
        }
    };
    let name = host.name();
    record.asks(parts.version, &parts.method, &name, parts.uri.path());
    let Some(route) = view.shared.policy.route(&name) else { return Err(Refused::UnknownHost) };
    record.route = view.routes.get(route.index).copied().unwrap_or(RouteKey::NONE);
    let edge = &view.shared.edge;
    if edge.redirect_to_https && !https.unwrap_or(connection.tls) {
        return Err(Refused::Redirect(https_location(edge, &host, parts)));
    }
    let length = body.and_then(Inbound::exact);
    if length.is_some_and(|length| length > edge.limits.body_bytes) {
        return Err(Refused::Malformed(error_page::TOO_LARGE));
    }
    Ok(Parsed { host, options, route, length })
}

/// Checks that HTTP/2 leaves to its users.
fn http2_only(view: &ThreadView, parts: &mut Parts) -> Result<(), Refusal> {
    let limits = &view.shared.edge.limits;
    if parts.headers.len() > limits.headers as usize || head::length(parts) > limits.head_bytes as usize {
        return Err(error_page::TOO_LONG);
    }
    let Some(protocol) = parts.extensions.remove::<h2::ext::Protocol>() else { return Ok(()) };
    // No other protocol of an extended CONNECT is an upgrade of HTTP/1.1 (RFC 8441).
    if protocol.as_str() != "websocket" {
        return Err(error_page::NOT_IMPLEMENTED);
    }
    parts.extensions.insert(hyper::ext::Protocol::from_static("websocket"));
    Ok(())
}

/// Returns the same URL with https.
fn https_location(edge: &config::Edge, host: &Host, parts: &Parts) -> String {
    let name = host.name();
    let port = https_port(edge, host.port());
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    if port == 443 { format!("https://{name}{path}") } else { format!("https://{name}:{port}{path}") }
}

/// Returns the port of HTTPS as the client sees it. A request that names the very port that the edge listens on
/// came without a port mapping in front of the edge; otherwise the edge cannot know, and the default port is used.
fn https_port(edge: &config::Edge, asked: Option<u16>) -> u16 {
    let is_ours = asked.is_some_and(|port| port != 80 && edge.listen.iter().any(|at| at.port() == port));
    let listened = edge.listen_tls.first().filter(|_| is_ours).map(std::net::SocketAddr::port);
    edge.https_port.or(listened).unwrap_or(443)
}
