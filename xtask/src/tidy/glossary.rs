//! Banned terms, read from the tables of docs/glossary.md: its left column is the only list.

use crate::run::root;
use std::fs;

const FILE: &str = "docs/glossary.md";
/// Texts that are not checked: the list itself, its exceptions, and the history, which has the words of its day.
const EXEMPT: [&str; 4] = [FILE, "xtask/tidy.toml", "CHANGELOG.md", "Cargo.lock"];

/// Places in which a term is looked for: the third column of the tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scope {
    /// Everywhere: a word of an identifier, a key, a text.
    Word,
    /// A word of an identifier or of a key, not of a text.
    Part,
    /// A whole identifier or key.
    Name,
    /// A whole name of a type, trait or variant.
    Type,
    /// A whole configuration key, JSON field or label.
    Key,
    /// A whole configuration key.
    Setting,
    /// Comments, messages, templates and docs.
    Text,
    /// The same, but only a warning.
    Style,
}

impl Scope {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "word" => Self::Word,
            "part" => Self::Part,
            "name" => Self::Name,
            "type" => Self::Type,
            "key" => Self::Key,
            "setting" => Self::Setting,
            "text" => Self::Text,
            "style" => Self::Style,
            _ => return None,
        })
    }
}

/// A term of the left column.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Banned {
    pub term: String,
    /// Its words in lower case.
    pub words: Vec<String>,
    /// The term to use, as the glossary has it.
    pub instead: String,
    pub scope: Scope,
    /// Crates in which it is banned; everywhere where empty.
    pub crates: Vec<String>,
}

impl Banned {
    pub(super) fn applies_to(&self, path: &str) -> bool {
        self.crates.is_empty()
            || path
                .strip_prefix("crates/")
                .and_then(|path| path.split('/').nth(1))
                .is_some_and(|folder| self.crates.iter().any(|name| name == folder))
    }
}

pub(super) fn read() -> Result<Vec<Banned>, String> {
    let text = fs::read_to_string(root().join(FILE)).map_err(|error| format!("{FILE}: {error}"))?;
    parse(&text)
}

/// Reads each table whose header is `| never | use | checked as |`. A `-` in the last column checks nothing.
pub(super) fn parse(text: &str) -> Result<Vec<Banned>, String> {
    let mut banned = Vec::new();
    let mut in_table = false;
    for (number, line) in text.lines().enumerate() {
        let Some(row) = line.trim().strip_prefix('|') else {
            in_table = false;
            continue;
        };
        let cells: Vec<&str> = row.trim_end_matches('|').split('|').map(str::trim).collect();
        if cells == ["never", "use", "checked as"] {
            in_table = true;
            continue;
        }
        if !in_table || row.starts_with("---") {
            continue;
        }
        let [never, instead, scope] = cells.as_slice() else {
            return Err(format!("{FILE}:{}: a row has three cells", number + 1));
        };
        if *scope == "-" {
            continue;
        }
        let (kind, crates) = scope.split_once(" in ").unwrap_or((scope, ""));
        let scope = Scope::parse(kind)
            .ok_or_else(|| format!("{FILE}:{}: `{kind}` is no kind of check", number + 1))?;
        let crates: Vec<String> =
            crates.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
        for term in never.split('`').skip(1).step_by(2) {
            banned.push(Banned {
                term: term.to_owned(),
                words: super::split::words(term),
                instead: instead.replace('`', ""),
                scope,
                crates: crates.clone(),
            });
        }
    }
    if banned.is_empty() { Err(format!("{FILE} has no table of banned terms")) } else { Ok(banned) }
}

pub(super) fn applies_to(path: &str) -> bool {
    !EXEMPT.contains(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn left_column_of_marked_tables_is_banned() {
        let text = "| never | use | checked as |\n|---|---|---|\n| `rota`, `last bell` | `schedule` | word |\n\
                    | `page` | stays | - |\n\n| `plan` | config | word |\n";
        let banned = parse(text).unwrap();
        let terms: Vec<&str> = banned.iter().map(|banned| banned.term.as_str()).collect();
        assert_eq!(terms, ["rota", "last bell"]);
        assert_eq!(banned[1].words, ["last", "bell"]);
        assert_eq!((banned[0].instead.as_str(), banned[0].scope), ("schedule", Scope::Word));
        assert!(banned[0].applies_to("README.md"));
    }

    #[test]
    fn term_may_be_banned_in_some_crates_only() {
        let text =
            "| never | use | checked as |\n|---|---|---|\n| `Line` | `Connection` | type in edge, web |\n";
        let banned = parse(text).unwrap();
        for (path, applies) in [
            ("crates/io/edge/src/lib.rs", true),
            ("crates/io/web/tests/it/main.rs", true),
            ("crates/core/drill/src/lib.rs", false),
            ("docs/edge/a.md", false),
        ] {
            assert_eq!(banned[0].applies_to(path), applies, "{path}");
        }
    }

    #[test]
    fn unknown_kind_is_refused_with_its_line() {
        let text = "| never | use | checked as |\n|---|---|---|\n| `rota` | `schedule` | wrod |\n";
        assert_eq!(parse(text).unwrap_err(), "docs/glossary.md:3: `wrod` is no kind of check");
    }
}
