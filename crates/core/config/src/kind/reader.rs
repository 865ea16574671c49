//! Reads the keys of one table, and reports unknown, unsupported and missing ones, once for all sections.

use super::value::{At, example};
use super::{Context, Key, KeyPath, Keys, Read, Section};
use crate::diagnostics::{Diagnostics, Place};
use crate::parse::scalar;
use crate::suggest;
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// One table of the text, and the keys that it may have.
pub(crate) struct TableReader<'a> {
    /// Its path, for messages: `service.auth`.
    path: String,
    /// Position of its name, or of its braces.
    place: Place,
    keys: &'static [Key],
    table: Option<&'a DeTable<'a>>,
}

/// What is written in a table, valid or not; for checks across its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Path of the table, for messages: `service.auth`.
    pub(crate) path: String,
    /// Position of its name, or of its braces.
    pub(crate) place: Place,
    /// Whether there is a table; a value of another type was reported already.
    pub(crate) is_table: bool,
    /// Position of each key, and the length of its list if it is one.
    keys: BTreeMap<&'static str, (Place, Option<usize>)>,
}

impl Written {
    /// Whether the key is there, valid or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.keys.contains_key(name)
    }

    /// Whether the key is there and is not an empty list.
    pub(crate) fn is_filled(&self, name: &str) -> bool {
        self.keys.get(name).is_some_and(|(_, len)| *len != Some(0))
    }

    /// Length of a list, valid or not.
    pub(crate) fn len(&self, name: &str) -> usize {
        self.keys.get(name).and_then(|(_, len)| *len).unwrap_or(0)
    }

    /// Position of a key; that of the table when the key is missing.
    pub(crate) fn key_place(&self, name: &str) -> Place {
        self.keys.get(name).map_or(&self.place, |(place, _)| place).clone()
    }
}

impl<'a> TableReader<'a> {
    /// Reads a table by the keys of `K`. `None` is read as an empty one.
    pub(crate) fn read_all<K: Keys>(
        context: &mut Context<'_>,
        path: String,
        place: Place,
        table: Option<&'a DeTable<'a>>,
    ) -> (K, Written) {
        let reader = Self { path, place, keys: K::KEYS, table };
        let keys = K::read(&reader, context);
        reader.check_keys(context);
        (keys, reader.written())
    }

    /// Reads the value of one key.
    pub(crate) fn read<K: Read>(
        &self,
        context: &mut Context<'_>,
        name: &str,
        kind: &K,
    ) -> Option<At<K::Value>> {
        let value = self.table?.get(name)?;
        let key = self.keys.iter().find(|key| key.name == name)?;
        let read = kind.read(context, &KeyPath { table: &self.path, key }, value)?;
        Some(At { value: read, place: value.span() })
    }

    pub(crate) fn written(&self) -> Written {
        let keys = self.table.into_iter().flat_map(DeTable::iter).filter_map(|(name, value)| {
            let key = self.keys.iter().find(|key| key.name == name.get_ref())?;
            Some((key.name, (name.span(), value.get_ref().as_array().map(|list| list.len()))))
        });
        let (path, place) = (self.path.clone(), self.place.clone());
        Written { path, place, is_table: self.table.is_some(), keys: keys.collect() }
    }

    /// Reports unknown keys, keys that this version does not support, and missing keys.
    fn check_keys(&self, context: &mut Context<'_>) {
        let sections = context.sections;
        let diagnostics = &mut *context.diagnostics;
        let mut has_unsupported = false;
        for (name, value) in self.table.into_iter().flat_map(DeTable::iter) {
            match self.keys.iter().find(|key| key.name == name.get_ref()) {
                Some(key) if key.is_supported() => {}
                Some(key) => {
                    has_unsupported = true;
                    report_unsupported(diagnostics, name.span(), key.name, key.doc);
                }
                None => {
                    let (place, name) = (name.span(), name.get_ref().as_ref());
                    let message =
                        format!("unknown key `{}` in {}", suggest::shown(name), suggest::shown(&self.path));
                    let known = self.keys.iter().filter(|key| key.is_supported()).map(|key| key.name);
                    // A mistyped `token` holds one all the same.
                    if scalar::is_secretive(name)
                        || suggest::nearest(name, known.clone()).is_some_and(scalar::is_secretive)
                    {
                        diagnostics.hide(value.span());
                    }
                    diagnostics.error(place, message, unknown_key(sections, name, value.get_ref(), known));
                }
            }
        }
        // An unsupported key may stand in for a missing one.
        let is_there = |name: &str| self.table.is_some_and(|table| table.contains_key(name));
        for key in self.keys.iter().filter(|key| key.is_required() && !has_unsupported && !is_there(key.name))
        {
            let message = format!("{} lacks `{}`", suggest::shown(&self.path), key.name);
            diagnostics.missing(self.place.clone(), message, example(key));
        }
    }
}

pub(crate) fn report_unsupported(diagnostics: &mut Diagnostics, place: Place, name: &str, what: &str) {
    let message = format!("`{name}` ({what}) is not supported by this version");
    diagnostics.error(place, message, "remove it for now; no key is ignored silently");
}

/// The hint for a key or section that does not exist.
pub(crate) fn unknown_key<'n>(
    sections: &[Section],
    name: &str,
    value: &DeValue<'_>,
    known: impl Iterator<Item = &'n str> + Clone,
) -> String {
    if let Some(near) = suggest::nearest(name, known.clone()) {
        return format!("did you mean `{near}`?");
    }
    let home = sections.iter().find(|section| section.keys.iter().any(|key| key.name == name));
    match home {
        Some(home) if !value.is_table() => match home.own {
            None => format!("it belongs in [{}]", home.name),
            Some(_) => format!("it belongs in [{}.NAME]", home.name),
        },
        _ => format!("keys here: {}", suggest::listed(&known.collect::<Vec<_>>())),
    }
}
