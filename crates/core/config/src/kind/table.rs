//! Tables: their keys are read here, and unknown, unsupported and missing ones reported, once for all sections.

use super::value::{At, Value, example, report_type, type_word};
use super::{Context, Key, KeyPath, Keys, Kind, Read};
use crate::diagnostics::{Diagnostics, Place};
use crate::parse::scalar;
use crate::suggest;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::marker::PhantomData;
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
    sections: &[super::Section],
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

/// The JSON Schema of a table with exactly these keys.
pub(crate) fn object(keys: &[Key]) -> Json {
    let supported = || keys.iter().filter(|key| key.is_supported());
    let properties: Map<String, Json> = supported()
        .map(|key| {
            let default = key.default();
            let doc = match default.as_str() {
                "" => key.doc.to_owned(),
                default => format!("{} Default: {default}.", key.doc),
            };
            (key.name.to_owned(), described(key.kind.schema(), &doc))
        })
        .collect();
    let required: Vec<&str> = supported().filter(|key| key.is_required()).map(|key| key.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// A schema with a description.
pub(crate) fn described(mut schema: Json, doc: &str) -> Json {
    if let Json::Object(map) = &mut schema {
        map.insert("description".to_owned(), Json::String(doc.to_owned()));
    }
    schema
}

/// A table with the keys of `K`, from which `T` is made; `None` when a problem was reported.
pub(crate) struct Table<K, T> {
    make: fn(K, &Written, &mut Context<'_>) -> Option<T>,
    keys: PhantomData<fn() -> K>,
}

/// A table that is used as it is read.
pub(crate) const fn table<K>() -> Table<K, K> {
    made(|keys, _, _| Some(keys))
}

/// A table from whose keys a value is made, with checks across them.
pub(crate) const fn made<K, T>(make: fn(K, &Written, &mut Context<'_>) -> Option<T>) -> Table<K, T> {
    Table { make, keys: PhantomData }
}

impl<K: Keys, T> Table<K, T> {
    fn read_table<'a>(
        &self,
        context: &mut Context<'_>,
        key: &KeyPath<'_>,
        (table, place): (&'a DeTable<'a>, Place),
    ) -> Option<T> {
        let path = format!("{}.{}", key.table, key.key.name);
        let (keys, written) = TableReader::read_all(context, path, place, Some(table));
        (self.make)(keys, &written, context)
    }
}

impl<K: Keys, T> Kind for Table<K, T> {
    fn describe(&self) -> String {
        "a table".to_owned()
    }

    fn schema(&self) -> Json {
        object(K::KEYS)
    }

    fn keys(&self) -> Option<&'static [Key]> {
        Some(K::KEYS)
    }
}

impl<K: Keys, T> Read for Table<K, T> {
    type Value = T;

    fn read(&self, context: &mut Context<'_>, key: &KeyPath<'_>, value: Value<'_>) -> Option<T> {
        match value.get_ref() {
            DeValue::Table(table) => self.read_table(context, key, (table, value.span())),
            _ => {
                report_type(context, key, self, value);
                None
            }
        }
    }
}

/// A list of tables.
pub(crate) struct Tables<K, T>(pub(crate) Table<K, T>);

impl<K: Keys, T> Kind for Tables<K, T> {
    fn describe(&self) -> String {
        "a list of tables".to_owned()
    }

    fn schema(&self) -> Json {
        json!({ "type": "array", "items": self.0.schema(), "minItems": 1 })
    }

    fn keys(&self) -> Option<&'static [Key]> {
        self.0.keys()
    }
}

impl<K: Keys, T> Read for Tables<K, T> {
    type Value = Vec<T>;

    fn read(&self, context: &mut Context<'_>, key: &KeyPath<'_>, value: Value<'_>) -> Option<Vec<T>> {
        let Some(list) = value.get_ref().as_array() else {
            report_type(context, key, self, value);
            return None;
        };
        let name = key.key.name;
        if list.is_empty() {
            context.diagnostics.error(value.span(), format!("`{name}` is empty"), example(key.key));
        }
        let read = |value: Value<'_>| match value.get_ref() {
            DeValue::Table(table) => self.0.read_table(context, key, (table, value.span())),
            other => {
                let message = format!("`{name}` must be a list of tables, not {}", type_word(other));
                context.diagnostics.error(value.span(), message, example(key.key));
                None
            }
        };
        Some(list.iter().filter_map(read).collect())
    }
}

/// A table, or `false`.
pub(crate) struct OrFalse<K, T> {
    pub(crate) table: Table<K, T>,
    /// The value of `false`.
    pub(crate) otherwise: fn() -> T,
}

impl<K: Keys, T> Kind for OrFalse<K, T> {
    fn describe(&self) -> String {
        "a table, or false".to_owned()
    }

    fn schema(&self) -> Json {
        json!({ "anyOf": [{ "const": false }, self.table.schema()] })
    }

    fn keys(&self) -> Option<&'static [Key]> {
        self.table.keys()
    }
}

impl<K: Keys, T> Read for OrFalse<K, T> {
    type Value = T;

    fn read(&self, context: &mut Context<'_>, key: &KeyPath<'_>, value: Value<'_>) -> Option<T> {
        match value.get_ref() {
            DeValue::Boolean(false) => Some((self.otherwise)()),
            DeValue::Table(table) => self.table.read_table(context, key, (table, value.span())),
            _ => {
                report_type(context, key, self, value);
                None
            }
        }
    }
}

/// A string for the usual case, a table for the rest.
pub(crate) struct Either<S, K, T> {
    pub(crate) string: S,
    pub(crate) table: Table<K, T>,
}

impl<S: Kind, K: Keys, T> Kind for Either<S, K, T> {
    fn describe(&self) -> String {
        format!("{}, or a table", self.string.describe())
    }

    fn schema(&self) -> Json {
        json!({ "anyOf": [self.string.schema(), self.table.schema()] })
    }

    fn keys(&self) -> Option<&'static [Key]> {
        self.table.keys()
    }
}

impl<S: Read<Value = T>, K: Keys, T> Read for Either<S, K, T> {
    type Value = T;

    fn read(&self, context: &mut Context<'_>, key: &KeyPath<'_>, value: Value<'_>) -> Option<T> {
        match value.get_ref() {
            DeValue::Table(table) => self.table.read_table(context, key, (table, value.span())),
            DeValue::String(_) => self.string.read(context, key, value),
            _ => {
                report_type(context, key, self, value);
                None
            }
        }
    }
}
