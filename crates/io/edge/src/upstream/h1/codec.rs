//! Heads of HTTP/1.1 towards a server: the request's written, the response's read (RFC 9112).

use crate::forward_error::{FIELDS_MAX, HEAD_MAX, Malformed};
use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use std::mem::MaybeUninit;

/// Fields of most heads: they are read without asking for memory.
const FIELDS_FEW: usize = 128;

/// How the end of a body is determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// A declared length in bytes.
    Length(u64),
    /// The chunked coding.
    Chunked,
    /// The server closes.
    UntilClose,
}

/// The head of a response.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    /// Without what concerns only this connection.
    pub(crate) headers: HeaderMap,
    pub(crate) framing: Framing,
    /// Whether another request may follow.
    pub(crate) keep: bool,
    /// The protocol of a 101.
    pub(crate) upgrade: Option<HeaderValue>,
    /// The server's reason phrase where it is not the standard one.
    pub(crate) reason: Option<Bytes>,
}

/// Writes the request line and the host. Header lines follow by [`line`], then an empty one.
pub(crate) fn request_line(out: &mut Vec<u8>, method: &Method, target: &str, host: &[u8]) {
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    out.extend_from_slice(host);
    out.extend_from_slice(b"\r\n");
}

/// One header line.
#[inline]
pub(crate) fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes the field that declares how the request's body ends.
pub(crate) fn framing(out: &mut Vec<u8>, framing: Framing) {
    match framing {
        Framing::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Framing::None | Framing::UntilClose => {}
    }
}

/// Returns the end of a head, the empty line included. A bare line feed ends a line too (RFC 9112 section 2.2), as
/// in `httparse`: otherwise a server that omits carriage returns would be waited for.
fn end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes).find_map(|at| match &bytes[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// Whether the data cannot become a head: a server that speaks another protocol need not be waited for.
fn foreign(bytes: &[u8]) -> bool {
    const BEGINNING: &[u8] = b"HTTP/1.";
    let empty = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let bytes = &bytes[empty..];
    let length = bytes.len().min(BEGINNING.len());
    bytes[..length] != BEGINNING[..length]
}

/// Takes a response's head from what has come. `None` while it is incomplete. `map` is filled: an old one saves an
/// allocation.
pub(crate) fn response(
    buf: &mut BytesMut,
    method: &Method,
    map: &mut HeaderMap,
) -> Result<Option<Head>, Malformed> {
    let Some(end) = end(buf) else {
        return match buf.len() {
            length if length > HEAD_MAX => Err(Malformed::TooLong),
            _ if foreign(buf) => Err(Malformed::Head),
            _ => Ok(None),
        };
    };
    if end > HEAD_MAX {
        return Err(Malformed::TooLong);
    }
    let block = buf.split_to(end).freeze();
    let mut few = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; FIELDS_FEW];
    let mut parsed = httparse::Response::new(&mut []);
    match httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, &block, &mut few)
    {
        Ok(httparse::Status::Complete(length)) if length == block.len() => {
            fields(&parsed, &block, method, map)
        }
        Err(httparse::Error::TooManyHeaders) => {
            let lines = memchr::memchr_iter(b'\n', &block).count();
            let mut many = vec![httparse::EMPTY_HEADER; lines.min(FIELDS_MAX)];
            let mut parsed = httparse::Response::new(&mut many);
            match parsed.parse(&block) {
                Ok(httparse::Status::Complete(length)) if length == block.len() => {
                    fields(&parsed, &block, method, map)
                }
                Err(httparse::Error::TooManyHeaders) => Err(Malformed::TooMany),
                _ => Err(Malformed::Head),
            }
        }
        _ => Err(Malformed::Head),
    }
    .map(Some)
}

