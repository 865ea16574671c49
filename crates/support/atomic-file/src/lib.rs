//! Replaces a file as a whole.
//!
//! A reader, and a process that starts after a crash or a power cut, finds the old content or the new one, never a part.
//! The steps are those of every database: write a temporary file in the same folder, fsync it, rename it over the old
//! one, fsync the folder.
//!
//! | item | does |
//! |---|---|
//! | [`replace`] | replaces the content of a file |
//! | [`replace_with`] | the same for content that a function writes; returns the open file |
//! | [`Access`] | who may read the new file |
//! | [`move_into_place`] | renames a finished file over another one |
//! | [`sync_folder_of`] | makes the names in a folder durable |
//! | [`with_suffix`] | the path of a companion file |

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Who may read the new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody whom the umask of the process lets read.
    Umask,
    /// The owner alone (0600), whatever the umask.
    Owner,
}

/// Replaces the content of a file. When it returns, the new content is on disk under its name. The folder must exist.
/// Of two processes that replace the same file at the same time one gets an error.
///
/// # Errors
/// The first step that failed. The file has its old content then, unless only the last step failed, the fsync of the
/// folder: then a power cut may bring the old content back.
pub fn replace(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    replace_with(path, access, |file| file.write_all(content)).map(drop)
}

/// Replaces the content of a file by what `write` writes, and returns the new file, open for writing.
///
/// # Errors
/// As [`replace`].
pub fn replace_with(
    path: &Path,
    access: Access,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<File> {
    let part = part_of(path)?;
    let result = written(&part, access, write).and_then(|file| {
        fs::rename(&part, path)?;
        Ok(file)
    });
    if result.is_err() {
        // It would only take room. The next replacement removes it too.
        let _ = fs::remove_file(&part);
    }
    let file = result?;
    sync_folder_of(path)?;
    Ok(file)
}

fn written(part: &Path, access: Access, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<File> {
    // A crash may have left one. It is removed rather than truncated: it may have other permissions, or be a link.
    match fs::remove_file(part) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if access == Access::Owner {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let mut file = options.open(part)?;
    write(&mut file)?;
    file.sync_all()?;
    Ok(file)
}

/// Renames a finished file over another one in the same folder: `from` is flushed to disk first, the name afterwards.
///
/// # Errors
/// The first step that failed.
pub fn move_into_place(from: &Path, to: &Path) -> io::Result<()> {
    File::open(from)?.sync_all()?;
    fs::rename(from, to)?;
    sync_folder_of(to)
}

/// Makes the creation, renaming or removal of a file durable, by an fsync of its folder.
///
/// # Errors
/// The folder cannot be opened or flushed.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// The path with a suffix after its whole name: `journal.db` and `-wal` is `journal.db-wal`.
#[must_use]
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// The temporary file beside a file: `.NAME.part`. The dot keeps it out of what servers of static files list.
fn part_of(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut part = OsString::from(".");
    part.push(name);
    part.push(".part");
    Ok(path.with_file_name(part))
}
