//! Findings in, incidents out.
#![allow(unreachable_pub, clippy::unwrap_used)] // a test binary exports nothing, and may fail loudly

mod causes;
mod folding;
mod invariants;
mod one_event;
mod sentences;
mod speed;
mod story;
mod traffic;
mod world;
