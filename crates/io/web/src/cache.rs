//! Rendered documents: path -> bytes in three encodings. A request is one lookup.
//!
//! Nothing here locks or waits, and a response allocates only its headers: bodies are shared.

use arc_swap::{ArcSwap, Guard};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, Response, StatusCode};
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;
use text::accept::accepts_coding;

/// Content security policy of pages: styles, images, scripts and forms of this origin only.
pub const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Clients may cache a document for a moment; a shared cache may serve it while mainstay is down.
const SHORT: &str = "public, max-age=5, stale-while-revalidate=30, stale-if-error=86400";
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// Minimum size of a body that is compressed.
const COMPRESS_MIN: usize = 256;

/// Kind of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Page.
    Html,
    /// Document of the Statuspage API; every origin may read it.
    Json,
    /// Atom feed.
    Atom,
    /// RSS feed.
    Rss,
    /// Calendar (RFC 5545).
    Calendar,
    /// Image.
    Svg,
    /// Style sheet; its path has a hash of its content.
    Css,
    /// Script; its path has a hash of its content.
    Js,
}

impl Kind {
    /// Returns the kind by the extension of a file.
    #[must_use]
    pub fn by_extension(extension: &str) -> Option<Self> {
        Some(match extension {
            "html" => Self::Html,
            "json" => Self::Json,
            "atom" => Self::Atom,
            "rss" => Self::Rss,
            "ics" => Self::Calendar,
            "svg" => Self::Svg,
            "css" => Self::Css,
            "js" => Self::Js,
            _ => return None,
        })
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
            Self::Atom => "application/atom+xml; charset=utf-8",
            Self::Rss => "application/rss+xml; charset=utf-8",
            Self::Calendar => "text/calendar; charset=utf-8",
            Self::Svg => "image/svg+xml",
            Self::Css => "text/css; charset=utf-8",
            Self::Js => "text/javascript; charset=utf-8",
        }
    }
}

/// Body in one encoding, with its headers.
#[derive(Clone, Debug)]
struct Variant {
    headers: HeaderMap,
    body: Bytes,
}

/// Rendered document.
#[derive(Clone, Debug)]
pub struct Document {
    /// Kind.
    pub kind: Kind,
    /// First characters of the SHA-256 of its bytes, in hex.
    pub digest: String,
    identity: Variant,
    gzip: Option<Variant>,
    brotli: Option<Variant>,
    unchanged: HeaderMap,
}

impl Document {
    /// Hashes and compresses a body, and prepares its headers.
    #[must_use]
    pub fn new(kind: Kind, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let digest = digest(&body);
        let (mut gzip, mut brotli) = (None, None);
        if body.len() >= COMPRESS_MIN {
            gzip = gzipped(&body).map(|small| variant(kind, &digest, Some("gzip"), small));
            brotli = brotlied(kind, &body).map(|small| variant(kind, &digest, Some("br"), small));
        }
        let identity = variant(kind, &digest, None, body);
        let mut unchanged = identity.headers.clone();
        unchanged.remove(header::CONTENT_TYPE);
        Self { kind, digest, identity, gzip, brotli, unchanged }
    }

    /// Bytes without encoding.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.identity.body
    }

    /// Returns the response to a GET or HEAD request.
    #[must_use]
    pub fn response(&self, headers: &HeaderMap) -> Response<Full<Bytes>> {
        if headers.get_all(header::IF_NONE_MATCH).iter().any(|tags| self.matches(tags)) {
            let mut response = Response::new(Full::new(Bytes::new()));
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.headers_mut() = self.unchanged.clone();
            return response;
        }
        let variant = self.in_encoding(headers);
        let mut response = Response::new(Full::new(variant.body.clone()));
        *response.headers_mut() = variant.headers.clone();
        response
    }

    fn in_encoding(&self, headers: &HeaderMap) -> &Variant {
        let accepts = |coding| {
            let fields = headers.get_all(header::ACCEPT_ENCODING).iter().map(HeaderValue::as_bytes);
            accepts_coding(fields, coding)
        };
        match (&self.brotli, &self.gzip) {
            (Some(brotli), _) if accepts("br") => brotli,
            (_, Some(gzip)) if accepts("gzip") => gzip,
            _ => &self.identity,
        }
    }

    /// Whether If-None-Match has the tag of this document in any encoding (RFC 9110, 13.1.2, weak comparison).
    fn matches(&self, tags: &HeaderValue) -> bool {
        tags.to_str().is_ok_and(|tags| {
            tags.split(',').map(str::trim).any(|tag| {
                let tag = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
                let tag = tag.strip_suffix("-gzip").or_else(|| tag.strip_suffix("-br")).unwrap_or(tag);
                tag == "*" || tag == self.digest
            })
        })
    }
}

