//! Strings: text, strings with a format of their own, one of several words, names of other sections.

use super::value::{Value, report, report_type};
use super::{Context, KeyPath, Kind, NAME, Read};
use crate::parse::scalar;
use crate::suggest::shown;
use crate::value_error::ValueError;
use serde_json::{Value as Json, json};
use text::list;

/// A string with a format of its own.
pub(crate) struct Format<T> {
    what: &'static str,
    /// A rough check for editors.
    pattern: Option<&'static str>,
    read: fn(&str, &Context<'_>) -> Result<T, ValueError>,
}

/// A format by its description, a rough pattern for editors, and its parser.
pub(crate) const fn format<T>(
    what: &'static str,
    pattern: Option<&'static str>,
    read: fn(&str, &Context<'_>) -> Result<T, ValueError>,
) -> Format<T> {
    Format { what, pattern, read }
}

/// Reads a string with `read`; reports what is wrong with it.
fn read_string<T>(
    context: &mut Context<'_>,
    (key, kind): (&KeyPath<'_>, &dyn Kind),
    value: Value<'_>,
    read: impl FnOnce(&str, &Context<'_>) -> Result<T, ValueError>,
) -> Option<T> {
    let Some(text) = value.get_ref().as_str() else {
        if scalar::is_secretive(key.key.name) {
            context.diagnostics.hide(value.span());
        }
        report_type(context, key, kind, value);
        return None;
    };
    read(text, context).map_err(|error| report(context, key.key, value.span(), error)).ok()
}

impl<T> Kind for Format<T> {
    fn describe(&self) -> String {
        self.what.to_owned()
    }

    fn schema(&self) -> Json {
        match self.pattern {
            Some(pattern) => json!({ "type": "string", "pattern": pattern }),
            None => json!({ "type": "string", "minLength": 1 }),
        }
    }
}

impl<T> Read for Format<T> {
    type Value = T;

    fn read(&self, context: &mut Context<'_>, key: &KeyPath<'_>, value: Value<'_>) -> Option<T> {
        read_string(context, (key, self), value, self.read)
    }
}

/// Text for people, on one line.
pub(crate) struct Text;

impl Kind for Text {
    fn describe(&self) -> String {
        "a string".to_owned()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string" })
    }
}

impl Read for Text {
    type Value = String;

    fn read(&self, context: &mut Context<'_>, key: &KeyPath<'_>, value: Value<'_>) -> Option<String> {
        read_string(context, (key, self), value, |text, _| scalar::text(text))
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// One of these words, each with its value.
pub(crate) struct Choice<T: 'static>(pub(crate) &'static [(&'static str, T)]);

impl<T> Choice<T> {
    fn quoted(&self) -> Vec<String> {
        self.0.iter().map(|(word, _)| format!("\"{word}\"")).collect()
    }
}

impl<T> Kind for Choice<T> {
    fn describe(&self) -> String {
        self.quoted().join(" or ")
    }

    fn schema(&self) -> Json {
        json!({ "enum": self.0.iter().map(|(word, _)| *word).collect::<Vec<_>>() })
    }
}

impl<T: Copy + PartialEq> Read for Choice<T> {
    type Value = T;

    fn read(&self, context: &mut Context<'_>, key: &KeyPath<'_>, value: Value<'_>) -> Option<T> {
        read_string(context, (key, self), value, |text, _| {
            let found = self.0.iter().find(|(word, _)| *word == text);
            found.map(|(_, value)| *value).ok_or_else(|| {
                let name = key.key.name;
                let hint = match self.quoted().as_slice() {
                    [only] => format!("only: {name} = {only}"),
                    words => list::or(words),
                };
                ValueError::new(format!("`{}` is not a value of `{name}`", shown(text))).hint(hint)
            })
        })
    }

    fn show(&self, value: &T) -> String {
        self.0
            .iter()
            .find(|(_, known)| known == value)
            .map_or_else(String::new, |(word, _)| (*word).to_owned())
    }
}

/// The name of another section; whether it is declared is checked later.
pub(crate) struct NameOf(pub(crate) &'static str);

impl Kind for NameOf {
    fn describe(&self) -> String {
        let article = if self.0.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        format!("the name of {article} {}", self.0)
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": NAME })
    }
}

impl Read for NameOf {
    type Value = String;

    fn read(&self, context: &mut Context<'_>, key: &KeyPath<'_>, value: Value<'_>) -> Option<String> {
        read_string(context, (key, self), value, |text, _| Ok(text.to_owned()))
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }
}
