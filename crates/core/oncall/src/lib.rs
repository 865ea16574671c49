//! On-call paging: turns incidents into pages and notices, and repeats pages until a human acknowledges the incident.
//!
//! Sans-I/O: the time, the configuration and the incidents are arguments; events and notifications are returned.
//!
//! | module | content |
//! |---|---|
//! | [`schedule`] | shifts: the people on call; local times as instants |
//! | [`gaps`](mod@gaps) | the hours in which an alert cannot reach any human |
//! | `escalation` | the route of an incident, and its steps by absolute deadlines |
//! | [`queue`] | delivery queue of one recipient: the next contact and its time; keys of attempts |
//! | [`page`] | a page and its steps |
//! | `notice` | notices, which wake no one |
//! | `maintenance` | notices to the team about maintenances |
//! | `hourly` | the line to the team each hour of an open incident |
//! | `team` | notices to the team as a whole: the digest, alerts without an incident |
//! | `recent` | what they are about besides incidents, folded from the journal |
//! | `promise` | the notice that a promised update of the status page is due |
//! | `state` | the fold of the journal |
//! | `volatile` | state of this process only |
//! | `pause` | pauses: acknowledged, or waiting for the morning |
//! | `react` | the events that follow from the incidents |
//! | `attempts` | attempts that are due, in flight, ended |
//! | `text` | titles and bodies of notifications |
//!
//! # Longest silence of an open page
//!
//! While anybody on the steps reached so far can be paged, the next attempt begins at most [`queue::repeat_interval`]
//! (60 s in the first ten minutes of a run, 600 s after three hours) after the one before ended, or
//! [`queue::RETRY_AFTER_MAX`] (120 s) when the only provider of a person asked for a delay. An attempt without a
//! delivery result counts as ended after 60 s. When no one can be paged, the fallback contacts are tried every
//! [`queue::FALLBACK_INTERVAL`] (300 s), or at the repeat interval where that is longer. A page has no maximum number
//! of attempts: only an acknowledgement or the end of the incident stops it.

mod attempts;
mod escalation;
pub mod gaps;
mod hourly;
mod maintenance;
mod notice;
pub mod page;
mod pause;
mod promise;
pub mod queue;
mod react;
mod recent;
pub mod schedule;
mod state;
mod team;
mod text;
mod volatile;

pub use gaps::{Gap, gaps};
pub use page::{FailedAttempt, Page, Step};
pub use schedule::instant;

use std::collections::BTreeMap;
use types::{Event, EventKind, PageId};

/// Open pages and queued notices, and the rules that change them.
#[derive(Clone, Debug, Default)]
pub struct OnCall {
    state: state::State,
    volatile: volatile::Volatile,
}

impl OnCall {
    /// Folds an event into the state. Events about unknown pages and incidents change nothing.
    pub fn apply(&mut self, event: &Event) {
        if let EventKind::AttemptEnded { delivery, .. } = &event.kind {
            self.volatile.in_flight.remove(&delivery.key);
        }
        self.state.apply(event);
    }

    /// All open pages, and the most recent closed ones.
    #[must_use]
    pub fn pages(&self) -> &BTreeMap<PageId, Page> {
        &self.state.pages
    }

    /// Open pages that are sent now and have reached no one since their run began, oldest first.
    pub fn unreached(&self) -> impl Iterator<Item = &Page> {
        let is_active = |page: &&Page| page.is_open() && !self.volatile.paused.contains(&page.id);
        self.state.pages.values().filter(is_active).filter(|page| page.is_unreached())
    }

    /// Number of attempts that ended since the journal began, by channel and by acceptance.
    #[must_use]
    pub fn attempts(&self) -> &BTreeMap<(types::ChannelId, bool), u64> {
        &self.state.attempts
    }

    /// The state as text: two folds of the same journal give the same text.
    #[must_use]
    pub fn state_text(&self) -> String {
        format!("{:?}", self.state)
    }
}

#[cfg(test)]
mod tests;
