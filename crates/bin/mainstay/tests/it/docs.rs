//! Tests of the documentation: its configurations are valid, its generated pages match the output of the program.

use crate::instance::{Instance, Web};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap().to_owned()
}

/// Compares a generated page with the file in the repository; writes the file under `BLESS=1`.
pub(crate) fn same(path: &str, printed: &[u8]) {
    let path = root().join(path);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, printed).unwrap();
    }
    let kept = fs::read(&path).unwrap_or_default();
    assert!(
        kept == printed,
        "{} differs from the output of the program: run cargo xtask bless",
        path.display()
    );
}

#[test]
fn reference_pages_match_the_program() {
    let instance = Instance::watching(&Web::start());
    same("docs/reference/configuration.md", &instance.command(&["schema", "--reference"]).stdout);
    same("docs/reference/mainstay.schema.json", &instance.command(&["schema"]).stdout);
}

/// Each criterion of the audit has a page, and each page a criterion.
#[test]
fn pages_of_criteria_match_the_program() {
    let mut pages = Vec::new();
    for definition in audit::criteria::all() {
        let name = format!("{}.md", definition.criterion);
        same(&format!("docs/criteria/{name}"), audit::definition::page(definition).as_bytes());
        pages.push(name);
    }
    let there = fs::read_dir(root().join("docs/criteria")).unwrap();
    let mut there: Vec<String> =
        there.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    pages.sort();
    there.sort();
    assert_eq!(pages, there);
}

#[test]
fn configs_in_the_documentation_are_valid() {
    let guides = fs::read_dir(root().join("docs/guides")).unwrap().map(|entry| entry.unwrap().path());
    let pages = guides.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let pages: Vec<PathBuf> = pages.chain([root().join("README.md")]).collect();
    let mut configs = 0;
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for block in text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let instance = Instance::watching(&Web::start());
            // A fragment shows one setting; files that it names do not exist here.
            instance.write_config(block);
            let answer = instance.json(&["check"]);
            assert_eq!(answer["error"], serde_json::Value::Null, "{}:\n{block}\n{answer:#}", page.display());
            configs += 1;
        }
    }
    assert!(configs >= 7, "{configs}");
}
