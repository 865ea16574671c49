//! Tests of the crate through the interface that the engine uses.

mod attempts;
mod escalation;
mod fixture;
mod gaps;
mod invariants;
mod notices;
mod paging;
mod phones;
mod team;
