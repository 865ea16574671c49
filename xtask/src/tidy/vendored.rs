//! Copies of other people's work in third_party/: a crate is the one that is built, and lists its changes; a schema says where
//! it is from, and its licence.

use super::source::THIRD_PARTY;
use crate::run::root;
use std::fs;

/// Folder of schemas, which tests validate against.
const SCHEMAS: &str = "schemas";
/// The page about them.
const PAGE: &str = "README.md";

pub(super) fn check() -> Result<Vec<String>, String> {
    let lock =
        fs::read_to_string(root().join("Cargo.lock")).map_err(|error| format!("Cargo.lock: {error}"))?;
    let mut faults = Vec::new();
    for entry in fs::read_dir(root().join(THIRD_PARTY)).into_iter().flatten().flatten() {
        let folder = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == SCHEMAS {
            let page = fs::read_to_string(folder.join(PAGE)).unwrap_or_default();
            let files = fs::read_dir(&folder).into_iter().flatten().flatten();
            let files = files.map(|file| file.file_name().to_string_lossy().into_owned());
            faults.extend(files.filter_map(|file| not_described(&page, &file)));
            continue;
        }
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        let version = manifest.lines().find_map(|line| line.strip_prefix("version = ")).unwrap_or_default();
        faults.extend(not_locked(&lock, &name, version.trim_matches('"')));
        for file in ["CHANGED.md", "LICENSE-APACHE"] {
            if !folder.join(file).exists() {
                faults.push(format!("{THIRD_PARTY}/{name} has no {file}"));
            }
        }
    }
    Ok(faults)
}

/// A fault where the page about schemas has no section of a file.
fn not_described(page: &str, file: &str) -> Option<String> {
    let is_described = file == PAGE || page.lines().any(|line| line == format!("## {file}"));
    (!is_described)
        .then(|| format!("{THIRD_PARTY}/{SCHEMAS}/{PAGE} does not say where {file} is from, and its licence"))
}

/// A fault where Cargo.lock has not this very copy. A patch of another version is ignored with no more than a warning.
fn not_locked(lock: &str, name: &str, version: &str) -> Option<String> {
    let major = version.split('.').next().unwrap_or_default();
    let mut locked = lock.split("[[package]]").filter(|package| {
        package.contains(&format!("\nname = \"{name}\"\n"))
            && package.contains(&format!("\nversion = \"{major}."))
    });
    let ours = |package: &str| {
        package.contains(&format!("\nversion = \"{version}\"\n")) && !package.contains("\nsource = ")
    };
    let is_locked = locked.next().is_some_and(ours) && locked.next().is_none();
    (!is_locked).then(|| {
        format!(
            "{THIRD_PARTY}/{name} is {version}, and Cargo.lock has another: {THIRD_PARTY}/{name}/CHANGED.md"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_without_a_section_is_a_fault() {
        let page = "# Schemas\n\n## a.xsd\n\nMIT.\n";
        assert_eq!((not_described(page, "a.xsd"), not_described(page, PAGE)), (None, None));
        assert!(not_described(page, "b.xsd").is_some() && not_described(page, "a").is_some());
    }

    #[test]
    fn copy_that_is_not_built_is_a_fault() {
        let package = |version: &str, source: &str| {
            format!("[[package]]\nname = \"http\"\nversion = \"{version}\"\n{source}dependencies = []\n")
        };
        let registry = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        for (lock, is_built) in [
            (package("1.5.0", ""), true),
            (package("0.2.12", registry) + &package("1.5.0", ""), true),
            (package("1.5.0", registry), false),
            (package("1.6.0", registry), false),
            (package("1.5.0", "") + &package("1.6.0", registry), false),
            (String::new(), false),
        ] {
            assert_eq!(not_locked(&lock, "http", "1.5.0").is_none(), is_built, "{lock}");
        }
    }
}
