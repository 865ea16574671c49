//! The RDAP client: redirects, body and time are bounded, private addresses refused.

use super::budget::{Budgets, Deferred};
use crate::names::Names;
use crate::resolver::{client_builder, deepest};
use crate::setup::SetupError;
use reqwest::header::{ACCEPT, DATE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tls_roots::{Roots, client_config};
use tokio::time::{Instant, timeout_at};
use types::Fault;

/// Bytes read of a body; usual answers have a few KiB.
const BODY_MAX: usize = 256 * 1024;
/// Redirects followed.
const HOPS_MAX: usize = 5;
/// Pause after a request to wait without a duration, and the longest pause.
const WAIT_DEFAULT: Duration = Duration::from_secs(60);
const WAIT_MAX: Duration = Duration::from_secs(24 * 3_600);

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// An HTTP client for RDAP. Has two clients: one for servers that the configuration names, and one that refuses private addresses.
#[derive(Debug)]
pub(crate) struct RdapClient {
    names: Arc<Names>,
    any_address: Client,
    public_only: Client,
}

impl RdapClient {
    /// # Errors
    /// TLS or the HTTP client cannot be set up.
    pub(crate) fn new(roots: &Roots, names: Arc<Names>) -> Result<Self, SetupError> {
        let tls = client_config(Arc::clone(roots.store()))
            .map_err(|why| SetupError::Tls { why: why.to_string() })?;
        let client = |guard: bool| {
            client_builder(tls.clone(), Arc::clone(&names), guard)
                // One lookup a day: an idle connection would only use the registry's resources.
                .pool_max_idle_per_host(0)
                .build()
                .map_err(|error| SetupError::Registry { why: deepest(&error) })
        };
        Ok(Self { any_address: client(false)?, public_only: client(true)?, names })
    }

    /// Requests a URL, each hop within the rate limit of its server. `declared` is the URL of the configuration, whose server
    /// may have a private address.
    pub(crate) async fn get(
        &self,
        url: &str,
        declared: Option<&str>,
        budgets: &Budgets,
        until: Instant,
    ) -> Result<Body, Fault> {
        let mut url = Url::parse(url).map_err(|_| failed("its address is not a usable URL"))?;
        url.set_fragment(None);
        let known = declared.and_then(|url| Url::parse(url).ok()).map(|url| authority(&url));
        for _ in 0..=HOPS_MAX {
            let server = authority(&url);
            let meant = known.as_ref() == Some(&server);
            if !meant {
                self.refuse_inner_literal(&url)?;
            }
            wait_for_turn(budgets, &server, until).await?;
            let client = if meant { &self.any_address } else { &self.public_only };
            let request = client.get(url.clone()).header(ACCEPT, "application/rdap+json, application/json");
            let response = match timeout_at(until, request.send()).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(failed(format!("{server}: {}", deepest(&error.without_url())))),
                Err(_) => return Err(silent(&server)),
            };
            let status = response.status();
            if let Some(span) = asked_to_wait(status, response.headers()) {
                budgets.close_for(&server, span);
                let why = format!("{server} asks us to wait (status {})", status.as_u16());
                return Err(Fault::Lookup { why, retry_after: Some(span) });
            }
            if status.is_redirection() {
                url = next(&url, response.headers())?;
                continue;
            }
            return match timeout_at(until, body(response)).await {
                Ok(Ok(body)) => Ok(Body { status: status.as_u16(), body }),
                Ok(Err(why)) => Err(failed(format!("{server} {why}"))),
                Err(_) => Err(silent(&server)),
            };
        }
        Err(failed(format!("it redirects more than {HOPS_MAX} times")))
    }

    /// Refuses a private address literal, which does not pass the resolver.
    fn refuse_inner_literal(&self, url: &Url) -> Result<(), Fault> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        match host.parse::<IpAddr>() {
            Ok(address) if !self.names.allows(address) => {
                Err(failed(Fault::PrivateAddress { address }.to_string()))
            }
            _ => Ok(()),
        }
    }
}

