//! What a field may hold: the words for people, the shape for editors.

use serde_json::{Value, json};
use std::time::Duration;

/// What a field may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Words for people.
    Text,
    /// `true` or `false`.
    Flag,
    /// Words in quotes, a whole number, `true` or `false`.
    Scalar,
    /// A whole number.
    Count { least: u64, most: u64 },
    /// A stretch of time: `"30s"`.
    Span { least: Duration, most: Duration },
    /// A date, or an instant with its offset.
    Day,
    /// A date and time by the clock on the wall.
    Moment,
    /// Another written form of text; `pattern` is a rough check for editors.
    Word { what: &'static str, pattern: Option<&'static str> },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// The name of something else in the configuration.
    Name(&'static str),
    /// Several of a kind.
    List { of: &'static Kind, least: usize },
    /// A value for each key.
    Map { key: &'static str, of: &'static Kind },
    /// Fields of its own.
    Table(&'static [Field]),
    /// Fields of its own, or `false` for none of it.
    Optional(&'static [Field]),
    /// A word for the usual case, fields of its own for the rest.
    Either { word: &'static Kind, table: &'static [Field] },
    /// Several times fields of its own.
    Tables { of: &'static [Field], least: usize },
    /// A word of the configuration that this version does not serve; refused, never ignored.
    Later,
}

/// One field of a section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Whether the section is wrong without it.
    pub(crate) required: bool,
    /// What holds when it is left out, in words; empty when nothing does.
    pub(crate) default: &'static str,
    /// What it is for, in one or two sentences.
    pub(crate) doc: &'static str,
    /// A value as it is written in the file.
    pub(crate) example: &'static str,
}

/// One section of the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    /// What the part after the dot is (`[service.auth]`); `None` for a section that exists once.
    pub(crate) key: Option<Key>,
    pub(crate) doc: &'static str,
    /// Empty for a section that this version does not serve.
    pub(crate) fields: &'static [Field],
}

/// What the part after the dot of a section is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// A name of one's own choice.
    Name,
    /// A registrable domain.
    Domain,
}

impl Section {
    /// Whether this version knows what to do with it.
    pub(crate) fn is_served(&self) -> bool {
        !self.fields.is_empty()
    }
}

/// The pattern of names of one's own choice.
pub(crate) const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$";

impl Kind {
    /// What is wanted, after "wants".
    pub(crate) fn wanted(&self) -> String {
        match self {
            Self::Text => "text in quotes".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Scalar => "text in quotes, a whole number, true or false".to_owned(),
            Self::Count { least, most } => format!("a whole number from {least} to {most}"),
            Self::Span { least, most } => {
                format!("a span of time from {} to {}", short(*least), short(*most))
            }
            Self::Day => "a date".to_owned(),
            Self::Moment => "a local date and time".to_owned(),
            Self::Word { what, .. } => (*what).to_owned(),
            Self::Choice(words) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                quoted.join(" or ")
            }
            Self::Name(of) => format!("the name of a {of}"),
            Self::List { of, .. } => format!("a list: {}", of.wanted()),
            Self::Map { key, of } => format!("a table: for each {key} {}", of.wanted()),
            Self::Table(_) => "a table".to_owned(),
            Self::Optional(_) => "false, or a table".to_owned(),
            Self::Either { word, .. } => format!("{}, or a table", word.wanted()),
            Self::Tables { .. } => "a list of tables".to_owned(),
            Self::Later => "nothing yet".to_owned(),
        }
    }

    /// The JSON Schema of a value.
    pub(crate) fn schema(&self) -> Value {
        match self {
            Self::Text | Self::Moment | Self::Day => json!({ "type": "string" }),
            Self::Flag => json!({ "type": "boolean" }),
            Self::Scalar => json!({ "type": ["string", "integer", "boolean"] }),
            Self::Count { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Self::Span { .. } => json!({ "type": "string", "pattern": SPAN }),
            Self::Word { pattern: Some(pattern), .. } => json!({ "type": "string", "pattern": pattern }),
            Self::Word { pattern: None, .. } => json!({ "type": "string", "minLength": 1 }),
            Self::Choice(words) => json!({ "enum": words }),
            Self::Name(_) => json!({ "type": "string", "pattern": NAME }),
            Self::List { of, least } => json!({ "type": "array", "items": of.schema(), "minItems": least }),
            Self::Map { of, .. } => json!({ "type": "object", "additionalProperties": of.schema() }),
            Self::Table(fields) => crate::schema::object(fields),
            Self::Optional(fields) => {
                json!({ "anyOf": [{ "const": false }, crate::schema::object(fields)] })
            }
            Self::Either { word, table } => {
                json!({ "anyOf": [word.schema(), crate::schema::object(table)] })
            }
            Self::Tables { of, least } => {
                json!({ "type": "array", "items": crate::schema::object(of), "minItems": least })
            }
            Self::Later => json!(false),
        }
    }
}

/// The pattern of a span of time.
const SPAN: &str = "^([0-9]{1,9} ?(ms|s|m|min|h|d|w) ?)+$";

/// A span as the configuration writes it: `100ms`, `90d`. Exact for whole milliseconds.
pub(crate) fn short(span: Duration) -> String {
    let millis = span.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if millis >= size && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}
