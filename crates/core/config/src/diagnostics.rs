//! The marks a reader leaves in the margin: collected while reading, told all at once at the end.

use crate::problem::{Problem, SourceSpan};
use crate::suggest;
use miette::{NamedSource, Severity};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// Bytes from, to.
pub(crate) type Place = Range<usize>;

/// No reader needs more mistakes than this at once, and a hostile text could hold a million.
const MOST: usize = 500;

/// What sort of mark it is; decides whether a broken line elsewhere makes it doubtful.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Category {
    /// The text is not TOML here.
    Syntax,
    /// A key or value is wrong by itself.
    Value,
    /// Something is missing from a section: doubtful when a line of that section could not be read.
    Missing,
    /// Two places do not fit together, far apart as they may be.
    Conflict,
    /// A name that nothing declares: doubtful when its declaration could not be read.
    Unknown,
    /// The configuration is sound, but look again.
    Warning,
}

#[derive(Debug)]
struct Entry {
    sort: Category,
    place: Place,
    message: String,
    hint: Option<String>,
    /// The header that would declare what is missing: `person.ana`, `edge`.
    header: Option<String>,
}

/// Every mark so far.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    list: Vec<Entry>,
    left_out: usize,
    secret: Vec<Place>,
    blots: Vec<Place>,
    kept: Vec<Place>,
    gave_up: bool,
}

impl Diagnostics {
    /// The text is not TOML here.
    pub(crate) fn syntax(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Category::Syntax, place, message.into(), Some(hint.into()));
    }

    /// This part of the text could not be read: what is missing near it may not be missing.
    pub(crate) fn unreadable(&mut self, place: Place) {
        self.blots.push(place);
    }

    /// More is broken than could be told apart: nothing can be said about what is missing.
    pub(crate) fn give_up(&mut self) {
        self.gave_up = true;
    }

    /// A key or value is wrong by itself.
    pub(crate) fn error(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Category::Value, place, message.into(), Some(hint.into()));
    }

    /// A section that must be there is not.
    pub(crate) fn undeclared(
        &mut self,
        place: Place,
        header: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push_unknown(place, header.to_owned(), message.into(), hint.into());
    }

    /// Something is missing from a section.
    pub(crate) fn missing(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Category::Missing, place, message.into(), Some(hint.into()));
    }

    /// Two places do not fit together.
    pub(crate) fn conflict(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Category::Conflict, place, message.into(), Some(hint.into()));
    }

    /// The configuration is sound, but this deserves a second look.
    pub(crate) fn warn(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Category::Warning, place, message.into(), Some(hint.into()));
    }

    /// Blots this place out of every drawing of the text.
    pub(crate) fn hide(&mut self, place: Place) {
        self.secret.push(place);
    }

    /// A reference to something that is not declared: names what is meant, or what there is.
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

    /// Counts a mark that nobody will read.
    pub(crate) fn omit(&mut self) {
        self.left_out += 1;
    }

    /// Whether further marks would be left out: then no time is spent on their hints.
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
        if let Some(mark) = self.list.get_mut(before) {
            mark.header = Some(header);
        }
    }

    /// A broken line must not make marks elsewhere that are not true: drops those that it may have caused.
    fn drop_doubtful(&mut self, text: &str, lines: &Lines) {
        let mut broken = BTreeSet::new();
        self.list.sort_by_key(|mark| mark.place.start);
        // One broken line often breaks in several ways; the first tells the most.
        self.list.retain(|mark| mark.sort != Category::Syntax || broken.insert(lines.line(mark.place.start)));
        if broken.is_empty() {
            return;
        }
        let gave_up = self.gave_up;
        let sections: Vec<Place> = self.blots.iter().map(|blot| lines.section(text, blot)).collect();
        // What stands in a header was declared, though its section may have been lost.
        let headers: Vec<&str> = text.lines().filter(|line| line.trim_start().starts_with('[')).collect();
        let headers = headers.join("\n");
        let is_declared =
            |header: &Option<String>| header.as_ref().is_some_and(|it| headers.contains(it.as_str()));
        self.list.retain(|mark| match mark.sort {
            Category::Syntax => true,
            Category::Warning => false,
            Category::Value => !gave_up || !broken.contains(&lines.line(mark.place.start)),
            Category::Missing | Category::Conflict | Category::Unknown if gave_up => false,
            Category::Missing => !sections.iter().any(|section| section.contains(&mark.place.start)),
            Category::Unknown => !is_declared(&mark.header),
            Category::Conflict => true,
        });
    }

    /// Keeps a place for later; see [`SourceSpan`]. Only what is kept here can be told of after reading.
    pub(crate) fn remember(&mut self, place: Place) {
        self.kept.push(place);
    }

    /// Problems and warnings, in the order of the text, and the places kept.
    pub(crate) fn finish(mut self, text: &str, file: &str) -> (Vec<Problem>, Vec<Problem>, Vec<SourceSpan>) {
        let lines = Lines::of(text);
        self.drop_doubtful(text, &lines);
        self.list.sort_by(|a, b| {
            (a.place.start, a.place.end, &a.message).cmp(&(b.place.start, b.place.end, &b.message))
        });
        self.list.dedup_by(|a, b| a.place == b.place && a.message == b.message);
        if self.left_out > 0 {
            let message = format!("and {} more", self.left_out);
            let hint = Some("mend these first".to_owned());
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
        let kept =
            self.kept.into_iter().map(|place| SourceSpan(at(place, String::new(), None, Severity::Error)));
        (problems, warnings, kept.collect())
    }
}

/// The nearest character boundary at or before the offset.
fn floor(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The text with stars in place of every character of the secret places; offsets stay as they were.
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

/// Where each line begins.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(breaks).collect())
    }

    /// Index of the line that holds the offset, from 0.
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

    /// From the header above a place to the next one after it.
    fn section(&self, text: &str, place: &Place) -> Place {
        let (first, last) = (self.line(place.start), self.line(place.end.saturating_sub(1).max(place.start)));
        let first = (0..=first).rev().find(|line| self.is_header(text, *line)).unwrap_or(0);
        let next = (last + 1..self.0.len()).find(|line| self.is_header(text, *line));
        self.start(first)..next.map_or(text.len() + 1, |next| self.start(next))
    }
}

/// What a key given twice is called.
pub(crate) const DUPLICATE: &str = "this name was given before";
