//! Files: names, a first line that says what the file is, tests that nothing runs.

use super::source::File;
use std::path::Path;

const NAMES_WITHOUT_MEANING: [&str; 7] = ["util", "utils", "helper", "helpers", "manager", "common", "misc"];
const LINES_MAX: usize = 700;

pub(super) fn check(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| file.extension() == "rs") {
        let path = &file.path;
        if NAMES_WITHOUT_MEANING.contains(&file.stem()) {
            faults.push(format!("{path}: the name has no meaning"));
        }
        let lines = file.text.lines().count();
        if lines > LINES_MAX {
            faults.push(format!("{path}: {lines} lines; one subject a file, {LINES_MAX} at most"));
        }
        if !file.text.starts_with("//!") && !file.text.starts_with("#!") {
            faults.push(format!("{path}: does not begin with what it is (//! ...)"));
        }
        faults.extend(forgotten_test(file, files));
    }
    faults
}

/// A file of `tests/it/` that `main.rs` does not name is never run.
fn forgotten_test(file: &File, files: &[File]) -> Option<String> {
    let folder = Path::new(&file.path).parent()?;
    if !folder.ends_with("tests/it") || file.stem() == "main" {
        return None;
    }
    let main = folder.join("main.rs");
    let main =
        files.iter().find(|other| Path::new(&other.path) == main).map_or("", |main| main.text.as_str());
    (!main.contains(&format!("mod {};", file.stem())))
        .then(|| format!("{}: main.rs does not name it", file.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgotten_tests_and_empty_names_are_faults() {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let files = [
            file("x/tests/it/main.rs", "//! Tests.\nmod a;\n"),
            file("x/tests/it/a.rs", "//! A.\n"),
            file("x/tests/it/b.rs", "//! B.\n"),
            file("x/src/util.rs", "fn f() {}\n"),
        ];
        assert_eq!(
            check(&files),
            [
                "x/tests/it/b.rs: main.rs does not name it",
                "x/src/util.rs: the name has no meaning",
                "x/src/util.rs: does not begin with what it is (//! ...)",
            ]
        );
    }
}
