//! Collects problems and warnings while the configuration is read; they are returned together at the end.

use crate::problem::{Problem, SourceSpan};
use crate::suggest;
use miette::{NamedSource, Severity};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// A byte range of the text.
pub(crate) type Place = Range<usize>;

/// Maximum number of problems that are kept: a malformed file could have a million.
const MOST: usize = 500;

/// The category of an entry. It decides whether the entry may be the consequence of a syntax error elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Category {
    /// A syntax error.
    Syntax,
    /// A key or value that is invalid by itself.
    Value,
    /// Something is missing in a section: dropped when a line of that section could not be parsed.
    Missing,
    /// Two parts of the configuration contradict each other.
    Conflict,
    /// A reference to a name that is not declared: dropped when its declaration could not be parsed.
    Unknown,
    /// Valid, but probably not intended.
    Warning,
}

#[derive(Debug)]
struct Entry {
    sort: Category,
    place: Place,
    message: String,
    hint: Option<String>,
    /// The header of the section that is missing: `person.ana`, `edge`.
    header: Option<String>,
}

/// The problems and warnings found so far.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    list: Vec<Entry>,
    left_out: usize,
    secret: Vec<Place>,
    unreadable: Vec<Place>,
    positions: Vec<Place>,
    gave_up: bool,
}

impl Diagnostics {
    /// Reports a syntax error.
    pub(crate) fn syntax(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Category::Syntax, place, message.into(), Some(hint.into()));
    }

    /// Notes a part of the text that could not be parsed, so that nothing in its section is reported as missing.
    pub(crate) fn unreadable(&mut self, place: Place) {
        self.unreadable.push(place);
    }

    /// Notes that syntax errors remain that could not be isolated, so that nothing at all is reported as missing.
    pub(crate) fn give_up(&mut self) {
        self.gave_up = true;
    }

    /// Reports a key or value that is invalid by itself.
    pub(crate) fn error(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Category::Value, place, message.into(), Some(hint.into()));
    }

    /// Reports a missing section.
    pub(crate) fn undeclared(
        &mut self,
        place: Place,
        header: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push_unknown(place, header.to_owned(), message.into(), hint.into());
    }

    /// Reports something that is missing in a section.
    pub(crate) fn missing(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Category::Missing, place, message.into(), Some(hint.into()));
    }

    /// Reports two parts of the configuration that contradict each other.
    pub(crate) fn conflict(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Category::Conflict, place, message.into(), Some(hint.into()));
    }

    /// Adds a warning.
    pub(crate) fn warn(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Category::Warning, place, message.into(), Some(hint.into()));
    }

    /// Masks a secret wherever the text is shown.
    pub(crate) fn hide(&mut self, place: Place) {
        self.secret.push(place);
    }

    /// Reports a reference to a name that is not declared, with the most similar one or all that are declared.
    pub(crate) fn unknown<'n>(
        &mut self,
        place: Place,
        kind: &str,
        name: &str,
        known: impl Iterator<Item = &'n str>,
    ) {
        if self.is_full() {
            self.omit();
            return;
        }
        let shown = suggest::shown(name);
        let declare = || format!("declare it: [{kind}.{}]", if name.is_empty() { "NAME" } else { &shown });
        let hint = suggest::hint(name, known).unwrap_or_else(declare);
        self.push_unknown(place, format!("{kind}.{name}"), format!("unknown {kind} `{shown}`"), hint);
    }

    /// Counts a problem that is not kept.
    pub(crate) fn omit(&mut self) {
        self.left_out += 1;
    }

    /// Whether further problems would not be kept; then no time is spent on their hints.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MOST
    }

    fn push(&mut self, sort: Category, place: Place, message: String, hint: Option<String>) {
        if self.is_full() && sort != Category::Warning {
            self.left_out += 1;
        } else if !self.is_full() {
            self.list.push(Entry { sort, place, message, hint, header: None });
        }
    }

    fn push_unknown(&mut self, place: Place, header: String, message: String, hint: String) {
        let before = self.list.len();
        self.push(Category::Unknown, place, message, Some(hint));
        if let Some(entry) = self.list.get_mut(before) {
            entry.header = Some(header);
        }
    }

    /// Drops entries that may be the consequence of a syntax error.
    fn drop_doubtful(&mut self, text: &str, lines: &Lines) {
        let mut broken = BTreeSet::new();
        self.list.sort_by_key(|entry| entry.place.start);
        // One broken line often causes several syntax errors; the first is the most specific.
        self.list
            .retain(|entry| entry.sort != Category::Syntax || broken.insert(lines.line(entry.place.start)));
        if broken.is_empty() {
            return;
        }
        let gave_up = self.gave_up;
        let sections: Vec<Place> = self.unreadable.iter().map(|place| lines.section(text, place)).collect();
        // A name in a header is declared, although its section may not have been parsed.
        let headers: Vec<&str> = text.lines().filter(|line| line.trim_start().starts_with('[')).collect();
        let headers = headers.join("\n");
        let is_declared =
            |header: &Option<String>| header.as_ref().is_some_and(|it| headers.contains(it.as_str()));
        self.list.retain(|entry| match entry.sort {
            Category::Syntax => true,
            Category::Warning => false,
            Category::Value => !gave_up || !broken.contains(&lines.line(entry.place.start)),
            Category::Missing | Category::Conflict | Category::Unknown if gave_up => false,
            Category::Missing => !sections.iter().any(|section| section.contains(&entry.place.start)),
            Category::Unknown => !is_declared(&entry.header),
            Category::Conflict => true,
        });
    }

    /// Keeps a position for problems that are found after parsing; see [`SourceSpan`].
    pub(crate) fn remember(&mut self, place: Place) {
        self.positions.push(place);
    }

    /// Returns problems and warnings in the order of the text, and the positions kept.
    pub(crate) fn finish(mut self, text: &str, file: &str) -> (Vec<Problem>, Vec<Problem>, Vec<SourceSpan>) {
        let lines = Lines::of(text);
        self.drop_doubtful(text, &lines);
        self.list.sort_by(|a, b| {
            (a.place.start, a.place.end, &a.message).cmp(&(b.place.start, b.place.end, &b.message))
        });
        self.list.dedup_by(|a, b| a.place == b.place && a.message == b.message);
        if self.left_out > 0 {
            let message = format!("and {} more", self.left_out);
            let hint = Some("fix these first".to_owned());
            self.list.push(Entry {
                sort: Category::Value,
                place: text.len()..text.len(),
                message,
                hint,
                header: None,
            });
        }

        let file: Arc<str> = file.into();
        let source = Arc::new(NamedSource::new(&file, masked(text, &self.secret)));
        let at = |place: Place, message: String, hint: Option<String>, severity| {
            let start = floor(text, place.start);
            let end = floor(text, place.end.max(start));
            let (line, column) = lines.position(text, start);
            let (file, source) = (Arc::clone(&file), Arc::clone(&source));
            Problem { message, line, column, span: (start, end - start), hint, file, severity, source }
        };
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        for Entry { sort, place, message, hint, .. } in self.list {
            if sort == Category::Warning {
                warnings.push(at(place, message, hint, Severity::Warning));
            } else {
                problems.push(at(place, message, hint, Severity::Error));
            }
        }
        let positions = self
            .positions
            .into_iter()
            .map(|place| SourceSpan(at(place, String::new(), None, Severity::Error)));
        (problems, warnings, positions.collect())
    }
}

