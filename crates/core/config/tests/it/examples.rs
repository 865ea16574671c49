//! The configurations of the examples folder are valid without warnings.

use std::path::{Path, PathBuf};

/// The configurations in a folder and in those within it.
fn configs(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            configs(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    Ok(())
}

#[test]
fn every_example_is_valid_without_warnings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../examples");
    let mut found = Vec::new();
    configs(&folder, &mut found).unwrap();
    for path in &found {
        let text = std::fs::read_to_string(path).unwrap();
        match config::read(&text, &path.display().to_string(), path.parent().unwrap()) {
            Ok(read) => assert!(read.warnings.is_empty(), "{}: {:?}", path.display(), read.warnings),
            Err(problems) => panic!("{problems}"),
        }
    }
    assert!(found.len() >= 4, "{} examples in {}", found.len(), folder.display());
}
