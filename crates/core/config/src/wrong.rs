//! Why a word is wrong, and what to do about it: what every reader of words answers.

use crate::word;

/// Why a word is not what its field wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) message: String,
    pub(crate) hint: Hint,
    /// Whether the value must not be shown again.
    pub(crate) secret: bool,
}

/// What to do about a wrong word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// The field's own example serves.
    Example,
    /// These words.
    Said(String),
    /// The time zone nearest to this text; looked up only when it will be read.
    Zone(String),
}

impl Hint {
    /// In words; `otherwise` where there are none of its own.
    pub(crate) fn told(self, otherwise: impl FnOnce() -> String) -> String {
        match self {
            Self::Example => otherwise(),
            Self::Said(words) => words,
            Self::Zone(text) => word::near_zone(&text),
        }
    }
}

impl Wrong {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Hint::Example, secret: false }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Hint::Said(hint.into()), ..self }
    }

    pub(crate) fn secret(self) -> Self {
        Self { secret: true, ..self }
    }
}
