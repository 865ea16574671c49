//! The folder that a backup is restored into. It is made for one verification, is never below a data folder of PostgreSQL, and is
//! removed at the end.

use crate::cli::Failure;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, chown};
use std::path::{Path, PathBuf};

/// Configuration files of pgBackRest that name data folders.
const CONFIGURATIONS: [&str; 3] =
    ["/etc/pgbackrest/pgbackrest.conf", "/etc/pgbackrest.conf", "/etc/pgbackrest/conf.d"];
/// Free bytes beside the restored database: write-ahead log of the recovery, and what the server writes.
const BESIDE: u64 = 256 << 20;

/// The scratch folder. Removed when it is dropped, unless it is kept.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    keep: bool,
}

impl Scratch {
    /// Makes one: in `chosen`, which must be empty, or in the folder for temporary files.
    ///
    /// # Errors
    /// When the folder is used already, is part of a data folder, has too little space, or cannot be written.
    pub(crate) fn create(
        chosen: Option<&Path>,
        bytes: u64,
        owner: Option<(u32, u32)>,
        keep: bool,
    ) -> Result<Self, Failure> {
        let parent = match chosen {
            Some(chosen) => {
                // Before it is made: nothing appears in a data folder, not even an empty folder.
                let above = chosen.ancestors().find(|above| above.exists()).unwrap_or_else(|| Path::new("."));
                refuse_data_folders(&above.canonicalize().map_err(cannot(above))?)?;
                fs::create_dir_all(chosen).map_err(cannot(chosen))?;
                chosen.to_owned()
            }
            None => std::env::temp_dir(),
        };
        let parent = parent.canonicalize().map_err(cannot(&parent))?;
        if chosen.is_some() && fs::read_dir(&parent).map_err(cannot(&parent))?.next().is_some() {
            return Err(Failure::wrong(format!("{} is not empty", parent.display()))
                .hint("a backup is restored into an empty folder only; name another one: --scratch DIR"));
        }
        refuse_data_folders(&parent)?;
        enough_space(&parent, bytes)?;
        let path = parent.join(format!("mainstay-restore-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path).map_err(cannot(&path))?;
        let scratch = Self { path, keep };
        if let Some((user, group)) = owner {
            chown(&scratch.path, Some(user), Some(group)).map_err(cannot(&scratch.path))?;
        }
        Ok(scratch)
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The data folder of the restored database.
    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Makes a folder in it, with the owner of the folder itself.
    pub(crate) fn folder(&self, name: &str, owner: Option<(u32, u32)>) -> Result<PathBuf, Failure> {
        let path = self.path.join(name);
        DirBuilder::new().mode(0o700).create(&path).map_err(cannot(&path))?;
        if let Some((user, group)) = owner {
            chown(&path, Some(user), Some(group)).map_err(cannot(&path))?;
        }
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep
            && let Err(why) = fs::remove_dir_all(&self.path)
        {
            crate::cli::table::warn(&format!("warning: {} could not be removed: {why}", self.path.display()));
        }
    }
}

fn cannot(path: &Path) -> impl Fn(io::Error) -> Failure {
    move |why| {
        Failure::no(format!("{}: {why}", path.display()))
            .hint("name another folder for the scratch database: --scratch DIR")
    }
}

/// Refuses a folder in a data folder of PostgreSQL, also in one that is empty at the moment.
fn refuse_data_folders(parent: &Path) -> Result<(), Failure> {
    let refused = |data: &Path| {
        Err(Failure::wrong(format!(
            "{} is in the data folder {} of a database: nothing is restored there",
            parent.display(),
            data.display()
        ))
        .hint("name a folder elsewhere: --scratch DIR"))
    };
    let is_data =
        |folder: &&Path| ["PG_VERSION", "postmaster.pid"].iter().any(|name| folder.join(name).exists());
    if let Some(data) = parent.ancestors().find(is_data) {
        return refused(data);
    }
    let declared = declared_data_folders();
    match declared.iter().find(|data| parent.starts_with(data)) {
        Some(data) => refused(data),
        None => Ok(()),
    }
}

/// Data folders that pgBackRest is configured with on this machine.
fn declared_data_folders() -> Vec<PathBuf> {
    let named = std::env::var_os("PGBACKREST_CONFIG").map(PathBuf::from);
    let files = CONFIGURATIONS.iter().map(PathBuf::from).chain(named).flat_map(|path| {
        let inside = fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path());
        inside.chain([path]).collect::<Vec<_>>()
    });
    let folders = files.filter_map(|file| fs::read_to_string(file).ok()).flat_map(|text| data_folders(&text));
    let from_environment = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.to_str()?;
        (name.starts_with("PGBACKREST_PG") && name.ends_with("_PATH")).then(|| PathBuf::from(value))
    });
    folders.chain(from_environment).map(|path| path.canonicalize().unwrap_or(path)).collect()
}

/// `pg1-path`, `pg2-path` and so on of a configuration of pgBackRest.
fn data_folders(text: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let (key, value) = line.split_once('=')?;
        let key = key.trim();
        (key.starts_with("pg") && key.ends_with("-path") && !key.ends_with("socket-path"))
            .then(|| PathBuf::from(value.trim()))
    };
    text.lines().filter_map(path).collect()
}

fn enough_space(parent: &Path, bytes: u64) -> Result<(), Failure> {
    let found = rustix::fs::statvfs(parent).map_err(|why| cannot(parent)(why.into()))?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let needed = bytes.saturating_add(bytes / 10).saturating_add(BESIDE);
    if free < needed {
        let mib = |bytes: u64| text::number::grouped(bytes >> 20);
        return Err(Failure::no(format!(
            "{} has {} MiB free; the backup needs {} MiB",
            parent.display(),
            mib(free),
            mib(needed)
        ))
        .hint("name a folder on a larger disk: --scratch DIR"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_of_a_database_or_with_content_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("main");
        fs::create_dir_all(data.join("base/empty")).unwrap();
        fs::write(data.join("PG_VERSION"), "15\n").unwrap();
        let refused = Scratch::create(Some(&data.join("base/empty")), 0, None, false).unwrap_err();
        assert!(format!("{refused:?}").contains("nothing is restored there"), "{refused:?}");
        let other = folder.path().join("other");
        fs::create_dir_all(other.join("content")).unwrap();
        let full = Scratch::create(Some(&other), 0, None, false).unwrap_err();
        assert!(format!("{full:?}").contains("is not empty"), "{full:?}");
        let new = Scratch::create(Some(&data.join("base/new/one")), 0, None, false).unwrap_err();
        assert!(format!("{new:?}").contains("nothing is restored there") && !data.join("base/new").exists());
        let huge = Scratch::create(Some(&folder.path().join("new")), 1 << 60, None, false).unwrap_err();
        assert!(format!("{huge:?}").contains("MiB free"), "{huge:?}");
    }

    #[test]
    fn folder_is_removed_at_the_end_unless_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(Some(folder.path()), 0, None, false).unwrap();
        fs::write(scratch.path().join("file"), "x").unwrap();
        drop(scratch);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        drop(Scratch::create(Some(folder.path()), 0, None, true).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn data_folders_of_a_configuration_are_read() {
        let text = "[main]\npg1-path = /var/lib/postgresql/15/main\npg1-socket-path=/run\npg2-path=/srv/pg\n[global]\nrepo1-path=/repo\n";
        assert_eq!(data_folders(text), [Path::new("/var/lib/postgresql/15/main"), Path::new("/srv/pg")]);
    }
}
