//! Reads the configuration for a command; all problems are reported together.

use crate::app::config_path;
use crate::cli::{Failure, table};
use config::Read;
use miette::Diagnostic;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use types::Config;

/// The data folder of an installation, and the problems of its configuration.
pub(crate) struct Installation {
    /// The data folder.
    pub data: PathBuf,
    /// Why the configuration is not valid as it is now.
    pub problem: Option<Failure>,
}

/// Finds the data folder for a command that needs nothing else of the configuration, which may be incomplete while it
/// is edited.
pub(crate) fn installation(path: &Path) -> Installation {
    match read_with_warnings(path) {
        Ok(read) => Installation { data: read.config.site.data, problem: None },
        Err(problem) => {
            // A file that cannot be read names no folder; the default is used then.
            let text = std::fs::read(path).unwrap_or_default();
            let data = config::data_folder(&String::from_utf8_lossy(&text), &config_path::folder(path));
            Installation { data, problem: Some(problem) }
        }
    }
}

/// The data folder, when the configuration is valid or the folder exists.
///
/// # Errors
/// The problems of the configuration.
pub(crate) fn data(path: &Path) -> Result<PathBuf, Failure> {
    let Installation { data, problem } = installation(path);
    match problem {
        Some(problem) if !data.is_dir() => Err(problem),
        _ => Ok(data),
    }
}

/// Reads a configuration that must be valid. Warnings go to standard error.
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

/// As [`read`], returning the warnings.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_with_warnings(path: &Path) -> Result<Read, Failure> {
    let text = text(path)?;
    let name = path.display().to_string();
    config::read(&text, &name, &config_path::folder(path)).map_err(|problems| {
        let list = problems.iter().map(|problem| {
            serde_json::json!({
                "line": problem.line, "column": problem.column, "message": problem.message, "hint": problem.hint
            })
        });
        let list = serde_json::Value::Array(list.collect());
        let mut drawn = String::new();
        let report = ConfigReport { path: name, problems };
        let handler = miette::GraphicalReportHandler::new_themed(theme()).with_width(80);
        if handler.render_report(&mut drawn, &report).is_err() {
            drawn = report.problems.to_string();
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
            _ => "--config PATH names another configuration file",
        };
        Failure::wrong(format!("{}: {why}", path.display())).hint(hint)
    })
}

/// Colour on a terminal only.
fn theme() -> miette::GraphicalTheme {
    if table::is_tinted(&std::io::stderr()) {
        miette::GraphicalTheme::unicode()
    } else {
        miette::GraphicalTheme::unicode_nocolor()
    }
}

/// All problems of a configuration under one heading.
#[derive(Debug)]
struct ConfigReport {
    path: String,
    problems: config::Problems,
}

impl fmt::Display for ConfigReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        let word = if count == 1 { "problem" } else { "problems" };
        write!(f, "{} has {count} {word}; nothing was started or changed", self.path)
    }
}

impl std::error::Error for ConfigReport {}

impl Diagnostic for ConfigReport {
    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.problems.source_code()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        self.problems.related()
    }
}
