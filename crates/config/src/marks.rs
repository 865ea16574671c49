//! The marks a reader leaves in the margin: collected while reading, told all at once at the end.

use crate::near;
use crate::problem::Problem;
use miette::{NamedSource, Severity};
use std::ops::Range;
use std::sync::Arc;

/// Bytes from, to.
pub(crate) type Place = Range<usize>;

/// No reader needs more mistakes than this at once, and a hostile text could hold a million.
const MOST: usize = 500;

/// What sort of mark it is; decides whether a broken line elsewhere makes it doubtful.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// The text is not TOML here.
    Syntax,
    /// A key or value is wrong by itself.
    Alone,
    /// Something is missing or names something that is missing: doubtful while lines could not be read.
    Between,
    /// The plan is sound, but look again.
    Warning,
}

#[derive(Debug)]
struct Mark {
    sort: Sort,
    place: Place,
    message: String,
    hint: Option<String>,
}

/// Every mark so far.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    list: Vec<Mark>,
    left_out: usize,
    secret: Vec<Place>,
}

impl Marks {
    /// The text is not TOML here.
    pub(crate) fn syntax(&mut self, place: Place, message: impl Into<String>, hint: Option<String>) {
        self.push(Sort::Syntax, place, message.into(), hint);
    }

    /// A key or value is wrong by itself.
    pub(crate) fn wrong(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Sort::Alone, place, message.into(), Some(hint.into()));
    }

    /// Something is missing, or names something that does not exist.
    pub(crate) fn between(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Sort::Between, place, message.into(), Some(hint.into()));
    }

    /// The plan is sound, but this deserves a second look.
    pub(crate) fn warn(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Sort::Warning, place, message.into(), Some(hint.into()));
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
            self.left_out += 1;
            return;
        }
        let hint = near::hint(name, known).unwrap_or_else(|| {
            format!("declare it: [{kind}.{}]", if name.is_empty() { "NAME" } else { name })
        });
        self.between(place, format!("unknown {kind} `{}`", near::shown(name)), hint);
    }

    /// Whether further marks would be left out: then no time is spent on their hints.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MOST
    }

    fn push(&mut self, sort: Sort, place: Place, message: String, hint: Option<String>) {
        if self.is_full() && sort != Sort::Warning {
            self.left_out += 1;
        } else if !self.is_full() {
            self.list.push(Mark { sort, place, message, hint });
        }
    }

    /// Problems and warnings, in the order of the text.
    pub(crate) fn told(mut self, text: &str, file: &str) -> (Vec<Problem>, Vec<Problem>) {
        let lines = Lines::of(text);
        let shadows: Vec<Place> = self
            .list
            .iter()
            .filter(|mark| mark.sort == Sort::Syntax)
            .map(|mark| lines.shadow(text, mark))
            .collect();
        if !shadows.is_empty() {
            let in_shadow = |place: &Place| shadows.iter().any(|shadow| shadow.contains(&place.start));
            self.list.retain(|mark| match mark.sort {
                Sort::Syntax => true,
                Sort::Alone => !in_shadow(&mark.place),
                Sort::Between | Sort::Warning => false,
            });
            // One broken line often breaks in several ways; the first tells the most.
            let mut seen = std::collections::BTreeSet::new();
            self.list.sort_by_key(|mark| mark.place.start);
            self.list.retain(|mark| mark.sort != Sort::Syntax || seen.insert(lines.line(mark.place.start)));
        }
        self.list.sort_by(|a, b| {
            (a.place.start, a.place.end, &a.message).cmp(&(b.place.start, b.place.end, &b.message))
        });
        self.list.dedup_by(|a, b| a.place == b.place && a.message == b.message);
        if self.left_out > 0 {
            let message = format!("and {} more", self.left_out);
            let hint = Some("mend these first".to_owned());
            self.list.push(Mark { sort: Sort::Alone, place: text.len()..text.len(), message, hint });
        }

        let file: Arc<str> = file.into();
        let source = Arc::new(NamedSource::new(&file, blotted(text, &self.secret)));
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        for mark in self.list {
            let start = floor(text, mark.place.start);
            let end = floor(text, mark.place.end.max(start));
            let (line, column) = lines.position(text, start);
            let is_warning = mark.sort == Sort::Warning;
            let problem = Problem {
                message: mark.message,
                line,
                column,
                span: (start, end - start),
                hint: mark.hint,
                file: Arc::clone(&file),
                severity: if is_warning { Severity::Warning } else { Severity::Error },
                source: Arc::clone(&source),
            };
            if is_warning { warnings.push(problem) } else { problems.push(problem) }
        }
        (problems, warnings)
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
fn blotted(text: &str, secret: &[Place]) -> String {
    if secret.is_empty() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if c != '\n' && secret.iter().any(|place| place.contains(&at)) {
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

    /// The part of the text that cannot be trusted because of a syntax error: its line; after a broken table header
    /// everything up to the next one.
    fn shadow(&self, text: &str, mark: &Mark) -> Place {
        let line = self.line(mark.place.start.min(text.len()));
        let start = self.start(line);
        let end_of = |line: usize| self.0.get(line + 1).copied().unwrap_or(text.len() + 1);
        let is_header = |line: usize| text.get(self.start(line)..).is_some_and(|rest| rest.starts_with('['));
        let mut last = line;
        if is_header(line) && mark.message != DUPLICATE {
            while last + 1 < self.0.len() && !is_header(last + 1) {
                last += 1;
            }
        }
        start..end_of(last)
    }
}

/// What a key given twice is called: its line is bad, what follows is not.
pub(crate) const DUPLICATE: &str = "this name was given before";
