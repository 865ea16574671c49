//! Phase before cache: files of the offline kit are answered here, and its script is added to pages.

use super::respond::body::Body;
use super::respond::{Responder, error_page};
use crate::cache::validators;
use crate::connection::Busy;
use crate::offline::{File, PREFIX, TAG};
use crate::telemetry::{OpenRecord, Verdict};
use crate::thread::ThreadView;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use text::accept::accepts_coding;
use traffic::Route;

const WORKER_ALLOWED: HeaderName = HeaderName::from_static("service-worker-allowed");

/// Returns the file that a request is for.
pub(crate) fn file<'a>(view: &'a ThreadView, route: &Route, parts: &Parts) -> Option<&'a File> {
    let name = parts.uri.path().strip_prefix(PREFIX)?;
    let files = view.shared.offline.get(route.index)?.as_deref()?;
    files.get(name).filter(|_| matches!(parts.method, Method::GET | Method::HEAD))
}

impl Responder<'_> {
    /// Returns a file of the offline kit.
    pub(crate) fn offline_file(
        &self,
        file: &File,
        parts: &Parts,
        mut record: Box<OpenRecord>,
        busy: Busy,
    ) -> Response<Body> {
        let codings = parts.headers.get_all(header::ACCEPT_ENCODING).iter().map(HeaderValue::as_bytes);
        let is_gzip = accepts_coding(codings, "gzip");
        let (body, etag) = if is_gzip { (&file.gzip, &file.etags[1]) } else { (&file.plain, &file.etags[0]) };
        let mut headers = self.thread.map();
        headers.insert(header::ETAG, etag.clone());
        headers.insert(header::CACHE_CONTROL, file.cache_control.clone());
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        let is_304 = validators::has_it(&parts.headers, &headers);
        let status = if is_304 { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        if !is_304 {
            headers.insert(header::CONTENT_TYPE, file.kind.clone());
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            if is_gzip {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            if file.is_worker {
                headers.insert(WORKER_ALLOWED, HeaderValue::from_static("/"));
            }
            if parts.method == Method::HEAD {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
            }
        }
        let digits = record.ids.trace.digits();
        error_page::request_id(&mut headers, &digits);
        record.answered_here(
            Verdict::Cached,
            status.as_u16(),
            "a file of the offline kit",
            self.thread.tick().0,
        );
        let body = if is_304 || parts.method == Method::HEAD { Bytes::new() } else { body.clone() };
        let mut response = Response::new(Body::whole(body, self.completion(record, busy)));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// Whether the script is added to the response of this request.
fn is_page(route: &Route, parts: &Parts) -> bool {
    parts.method == Method::GET
        && route.offline().is_some_and(|offline| offline.is_injected(parts.uri.path()))
}

/// Makes a request for a page one whose response the script can be added to: whole, and not compressed.
pub(crate) fn prepare(route: &Route, parts: &mut Parts) {
    if is_page(route, parts) {
        parts.headers.remove(header::ACCEPT_ENCODING);
        parts.headers.remove(header::RANGE);
    }
}

/// Adds the script at the end of a page, where a browser runs it as well as anywhere else.
pub(crate) fn inject(route: &Route, parts: &Parts, response: &mut Response<Body>) {
    if response.status() != StatusCode::OK || !is_page(route, parts) || !is_plain_html(response.headers()) {
        return;
    }
    let headers = response.headers_mut();
    if let Some(length) = headers.get(header::CONTENT_LENGTH) {
        let length = length.to_str().ok().and_then(|length| length.parse::<u64>().ok());
        let Some(length) = length else { return };
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length + TAG.len() as u64));
    }
    headers.remove(header::ACCEPT_RANGES);
    response.body_mut().append(TAG);
}

/// Whether a response is HTML that may be changed.
fn is_plain_html(headers: &HeaderMap) -> bool {
    let has = |name: HeaderName, text: &[u8]| {
        let is_in = |value: &HeaderValue| {
            memchr::memmem::find(&value.as_bytes().to_ascii_lowercase(), text).is_some()
        };
        headers.get_all(name).iter().any(is_in)
    };
    has(header::CONTENT_TYPE, b"text/html")
        && !headers.contains_key(header::CONTENT_ENCODING)
        && !has(header::CACHE_CONTROL, b"no-transform")
        && !headers.contains_key("content-digest")
        && !headers.contains_key("repr-digest")
}
