//! Turns incidents into pages: schedules, escalations, until a human has answered.
//!
//! Pure: takes `now` and what others decided, returns what happened and what is owed.
//!
//! | module | holds |
//! |---|---|
//! | [`schedule`] | who is on call when |
//! | `wallclock` | local times and turns as instants, gaps and folds included |
//! | [`gaps`](mod@gaps) | the hours in which an alert can reach no human |
//! | `escalation` | whom, then whom next, at an instant |
//! | `climb` | up the escalation by absolute deadlines |
//! | [`line`] | one person: which way is tried next, and when |
//! | [`key`] | the names of attempts |
//! | [`page`] | a page as its journal lines have made it |
//! | `known` | the fold of the journal |
//! | `react` | what the state of the world asks for |
//! | `owed` | the attempts that are due, in flight, ended |
//! | `words` | what people read on their phones |
//!
//! # How silent an open page can be
//!
//! While somebody on the steps climbed can be called, the next attempt begins at most [`line::redial_after`] (60 s within the
//! first ten minutes of a climb, 600 s after three hours) after the one before ended, or [`line::RETRY_AFTER_MAX`] (120 s) when a
//! person's only provider asked us to wait; an attempt without an outcome counts as ended after 60 s. When nobody can, the last
//! resort is tried every [`line::FALLBACK_EVERY`] (300 s), or at that pace where it is slower.
//! What is deliberately absent: a page never gives up, and nothing but a human's answer or the end of the incident stops it.

mod climb;
mod escalation;
pub mod gaps;
pub mod key;
mod known;
pub mod line;
mod owed;
pub mod page;
mod react;
pub mod schedule;
mod wallclock;
mod words;

#[cfg(test)]
mod world;

pub use gaps::{Gap, gaps};
pub use page::{Page, Step};
pub use wallclock::instant;

use std::collections::{BTreeMap, BTreeSet};
use types::{Event, EventKind, PageId, Time};

/// Decides who is woken, and keeps at it.
#[derive(Clone, Debug, Default)]
pub struct OnCall {
    known: known::Known,
    fresh: Fresh,
}

/// What is only true of this process. Losing it costs a second call with the same key, never a page.
#[derive(Clone, Debug, Default)]
struct Fresh {
    in_flight: BTreeMap<types::NotificationKey, owed::Flight>,
    /// Pages that call nobody at the moment, as of the last reaction.
    hushed: BTreeSet<PageId>,
    /// When the first acknowledgement runs out, as of the last reaction.
    acknowledged_until: Option<Time>,
}

impl OnCall {
    /// Takes note of an event. Events about unknown things change nothing.
    pub fn apply(&mut self, event: &Event) {
        if let EventKind::AttemptEnded { outcome, .. } = &event.kind {
            self.fresh.in_flight.remove(&outcome.key);
        }
        self.known.apply(event);
    }

    /// Every open page, and those that ended lately.
    #[must_use]
    pub fn pages(&self) -> &BTreeMap<PageId, Page> {
        &self.known.pages
    }

    /// Open pages that call and have reached nobody since they began to, oldest first.
    pub fn unreached(&self) -> impl Iterator<Item = &Page> {
        let calling = |page: &&Page| page.is_open() && !self.fresh.hushed.contains(&page.id);
        self.known.pages.values().filter(calling).filter(|page| page.is_unreached())
    }

    /// How many attempts ended since the journal began, by channel and by whether a provider accepted them.
    #[must_use]
    pub fn attempts(&self) -> &BTreeMap<(types::ChannelId, bool), u64> {
        &self.known.attempts
    }

    /// Everything folded from events, as text: two folds of one journal give the same.
    #[must_use]
    pub fn known_text(&self) -> String {
        format!("{:?}", self.known)
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod afterwards;

#[cfg(test)]
mod invariants;
