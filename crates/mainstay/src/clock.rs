//! The one place in the house that asks what time it is.

use model::Time;

/// The time now. Where a test or a drill needs another clock, it is handed in instead.
#[must_use]
pub(crate) fn now() -> Time {
    Time::now()
}
