//! Reads one table of the text by its fields: types, ranges, unknown keys and missing ones are judged here, once for all.

use crate::cell::{Cell, example, kind_word, mark_wrong, mistyped, one_count, one_word};
use crate::kind::{Field, Kind};
use crate::marks::{Marks, Place};
use crate::wrong::Wrong;
use crate::{fields, near, word};
use jiff::civil;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;
use types::config::Scalar;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

/// One table of the text, with the fields that may stand in it.
pub(crate) struct Form<'a> {
    /// How it is called in messages: `service.auth`.
    pub(crate) path: String,
    /// Where it begins: its name, or its braces.
    pub(crate) place: Place,
    fields: &'static [Field],
    table: Option<&'a DeTable<'a>>,
    read: BTreeSet<&'static str>,
}

impl<'a> Form<'a> {
    pub(crate) fn open(
        path: String,
        place: Place,
        fields: &'static [Field],
        table: Option<&'a DeTable<'a>>,
    ) -> Self {
        Self { path, place, fields, table, read: BTreeSet::new() }
    }

    /// Whether there is a table to read; what is not one is marked already.
    pub(crate) fn is_open(&self) -> bool {
        self.table.is_some()
    }

    /// Whether the field stands there, right or wrong.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.cell(name).is_some()
    }

    /// Whether the field stands there and is anything but an empty list.
    pub(crate) fn is_filled(&self, name: &str) -> bool {
        self.cell(name).is_some_and(|cell| cell.get_ref().as_array().is_none_or(|list| !list.is_empty()))
    }

    /// How many stand in a list, right or wrong.
    pub(crate) fn len(&self, name: &str) -> usize {
        self.cell(name).and_then(|cell| cell.get_ref().as_array()).map_or(0, |list| list.len())
    }

    /// Where the field's key stands; the whole table when it does not.
    pub(crate) fn key_place(&self, name: &str) -> Place {
        let key = self.table.and_then(|table| table.keys().find(|key| key.get_ref().as_ref() == name));
        key.map_or_else(|| self.place.clone(), |key| key.span())
    }

    fn cell(&self, name: &str) -> Option<Cell<'a>> {
        self.table.and_then(|table| table.get(name))
    }

    fn take(&mut self, name: &'static str) -> Option<(&'static Field, Cell<'a>)> {
        let field = self.fields.iter().find(|field| field.name == name);
        debug_assert!(field.is_some(), "`{name}` is missing in the table of fields of {}", self.path);
        self.read.insert(name);
        field.zip(self.cell(name))
    }

    /// A text, read by `read`.
    pub(crate) fn word<T>(
        &mut self,
        marks: &mut Marks,
        name: &'static str,
        mut read: impl FnMut(&str) -> Result<T, Wrong>,
    ) -> Option<At<T>> {
        let (field, cell) = self.take(name)?;
        one_word(marks, field, &field.kind, cell, &mut read)
    }

    /// A list of texts, each read by `read`; those that are wrong are marked and left out.
    pub(crate) fn words<T>(
        &mut self,
        marks: &mut Marks,
        name: &'static str,
        mut read: impl FnMut(&str) -> Result<T, Wrong>,
    ) -> Vec<At<T>> {
        self.cells(marks, name)
            .into_iter()
            .filter_map(|(field, of, cell)| one_word(marks, field, of, cell, &mut read))
            .collect()
    }

    /// A list of whole numbers, of a type that holds the field's whole range.
    pub(crate) fn counts<N: TryFrom<u64>>(&mut self, marks: &mut Marks, name: &'static str) -> Vec<N> {
        self.cells(marks, name)
            .into_iter()
            .filter_map(|(field, of, cell)| one_count(marks, field, of, cell))
            .collect()
    }

    fn cells(
        &mut self,
        marks: &mut Marks,
        name: &'static str,
    ) -> Vec<(&'static Field, &'static Kind, Cell<'a>)> {
        let Some((field, cell)) = self.take(name) else { return Vec::new() };
        let Kind::List { of, least } = field.kind else {
            debug_assert!(false, "`{name}` is not a list in the table of fields");
            return Vec::new();
        };
        let Some(list) = cell.get_ref().as_array() else {
            let hint = match cell.get_ref().as_str() {
                Some(text) => format!("write it as a list: {name} = [\"{}\"]", near::shown(text)),
                None => example(field),
            };
            marks.wrong(cell.span(), mistyped(field.name, &field.kind, cell), hint);
            return Vec::new();
        };
        if list.len() < least {
            marks.wrong(cell.span(), format!("`{name}` is empty"), example(field));
        }
        list.iter().map(|cell| (field, of, cell)).collect()
    }

    /// A whole number within the field's range, which its type must hold.
    pub(crate) fn count<N: TryFrom<u64>>(&mut self, marks: &mut Marks, name: &'static str) -> Option<N> {
        let (field, cell) = self.take(name)?;
        one_count(marks, field, &field.kind, cell)
    }

    /// True or false.
    pub(crate) fn flag(&mut self, marks: &mut Marks, name: &'static str) -> Option<bool> {
        let (field, cell) = self.take(name)?;
        let flag = cell.get_ref().as_bool();
        if flag.is_none() {
            marks.wrong(cell.span(), mistyped(name, &field.kind, cell), example(field));
        }
        flag
    }

    /// A span of time within the field's range.
    pub(crate) fn span(&mut self, marks: &mut Marks, name: &'static str) -> Option<Duration> {
        let (field, _) = self.take(name)?;
        self.word(marks, name, |text| {
            let span = word::span(text)?;
            match field.kind {
                Kind::Span { least, most } if span < least || span > most => Err(Wrong::new(format!(
                    "`{name}` wants {}, not {}",
                    field.kind.wanted(),
                    near::shown(text)
                ))),
                _ => Ok(span),
            }
        })
        .map(|at| at.value)
    }

    /// A local date and time.
    pub(crate) fn moment(&mut self, marks: &mut Marks, name: &'static str) -> Option<At<civil::DateTime>> {
        self.datetime(marks, name, word::moment)
    }

    /// An instant.
    pub(crate) fn day(&mut self, marks: &mut Marks, name: &'static str) -> Option<At<types::Time>> {
        self.datetime(marks, name, word::day)
    }

    fn datetime<T>(
        &mut self,
        marks: &mut Marks,
        name: &'static str,
        read: fn(&Datetime) -> Result<T, Wrong>,
    ) -> Option<At<T>> {
        let (field, cell) = self.take(name)?;
        let Some(datetime) = cell.get_ref().as_datetime() else {
            let hint = match cell.get_ref() {
                DeValue::String(_) => format!("without quotes: {name} = {}", field.example),
                _ => example(field),
            };
            marks.wrong(cell.span(), mistyped(name, &field.kind, cell), hint);
            return None;
        };
        match read(datetime) {
            Ok(value) => Some(At { value, place: cell.span() }),
            Err(wrong) => {
                mark_wrong(marks, field, cell.span(), wrong);
                None
            }
        }
    }

    /// A text for each key, each read by `read`.
    pub(crate) fn map<T>(
        &mut self,
        marks: &mut Marks,
        name: &'static str,
        mut read_key: impl FnMut(&str) -> Result<String, Wrong>,
        mut read: impl FnMut(&str) -> Result<T, Wrong>,
    ) -> BTreeMap<String, T> {
        let mut out = BTreeMap::new();
        let Some((field, cell)) = self.take(name) else { return out };
        let (Some(table), Kind::Map { of, .. }) = (cell.get_ref().as_table(), field.kind) else {
            marks.wrong(cell.span(), mistyped(name, &field.kind, cell), example(field));
            return out;
        };
        for (key, cell) in table.iter() {
            let value = one_word(marks, field, of, cell, &mut read);
            match read_key(key.get_ref()) {
                Ok(key) => out.extend(value.map(|at| (key, at.value))),
                Err(wrong) => mark_wrong(marks, field, key.span(), wrong),
            }
        }
        out
    }

    /// A single value for each key.
    pub(crate) fn scalars(&mut self, marks: &mut Marks, name: &'static str) -> BTreeMap<String, Scalar> {
        let mut out = BTreeMap::new();
        let Some((field, cell)) = self.take(name) else { return out };
        let (Some(table), Kind::Map { of, .. }) = (cell.get_ref().as_table(), field.kind) else {
            marks.wrong(cell.span(), mistyped(name, &field.kind, cell), example(field));
            return out;
        };
        for (key, cell) in table.iter() {
            let value = match cell.get_ref() {
                DeValue::Boolean(flag) => Some(Scalar::Flag(*flag)),
                DeValue::String(text) => Some(Scalar::Text(text.to_string())),
                DeValue::Integer(number) => {
                    i64::from_str_radix(number.as_str(), number.radix()).ok().map(Scalar::Number)
                }
                _ => None,
            };
            match value {
                Some(value) => drop(out.insert(key.get_ref().to_string(), value)),
                None => marks.wrong(cell.span(), mistyped(name, of, cell), example(field)),
            }
        }
        out
    }

    /// A table of its own.
    pub(crate) fn table<T>(
        &mut self,
        marks: &mut Marks,
        name: &'static str,
        read: impl FnOnce(&mut Form<'a>, &mut Marks) -> T,
    ) -> Option<T> {
        let (field, cell) = self.take(name)?;
        let (DeValue::Table(table), Kind::Table(fields)) = (cell.get_ref(), field.kind) else {
            marks.wrong(cell.span(), mistyped(name, &field.kind, cell), example(field));
            return None;
        };
        let mut form = Form::open(format!("{}.{name}", self.path), cell.span(), fields, Some(table));
        let out = read(&mut form, marks);
        form.close(marks);
        Some(out)
    }

    /// A table of its own; the inner `None` stands for `false`, which says that there is none.
    pub(crate) fn table_or_none<T>(
        &mut self,
        marks: &mut Marks,
        name: &'static str,
        read: impl FnOnce(&mut Form<'a>, &mut Marks) -> T,
    ) -> Option<Option<T>> {
        let (field, cell) = self.take(name)?;
        match (cell.get_ref(), field.kind) {
            (DeValue::Boolean(false), Kind::Optional(_)) => Some(None),
            (DeValue::Table(table), Kind::Optional(fields)) => {
                let path = format!("{}.{name}", self.path);
                let mut form = Form::open(path, cell.span(), fields, Some(table));
                let out = read(&mut form, marks);
                form.close(marks);
                Some(Some(out))
            }
            _ => {
                marks.wrong(cell.span(), mistyped(name, &field.kind, cell), example(field));
                None
            }
        }
    }

    /// A word, or a table of its own.
    pub(crate) fn either<T>(
        &mut self,
        marks: &mut Marks,
        name: &'static str,
        mut read_word: impl FnMut(&str) -> Result<T, Wrong>,
        mut read_table: impl FnMut(&mut Form<'a>, &mut Marks) -> Option<T>,
    ) -> Option<At<T>> {
        let (field, cell) = self.take(name)?;
        self.one_of_two(marks, (field, &field.kind, cell), &mut read_word, &mut read_table)
    }

    /// Several words or tables, as they come.
    pub(crate) fn eithers<T>(
        &mut self,
        marks: &mut Marks,
        name: &'static str,
        mut read_word: impl FnMut(&str) -> Result<T, Wrong>,
        mut read_table: impl FnMut(&mut Form<'a>, &mut Marks) -> Option<T>,
    ) -> Vec<At<T>> {
        let mut out = Vec::new();
        for item in self.cells(marks, name) {
            out.extend(self.one_of_two(marks, item, &mut read_word, &mut read_table));
        }
        out
    }

    fn one_of_two<T>(
        &self,
        marks: &mut Marks,
        (field, kind, cell): (&'static Field, &'static Kind, Cell<'a>),
        read_word: &mut impl FnMut(&str) -> Result<T, Wrong>,
        read_table: &mut impl FnMut(&mut Form<'a>, &mut Marks) -> Option<T>,
    ) -> Option<At<T>> {
        match (cell.get_ref(), kind) {
            (DeValue::Table(table), Kind::Either { table: fields, .. }) => {
                let path = format!("{}.{}", self.path, field.name);
                let mut form = Form::open(path, cell.span(), fields, Some(table));
                let value = read_table(&mut form, marks);
                form.close(marks);
                value.map(|value| At { value, place: cell.span() })
            }
            _ => one_word(marks, field, kind, cell, read_word),
        }
    }

    /// Several tables of its own.
    pub(crate) fn tables<T>(
        &mut self,
        marks: &mut Marks,
        name: &'static str,
        mut read: impl FnMut(&mut Form<'a>, &mut Marks) -> T,
    ) -> Vec<T> {
        let Some((field, cell)) = self.take(name) else { return Vec::new() };
        let (DeValue::Array(list), Kind::Tables { of, least }) = (cell.get_ref(), field.kind) else {
            marks.wrong(cell.span(), mistyped(name, &field.kind, cell), example(field));
            return Vec::new();
        };
        if list.len() < least {
            marks.wrong(cell.span(), format!("`{name}` is empty"), example(field));
        }
        let mut out = Vec::new();
        for cell in list.iter() {
            let DeValue::Table(table) = cell.get_ref() else {
                let message = format!("`{name}` wants tables, not {}", kind_word(cell.get_ref()));
                marks.wrong(cell.span(), message, example(field));
                continue;
            };
            let mut form = Form::open(format!("{}.{name}", self.path), cell.span(), of, Some(table));
            out.push(read(&mut form, marks));
            form.close(marks);
        }
        out
    }

    /// Judges what is left: unknown keys, keys that this version does not serve, fields that must be there.
    pub(crate) fn close(self, marks: &mut Marks) {
        let fields = self.fields;
        for (key, cell) in self.table.into_iter().flat_map(DeTable::iter) {
            let name: &str = key.get_ref();
            match fields.iter().find(|field| field.name == name) {
                Some(Field { kind: Kind::Later, doc, .. }) => not_served(marks, key.span(), name, doc),
                Some(field) => {
                    debug_assert!(self.read.contains(field.name), "nobody reads {}.{name}", self.path);
                }
                None => {
                    let known = fields.iter().filter(|field| !matches!(field.kind, Kind::Later));
                    let message =
                        format!("unknown key `{}` in {}", near::shown(name), near::shown(&self.path));
                    let known = known.map(|field| field.name);
                    // A mistyped `token` holds one all the same.
                    if word::is_secretive(name)
                        || near::nearest(name, known.clone()).is_some_and(word::is_secretive)
                    {
                        marks.hide(cell.span());
                    }
                    marks.wrong(key.span(), message, unknown_key(name, cell.get_ref(), known));
                }
            }
        }
        // What is not served may be there in place of what is missing.
        let has_later = fields.iter().any(|field| matches!(field.kind, Kind::Later) && self.has(field.name));
        for field in fields.iter().filter(|field| field.required && !has_later && !self.has(field.name)) {
            let message = format!("{} lacks `{}`", near::shown(&self.path), field.name);
            marks.lacking(self.place.clone(), message, example(field));
        }
    }
}

pub(crate) fn not_served(marks: &mut Marks, place: Place, name: &str, what: &str) {
    let message = format!("`{name}` ({what}) is not served by this version");
    marks.wrong(place, message, "take it out for now; nothing is ignored silently");
}

pub(crate) fn unknown_key<'n>(
    name: &str,
    value: &DeValue<'_>,
    known: impl Iterator<Item = &'n str> + Clone,
) -> String {
    if let Some(near) = near::nearest(name, known.clone()) {
        return format!("did you mean `{near}`?");
    }
    let home = fields::SECTIONS.iter().find(|section| section.fields.iter().any(|field| field.name == name));
    match home {
        Some(home) if !value.is_table() => match home.key {
            None => format!("it belongs into [{}]", home.name),
            Some(_) => format!("it belongs into [{}.NAME]", home.name),
        },
        _ => format!("known here: {}", near::listed(&known.collect::<Vec<_>>())),
    }
}
