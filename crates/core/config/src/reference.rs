//! The reference page of mainstay.toml, generated from the declarations of the keys.

use crate::kind::{Key, OwnName, Section};
use crate::raw::SECTIONS;
use std::fmt::Write as _;

/// Returns every section and key of mainstay.toml as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut out = String::from(
        "# mainstay.toml\n\n\
         What *should be* is in this file; what *happened* is in the journal. Every key is checked: problems are reported \
         together, each with line, column and a hint. Relative paths are relative to the file. Secrets are never written \
         in it: `secret = \"env:NAME\"` or `\"file:PATH\"`. Durations are numbers and units \
         (`ms`, `s`, `m`, `h`, `d`, `w`, or their English names), the largest first: `\"30s\"`, `\"1h 30m\"`, `\"2 weeks\"`.\n\n\
         `mainstay check` checks a file. A key of an earlier version is reported with its new name; `mainstay check --fix` \
         rewrites the file, keeping comments and order.\n",
    );
    for section in SECTIONS.iter().filter(|section| section.is_supported()) {
        let _ = write!(out, "\n## {}\n\n{}\n", heading(section), section.doc);
        table(&mut out, section.keys);
        tables(&mut out, section, "", section.keys);
    }
    out.push_str("\n## Not supported by this version\n\nThese are rejected, never ignored silently.\n\n");
    for section in SECTIONS {
        if !section.is_supported() {
            let _ = writeln!(out, "- `[{}.NAME]`: {}", section.name, section.doc);
        }
        unsupported(&mut out, section, "", section.keys);
    }
    out
}

fn heading(section: &Section) -> String {
    match section.own {
        None => format!("[{}]", section.name),
        Some(OwnName::Name) => format!("[{}.NAME]", section.name),
        Some(OwnName::Domain) => format!("[{}.\"DOMAIN\"]", section.name),
    }
}

/// The tables inside of a table, each set of keys once.
fn tables(out: &mut String, section: &Section, above: &str, keys: &[Key]) {
    let mut seen: Vec<&[Key]> = Vec::new();
    for key in keys {
        let Some(inner) = key.kind.keys().filter(|inner| !seen.iter().any(|seen| is_alike(seen, inner)))
        else {
            continue;
        };
        seen.push(inner);
        let name = section.own.map_or(String::new(), |_| ".NAME".to_owned());
        let path = format!("{above}{}", key.name);
        let _ = write!(out, "\n### `{path}` in [{}{name}]\n\n{}\n", section.name, key.doc);
        table(out, inner);
        tables(out, section, &format!("{path}."), inner);
    }
}

fn is_alike(a: &[Key], b: &[Key]) -> bool {
    a.iter().map(|key| key.name).eq(b.iter().map(|key| key.name))
}

fn unsupported(out: &mut String, section: &Section, above: &str, keys: &[Key]) {
    for key in keys {
        let path = format!("{above}{}", key.name);
        if !key.is_supported() {
            let _ = writeln!(out, "- `{path}` in `{}`: {}", heading(section), key.doc);
        }
        unsupported(out, section, &format!("{path}."), key.kind.keys().unwrap_or_default());
    }
}

fn table(out: &mut String, keys: &[Key]) {
    out.push_str("\n| key | type | default | description | example |\n|---|---|---|---|---|\n");
    for key in keys.iter().filter(|key| key.is_supported()) {
        let default = if key.is_required() { "required".to_owned() } else { key.default() };
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | `{} = {}` |",
            key.name,
            cell(&key.kind.describe()),
            cell(&default),
            cell(key.doc),
            key.name,
            cell(key.example),
        );
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
