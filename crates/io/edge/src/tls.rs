//! TLS both ways: the certificates that clients see, and the ones that servers must show.

pub(crate) mod certificates;
pub(crate) mod outward;
