//! Banned words: where terms of the glossary's left column are still used.
//!
//! In Rust the declared names count (a use of a name is a use of something declared, ours or foreign), with string literals
//! and comments. In configuration files keys and comments count, in everything else the text.

mod rust;
mod text;

use super::glossary::{Banned, Scope};
use super::source::File;
use super::split::words as words_of;

/// One use of a banned term.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub path: String,
    pub line: usize,
    pub term: String,
    pub instead: String,
    /// The identifier or text that contains it.
    pub found: String,
    pub is_style: bool,
}

/// Hits of one file.
pub(super) struct Hits<'a> {
    path: &'a str,
    banned: &'a [Banned],
    found: Vec<Hit>,
}

pub(super) fn check(file: &File, banned: &[Banned]) -> Vec<Hit> {
    let mut hits = Hits { path: &file.path, banned, found: Vec::new() };
    hits.name(1, file.stem());
    match file.extension() {
        "rs" => rust::check(&file.text, &mut hits),
        "toml" if !is_tool(&file.path) => text::configuration(&file.text, 1, &mut hits),
        "md" => text::markdown(&file.text, &mut hits),
        _ => hits.text(1, &file.text),
    }
    hits.found
}

/// Whether a TOML file belongs to a tool with keys of its own.
fn is_tool(path: &str) -> bool {
    ["Cargo.toml", "deny.toml", "clippy.toml", "rustfmt.toml", "rust-toolchain.toml", "config.toml"]
        .iter()
        .any(|name| path.rsplit('/').next() == Some(name))
}

impl Hits<'_> {
    /// A declared identifier: function, variable, module.
    fn name(&mut self, line: usize, identifier: &str) {
        self.identifier(line, identifier, &[Scope::Name]);
    }

    /// A declared type, trait or variant.
    fn type_name(&mut self, line: usize, identifier: &str) {
        self.identifier(line, identifier, &[Scope::Name, Scope::Type]);
    }

    /// A field of a struct, a JSON field, a label.
    fn key(&mut self, line: usize, key: &str) {
        self.identifier(line, key, &[Scope::Name, Scope::Key]);
    }

    /// A key of a configuration.
    fn setting(&mut self, line: usize, key: &str) {
        self.identifier(line, key, &[Scope::Name, Scope::Key, Scope::Setting]);
    }

    fn identifier(&mut self, line: usize, identifier: &str, whole: &[Scope]) {
        let words = words_of(identifier);
        self.add(line, identifier, |banned| match banned.scope {
            Scope::Word | Scope::Part => contains(&words, &banned.words),
            Scope::Type => whole.contains(&Scope::Type) && identifier == banned.term,
            scope if whole.contains(&scope) => words == banned.words,
            _ => false,
        });
    }

    /// Comments, messages and docs, line by line.
    fn text(&mut self, first: usize, text: &str) {
        for (offset, line) in text.lines().enumerate() {
            let words = words_of(line);
            self.add(first + offset, "", |banned| {
                matches!(banned.scope, Scope::Word | Scope::Text | Scope::Style)
                    && contains(&words, &banned.words)
            });
        }
    }

    fn add(&mut self, line: usize, found: &str, is_hit: impl Fn(&Banned) -> bool) {
        for banned in self.banned.iter().filter(|banned| banned.applies_to(self.path) && is_hit(banned)) {
            self.found.push(Hit {
                path: self.path.to_owned(),
                line,
                term: banned.term.clone(),
                instead: banned.instead.clone(),
                found: if found.is_empty() { banned.term.clone() } else { found.to_owned() },
                is_style: banned.scope == Scope::Style,
            });
        }
    }
}

