//! The text of a body as a browser decodes it, searched while it comes.

use super::charset;
use super::head::Head;
use super::search::Search;
use encoding_rs::{Decoder, UTF_8};
use types::config::Expect;

/// Bytes read, compressed or not, while a text is not found.
pub(super) const SEARCHED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Largest body that is kept to be parsed, or matched with a regular expression.
pub(super) const KEPT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A body that was searched.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Searched {
    /// Whether the wanted text is in it; `None` without one, or when the size limit came before the text and the end.
    pub(super) found: Option<bool>,
    /// The first unwanted text that is in it.
    pub(super) unwanted: Option<String>,
    /// The whole of it, decoded, where that is asked for.
    pub(super) text: Option<String>,
    /// Why nothing is known about the rest.
    pub(super) unsearchable: Option<String>,
}

/// What a browser would show, before markup is taken out.
pub(super) struct Page<'a> {
    content_type: Option<Vec<u8>>,
    needles: Vec<Needle<'a>>,
    /// The bytes as they came, up to a limit, where they are needed as a whole.
    kept: Option<Vec<u8>>,
    /// Whether the whole is asked for, and not only whether it is text.
    is_parsed: bool,
    /// The beginning, until the character set is known.
    begin: Vec<u8>,
    /// Of another character set than UTF-8.
    decoder: Option<Decoder>,
    begun: bool,
    bytes: usize,
}

/// A text that is looked for.
struct Needle<'a> {
    text: &'a str,
    is_wanted: bool,
    /// In the bytes as they are: UTF-8, and whatever is in no character set.
    plain: Search<'a>,
    /// In the decoded text.
    decoded: Search<'a>,
}

impl Needle<'_> {
    fn found(&self) -> bool {
        self.plain.found() || self.decoded.found()
    }
}

impl<'a> Page<'a> {
    /// The page of a response. `is_doubtful` asks for its bytes, so that it can be found out whether they are text.
    pub(super) fn new(head: &Head, expect: &'a Expect, is_doubtful: bool) -> Self {
        let wanted = expect.body_contains.iter().map(|text| (text, true));
        let unwanted = expect.body_lacks.iter().map(|text| (text, false));
        let needles = wanted.chain(unwanted).map(|(text, is_wanted)| {
            let search = || Search::new(text.as_bytes());
            Needle { text, is_wanted, plain: search(), decoded: search() }
        });
        Self {
            content_type: head.all("content-type").next_back().map(<[u8]>::to_vec),
            needles: needles.collect(),
            kept: (expect.parses() || is_doubtful).then(Vec::new),
            is_parsed: expect.parses(),
            begin: Vec::new(),
            decoder: None,
            begun: false,
            bytes: 0,
        }
    }

    /// Whether the rest can change nothing.
    pub(super) fn is_settled(&self) -> bool {
        let is_kept = match &self.kept {
            Some(kept) => self.is_parsed && kept.len() <= KEPT_BYTES_MAX,
            None => false,
        };
        !is_kept && self.needles.iter().all(Needle::found)
    }

    /// Whether a wanted text has not come yet.
    pub(super) fn is_awaited(&self) -> bool {
        self.needles.iter().any(|needle| needle.is_wanted && !needle.found())
    }

    /// Whether what was kept is UTF-8, but for a character that was cut.
    pub(super) fn is_utf8(&self) -> bool {
        let kept = self.kept.as_deref().unwrap_or_default();
        std::str::from_utf8(kept).map_or_else(|error| error.error_len().is_none(), |_| true)
    }

    /// Reads the next piece.
    pub(super) fn pass(&mut self, piece: &[u8]) {
        self.bytes += piece.len();
        self.needles.iter_mut().for_each(|needle| needle.plain.pass(piece));
        if let Some(kept) = &mut self.kept {
            // One byte more than may be: it says that there is more.
            let room = (KEPT_BYTES_MAX + 1).saturating_sub(kept.len());
            kept.extend_from_slice(piece.get(..room).unwrap_or(piece));
        }
        if self.begun {
            return self.decode(piece, false);
        }
        self.begin.extend_from_slice(piece);
        if self.begin.len() >= charset::PRESCAN_BYTES {
            self.choose();
        }
    }

    fn choose(&mut self) {
        self.begun = true;
        let begin = std::mem::take(&mut self.begin);
        let encoding = charset::of(self.content_type.as_deref(), &begin);
        if encoding != UTF_8 {
            self.decoder = Some(encoding.new_decoder());
            self.decode(&begin, false);
        }
    }

    fn decode(&mut self, mut bytes: &[u8], last: bool) {
        let Some(decoder) = &mut self.decoder else { return };
        let mut letters = [0; 4 * 1024];
        loop {
            let (result, read, written, _) = decoder.decode_to_utf8(bytes, &mut letters, last);
            self.needles.iter_mut().for_each(|needle| needle.decoded.pass(&letters[..written]));
            bytes = bytes.get(read..).unwrap_or_default();
            if result == encoding_rs::CoderResult::InputEmpty {
                return;
            }
        }
    }

    /// What was found. `whole` says that the body came to its end, `coding` names a coding that could not be undone.
    pub(super) fn end(mut self, whole: bool, coding: Option<&str>) -> Searched {
        if !self.begun {
            let begin = self.begin.clone();
            self.choose();
            self.begin = begin;
        }
        self.decode(&[], true);
        let is_known = whole && coding.is_none();
        let wanted = self.needles.iter().find(|needle| needle.is_wanted);
        let found = wanted.and_then(|needle| match needle.found() {
            true => Some(true),
            false => is_known.then_some(false),
        });
        let unwanted = self.needles.iter().find(|needle| !needle.is_wanted && needle.found());
        let unwanted = unwanted.map(|needle| needle.text.to_owned());
        let is_complete = |kept: &Vec<u8>| is_known && kept.len() <= KEPT_BYTES_MAX;
        let text = match self.kept.take() {
            Some(kept) if self.is_parsed && is_complete(&kept) => Some(self.text(kept)),
            _ => None,
        };
        let is_open = (self.is_parsed && text.is_none())
            // That a wanted text was not reached is known by `found`.
            || self.needles.iter().any(|needle| {
                !needle.found() && (coding.is_some() || !whole && !needle.is_wanted)
            });
        let unsearchable = is_open.then(|| self.obstacle(whole, coding));
        Searched { found, unwanted, text, unsearchable }
    }

    fn text(&self, kept: Vec<u8>) -> String {
        String::from_utf8(kept).unwrap_or_else(|error| {
            let bytes = error.into_bytes();
            let prescan = bytes.get(..charset::PRESCAN_BYTES).unwrap_or(&bytes);
            charset::of(self.content_type.as_deref(), prescan).decode(&bytes).0.into_owned()
        })
    }

    fn obstacle(&self, whole: bool, coding: Option<&str>) -> String {
        match coding {
            Some(coding) => format!("its content coding cannot be undone ({coding})"),
            None if self.bytes >= SEARCHED_BYTES_MAX => {
                format!("it is larger than {} MiB (size limit)", SEARCHED_BYTES_MAX >> 20)
            }
            None if whole || self.bytes > KEPT_BYTES_MAX => {
                format!(
                    "it is larger than {} MiB (size limit for JSON and regular expressions)",
                    KEPT_BYTES_MAX >> 20
                )
            }
            None => "it has no end".to_owned(),
        }
    }
}
