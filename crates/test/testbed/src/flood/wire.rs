//! Parser of the responses on one connection (RFC 9112), as far as the generator needs it.

use memchr::memmem;

/// Largest header section.
const HEAD_MAX: usize = 64 * 1024;

/// A complete response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether it has Retry-After.
    pub(crate) retry_after: bool,
    /// Whether it has RateLimit headers.
    pub(crate) limits: bool,
    /// `name=value` of each cookie given.
    pub(crate) cookies: Vec<String>,
    /// Whether the connection ends with it.
    pub(crate) closes: bool,
}

/// Not HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Garbage;

/// Parses responses one after the other.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Bytes not parsed yet.
    pub(crate) buffer: Vec<u8>,
    answer: Answer,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    /// Remaining bytes of the body.
    Length(usize),
    /// The size of the next chunk comes next.
    Chunks,
    /// Remaining bytes of a chunk and its line end.
    Chunk(usize),
    /// Lines until an empty one.
    Trailers,
    /// The body ends with the connection.
    Close,
}

impl Reader {
    /// Whether an answer has begun that is not whole yet.
    pub(crate) fn has_begun(&self) -> bool {
        !self.buffer.is_empty() || self.state != State::Head
    }

    /// The next whole answer among what came in.
    pub(crate) fn next(&mut self) -> Result<Option<Answer>, Garbage> {
        loop {
            match self.state {
                State::Head => {
                    let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") else {
                        return if self.buffer.len() > HEAD_MAX { Err(Garbage) } else { Ok(None) };
                    };
                    (self.answer, self.state) = head(&self.buffer[..end])?;
                    self.buffer.drain(..end + 4);
                    if self.state == State::Head {
                        continue; // an interim answer, 1xx
                    }
                }
                State::Length(left) => match self.skip(left) {
                    0 => return Ok(Some(self.whole())),
                    left => {
                        self.state = State::Length(left);
                        return Ok(None);
                    }
                },
                State::Chunks => {
                    let Some(line) = self.line()? else { return Ok(None) };
                    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
                    let size = std::str::from_utf8(digits).ok().map(str::trim);
                    let size = size.and_then(|text| usize::from_str_radix(text, 16).ok()).ok_or(Garbage)?;
                    self.state =
                        if size == 0 { State::Trailers } else { State::Chunk(size.saturating_add(2)) };
                }
                State::Chunk(left) => match self.skip(left) {
                    0 => self.state = State::Chunks,
                    left => {
                        self.state = State::Chunk(left);
                        return Ok(None);
                    }
                },
                State::Trailers => match self.line()? {
                    None => return Ok(None),
                    Some(line) if line.is_empty() => return Ok(Some(self.whole())),
                    Some(_) => {}
                },
                State::Close => {
                    self.buffer.clear();
                    return Ok(None);
                }
            }
        }
    }

    /// The connection has ended: that ends an answer without a length.
    pub(crate) fn at_end(&mut self) -> Option<Answer> {
        (self.state == State::Close).then(|| self.whole())
    }

    fn whole(&mut self) -> Answer {
        self.state = State::Head;
        std::mem::take(&mut self.answer)
    }

    /// Drops received bytes of a body; returns the number that are left.
    fn skip(&mut self, left: usize) -> usize {
        let here = left.min(self.buffer.len());
        self.buffer.drain(..here);
        left - here
    }

    fn line(&mut self) -> Result<Option<Vec<u8>>, Garbage> {
        let Some(end) = memmem::find(&self.buffer, b"\r\n") else {
            return if self.buffer.len() > HEAD_MAX { Err(Garbage) } else { Ok(None) };
        };
        let line = self.buffer[..end].to_vec();
        self.buffer.drain(..end + 2);
        Ok(Some(line))
    }
}

/// Reads a head; says what follows it.
fn head(bytes: &[u8]) -> Result<(Answer, State), Garbage> {
    let mut lines = bytes.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.next().ok_or(Garbage)?;
    let rest = first.strip_prefix(b"HTTP/1.").ok_or(Garbage)?;
    let status = rest.get(2..5).and_then(|digits| std::str::from_utf8(digits).ok()).ok_or(Garbage)?;
    let status: u16 = status.parse().map_err(|_| Garbage)?;
    let mut answer = Answer { status, closes: rest.first() == Some(&b'0'), ..Answer::default() };
    let mut body = State::Close;
    for line in lines {
        let colon = line.iter().position(|&byte| byte == b':').ok_or(Garbage)?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        // By length first: most headers are none of these.
        match name.len() {
            9 if is("ratelimit") => answer.limits = true,
            10 if is("connection") => answer.closes = value.eq_ignore_ascii_case(b"close"),
            10 if is("set-cookie") => {
                let pair = value.split(|&byte| byte == b';').next().unwrap_or_default();
                answer.cookies.push(String::from_utf8_lossy(pair).into_owned());
            }
            11 if is("retry-after") => answer.retry_after = true,
            14 if is("content-length") && body == State::Close => {
                let text = std::str::from_utf8(value).map_err(|_| Garbage)?;
                body = State::Length(text.parse().map_err(|_| Garbage)?);
            }
            16 if is("ratelimit-policy") => answer.limits = true,
            17 if is("transfer-encoding") => body = State::Chunks,
            _ => {}
        }
    }
    let body = match status {
        100..200 => State::Head,
        204 | 304 => State::Length(0),
        _ => body,
    };
    answer.closes |= body == State::Close;
    Ok((answer, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statuses read from these bytes, however they are cut into pieces.
    fn check(bytes: &str) -> Vec<u16> {
        let mut statuses = Vec::new();
        for piece in [1, 7, bytes.len()] {
            let mut reader = Reader::default();
            let mut found = Vec::new();
            for part in bytes.as_bytes().chunks(piece) {
                reader.buffer.extend_from_slice(part);
                while let Some(answer) = reader.next().unwrap() {
                    found.push(answer.status);
                }
            }
            found.extend(reader.at_end().map(|answer| answer.status));
            assert!(statuses.is_empty() || statuses == found, "cut into pieces of {piece}");
            assert!(!reader.has_begun());
            statuses = found;
        }
        statuses
    }

    #[test]
    fn reads_answers_of_every_shape() {
        assert_eq!(
            check("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcHTTP/1.1 204 No\r\n\r\n"),
            [200, 204]
        );
        let chunked =
            "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\na: b\r\n\r\n";
        assert_eq!(check(&format!("{chunked}{chunked}")), [503, 503]);
        assert_eq!(check("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), [200]);
        assert_eq!(check("HTTP/1.0 502 Bad\r\n\r\nto the end"), [502]);
    }

    #[test]
    fn error_response_is_parsed_with_its_headers() {
        let mut reader = Reader::default();
        reader.buffer.extend_from_slice(
            b"HTTP/1.1 429 Too\r\nRetry-After: 3\r\nRateLimit: \"x\";r=0\r\nSet-Cookie: a=b; Path=/\r\n\
              connection: close\r\ncontent-length: 0\r\n\r\n",
        );
        let answer = reader.next().unwrap().unwrap();
        let cookies = vec!["a=b".to_owned()];
        assert_eq!(answer, Answer { status: 429, retry_after: true, limits: true, cookies, closes: true });
        reader.buffer.extend_from_slice(b"SSH-2.0-OpenSSH\r\n\r\n");
        assert_eq!(reader.next(), Err(Garbage));
    }
}
