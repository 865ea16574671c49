//! What holds the page of an incident.

use crate::{KnownSilence, ScheduledMaintenance};

/// What holds the page of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBy<'a> {
    /// A maintenance explains it.
    Maintenance(&'a ScheduledMaintenance),
    /// A silence covers it.
    Silence(&'a KnownSilence),
}
