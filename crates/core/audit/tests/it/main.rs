//! Companies that are audited.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]

mod companies;
mod exceptions;
mod fixture;
mod outages;
mod proof;
