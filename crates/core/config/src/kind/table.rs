//! Tables inside of sections: alone, in a list, beside `false`, beside a string.

use super::reader::{TableReader, Written};
use super::value::{Value, example, report_type, type_word};
use super::{Context, Key, KeyPath, Keys, Kind, Read};
use crate::diagnostics::Place;
use serde_json::{Map, Value as Json, json};
use std::marker::PhantomData;
use toml::de::{DeTable, DeValue};

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
