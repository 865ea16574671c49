//! A stored response for one client.

use super::super::respond::body::Body;
use super::super::respond::{Responder, error_page};
use crate::cache::entry::Entry;
use crate::cache::status::{self, CACHE_STATUS, Forward, StaleFor};
use crate::cache::validators;
use crate::connection::Busy;
use crate::telemetry::{CacheOutcome, OpenRecord, Verdict};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use traffic::Tick;
use types::Time;

/// Fields of a stored response that a 304 has (RFC 9110 section 15.4.5).
const OF_304: [HeaderName; 6] = [
    header::CACHE_CONTROL,
    header::CONTENT_LOCATION,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::VARY,
];

/// A stored response, and why it is served.
pub(crate) struct Served {
    pub(crate) entry: Arc<Entry>,
    pub(crate) how: How,
}

/// Why a stored response is served.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    /// It is fresh, for this long still.
    Fresh(Duration),
    /// It is being refreshed, and stale by this.
    WhileRevalidate(Duration),
    /// Its servers fail or are overloaded.
    IfError { stale: Duration, is_overload: bool },
    /// Another request has just fetched it.
    Coalesced(Forward),
    /// A server has just confirmed it.
    Revalidated,
}

impl How {
    fn outcome(self) -> CacheOutcome {
        match self {
            Self::Fresh(_) => CacheOutcome::Hit,
            Self::WhileRevalidate(_) | Self::IfError { .. } => CacheOutcome::Stale,
            Self::Coalesced(_) => CacheOutcome::Coalesced,
            Self::Revalidated => CacheOutcome::Revalidated,
        }
    }

    fn status(self) -> HeaderValue {
        match self {
            Self::Fresh(ttl) => status::hit(Some(ttl), None),
            Self::WhileRevalidate(stale) => status::hit(None, Some((stale, StaleFor::Revalidation))),
            Self::IfError { stale, .. } => status::hit(None, Some((stale, StaleFor::Error))),
            Self::Coalesced(why) => status::collapsed(why),
            Self::Revalidated => status::forwarded(Forward::Stale, Some(304), true),
        }
    }
}

impl Responder<'_> {
    /// Returns a stored response, or a 304 where the client has it.
    pub(crate) fn stored(
        &self,
        served: &Served,
        parts: &Parts,
        mut record: Box<OpenRecord>,
        busy: Busy,
    ) -> Response<Body> {
        let (entry, how, now) = (&served.entry, served.how, self.thread.tick());
        let draft = &entry.draft;
        let is_304 = draft.status == StatusCode::OK && validators::has_it(&parts.headers, &draft.headers);
        let is_head = parts.method == Method::HEAD;
        let digits = record.ids.trace.digits();
        let status = if is_304 { StatusCode::NOT_MODIFIED } else { draft.status };
        record.cache = Some(how.outcome());
        match how {
            // A server has answered it.
            How::Revalidated => {
                record.answered(status, &draft.headers, now.0, 0);
                record.count();
            }
            _ => record.answered_here(Verdict::Cached, status.as_u16(), &why(served, now), now.0),
        }
        let body = if is_304 || is_head { Bytes::new() } else { entry.body.clone() };
        let mut response = Response::new(Body::whole(body, self.completion(record, busy)));
        *response.status_mut() = status;
        let mut headers = self.thread.map();
        for (name, value) in draft.headers.iter().filter(|(name, _)| !is_304 || OF_304.contains(name)) {
            headers.append(name.clone(), value.clone());
        }
        if is_head && !is_304 {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(entry.body.len()));
        }
        headers.insert(header::AGE, HeaderValue::from(entry.age(now).as_secs()));
        headers.append(CACHE_STATUS, how.status());
        error_page::request_id(&mut headers, &digits);
        *response.headers_mut() = headers;
        response
    }
}

/// The reason for the record.
fn why(served: &Served, now: Tick) -> String {
    let entry = &served.entry;
    let mut text = String::new();
    let _ = match served.how {
        How::Fresh(ttl) => write!(text, "fresh for {} s", ttl.as_secs()),
        How::WhileRevalidate(stale) => write!(text, "stale by {} s, being refreshed", stale.as_secs()),
        How::IfError { stale, is_overload: true } => {
            write!(text, "stale by {} s (the pool is overloaded)", stale.as_secs())
        }
        How::IfError { stale, is_overload: false } => {
            let since = types::time::earlier(Time::now(), entry.failing_for(now).unwrap_or_default());
            write!(
                text,
                "stale by {} s (source is down since {})",
                stale.as_secs(),
                since.strftime("%H:%M:%S UTC")
            )
        }
        How::Coalesced(_) => write!(text, "fetched by a request at the same time"),
        How::Revalidated => Ok(()),
    };
    text
}