/// The first 20 characters of the SHA-256, in hex.
#[must_use]
pub fn digest(body: &[u8]) -> String {
    text::hex::encode(&Sha256::digest(body)[..10])
}

fn variant(kind: Kind, digest: &str, encoding: Option<&'static str>, body: Bytes) -> Variant {
    let mut headers = HeaderMap::with_capacity(12);
    let mut put =
        |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    put(header::CONTENT_TYPE, kind.media_type());
    put(header::VARY, "accept-encoding");
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::CACHE_CONTROL, if matches!(kind, Kind::Css | Kind::Js) { IMMUTABLE } else { SHORT });
    match kind {
        Kind::Html => {
            put(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
            put(header::REFERRER_POLICY, "no-referrer");
        }
        // An image that is opened by itself is a page too.
        Kind::Svg => {
            put(header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'");
        }
        Kind::Json | Kind::Atom | Kind::Rss | Kind::Calendar => {
            put(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        }
        Kind::Css | Kind::Js => {}
    }
    if let Some(encoding) = encoding {
        put(header::CONTENT_ENCODING, encoding);
    }
    let tag = encoding.map_or_else(|| format!("\"{digest}\""), |encoding| format!("\"{digest}-{encoding}\""));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    Variant { headers, body }
}

fn gzipped(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::best());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

fn brotlied(kind: Kind, mut body: &[u8]) -> Option<Bytes> {
    // Documents that change often: medium quality. Assets that are cached for a year: maximum quality.
    let quality = if matches!(kind, Kind::Css | Kind::Js) { 11 } else { 8 };
    let mut small = Vec::with_capacity(body.len() / 4);
    let settings = BrotliEncoderParams { quality, lgwin: 18, size_hint: body.len(), ..Default::default() };
    brotli::BrotliCompress(&mut body, &mut small, &settings).ok()?;
    Some(Bytes::from(small))
}

/// Every document by its path.
pub type Documents = HashMap<String, Arc<Document>>;

/// Documents that are served now. Replaced as a whole.
#[derive(Debug, Default)]
pub struct RenderedCache {
    current: ArcSwap<Documents>,
}

impl RenderedCache {
    /// Replaces the documents, for every request from now on.
    pub fn replace(&self, documents: Arc<Documents>) {
        self.current.store(documents);
    }

    /// The documents that are served now.
    #[must_use]
    pub fn documents(&self) -> Guard<Arc<Documents>> {
        self.current.load()
    }

    /// Returns the response to a GET or HEAD request for a document; `None` for other requests.
    #[must_use]
    pub fn response(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<Response<Full<Bytes>>> {
        if method != Method::GET && method != Method::HEAD {
            return None;
        }
        self.current.load().get(path).map(|document| document.response(headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_is_sent_in_an_encoding_that_is_accepted() {
        let document = Document::new(Kind::Html, "x".repeat(1000));
        for (accepted, expected) in [
            (&["gzip, br"][..], Some("br")),
            (&["gzip"], Some("gzip")),
            (&["gzip;q=1.0, br;q=0"], Some("gzip")),
            (&["identity", "gzip"], Some("gzip")),
            (&["*"], Some("br")),
            (&["*;q=0"], None),
            (&["br;q=0", "gzip;q=0", "*"], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for field in accepted {
                headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(field));
            }
            let response = document.response(&headers);
            let coding =
                response.headers().get(header::CONTENT_ENCODING).map(|coding| coding.to_str().unwrap());
            assert_eq!(coding, expected, "{accepted:?}");
        }
    }

    #[test]
    fn tag_in_a_repeated_field_matches() {
        let document = Document::new(Kind::Html, "x".repeat(1000));
        let mut headers = HeaderMap::new();
        headers.append(header::IF_NONE_MATCH, HeaderValue::from_static("\"other\""));
        headers.append(header::IF_NONE_MATCH, format!("\"{}\"", document.digest).parse().unwrap());
        assert_eq!(document.response(&headers).status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn tag_matches_in_every_encoding() {
        let document = Document::new(Kind::Html, "x".repeat(1000));
        let digest = document.digest.clone();
        for (tag, wanted) in [
            (format!("\"{digest}\""), true),
            (format!("W/\"{digest}-gzip\""), true),
            (format!("\"other\", \"{digest}-br\""), true),
            ("*".to_owned(), true),
            ("\"other\"".to_owned(), false),
            (String::new(), false),
        ] {
            let tags = HeaderValue::try_from(tag.clone()).unwrap();
            assert_eq!(document.matches(&tags), wanted, "{tag}");
        }
    }
}
