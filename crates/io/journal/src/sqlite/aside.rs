//! Renaming a journal before it is replaced.

use atomic_file::{sync_folder_of, with_suffix};
use std::path::{Path, PathBuf};

/// Renames a journal and its log files to the first free `.replaced-N`. Returns the new path, if there was a journal.
pub(super) fn set_aside(path: &Path) -> std::io::Result<Option<PathBuf>> {
    if !path.exists() {
        return Ok(None);
    }
    let free =
        (1..1_000_u32).map(|n| format!(".replaced-{n}")).find(|suffix| !with_suffix(path, suffix).exists());
    let Some(suffix) = free else {
        return Err(std::io::Error::other("too many journals were replaced here"));
    };
    // The log before its database: SQLite would apply a log that is left beside another database.
    let aside = with_suffix(path, &suffix);
    for part in ["-wal", "-shm", ""] {
        let file = with_suffix(path, part);
        if file.exists() {
            std::fs::rename(&file, with_suffix(&aside, part))?;
        }
    }
    sync_folder_of(path)?;
    Ok(Some(aside))
}
