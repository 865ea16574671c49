//! From text to tables, with everything that is not TOML marked and the rest kept.

use crate::marks::{DUPLICATE, Marks};
use toml::Spanned;
use toml::de::DeTable;
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

/// Parts of a dotted key. No field lies deeper, and the parser's tables nest as deep as the key is long.
const DEEPEST: usize = 16;

/// Parses as much as can be parsed; `None` when nothing should be.
pub(crate) fn parse<'t>(text: &'t str, marks: &mut Marks) -> Option<Spanned<DeTable<'t>>> {
    if let Some(at) = endless_key(text) {
        marks.syntax(at..at, "a key with too many dots", Some(format!("{DEEPEST} parts at most")));
        return None;
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        if marks.is_full() {
            break;
        }
        let place = error.span().unwrap_or(text.len()..text.len());
        let (message, hint) = told(error.message());
        marks.syntax(place, message, hint);
    }
    Some(table)
}

fn told(message: &str) -> (String, Option<String>) {
    let hint = |text: &str| Some(text.to_owned());
    if message.starts_with("duplicate key") {
        return (DUPLICATE.to_owned(), hint("keep one of them"));
    }
    let (what, expected) = message.split_once(", expected ").map_or((message, None), |(a, b)| (a, Some(b)));
    let hint = match (what, expected) {
        (_, Some("nothing")) => hint("take it out"),
        (_, Some(expected)) => Some(format!("expected {expected}")),
        ("string values must be quoted", None) => hint("put it in quotes: \"...\""),
        _ => hint("see toml.io for how TOML is written"),
    };
    (format!("this is not TOML: {what}"), hint)
}

/// Where a dotted key exceeds [`DEEPEST`], if one does.
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
