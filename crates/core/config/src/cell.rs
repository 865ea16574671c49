//! One value of the text: whether it is of the kind that its field wants, and what is said when it is not.

use crate::form::At;
use crate::kind::{Field, Kind};
use crate::marks::{Marks, Place};
use crate::wrong::Wrong;
use crate::{near, word};
use toml::Spanned;
use toml::de::DeValue;

/// A value where it stands.
pub(crate) type Cell<'a> = &'a Spanned<DeValue<'a>>;

pub(crate) fn one_word<T>(
    marks: &mut Marks,
    field: &'static Field,
    kind: &Kind,
    cell: Cell<'_>,
    read: &mut impl FnMut(&str) -> Result<T, Wrong>,
) -> Option<At<T>> {
    let Some(text) = cell.get_ref().as_str() else {
        if word::is_secretive(field.name) {
            marks.hide(cell.span());
        }
        marks.wrong(cell.span(), mistyped(field.name, kind, cell), example(field));
        return None;
    };
    match read(text) {
        Ok(value) => Some(At { value, place: cell.span() }),
        Err(wrong) => {
            mark_wrong(marks, field, cell.span(), wrong);
            None
        }
    }
}

pub(crate) fn one_count<N: TryFrom<u64>>(
    marks: &mut Marks,
    field: &'static Field,
    kind: &Kind,
    cell: Cell<'_>,
) -> Option<N> {
    let number = cell.get_ref().as_integer();
    let number = number.and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
    let count = number.and_then(|number| u64::try_from(number).ok());
    match (count, kind) {
        (Some(count), Kind::Count { least, most }) if (*least..=*most).contains(&count) => {
            let held = N::try_from(count).ok();
            debug_assert!(held.is_some(), "the range of `{}` is wider than its type", field.name);
            held
        }
        _ => {
            let message = match cell.get_ref() {
                DeValue::Integer(given) => {
                    format!("`{}` wants {}, not {}", field.name, kind.wanted(), near::shown(given.as_str()))
                }
                _ => mistyped(field.name, kind, cell),
            };
            marks.wrong(cell.span(), message, example(field));
            None
        }
    }
}

pub(crate) fn mark_wrong(marks: &mut Marks, field: &Field, place: Place, wrong: Wrong) {
    if wrong.secret {
        marks.hide(place.clone());
    }
    if marks.is_full() {
        marks.leave_out();
    } else {
        marks.wrong(place, wrong.message, wrong.hint.told(|| example(field)));
    }
}

pub(crate) fn mistyped(name: &str, kind: &Kind, cell: Cell<'_>) -> String {
    format!("`{name}` wants {}, not {}", kind.wanted(), kind_word(cell.get_ref()))
}

pub(crate) fn example(field: &Field) -> String {
    format!("for example: {} = {}", field.name, field.example)
}

pub(crate) fn kind_word(value: &DeValue<'_>) -> &'static str {
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
