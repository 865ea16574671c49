//! A request on its way through the phases, with what each phase found out.

use crate::cache::fetch::Fetch;
use crate::client::{Client, RecognizedClient};
use crate::connection::{Busy, Connection};
use crate::connection_table::ConnectionSlot;
use crate::forwarded::ForwardedInfo;
use crate::head::{self, ConnectionOptions, HeaderPresence, Host};
use crate::idempotency::Keyed;
use crate::inbound::Inbound;
use crate::request_body::RequestBody;
use crate::telemetry::OpenRecord;
use crate::thread::{Thread, ThreadView};
use h2::RecvStream;
use http::Method;
use http::header::{self, HeaderValue};
use http::request::Parts;
use std::cell::Cell;
use std::rc::Rc;
use traffic::{Class, Opening, Quota, Shed, Tick};

/// A request that was not refused immediately.
pub(crate) struct Exchange {
    pub(crate) thread: Rc<Thread>,
    pub(crate) connection: Rc<Connection>,
    pub(crate) parts: Parts,
    pub(crate) admitted: Box<Admitted>,
}

impl Exchange {
    pub(crate) fn method(&self) -> &Method {
        &self.parts.method
    }

    /// Takes the stream and the slot of a tunnel requested by HTTP/2.
    pub(crate) fn take_tunnel(&mut self) -> Option<(RecvStream, ConnectionSlot)> {
        let (inbound, slot) = self.admitted.tunnel.take()?;
        match inbound {
            Inbound::Http2(inflow) => Some((inflow.into_stream()?, slot)),
            Inbound::Http1(_) => None,
        }
    }

    /// Set when the body is first read, where the client waits for that.
    pub(crate) fn expected(&mut self) -> Option<Rc<Cell<bool>>> {
        self.admitted.body.as_mut().filter(|_| self.admitted.options.expects)?.expected()
    }
}

/// The results of the phases before forwarding.
pub(crate) struct Admitted {
    pub(crate) view: Rc<ThreadView>,
    /// The route's index.
    pub(crate) route: usize,
    pub(crate) host: Host,
    pub(crate) options: ConnectionOptions,
    pub(crate) format: ErrorFormat,
    /// The long-lived connection that it begins.
    pub(crate) opening: Option<Opening>,
    /// Bytes of its body, where the length is declared.
    pub(crate) length: Option<u64>,
    pub(crate) body: Option<RequestBody>,
    /// The body that becomes a tunnel inside an HTTP/2 connection, and its slot among the connections of its address.
    pub(crate) tunnel: Option<(Inbound, ConnectionSlot)>,
    pub(crate) forwarded: ForwardedInfo,
    pub(crate) cleared: Cleared,
    /// The client in the request's cookie.
    pub(crate) shown: Option<RecognizedClient>,
    /// The pool's first verdict.
    pub(crate) announced: Result<(), Shed>,
    pub(crate) tick: Tick,
    pub(crate) record: Box<OpenRecord>,
    pub(crate) busy: Busy,
    /// What the response cache does with it, where its path is cached.
    pub(crate) cache: Option<Box<Fetch>>,
    /// Its idempotency key, where it is a write that is delivered once.
    pub(crate) keyed: Option<Box<Keyed>>,
}

/// A request that no denial and no limit refuses.
pub(crate) struct Cleared {
    pub(crate) class: Class,
    /// The number of its client, for the pool.
    pub(crate) number: u64,
    /// The number of its client's subnet, for the pool.
    pub(crate) subnet: u64,
    pub(crate) quota: Option<Quota>,
    /// The client as servers see it.
    pub(crate) client: Client,
    /// Whether a declared caller forwards this client.
    pub(crate) is_forwarded: bool,
    /// Whether a declared caller sends it on its own behalf.
    pub(crate) is_caller: bool,
}

/// Format of an error response, chosen by what the client accepts.
#[derive(Clone, Debug, Default)]
pub(crate) enum ErrorFormat {
    /// `application/problem+json` (RFC 9457).
    #[default]
    Problem,
    /// An HTML page.
    Page,
    /// A stream of server-sent events, with the origin of the page: see
    /// [`event_stream`](crate::phases::respond::error_page).
    Events(Option<HeaderValue>),
    /// A gRPC call, with its content type: its client sees no status but gRPC's own.
    Grpc(HeaderValue),
}

impl ErrorFormat {
    pub(crate) fn of(parts: &Parts, has: HeaderPresence) -> Self {
        if parts.method == Method::POST
            && let Some(kind) = parts.headers.get(header::CONTENT_TYPE)
            && kind.as_bytes().starts_with(b"application/grpc")
        {
            return Self::Grpc(kind.clone());
        }
        let Some(accept) = has.accept.then(|| parts.headers.get(header::ACCEPT)).flatten() else {
            return Self::Problem;
        };
        if accept.as_bytes().eq_ignore_ascii_case(b"text/event-stream") && parts.method == Method::GET {
            return Self::Events(parts.headers.get(header::ORIGIN).cloned());
        }
        if head::wants_page(&parts.headers) { Self::Page } else { Self::Problem }
    }
}

/// The long-lived connection that a request begins.
pub(crate) fn opening(options: &ConnectionOptions, format: &ErrorFormat) -> Option<Opening> {
    match format {
        _ if options.upgrade.is_some() => Some(Opening::WebSocket),
        ErrorFormat::Events(_) => Some(Opening::EventStream),
        _ => None,
    }
}
