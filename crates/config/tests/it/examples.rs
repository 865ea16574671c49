//! Every plan of the examples folder is sound as it stands.

use std::path::Path;

#[test]
fn every_example_is_sound_and_warns_of_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        count += 1;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        match config::read(&text, &name, &folder) {
            Ok(read) => assert!(read.warnings.is_empty(), "{name}: {:?}", read.warnings),
            Err(problems) => panic!("{problems}"),
        }
    }
    assert!(count >= 3, "{count} examples in {}", folder.display());
}
