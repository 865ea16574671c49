//! Reading of a body, decompressed and decoded, and what it says about the texts that are looked for.

use super::content_coding::{self, Coding};
use super::head::Head;
use super::page::{Page, SEARCHED_BYTES_MAX, Searched};
use types::config::Expect;

/// Bytes of a body that are read in any case, for its timing and its end.
const ALWAYS_BYTES: usize = 1024 * 1024;

/// A body that is being read.
pub(super) struct Reader<'a> {
    /// As it came, packed.
    bytes: usize,
    /// Bytes that its size needs to be judged.
    sized: usize,
    /// Whether it never ends by its nature, so that its end is not waited for.
    endless: bool,
    text: Option<Text<'a>>,
}

struct Text<'a> {
    codings: Vec<Coding>,
    /// A coding that cannot be undone.
    unknown: Option<String>,
    /// A packed body, kept until its end: what we did not ask for is rare.
    packed: Vec<u8>,
    page: Page<'a>,
}

/// What was read of a body.
pub(super) struct BodyRead {
    /// Bytes as they came, packed.
    pub(super) bytes: u64,
    /// Whether that is all of it.
    pub(super) whole: bool,
    pub(super) searched: Option<Searched>,
}

impl<'a> Reader<'a> {
    /// Reads the body of this response.
    pub(super) fn new(head: &Head, expect: &'a Expect) -> Self {
        let kind = head.all("content-type").next_back().unwrap_or_default().to_ascii_lowercase();
        let endless = [&b"text/event-stream"[..], b"multipart/x-mixed-replace"]
            .iter()
            .any(|name| kind.starts_with(name));
        let text = expect.searches().then(|| {
            let listed = head.listed("content-encoding");
            let codings = content_coding::codings(&listed);
            let is_coded = listed.iter().any(|coding| coding != "identity");
            let unknown = (codings.is_empty() && is_coded).then(|| listed.join(", "));
            let page = Page::new(head, expect, unknown.is_some());
            Text { codings, unknown, packed: Vec::new(), page }
        });
        let sized = expect.min_size.max(expect.max_size.map(|max| max + 1)).unwrap_or(0);
        let sized = usize::try_from(sized).unwrap_or(usize::MAX).min(SEARCHED_BYTES_MAX + 1);
        Self { bytes: 0, sized, endless, text }
    }

    /// Whether anything more is to be read.
    pub(super) fn wants_more(&self) -> bool {
        let searching = self.text.as_ref().is_some_and(|text| !text.page.is_settled());
        match self.endless {
            true => {
                self.text.as_ref().is_some_and(|text| text.page.is_awaited()) && self.bytes < self.limit()
            }
            false => self.bytes < if searching { self.limit() } else { self.sized.max(ALWAYS_BYTES) },
        }
    }

    fn limit(&self) -> usize {
        self.sized.max(if self.text.is_some() { SEARCHED_BYTES_MAX } else { ALWAYS_BYTES })
    }

    /// Reads the next piece.
    pub(super) fn pass(&mut self, piece: &[u8]) {
        let piece = piece.get(..self.limit().saturating_sub(self.bytes)).unwrap_or(piece);
        self.bytes += piece.len();
        match &mut self.text {
            Some(text) if text.codings.is_empty() => text.page.pass(piece),
            Some(text) => text.packed.extend_from_slice(piece),
            None => {}
        }
    }

    /// What was read. `whole` says that the body came to its end.
    pub(super) fn end(self, whole: bool) -> BodyRead {
        let searched = self.text.map(|text| text.end(whole));
        BodyRead { bytes: self.bytes as u64, whole, searched }
    }
}

impl Text<'_> {
    fn end(mut self, mut whole: bool) -> Searched {
        if !self.codings.is_empty() {
            let page = &mut self.page;
            let (bytes, complete) =
                content_coding::unpack(&self.packed, &self.codings, SEARCHED_BYTES_MAX, |piece| {
                    page.pass(piece);
                    !page.is_settled()
                });
            whole = whole && (complete || bytes < SEARCHED_BYTES_MAX);
            if bytes == 0 {
                // It is not packed at all, whatever it says.
                page.pass(&self.packed);
                if std::str::from_utf8(&self.packed).is_err() {
                    self.unknown = Some("it is damaged".to_owned());
                }
            }
        } else if self.unknown.is_some() && self.page.is_utf8() {
            // Some servers name what is no coding, such as `none` or `utf-8`.
            self.unknown = None;
        }
        self.page.end(whole, self.unknown.as_deref())
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
            head.keep(name.as_bytes(), value.as_bytes(), &Expect::default());
        }
        head
    }

    fn look(fields: &[(&str, &str)], body: &[u8], needle: &str, step: usize, whole: bool) -> Option<bool> {
        let expect = wanting(needle);
        let mut reader = Reader::new(&head(fields), &expect);
        for piece in body.chunks(step) {
            reader.pass(piece);
        }
        reader.end(whole).searched.and_then(|searched| searched.found)
    }

    fn wanting(needle: &str) -> Expect {
        Expect { body_contains: Some(needle.to_owned()), ..Expect::default() }
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
        let after = |head, needle: Option<&str>, bytes: &[u8]| {
            let expect = needle.map(wanting).unwrap_or_default();
            let mut reader = Reader::new(head, &expect);
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
