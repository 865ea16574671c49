//! Banned words outside of Rust: configuration, docs and string literals.

use super::Hits;

/// Sources in which a literal of one name is a configuration key.
const CONFIGURATION: &str = "crates/core/config/src/";

/// A configuration: its keys, and its comments and values as text.
pub(super) fn configuration(text: &str, first: usize, hits: &mut Hits<'_>) {
    hits.text(first, &without_keys(text));
    for (offset, line) in text.lines().enumerate() {
        for key in keys(line) {
            hits.setting(first + offset, key);
        }
    }
}

/// A document: text, keys of its TOML samples, and single names in backticks.
pub(super) fn markdown(text: &str, hits: &mut Hits<'_>) {
    let mut is_toml = false;
    for (offset, line) in text.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            is_toml = language.trim() == "toml";
            continue;
        }
        if is_toml {
            configuration(line, offset + 1, hits);
            continue;
        }
        hits.text(offset + 1, line);
        for name in line.split('`').skip(1).step_by(2).filter(|name| is_name(name)) {
            // The words of it were text already.
            let before = hits.found.len();
            hits.setting(offset + 1, name);
            drop_repeated(hits, before);
        }
    }
}

/// A string literal: a single name is a key, a text with tables a configuration, anything else text.
pub(super) fn literal(value: &str, line: usize, hits: &mut Hits<'_>) {
    if is_name(value) {
        if hits.path.starts_with(CONFIGURATION) { hits.setting(line, value) } else { hits.key(line, value) }
    } else if value.lines().any(|line| line.trim_start().starts_with('[')) && value.contains(" = ") {
        configuration(value, line, hits);
    } else {
        hits.text(line, value);
        for label in labels(value) {
            let before = hits.found.len();
            hits.key(line, label);
            drop_repeated(hits, before);
        }
    }
}

/// Removes new hits of a line that name a term already found there.
fn drop_repeated(hits: &mut Hits<'_>, before: usize) {
    let new = hits.found.split_off(before);
    for hit in new {
        if !hits.found.iter().any(|old| old.line == hit.line && old.term == hit.term) {
            hits.found.push(hit);
        }
    }
}

/// Whether a text is one identifier of code, configuration or a command line.
fn is_name(text: &str) -> bool {
    let text = text.strip_prefix("--").unwrap_or(text);
    !text.is_empty()
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// Labels of metrics and members of JSON in a text: `name="`, `"name":`.
fn labels(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("=\"") {
        found.extend(last_name(text.get(..at).unwrap_or_default()));
    }
    for (at, _) in text.match_indices("\":") {
        found.extend(last_name(text.get(..at).unwrap_or_default()));
    }
    found
}

fn last_name(text: &str) -> Option<&str> {
    let start = text.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    text.get(start..).filter(|name| is_name(name))
}

/// Keys of one line of TOML: of a table's header, or before each `=` outside of quotes.
fn keys(line: &str) -> Vec<&str> {
    let line = line.trim();
    if let Some(header) = line.strip_prefix('[').filter(|rest| !rest.contains(" = ")) {
        let header = header.trim_start_matches('[');
        let end = header.find(']').unwrap_or(header.len());
        return header.get(..end).unwrap_or_default().split('.').filter(|name| is_name(name)).collect();
    }
    let mut found = Vec::new();
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted => break,
            '=' if !quoted => {
                let before = line.get(..at).unwrap_or_default().trim_end();
                let start = before
                    .rfind(|c: char| !c.is_ascii_alphanumeric() && !"_-.".contains(c))
                    .map_or(0, |at| at + 1);
                found.extend(before.get(start..).unwrap_or_default().split('.').filter(|name| is_name(name)));
            }
            _ => {}
        }
    }
    found
}

/// The same lines without what `keys` finds, so that no key counts twice.
fn without_keys(text: &str) -> String {
    text.lines()
        .map(|line| {
            let trimmed = line.trim();
            if trimmed.starts_with('[') && !trimmed.contains(" = ") {
                let comment = line.find('#').map_or("", |at| line.get(at..).unwrap_or_default());
                return format!("{comment}\n");
            }
            let mut line = line.to_owned();
            for key in keys(trimmed) {
                line = line.replacen(key, "", 1);
            }
            line + "\n"
        })
        .collect()
}
