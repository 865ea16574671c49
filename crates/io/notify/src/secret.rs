//! Secrets, read when the notifier is created and never shown.

use secrecy::SecretString;
pub use secrets::SecretError;
use types::config::SecretRef;

/// Reads a secret from its source. White space at its end is removed.
///
/// # Errors
/// See [`SecretError`].
pub fn read(source: &SecretRef) -> Result<SecretString, SecretError> {
    match source {
        SecretRef::Env(name) => secrets::from_variable(name),
        SecretRef::File(path) => secrets::from_file(path),
    }
}
