//! The chunked coding (RFC 9112 section 7.1), read strictly: what two parsers could read differently is an error.

use crate::fields::may_trail;
use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Longest line of a chunk's size with its extensions.
const LINE_MAX: usize = 256;
/// All trailers together.
const TRAILERS_MAX: usize = 8 * 1024;
const TRAILERS_COUNT: usize = 32;

/// The state of the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    Done,
}

/// A decoder of one body.
#[derive(Clone, Debug)]
pub(crate) struct Chunked(At);

/// The result of a decoding step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Part of the content.
    Data(Bytes),
    /// More data must be read first.
    Need,
    /// The body is over; trailers if there were any.
    End(Option<HeaderMap>),
}

/// Not the chunked coding.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the server's chunked encoding cannot be parsed")]
pub(crate) struct Malformed;

impl Chunked {
    pub(crate) fn new() -> Self {
        Self(At::Size)
    }

    /// Decodes from `buf`.
    pub(crate) fn decode(&mut self, buf: &mut BytesMut) -> Result<Step, Malformed> {
        loop {
            match self.0 {
                At::Size => {
                    let Some(end) = line(buf, LINE_MAX)? else { return Ok(Step::Need) };
                    let size = size(&buf[..end])?;
                    buf.advance(end + 2);
                    self.0 = if size == 0 { At::Trailers } else { At::Data(size) };
                }
                At::Data(left) => {
                    if buf.is_empty() {
                        return Ok(Step::Need);
                    }
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
                    let data = buf.split_to(take).freeze();
                    let left = left - take as u64;
                    self.0 = if left == 0 { At::DataEnd } else { At::Data(left) };
                    return Ok(Step::Data(data));
                }
                At::DataEnd => {
                    if buf.len() < 2 {
                        return if buf.first().is_none_or(|b| *b == b'\r') {
                            Ok(Step::Need)
                        } else {
                            Err(Malformed)
                        };
                    }
                    if &buf[..2] != b"\r\n" {
                        return Err(Malformed);
                    }
                    buf.advance(2);
                    self.0 = At::Size;
                }
                At::Trailers => {
                    if buf.starts_with(b"\r\n") {
                        buf.advance(2);
                        self.0 = At::Done;
                        return Ok(Step::End(None));
                    }
                    let Some(end) = memchr::memmem::find(buf, b"\r\n\r\n") else {
                        return if buf.len() > TRAILERS_MAX { Err(Malformed) } else { Ok(Step::Need) };
                    };
                    if end > TRAILERS_MAX {
                        return Err(Malformed);
                    }
                    let block = buf.split_to(end + 4).freeze();
                    self.0 = At::Done;
                    return trailers(&block).map(|map| Step::End(Some(map)));
                }
                At::Done => return Ok(Step::End(None)),
            }
        }
    }
}

/// The end of the first line. A line feed alone ends none.
fn line(buf: &[u8], max: usize) -> Result<Option<usize>, Malformed> {
    match memchr::memchr(b'\n', buf) {
        Some(at) if at > 0 && at <= max && buf[at - 1] == b'\r' => Ok(Some(at - 1)),
        Some(_) => Err(Malformed),
        None if buf.len() > max => Err(Malformed),
        None => Ok(None),
    }
}

fn size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    // Sixteen digits would reach the top bit; no real server sends such a chunk.
    if digits == 0 || digits > 15 {
        return Err(Malformed);
    }
    let rest = line[digits..].trim_ascii_start();
    if !(rest.is_empty() || rest[0] == b';') || line.contains(&b'\r') {
        return Err(Malformed);
    }
    let text = std::str::from_utf8(&line[..digits]).map_err(|_| Malformed)?;
    u64::from_str_radix(text, 16).map_err(|_| Malformed)
}

fn trailers(block: &Bytes) -> Result<HeaderMap, Malformed> {
    let mut lines = [httparse::EMPTY_HEADER; TRAILERS_COUNT];
    let Ok(httparse::Status::Complete((_, found))) = httparse::parse_headers(block, &mut lines) else {
        return Err(Malformed);
    };
    let mut map = HeaderMap::with_capacity(found.len());
    for field in found {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| Malformed)?;
        if may_trail(&name) {
            map.append(name, value);
        }
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &[u8], piece: usize) -> Result<(Vec<u8>, Option<HeaderMap>), Malformed> {
        let (mut chunked, mut buf, mut out) = (Chunked::new(), BytesMut::new(), Vec::new());
        for part in text.chunks(piece) {
            buf.extend_from_slice(part);
            loop {
                match chunked.decode(&mut buf)? {
                    Step::Data(data) => out.extend_from_slice(&data),
                    Step::Need => break,
                    Step::End(trailers) => return Ok((out, trailers)),
                }
            }
        }
        Err(Malformed)
    }

    #[test]
    fn reads_chunks_whatever_the_pieces() {
        let text = b"4\r\nWiki\r\n5;a=b\r\npedia\r\n0\r\nx-sum: 7\r\n\r\n";
        for piece in 1..text.len() {
            let (data, trailers) = all(text, piece).unwrap();
            assert_eq!(data, b"Wikipedia");
            assert_eq!(trailers.unwrap()["x-sum"], "7");
        }
    }

    #[test]
    fn ambiguous_chunk_is_refused() {
        for bad in [
            &b"4\nWiki\r\n0\r\n\r\n"[..],
            b"0x4\r\nWiki\r\n0\r\n\r\n",
            b"+4\r\nWiki\r\n0\r\n\r\n",
            b" 4\r\nWiki\r\n0\r\n\r\n",
            b"4 x\r\nWiki\r\n0\r\n\r\n",
            b"4\r\nWikiX\r\n0\r\n\r\n",
            b"\r\nWiki\r\n0\r\n\r\n",
            b"ffffffffffffffff\r\nWiki\r\n",
            b"4\rx\r\nWiki\r\n0\r\n\r\n",
        ] {
            assert_eq!(all(bad, bad.len()).map(|found| found.0), Err(Malformed), "{}", bad.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_never_grows(bytes in proptest::collection::vec(any::<u8>(), 0..600), piece in 1usize..64) {
            let (mut chunked, mut buf, mut out) = (Chunked::new(), BytesMut::new(), 0);
            'all: for part in bytes.chunks(piece) {
                buf.extend_from_slice(part);
                loop {
                    match chunked.decode(&mut buf) {
                        Ok(Step::Data(data)) => out += data.len(),
                        Ok(Step::Need) => break,
                        Ok(Step::End(_)) | Err(Malformed) => break 'all,
                    }
                }
            }
            prop_assert!(out <= bytes.len());
        }
    }
}
