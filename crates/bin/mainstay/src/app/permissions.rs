//! Permissions of the data folder: folder 0700, files 0600, independent of the umask of the shell and of what an
//! earlier version left there.

use rustix::fs::Mode;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

/// Permission bits of users other than the owner.
const OTHERS: u32 = 0o077;
/// Mode bit of a folder in which every user may write, such as /tmp.
const STICKY: u32 = 0o1000;

/// Prefixes of the names that mainstay writes into its data folder. Other files there are not changed: the
/// configuration may be in the same folder, with permissions of its own.
const OURS: [&str; 10] = [
    "address",
    "api-token",
    "status_page",
    "control",
    "denials.json",
    "journal.",
    "key",
    "read-token",
    "subscribers.",
    "valves.json",
];
const SAMPLES: &str = "samples.db";

/// Makes files that this process creates readable by the owner only. To be called before there are other threads.
pub(crate) fn restrict_new_files() {
    rustix::process::umask(Mode::from_raw_mode(OTHERS));
}

/// Creates the data folder, or removes the access of other users to it and its files.
///
/// # Errors
/// When it cannot be created, belongs to another user, or every user may write into it.
pub(crate) fn folder(data: &Path) -> io::Result<()> {
    let found = match fs::metadata(data) {
        Ok(found) => found,
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            return DirBuilder::new().recursive(true).mode(0o700).create(data);
        }
        Err(why) => return Err(why),
    };
    let mode = found.permissions().mode();
    if mode & STICKY != 0 {
        return Err(io::Error::other(
            "every user may write into this folder; set `site.data` to a folder of its own",
        ));
    }
    tighten(data, mode)?;
    for entry in fs::read_dir(data)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type()?;
        if !kind.is_symlink() && (name.starts_with(SAMPLES) || OURS.iter().any(|ours| name.starts_with(ours)))
        {
            match entry.metadata().and_then(|file| tighten(&entry.path(), file.permissions().mode())) {
                // SQLite may have removed its log in between.
                Err(why) if why.kind() == io::ErrorKind::NotFound => {}
                tightened => tightened?,
            }
        }
    }
    Ok(())
}

fn tighten(path: &Path, mode: u32) -> io::Result<()> {
    if mode & OTHERS == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode & 0o7777 & !OTHERS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn open_permissions_of_earlier_version_are_removed_and_other_files_kept() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a/data");
        super::folder(&data).unwrap();
        assert_eq!(mode(&data), 0o700);
        fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
        for name in ["journal.db", "journal.db-wal", "samples.db", "address", "mainstay.toml"] {
            fs::write(data.join(name), "").unwrap();
            fs::set_permissions(data.join(name), Permissions::from_mode(0o644)).unwrap();
        }
        fs::create_dir(data.join("status_page")).unwrap();
        fs::set_permissions(data.join("status_page"), Permissions::from_mode(0o755)).unwrap();
        super::folder(&data).unwrap();
        assert_eq!((mode(&data), mode(&data.join("status_page"))), (0o700, 0o700));
        for name in ["journal.db", "journal.db-wal", "samples.db", "address"] {
            assert_eq!(mode(&data.join(name)), 0o600, "{name}");
        }
        assert_eq!(mode(&data.join("mainstay.toml")), 0o644);
    }

    #[test]
    fn world_writable_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).unwrap();
        assert!(super::folder(folder.path()).unwrap_err().to_string().contains("site.data"));
        assert_eq!(mode(folder.path()), 0o1777);
    }
}
