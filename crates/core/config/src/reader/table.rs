//! Reads one table of the text by its keys: types, ranges, unknown and missing keys are checked here, once for all sections.

use crate::diagnostics::{Diagnostics, Place};
use crate::kind::{Field, Kind};
use crate::parse::scalar;
use crate::reader::value::{At, Value, example, mistyped, read_integer, read_string, report, type_word};
use crate::value_error::ValueError;
use crate::{fields, suggest};
use jiff::civil;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;
use types::config::Scalar;

/// One table of the text, and the keys that it may have.
pub(crate) struct TableReader<'a> {
    /// Its path, for messages: `service.auth`.
    pub(crate) path: String,
    /// Position of its name, or of its braces.
    pub(crate) place: Place,
    fields: &'static [Field],
    table: Option<&'a DeTable<'a>>,
    read: BTreeSet<&'static str>,
}

impl<'a> TableReader<'a> {
    pub(crate) fn open(
        path: String,
        place: Place,
        fields: &'static [Field],
        table: Option<&'a DeTable<'a>>,
    ) -> Self {
        Self { path, place, fields, table, read: BTreeSet::new() }
    }

    /// Whether there is a table to read; a value of another type was reported already.
    pub(crate) fn is_open(&self) -> bool {
        self.table.is_some()
    }