/// A head from its parsed lines.
fn fields(
    parsed: &httparse::Response<'_, '_>,
    block: &Bytes,
    method: &Method,
    map: &mut HeaderMap,
) -> Result<Head, Malformed> {
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Malformed::Head)?;
    let eleven = parsed.version == Some(1);
    let reason = match parsed.reason {
        Some(words) if status.canonical_reason().is_none() && !words.is_empty() => {
            Some(block.slice_ref(words.as_bytes()))
        }
        _ => None,
    };
    let mut read = Read::default();
    map.clear();
    map.reserve(parsed.headers.len() + 2);
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed::Head)?;
        let value = block.slice_ref(field.value);
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| Malformed::Head)?;
        if read.field(&name, &value, eleven)? {
            map.append(name, value);
        }
    }
    for name in &read.named {
        if *name != header::CONTENT_LENGTH {
            map.remove(name);
        }
    }
    let framing = if *method == Method::HEAD
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
    {
        Framing::None
    } else if read.coded {
        Framing::Chunked
    } else if let Some(length) = read.length {
        Framing::Length(length)
    } else {
        Framing::UntilClose
    };
    if read.coded || status == StatusCode::NO_CONTENT || status.is_informational() {
        map.remove(header::CONTENT_LENGTH);
    } else if read.listed
        && let Some(length) = read.length
    {
        map.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let keep = framing != Framing::UntilClose
        && !read.close
        && (eleven || read.alive)
        && !(read.coded && read.length.is_some());
    Ok(Head { status, headers: std::mem::take(map), framing, keep, upgrade: read.upgrade, reason })
}

/// Connection options of a response's fields.
#[derive(Default)]
struct Read {
    length: Option<u64>,
    /// Whether the length was a list of equal numbers.
    listed: bool,
    coded: bool,
    close: bool,
    alive: bool,
    upgrade: Option<HeaderValue>,
    named: Vec<HeaderName>,
}

impl Read {
    /// Takes note of one field; whether it is passed on.
    #[inline]
    fn field(&mut self, name: &HeaderName, value: &HeaderValue, eleven: bool) -> Result<bool, Malformed> {
        match *name {
            header::CONTENT_LENGTH => {
                let length = self.length(value.as_bytes()).ok_or(Malformed::Framing)?;
                if self.length.is_some_and(|known| known != length) {
                    return Err(Malformed::Framing);
                }
                // A repeated equal value is dropped.
                Ok(self.length.replace(length).is_none())
            }
            header::TRANSFER_ENCODING => {
                if !eleven || self.coded || !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
                    return Err(Malformed::Coding);
                }
                self.coded = true;
                Ok(false)
            }
            header::CONNECTION => {
                for token in value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii) {
                    if token.eq_ignore_ascii_case(b"close") {
                        self.close = true;
                    } else if token.eq_ignore_ascii_case(b"keep-alive") {
                        self.alive = true;
                    } else if let Ok(name) = HeaderName::from_bytes(token) {
                        self.named.push(name);
                    }
                }
                Ok(false)
            }
            header::UPGRADE => {
                self.upgrade = Some(value.clone());
                Ok(false)
            }
            header::TE | header::PROXY_AUTHENTICATE => Ok(*name == header::PROXY_AUTHENTICATE),
            _ => Ok(!matches!(name.as_str(), "keep-alive" | "proxy-connection")),
        }
    }

    /// A length. Proxies join two equal fields to `2, 2`, which may be read as one (RFC 9110 section 8.6).
    fn length(&mut self, value: &[u8]) -> Option<u64> {
        if let Some(length) = digits(value) {
            return Some(length);
        }
        let mut each = value.split(|b| *b == b',').map(|part| digits(part.trim_ascii()));
        let first = each.next()??;
        self.listed = true;
        each.all(|other| other == Some(first)).then_some(first)
    }
}

