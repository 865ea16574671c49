//! Snapshot of the status page on disk: plain files that are served before the first views, and by any static host.
//!
//! `/` is `index.html`, `/history` is `history/index.html`, everything else keeps its name. Files are
//! replaced atomically.

use crate::cache::{Document, Documents, Kind};
use atomic_file::Access;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Maximum number of files that are read. A status page has a few hundred.
const FILES_MAX: usize = 10_000;
/// Maximum size of a file that is read, in bytes.
const FILE_MAX: u64 = 8 << 20;
/// Maximum depth of folders.
const DEPTH_MAX: usize = 6;

/// Writes every document that differs from `before`, and removes the files of missing ones.
///
/// # Errors
/// The first file that could not be written; the others are still tried.
pub fn write(folder: &Path, before: &Documents, now: &Documents) -> io::Result<()> {
    let mut result = Ok(());
    for (path, document) in now {
        if before.get(path).is_some_and(|old| old.digest == document.digest) {
            continue;
        }
        if let Some(file) = file_of(folder, path, document.kind) {
            result = result.and(replace(&file, document.body()));
        }
    }
    for (path, document) in before {
        if !now.contains_key(path)
            && let Some(file) = file_of(folder, path, document.kind)
        {
            // It may be gone already.
            let _ = fs::remove_file(file);
        }
    }
    result
}

/// Reads a snapshot. A missing folder is an empty snapshot.
///
/// # Errors
/// When the folder exists but cannot be read.
pub fn read(folder: &Path) -> io::Result<Documents> {
    let mut documents = Documents::new();
    let mut todo = vec![(folder.to_owned(), 0)];
    while let Some((inside, depth)) = todo.pop() {
        let entries = match fs::read_dir(&inside) {
            Ok(entries) => entries,
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && depth < DEPTH_MAX {
                todo.push((entry.path(), depth + 1));
            } else if kind.is_file() && documents.len() < FILES_MAX {
                documents.extend(read_one(folder, &entry.path())?);
            }
        }
    }
    Ok(documents)
}

fn read_one(folder: &Path, file: &Path) -> io::Result<Option<(String, Arc<Document>)>> {
    let Some((path, kind)) = path_of(folder, file) else { return Ok(None) };
    let mut body = Vec::new();
    File::open(file)?.take(FILE_MAX).read_to_end(&mut body)?;
    Ok(Some((path, Arc::new(Document::new(kind, body)))))
}

/// Returns the file of a document; `None` when the path would leave the folder.
fn file_of(folder: &Path, path: &str, kind: Kind) -> Option<PathBuf> {
    let name = path.strip_prefix('/')?;
    if name.split('/').any(|part| part.starts_with('.')) || name.contains('\\') {
        return None;
    }
    let file = folder.join(name);
    Some(if kind == Kind::Html { file.join("index.html") } else { file })
}

/// Returns path and kind of the document in a file; `None` for other files.
fn path_of(folder: &Path, file: &Path) -> Option<(String, Kind)> {
    let name = file.strip_prefix(folder).ok()?.to_str()?;
    let (_, extension) = name.rsplit_once('.')?;
    let kind = Kind::by_extension(extension)?;
    if name.split('/').any(|part| part.starts_with('.')) {
        return None;
    }
    let path = if kind == Kind::Html { name.strip_suffix("index.html")?.trim_end_matches('/') } else { name };
    Some((format!("/{path}"), kind))
}

/// Replaces a file atomically; on disk when it returns.
pub(crate) fn replace(file: &Path, body: &[u8]) -> io::Result<()> {
    fs::create_dir_all(file.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
    atomic_file::replace(file, body, Access::Umask)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(list: &[(&str, Kind, &'static str)]) -> Documents {
        list.iter()
            .map(|(path, kind, body)| ((*path).to_owned(), Arc::new(Document::new(*kind, *body))))
            .collect()
    }

    #[test]
    fn snapshot_is_read_as_written_and_removed_documents_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let empty = Documents::new();
        assert!(read(&folder.path().join("status_page")).unwrap().is_empty());

        let first = documents(&[
            ("/", Kind::Html, "status_page"),
            ("/history", Kind::Html, "history"),
            ("/incidents/incident-1", Kind::Html, "one"),
            ("/api/v2/summary.json", Kind::Json, "{}"),
            ("/feed.atom", Kind::Atom, "<feed/>"),
        ]);
        write(folder.path(), &empty, &first).unwrap();
        fs::write(folder.path().join("notes.txt"), "not ours").unwrap();
        let mut paths: Vec<String> = read(folder.path()).unwrap().into_keys().collect();
        paths.sort();
        assert_eq!(paths, ["/", "/api/v2/summary.json", "/feed.atom", "/history", "/incidents/incident-1"]);

        let second = documents(&[("/", Kind::Html, "other text")]);
        write(folder.path(), &first, &second).unwrap();
        let back = read(folder.path()).unwrap();
        assert_eq!(back.len(), 1);
        assert_eq!(back["/"].body().as_ref(), b"other text");
        assert!(folder.path().join("notes.txt").exists());
    }

    #[test]
    fn path_outside_the_folder_has_no_file() {
        for path in ["/../etc/passwd", "/./x", "relative", "/a/../../b", "/.hidden", "/a\\..\\b"] {
            assert_eq!(file_of(Path::new("/data"), path, Kind::Json), None, "{path}");
        }
    }
}
