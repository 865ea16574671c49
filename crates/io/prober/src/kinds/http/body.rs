//! Reading of a body and search for a text in it, decompressed and decoded.

use super::charset;
use super::content_coding::{self, Coding};
use super::head::Head;
use super::search::Search;
use encoding_rs::{Decoder, UTF_8};

/// Bytes of a body that are read in any case, for its timing and its end.
const ALWAYS_BYTES: usize = 1024 * 1024;
/// Bytes read, compressed or not, while the text is not found.
pub(super) const SEARCHED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A body that is not buffered.
pub(super) struct Reader<'a> {
    /// As it came, unpacked.
    bytes: usize,
    /// Whether it never ends by its nature, so that its end is not waited for.
    endless: bool,
    text: Option<Text<'a>>,
}

struct Text<'a> {
    codings: Vec<Coding>,
    /// A packed body, kept until its end: what we did not ask for is rare.
    packed: Vec<u8>,
    page: Page<'a>,
}

impl<'a> Reader<'a> {
    /// Reads the body of this response, looking for a text.
    pub(super) fn new(head: &Head, needle: Option<&'a str>) -> Self {
        let kind = head.all("content-type").next_back().unwrap_or_default().to_ascii_lowercase();
        let endless = [&b"text/event-stream"[..], b"multipart/x-mixed-replace"]
            .iter()
            .any(|name| kind.starts_with(name));
        let text = needle.map(|needle| Text {
            codings: content_coding::codings(&head.listed("content-encoding")),
            packed: Vec::new(),
            page: Page::new(head, needle),
        });
        Self { bytes: 0, endless, text }
    }

    /// Bytes of body so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// Whether anything more is to be read.
    pub(super) fn wants_more(&self) -> bool {
        let searching = self.text.as_ref().is_some_and(|text| !text.page.found());
        match self.endless {
            true => searching && self.bytes < SEARCHED_BYTES_MAX,
            false => self.bytes < if searching { SEARCHED_BYTES_MAX } else { ALWAYS_BYTES },
        }
    }

    /// Reads the next piece.
    pub(super) fn pass(&mut self, piece: &[u8]) {
        let limit = if self.text.is_some() { SEARCHED_BYTES_MAX } else { ALWAYS_BYTES };
        let piece = piece.get(..limit.saturating_sub(self.bytes)).unwrap_or(piece);
        self.bytes += piece.len();
        match &mut self.text {
            Some(text) if text.codings.is_empty() => text.page.pass(piece),
            Some(text) => text.packed.extend_from_slice(piece),
            None => {}
        }
    }

    /// Whether the text was found. `whole` says that the body came to its end; where it did not and the text has not come,
    /// that is unknown.
    pub(super) fn found(self, mut whole: bool) -> Option<bool> {
        let mut text = self.text?;
        if !text.codings.is_empty() {
            let page = &mut text.page;
            let (bytes, complete) =
                content_coding::unpack(&text.packed, &text.codings, SEARCHED_BYTES_MAX, |piece| {
                    page.pass(piece);
                    !page.found()
                });
            whole = whole && (complete || bytes < SEARCHED_BYTES_MAX);
            if bytes == 0 {
                // It is not packed at all, whatever it says.
                page.pass(&text.packed);
            }
        }
        text.page.end();
        match text.page.found() {
            true => Some(true),
            false => whole.then_some(false),
        }
    }
}

/// What a browser would show, before markup is taken out.
struct Page<'a> {
    content_type: Option<Vec<u8>>,
    /// The bytes as they are: UTF-8, and whatever is in no character set.
    plain: Search<'a>,
    /// The beginning, until the character set is known.
    begin: Vec<u8>,
    /// In another character set.
    read: Option<(Decoder, Search<'a>)>,
    needle: &'a str,
    begun: bool,
}

impl<'a> Page<'a> {
    fn new(head: &Head, needle: &'a str) -> Self {
        let content_type = head.all("content-type").next_back().map(<[u8]>::to_vec);
        let plain = Search::new(needle.as_bytes());
        Self { content_type, plain, begin: Vec::new(), read: None, needle, begun: false }
    }

    fn found(&self) -> bool {
        self.plain.found() || self.read.as_ref().is_some_and(|(_, search)| search.found())
    }

    fn pass(&mut self, piece: &[u8]) {
        self.plain.pass(piece);
        if self.begun {
            return self.decode(piece, false);
        }
        self.begin.extend_from_slice(piece);
        if self.begin.len() >= charset::PRESCAN_BYTES {
            self.choose();
        }
    }

    fn end(&mut self) {
        if !self.begun {
            self.choose();
        }
        self.decode(&[], true);
    }

    fn choose(&mut self) {
        self.begun = true;
        let begin = std::mem::take(&mut self.begin);
        let encoding = charset::of(self.content_type.as_deref(), &begin);
        if encoding != UTF_8 {
            self.read = Some((encoding.new_decoder(), Search::new(self.needle.as_bytes())));
            self.decode(&begin, false);
        }
    }

