//! Answers in, alerts out.
#![allow(unreachable_pub, clippy::unwrap_used)] // a test binary exports nothing, and may fail loudly

mod blindness;
mod certificates;
mod counting;
mod edge;
mod invariants;
mod names;
mod parts;
mod pools;
mod registrations;
mod speed;
mod story;
mod surges;
mod world;
