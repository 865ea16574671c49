//! Heads of HTTP/1 responses, read as tolerantly as Chromium and curl read them.
//!
//! Lines may end with LF alone; a line without a colon, or without a name, is left out; a name may hold any character;
//! a reason is not needed; a few stray bytes may come before the status line. What is refused: no status line, no
//! three-digit status, and a zero byte, which both refuse too.

use std::collections::BTreeSet;
use types::config::Expect;
use types::probe_result::HttpNote;

/// Chromium looks for a status line behind at most this many stray bytes.
const STRAY_BYTES_MAX: usize = 4;
/// Many clients refuse a response with more fields.
const USUAL_FIELDS_MAX: usize = 100;
/// The fields that are kept, besides those that are expected; others cost no memory.
const KEPT: [&str; 6] =
    ["content-encoding", "content-length", "content-type", "location", "set-cookie", "transfer-encoding"];

/// The head of a response.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// HTTP/1.0 or older: the connection is not expected to go on.
    pub(super) old: bool,
    /// Fields by their names in lower case, in order.
    fields: Vec<(String, Vec<u8>)>,
    count: usize,
    /// Breaches of the protocol in its lines.
    notes: BTreeSet<HttpNote>,
}

impl Head {
    /// A head without fields.
    pub(super) fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// Keeps a field if it is in the list, or expected.
    pub(super) fn keep(&mut self, name: &[u8], value: &[u8], expect: &Expect) {
        self.count += 1;
        let mut known = KEPT.into_iter().chain(expect.headers.keys().map(String::as_str));
        if let Some(name) = known.find(|kept| kept.as_bytes().eq_ignore_ascii_case(name)) {
            self.fields.push((name.to_owned(), value.to_vec()));
        }
    }

    /// Every value of a field.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |(kept, _)| kept == name).map(|(_, value)| value.as_slice())
    }

    /// Its breaches of the protocol. `asked` says that the request accepts content codings.
    pub(super) fn notes(&self, asked: bool) -> BTreeSet<HttpNote> {
        let lengths = self.all("content-length").collect::<Vec<_>>();
        let is_number = |length: &[u8]| !length.is_empty() && length.iter().all(u8::is_ascii_digit);
        let is_coded = self.all("transfer-encoding").next().is_some();
        let odd_length = lengths.len() > 1
            || (is_coded && !lengths.is_empty())
            || !lengths.iter().all(|length| is_number(length));
        let is_packed = self.listed("content-encoding").iter().any(|coding| coding != "identity");
        let odd_location = self.location().is_some_and(|location| !location.is_ascii());
        let more = [
            (HttpNote::ManyHeaders, self.count > USUAL_FIELDS_MAX),
            (HttpNote::LocationBytes, odd_location),
            (HttpNote::OldChunked, self.old && is_coded),
            (HttpNote::OddLength, odd_length),
            (HttpNote::UnaskedCoding, is_packed && !asked),
        ];
        let more = more.into_iter().filter_map(|(note, is)| is.then_some(note));
        self.notes.iter().copied().chain(more).collect()
    }

    /// Every part of a field whose values are lists, in lower case.
    pub(super) fn listed(&self, name: &str) -> Vec<String> {
        self.all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(|part| String::from_utf8_lossy(part.trim_ascii()).to_ascii_lowercase())
            .filter(|part| !part.is_empty())
            .collect()
    }

    /// The target of a redirect. An empty `Location` is none.
    pub(super) fn location(&self) -> Option<&[u8]> {
        self.all("location").find(|value| !value.is_empty())
    }
}

/// Incremental search for the end of a head.
#[derive(Default)]
pub(super) struct End {
    /// Bytes searched so far.
    looked: usize,
    begun: bool,
}