    fn decode(&mut self, mut bytes: &[u8], last: bool) {
        let Some((decoder, search)) = &mut self.read else { return };
        let mut letters = [0; 4 * 1024];
        loop {
            let (result, read, written, _) = decoder.decode_to_utf8(bytes, &mut letters, last);
            search.pass(&letters[..written]);
            bytes = bytes.get(read..).unwrap_or_default();
            if result == encoding_rs::CoderResult::InputEmpty {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read as _;

    fn head(fields: &[(&str, &str)]) -> Head {
        let mut head = Head::new(200);
        for (name, value) in fields {
            head.keep(name.as_bytes(), value.as_bytes());
        }
        head
    }

    fn look(fields: &[(&str, &str)], body: &[u8], needle: &str, step: usize, whole: bool) -> Option<bool> {
        let head = head(fields);
        let mut reader = Reader::new(&head, Some(needle));
        for piece in body.chunks(step) {
            reader.pass(piece);
        }
        reader.found(whole)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        flate2::read::GzEncoder::new(bytes, flate2::Compression::best()).read_to_end(&mut packed).unwrap();
        packed
    }

    #[test]
    fn text_is_found_as_a_reader_sees_it() {
        let (kind, coding) = ("content-type", "content-encoding");
        let gbk = encoding_rs::GBK.encode("<p>服务正常</p>").0.into_owned();
        let meta = b"<meta charset=windows-1252><p>caf\xe9</p>".to_vec();
        let packed_meta = gzip(&meta);
        for (what, fields, body, needle) in [
            (
                "utf-8",
                &[(kind, "text/html; charset=utf-8")][..],
                "Übersicht".as_bytes().to_vec(),
                "Übersicht",
            ),
            ("latin-1", &[(kind, "text/html; charset=iso-8859-1")], b"\xdcbersicht".to_vec(), "Übersicht"),
            ("gbk", &[(kind, "text/html; charset=gbk")], gbk, "服务正常"),
            ("meta", &[(kind, "text/html")], meta.clone(), "café"),
            ("no charset at all", &[], b"caf\xe9".to_vec(), "café"),
            (
                "utf-8 called latin-1",
                &[(kind, "text/html; charset=iso-8859-1")],
                "café".as_bytes().to_vec(),
                "café",
            ),
            ("utf-16", &[(kind, "text/plain; charset=utf-16")], b"\xff\xfew\0e\0l\0l\0".to_vec(), "well"),
            ("utf-16 by mark", &[], b"\xfe\xff\0w\0e\0l\0l".to_vec(), "well"),
            ("gzip", &[(coding, "gzip")], gzip(b"all is well"), "is well"),
            ("gzip and meta", &[(coding, "gzip")], packed_meta, "café"),
            ("called gzip", &[(coding, "gzip")], b"all is well".to_vec(), "is well"),
            ("an unknown coding", &[(coding, "none")], b"all is well".to_vec(), "is well"),
            ("far behind", &[], [&vec![b'x'; 1_200_000][..], b"all is well"].concat(), "all is well"),
        ] {
            for step in [1, 7, 100_000] {
                if body.len() / step < 10_000 {
                    assert_eq!(look(fields, &body, needle, step, true), Some(true), "{what} by {step}");
                    assert_eq!(look(fields, &body, "sorry", step, true), Some(false), "{what} by {step}");
                }
            }
        }
    }

    #[test]
    fn what_was_not_read_is_not_missing() {
        let long = vec![b'x'; SEARCHED_BYTES_MAX + 10];
        assert_eq!(look(&[], &long, "well", 65_536, false), None);
        assert_eq!(look(&[("content-encoding", "gzip")], &gzip(&long), "well", 65_536, true), None);
        assert_eq!(look(&[], b"all is", "well", 65_536, true), Some(false));
    }

    #[test]
    fn no_more_is_read_than_is_needed() {
        let (plain, stream) = (head(&[]), head(&[("content-type", "text/event-stream")]));
        let after = |head, needle, bytes: &[u8]| {
            let mut reader = Reader::new(head, needle);
            bytes.chunks(65_536).for_each(|piece| reader.pass(piece));
            reader.wants_more()
        };
        let mib = vec![b'x'; 1024 * 1024];
        let found = [&b"well"[..], &mib].concat();
        for (what, wants, expected) in [
            ("to its end", after(&plain, None, b"x"), true),
            ("the first MiB", after(&plain, None, &mib), false),
            ("more for a text", after(&plain, Some("well"), &mib), true),
            ("no more once it is found", after(&plain, Some("well"), &found), false),
            ("nothing of a stream", after(&stream, None, b""), false),
            ("a stream to the text", after(&stream, Some("well"), b"x"), true),
            ("and no further", after(&stream, Some("well"), b"well"), false),
            ("nothing without end", after(&plain, Some("well"), &vec![b'x'; SEARCHED_BYTES_MAX]), false),
        ] {
            assert_eq!(wants, expected, "{what}");
        }
    }

    proptest! {
        #[test]
        fn pieces_are_read_like_the_whole(
            body in proptest::collection::vec(any::<u8>(), 0..60),
            step in 1usize..10,
            label in "(gbk|utf-16|shift_jis|koi8-r|iso-2022-jp)",
        ) {
            let value = format!("text/plain; charset={label}");
            let fields = &[("content-type", value.as_str())];
            let whole = encoding_rs::Encoding::for_label(label.as_bytes());
            let text = whole.map(|encoding| encoding.decode(&body).0.into_owned()).unwrap_or_default();
            if let Some(needle) = text.get(text.len() / 2..).filter(|needle| !needle.is_empty()) {
                prop_assert_eq!(look(fields, &body, needle, step, true), Some(true));
            }
        }
    }
}
