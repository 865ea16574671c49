//! `mainstay check --fix`: rewrites a configuration with old names to today's names.

use crate::cli::{Failure, config, table};
use ::config::Renamed;
use serde::Serialize;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

/// A renamed key or section, as `--json` prints it.
#[derive(Serialize)]
pub(crate) struct Change {
    path: String,
    old: &'static str,
    new: &'static str,
}

/// Rewrites the file in place and returns what was renamed; an untouched file returns nothing.
///
/// # Errors
/// [`Failure`] with exit code 2 when the file cannot be read, parsed or replaced. It is unchanged then.
pub(crate) fn fix(path: &Path, json: bool) -> Result<Vec<Change>, Failure> {
    let text = config::text(path)?;
    let fixed = ::config::fix(&text).map_err(|why| {
        Failure::wrong(format!("{}: {why}", path.display())).hint("the file is unchanged; fix this first")
    })?;
    let Some(fixed) = fixed else {
        if !json {
            table::say(&format!("{}: nothing to rename", path.display()));
        }
        return Ok(Vec::new());
    };
    replace(path, &fixed.text).map_err(|why| {
        Failure::wrong(format!("{}: {why}", path.display()))
            .hint("the file is unchanged; its folder must be writable")
    })?;
    if !json {
        for renamed in &fixed.renamed {
            table::say(&format!("renamed: {renamed}"));
        }
    }
    let change = |Renamed { path, old, new }| Change { path, old, new };
    Ok(fixed.renamed.into_iter().map(change).collect())
}

/// Replaces a file atomically. A symbolic link stays one, and the permissions stay as they are.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let fresh = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = (|| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&fresh)?;
        file.set_permissions(fs::metadata(&path)?.permissions())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn fixed_file_keeps_link_permissions_and_comments() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("real.toml");
        let link = folder.path().join("mainstay.toml");
        fs::write(&file, "# ours\n[site]\nzone = \"UTC\" # stored in UTC\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&file, &link).unwrap();
        assert_eq!(fix(&link, true).unwrap().len(), 1);
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            "# ours\n[site]\ntimezone = \"UTC\" # stored in UTC\n"
        );
        assert!(link.is_symlink() && fs::metadata(&file).unwrap().permissions().mode() & 0o777 == 0o600);
        assert_eq!(fix(&link, true).unwrap().len(), 0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn file_that_is_not_toml_is_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mainstay.toml");
        for text in ["[site]\nzone = UTC\n", "[site]\nzone = \"UTC\"\ntimezone = \"UTC\"\n"] {
            fs::write(&file, text).unwrap();
            assert!(fix(&file, true).is_err());
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        assert!(fix(folder.path(), true).is_err());
    }
}
