//! The answer of a server as it is stored with its key.

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Fields of an answer that are stored. No cookie: it belongs to the moment of the first answer.
const KEPT: [HeaderName; 9] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
    header::LOCATION,
    header::ETAG,
    header::LAST_MODIFIED,
    header::CACHE_CONTROL,
    header::VARY,
];
/// Most bytes of the fields that are stored; those beyond are left out.
const HEAD_MAX: usize = 4 * 1024;

/// Status, some headers and the body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// `None` where it was longer than is stored, or broke off.
    pub(crate) body: Option<Bytes>,
}

impl StoredAnswer {
    /// What is stored of an answer.
    pub(crate) fn new(status: StatusCode, headers: &HeaderMap, body: Option<Bytes>) -> Self {
        let mut kept = HeaderMap::new();
        let mut room = HEAD_MAX;
        // Fields of a body that is not stored would belie the empty one.
        let of_body = [header::CONTENT_ENCODING, header::ETAG, header::LAST_MODIFIED];
        for name in KEPT.into_iter().filter(|name| body.is_some() || !of_body.contains(name)) {
            for value in headers.get_all(&name) {
                if let Some(rest) = room.checked_sub(name.as_str().len() + value.len() + 2) {
                    room = rest;
                    kept.append(name.clone(), value.clone());
                }
            }
        }
        Self { status, headers: kept, body }
    }

    /// The fields as lines, for the table.
    pub(super) fn lines(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        for (name, value) in &self.headers {
            lines.extend_from_slice(&[name.as_str().as_bytes(), b":", value.as_bytes(), b"\n"].concat());
        }
        lines
    }

    /// Reads what [`StoredAnswer::lines`] wrote. A line that is none is left out.
    pub(super) fn read(status: u16, lines: &[u8], body: Option<Vec<u8>>) -> Option<Self> {
        let mut headers = HeaderMap::new();
        for line in lines.split(|byte| *byte == b'\n') {
            let Some(colon) = memchr::memchr(b':', line) else { continue };
            let (name, value) = (HeaderName::from_bytes(&line[..colon]), &line[colon + 1..]);
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        Some(Self { status: StatusCode::from_u16(status).ok()?, headers, body: body.map(Bytes::from) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_read_as_it_was_written_without_cookies() {
        let mut headers = HeaderMap::new();
        headers.append(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.append(header::LOCATION, HeaderValue::from_static("/api/entries/7?a=b:c"));
        headers.append(header::SET_COOKIE, HeaderValue::from_static("session=1"));
        headers.append(header::ETAG, HeaderValue::try_from("x".repeat(HEAD_MAX)).unwrap());
        let answer = StoredAnswer::new(StatusCode::CREATED, &headers, Some(Bytes::from_static(b"{}")));
        assert_eq!(answer.headers.len(), 2, "{answer:?}");
        let read = StoredAnswer::read(201, &answer.lines(), Some(b"{}".to_vec())).unwrap();
        assert_eq!(read, answer);
        assert_eq!(StoredAnswer::read(7, b"", None), None);
    }
}
