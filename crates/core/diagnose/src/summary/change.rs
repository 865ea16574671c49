//! The nearest change before the onset of an incident: the strongest hint at its cause, and no more than a hint.

use super::Facts;
use super::text::rounded;
use crate::impact::is_independent;
use crate::state::Case;
use std::collections::BTreeSet;
use std::time::Duration;
use text::truncate;
use types::change::Concerned;
use types::time::between;
use types::{Change, Context, Kind, Resource, Time};

/// Time before an onset in which a change is named.
const WINDOW: Duration = Duration::from_secs(2 * 3_600);
/// Maximum length of its name in a summary, in bytes.
const NAME_MAX: usize = 80;

/// A change and the onset after it.
#[derive(Clone, Copy)]
pub(crate) struct NearestChange<'a> {
    change: &'a Change,
    onset: Time,
}

impl<'a> NearestChange<'a> {
    /// The nearest change before the onset of some failures: one of an affected service, of the cause or of what they
    /// depend on; else one that does not say what it concerns. `None` for a coming expiry date, and for registrations, which no
    /// deploy changes.
    pub(crate) fn find(
        context: &Context<'a>,
        cause: &Resource,
        cases: &[&Case],
        affected: &BTreeSet<Resource>,
    ) -> Option<Self> {
        if context.changes.is_empty() || matches!(cause.kind, Kind::Domain | Kind::Mainstay) {
            return None;
        }
        let onset = cases
            .iter()
            .filter(|case| !is_independent(&case.alert.fault))
            .map(|case| case.alert.since)
            .min()?;
        let before = context.changes.values().map(|recorded| &recorded.change);
        let before: Vec<&Change> =
            before.filter(|change| change.at <= onset && between(change.at, onset) <= WINDOW).collect();
        if before.is_empty() {
            return None;
        }
        let concerned = Concerned::new(&context.config.graph, cause, affected);
        let near = before
            .into_iter()
            .filter_map(|change| Some((change.nearness(&concerned)?, change)))
            .min_by_key(|(nearness, change)| (*nearness, std::cmp::Reverse((change.at, change.id))));
        near.map(|(_, change)| Self { change, onset })
    }
}

impl Facts<'_> {
    /// The nearest change as a clause; empty without one.
    pub(super) fn after_change(&self) -> String {
        let Some(NearestChange { change, onset }) = self.change else { return String::new() };
        let name = truncate::bytes(&change.name(), NAME_MAX);
        let after = rounded(between(change.at, onset));
        format!("; it began {after} after \"{name}\" (a hint, not a proven cause)")
    }
}
