//! What the documentation says is so: its configurations are sound, its generated pages are what the program prints.

use crate::instance::{Instance, Web};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap().to_owned()
}

/// Compares a generated page with what stands in the repository; writes it there under `BLESS=1`.
pub(crate) fn same(path: &str, printed: &[u8]) {
    let path = root().join(path);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, printed).unwrap();
    }
    let kept = fs::read(&path).unwrap_or_default();
    assert!(kept == printed, "{} is not what the program prints: cargo xtask bless", path.display());
}

#[test]
fn the_reference_is_what_the_program_knows() {
    let instance = Instance::watching(&Web::start());
    same("docs/reference/configuration.md", &instance.command(&["schema", "--reference"]).stdout);
    same("docs/reference/mainstay.schema.json", &instance.command(&["schema"]).stdout);
}

#[test]
fn every_whole_config_in_the_documentation_is_sound() {
    let guides = fs::read_dir(root().join("docs/guides")).unwrap().map(|entry| entry.unwrap().path());
    let pages: Vec<PathBuf> = guides.chain([root().join("README.md")]).collect();
    let mut configs = 0;
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for block in text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let instance = Instance::watching(&Web::start());
            // A fragment shows one setting; `trust` names a file that a reader has and we have not.
            instance.write_config(block);
            let answer = instance.json(&["check"]);
            assert_eq!(answer["error"], serde_json::Value::Null, "{}:\n{block}\n{answer:#}", page.display());
            configs += 1;
        }
    }
    assert!(configs >= 7, "{configs}");
}
