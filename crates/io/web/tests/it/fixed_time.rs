//! The time of all fixed views.

pub(crate) use testkit::time::at;

/// Time of the views.
pub(crate) const NOW: &str = "2026-11-22T04:21:09Z";
