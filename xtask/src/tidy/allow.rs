//! Exceptions to the rules, each with a reason: xtask/tidy.toml.

use crate::run::root;
use serde::Deserialize;
use std::fs;

const FILE: &str = "xtask/tidy.toml";
/// In the list of terms: every term.
const ANY: &str = "*";

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Entries {
    /// Imports that go up or sideways.
    import: Vec<Import>,
    /// The same for tests only.
    dev_import: Vec<Import>,
    word: Vec<Word>,
    function: Vec<Function>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Import {
    from: String,
    to: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Word {
    terms: Vec<String>,
    /// Path with `*` for any text.
    path: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Function {
    path: String,
    name: String,
    reason: String,
}

/// The allow-list, and which of its entries were needed.
pub(super) struct Allowed {
    entries: Entries,
    used: Vec<String>,
}

impl Allowed {
    pub(super) fn read() -> Result<Self, String> {
        let text = fs::read_to_string(root().join(FILE)).map_err(|error| format!("{FILE}: {error}"))?;
        Self::parse(&text)
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let entries = toml::from_str(text).map_err(|error| format!("{FILE}: {error}"))?;
        Ok(Self { entries, used: Vec::new() })
    }

    pub(super) fn import(&mut self, from: &str, to: &str, for_tests: bool) -> bool {
        let list = if for_tests { &self.entries.dev_import } else { &self.entries.import };
        let found = list.iter().any(|entry| entry.from == from && entry.to == to);
        self.note(found, || format!("import {from} -> {to} {for_tests}"))
    }

    pub(super) fn word(&mut self, term: &str, path: &str) -> bool {
        let is_allowed = |allowed: &&String| *allowed == term || *allowed == ANY;
        let name = self.entries.word.iter().filter(|entry| matches(&entry.path, path)).find_map(|entry| {
            let allowed = entry.terms.iter().find(is_allowed)?;
            Some(format!("word {allowed} in {}", entry.path))
        });
        self.note(name.is_some(), || name.unwrap_or_default())
    }

    pub(super) fn function(&mut self, path: &str, name: &str) -> bool {
        let found = self.entries.function.iter().any(|entry| entry.path == path && entry.name == name);
        self.note(found, || format!("function {path} {name}"))
    }

    fn note(&mut self, found: bool, name: impl FnOnce() -> String) -> bool {
        if found {
            let name = name();
            if !self.used.contains(&name) {
                self.used.push(name);
            }
        }
        found
    }

    /// Entries that allow nothing (any more), or that give no reason.
    pub(super) fn stale(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut judge = |name: String, reason: &str| {
            if reason.trim().is_empty() {
                faults.push(format!("{FILE}: {name} has no reason"));
            }
            if !self.used.contains(&name) {
                faults.push(format!("{FILE}: {name} is not needed"));
            }
        };
        for (list, for_tests) in [(&self.entries.import, false), (&self.entries.dev_import, true)] {
            for entry in list {
                judge(format!("import {} -> {} {for_tests}", entry.from, entry.to), &entry.reason);
            }
        }
        for entry in &self.entries.word {
            for term in &entry.terms {
                judge(format!("word {term} in {}", entry.path), &entry.reason);
            }
        }
        for entry in &self.entries.function {
            judge(format!("function {} {}", entry.path, entry.name), &entry.reason);
        }
        faults
    }

    pub(super) fn imports_summary(&self, packages: usize) -> String {
        let lines = |list: &[Import], note: &str| -> String {
            list.iter()
                .map(|entry| format!("\n  allowed{note}: {} -> {}: {}", entry.from, entry.to, entry.reason))
                .collect()
        };
        let imports = lines(&self.entries.import, "") + &lines(&self.entries.dev_import, " in tests");
        format!("{packages} packages{imports}")
    }

    pub(super) fn words_summary(&self) -> String {
        let entries: String = self
            .entries
            .word
            .iter()
            .map(|entry| {
                format!("\n  allowed: {} in {}: {}", entry.terms.join(", "), entry.path, entry.reason)
            })
            .collect();
        format!("allow-list of {}{entries}", self.entries.word.len())
    }

    pub(super) fn functions_summary(&self, over: usize, limit: usize) -> String {
        let entries: String = self
            .entries
            .function
            .iter()
            .map(|entry| format!("\n  allowed: {} in {}: {}", entry.name, entry.path, entry.reason))
            .collect();
        format!("{over} over {limit} lines{entries}")
    }
}

/// Whether a path matches a pattern in which `*` matches any text.
fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_with_stars_matches_paths() {
        for (pattern, path, is_match) in [
            ("docs/a.md", "docs/a.md", true),
            ("docs/a.md", "docs/a.md.old", false),
            ("docs/*", "docs/guides/a.md", true),
            ("crates/*/tests/*.rs", "crates/io/edge/tests/it/main.rs", true),
            ("crates/*/tests/*.rs", "crates/io/edge/src/lib.rs", false),
        ] {
            assert_eq!(matches(pattern, path), is_match, "{pattern} {path}");
        }
    }

    #[test]
    fn entry_that_allows_nothing_is_stale() {
        let mut allowed = Allowed::parse(
            "[[word]]\nterms = [\"rota\", \"ladder\"]\npath = \"docs/*\"\nreason = \"old names\"\n",
        )
        .unwrap();
        assert!(allowed.word("rota", "docs/a.md"));
        assert!(!allowed.word("rota", "crates/a.rs"));
        let mut any =
            Allowed::parse("[[word]]\nterms = [\"*\"]\npath = \"a.rs\"\nreason = \"old names\"\n").unwrap();
        assert!(any.word("rota", "a.rs") && any.stale().is_empty());
        assert_eq!(allowed.stale(), ["xtask/tidy.toml: word ladder in docs/* is not needed"]);
    }
}
