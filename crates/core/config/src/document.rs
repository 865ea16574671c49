//! Reads the sections of a document: those that exist once, and those that exist once per name.

use crate::kind::reader::{TableReader, Written, report_unsupported, unknown_key};
use crate::kind::value::type_word;
use crate::kind::{Context, NAME, OwnName, Section, Sectional};
use crate::suggest;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The sections of a document.
pub(crate) struct DocumentReader<'a> {
    table: &'a DeTable<'a>,
}

impl<'a> DocumentReader<'a> {
    /// Checks the names of the sections.
    pub(crate) fn open(table: &'a DeTable<'a>, context: &mut Context<'_>) -> Self {
        let sections = context.sections;
        for (key, value) in table.iter() {
            let name: &str = key.get_ref();
            match sections.iter().find(|section| section.name == name) {
                Some(section) if section.is_supported() => {}
                Some(section) => report_unsupported(context.diagnostics, key.span(), name, section.doc),
                None => {
                    let is_section = match value.get_ref() {
                        DeValue::Array(list) => list.iter().any(|value| value.get_ref().is_table()),
                        value => value.is_table(),
                    };
                    let message = match is_section {
                        true => format!("unknown section `{}`", suggest::shown(name)),
                        false => format!("`{}` is outside of every section", suggest::shown(name)),
                    };
                    let known = sections.iter().filter(|section| section.is_supported());
                    let known = known.map(|section| section.name);
                    let hint = unknown_key(sections, name, value.get_ref(), known);
                    context.diagnostics.error(key.span(), message, hint);
                }
            }
        }
        Self { table }
    }

    /// Reads a section that exists once; a missing one is read as empty.
    pub(crate) fn one<K: Sectional>(&self, context: &mut Context<'_>) -> K {
        let Section { name, .. } = K::SECTION;
        let value = self.table.get(name);
        if let Some(value) = value.filter(|value| !value.get_ref().is_table()) {
            let message = format!("`{name}` must be a section, not {}", type_word(value.get_ref()));
            let hint = format!("write [{name}] on a line of its own, once");
            context.diagnostics.error(value.span(), message, hint);
        }
        let place = value.map_or(0..0, Spanned::span);
        let table = value.and_then(|value| value.get_ref().as_table());
        TableReader::read_all(context, name.to_owned(), place, table).0
    }

    /// Reads a section that exists once or not at all.
    pub(crate) fn maybe<K: Sectional>(&self, context: &mut Context<'_>) -> Option<K> {
        self.table.contains_key(K::SECTION.name).then(|| self.one(context))
    }

    /// The names that have a section of this kind, valid or not.
    pub(crate) fn names<K: Sectional>(&self) -> impl Iterator<Item = &str> {
        let table = self.table.get(K::SECTION.name).and_then(|value| value.get_ref().as_table());
        table.into_iter().flat_map(|table| table.keys().map(|key| key.get_ref().as_ref()))
    }

    /// Reads a section that exists once per name.
    pub(crate) fn each<K: Sectional, T>(
        &self,
        context: &mut Context<'_>,
        mut make: impl FnMut(&str, K, &Written, &mut Context<'_>) -> T,
    ) -> BTreeMap<String, T> {
        let mut out = BTreeMap::new();
        let Section { name, own, keys, .. } = K::SECTION;
        let Some(value) = self.table.get(name) else { return out };
        let Some(table) = value.get_ref().as_table() else {
            let message = format!("`{name}` must be a section per name, not {}", type_word(value.get_ref()));
            context.diagnostics.error(value.span(), message, format!("write [{name}.NAME]"));
            return out;
        };
        for (key, value) in table.iter() {
            let part: &str = key.get_ref();
            let path = format!("{name}.{part}");
            let Some(table) = value.get_ref().as_table() else {
                let path = suggest::shown(&path);
                let hint = match keys.iter().any(|key| key.name == part) {
                    true => format!("it belongs in a section with a name: [{name}.NAME]"),
                    false => format!("write [{path}] on a line of its own, once"),
                };
                let message = format!("{path} must be a section, not {}", type_word(value.get_ref()));
                context.diagnostics.error(key.span(), message, hint);
                continue;
            };
            if own == Some(OwnName::Name) && !is_name(part) {
                let message = format!("`{}` is not a name for a {name}", suggest::shown(part));
                context.diagnostics.error(key.span(), message, "letters, digits, - and _, 64 at most");
            }
            let (read, written) = TableReader::read_all(context, path, key.span(), Some(table));
            out.insert(part.to_owned(), make(part, read, &written, context));
        }
        out
    }
}

/// Whether the text follows [`NAME`].
fn is_name(text: &str) -> bool {
    debug_assert!(NAME.ends_with("{0,63}$"));
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}