/// A number of decimal digits and nothing else.
pub(crate) fn digits(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0u64, |sum, b| {
        let digit = b.checked_sub(b'0').filter(|digit| *digit < 10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, method: Method) -> Result<Option<Head>, Malformed> {
        response(&mut BytesMut::from(text), &method, &mut HeaderMap::new())
    }

    #[test]
    fn framing_follows_rfc_9112() {
        let table = [
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", Method::GET, Framing::Length(5), true),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n",
                Method::GET,
                Framing::Length(5),
                true,
            ),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", Method::HEAD, Framing::None, true),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", Method::GET, Framing::Chunked, true),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
                Method::GET,
                Framing::Chunked,
                false,
            ),
            ("HTTP/1.1 200 OK\r\n\r\n", Method::GET, Framing::UntilClose, false),
            ("HTTP/1.1 204 No Content\r\n\r\n", Method::GET, Framing::None, true),
            ("HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", Method::GET, Framing::None, true),
            (
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\n",
                Method::GET,
                Framing::Length(1),
                false,
            ),
            ("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n", Method::GET, Framing::Length(1), false),
            (
                "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\n",
                Method::GET,
                Framing::Length(1),
                true,
            ),
        ];
        for (text, method, framing, keep) in table {
            let head = read(text, method).unwrap().unwrap();
            assert_eq!((head.framing, head.keep), (framing, keep), "{text}");
            assert!(
                !head.headers.contains_key("transfer-encoding") && !head.headers.contains_key("connection")
            );
            assert!(head.headers.get_all("content-length").iter().count() < 2);
        }
    }

    #[test]
    fn answers_that_two_parsers_read_differently_are_refused() {
        for (text, fault) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n", Malformed::Framing),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5, 6\r\n\r\n", Malformed::Framing),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5,\r\n\r\n", Malformed::Framing),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\ncontent-length: 6\r\n\r\n", Malformed::Framing),
            ("HTTP/1.1 200 OK\ra: b\r\n\r\n", Malformed::Head),
            ("HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\n", Malformed::Framing),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n", Malformed::Coding),
            ("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", Malformed::Coding),
            ("HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n", Malformed::Head),
            ("HTTP/1.1 200 OK\r\na : b\r\n\r\n", Malformed::Head),
            ("HTTP/2 200 OK\r\n\r\n", Malformed::Head),
        ] {
            assert_eq!(read(text, Method::GET).unwrap_err(), fault, "{text}");
        }
    }

    #[test]
    fn bare_line_feeds_and_equal_lengths_are_read() {
        for text in [
            "HTTP/1.1 200 OK\ncontent-length: 2\na: b\n\nok",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\na: b\n\r\nok",
            "HTTP/1.1 200 OK\ncontent-length: 2\r\na: b\r\n\nok",
            "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\na: b\r\n\r\nok",
            "HTTP/1.1 200 OK\r\ncontent-length: 2 ,2, 2\r\na: b\r\ncontent-length: 2\r\n\r\nok",
        ] {
            let (mut buf, mut map) = (BytesMut::from(text), HeaderMap::new());
            let head = response(&mut buf, &Method::GET, &mut map).unwrap().unwrap();
            assert_eq!((head.framing, head.keep, &buf[..]), (Framing::Length(2), true, &b"ok"[..]), "{text}");
            assert_eq!(head.headers["content-length"], "2");
            assert_eq!((head.headers.len(), &head.headers["a"]), (2, &HeaderValue::from_static("b")));
            for length in 0..text.len() - 2 {
                assert!(read(&text[..length], Method::GET).unwrap().is_none(), "{length} of {text}");
            }
        }
    }

    #[test]
    fn another_protocol_is_not_waited_for() {
        for text in ["SSH-2.0-x\r\n", "\r\nHTTP/2 200", "220 smtp", "\x15\x03\x01"] {
            assert_eq!(read(text, Method::GET).unwrap_err(), Malformed::Head, "{text}");
        }
        assert!(read("\r\nHTT", Method::GET).unwrap().is_none());
    }

    #[test]
    fn many_fields_are_read_up_to_a_limit() {
        let head = |count: usize| {
            let lines: String = (0..count).map(|n| format!("x{n}: 1\r\n")).collect();
            read(&format!("HTTP/1.1 204 No\r\n{lines}\r\n"), Method::GET)
        };
        for count in [FIELDS_FEW, FIELDS_FEW + 1, 1000, FIELDS_MAX] {
            assert_eq!(head(count).unwrap().unwrap().headers.len(), count);
        }
        assert_eq!(head(FIELDS_MAX + 1).unwrap_err(), Malformed::TooMany);
        assert_eq!(head(10_000).unwrap_err(), Malformed::TooLong);
    }

    #[test]
    fn connection_options_are_not_forwarded() {
        let text = "HTTP/1.1 200 OK\r\nconnection: x-mine, keep-alive\r\nx-mine: 1\r\nkeep-alive: 5\r\nx-other: 2\r\ncontent-length: 0\r\n\r\n";
        let head = read(text, Method::GET).unwrap().unwrap();
        let mut names: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-length", "x-other"]);
    }
}
