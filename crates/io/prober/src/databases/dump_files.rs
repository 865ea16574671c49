//! Backups that are files in a folder: the age of the newest, and whether it shrank.

use glob::Pattern;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use text::number;
use thiserror::Error;
use types::Time;
use types::database::Backup;
use types::time::{earlier, later};

/// Entries of a folder that are looked at.
const ENTRIES_MAX: usize = 100_000;
/// A file that was changed within this time may still be written.
const QUIET: Duration = Duration::from_secs(60);
/// Time by which clocks of two machines may differ.
const AHEAD: Duration = Duration::from_secs(300);
/// Earlier backups whose median is compared with the newest one.
const COMPARED: usize = 5;

/// Sizes in bytes of complete backups by the time of their last change.
pub(super) type Sizes = BTreeMap<Time, u64>;

/// Reasons why a folder of backups cannot be read.
#[derive(Debug, Error)]
pub(super) enum FilesError {
    /// The pattern has no file name, or is none.
    #[error("`{0}` is no pattern for files")]
    Pattern(PathBuf),
    /// The folder cannot be read.
    #[error("{} cannot be read: {why} (it must be on this machine, and readable for the user of mainstay)", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The reason.
        why: io::Error,
    },
    /// There are too many entries.
    #[error("{} has more than {ENTRIES_MAX} entries; move old ones away", .0.display())]
    Full(PathBuf),
}

/// Sizes of the files that a pattern such as `/var/backups/main/*.dump` names, except those that are still written. Wildcards are in
/// the file name only, so that one folder is read.
///
/// # Errors
/// See [`FilesError`].
pub(super) fn sizes(pattern: &Path, now: Time) -> Result<Sizes, FilesError> {
    let unusable = || FilesError::Pattern(pattern.to_owned());
    let name = pattern.file_name().and_then(|name| name.to_str()).ok_or_else(unusable)?;
    let names = Pattern::new(name).map_err(|_| unusable())?;
    let folder = pattern.parent().ok_or_else(unusable)?;
    let failed = |why| FilesError::Folder { folder: folder.to_owned(), why };
    let mut sizes = Sizes::new();
    for (count, entry) in std::fs::read_dir(folder).map_err(failed)?.enumerate() {
        if count >= ENTRIES_MAX {
            return Err(FilesError::Full(folder.to_owned()));
        }
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_str().is_some_and(|name| names.matches(name)) {
            continue;
        }
        // Follows a link such as `latest.dump`. A file that was removed meanwhile is none.
        let Ok(about) = std::fs::metadata(entry.path()) else { continue };
        let changed = about.modified().ok().and_then(|at| Time::try_from(at).ok());
        if let Some(at) = changed.filter(|_| about.is_file())
            && is_complete(at, now)
        {
            // Two of the same instant: the smaller one is the suspect.
            let size = sizes.entry(at).or_insert(u64::MAX);
            *size = about.len().min(*size);
        }
    }
    Ok(sizes)
}

/// Whether a file is no longer written. One from the future is: a wrong clock made it, and it would be left out for ever.
fn is_complete(changed: Time, now: Time) -> bool {
    changed <= earlier(now, QUIET) || changed > later(now, AHEAD)
}

