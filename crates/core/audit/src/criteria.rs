//! The criteria with their checks, one file per subject.

pub(crate) mod backups;
pub(crate) mod capacity;
pub(crate) mod headroom;
pub(crate) mod limits;
pub(crate) mod monitoring;
pub(crate) mod names;
pub(crate) mod on_call;
pub(crate) mod single_points;

use crate::definition::Definition;
use types::Config;
use types::audit::Criterion;
use types::config::Service;

/// All criteria, in the order of reports.
pub fn all() -> impl Iterator<Item = &'static Definition> {
    [
        monitoring::CRITERIA,
        single_points::CRITERIA,
        backups::CRITERIA,
        limits::CRITERIA,
        headroom::CRITERIA,
        capacity::CRITERIA,
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

/// Services that the public reaches.
fn public(config: &Config) -> impl Iterator<Item = &Service> {
    config.services.values().filter(|service| service.public && !service.hosts.is_empty())
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
