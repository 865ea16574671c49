//! Findings in, incidents out.
#![allow(unreachable_pub)] // a test binary exports nothing

mod causes;
mod folding;
mod invariants;
mod sentences;
mod story;
mod world;
