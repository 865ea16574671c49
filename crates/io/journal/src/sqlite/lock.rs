//! The lock that makes one process the writer of a journal.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// Why the lock cannot be taken.
#[derive(Debug)]
pub(super) enum LockError {
    /// Another process has it open.
    Held {
        /// Its process id, as it wrote it.
        owner: String,
    },
    /// The lock file cannot be used.
    Io {
        /// The lock file.
        path: PathBuf,
        /// The message of the system.
        why: std::io::Error,
    },
}

/// The right to write a journal. It ends with the value, or with the process.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes `journal.lock` beside `journal.db`.
    pub(super) fn take(journal: &Path) -> Result<Self, LockError> {
        let path: PathBuf = journal.with_extension("lock");
        let failed = |why| LockError::Io { path: path.clone(), why };
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
                // The id is only for the message: if it cannot be read, the lock is still held.
                let _ = file.take(32).read_to_string(&mut owner);
                return Err(LockError::Held { owner: owner.trim().to_owned() });
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}
