//! Secrets: read when the notifier is created, never shown.

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use std::io::Read as _;
use std::path::PathBuf;
use thiserror::Error;
use types::config::SecretRef;

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

/// Reads a secret from its source. White space at its end is removed.
///
/// # Errors
/// See [`SecretError`].
pub fn read(source: &SecretRef) -> Result<SecretString, SecretError> {
    match source {
        SecretRef::Env(name) => {
            let text = std::env::var(name).map(Zeroizing::new).map_err(|error| match error {
                std::env::VarError::NotPresent => SecretError::NotSet(name.clone()),
                std::env::VarError::NotUnicode(_) => SecretError::NotText(name.clone()),
            })?;
            trimmed(&text).ok_or_else(|| SecretError::EmptyVariable(name.clone()))
        }
        SecretRef::File(path) => {
            let failed = |error: std::io::Error| SecretError::Unreadable {
                path: path.clone(),
                why: error.to_string(),
            };
            let mut text = Zeroizing::new(String::new());
            let file = std::fs::File::open(path).map_err(failed)?;
            file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
            if text.len() as u64 > BYTES_MAX {
                return Err(SecretError::TooLong(path.clone()));
            }
            trimmed(&text).ok_or_else(|| SecretError::EmptyFile(path.clone()))
        }
    }
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
            SecretRef::File(path)
        };
        let env = |name: &str| SecretRef::Env(name.to_owned());
        // Cargo sets this one for its tests.
        assert_eq!(read(&env("CARGO_PKG_NAME")).unwrap().expose_secret(), "mainstay-notify");
        let token = read(&file("token", "tk_123\n")).unwrap();
        assert_eq!(token.expose_secret(), "tk_123");
        assert!(!format!("{token:?}").contains("tk_123"), "{token:?}");
        for (place, expected) in [
            (env("NO_SUCH_VARIABLE_OF_OURS"), "the environment variable NO_SUCH_VARIABLE_OF_OURS is not set"),
            (SecretRef::File("/nowhere/token".into()), "the file /nowhere/token cannot be read"),
            (file("empty", " \n"), "is empty"),
            (file("long", &"x".repeat(20_000)), "is too long for a secret"),
        ] {
            let error = read(&place).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
