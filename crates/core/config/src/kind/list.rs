//! Lists, and tables of values by keys of the user's choice.

use super::value::{At, Value, example, mistyped, report, report_type};
use super::{Context, Key, KeyPath, Kind, Read};
use crate::suggest::shown;
use crate::value_error::ValueError;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// A list. Invalid entries are reported and left out.
pub(crate) struct List<K> {
    of: K,
    min: usize,
}

pub(crate) const fn list<K>(of: K) -> List<K> {
    List { of, min: 0 }
}

/// A list that must not be empty.
pub(crate) const fn filled_list<K>(of: K) -> List<K> {
    List { of, min: 1 }
}

impl<K: Kind> Kind for List<K> {
    fn describe(&self) -> String {
        format!("a list, each {}", self.of.describe())
    }

    fn schema(&self) -> Json {
        json!({ "type": "array", "items": self.of.schema(), "minItems": self.min })
    }

    fn keys(&self) -> Option<&'static [Key]> {
        self.of.keys()
    }
}

impl<K: Read> Read for List<K> {
    type Value = Vec<At<K::Value>>;

    fn read(&self, context: &mut Context<'_>, key: &KeyPath<'_>, value: Value<'_>) -> Option<Self::Value> {
        let name = key.key.name;
        let Some(list) = value.get_ref().as_array() else {
            let hint = match value.get_ref().as_str() {
                Some(text) => format!("write it as a list: {name} = [\"{}\"]", shown(text)),
                None => example(key.key),
            };
            context.diagnostics.error(value.span(), mistyped(key.key, self, value), hint);
            return None;
        };
        if list.len() < self.min {
            context.diagnostics.error(value.span(), format!("`{name}` is empty"), example(key.key));
        }
        let read = |value| Some(At { value: self.of.read(context, key, value)?, place: value.span() });
        Some(list.iter().filter_map(read).collect())
    }
}

/// One value, or a list of them.
pub(crate) struct OneOrList<K>(pub(crate) K);

impl<K: Kind> Kind for OneOrList<K> {
    fn describe(&self) -> String {
        format!("{}, or a list of them", self.0.describe())
    }

    fn schema(&self) -> Json {
        json!({ "anyOf": [self.0.schema(), { "type": "array", "items": self.0.schema() }] })
    }

    fn keys(&self) -> Option<&'static [Key]> {
        self.0.keys()
    }
}

impl<K: Read> Read for OneOrList<K> {
    type Value = Vec<At<K::Value>>;

    fn read(&self, context: &mut Context<'_>, key: &KeyPath<'_>, value: Value<'_>) -> Option<Self::Value> {
        let read = |value| Some(At { value: self.0.read(context, key, value)?, place: value.span() });
        match value.get_ref().as_array() {
            Some(list) => Some(list.iter().filter_map(read).collect()),
            None => [value].into_iter().map(read).collect(),
        }
    }
}

/// A value for each key of the user's choice.
pub(crate) struct Map<K> {
    what: &'static str,
    read_key: fn(&str) -> Result<String, ValueError>,
    of: K,
    min: usize,
}

/// A map by the description of its keys, their parser, and the type of its values.
pub(crate) const fn map<K>(
    what: &'static str,
    read_key: fn(&str) -> Result<String, ValueError>,
    of: K,
) -> Map<K> {
    Map { what, read_key, of, min: 0 }
}

/// A map that must not be empty.
pub(crate) const fn filled_map<K>(
    what: &'static str,
    read_key: fn(&str) -> Result<String, ValueError>,
    of: K,
) -> Map<K> {
    Map { what, read_key, of, min: 1 }
}

impl<K: Kind> Kind for Map<K> {
    fn describe(&self) -> String {
        format!("a table: {} by {}", self.of.describe(), self.what)
    }

    fn schema(&self) -> Json {
        json!({ "type": "object", "additionalProperties": self.of.schema() })
    }
}

impl<K: Read> Read for Map<K> {
    type Value = BTreeMap<String, K::Value>;

    fn read(&self, context: &mut Context<'_>, key: &KeyPath<'_>, value: Value<'_>) -> Option<Self::Value> {
        let Some(table) = value.get_ref().as_table() else {
            report_type(context, key, self, value);
            return None;
        };
        if table.len() < self.min {
            let message = format!("`{}` is empty", key.key.name);
            context.diagnostics.error(value.span(), message, example(key.key));
            return None;
        }
        let mut out = BTreeMap::new();
        for (name, value) in table.iter() {
            let value = self.of.read(context, key, value);
            match (self.read_key)(name.get_ref()) {
                Ok(name) => out.extend(value.map(|value| (name, value))),
                Err(error) => report(context, key.key, name.span(), error),
            }
        }
        Some(out)
    }
}
