//! Import cycles between sibling modules of one crate. Parent and child may import each other.
//!
//! `crate::`, `super::` and `self::` paths count, in `use` items, in code and inside macros. A name that a parent imports from a child
//! counts as the child. Modules beneath a sibling count as the sibling. Code for tests only does not count.

mod graph;
mod paths;

use super::source::File;
use std::collections::BTreeMap;

/// One module of a crate, as far as cycles need it.
pub(super) struct Module {
    /// Path in the crate; the root is empty.
    path: Vec<String>,
    file: String,
    references: Vec<paths::Reference>,
    /// Names that the module imports -> where from.
    imports: BTreeMap<String, Vec<String>>,
    /// Child modules for tests only.
    test_only: Vec<Vec<String>>,
}

/// Cycles of every crate, one line each.
pub(super) fn in_workspace(files: &[File]) -> Vec<String> {
    let mut crates: BTreeMap<String, Vec<Module>> = BTreeMap::new();
    for file in files {
        let Some((root, path)) = module_of(&file.path) else { continue };
        let Some(parsed) = file.rust() else { continue };
        crates.entry(root).or_default().extend(paths::modules(&parsed, &path, &file.path));
    }
    crates.values().flat_map(|modules| graph::cycles(modules)).collect()
}

/// The crate's source folder and the module's path: `a/src/b/c.rs` -> (`a/src`, `[b, c]`).
fn module_of(path: &str) -> Option<(String, Vec<String>)> {
    let path = path.strip_suffix(".rs")?;
    let folder = ["/src/bin/", "/src/", "/tests/it/"].into_iter().find_map(|folder| {
        let at = path.find(folder)?;
        Some((path.get(..at + folder.len())?, path.get(at + folder.len()..)?))
    });
    let (root, rest) = folder?;
    let mut parts: Vec<String> = rest.split('/').map(str::to_owned).collect();
    let mut root = root.trim_end_matches('/').to_owned();
    if root.ends_with("/src/bin") {
        root = format!("{root}/{}", parts.first()?);
        parts.remove(0);
    }
    if parts.last().is_some_and(|last| ["lib", "main", "mod"].contains(&last.as_str())) {
        parts.pop();
    }
    Some((root, parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycles(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<File> = files
            .iter()
            .map(|(path, text)| File { path: format!("x/src/{path}"), text: (*text).to_owned() })
            .collect();
        in_workspace(&files)
    }

    #[test]
    fn siblings_that_import_each_other_are_a_cycle() {
        let found = cycles(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "pub struct B;\nfn f() { super::a::A; }"),
        ]);
        assert_eq!(found, ["a -> b -> a: x/src/a.rs:1 crate::b::B; x/src/b.rs:2 super::a::A"]);
    }

    #[test]
    fn modules_beneath_siblings_count_as_the_siblings() {
        let found = cycles(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "mod c;"),
            ("a/c.rs", "use crate::b::B;"),
            ("b.rs", "use crate::a::A;"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn parent_and_child_may_import_each_other() {
        let found = cycles(&[
            ("lib.rs", "mod a;"),
            ("a.rs", "mod c; use c::C; pub struct A;"),
            ("a/c.rs", "use super::A;"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn name_that_the_parent_imports_counts_as_its_module() {
        let found = cycles(&[
            ("lib.rs", "mod a; mod b; pub use a::A; pub use b::{B as C};"),
            ("a.rs", "use crate::C;"),
            ("b.rs", "use crate::{A};"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn code_for_tests_and_one_way_imports_are_no_cycle() {
        let found = cycles(&[
            ("lib.rs", "mod a; mod b; #[cfg(test)] mod fixture;"),
            ("a.rs", "use crate::b::B; #[cfg(test)] mod tests { use crate::fixture::F; }"),
            ("b.rs", "#[cfg(test)] mod tests { use crate::a::A; }"),
            ("fixture.rs", "use crate::a::A; use crate::b::B;"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn paths_inside_macros_count() {
        let found = cycles(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "fn f() { println!(\"{}\", crate::b::g()); }"),
            ("b.rs", "use crate::a::f;"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
    }
}