/// Whether words contain a term; the last word of a term may have a plural's `s`.
fn contains(words: &[String], term: &[String]) -> bool {
    let Some((last, first)) = term.split_last() else { return false };
    words.windows(term.len()).any(|window| {
        let Some((end, begin)) = window.split_last() else { return false };
        begin == first && (end == last || end.strip_suffix('s') == Some(last))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::glossary;

    fn hits(path: &str, text: &str) -> Vec<(usize, String, String)> {
        let banned = glossary::parse(
            "| never | use | checked as |\n|---|---|---|\n| `rota` | `schedule` | word |\n| `last bell` | watchdog | word |\n\
             | `plan` | config | part |\n| `told` | `message` | name |\n| `Line` | `Connection` | type |\n\
             | `every` | `interval` | setting |\n| `reach` | `contacts` | key |\n| `in hand` | acknowledged | text |\n",
        )
        .unwrap();
        let file = File { path: path.to_owned(), text: text.to_owned() };
        check(&file, &banned).into_iter().map(|hit| (hit.line, hit.term, hit.found)).collect()
    }

    fn hit(line: usize, term: &str, found: &str) -> (usize, String, String) {
        (line, term.to_owned(), found.to_owned())
    }

    #[test]
    fn identifiers_are_split_into_words() {
        let text = "//! Fixture.\nstruct RotaView;\nfn rotate() {}\nfn ring_last_bell() {}\nfn f(rotas: u8, planned: u8) {}\n";
        assert_eq!(
            hits("a.rs", text),
            [hit(2, "rota", "RotaView"), hit(4, "last bell", "ring_last_bell"), hit(5, "rota", "rotas")]
        );
    }

    #[test]
    fn ordinary_word_counts_as_a_whole_identifier_only() {
        let text = "//! It was told to plan a line.\nfn told() {}\nfn told_by() {}\nstruct Line { plan: u8, every: u8, reach: u8 }\n\
                    enum E { Line }\nfn line(every: u8) { let plan = 1; }\n";
        assert_eq!(
            hits("a.rs", text),
            [
                hit(2, "told", "told"),
                hit(4, "Line", "Line"),
                hit(4, "plan", "plan"),
                hit(4, "reach", "reach"),
                hit(5, "Line", "Line"),
                hit(6, "plan", "plan"),
            ]
        );
    }

    #[test]
    fn comments_docs_and_literals_are_text() {
        let text = "//! Fixture.\n// The rota.\n/// Pages in hand.\nfn f() {\n    let s = \"no rota\"; // last bell\n    \
                    println!(\"{} rotas\", s);\n}\n";
        let found: Vec<(usize, String)> =
            hits("a.rs", text).into_iter().map(|(line, term, _)| (line, term)).collect();
        let expected = [(2, "rota"), (3, "in hand"), (5, "rota"), (5, "last bell"), (6, "rota")];
        let mut found = found;
        found.sort();
        let mut expected = expected.map(|(line, term)| (line, term.to_owned()));
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn foreign_names_that_are_only_used_are_no_hits() {
        assert_eq!(hits("a.rs", "//! Fixture.\nuse other::Line;\nfn f(l: Line) { l.told() }\n"), []);
    }

    #[test]
    fn keys_of_configuration_are_checked_in_files_docs_and_literals() {
        let toml = "[rota.main]\ninterval = \"every day\"\nevery = { every = 1, told = 2 } # the plan\n";
        let expected = [
            hit(1, "rota", "rota"),
            hit(3, "every", "every"),
            hit(3, "every", "every"),
            hit(3, "told", "told"),
        ];
        assert_eq!(hits("a.toml", toml), expected);
        let markdown = format!("Every page.\n\n```toml\n{toml}```\n");
        assert_eq!(hits("a.md", &markdown).len(), 4);
        let literal = "//! Fixture.\nconst C: &str = \"\n[a]\nevery = 1\n\";\nconst K: &str = \"reach\";\n";
        assert_eq!(hits("a.rs", literal), [hit(4, "every", "every"), hit(6, "reach", "reach")]);
    }

    #[test]
    fn names_in_backticks_of_docs_are_keys() {
        assert_eq!(hits("a.md", "The key `every`, and every day.\n"), [hit(1, "every", "every")]);
    }

    #[test]
    fn file_name_is_checked() {
        assert_eq!(hits("src/last_bell.rs", "//! Fixture.\n"), [hit(1, "last bell", "last_bell")]);
    }
}
