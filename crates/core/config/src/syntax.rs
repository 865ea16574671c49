//! Parses TOML with error recovery: each statement with a syntax error is reported and blanked, and the rest is read.
//!
//! The parser recovers by itself, but after a missing bracket it consumes everything that follows. Here a statement ends
//! at the next line that looks like a key or a header.

use crate::diagnostics::{DUPLICATE, Diagnostics, Place};
use crate::parse::scalar::is_secretive;
use toml::Spanned;
use toml::de::{DeTable, Error};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

/// Maximum parts of a dotted key. No key is deeper, and the parser's tables nest as deep as the key is long.
const DEEPEST: usize = 16;

/// Maximum rounds of blanking and parsing again, and maximum bytes parsed in all rounds.
const MOST_ROUNDS: usize = 20;
const MOST_BYTES: usize = 4 << 20;

/// Returns the text with its broken statements blanked, so that all positions stay; `None` when it must not be parsed.
pub(crate) fn recover(text: &str, diagnostics: &mut Diagnostics) -> Option<String> {
    if let Some(at) = endless_key(text) {
        diagnostics.syntax(at..at, "a key with too many dots", format!("{DEEPEST} parts at most"));
        return None;
    }
    let mut recovered = text.to_owned();
    for round in 0..MOST_ROUNDS.min(MOST_BYTES / text.len().max(1)) {
        let (_, errors) = DeTable::parse_recoverable(&recovered);
        let first =
            errors.iter().filter(|error| !is_duplicate(error)).min_by_key(|error| place(error, text).start);
        let Some(error) = first else { break };
        if round == 0 {
            hide_secrets(text, diagnostics);
        }
        let broken = Statements::of(&recovered).broken(place(error, text).start);
        let Some(rest) = recovered.get(broken.place.clone()).filter(|rest| !rest.trim().is_empty()) else {
            break;
        };
        let blank: String = rest
            .chars()
            .flat_map(|c| std::iter::repeat_n(if c == '\n' { c } else { ' ' }, c.len_utf8()))
            .collect();
        if broken.is_open {
            let first = rest.lines().next().unwrap_or_default();
            let key = first.len() - first.trim_start().len()..first.trim_end().len();
            let at = broken.place.start;
            let hint = "a quote, bracket or brace is missing at its end";
            diagnostics.syntax(
                at + key.start..at + key.end,
                "this is not TOML: the value does not end",
                hint,
            );
        } else {
            mark(error, text, diagnostics);
        }
        diagnostics.unreadable(broken.place.clone());
        recovered.replace_range(broken.place, &blank);
    }
    Some(recovered)
}

/// Masks what may be a secret on lines that could not be parsed: messages show neighbouring lines.
fn hide_secrets(text: &str, diagnostics: &mut Diagnostics) {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some((key, value)) = line.split_once('=')
            && is_secretive(key)
            && !["\"env:", "\"file:"].iter().any(|kind| value.trim_start().starts_with(kind))
        {
            diagnostics.hide(at + key.len() + 1..at + line.len());
        }
        at += line.len();
    }
}

/// Parses what [`recover`] returned, and reports the syntax errors that remain.
pub(crate) fn parse<'t>(recovered: &'t str, diagnostics: &mut Diagnostics) -> Spanned<DeTable<'t>> {
    let (table, errors) = DeTable::parse_recoverable(recovered);
    for error in errors {
        if !is_duplicate(&error) {
            diagnostics.give_up();
        }
        mark(&error, recovered, diagnostics);
    }
    table
}

fn is_duplicate(error: &Error) -> bool {
    error.message().starts_with("duplicate key")
}

fn place(error: &Error, text: &str) -> Place {
    error.span().unwrap_or(text.len()..text.len())
}

fn mark(error: &Error, text: &str, diagnostics: &mut Diagnostics) {
    if is_duplicate(error) {
        diagnostics.syntax(place(error, text), DUPLICATE, "keep one of them");
        return;
    }
    let message = error.message();
    let (what, expected) = message.split_once(", expected ").map_or((message, None), |(a, b)| (a, Some(b)));
    let hint = match (what, expected) {
        ("string values must be quoted", _) => "put it in quotes".to_owned(),
        (_, Some("nothing")) => "remove it".to_owned(),
        (_, Some(expected)) => format!("expected {expected}"),
        _ => "see toml.io for the syntax".to_owned(),
    };
    diagnostics.syntax(place(error, text), format!("this is not TOML: {what}"), hint);
}

