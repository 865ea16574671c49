//! Failure of a command: message, hint, exit code.

use crate::cli::table;
use std::fmt::Display;
use std::process::ExitCode;

/// Ends a command with a message, an optional hint and an exit code.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
    hint: Option<String>,
    details: Option<Box<(&'static str, serde_json::Value)>>,
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::no(error)
    }
}

impl Failure {
    /// The answer is no (exit code 1).
    pub fn no(message: impl Display) -> Self {
        Self { code: 1, message: message.to_string(), hint: None, details: None }
    }

    /// Usage or configuration error (exit code 2).
    pub fn wrong(message: impl Display) -> Self {
        Self { code: 2, message: message.to_string(), hint: None, details: None }
    }

    /// Adds the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Adds a field to the JSON.
    #[must_use]
    pub(crate) fn details(mut self, name: &'static str, value: serde_json::Value) -> Self {
        self.details = Some(Box::new((name, value)));
        self
    }

    /// Prints it, on standard error or as JSON on standard output.
    pub fn report(&self, json: bool) -> ExitCode {
        if json {
            let mut answer = serde_json::json!({ "error": self.message, "hint": self.hint });
            if let Some((name, value)) = self.details.as_deref() {
                answer[*name] = value.clone();
            }
            table::say(&answer.to_string());
        } else {
            table::warn(&format!("mainstay: {}", self.message));
            if let Some(hint) = &self.hint {
                table::warn(&format!("  {hint}"));
            }
        }
        ExitCode::from(self.code)
    }
}
