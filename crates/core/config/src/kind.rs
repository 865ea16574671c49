//! The type of a configuration key.

use std::time::Duration;

/// The type of a configuration key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Text for people, on one line.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A string, an integer or a boolean.
    Scalar,
    /// An integer.
    Integer { min: u64, max: u64 },
    /// A duration: `"30s"`.
    Duration { min: Duration, max: Duration },
    /// A date, or an instant with its offset.
    Date,
    /// A date and time without an offset.
    LocalDateTime,
    /// A string with a format of its own; `pattern` is a rough check for editors.
    String { what: &'static str, pattern: Option<&'static str> },
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// The name of something else in the configuration.
    Name(&'static str),
    /// A list.
    List { of: &'static Kind, min: usize },
    /// A value for each key.
    Map { key: &'static str, of: &'static Kind },
    /// A table with these keys.
    Table(&'static [Field]),
    /// A table with these keys, or `false`.
    Optional(&'static [Field]),
    /// A string for the usual case, a table for the rest.
    Either { string: &'static Kind, table: &'static [Field] },
    /// A list of tables.
    Tables { of: &'static [Field], min: usize },
    /// A key that this version does not support; rejected, never ignored.
    Later,
}

/// One key of a section or table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Whether it must be there.
    pub(crate) required: bool,
    /// The default, in words; empty when there is none.
    pub(crate) default: &'static str,
    /// The description, in one or two sentences.
    pub(crate) doc: &'static str,
    /// An example value, as it is written in the file.
    pub(crate) example: &'static str,
}

/// One section of the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    /// The part after the dot (`[service.auth]`); `None` for a section that exists once.
    pub(crate) key: Option<Key>,
    pub(crate) doc: &'static str,
    /// Empty for a section that this version does not support.
    pub(crate) fields: &'static [Field],
}

/// The part after the dot of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// A name of the user's choice.
    Name,
    /// A registrable domain.
    Domain,
}

impl Section {
    /// Whether this version supports it.
    pub(crate) fn is_supported(&self) -> bool {
        !self.fields.is_empty()
    }
}

/// The pattern of names of the user's choice.
pub(crate) const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$";

impl Kind {
    /// Describes the type, for messages and the reference page.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Text => "a string".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::Scalar => "a string, an integer, true or false".to_owned(),
            Self::Integer { min, max } => format!("an integer from {min} to {max}"),
            Self::Duration { min, max } => {
                format!("a duration from {} to {}", short(*min), short(*max))
            }
            Self::Date => "a date".to_owned(),
            Self::LocalDateTime => "a local date and time".to_owned(),
            Self::String { what, .. } => (*what).to_owned(),
            Self::Choice(words) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                quoted.join(" or ")
            }
            Self::Name(of) => format!("the name of {} {of}", article(of)),
            Self::List { of, .. } => format!("a list, each {}", of.describe()),
            Self::Map { key, of } => format!("a table: {} by {key}", of.describe()),
            Self::Table(_) => "a table".to_owned(),
            Self::Optional(_) => "a table, or false".to_owned(),
            Self::Either { string, .. } => format!("{}, or a table", string.describe()),
            Self::Tables { .. } => "a list of tables".to_owned(),
            Self::Later => "not supported".to_owned(),
        }
    }
}

/// Formats a duration as the configuration writes it: `100ms`, `90d`. Exact for whole milliseconds.
pub(crate) fn short(span: Duration) -> String {
    let millis = span.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if millis >= size && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}