impl End {
    /// The length of the head at the beginning of `bytes`, its last empty line included; `None` before that came. Each
    /// call must bring all bytes of the last one.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        if !self.begun {
            // Empty lines before the status line end nothing.
            self.looked = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
            self.begun = true;
        }
        for place in memchr::memchr_iter(b'\n', bytes.get(self.looked..)?) {
            let next = self.looked + place + 1;
            match bytes.get(next..)? {
                [b'\n', ..] => return Some(next + 1),
                [b'\r', b'\n', ..] => return Some(next + 2),
                [] | [b'\r'] => {
                    self.looked = next - 1;
                    return None;
                }
                _ => {}
            }
        }
        self.looked = bytes.len();
        None
    }
}

/// Whether these first bytes can become a response; they are not waited for any longer once they cannot.
pub(super) fn may_begin(bytes: &[u8]) -> bool {
    let bytes =
        bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).map_or(&[][..], |at| &bytes[at..]);
    (0..=STRAY_BYTES_MAX.min(bytes.len())).any(|stray| {
        let rest = &bytes[stray..];
        [&b"http"[..], b"icy "].iter().any(|word| {
            let common = rest.len().min(word.len());
            rest[..common].eq_ignore_ascii_case(&word[..common])
        })
    })
}

/// Reads a whole head, with the fields that are expected.
///
/// # Errors
/// Why it is none.
pub(super) fn parse(bytes: &[u8], expect: &Expect) -> Result<Head, &'static str> {
    if bytes.contains(&0) {
        return Err("a zero byte is in its head");
    }
    let begin = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    let mut lines =
        bytes[begin..].split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut head = status(lines.next().unwrap_or_default())?;
    if memchr::memchr_iter(b'\n', bytes).any(|at| at == 0 || bytes[at - 1] != b'\r') {
        head.notes.insert(HttpNote::BareLf);
    }
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for line in lines {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            // A folded line goes on with the value before it.
            head.notes.insert(HttpNote::Folded);
            if let Some((_, value)) = &mut open {
                value.push(b' ');
                value.extend_from_slice(line.trim_ascii());
            }
            continue;
        }
        if let Some((name, value)) = open.take() {
            head.keep(name, &value, expect);
        }
        let colon = memchr::memchr(b':', line);
        if let Some(colon) = colon {
            open = Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii().to_vec()));
        }
        let name = &line[..colon.unwrap_or(0)];
        if !line.is_empty() && (name.is_empty() || !name.iter().all(u8::is_ascii_graphic)) {
            head.notes.insert(HttpNote::OddLine);
        }
    }
    if let Some((name, value)) = open {
        head.keep(name, &value, expect);
    }
    Ok(head)
}

fn status(line: &[u8]) -> Result<Head, &'static str> {
    const NONE: &str = "it does not begin with an HTTP status line";
    let begins = |stray: &usize| {
        let rest = line.get(*stray..).unwrap_or_default();
        rest.get(..4)
            .is_some_and(|word| word.eq_ignore_ascii_case(b"http") || word.eq_ignore_ascii_case(b"icy "))
    };
    let stray = (0..=STRAY_BYTES_MAX).find(begins).ok_or(NONE)?;
    let line = &line[stray..];
    let blank = line.iter().position(|byte| matches!(byte, b' ' | b'\t')).ok_or("it has no status")?;
    let old = match line.get(4..blank).unwrap_or_default() {
        [b'/', major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9', ..] => (*major, *minor) < (b'1', b'1'),
        _ => true,
    };
    let rest = line[blank..].trim_ascii_start();
    let digits: Vec<u8> = rest.iter().copied().take_while(u8::is_ascii_digit).take(4).collect();
    match digits.as_slice() {
        [first @ b'1'..=b'9', second, third] => {
            let number =
                [first, second, third].iter().fold(0, |sum, digit| sum * 10 + u16::from(**digit - b'0'));
            let mut head = Head { old, ..Head::new(number) };
            if !is_regular(line, stray) {
                head.notes.insert(HttpNote::OddStatusLine);
            }
            Ok(head)
        }
        _ => Err("its status is no number of three digits"),
    }
}

