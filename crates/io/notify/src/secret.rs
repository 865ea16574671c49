//! Secrets: found when the courier is set up, and never shown.

use std::fmt;
use std::io::Read as _;
use types::config::SecretRef;

/// Longer than any token, shorter than a file named by mistake.
const BYTES_MAX: u64 = 16 << 10;

/// A token or key. It shows itself to nobody but the one who asks by name.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Looks a secret up where the configuration says. White space at its end is not part of it.
    ///
    /// # Errors
    /// Where it was looked for and what was found there instead, without any of it.
    pub fn find(place: &SecretRef) -> Result<Self, String> {
        let text = match place {
            SecretRef::Env(name) => std::env::var(name).map_err(|e| match e {
                std::env::VarError::NotPresent => format!("the environment variable {name} is not set"),
                std::env::VarError::NotUnicode(_) => format!("the environment variable {name} is not text"),
            })?,
            SecretRef::File(path) => {
                let failed = |e: std::io::Error| format!("the file {} cannot be read: {e}", path.display());
                let mut text = String::new();
                let file = std::fs::File::open(path).map_err(failed)?;
                file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
                if text.len() as u64 > BYTES_MAX {
                    return Err(format!("the file {} is longer than a secret may be", path.display()));
                }
                text
            }
        };
        match text.trim_end() {
            "" => Err(match place {
                SecretRef::Env(name) => format!("the environment variable {name} is empty"),
                SecretRef::File(path) => format!("the file {} is empty", path.display()),
            }),
            secret => Ok(Self(secret.to_owned())),
        }
    }

    /// A secret that is known already.
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
    fn a_secret_is_found_or_the_place_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            SecretRef::File(path)
        };
        let env = |name: &str| SecretRef::Env(name.to_owned());
        // Cargo sets this one for its tests.
        assert_eq!(Secret::find(&env("CARGO_PKG_NAME")), Ok(Secret::new("notifier")));
        assert_eq!(Secret::find(&file("token", "tk_123\n")), Ok(Secret::new("tk_123")));
        for (place, wanted) in [
            (env("NO_SUCH_VARIABLE_OF_OURS"), "the environment variable NO_SUCH_VARIABLE_OF_OURS is not set"),
            (SecretRef::File("/nowhere/token".into()), "the file /nowhere/token cannot be read"),
            (file("empty", " \n"), "is empty"),
            (file("long", &"x".repeat(20_000)), "is longer than a secret may be"),
        ] {
            let told = Secret::find(&place).unwrap_err();
            assert!(told.contains(wanted), "{told}");
        }
    }

    #[test]
    fn debug_hides_it() {
        assert_eq!(format!("{:?}", Secret::new("tk_123")), "Secret(hidden)");
    }
}
