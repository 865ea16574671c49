//! `mainstay export DIR`: the status page as plain files.

use crate::cli::{Common, Failure, config, table};
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(common: &Common, folder: &Path) -> Result<ExitCode, Failure> {
    let status_page = config::data(&common.config)?.join("status_page");
    if !status_page.is_dir() {
        return Err(Failure::no("there is no status page yet")
            .hint("`mainstay run` writes it after its first probes"));
    }
    let files =
        copy(&status_page, folder).map_err(|why| Failure::no(format!("{}: {why}", folder.display())))?;
    if common.json {
        table::json(&serde_json::json!({ "folder": folder, "files": files }))?;
    } else {
        table::say(&format!("{files} files of the status page are in {}", folder.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Copies a folder of a few dozen files, two levels deep; does not follow links. Returns the number of files.
fn copy(from: &Path, to: &Path) -> io::Result<usize> {
    fs::create_dir_all(to)?;
    let mut files = 0;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            files += copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            // Not `fs::copy`, which copies permissions: the source is readable by mainstay alone, the export by all
            // users.
            io::copy(&mut fs::File::open(entry.path())?, &mut fs::File::create(target)?)?;
            files += 1;
        }
    }
    Ok(files)
}
