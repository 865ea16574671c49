//! Detects changes of the content of files.
//!
//! A modification time alone is not enough: image stores and `cp -p` keep it, a symlink or its folder is replaced, and
//! a file is written twice within one tick of the clock. Therefore the content is compared. It is read again unless all
//! metadata is unchanged and old.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Bytes of each file that are compared.
const BYTES_MAX: u64 = 16 << 20;
/// A file that changed less than this ago is always read, because file times are coarse.
const YOUNG: Duration = Duration::from_secs(10);

/// Metadata of a file: device, inode, size, modification and change time.
type Metadata = (u64, u64, u64, (i64, i64), (i64, i64));

#[derive(Clone, Debug, PartialEq, Eq)]
struct Snapshot {
    metadata: Metadata,
    content: u64,
}

/// Files, each with its last snapshot.
#[derive(Debug, Default)]
pub(crate) struct WatchedFiles {
    snapshots: BTreeMap<PathBuf, Option<Snapshot>>,
}

impl WatchedFiles {
    /// Replaces the set of files. Those that were in it keep their snapshots.
    pub(crate) fn follow(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        let mut before = std::mem::take(&mut self.snapshots);
        for path in paths {
            let last = before.remove(&path).unwrap_or_else(|| snapshot(&path, None));
            self.snapshots.insert(path, last);
        }
    }

    /// Whether the content of any file has changed since the last call. Blocks.
    pub(crate) fn changed(&mut self) -> bool {
        let mut changed = false;
        for (path, before) in &mut self.snapshots {
            let now = snapshot(path, before.as_ref());
            let content = |taken: &Option<Snapshot>| taken.as_ref().map(|taken| taken.content);
            changed |= content(&now) != content(before);
            *before = now;
        }
        changed
    }
}

fn snapshot(path: &Path, before: Option<&Snapshot>) -> Option<Snapshot> {
    let file = std::fs::File::open(path).ok()?;
    let meta = file.metadata().ok()?;
    let (date, change) = ((meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec()));
    let metadata = (meta.dev(), meta.ino(), meta.size(), date, change);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let old = u64::try_from(change.0).is_ok_and(|at| Duration::from_secs(at) + YOUNG < now);
    if let Some(before) = before.filter(|before| old && before.metadata == metadata) {
        return Some(before.clone());
    }
    let mut hasher = DefaultHasher::new();
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
    hasher.write(&bytes);
    Some(Snapshot { metadata, content: hasher.finish() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn dated(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    }

    #[test]
    fn every_kind_of_replacement_is_detected_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let link = |to: &str, name: &str| {
            let _ = fs::remove_file(at("tmp"));
            std::os::unix::fs::symlink(to, at("tmp")).unwrap();
            fs::rename(at("tmp"), at(name)).unwrap();
        };
        fs::create_dir(at("..1")).unwrap();
        fs::create_dir(at("..2")).unwrap();
        dated(&at("plain"), "old");
        dated(&at("store-a"), "old");
        dated(&at("store-b"), "new");
        dated(&at("..1/secret"), "old");
        dated(&at("..2/secret"), "new");
        link("store-a", "linked");
        link("..1", "..data");
        link("..data/secret", "mounted");
        let mut files = WatchedFiles::default();
        files.follow(["plain", "linked", "mounted", "missing"].map(at));
        assert!(!files.changed());
        type Change<'a> = (&'a str, Box<dyn Fn() + 'a>);
        let changes: [Change<'_>; 7] = [
            ("same date, same size", Box::new(|| dated(&at("plain"), "new"))),
            ("symlink swapped", Box::new(|| link("store-b", "linked"))),
            ("folder behind a symlink swapped", Box::new(|| link("..2", "..data"))),
            ("created", Box::new(|| dated(&at("missing"), "new"))),
            ("removed", Box::new(|| fs::remove_file(at("missing")).unwrap())),
            (
                "renamed into place",
                Box::new(|| {
                    dated(&at("next"), "old");
                    fs::rename(at("next"), at("plain")).unwrap();
                }),
            ),
            ("emptied", Box::new(|| dated(&at("plain"), ""))),
        ];
        for (what, change) in changes {
            change();
            assert!(files.changed(), "{what}");
            assert!(!files.changed(), "{what}, and then nothing more");
        }
        dated(&at("plain"), "");
        assert!(!files.changed(), "the same content again is no change");
    }

    #[test]
    fn files_kept_in_the_set_keep_their_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "old").unwrap();
        let mut files = WatchedFiles::default();
        files.follow([path.clone()]);
        fs::write(&path, "new").unwrap();
        files.follow([path]);
        assert!(files.changed());
    }
}
