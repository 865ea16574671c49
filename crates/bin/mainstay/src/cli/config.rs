//! Reads the configuration for a command, with every problem told at once.

use crate::cli::{Failure, table};
use config::Read;
use miette::Diagnostic;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use types::Config;

/// Where an installation is, and what is wrong with its configuration.
pub(crate) struct Place {
    /// Its data folder.
    pub data: PathBuf,
    /// Why the configuration cannot be started with, as it is now.
    pub unsound: Option<Failure>,
}

/// Finds the data folder of an installation for a command that needs no more of its configuration: somebody may be editing it.
pub(crate) fn place(path: &Path) -> Place {
    match read_with_warnings(path) {
        Ok(read) => Place { data: read.config.site.data, unsound: None },
        Err(unsound) => {
            // What cannot be read at all names no folder; the default one is looked for then.
            let text = std::fs::read(path).unwrap_or_default();
            let data = config::data_folder(&String::from_utf8_lossy(&text), &folder(path));
            Place { data, unsound: Some(unsound) }
        }
    }
}

/// The data folder, which must be there.
///
/// # Errors
/// The configuration's mistakes, or that there is no such folder.
pub(crate) fn data(path: &Path) -> Result<PathBuf, Failure> {
    let Place { data, unsound } = place(path);
    match unsound {
        Some(unsound) if !data.is_dir() => Err(unsound),
        _ => Ok(data),
    }
}

/// Reads a configuration that must be sound. Warnings go to standard error.
///
/// # Errors
/// [`Failure`] with exit code 2 that names every problem with line, column and hint.
pub(crate) fn read(path: &Path, json: bool) -> Result<Config, Failure> {
    let Read { config, warnings, .. } = read_with_warnings(path)?;
    if !json {
        for warning in &warnings {
            table::warn(&format!("warning: {warning}"));
        }
    }
    Ok(config)
}

/// The same, handing the warnings over.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_with_warnings(path: &Path) -> Result<Read, Failure> {
    let text = text(path)?;
    let name = path.display().to_string();
    config::read(&text, &name, &folder(path)).map_err(|problems| {
        let list = problems.iter().map(|problem| {
            serde_json::json!({
                "line": problem.line, "column": problem.column, "message": problem.message, "hint": problem.hint
            })
        });
        let list = serde_json::Value::Array(list.collect());
        let mut drawn = String::new();
        let mistakes = Mistakes { path: name, problems };
        let handler = miette::GraphicalReportHandler::new_themed(theme()).with_width(80);
        if handler.render_report(&mut drawn, &mistakes).is_err() {
            drawn = mistakes.problems.to_string();
        }
        Failure::wrong(drawn.trim()).details("problems", list)
    })
}

/// Reads the text of a configuration.
///
/// # Errors
/// [`Failure`] with exit code 2 and a hint.
pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|why| {
        let hint = match why.kind() {
            io::ErrorKind::IsADirectory => "--config names a file, not the folder that it is in",
            io::ErrorKind::InvalidData => "a configuration is text in UTF-8",
            io::ErrorKind::PermissionDenied => "run the command as a user who may read it",
            _ => "--config FILE names another configuration; `mainstay demo` needs none",
        };
        Failure::wrong(format!("{}: {why}", path.display())).hint(hint)
    })
}

/// Colour and curves on a terminal only.
fn theme() -> miette::GraphicalTheme {
    if table::is_tinted(&std::io::stderr()) {
        miette::GraphicalTheme::unicode()
    } else {
        miette::GraphicalTheme::unicode_nocolor()
    }
}

/// All problems of a configuration under one heading.
#[derive(Debug)]
struct Mistakes {
    path: String,
    problems: config::Problems,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        let word = if count == 1 { "mistake" } else { "mistakes" };
        write!(f, "{} has {count} {word}; nothing was started or changed", self.path)
    }
}

impl std::error::Error for Mistakes {}

impl Diagnostic for Mistakes {
    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.problems.source_code()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        self.problems.related()
    }
}

/// The folder that relative paths in the configuration start from.
pub(crate) fn folder(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
