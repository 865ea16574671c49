//! One value of the text: its position, and the problem to report when it has not the type of its key.

use super::{Context, Key, KeyPath, Kind};
use crate::diagnostics::Place;
use crate::value_error::ValueError;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use toml::Spanned;
use toml::de::DeValue;

/// A parsed value and its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

/// An unparsed value with its position.
pub(crate) type Value<'a> = &'a Spanned<DeValue<'a>>;

/// A field that holds a key without default. `None` has been read when the key is missing or invalid.
pub(crate) trait Slot<T> {
    fn fill(read: Option<At<T>>) -> Self;
}

impl<T> Slot<T> for Option<At<T>> {
    fn fill(read: Option<At<T>>) -> Self {
        read
    }
}

impl<T> Slot<T> for Option<T> {
    fn fill(read: Option<At<T>>) -> Self {
        read.map(|at| at.value)
    }
}

impl<T> Slot<Vec<T>> for Vec<T> {
    fn fill(read: Option<At<Vec<T>>>) -> Self {
        read.map_or_else(Vec::new, |at| at.value)
    }
}

impl<T> Slot<Vec<At<T>>> for Vec<T> {
    fn fill(read: Option<At<Vec<At<T>>>>) -> Self {
        read.map_or_else(Vec::new, |at| at.value.into_iter().map(|at| at.value).collect())
    }
}

impl<T: Ord> Slot<Vec<At<T>>> for BTreeSet<T> {
    fn fill(read: Option<At<Vec<At<T>>>>) -> Self {
        <Vec<T> as Slot<_>>::fill(read).into_iter().collect()
    }
}

impl<T> Slot<BTreeMap<String, T>> for BTreeMap<String, T> {
    fn fill(read: Option<At<BTreeMap<String, T>>>) -> Self {
        read.map_or_else(BTreeMap::new, |at| at.value)
    }
}

/// For required keys only: the empty text stands for a problem, with which there is no configuration.
impl Slot<String> for String {
    fn fill(read: Option<At<String>>) -> Self {
        read.map_or_else(String::new, |at| at.value)
    }
}

/// For required keys only, as for [`String`].
impl Slot<PathBuf> for PathBuf {
    fn fill(read: Option<At<PathBuf>>) -> Self {
        read.map_or_else(PathBuf::new, |at| at.value)
    }
}

/// Reports the error of a value, masking it when it may be a secret.
pub(crate) fn report(context: &mut Context<'_>, key: &Key, place: Place, error: ValueError) {
    let diagnostics = &mut context.diagnostics;
    if error.secret {
        diagnostics.hide(place.clone());
    }
    if diagnostics.is_full() {
        diagnostics.omit();
    } else {
        diagnostics.error(place, error.message, error.hint.text_or(|| example(key)));
    }
}

/// Reports a value of another type.
pub(crate) fn report_type(context: &mut Context<'_>, key: &KeyPath<'_>, kind: &dyn Kind, value: Value<'_>) {
    context.diagnostics.error(value.span(), mistyped(key.key, kind, value), example(key.key));
}

/// The message for a value of another type.
pub(crate) fn mistyped(key: &Key, kind: &dyn Kind, value: Value<'_>) -> String {
    format!("`{}` must be {}, not {}", key.name, kind.describe(), type_word(value.get_ref()))
}

/// The hint that shows the example of a key.
pub(crate) fn example(key: &Key) -> String {
    format!("for example: {} = {}", key.name, key.example)
}

/// The type of a value, for messages.
pub(crate) fn type_word(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a number without quotes",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
