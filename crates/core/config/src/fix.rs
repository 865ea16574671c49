//! Rewrites a configuration with old names to today's names, keeping comments, order and layout.

use crate::renames::{self, Rename};
use std::collections::BTreeSet;
use std::fmt;
use toml_edit::{DocumentMut, InlineTable, Item, Key, Table, Value};

/// A rewritten configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// The new text.
    pub text: String,
    /// What was renamed, in the order of paths. Never empty.
    pub renamed: BTreeSet<Renamed>,
}

/// A key or section that got its new name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Renamed {
    /// Path of the table that holds it, in today's names; empty for a section.
    pub path: String,
    /// The old name.
    pub old: &'static str,
    /// The new name.
    pub new: &'static str,
}

impl fmt::Display for Renamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, old, new } = self;
        match path.as_str() {
            "" => write!(f, "[{old}] is now [{new}]"),
            _ => write!(f, "{path}: `{old}` is now `{new}`"),
        }
    }
}

/// Why a configuration is not rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfixable {
    /// The text is longer than any configuration, or is not TOML: the message and the line, counted from 1.
    NotToml(String, usize),
    /// A table has the old and the new name.
    Both(Renamed),
}

impl fmt::Display for Unfixable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotToml(message, line) => write!(f, "line {line} is not TOML: {message}"),
            Self::Both(renamed) => write!(f, "{renamed}, which is there too: keep one of them"),
        }
    }
}

impl std::error::Error for Unfixable {}

/// Gives every key and section with an old name its new one; `None` when there is nothing to rename.
///
/// Idempotent. Values are not touched, nor is anything else that may be wrong with the configuration.
///
/// # Errors
/// The text is not TOML, or has an old name beside the new one.
pub fn fix(text: &str) -> Result<Option<Fixed>, Unfixable> {
    if text.len() > crate::LONGEST || crate::syntax::has_endless_key(text) {
        return Err(Unfixable::NotToml("it is too long, or nested too deep".to_owned(), 1));
    }
    // Lines are written with \n; a file that has only \r\n keeps them.
    let is_crlf = text.contains("\r\n") && text.matches('\n').count() == text.matches("\r\n").count();
    let lines = if is_crlf { text.replace("\r\n", "\n") } else { text.to_owned() };
    let mut document: DocumentMut = lines.parse().map_err(|error: toml_edit::TomlError| {
        let at = error.span().map_or(0, |span| span.start).min(lines.len());
        let line = lines.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        Unfixable::NotToml(error.message().to_owned(), line)
    })?;
    let mut renamed = BTreeSet::new();
    fix_table(document.as_table_mut(), &mut Vec::new(), &mut renamed)?;
    if renamed.is_empty() {
        return Ok(None);
    }
    let mut fixed = document.to_string();
    if text.starts_with('\u{feff}') && !fixed.starts_with('\u{feff}') {
        fixed.insert(0, '\u{feff}');
    }
    if !lines.ends_with('\n') {
        fixed.truncate(fixed.trim_end_matches('\n').len());
    }
    let text = if is_crlf { fixed.replace('\n', "\r\n") } else { fixed };
    Ok(Some(Fixed { text, renamed }))
}

type Path = Vec<String>;

fn renamed_at(path: &[String], rename: &Rename) -> Renamed {
    Renamed { path: path.join("."), old: rename.old, new: rename.new }
}

/// The key of a renamed value, with the comments and spaces of the old one.
fn key_like(old: &Key, name: &str) -> Key {
    Key::new(name).with_leaf_decor(old.leaf_decor().clone()).with_dotted_decor(old.dotted_decor().clone())
}

fn fix_table(table: &mut Table, path: &mut Path, renamed: &mut BTreeSet<Renamed>) -> Result<(), Unfixable> {
    if renames::within(path).any(|rename| table.contains_key(rename.old)) {
        let names: Vec<String> = table.iter().map(|(name, _)| name.to_owned()).collect();
        let entries: Vec<(Key, Item)> = names.iter().filter_map(|name| table.remove_entry(name)).collect();
        for (key, item) in entries {
            let Some(rename) = renames::within(path).find(|rename| rename.old == key.get()) else {
                put(table, &key, item).map_err(|name| both(path, &name))?;
                continue;
            };
            let done = renamed_at(path, rename);
            let put = match rename.new.split_once('.') {
                None => put(table, &key_like(&key, rename.new), item),
                Some((outer, inner)) => {
                    let mut dotted = Table::new();
                    dotted.set_dotted(true);
                    dotted.insert_formatted(&key_like(&key, inner), item);
                    put(table, &Key::new(outer), Item::Table(dotted))
                }
            };
            put.map_err(|_| Unfixable::Both(done.clone()))?;
            renamed.insert(done);
        }
    }
    if path.len() < renames::DEEPEST {
        for (key, item) in table.iter_mut() {
            path.push(key.get().to_owned());
            fix_item(item, path, renamed)?;
            path.pop();
        }
    }
    Ok(())
}

