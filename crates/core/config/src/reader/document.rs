//! Reads the sections of a document: those that exist once, and those that exist once per name.

use crate::diagnostics::Diagnostics;
use crate::kind::{Key, NAME};
use crate::reader::table::{TableReader, report_unsupported, unknown_key};
use crate::reader::value::type_word;
use crate::{fields, suggest};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The sections of a document.
pub(crate) struct DocumentReader<'a> {
    table: &'a DeTable<'a>,
}

impl<'a> DocumentReader<'a> {
    /// Checks the names of the sections.
    pub(crate) fn open(table: &'a DeTable<'a>, diagnostics: &mut Diagnostics) -> Self {
        for (key, value) in table.iter() {
            let name: &str = key.get_ref();
            match fields::section(name) {
                Some(section) if section.is_supported() => {}
                Some(section) => report_unsupported(diagnostics, key.span(), name, section.doc),
                None => {
                    let is_section = match value.get_ref() {
                        DeValue::Array(list) => list.iter().any(|value| value.get_ref().is_table()),
                        value => value.is_table(),
                    };
                    let message = match is_section {
                        true => format!("unknown section `{}`", suggest::shown(name)),
                        false => format!("`{}` is outside of every section", suggest::shown(name)),
                    };
                    let known = fields::SECTIONS.iter().filter(|section| section.is_supported());
                    let hint = unknown_key(name, value.get_ref(), known.map(|section| section.name));
                    diagnostics.error(key.span(), message, hint);
                }
            }
        }
        Self { table }
    }

    /// Reads a section that exists once; a missing one is read as empty.
    pub(crate) fn one<T>(
        &self,
        diagnostics: &mut Diagnostics,
        name: &'static str,
        read: impl FnOnce(&mut TableReader<'a>, &mut Diagnostics) -> T,
    ) -> T {
        let section = fields::section(name);
        debug_assert!(section.is_some_and(|section| section.key.is_none()), "{name}");
        let value = self.table.get(name);
        if let Some(value) = value.filter(|value| !value.get_ref().is_table()) {
            let message = format!("`{name}` must be a section, not {}", type_word(value.get_ref()));
            diagnostics.error(value.span(), message, format!("write [{name}] on a line of its own, once"));
        }
        let place = value.map_or(0..0, Spanned::span);
        let table = value.and_then(|value| value.get_ref().as_table());
        let mut table = TableReader::open(name.to_owned(), place, section.map_or(&[], |s| s.fields), table);
        let out = read(&mut table, diagnostics);
        table.close(diagnostics);
        out
    }

    /// Reads a section that exists once or not at all.
    pub(crate) fn maybe<T>(
        &self,
        diagnostics: &mut Diagnostics,
        name: &'static str,
        read: impl FnOnce(&mut TableReader<'a>, &mut Diagnostics) -> T,
    ) -> Option<T> {
        self.table.contains_key(name).then(|| self.one(diagnostics, name, read))
    }

    /// The names that have a section of this kind, valid or not.
    pub(crate) fn names(&self, name: &'static str) -> impl Iterator<Item = &str> {
        let table = self.table.get(name).and_then(|value| value.get_ref().as_table());
        table.into_iter().flat_map(|table| table.keys().map(|key| key.get_ref().as_ref()))
    }

    /// Reads a section that exists once per name.
    pub(crate) fn each<T>(
        &self,
        diagnostics: &mut Diagnostics,
        name: &'static str,
        mut read: impl FnMut(&str, &mut TableReader<'a>, &mut Diagnostics) -> T,
    ) -> BTreeMap<String, T> {
        let mut out = BTreeMap::new();
        let section = fields::section(name);
        debug_assert!(section.is_some_and(|section| section.key.is_some()), "{name}");
        let Some((section, value)) = section.zip(self.table.get(name)) else { return out };
        let Some(table) = value.get_ref().as_table() else {
            let message = format!("`{name}` must be a section per name, not {}", type_word(value.get_ref()));
            diagnostics.error(value.span(), message, format!("write [{name}.NAME]"));
            return out;
        };
        for (key, value) in table.iter() {
            let own: &str = key.get_ref();
            let path = format!("{name}.{own}");
            let Some(table) = value.get_ref().as_table() else {
                let is_field = section.fields.iter().any(|field| field.name == own);
                let hint = if is_field {
                    format!("it belongs in a section with a name: [{name}.NAME]")
                } else {
                    format!("write [{}] on a line of its own, once", suggest::shown(&path))
                };
                let message = format!(
                    "{} must be a section, not {}",
                    suggest::shown(&path),
                    type_word(value.get_ref())
                );
                diagnostics.error(key.span(), message, hint);
                continue;
            };
            if section.key == Some(Key::Name) && !is_name(own) {
                let message = format!("`{}` is not a name for a {name}", suggest::shown(own));
                diagnostics.error(key.span(), message, "letters, digits, - and _, 64 at most");
            }
            let mut table = TableReader::open(path, key.span(), section.fields, Some(table));
            let one = read(own, &mut table, diagnostics);
            table.close(diagnostics);
            out.insert(own.to_owned(), one);
        }
        out
    }
}

/// Whether the text follows [`NAME`].
pub(crate) fn is_name(text: &str) -> bool {
    debug_assert!(NAME.ends_with("{0,63}$"));
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}
