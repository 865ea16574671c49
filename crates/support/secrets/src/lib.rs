//! Secrets: read from an environment variable or a file, never shown.

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Maximum length of a secret file: a longer one is probably another file, named by mistake.
const BYTES_MAX: u64 = 16 << 10;

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

/// Reads a secret from an environment variable. White space at its end is removed.
///
/// # Errors
/// It is not set, not text, or empty.
pub fn from_variable(name: &str) -> Result<SecretString, SecretError> {
    let text = std::env::var(name).map(Zeroizing::new).map_err(|error| match error {
        std::env::VarError::NotPresent => SecretError::NotSet(name.to_owned()),
        std::env::VarError::NotUnicode(_) => SecretError::NotText(name.to_owned()),
    })?;
    trimmed(&text).ok_or_else(|| SecretError::EmptyVariable(name.to_owned()))
}

/// Reads a secret from a file. White space at its end is removed.
///
/// # Errors
/// It cannot be read, is too long, or is empty.
pub fn from_file(path: &Path) -> Result<SecretString, SecretError> {
    let failed =
        |error: std::io::Error| SecretError::Unreadable { path: path.to_owned(), why: error.to_string() };
    let mut text = Zeroizing::new(String::new());
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(SecretError::TooLong(path.to_owned()));
    }
    trimmed(&text).ok_or_else(|| SecretError::EmptyFile(path.to_owned()))
}

fn trimmed(text: &str) -> Option<SecretString> {
    let text = text.trim_end();
    (!text.is_empty()).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn secret_is_read_or_error_names_source() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            from_file(&path)
        };
        // Cargo sets this one for its tests.
        assert_eq!(from_variable("CARGO_PKG_NAME").unwrap().expose_secret(), "mainstay-secrets");
        let token = file("token", "tk_123\n").unwrap();
        assert_eq!(token.expose_secret(), "tk_123");
        assert!(!format!("{token:?}").contains("tk_123"), "{token:?}");
        for (read, expected) in [
            (
                from_variable("NO_SUCH_VARIABLE_OF_OURS"),
                "the environment variable NO_SUCH_VARIABLE_OF_OURS is not set",
            ),
            (from_file(Path::new("/nowhere/token")), "the file /nowhere/token cannot be read"),
            (file("empty", " \n"), "is empty"),
            (file("long", &"x".repeat(20_000)), "is too long for a secret"),
        ] {
            let error = read.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
