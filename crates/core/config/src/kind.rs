//! What a field may hold: the words for people, the shape for editors.

use std::time::Duration;

/// What a field may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Words for people.
    Text,
    /// `true` or `false`.
    Boolean,
    /// Words in quotes, a whole number, `true` or `false`.
    Scalar,
    /// A whole number.
    Integer { min: u64, max: u64 },
    /// A stretch of time: `"30s"`.
    Duration { min: Duration, max: Duration },
    /// A date, or an instant with its offset.
    Date,
    /// A date and time by the clock on the wall.
    LocalDateTime,
    /// Another written form of text; `pattern` is a rough check for editors.
    String { what: &'static str, pattern: Option<&'static str> },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// The name of something else in the configuration.
    Name(&'static str),
    /// Several of a kind.
    List { of: &'static Kind, min: usize },
    /// A value for each key.
    Map { key: &'static str, of: &'static Kind },
    /// Fields of its own.
    Table(&'static [Field]),
    /// Fields of its own, or `false` for none of it.
    Optional(&'static [Field]),
    /// A word for the usual case, fields of its own for the rest.
    Either { string: &'static Kind, table: &'static [Field] },
    /// Several times fields of its own.
    Tables { of: &'static [Field], min: usize },
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
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Text => "text in quotes".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::Scalar => "text in quotes, a whole number, true or false".to_owned(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Duration { min, max } => {
                format!("a span of time from {} to {}", short(*min), short(*max))
            }
            Self::Date => "a date".to_owned(),
            Self::LocalDateTime => "a local date and time".to_owned(),
            Self::String { what, .. } => (*what).to_owned(),
            Self::Choice(words) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                quoted.join(" or ")
            }
            Self::Name(of) => format!("the name of a {of}"),
            Self::List { of, .. } => format!("a list: {}", of.describe()),
            Self::Map { key, of } => format!("a table: for each {key} {}", of.describe()),
            Self::Table(_) => "a table".to_owned(),
            Self::Optional(_) => "false, or a table".to_owned(),
            Self::Either { string, .. } => format!("{}, or a table", string.describe()),
            Self::Tables { .. } => "a list of tables".to_owned(),
            Self::Later => "nothing yet".to_owned(),
        }
    }
}

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