/// A part of the text that is not TOML.
struct Broken {
    place: Place,
    /// Whether the error is an unterminated value before the reported position.
    is_open: bool,
}

/// The lines of a text, and which of them look like the begin of a statement.
struct Statements<'t> {
    text: &'t str,
    /// Offset of each line, and the statement it begins.
    lines: Vec<(usize, Option<Begins>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Begins {
    Header,
    Key,
}

impl<'t> Statements<'t> {
    fn of(text: &'t str) -> Self {
        let mut lines = Vec::new();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            lines.push((at, begins(line)));
            at += line.len();
        }
        Self { text, lines }
    }

    /// Returns the statement that causes an error at this offset.
    fn broken(&self, offset: usize) -> Broken {
        let line = self.lines.partition_point(|(start, _)| *start <= offset).saturating_sub(1);
        let after = self.next(line + 1, |_| true);
        let before = |end: usize| (0..end).rev().find(|line| self.begins(*line).is_some());
        // A line that is valid by itself is not the cause: the statement before it is unterminated.
        let is_valid = |from: usize, to: usize| DeTable::parse(self.slice(from, to)).is_ok();
        match self.begins(line) {
            Some(_) if is_valid(line, after) => match before(line) {
                Some(open) if !is_valid(open, line) => {
                    Broken { place: self.place(open, line), is_open: true }
                }
                _ => Broken { place: self.place(line, after), is_open: false },
            },
            Some(Begins::Header) => {
                let next = self.next(line + 1, |begins| begins == Begins::Header);
                Broken { place: self.place(line, next), is_open: false }
            }
            Some(Begins::Key) => Broken { place: self.place(line, after), is_open: false },
            None => {
                let from = before(line).filter(|open| !is_valid(*open, line)).unwrap_or(line);
                Broken { place: self.place(from, after), is_open: false }
            }
        }
    }

    fn begins(&self, line: usize) -> Option<Begins> {
        self.lines.get(line).and_then(|(_, begins)| *begins)
    }

    fn next(&self, from: usize, wanted: impl Fn(Begins) -> bool) -> usize {
        (from..self.lines.len())
            .find(|line| self.begins(*line).is_some_and(&wanted))
            .unwrap_or(self.lines.len())
    }

    fn place(&self, from: usize, to: usize) -> Place {
        let start = |line: usize| self.lines.get(line).map_or(self.text.len(), |(start, _)| *start);
        start(from)..start(to)
    }

    fn slice(&self, from: usize, to: usize) -> &'t str {
        self.text.get(self.place(from, to)).unwrap_or_default()
    }
}

/// The statement that a line seems to begin.
fn begins(line: &str) -> Option<Begins> {
    let line = line.trim_start();
    if let Some(rest) = line.strip_prefix('[') {
        let name = rest.trim_start_matches('[').trim_start();
        return name.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(Begins::Header);
    }
    let (key, _) = line.split_once('=')?;
    let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | '\'' | ' ');
    let is_whole = key.matches(['"', '\'']).count() % 2 == 0;
    (is_whole && !key.trim().is_empty() && key.chars().all(is_key)).then_some(Begins::Key)
}

/// Whether a dotted key exceeds [`DEEPEST`].
pub(crate) fn has_endless_key(text: &str) -> bool {
    endless_key(text).is_some()
}

/// Returns the offset at which a dotted key exceeds [`DEEPEST`].
fn endless_key(text: &str) -> Option<usize> {
    let mut dots = 0;
    for token in Source::new(text).lex() {
        match token.kind() {
            TokenKind::Dot => dots += 1,
            TokenKind::Atom | TokenKind::BasicString | TokenKind::LiteralString | TokenKind::Whitespace => {}
            _ => dots = 0,
        }
        if dots >= DEEPEST {
            return Some(token.span().start());
        }
    }
    None
}
