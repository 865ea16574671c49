//! The lock that makes one process the writer of a journal.

use super::open::OpenError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// The right to write a journal. It ends with the value, or with the process.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes `journal.lock` beside `journal.db`.
    pub(crate) fn take(journal: &Path) -> Result<Self, OpenError> {
        let path: PathBuf = journal.with_extension("lock");
        let failed = |e: std::io::Error| super::open::io(&path, &e);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Who it is matters less than that it is somebody: an unreadable name is no further error.
                let _ = file.take(32).read_to_string(&mut owner);
                return Err(OpenError::Locked { path: journal.to_owned(), owner: owner.trim().to_owned() });
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}
