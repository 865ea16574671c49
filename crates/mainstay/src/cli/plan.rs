//! Reads the plan for a command, with every problem told at once.

use crate::cli::Failure;
use config::Read;
use miette::Diagnostic;
use model::Plan;
use std::fmt;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Reads a plan that must be sound. Warnings go to standard error.
///
/// # Errors
/// [`Failure`] with exit code 2 that names every problem with line, column and hint.
#[allow(clippy::print_stderr, reason = "a command line speaks to its user")]
pub(crate) fn read(path: &Path, json: bool) -> Result<Plan, Failure> {
    let Read { plan, warnings, .. } = read_with_warnings(path)?;
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

/// Colour and curves on a terminal only.
fn theme() -> miette::GraphicalTheme {
    let plain = !std::io::stderr().is_terminal() || std::env::var_os("NO_COLOR").is_some();
    if plain { miette::GraphicalTheme::unicode_nocolor() } else { miette::GraphicalTheme::unicode() }
}

/// All problems of a plan under one heading.
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

/// The folder that relative paths in the plan start from.
pub(crate) fn folder(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
