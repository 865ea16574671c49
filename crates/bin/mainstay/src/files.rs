//! Files that are followed: whether their content is another one than when it was looked at last.
//!
//! A date alone tells too little: image stores and `cp -p` keep it, a symlink or the folder behind one is exchanged, and a
//! file is written twice within one tick of the clock. So the content counts. It is read again unless everything that the
//! system tells of the file is the same and old.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Of each file so much is compared.
const BYTES_MAX: u64 = 16 << 20;
/// A file that changed less than this ago is read whatever the system tells of it: its clocks are coarse.
const YOUNG: Duration = Duration::from_secs(10);

/// What the system tells of a file: device, inode, size, and both of its dates.
type Told = (u64, u64, u64, (i64, i64), (i64, i64));

#[derive(Clone, Debug, PartialEq, Eq)]
struct Look {
    told: Told,
    content: u64,
}

/// Files and how they were when they were looked at last.
#[derive(Debug, Default)]
pub(crate) struct Files {
    seen: BTreeMap<PathBuf, Option<Look>>,
}

impl Files {
    /// Follows these from now on. Those that were followed before keep what was seen of them.
    pub(crate) fn follow(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        let mut before = std::mem::take(&mut self.seen);
        for path in paths {
            let look = before.remove(&path).unwrap_or_else(|| look(&path, None));
            self.seen.insert(path, look);
        }
    }

    /// Looks at each; whether any is another one than before. Blocks.
    pub(crate) fn changed(&mut self) -> bool {
        let mut changed = false;
        for (path, before) in &mut self.seen {
            let now = look(path, before.as_ref());
            let content = |look: &Option<Look>| look.as_ref().map(|look| look.content);
            changed |= content(&now) != content(before);
            *before = now;
        }
        changed
    }
}

fn look(path: &Path, before: Option<&Look>) -> Option<Look> {
    let file = std::fs::File::open(path).ok()?;
    let meta = file.metadata().ok()?;
    let (date, change) = ((meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec()));
    let told = (meta.dev(), meta.ino(), meta.size(), date, change);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let old = u64::try_from(change.0).is_ok_and(|at| Duration::from_secs(at) + YOUNG < now);
    if let Some(before) = before.filter(|before| old && before.told == told) {
        return Some(before.clone());
    }
    let mut hasher = DefaultHasher::new();
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
    hasher.write(&bytes);
    Some(Look { told, content: hasher.finish() })
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
    fn every_kind_of_exchange_is_seen_and_nothing_else() {
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
        let mut files = Files::default();
        files.follow(["plain", "linked", "mounted", "missing"].map(at));
        assert!(!files.changed());
        type Change<'a> = (&'a str, Box<dyn Fn() + 'a>);
        let changes: [Change<'_>; 7] = [
            ("same date, same size", Box::new(|| dated(&at("plain"), "new"))),
            ("symlink swapped", Box::new(|| link("store-b", "linked"))),
            ("folder behind a symlink swapped", Box::new(|| link("..2", "..data"))),
            ("made", Box::new(|| dated(&at("missing"), "new"))),
            ("gone", Box::new(|| fs::remove_file(at("missing")).unwrap())),
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
    fn files_followed_anew_keep_what_was_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "old").unwrap();
        let mut files = Files::default();
        files.follow([path.clone()]);
        fs::write(&path, "new").unwrap();
        files.follow([path]);
        assert!(files.changed());
    }
}
