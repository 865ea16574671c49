//! A criterion: name, usual level, reason, how it is checked, remedy.

use crate::Audited;
use crate::found::Found;
use types::audit::{Criterion, Level};

/// A criterion with its check.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its name.
    pub criterion: Criterion,
    /// Its usual level; the configuration may change it.
    pub level: Level,
    /// What is demanded, in one line.
    pub title: &'static str,
    /// The reason, with a public outage that it would have prevented or shortened.
    pub why: &'static str,
    /// How it is checked, and from what.
    pub how: &'static str,
    /// The remedy.
    pub remedy: &'static str,
    /// The check.
    pub(crate) check: fn(&Audited<'_>, &mut Found),
}

/// The page of a criterion, as Markdown.
#[must_use]
pub fn page(definition: &Definition) -> String {
    let Definition { criterion, level, title, why, how, remedy, .. } = definition;
    format!(
        "# {criterion}\n\n{title}.\n\n| | |\n|---|---|\n| usual level | `{}` |\n\n## Why\n\n{why}\n\n## How it is checked\n\n\
         {how}\n\n## Remedy\n\n{remedy}\n",
        level.as_str()
    )
}