/// Waits for a turn at a server, or returns why there is none.
pub(super) async fn wait_for_turn(budgets: &Budgets, server: &str, until: Instant) -> Result<(), Fault> {
    match budgets.turn(server, until).await {
        Ok(()) => Ok(()),
        Err(Deferred::Registration(span)) => {
            let why = format!("{server} asked us to wait before");
            Err(Fault::Lookup { why, retry_after: Some(span) })
        }
        Err(Deferred::Queue(span)) => {
            let why = format!("too many requests are waiting for {server}");
            Err(Fault::Lookup { why, retry_after: Some(span) })
        }
    }
}

/// The fault of a lookup that may be repeated at any time.
pub(super) fn failed(why: impl Into<String>) -> Fault {
    Fault::Lookup { why: why.into(), retry_after: None }
}

/// The fault of a server that did not answer in time.
pub(super) fn silent(server: &str) -> Fault {
    failed(format!("{server} does not answer in time"))
}

/// Host and port, the key of the rate limit.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn next(from: &Url, headers: &HeaderMap) -> Result<Url, Fault> {
    let to = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let mut to = to.and_then(|to| from.join(to).ok()).ok_or_else(|| failed("it redirects to nowhere"))?;
    // Never part of a request, and the crate `http` of third_party/ would send it.
    to.set_fragment(None);
    match (from.scheme(), to.scheme()) {
        ("https", "https") | ("http", "http" | "https") => Ok(to),
        _ => Err(failed("it redirects to something less safe than https")),
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > BODY_MAX => {
                return Err(format!("sends more than the {} KiB that we read", BODY_MAX / 1_024));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => return Err(format!("breaks off: {}", deepest(&error.without_url()))),
        }
    }
}

/// The pause that a server requests: with 429 always, with 503 if it has `Retry-After`.
fn asked_to_wait(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let sent = headers.get(DATE).and_then(|value| value.to_str().ok());
    let span = value.and_then(|value| span(value.trim(), sent));
    match status {
        StatusCode::TOO_MANY_REQUESTS => Some(span.unwrap_or(WAIT_DEFAULT)),
        StatusCode::SERVICE_UNAVAILABLE => span,
        _ => None,
    }
}

/// Seconds, or an HTTP date counted from the answer's own date.
fn span(value: &str, sent: Option<&str>) -> Option<Duration> {
    let read = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    let span = match value.parse::<u64>() {
        Ok(secs) => Duration::from_secs(secs),
        Err(_) => types::time::between(read(sent?)?, read(value)?),
    };
    Some(span.clamp(Duration::from_secs(1), WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_to_wait_is_read_in_both_forms() {
        let secs = Duration::from_secs;
        let sent = Some("Sun, 22 Nov 2026 08:00:00 GMT");
        assert_eq!(span("120", None), Some(secs(120)));
        assert_eq!(span("0", None), Some(secs(1)));
        assert_eq!(span("99999999", None), Some(WAIT_MAX));
        assert_eq!(span("Sun, 22 Nov 2026 08:05:00 GMT", sent), Some(secs(300)));
        assert_eq!(span("Sun, 22 Nov 2026 07:05:00 GMT", sent), Some(secs(1)));
        assert_eq!(span("Sun, 22 Nov 2026 08:05:00 GMT", None), None);
        assert_eq!(span("soon", sent), None);
    }

    #[test]
    fn redirects_never_lead_from_safe_to_unsafe() {
        let to = |from: &str, to: &str| {
            let headers = HeaderMap::from_iter([(LOCATION, to.parse().unwrap())]);
            next(&Url::parse(from).unwrap(), &headers).map(String::from).ok()
        };
        assert_eq!(to("https://a.test/x", "/y").as_deref(), Some("https://a.test/y"));
        assert_eq!(to("http://a.test/x", "https://b.test/#part").as_deref(), Some("https://b.test/"));
        assert_eq!(to("https://a.test/x", "http://a.test/y"), None);
        assert_eq!(to("http://a.test/x", "file:///etc/passwd"), None);
        assert_eq!(next(&Url::parse("http://a.test").unwrap(), &HeaderMap::new()).ok(), None);
    }
}
