//! Alerts in, incidents out.
#![allow(unreachable_pub, clippy::unwrap_used)] // a test binary exports nothing, and may fail loudly

mod causes;
mod colocation;
mod databases;
mod fixture;
mod folding;
mod invariants;
mod location;
mod speed;
mod story;
mod summaries;
mod traffic;
