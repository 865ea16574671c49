//! The finished documents: path -> bytes in three encodings. A request is one lookup.
//!
//! Nothing here locks or waits, and an answer allocates nothing but its headers: bodies are shared.

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

/// What browsers may do with a page of ours: load our own styles, pictures and scripts, send forms to us, nothing else.
pub const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Visitors may hold a document for a moment; a cache in front may go on showing it while we are gone.
const FRESH: &str = "public, max-age=5, stale-while-revalidate=30, stale-if-error=86400";
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Smaller bodies are not worth a second encoding.
const WORTH_COMPRESSING: usize = 256;

/// The kinds of documents that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A page.
    Html,
    /// A document of the Statuspage API; any site may read it.
    Json,
    /// Atom feed.
    Atom,
    /// RSS feed.
    Rss,
    /// Picture.
    Svg,
    /// Style sheet, under an address of its own for every content.
    Css,
    /// Script, likewise.
    Js,
}

impl Kind {
    /// The kind by the ending of a file's name.
    #[must_use]
    pub fn by_ending(ending: &str) -> Option<Self> {
        Some(match ending {
            "html" => Self::Html,
            "json" => Self::Json,
            "atom" => Self::Atom,
            "rss" => Self::Rss,
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
            Self::Svg => "image/svg+xml",
            Self::Css => "text/css; charset=utf-8",
            Self::Js => "text/javascript; charset=utf-8",
        }
    }
}

/// One body with the headers that go with it.
#[derive(Clone, Debug)]
struct Variant {
    headers: HeaderMap,
    body: Bytes,
}

/// A finished document.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its kind.
    pub kind: Kind,
    /// The first characters of the SHA-256 of its bytes, in hex.
    pub digest: String,
    identity: Variant,
    gzip: Option<Variant>,
    brotli: Option<Variant>,
    unchanged: HeaderMap,
}

impl Document {
    /// Finishes a document: hashed, compressed, headers ready.
    #[must_use]
    pub fn new(kind: Kind, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let digest = digest(&body);
        let (mut gzip, mut brotli) = (None, None);
        if body.len() >= WORTH_COMPRESSING {
            gzip = gzipped(&body).map(|small| variant(kind, &digest, Some("gzip"), small));
            brotli = brotlied(kind, &body).map(|small| variant(kind, &digest, Some("br"), small));
        }
        let identity = variant(kind, &digest, None, body);
        let mut unchanged = identity.headers.clone();
        unchanged.remove(header::CONTENT_TYPE);
        Self { kind, digest, identity, gzip, brotli, unchanged }
    }

    /// Its bytes.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.identity.body
    }

    /// The answer to a GET or HEAD with these headers.
    #[must_use]
    pub fn answer(&self, asked: &HeaderMap) -> Response<Full<Bytes>> {
        if asked.get(header::IF_NONE_MATCH).is_some_and(|known| self.is_known(known)) {
            let mut answer = Response::new(Full::new(Bytes::new()));
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            *answer.headers_mut() = self.unchanged.clone();
            return answer;
        }
        let variant =
            asked.get(header::ACCEPT_ENCODING).map_or(&self.identity, |taken| self.in_encoding(taken));
        let mut answer = Response::new(Full::new(variant.body.clone()));
        *answer.headers_mut() = variant.headers.clone();
        answer
    }

    fn in_encoding(&self, taken: &HeaderValue) -> &Variant {
        let Ok(taken) = taken.to_str() else { return &self.identity };
        match (&self.brotli, &self.gzip) {
            (Some(brotli), _) if takes(taken, "br") => brotli,
            (_, Some(gzip)) if takes(taken, "gzip") => gzip,
            _ => &self.identity,
        }
    }

    /// RFC 9110, 13.1.2, by weak comparison: any of our encodings will do.
    fn is_known(&self, known: &HeaderValue) -> bool {
        known.to_str().is_ok_and(|known| {
            known.split(',').map(str::trim).any(|tag| {
                let tag = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
                let tag = tag.strip_suffix("-gzip").or_else(|| tag.strip_suffix("-br")).unwrap_or(tag);
                tag == "*" || tag == self.digest
            })
        })
    }
}

/// Whether an Accept-Encoding names the encoding and does not refuse it with `q=0`.
fn takes(accepted: &str, encoding: &str) -> bool {
    accepted.split(',').any(|part| {
        let mut words = part.split(';').map(str::trim);
        let named = words.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        named
            && !words
                .any(|word| word.strip_prefix("q=").is_some_and(|q| q.trim_matches(['0', '.']).is_empty()))
    })
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
    put(header::CACHE_CONTROL, if matches!(kind, Kind::Css | Kind::Js) { FOR_EVER } else { FRESH });
    match kind {
        Kind::Html => {
            put(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
            put(header::REFERRER_POLICY, "no-referrer");
        }
        // A picture opened by itself is a page too.
        Kind::Svg => {
            put(header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'");
        }
        Kind::Json | Kind::Atom | Kind::Rss => {
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
    // What changes often is compressed well; what is served for years, as well as can be.
    let quality = if matches!(kind, Kind::Css | Kind::Js) { 11 } else { 8 };
    let mut small = Vec::with_capacity(body.len() / 4);
    let settings = BrotliEncoderParams { quality, lgwin: 18, size_hint: body.len(), ..Default::default() };
    brotli::BrotliCompress(&mut body, &mut small, &settings).ok()?;
    Some(Bytes::from(small))
}

/// Every document by its path.
pub type Documents = HashMap<String, Arc<Document>>;

/// The documents that are served now. Replaced as a whole.
#[derive(Debug, Default)]
pub struct Shelf {
    documents: ArcSwap<Documents>,
}

impl Shelf {
    /// Puts other documents on the shelf, for every request from now on.
    pub fn replace(&self, documents: Arc<Documents>) {
        self.documents.store(documents);
    }

    /// The documents that are served now.
    #[must_use]
    pub fn now(&self) -> Guard<Arc<Documents>> {
        self.documents.load()
    }

    /// The answer to a request, if it asks for a document at all: GET or HEAD of a path that is on the shelf.
    #[must_use]
    pub fn answer(&self, method: &Method, path: &str, asked: &HeaderMap) -> Option<Response<Full<Bytes>>> {
        if method != Method::GET && method != Method::HEAD {
            return None;
        }
        self.documents.load().get(path).map(|document| document.answer(asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_taken_unless_refused() {
        for (accepted, encoding, wanted) in [
            ("gzip, deflate, br", "br", true),
            ("gzip, deflate, br", "gzip", true),
            ("gzip;q=1.0, br;q=0", "br", false),
            ("br;q=0.000", "br", false),
            ("br;q=0.5", "br", true),
            ("BR", "br", true),
            ("brotli", "br", false),
            ("", "br", false),
            ("*", "br", false),
        ] {
            assert_eq!(takes(accepted, encoding), wanted, "{accepted} / {encoding}");
        }
    }

    #[test]
    fn a_known_tag_is_known_in_every_encoding() {
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
            let known = HeaderValue::try_from(tag.clone()).unwrap();
            assert_eq!(document.is_known(&known), wanted, "{tag}");
        }
    }
}
