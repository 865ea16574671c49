//! Clauses for a location of which nearly everything fails.

use super::{Facts, Tense, clock};
use crate::location::{is_silent, member, size};
use std::collections::BTreeSet;
use types::{Kind, Resource};

impl Facts<'_> {
    /// `everything in rack A is down since 08:29 (7 of 7 hosts), by its power or its network`.
    pub(super) fn at_location(&self, tense: Tense) -> String {
        let location = self.cause.name.as_str();
        let cases = move || {
            let there = move |about: &Resource| crate::location::of(self.config, about) == Some(location);
            self.cases.iter().filter(move |case| is_silent(&case.alert) && there(&case.alert.about))
        };
        let members = move |only_open: bool| -> BTreeSet<Resource> {
            let cases = cases().filter(|case| !only_open || case.closed.is_none());
            cases.map(|case| member(&case.alert.about)).collect()
        };
        let (ever, down, all) = (members(false), members(true), size(self.config, location));
        let what = if ever.iter().all(|member| member.kind == Kind::Host) { " hosts" } else { "" };
        let whole = |count: usize| if count >= all { "everything" } else { "nearly everything" };
        let since = cases().map(|case| case.alert.since).min().unwrap_or(self.now);
        let since = clock(since, &self.zoned(self.now));
        match tense {
            Tense::Was => {
                format!("{} in {location} was down ({} of {all}{what})", whole(ever.len()), ever.len())
            }
            Tense::Is if down.len() < ever.len() => {
                let (down, was) = (down.len(), ever.len());
                format!(
                    "{location} is recovering: {down} of {all}{what} still down, {was} were since {since}"
                )
            }
            Tense::Is => format!(
                "{} in {location} is down since {since} ({} of {all}{what}): its power or its network",
                whole(down.len()),
                down.len()
            ),
        }
    }
}
