//! Secrets of this installation: the key that signs links and cookies, and the tokens of its API.

use crate::app::permissions;
use atomic_file::{Access, replace};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use text::hex;
use thiserror::Error;
use tokens::Key;

/// Secrets of one data folder. Created at the first start, in files that only the owner may read.
pub(crate) struct Keys {
    /// Signs acknowledgement links, sign-in links and session cookies.
    pub key: Key,
    /// Grants full access to the API.
    pub api_token: SecretString,
    /// Grants read access to the API, for scrapers.
    pub read_token: SecretString,
}

/// The secrets could not be read or created.
#[derive(Debug, Error)]
#[error("{path}: {why}{}", hint(why))]
pub(crate) struct KeyError {
    path: String,
    why: io::Error,
}

impl Keys {
    /// Reads the secrets of a data folder and creates those that are missing.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub(crate) fn open(data: &Path) -> Result<Self, KeyError> {
        let at = |path: &Path| {
            let path = path.display().to_string();
            move |why| KeyError { path, why }
        };
        permissions::folder(data).map_err(at(data))?;
        let (key_path, token_path) = (data.join("key"), data.join("api-token"));
        let read_path = data.join("read-token");
        let key = bytes(&key_path).map_err(at(&key_path))?;
        let token = bytes(&token_path).map_err(at(&token_path))?;
        let read = bytes(&read_path).map_err(at(&read_path))?;
        Ok(Self {
            key: Key::new(*key),
            api_token: hex::encode(&*token).into(),
            read_token: hex::encode(&*read).into(),
        })
    }
}

/// The next step, appended to the error.
fn hint(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room on this disk, then start again"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; mainstay must own its data folder and be able to write into it"
        }
        _ => "",
    }
}

/// Reads 32 bytes from a file of 64 hex digits; creates it from the system's random source when it is missing.
fn bytes(path: &Path) -> io::Result<Zeroizing<[u8; 32]>> {
    match fs::File::open(path) {
        Ok(file) => {
            let mut digits = Zeroizing::new(String::new());
            Read::take(file, 1_024).read_to_string(&mut digits)?;
            hex::decode(digits.trim())
                .map(Zeroizing::new)
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not 64 hex digits"))
        }
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            let mut bytes = Zeroizing::new([0; 32]);
            getrandom::fill(&mut *bytes).map_err(io::Error::other)?;
            replace(path, Zeroizing::new(hex::encode(&*bytes)).as_bytes(), Access::Owner)?;
            Ok(bytes)
        }
        Err(why) => Err(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn same_folder_gives_same_secrets_readable_by_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let first = Keys::open(folder.path()).unwrap();
        let second = Keys::open(folder.path()).unwrap();
        assert_eq!(first.api_token.expose_secret(), second.api_token.expose_secret());
        assert_eq!(first.read_token.expose_secret(), second.read_token.expose_secret());
        assert_ne!(first.read_token.expose_secret(), first.api_token.expose_secret());
        for name in ["key", "api-token", "read-token"] {
            let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn damaged_key_is_refused_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key"), "not a key").unwrap();
        assert!(Keys::open(folder.path()).is_err());
        assert_eq!(fs::read_to_string(folder.path().join("key")).unwrap(), "not a key");
    }
}