/// The error for a new name that comes after its old one in the same table.
fn both(path: &[String], name: &str) -> Unfixable {
    let rename = renames::within(path).find(|rename| rename.new.split('.').next() == Some(name));
    let (old, new) = rename.map_or(("", ""), |rename| (rename.old, rename.new));
    Unfixable::Both(Renamed { path: path.join("."), old, new })
}

/// Inserts at the end. Sections and dotted keys of the same name go together where their keys differ.
fn put(table: &mut Table, key: &Key, item: Item) -> Result<(), String> {
    match (table.get_mut(key.get()), item) {
        (None, item) => {
            table.insert_formatted(key, item);
            Ok(())
        }
        (Some(Item::Table(there)), Item::Table(mut moved))
            if there.is_dotted() == moved.is_dotted() && (there.is_dotted() || moved.is_implicit()) =>
        {
            let names: Vec<String> = moved.iter().map(|(name, _)| name.to_owned()).collect();
            for (inner, item) in names.iter().filter_map(|name| moved.remove_entry(name)) {
                put(there, &inner, item).map_err(|_| key.get().to_owned())?;
            }
            Ok(())
        }
        _ => Err(key.get().to_owned()),
    }
}

fn fix_item(item: &mut Item, path: &mut Path, renamed: &mut BTreeSet<Renamed>) -> Result<(), Unfixable> {
    match item {
        Item::Table(table) => fix_table(table, path, renamed),
        Item::ArrayOfTables(list) => list.iter_mut().try_for_each(|table| fix_table(table, path, renamed)),
        Item::Value(value) => fix_value(value, path, renamed),
        Item::None => Ok(()),
    }
}

fn fix_value(value: &mut Value, path: &mut Path, renamed: &mut BTreeSet<Renamed>) -> Result<(), Unfixable> {
    match value {
        Value::InlineTable(table) => fix_inline(table, path, renamed),
        Value::Array(list) => list
            .iter_mut()
            .filter_map(Value::as_inline_table_mut)
            .try_for_each(|table| fix_inline(table, path, renamed)),
        _ => Ok(()),
    }
}

fn fix_inline(
    table: &mut InlineTable,
    path: &mut Path,
    renamed: &mut BTreeSet<Renamed>,
) -> Result<(), Unfixable> {
    if renames::within(path).any(|rename| table.contains_key(rename.old)) {
        let names: Vec<String> = table.iter().map(|(name, _)| name.to_owned()).collect();
        let entries: Vec<(Key, Value)> = names.iter().filter_map(|name| table.remove_entry(name)).collect();
        for (key, value) in entries {
            let rename = renames::within(path).find(|rename| rename.old == key.get());
            let (key, value) = match rename.map(|rename| rename.new.split_once('.')) {
                None => (key, value),
                Some(None) => (key_like(&key, rename.map_or("", |rename| rename.new)), value),
                Some(Some((outer, inner))) => {
                    let mut dotted = InlineTable::new();
                    dotted.set_dotted(true);
                    dotted.insert_formatted(&key_like(&key, inner), value);
                    (Key::new(outer), Value::InlineTable(dotted))
                }
            };
            put_inline(table, &key, value).map_err(|name| both(path, &name))?;
            renamed.extend(rename.map(|rename| renamed_at(path, rename)));
        }
    }
    if path.len() < renames::DEEPEST {
        for (key, value) in table.iter_mut() {
            path.push(key.get().to_owned());
            fix_value(value, path, renamed)?;
            path.pop();
        }
    }
    Ok(())
}

fn put_inline(table: &mut InlineTable, key: &Key, value: Value) -> Result<(), String> {
    match (table.get_mut(key.get()), value) {
        (None, value) => {
            table.insert_formatted(key, value);
            Ok(())
        }
        (Some(Value::InlineTable(there)), Value::InlineTable(mut moved))
            if there.is_dotted() && moved.is_dotted() =>
        {
            let names: Vec<String> = moved.iter().map(|(name, _)| name.to_owned()).collect();
            for (inner, value) in names.iter().filter_map(|name| moved.remove_entry(name)) {
                put_inline(there, &inner, value).map_err(|_| key.get().to_owned())?;
            }
            Ok(())
        }
        _ => Err(key.get().to_owned()),
    }
}
