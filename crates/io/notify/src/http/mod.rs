//! HTTP client of all channels: trusted roots, no redirects, and no private address unless the configuration allows it.

mod failure;
mod resolver;

use netaddr::Allowed;
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Url};
use resolver::Resolver;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tls_roots::Roots;
use tokio::time::Instant;
use types::notification::Undelivered;
use types::{Config, time};

/// Timeout of an attempt, from the name lookup to the last byte.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout of a connection, with the name lookup.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Timeout of reading a body after the status has arrived.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// Idle time after which a connection to a provider is closed.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a body that are read: enough for an id or a reason.
const BODY_BYTES_MAX: usize = 16 << 10;

/// The client cannot be created.
#[derive(Debug, Error)]
pub(crate) enum HttpError {
    #[error("site.extra_ca_files: {0}")]
    Roots(#[from] tls_roots::RootsError),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

/// A response, as far as it was read.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Vec<u8>,
    /// Whether the body was read to its end.
    pub(crate) complete: bool,
}

#[derive(Debug)]
pub(crate) struct HttpClient(reqwest::Client);

/// A request without a response.
pub(crate) struct NoResponse {
    pub(crate) undelivered: Undelivered,
    /// Whether there was a connection, so that the server may have taken the request.
    pub(crate) may_have_arrived: bool,
}

impl HttpClient {
    pub(crate) fn new(config: &Config) -> Result<Self, HttpError> {
        let roots = Roots::load(&config.site.extra_ca_files)?;
        let tls = tls_roots::client_config(Arc::clone(roots.store()))?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("mainstay/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .dns_resolver(Arc::new(Resolver {
                private: Allowed::new(config.site.allow_private.iter().copied()),
            }))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .pool_idle_timeout(KEEPALIVE_TIMEOUT)
            .build()?;
        Ok(Self(client))
    }

    pub(crate) fn get(&self, url: Url) -> RequestBuilder {
        self.0.get(without_fragment(url))
    }

    pub(crate) fn post(&self, url: Url) -> RequestBuilder {
        self.0.post(without_fragment(url))
    }

    /// Sends a request and reads its response. Returns after ten seconds at most.
    pub(crate) async fn send(request: RequestBuilder) -> Result<Response, Undelivered> {
        Self::attempt(request).await.map_err(|none| none.undelivered)
    }

    /// As [`Self::send`]; without a response it says whether the request may have arrived.
    pub(crate) async fn attempt(request: RequestBuilder) -> Result<Response, NoResponse> {
        let deadline = Instant::now() + TIMEOUT;
        let response = match tokio::time::timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let undelivered = failure::unanswered(&error);
                let may_have_arrived = undelivered.retriable && !error.is_connect();
                return Err(NoResponse { undelivered, may_have_arrived });
            }
            Err(_) => {
                let why = format!("no response within {}", time::spoken(TIMEOUT));
                let undelivered = Undelivered { why, retriable: true, retry_after: None };
                return Err(NoResponse { undelivered, may_have_arrived: true });
            }
        };
        let status = response.status().as_u16();
        let retry_after =
            response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (body, complete) = read(response, deadline.min(Instant::now() + BODY_TIMEOUT)).await;
        Ok(Response { status, retry_after, body, complete })
    }
}

/// A fragment is never part of a request, and the crate `http` of third_party/ would send it.
fn without_fragment(mut url: Url) -> Url {
    url.set_fragment(None);
    url
}

/// Reads a body until its end, a limit or the deadline. Returns whether it was read to its end.
async fn read(mut response: reqwest::Response, deadline: Instant) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        match tokio::time::timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                let room = BODY_BYTES_MAX - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if body.len() == BODY_BYTES_MAX {
                    return (body, false);
                }
            }
            Ok(Ok(None)) => return (body, true),
            Ok(Err(_)) | Err(_) => return (body, false),
        }
    }
}
