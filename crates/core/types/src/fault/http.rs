//! Faults of the content of an HTTP response.

use crate::shown::clean;
use serde::{Deserialize, Serialize};
use text::number::grouped;
use thiserror::Error;

/// An expectation that a response does not meet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[serde(tag = "http", rename_all = "snake_case")]
pub enum HttpFault {
    /// A header is not there.
    #[error("answers without the header `{name}`")]
    HeaderMissing {
        /// Its name.
        name: String,
    },
    /// No value of a header contains the expected text.
    #[error("answers with another header `{name}` than expected: \"{got}\" instead of \"{expected}\"")]
    HeaderDiffers {
        /// Its name.
        name: String,
        /// The text that a value should contain.
        expected: String,
        /// Its first value, shortened.
        got: String,
    },
    /// The body contains a text that it must not contain.
    #[error("answers with the text \"{text}\", which must not be there")]
    BodyHas {
        /// The text.
        text: String,
    },
    /// The body does not match the regular expression.
    #[error("answers with a body that does not match {pattern}")]
    BodyMismatch {
        /// The regular expression.
        pattern: String,
    },
    /// The body is not JSON.
    #[error("answers with a body that is not JSON: {why}")]
    NotJson {
        /// What the parser reports.
        why: String,
    },
    /// A JSONPath selects nothing.
    #[error("answers with JSON that has nothing at {path}")]
    JsonMissing {
        /// The path.
        path: String,
    },
    /// A value of the JSON body is not the expected one.
    #[error("answers with {got} at {path} instead of {expected}")]
    JsonDiffers {
        /// The path.
        path: String,
        /// The expected value, as JSON.
        expected: String,
        /// The first other value, as JSON, shortened.
        got: String,
    },
    /// The body is shorter than expected.
    #[error("answers with {} bytes of body (minimum {})", grouped(*got), grouped(*min))]
    TooShort {
        /// Bytes of the body.
        got: u64,
        /// The minimum.
        min: u64,
    },
    /// The body is longer than expected.
    #[error("answers with more than {} bytes of body", grouped(*max))]
    TooLong {
        /// The maximum.
        max: u64,
    },
    /// The body could not be searched, so that nothing is known about its content.
    #[error("answers with a body that cannot be searched: {why}")]
    Unsearchable {
        /// The reason.
        why: String,
    },
}

impl HttpFault {
    /// The code of the alert.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::HeaderMissing { .. } => "header-missing",
            Self::HeaderDiffers { .. } => "header-differs",
            Self::BodyHas { .. } => "body-has",
            Self::BodyMismatch { .. } => "body-mismatch",
            Self::NotJson { .. } => "not-json",
            Self::JsonMissing { .. } => "json-missing",
            Self::JsonDiffers { .. } => "json-differs",
            Self::TooShort { .. } => "body-too-short",
            Self::TooLong { .. } => "body-too-long",
            Self::Unsearchable { .. } => "body-unsearchable",
        }
    }

    pub(crate) fn clean(&mut self) {
        match self {
            Self::HeaderDiffers { got, .. } | Self::JsonDiffers { got, .. } => clean(got),
            Self::NotJson { why } | Self::Unsearchable { why } => clean(why),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_name_what_differs() {
        let differs = HttpFault::JsonDiffers {
            path: "$.db".to_owned(),
            expected: "\"up\"".to_owned(),
            got: "\"down\"".to_owned(),
        };
        for (fault, text) in [
            (differs, "answers with \"down\" at $.db instead of \"up\""),
            (HttpFault::TooShort { got: 0, min: 1 }, "answers with 0 bytes of body (minimum 1)"),
            (
                HttpFault::BodyHas { text: "HACKED".to_owned() },
                "answers with the text \"HACKED\", which must not be there",
            ),
        ] {
            assert_eq!(fault.to_string(), text);
        }
    }
}
