//! Secrets: read when the notifier is created, never shown.

use std::fmt;
use std::io::Read as _;
use std::path::PathBuf;
use thiserror::Error;
use types::config::SecretRef;

/// Maximum length of a secret file: a longer one is probably another file, named by mistake.
const BYTES_MAX: u64 = 16 << 10;

/// A token or key. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A secret cannot be read. Contains nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SecretError {
    /// The environment variable does not exist.
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    /// The environment variable is not UTF-8.
    #[error("the environment variable {0} is not text")]
    NotText(String),
    /// The environment variable is empty.
    #[error("the environment variable {0} is empty")]
    EmptyVariable(String),
    /// The file cannot be read.
    #[error("the file {} cannot be read: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        why: String,
    },
    /// The file is too long.
    #[error("the file {} is too long for a secret", .0.display())]
    TooLong(PathBuf),
    /// The file is empty.
    #[error("the file {} is empty", .0.display())]
    EmptyFile(PathBuf),
}

impl Secret {
    /// Reads a secret from its source. White space at its end is removed.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub fn find(source: &SecretRef) -> Result<Self, SecretError> {
        match source {
            SecretRef::Env(name) => {
                let text = std::env::var(name).map_err(|error| match error {
                    std::env::VarError::NotPresent => SecretError::NotSet(name.clone()),
                    std::env::VarError::NotUnicode(_) => SecretError::NotText(name.clone()),
                })?;
                Self::trimmed(&text).ok_or_else(|| SecretError::EmptyVariable(name.clone()))
            }
            SecretRef::File(path) => {
                let failed = |error: std::io::Error| SecretError::Unreadable {
                    path: path.clone(),
                    why: error.to_string(),
                };
                let mut text = String::new();
                let file = std::fs::File::open(path).map_err(failed)?;
                file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
                if text.len() as u64 > BYTES_MAX {
                    return Err(SecretError::TooLong(path.clone()));
                }
                Self::trimmed(&text).ok_or_else(|| SecretError::EmptyFile(path.clone()))
            }
        }
    }

    fn trimmed(text: &str) -> Option<Self> {
        let text = text.trim_end();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// A secret that is already known.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself. Not for logs, messages or errors.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_read_or_error_names_source() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            SecretRef::File(path)
        };
        let env = |name: &str| SecretRef::Env(name.to_owned());
        // Cargo sets this one for its tests.
        assert_eq!(Secret::find(&env("CARGO_PKG_NAME")), Ok(Secret::new("mainstay-notify")));
        assert_eq!(Secret::find(&file("token", "tk_123\n")), Ok(Secret::new("tk_123")));
        for (place, expected) in [
            (env("NO_SUCH_VARIABLE_OF_OURS"), "the environment variable NO_SUCH_VARIABLE_OF_OURS is not set"),
            (SecretRef::File("/nowhere/token".into()), "the file /nowhere/token cannot be read"),
            (file("empty", " \n"), "is empty"),
            (file("long", &"x".repeat(20_000)), "is too long for a secret"),
        ] {
            let error = Secret::find(&place).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn debug_hides_secret() {
        assert_eq!(format!("{:?}", Secret::new("tk_123")), "Secret(hidden)");
    }
}
