//! Where the body of an HTTP/1 response ends. RFC 9112, section 6, and what browsers make of answers that break it.

use super::head::Head;

/// A chunk's size line may be this long, extensions included.
const SIZE_LINE_MAX: usize = 4 * 1024;
/// All extensions and trailers of one body together. They are not read.
const PACKING_MAX: usize = 64 * 1024;

/// How the end of a body is determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is no body.
    Nothing,
    /// After this many bytes.
    Length(u64),
    /// By the last chunk.
    Chunks,
    /// With the connection.
    Close,
}

/// The framing of a response; `bodiless` says that the request was HEAD.
///
/// # Errors
/// It has two lengths: two readers that believe different ones read different answers.
pub(super) fn of(head: &Head, bodiless: bool) -> Result<Framing, &'static str> {
    if bodiless || matches!(head.status, 100..=199 | 204 | 205 | 304) {
        return Ok(Framing::Nothing);
    }
    // Chunks count before any length. What else is beside them, such as `identity` or `chunked` again, changes nothing.
    if head.listed("transfer-encoding").iter().any(|coding| coding == "chunked") {
        return Ok(Framing::Chunks);
    }
    let mut lengths = head.listed("content-length").into_iter();
    let Some(first) = lengths.next() else { return Ok(Framing::Close) };
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok());
    let length = number(&first).flatten();
    if lengths.any(|other| other != first && (length.is_none() || number(&other).flatten() != length)) {
        return Err("it has two different content lengths");
    }
    // Browsers pass over a length that is no number.
    Ok(length.map_or(Framing::Close, Framing::Length))
}

/// Whether a body begins as chunks do: answers of HTTP/1.0 that call themselves chunked may be or not. `None` before enough
/// of it came.
pub(super) fn looks_chunked(bytes: &[u8]) -> Option<bool> {
    match memchr::memchr(b'\n', bytes) {
        Some(end) => Some(size(&bytes[..end]).is_some()),
        None if bytes.len() > SIZE_LINE_MAX => Some(false),
        None => None,
    }
}

/// A size line; `None` when it is none.
fn size(line: &[u8]) -> Option<u64> {
    let end = line.iter().position(|byte| *byte == b';').unwrap_or(line.len());
    let text = std::str::from_utf8(line[..end].trim_ascii()).ok()?;
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(text, 16).ok().filter(|_| digits)
}

/// Takes chunks apart, from piece to piece.
#[derive(Default)]
pub(super) struct Chunks {
    state: State,
    line: Vec<u8>,
    packing: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// In a size line.
    #[default]
    Size,
    /// In a chunk, with the number of bytes to come.
    Data(u64),
    /// In the line end behind a chunk.
    Behind,
    /// In the trailers.
    Trailer,
    /// After the last line.
    Done,
}

impl Chunks {
    /// Whether all data came. The trailers may be missing: they say nothing.
    pub(super) fn complete(&self) -> bool {
        matches!(self.state, State::Trailer | State::Done)
    }

    /// Whether nothing is to be read any more.
    pub(super) fn done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes the first data out of `bytes`: how many of them are done with, and the data among them. Nothing is left when
    /// neither came.
    ///
    /// # Errors
    /// What is wrong with the chunks.
    pub(super) fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<(usize, &'a [u8]), &'static str> {
        if let State::Data(left) = self.state {
            let data = &bytes[..usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len())];
            let left = left - data.len() as u64;
            self.state = if left == 0 { State::Behind } else { State::Data(left) };
            return Ok((data.len(), data));
        }
        if self.state == State::Done {
            return Ok((0, &[]));
        }
        let end = memchr::memchr(b'\n', bytes);
        let piece = &bytes[..end.unwrap_or(bytes.len())];
        if self.line.len() + piece.len() > SIZE_LINE_MAX {
            return Err("a line between its chunks is too long");
        }
        self.line.extend_from_slice(piece);
        let Some(end) = end else { return Ok((piece.len(), &[])) };
        let line = std::mem::take(&mut self.line);
        self.turn(line.strip_suffix(b"\r").unwrap_or(&line))?;
        Ok((end + 1, &[]))
    }

