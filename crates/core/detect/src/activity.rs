//! Whether a server works: a replica of a database, a member of a pool.

use std::time::Duration;
use types::Time;
use types::time::between;

/// Time without work after which a server is idle, and time with work after which it is not: a single request is no reason
/// to say that it works.
const IDLE_FOR: Duration = Duration::from_secs(10);
const BUSY_FOR: Duration = Duration::from_secs(10);

/// Whether a server works.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Activity {
    /// Since when it has had no work, short interruptions aside.
    without_work: Option<Time>,
    /// Since when it has had work.
    with_work: Option<Time>,
}

impl Activity {
    /// Takes note of the time since `before`.
    pub(crate) fn note(&mut self, has_work: bool, before: Time, now: Time) {
        if !has_work {
            self.without_work.get_or_insert(before);
            self.with_work = None;
        } else if between(*self.with_work.get_or_insert(now), now) >= BUSY_FOR {
            self.without_work = None;
        }
    }

    /// Whether it has no work, for however short.
    pub(crate) fn is_without_work(&self) -> bool {
        self.without_work.is_some()
    }

    /// Since when it has had no work, once that has lasted.
    pub(crate) fn idle_since(&self, now: Time) -> Option<Time> {
        self.without_work.filter(|since| between(*since, now) >= IDLE_FOR)
    }
}