/// Returns the nearest character boundary at or before the offset.
fn floor(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Returns the text with each character of a secret replaced by `*`; offsets stay the same.
fn masked(text: &str, secret: &[Place]) -> String {
    if secret.is_empty() {
        return text.to_owned();
    }
    let mut secret = secret.to_vec();
    secret.sort_by_key(|place| (place.start, place.end));
    let mut places = secret.into_iter().peekable();
    let mut until = 0;
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        while let Some(place) = places.next_if(|place| place.start <= at) {
            until = until.max(place.end);
        }
        if c != '\n' && at < until {
            out.extend(std::iter::repeat_n('*', c.len_utf8()));
        } else {
            out.push(c);
        }
    }
    out
}

/// Offsets of the lines.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(breaks).collect())
    }

    /// Index of the line with the offset, from 0.
    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    fn start(&self, line: usize) -> usize {
        self.0.get(line).copied().unwrap_or(0)
    }

    fn position(&self, text: &str, offset: usize) -> (usize, usize) {
        let line = self.line(offset);
        let before = text.get(self.start(line)..offset).unwrap_or_default();
        (line + 1, before.chars().count() + 1)
    }

    fn is_header(&self, text: &str, line: usize) -> bool {
        text.get(self.start(line)..).is_some_and(|rest| rest.trim_start_matches([' ', '\t']).starts_with('['))
    }

    /// The section around a place: from the header above it to the next header.
    fn section(&self, text: &str, place: &Place) -> Place {
        let (first, last) = (self.line(place.start), self.line(place.end.saturating_sub(1).max(place.start)));
        let first = (0..=first).rev().find(|line| self.is_header(text, *line)).unwrap_or(0);
        let next = (last + 1..self.0.len()).find(|line| self.is_header(text, *line));
        self.start(first)..next.map_or(text.len() + 1, |next| self.start(next))
    }
}

/// The message for a duplicate key.
pub(crate) const DUPLICATE: &str = "this key is defined twice";
