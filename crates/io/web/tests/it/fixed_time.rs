//! The time of all fixed views.

use types::Time;

/// Time of the views.
pub(crate) const NOW: &str = "2026-11-22T04:21:09Z";

/// An instant.
pub(crate) fn at(text: &str) -> Time {
    text.parse().unwrap()
}
