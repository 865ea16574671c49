//! The error of every parser of a single value: why it is not accepted, and what to write instead.

use crate::suggest;

/// Why a value is not accepted for its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValueError {
    pub(crate) message: String,
    pub(crate) hint: Hint,
    /// Whether the value may be a secret, and must not be repeated.
    pub(crate) secret: bool,
}

/// What to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// The example of the key.
    Example,
    /// This text.
    Text(String),
    /// The timezone nearest to this text; looked up only when the hint is shown.
    Timezone(String),
}

impl Hint {
    /// Returns the text of the hint, `default` for [`Hint::Example`].
    pub(crate) fn text_or(self, default: impl FnOnce() -> String) -> String {
        match self {
            Self::Example => default(),
            Self::Text(text) => text,
            Self::Timezone(text) => suggest::timezone(&text),
        }
    }
}

impl ValueError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Hint::Example, secret: false }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Hint::Text(hint.into()), ..self }
    }

    pub(crate) fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// The error for `user:password@host`, without repeating it.
    pub(crate) fn password_in_address() -> Self {
        Self::new("an address with a user name or password inside")
            .hint("secrets are not written in the configuration: use `secret = \"env:NAME\"`")
            .secret()
    }
}
