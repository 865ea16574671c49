//! What a reader finds after each way in which a replacement ends.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use atomic_file::{Access, move_into_place, replace, replace_with, with_suffix};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn replaced_file_has_the_new_content_and_nothing_is_left_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    for content in ["first, and longer", "second", ""] {
        replace(&path, content.as_bytes(), Access::Umask).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        assert_eq!(names(folder.path()), ["key"]);
    }
}

#[test]
fn failed_write_leaves_the_old_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    replace(&path, b"old", Access::Umask).unwrap();
    let failed = replace_with(&path, Access::Umask, |file| {
        file.write_all(b"half of the n")?;
        Err(io::ErrorKind::StorageFull.into())
    });
    assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(names(folder.path()), ["key"]);
}

#[test]
fn owner_access_is_0600_even_over_a_leftover_of_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let leftover = folder.path().join(".key.part");
    fs::write(&leftover, "half").unwrap();
    fs::set_permissions(&leftover, fs::Permissions::from_mode(0o666)).unwrap();
    replace(&path, b"secret", Access::Owner).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&path).unwrap(), "secret");
}

#[test]
fn link_in_place_of_the_temporary_file_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    fs::write(&other, "untouched").unwrap();
    symlink(&other, folder.path().join(".key.part")).unwrap();
    replace(&folder.path().join("key"), b"new", Access::Umask).unwrap();
    assert_eq!(fs::read_to_string(&other).unwrap(), "untouched");
    assert_eq!(names(folder.path()), ["key", "other"]);
}

#[test]
fn returned_file_is_the_one_under_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mark");
    let mut file = replace_with(&path, Access::Umask, |file| file.write_all(b"one ")).unwrap();
    file.write_all(b"two").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "one two");
}

#[test]
fn path_without_a_folder_or_a_name_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent/key");
    assert_eq!(replace(&absent, b"", Access::Umask).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(replace(Path::new("/"), b"", Access::Umask).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn finished_file_moves_into_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let part = with_suffix(&path, ".part");
    fs::write(&path, "old").unwrap();
    fs::write(&part, "new").unwrap();
    move_into_place(&part, &path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(names(folder.path()), ["journal.db"]);
}
