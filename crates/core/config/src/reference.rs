//! The reference page of mainstay.toml, generated from the table of keys.

use crate::fields::SECTIONS;
use crate::kind::{Field, Key, Kind, Section};
use std::fmt::Write as _;

/// Returns every section and key of mainstay.toml as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut out = String::from(
        "# mainstay.toml\n\n\
         What *should be* is in this file; what *happened* is in the journal. Every key is checked: problems are reported \
         together, each with line, column and a hint. Relative paths are relative to the file. Secrets are never written \
         in it: `secret = \"env:NAME\"` or `\"file:PATH\"`. Durations are a number and `ms`, `s`, `m`, `h`, `d` or `w`: \
         `\"30s\"`, `\"1h 30m\"`.\n\n\
         `mainstay check` checks a file. A key of an earlier version is reported with its new name; `mainstay check --fix` \
         rewrites the file, keeping comments and order.\n",
    );
    for section in SECTIONS.iter().filter(|section| section.is_supported()) {
        let _ = write!(out, "\n## {}\n\n{}\n", heading(section), section.doc);
        table(&mut out, section.fields);
        tables(&mut out, section, "", section.fields);
    }
    out.push_str("\n## Not supported by this version\n\nThese are rejected, never ignored silently.\n\n");
    for section in SECTIONS {
        if !section.is_supported() {
            let _ = writeln!(out, "- `[{}.NAME]`: {}", section.name, section.doc);
        }
        unsupported(&mut out, section, "", section.fields);
    }
    out
}

fn heading(section: &Section) -> String {
    match section.key {
        None => format!("[{}]", section.name),
        Some(Key::Name) => format!("[{}.NAME]", section.name),
        Some(Key::Domain) => format!("[{}.\"DOMAIN\"]", section.name),
    }
}

/// The tables inside of a table, each set of keys once.
fn tables(out: &mut String, section: &Section, above: &str, fields: &[Field]) {
    let mut seen: Vec<&[Field]> = Vec::new();
    for field in fields {
        let Some(inner) = inside(field).filter(|inner| !seen.iter().any(|seen| is_alike(seen, inner))) else {
            continue;
        };
        seen.push(inner);
        let name = section.key.map_or(String::new(), |_| ".NAME".to_owned());
        let path = format!("{above}{}", field.name);
        let _ = write!(out, "\n### `{path}` in [{}{name}]\n\n{}\n", section.name, field.doc);
        table(out, inner);
        tables(out, section, &format!("{path}."), inner);
    }
}

fn is_alike(a: &[Field], b: &[Field]) -> bool {
    a.iter().map(|field| field.name).eq(b.iter().map(|field| field.name))
}

fn unsupported(out: &mut String, section: &Section, above: &str, fields: &[Field]) {
    for field in fields {
        let path = format!("{above}{}", field.name);
        if matches!(field.kind, Kind::Later) {
            let _ = writeln!(out, "- `{path}` in `{}`: {}", heading(section), field.doc);
        }
        unsupported(out, section, &format!("{path}."), inside(field).unwrap_or_default());
    }
}

fn inside(field: &Field) -> Option<&'static [Field]> {
    match field.kind {
        Kind::Table(fields)
        | Kind::Optional(fields)
        | Kind::Tables { of: fields, .. }
        | Kind::Either { table: fields, .. }
        | Kind::List { of: &Kind::Either { table: fields, .. }, .. } => Some(fields),
        _ => None,
    }
}

fn table(out: &mut String, fields: &[Field]) {
    out.push_str("\n| key | type | default | description | example |\n|---|---|---|---|---|\n");
    for field in fields.iter().filter(|field| !matches!(field.kind, Kind::Later)) {
        let default = if field.required { "required" } else { field.default };
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | `{} = {}` |",
            field.name,
            cell(&field.kind.describe()),
            cell(default),
            cell(field.doc),
            field.name,
            cell(field.example),
        );
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
