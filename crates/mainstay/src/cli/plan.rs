//! Reads the plan for a command, with every problem told at once.

use crate::cli::Failure;
use config::Read;
use model::Plan;
use std::path::{Path, PathBuf};

/// Reads a plan that must be sound. Warnings go to standard error.
///
/// # Errors
/// [`Failure`] with exit code 2 that names every problem with line, column and hint.
#[allow(clippy::print_stderr, reason = "a command line speaks to its user")]
pub(crate) fn read(path: &Path, json: bool) -> Result<Plan, Failure> {
    let Read { plan, warnings } = read_with_warnings(path)?;
    if !json {
        for warning in &warnings {
            eprintln!("warning: {warning}");
        }
    }
    Ok(plan)
}

/// The same, handing the warnings over.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_with_warnings(path: &Path) -> Result<Read, Failure> {
    let text = std::fs::read_to_string(path).map_err(|why| {
        Failure::wrong(format!("{}: {why}", path.display()))
            .hint("--plan FILE names another plan; `mainstay demo` needs none")
    })?;
    let name = path.display().to_string();
    config::read(&text, &name, &folder(path)).map_err(|problems| {
        let rendered = format!("{:?}", miette::Report::new(problems));
        Failure::wrong(rendered.trim_end())
    })
}

/// The folder that relative paths in the plan start from.
pub(crate) fn folder(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