    /// Whether the key is there, valid or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Whether the key is there and is not an empty list.
    pub(crate) fn is_filled(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value.get_ref().as_array().is_none_or(|list| !list.is_empty()))
    }

    /// Length of a list, valid or not.
    pub(crate) fn len(&self, name: &str) -> usize {
        self.value(name).and_then(|value| value.get_ref().as_array()).map_or(0, |list| list.len())
    }

    /// Position of a key; that of the table when the key is missing.
    pub(crate) fn key_place(&self, name: &str) -> Place {
        let key = self.table.and_then(|table| table.keys().find(|key| key.get_ref().as_ref() == name));
        key.map_or_else(|| self.place.clone(), |key| key.span())
    }

    fn value(&self, name: &str) -> Option<Value<'a>> {
        self.table.and_then(|table| table.get(name))
    }

    fn take(&mut self, name: &'static str) -> Option<(&'static Field, Value<'a>)> {
        let field = self.fields.iter().find(|field| field.name == name);
        debug_assert!(field.is_some(), "`{name}` is not a key of {}", self.path);
        self.read.insert(name);
        field.zip(self.value(name))
    }

    /// Reads a string with `read`.
    pub(crate) fn string<T>(
        &mut self,
        diagnostics: &mut Diagnostics,
        name: &'static str,
        mut read: impl FnMut(&str) -> Result<T, ValueError>,
    ) -> Option<At<T>> {
        let (field, value) = self.take(name)?;
        read_string(diagnostics, field, &field.kind, value, &mut read)
    }

    /// Reads a list of strings, each with `read`; invalid ones are reported and left out.
    pub(crate) fn strings<T>(
        &mut self,
        diagnostics: &mut Diagnostics,
        name: &'static str,
        mut read: impl FnMut(&str) -> Result<T, ValueError>,
    ) -> Vec<At<T>> {
        self.values(diagnostics, name)
            .into_iter()
            .filter_map(|(field, of, value)| read_string(diagnostics, field, of, value, &mut read))
            .collect()
    }

    /// Reads a list of integers. `N` must hold the whole range of the key.
    pub(crate) fn integers<N: TryFrom<u64>>(
        &mut self,
        diagnostics: &mut Diagnostics,
        name: &'static str,
    ) -> Vec<N> {
        self.values(diagnostics, name)
            .into_iter()
            .filter_map(|(field, of, value)| read_integer(diagnostics, field, of, value))
            .collect()
    }

    fn values(
        &mut self,
        diagnostics: &mut Diagnostics,
        name: &'static str,
    ) -> Vec<(&'static Field, &'static Kind, Value<'a>)> {
        let Some((field, value)) = self.take(name) else { return Vec::new() };
        let Kind::List { of, min } = field.kind else {
            debug_assert!(false, "`{name}` is not a list");
            return Vec::new();
        };
        let Some(list) = value.get_ref().as_array() else {
            let hint = match value.get_ref().as_str() {
                Some(text) => format!("write it as a list: {name} = [\"{}\"]", suggest::shown(text)),
                None => example(field),
            };
            diagnostics.error(value.span(), mistyped(field.name, &field.kind, value), hint);
            return Vec::new();
        };
        if list.len() < min {
            diagnostics.error(value.span(), format!("`{name}` is empty"), example(field));
        }
        list.iter().map(|value| (field, of, value)).collect()
    }

    /// Reads an integer. `N` must hold the whole range of the key.
    pub(crate) fn integer<N: TryFrom<u64>>(
        &mut self,
        diagnostics: &mut Diagnostics,
        name: &'static str,
    ) -> Option<N> {
        let (field, value) = self.take(name)?;
        read_integer(diagnostics, field, &field.kind, value)
    }

    /// Reads a boolean.
    pub(crate) fn boolean(&mut self, diagnostics: &mut Diagnostics, name: &'static str) -> Option<bool> {
        let (field, value) = self.take(name)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            diagnostics.error(value.span(), mistyped(name, &field.kind, value), example(field));
        }
        flag
    }

    /// Reads a duration within the range of the key.
    pub(crate) fn duration(&mut self, diagnostics: &mut Diagnostics, name: &'static str) -> Option<Duration> {
        let (field, _) = self.take(name)?;
        self.string(diagnostics, name, |text| {
            let duration = scalar::duration(text)?;
            match field.kind {
                Kind::Duration { min, max } if duration < min || duration > max => Err(ValueError::new(
                    format!("`{name}` must be {}, not {}", field.kind.describe(), suggest::shown(text)),
                )),
                _ => Ok(duration),
            }
        })
        .map(|at| at.value)
    }

    /// Reads a local date and time.
    pub(crate) fn local_datetime(
        &mut self,
        diagnostics: &mut Diagnostics,
        name: &'static str,
    ) -> Option<At<civil::DateTime>> {
        self.datetime(diagnostics, name, scalar::local_datetime)
    }

    /// Reads an instant, or a date, which means its first moment in UTC.
    pub(crate) fn date(
        &mut self,
        diagnostics: &mut Diagnostics,
        name: &'static str,
    ) -> Option<At<types::Time>> {
        self.datetime(diagnostics, name, scalar::instant)
    }

    fn datetime<T>(
        &mut self,
        diagnostics: &mut Diagnostics,
        name: &'static str,
        read: fn(&Datetime) -> Result<T, ValueError>,
    ) -> Option<At<T>> {
        let (field, value) = self.take(name)?;
        let Some(datetime) = value.get_ref().as_datetime() else {
            let hint = match value.get_ref() {
                DeValue::String(_) => format!("without quotes: {name} = {}", field.example),
                _ => example(field),
            };
            diagnostics.error(value.span(), mistyped(name, &field.kind, value), hint);
            return None;
        };
        match read(datetime) {
            Ok(read) => Some(At { value: read, place: value.span() }),
            Err(error) => {
                report(diagnostics, field, value.span(), error);
                None
            }
        }
    }

    /// Reads a table of strings, each key with `read_key` and each value with `read`.
    pub(crate) fn map<T>(
        &mut self,
        diagnostics: &mut Diagnostics,
        name: &'static str,
        mut read_key: impl FnMut(&str) -> Result<String, ValueError>,
        mut read: impl FnMut(&str) -> Result<T, ValueError>,
    ) -> BTreeMap<String, T> {
        let mut out = BTreeMap::new();
        let Some((field, value)) = self.take(name) else { return out };
        let (Some(table), Kind::Map { of, .. }) = (value.get_ref().as_table(), field.kind) else {
            diagnostics.error(value.span(), mistyped(name, &field.kind, value), example(field));
            return out;
        };
        for (key, value) in table.iter() {
            let value = read_string(diagnostics, field, of, value, &mut read);
            match read_key(key.get_ref()) {
                Ok(key) => out.extend(value.map(|at| (key, at.value))),
                Err(error) => report(diagnostics, field, key.span(), error),
            }
        }
        out
    }

    /// Reads a table of strings, integers and booleans.
    pub(crate) fn scalars(
        &mut self,
        diagnostics: &mut Diagnostics,
        name: &'static str,
    ) -> BTreeMap<String, Scalar> {
        let mut out = BTreeMap::new();
        let Some((field, value)) = self.take(name) else { return out };
        let (Some(table), Kind::Map { of, .. }) = (value.get_ref().as_table(), field.kind) else {
            diagnostics.error(value.span(), mistyped(name, &field.kind, value), example(field));
            return out;
        };
        for (key, value) in table.iter() {
            let scalar = match value.get_ref() {
                DeValue::Boolean(flag) => Some(Scalar::Flag(*flag)),
                DeValue::String(text) => Some(Scalar::Text(text.to_string())),
                DeValue::Integer(number) => {
                    i64::from_str_radix(number.as_str(), number.radix()).ok().map(Scalar::Number)
                }
                _ => None,
            };
            match scalar {
                Some(value) => drop(out.insert(key.get_ref().to_string(), value)),
                None => diagnostics.error(value.span(), mistyped(name, of, value), example(field)),
            }
        }
        out
    }

    /// Reads a table.
    pub(crate) fn subtable<T>(
        &mut self,
        diagnostics: &mut Diagnostics,
        name: &'static str,
        read: impl FnOnce(&mut TableReader<'a>, &mut Diagnostics) -> T,
    ) -> Option<T> {
        let (field, value) = self.take(name)?;
        let (DeValue::Table(table), Kind::Table(fields)) = (value.get_ref(), field.kind) else {
            diagnostics.error(value.span(), mistyped(name, &field.kind, value), example(field));
            return None;
        };
        let mut table = TableReader::open(format!("{}.{name}", self.path), value.span(), fields, Some(table));
        let out = read(&mut table, diagnostics);
        table.close(diagnostics);
        Some(out)
    }

    /// Reads a table or `false`, which is the inner `None`.
    pub(crate) fn subtable_or_false<T>(
        &mut self,
        diagnostics: &mut Diagnostics,
        name: &'static str,
        read: impl FnOnce(&mut TableReader<'a>, &mut Diagnostics) -> T,
    ) -> Option<Option<T>> {
        let (field, value) = self.take(name)?;
        match (value.get_ref(), field.kind) {
            (DeValue::Boolean(false), Kind::Optional(_)) => Some(None),
            (DeValue::Table(table), Kind::Optional(fields)) => {
                let path = format!("{}.{name}", self.path);
                let mut table = TableReader::open(path, value.span(), fields, Some(table));
                let out = read(&mut table, diagnostics);
                table.close(diagnostics);
                Some(Some(out))
            }
            _ => {
                diagnostics.error(value.span(), mistyped(name, &field.kind, value), example(field));
                None
            }
        }
    }

    /// Reads a string or a table.
    pub(crate) fn string_or_table<T>(
        &mut self,
        diagnostics: &mut Diagnostics,
        name: &'static str,
        mut read_word: impl FnMut(&str) -> Result<T, ValueError>,
        mut read_table: impl FnMut(&mut TableReader<'a>, &mut Diagnostics) -> Option<T>,
    ) -> Option<At<T>> {
        let (field, value) = self.take(name)?;
        self.string_or_table_value(diagnostics, (field, &field.kind, value), &mut read_word, &mut read_table)
    }

    /// Reads a list of strings and tables.
    pub(crate) fn strings_or_tables<T>(
        &mut self,
        diagnostics: &mut Diagnostics,
        name: &'static str,
        mut read_word: impl FnMut(&str) -> Result<T, ValueError>,
        mut read_table: impl FnMut(&mut TableReader<'a>, &mut Diagnostics) -> Option<T>,
    ) -> Vec<At<T>> {
        let mut out = Vec::new();
        for item in self.values(diagnostics, name) {
            out.extend(self.string_or_table_value(diagnostics, item, &mut read_word, &mut read_table));
        }
        out
    }

    fn string_or_table_value<T>(
        &self,
        diagnostics: &mut Diagnostics,
        (field, kind, value): (&'static Field, &'static Kind, Value<'a>),
        read_word: &mut impl FnMut(&str) -> Result<T, ValueError>,
        read_table: &mut impl FnMut(&mut TableReader<'a>, &mut Diagnostics) -> Option<T>,
    ) -> Option<At<T>> {
        match (value.get_ref(), kind) {
            (DeValue::Table(table), Kind::Either { table: fields, .. }) => {
                let path = format!("{}.{}", self.path, field.name);
                let mut table = TableReader::open(path, value.span(), fields, Some(table));
                let read = read_table(&mut table, diagnostics);
                table.close(diagnostics);
                read.map(|read| At { value: read, place: value.span() })
            }
            _ => read_string(diagnostics, field, kind, value, read_word),
        }
    }

    /// Reads a list of tables.
    pub(crate) fn subtables<T>(
        &mut self,
        diagnostics: &mut Diagnostics,
        name: &'static str,
        mut read: impl FnMut(&mut TableReader<'a>, &mut Diagnostics) -> T,
    ) -> Vec<T> {
        let Some((field, value)) = self.take(name) else { return Vec::new() };
        let (DeValue::Array(list), Kind::Tables { of, min }) = (value.get_ref(), field.kind) else {
            diagnostics.error(value.span(), mistyped(name, &field.kind, value), example(field));
            return Vec::new();
        };
        if list.len() < min {
            diagnostics.error(value.span(), format!("`{name}` is empty"), example(field));
        }
        let mut out = Vec::new();
        for value in list.iter() {
            let DeValue::Table(table) = value.get_ref() else {
                let message =
                    format!("`{name}` must be a list of tables, not {}", type_word(value.get_ref()));
                diagnostics.error(value.span(), message, example(field));
                continue;
            };
            let mut table = TableReader::open(format!("{}.{name}", self.path), value.span(), of, Some(table));
            out.push(read(&mut table, diagnostics));
            table.close(diagnostics);
        }
        out
    }

    /// Reports unknown keys, keys that this version does not support, and missing keys.
    pub(crate) fn close(self, diagnostics: &mut Diagnostics) {
        let fields = self.fields;
        for (key, value) in self.table.into_iter().flat_map(DeTable::iter) {
            let name: &str = key.get_ref();
            match fields.iter().find(|field| field.name == name) {
                Some(Field { kind: Kind::Later, doc, .. }) => {
                    report_unsupported(diagnostics, key.span(), name, doc)
                }
                Some(field) => {
                    debug_assert!(self.read.contains(field.name), "{}.{name} is never read", self.path);
                }
                None => {
                    let known = fields.iter().filter(|field| !matches!(field.kind, Kind::Later));
                    let message =
                        format!("unknown key `{}` in {}", suggest::shown(name), suggest::shown(&self.path));
                    let known = known.map(|field| field.name);
                    // A mistyped `token` holds one all the same.
                    if scalar::is_secretive(name)
                        || suggest::nearest(name, known.clone()).is_some_and(scalar::is_secretive)
                    {
                        diagnostics.hide(value.span());
                    }
                    diagnostics.error(key.span(), message, unknown_key(name, value.get_ref(), known));
                }
            }
        }
        // An unsupported key may stand in for a missing one.
        let has_later = fields.iter().any(|field| matches!(field.kind, Kind::Later) && self.has(field.name));
        for field in fields.iter().filter(|field| field.required && !has_later && !self.has(field.name)) {
            let message = format!("{} lacks `{}`", suggest::shown(&self.path), field.name);
            diagnostics.missing(self.place.clone(), message, example(field));
        }
    }
}

pub(crate) fn report_unsupported(diagnostics: &mut Diagnostics, place: Place, name: &str, what: &str) {
    let message = format!("`{name}` ({what}) is not supported by this version");
    diagnostics.error(place, message, "remove it for now; no key is ignored silently");
}

pub(crate) fn unknown_key<'n>(
    name: &str,
    value: &DeValue<'_>,
    known: impl Iterator<Item = &'n str> + Clone,
) -> String {
    if let Some(near) = suggest::nearest(name, known.clone()) {
        return format!("did you mean `{near}`?");
    }
    let home = fields::SECTIONS.iter().find(|section| section.fields.iter().any(|field| field.name == name));
    match home {
        Some(home) if !value.is_table() => match home.key {
            None => format!("it belongs in [{}]", home.name),
            Some(_) => format!("it belongs in [{}.NAME]", home.name),
        },
        _ => format!("keys here: {}", suggest::listed(&known.collect::<Vec<_>>())),
    }
}