    /// A whole line between chunks.
    fn turn(&mut self, line: &[u8]) -> Result<(), &'static str> {
        self.state = match self.state {
            State::Size => {
                // A size itself is short.
                self.packing += line.len().saturating_sub(16);
                match size(line).ok_or("the size of a chunk is no number")? {
                    0 => State::Trailer,
                    size => State::Data(size),
                }
            }
            State::Behind if line.is_empty() => State::Size,
            State::Behind => return Err("a chunk is longer than it says"),
            State::Trailer if line.is_empty() => State::Done,
            State::Trailer => {
                self.packing += line.len() + 2;
                State::Trailer
            }
            state => state,
        };
        if self.packing > PACKING_MAX {
            return Err("there is too much between its chunks");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(status: u16, fields: &[(&str, &str)]) -> Head {
        let mut head = Head::new(status);
        for (name, value) in fields {
            head.keep(name.as_bytes(), value.as_bytes(), &types::config::Expect::default());
        }
        head
    }

    #[test]
    fn framings_are_those_of_browsers() {
        let (length, coding) = ("content-length", "transfer-encoding");
        for (status, fields, framing) in [
            (200, &[][..], Ok(Framing::Close)),
            (200, &[(length, "2")], Ok(Framing::Length(2))),
            (200, &[(length, "2"), (length, "2")], Ok(Framing::Length(2))),
            (200, &[(length, "2, 2")], Ok(Framing::Length(2))),
            (200, &[(length, "2"), (length, "02")], Ok(Framing::Length(2))),
            (200, &[(length, "2"), (length, "4")], Err(())),
            (200, &[(length, "2,4")], Err(())),
            (200, &[(length, "2"), (length, "many")], Err(())),
            (200, &[(length, "")], Ok(Framing::Close)),
            (200, &[(length, "+2")], Ok(Framing::Close)),
            (200, &[(length, "-1")], Ok(Framing::Close)),
            (200, &[(length, "many")], Ok(Framing::Close)),
            (200, &[(length, "99999999999999999999999")], Ok(Framing::Close)),
            (200, &[(coding, "chunked")], Ok(Framing::Chunks)),
            (200, &[(coding, "Chunked"), (coding, "chunked")], Ok(Framing::Chunks)),
            (200, &[(coding, "gzip, chunked"), (length, "2"), (length, "4")], Ok(Framing::Chunks)),
            (200, &[(coding, "identity")], Ok(Framing::Close)),
            (200, &[(coding, "identity"), (length, "2")], Ok(Framing::Length(2))),
            (204, &[(length, "5")], Ok(Framing::Nothing)),
            (304, &[(coding, "chunked")], Ok(Framing::Nothing)),
        ] {
            assert_eq!(of(&head(status, fields), false).map_err(drop), framing, "{fields:?}");
        }
    }

    /// The data, and whether all of it came.
    fn unpack(pieces: &[&[u8]]) -> Result<(Vec<u8>, bool), &'static str> {
        let (mut chunks, mut all) = (Chunks::default(), Vec::new());
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() && !chunks.done() {
                let (used, data) = chunks.step(rest)?;
                assert!(used > 0);
                all.extend_from_slice(data);
                rest = &rest[used..];
            }
        }
        Ok((all, chunks.complete()))
    }

    #[test]
    fn careless_chunks_are_read() {
        for (bytes, data) in [
            (&b"2\r\nwe\r\n2\r\nll\r\n0\r\n\r\n"[..], Ok((&b"well"[..], true))),
            (b"4\nwell\n0\n\n", Ok((b"well", true))),
            (b"4 ; a=b\r\nwell\r\n000\r\nX: y\r\n\r\n", Ok((b"well", true))),
            (b"4\r\nwell\r\n0\r\n", Ok((b"well", true))),
            (b"4\r\nwell\r\n", Ok((b"well", false))),
            (b"64\r\nwell", Ok((b"well", false))),
            (b"well\r\n", Err(())),
            (b"\r\n", Err(())),
            (b"-1\r\n", Err(())),
            (b"2\r\nwell\r\n", Err(())),
            (b"11112222333344445\r\n", Err(())),
        ] {
            let read = unpack(&[bytes]);
            let read = read.as_ref().map(|(all, complete)| (all.as_slice(), *complete)).map_err(drop);
            assert_eq!(read, data, "{}", bytes.escape_ascii());
        }
        assert!(unpack(&[&b"1;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\nx\r\n".repeat(10_000)]).is_err());
        assert!(unpack(&[b"0\r\n", &b"X: y\r\n".repeat(100_000)]).is_err());
        assert_eq!(
            (looks_chunked(b"2"), looks_chunked(b"2\n"), looks_chunked(b"ok\n")),
            (None, Some(true), Some(false))
        );
    }

    proptest! {
        #[test]
        fn pieces_are_unpacked_like_the_whole(text in "[0-2a;\r\n]{0,30}", cut in 0usize..30) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            prop_assert_eq!(unpack(&[&bytes[..cut], &bytes[cut..]]), unpack(&[bytes]));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = unpack(&[&bytes]);
        }
    }
}
