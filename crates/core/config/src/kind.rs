//! Keys of the configuration and their types. A key is declared once, by [`keys!`](crate::keys::keys); its type reads its
//! values, describes itself in messages and on the reference page, and has a JSON Schema.

pub(crate) mod list;
pub(crate) mod reader;
pub(crate) mod scalar;
pub(crate) mod string;
pub(crate) mod table;
pub(crate) mod value;

use crate::diagnostics::Diagnostics;
use crate::parse::domain::Declared;
use reader::TableReader;
use serde_json::{Value as Json, json};
use std::path::Path;
use value::Value;

/// The type of a key, as it is described.
pub(crate) trait Kind {
    /// Describes the type, for messages and the reference page.
    fn describe(&self) -> String;

    /// The JSON Schema of a value.
    fn schema(&self) -> Json;

    /// The keys of the table inside, if there is one.
    fn keys(&self) -> Option<&'static [Key]> {
        None
    }
}

/// The type of a key, as it is read.
pub(crate) trait Read: Kind {
    /// The value that is read.
    type Value;

    /// Reads a value; reports what is wrong with it.
    fn read(&self, context: &mut Context<'_>, key: &KeyPath<'_>, value: Value<'_>) -> Option<Self::Value>;

    /// Formats a default as the configuration writes it, for the reference page.
    fn show(&self, _: &Self::Value) -> String {
        String::new()
    }
}

/// What values are read with.
pub(crate) struct Context<'c> {
    pub(crate) diagnostics: &'c mut Diagnostics,
    /// The folder of the configuration, which paths are relative to.
    pub(crate) folder: &'c Path,
    /// Registrations that the configuration declares; empty until `[registry]` has been read.
    pub(crate) declared: Declared,
    /// All sections, for hints where a key belongs.
    pub(crate) sections: &'static [Section],
}

/// One key of a section or table.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static dyn Kind,
    pub(crate) absent: Absent,
    /// The description, in one or two sentences.
    pub(crate) doc: &'static str,
    /// An example value, as it is written in the file.
    pub(crate) example: &'static str,
}

/// What holds when a key is not there.
pub(crate) enum Absent {
    /// It is an error.
    Required,
    /// The key has this value, formatted.
    Default(fn() -> String),
    /// In words; empty when there is nothing to say.
    Words(&'static str),
    /// It must not be there: this version does not support it. Rejected, never ignored.
    Unsupported,
}

impl Key {
    pub(crate) fn is_required(&self) -> bool {
        matches!(self.absent, Absent::Required)
    }

    pub(crate) fn is_supported(&self) -> bool {
        !matches!(self.absent, Absent::Unsupported)
    }

    /// The default in words; empty when there is none.
    pub(crate) fn default(&self) -> String {
        match self.absent {
            Absent::Default(show) => show(),
            Absent::Words(words) => words.to_owned(),
            Absent::Required | Absent::Unsupported => String::new(),
        }
    }
}

/// A key and the path of its table: `service.auth`.
pub(crate) struct KeyPath<'p> {
    pub(crate) table: &'p str,
    pub(crate) key: &'static Key,
}

/// The type of a key that this version does not support.
pub(crate) struct Unsupported;

impl Kind for Unsupported {
    fn describe(&self) -> String {
        "not supported".to_owned()
    }

    fn schema(&self) -> Json {
        json!(false)
    }
}

/// A table whose keys are declared; implemented by [`keys!`](crate::keys::keys).
pub(crate) trait Keys: Sized {
    /// Its keys, in the order of the reference page.
    const KEYS: &'static [Key];

    /// Reads every key.
    fn read(table: &TableReader<'_>, context: &mut Context<'_>) -> Self;
}

/// A section; implemented by [`keys!`](crate::keys::keys).
pub(crate) trait Sectional: Keys {
    const SECTION: Section;
}

/// One section of the configuration.
pub(crate) struct Section {
    pub(crate) name: &'static str,
    /// The part after the dot (`[service.auth]`); `None` for a section that exists once.
    pub(crate) own: Option<OwnName>,
    pub(crate) doc: &'static str,
    /// Empty for a section that this version does not support.
    pub(crate) keys: &'static [Key],
}

/// The part after the dot of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnName {
    /// A name of the user's choice.
    Name,
    /// A registrable domain.
    Domain,
}

impl Section {
    /// Whether this version supports it.
    pub(crate) fn is_supported(&self) -> bool {
        !self.keys.is_empty()
    }
}

/// The pattern of names of the user's choice.
pub(crate) const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$";