/// What the sizes say. `sizes` may have backups that are no longer there, as where each replaces the one before.
pub(super) fn judge(pattern: &str, sizes: &Sizes, now: Time) -> Backup {
    let (last, status) = match sizes.last_key_value() {
        None => (None, Some("no file has this name".to_owned())),
        Some((at, _)) if *at > later(now, AHEAD) => {
            (None, Some("the newest file is from the future; a clock is wrong".to_owned()))
        }
        Some((at, 0)) => (Some(*at), Some("the newest file is empty".to_owned())),
        Some((at, size)) => {
            let mut before: Vec<u64> =
                sizes.range(..*at).rev().take(COMPARED).map(|(_, size)| *size).collect();
            before.sort_unstable();
            let usual = before.get(before.len().saturating_sub(1) / 2).copied();
            let shrank = usual.filter(|usual| *size < usual / 2).map(|usual| {
                format!(
                    "the newest file has {} bytes, less than half of the {} that are usual",
                    number::grouped(*size),
                    number::grouped(usual)
                )
            });
            (Some(*at), shrank)
        }
    };
    Backup {
        name: pattern.to_owned(),
        ok: status.is_none(),
        status: status.unwrap_or_else(|| "ok".to_owned()),
        last,
        repositories: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::SystemTime;
    use types::time::between;

    fn now() -> Time {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn days(days: u64) -> Duration {
        Duration::from_hours(24 * days)
    }

    fn place(folder: &Path, name: &str, bytes: u64, at: Time) {
        let file = File::create(folder.join(name)).unwrap();
        file.set_len(bytes).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + between(Time::UNIX_EPOCH, at)).unwrap();
    }

    #[test]
    fn newest_complete_file_counts_and_must_not_shrink() {
        type Files<'a> = &'a [(&'a str, u64, i64)];
        // Minutes before now, from the newest to the oldest.
        let cases: [(Files<'_>, bool, Option<i64>, &str); 9] = [
            (&[], false, None, "no file has this name"),
            (&[("a.txt", 900, 60)], false, None, "no file has this name"),
            (&[("a.dump", 900, 60)], true, Some(60), "ok"),
            (&[("b.dump", 5, 0), ("a.dump", 900, 60)], true, Some(60), "ok"),
            (&[("b.dump", 0, 60), ("a.dump", 900, 1_500)], false, Some(60), "the newest file is empty"),
            (&[("b.dump", 450, 60), ("a.dump", 900, 1_500)], true, Some(60), "ok"),
            (
                &[("b.dump", 2_000, 60), ("a.dump", 900_000, 1_500)],
                false,
                Some(60),
                "the newest file has 2,000 bytes, less than half of the 900,000 that are usual",
            ),
            (&[("b.dump", 400, 60), ("a.dump", 410, 1_500), ("z.dump", 900, 3_000)], true, Some(60), "ok"),
            (&[("b.dump", 400, -60)], false, None, "the newest file is from the future; a clock is wrong"),
        ];
        for (files, ok, last, status) in cases {
            let folder = tempfile::tempdir().unwrap();
            for (name, bytes, minutes) in files {
                let ago = Duration::from_mins(minutes.unsigned_abs());
                place(
                    folder.path(),
                    name,
                    *bytes,
                    if *minutes < 0 { later(now(), ago) } else { earlier(now(), ago) },
                );
            }
            let found = sizes(&folder.path().join("*.dump"), now()).unwrap();
            let backup = judge("main", &found, now());
            assert_eq!((backup.ok, backup.status.as_str()), (ok, status), "{files:?}");
            let last = last.map(|minutes| earlier(now(), Duration::from_mins(minutes.unsigned_abs())));
            assert_eq!(backup.last, last, "{files:?}");
        }
    }

    #[test]
    fn smaller_size_becomes_usual() {
        let night = |n: u64| later(now(), days(n));
        let size = |n: u64| if n < 10 { 1_000 } else { 300 };
        let is_sound = |n: u64| judge("main", &(0..=n).map(|n| (night(n), size(n))).collect(), night(n)).ok;
        let suspect: Vec<u64> = (0..20).filter(|n| !is_sound(*n)).collect();
        assert_eq!(suspect, [10, 11, 12], "three backups later, most of those before are as small");
    }

    #[test]
    fn unreadable_folders_say_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing/*.dump");
        let error = sizes(&missing, now()).unwrap_err().to_string();
        assert!(error.contains("missing cannot be read") && error.contains("user of mainstay"), "{error}");
        assert!(matches!(sizes(Path::new("/"), now()), Err(FilesError::Pattern(_))));
        assert!(matches!(sizes(&folder.path().join("[a.dump"), now()), Err(FilesError::Pattern(_))));
        std::fs::create_dir(folder.path().join("a.dump")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("b.dump")).unwrap();
        assert_eq!(sizes(&folder.path().join("*.dump"), now()).unwrap(), Sizes::new());
    }
}
