//! The criteria: name, usual level, reason, how each is checked and mended.

use crate::Audited;
use crate::criteria::{backups, limits, monitoring, names, on_call, single_points};
use crate::report::Found;
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
    /// How it is mended.
    pub mend: &'static str,
    /// The check.
    pub(crate) check: fn(&Audited<'_>, &mut Found),
}

/// All criteria, in the order of reports.
pub fn all() -> impl Iterator<Item = &'static Definition> {
    [
        monitoring::CRITERIA,
        single_points::CRITERIA,
        backups::CRITERIA,
        limits::CRITERIA,
        names::CRITERIA,
        on_call::CRITERIA,
    ]
    .into_iter()
    .flatten()
}

/// The definition of a criterion. Each has one; a test sees to that.
#[must_use]
pub fn definition(criterion: Criterion) -> Option<&'static Definition> {
    all().find(|definition| definition.criterion == criterion)
}

/// The page of a criterion, as Markdown.
#[must_use]
pub fn page(definition: &Definition) -> String {
    let Definition { criterion, level, title, why, how, mend, .. } = definition;
    format!(
        "# {criterion}\n\n{title}.\n\n| | |\n|---|---|\n| usual level | `{}` |\n\n## Why\n\n{why}\n\n## How it is checked\n\n\
         {how}\n\n## How to mend it\n\n{mend}\n",
        level.as_str()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_criterion_is_defined_once() {
        let defined: Vec<Criterion> = all().map(|definition| definition.criterion).collect();
        assert_eq!(defined.len(), Criterion::ALL.len());
        assert_eq!(defined.iter().collect::<BTreeSet<_>>(), Criterion::ALL.iter().collect());
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for criterion in Criterion::ALL {
            assert_eq!(criterion.as_str().parse(), Ok(*criterion));
        }
    }
}
