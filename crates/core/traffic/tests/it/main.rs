//! Whole surges in virtual time, random histories, and everything that needs more than one part.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail aloud as well"
)]

mod fixture;
mod histories;
mod limits;
mod onset;
mod open_histories;
mod ordinary;
mod pools;
mod reconnects;
mod refusals;
mod sign_in;
mod surge;
