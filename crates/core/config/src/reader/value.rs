//! One value of the text: whether it has the type of its key, and the problem to report when it has not.

use crate::diagnostics::{Diagnostics, Place};
use crate::kind::{Field, Kind};
use crate::parse::scalar;
use crate::suggest;
use crate::value_error::ValueError;
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

/// Reads a string with `read`; reports what is wrong with it.
pub(crate) fn read_string<T>(
    diagnostics: &mut Diagnostics,
    field: &'static Field,
    kind: &Kind,
    value: Value<'_>,
    read: &mut impl FnMut(&str) -> Result<T, ValueError>,
) -> Option<At<T>> {
    let Some(text) = value.get_ref().as_str() else {
        if scalar::is_secretive(field.name) {
            diagnostics.hide(value.span());
        }
        diagnostics.error(value.span(), mistyped(field.name, kind, value), example(field));
        return None;
    };
    match read(text) {
        Ok(read) => Some(At { value: read, place: value.span() }),
        Err(error) => {
            report(diagnostics, field, value.span(), error);
            None
        }
    }
}

/// Reads an integer within the range of its type; reports what is wrong with it.
pub(crate) fn read_integer<N: TryFrom<u64>>(
    diagnostics: &mut Diagnostics,
    field: &'static Field,
    kind: &Kind,
    value: Value<'_>,
) -> Option<N> {
    let number = value.get_ref().as_integer();
    let number = number.and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
    let count = number.and_then(|number| u64::try_from(number).ok());
    match (count, kind) {
        (Some(count), Kind::Integer { min, max }) if (*min..=*max).contains(&count) => {
            let held = N::try_from(count).ok();
            debug_assert!(held.is_some(), "the range of `{}` is wider than its type", field.name);
            held
        }
        _ => {
            let message = match value.get_ref() {
                DeValue::Integer(given) => {
                    format!(
                        "`{}` must be {}, not {}",
                        field.name,
                        kind.describe(),
                        suggest::shown(given.as_str())
                    )
                }
                _ => mistyped(field.name, kind, value),
            };
            diagnostics.error(value.span(), message, example(field));
            None
        }
    }
}

/// Reports the error of a value, masking it when it may be a secret.
pub(crate) fn report(diagnostics: &mut Diagnostics, field: &Field, place: Place, error: ValueError) {
    if error.secret {
        diagnostics.hide(place.clone());
    }
    if diagnostics.is_full() {
        diagnostics.omit();
    } else {
        diagnostics.error(place, error.message, error.hint.text_or(|| example(field)));
    }
}

/// The message for a value of another type.
pub(crate) fn mistyped(name: &str, kind: &Kind, value: Value<'_>) -> String {
    format!("`{name}` must be {}, not {}", kind.describe(), type_word(value.get_ref()))
}

/// The hint that shows the example of a key.
pub(crate) fn example(field: &Field) -> String {
    format!("for example: {} = {}", field.name, field.example)
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
