//! Why a command could not do what it was asked, and what to try.

use crate::cli::table;
use std::fmt::Display;
use std::process::ExitCode;

/// Ends a command with a sentence, perhaps a hint, and an exit code with a meaning.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    summary: String,
    hint: Option<String>,
    details: Option<(&'static str, serde_json::Value)>,
}

impl Failure {
    /// The answer is no (exit 1).
    pub(crate) fn no(summary: impl Display) -> Self {
        Self { code: 1, summary: summary.to_string(), hint: None, details: None }
    }

    /// A wrong command or a wrong configuration (exit 2).
    pub(crate) fn wrong(summary: impl Display) -> Self {
        Self { code: 2, summary: summary.to_string(), hint: None, details: None }
    }

    /// Adds what to try.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Adds what a machine reads beside the sentence.
    #[must_use]
    pub(crate) fn details(mut self, name: &'static str, value: serde_json::Value) -> Self {
        self.details = Some((name, value));
        self
    }

    /// Says it, on standard error or as JSON.
    pub(crate) fn tell(&self, json: bool) -> ExitCode {
        if json {
            let mut answer = serde_json::json!({ "error": self.summary, "hint": self.hint });
            if let Some((name, value)) = &self.details {
                answer[*name] = value.clone();
            }
            table::say(&answer.to_string());
        } else {
            table::warn(&format!("mainstay: {}", self.summary));
            if let Some(hint) = &self.hint {
                table::warn(&format!("  {hint}"));
            }
        }
        ExitCode::from(self.code)
    }
}