/// Whether a status line is as RFC 9112, section 4, has it; the blank before a reason that is not there may be missing.
fn is_regular(line: &[u8], stray: usize) -> bool {
    let version =
        matches!(line.get(..9), Some([b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0' | b'1', b' ']));
    let code = line.get(9..12).is_some_and(|code| code.iter().all(u8::is_ascii_digit));
    stray == 0 && version && code && matches!(line.get(12), None | Some(b' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Head, &'static str> {
        let end = End::default().find(bytes).expect("a whole head");
        assert_eq!(end, bytes.len(), "{}", bytes.escape_ascii());
        parse(bytes, &Expect::default())
    }

    #[test]
    fn careless_status_lines_are_read() {
        for (line, status, old) in [
            (&b"HTTP/1.1 200 OK"[..], 200, false),
            (b"HTTP/1.1 200", 200, false),
            (b"HTTP/1.1 200 ", 200, false),
            (b"HTTP/1.1  200 OK", 200, false),
            (b"HTTP/1.1\t200\tOK", 200, false),
            (b"HTTP/1.1 404 C'est \xe9t\xe9", 404, false),
            (b"HTTP/1.1 200OK", 200, false),
            (b"http/1.1 200 ok", 200, false),
            (b"HTTP/1.0 200 OK", 200, true),
            (b"HTTP/2 200", 200, true),
            (b"HTTP/2.0 200", 200, false),
            (b"HTTP 200 OK", 200, true),
            (b"ICY 200 OK", 200, true),
            (b"\xef\xbb\xbfHTTP/1.1 200 OK", 200, false),
            (b"\r\nHTTP/1.1 200 OK", 200, false),
            (b"\n\n\nHTTP/1.1 200 OK", 200, false),
        ] {
            let head = read(&[line, b"\r\n\r\n"].concat()).unwrap();
            assert_eq!((head.status, head.old), (status, old), "{}", line.escape_ascii());
            assert!(may_begin(line), "{}", line.escape_ascii());
        }
        for line in [
            &b"SSH-2.0-x"[..],
            b"220 mail ESMTP",
            b"HTTP/1.1",
            b"HTTP/1.1 OK",
            b"HTTP/1.1 9999 OK",
            b"HTTP/1.1 20",
            b"xxxxxHTTP/1.1 200 OK",
        ] {
            assert!(read(&[line, b"\r\n\r\n"].concat()).is_err(), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn careless_fields_are_read_or_left_out() {
        for field in [
            &b"PHP Warning:  Undefined x in /a/b.php on line 0\r\n"[..],
            b"this is no header\r\n",
            b"X A: 1\r\n",
            b": 1\r\n",
            b"X-City: K\xf6ln\r\n",
            b"X-A: 1,\r\n  2\r\n",
            b" folded into nothing\r\n",
            b"Set-Cookie2: a=\x01b\r\n",
            b"X-A: 1\n",
            b"\xff\xfe: \xfd\r\n",
        ] {
            let head = read(&[b"HTTP/1.1 200 OK\r\n", field, b"Location : /x\r\n\r\n"].concat()).unwrap();
            assert_eq!(head.location(), Some(&b"/x"[..]), "{}", field.escape_ascii());
        }
        let head = read(b"HTTP/1.1 200 OK\nCONTENT-LENGTH:\t2 \n\tand 3\nContent-length:4\n\n").unwrap();
        assert_eq!(head.all("content-length").collect::<Vec<_>>(), [&b"2 and 3"[..], b"4"]);
        assert!(read(b"HTTP/1.1 200 OK\r\nX: \0\r\n\r\n").is_err());
    }

    #[test]
    fn what_browsers_tolerate_is_noted() {
        let many = "X-A: 1\r\n".repeat(101);
        for (line, fields, notes) in [
            ("HTTP/1.1 200 OK", "A: 1\r\n", ""),
            ("HTTP/1.1 200", "Content-Length: 2\r\n", ""),
            ("HTTP/1.1 200 OK", "PHP Warning\r\n", "[OddLine]"),
            ("HTTP/1.1 200 OK", "X A: 1\r\n", "[OddLine]"),
            ("HTTP/1.1 200 OK", &many, "[ManyHeaders]"),
            ("HTTP/1.1 200 OK", "A: 1\n", "[BareLf]"),
            ("HTTP/1.1 200 OK", "A: 1,\r\n 2\r\n", "[Folded]"),
            ("http/1.1 200 OK", "A: 1\r\n", "[OddStatusLine]"),
            ("HTTP/1.1  200 OK", "A: 1\r\n", "[OddStatusLine]"),
            ("HTTP/1.1 200 OK", "Location: /caf\u{e9}\r\n", "[LocationBytes]"),
            ("HTTP/1.0 200 OK", "Transfer-Encoding: chunked\r\n", "[OldChunked]"),
            ("HTTP/1.1 200 OK", "Content-Length: many\r\n", "[OddLength]"),
            ("HTTP/1.1 200 OK", "Content-Length: 2\r\nContent-Length: 2\r\n", "[OddLength]"),
            ("HTTP/1.1 200 OK", "Content-Encoding: gzip\r\n", "[UnaskedCoding]"),
        ] {
            let head = read(format!("{line}\r\n{fields}\r\n").as_bytes()).unwrap();
            let found: Vec<HttpNote> = head.notes(false).into_iter().collect();
            let expected = if notes.is_empty() { "[]" } else { notes };
            assert_eq!(format!("{found:?}"), expected, "{line} {fields:.40}");
        }
    }

    #[test]
    fn many_fields_are_read() {
        let many = "Set-Cookie: c=1\r\n".repeat(5_000);
        let head = read(format!("HTTP/1.1 200 OK\r\n{many}Location: /\r\n\r\n").as_bytes()).unwrap();
        assert_eq!((head.all("set-cookie").count(), head.location()), (5_000, Some(&b"/"[..])));
    }

    #[test]
    fn what_cannot_become_a_response_is_known_early() {
        for (bytes, may) in [
            (&b""[..], true),
            (b"HT", true),
            (b"\r\nHT", true),
            (b"SSH-", true),
            (b"SSH-2.0-OpenSSH", false),
            (b"\x15\x03\x01\x00", true),
            (b"\x15\x03\x01\x00\x02\x02\x46", false),
            (b"\xff\xff\xff\xff\xff", false),
        ] {
            assert_eq!(may_begin(bytes), may, "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), line in "(HTTP|http|ICY|x)?[/.012 \t\r\n:]{0,12}") {
            let _ = parse(&bytes, &Expect::default());
            let _ = may_begin(&bytes);
            let _ = parse(line.as_bytes(), &Expect::default());
            let _ = may_begin(line.as_bytes());
            let head = parse(&[b"HTTP/1.1 200 OK\r\n", bytes.as_slice()].concat(), &Expect::default());
            let _ = head.map(|head| head.notes(false));
        }

        /// However the bytes are cut, the end is found at the same place.
        #[test]
        fn the_end_does_not_depend_on_the_pieces(text in "[a\r\n]{0,20}", cut in 0usize..20) {
            let bytes = text.as_bytes();
            let whole = End::default().find(bytes);
            let (mut end, mut found) = (End::default(), None);
            for upto in [cut.min(bytes.len()), bytes.len()] {
                found = found.or_else(|| end.find(&bytes[..upto]));
            }
            prop_assert_eq!(found, whole);
            let (mut end, mut found) = (End::default(), None);
            for upto in 0..=bytes.len() {
                found = found.or_else(|| end.find(&bytes[..upto]));
            }
            prop_assert_eq!(found, whole);
        }
    }
}
