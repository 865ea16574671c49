//! Answers in, findings out.
#![allow(unreachable_pub)] // a test binary exports nothing

mod blindness;
mod certificates;
mod counting;
mod invariants;
mod names;
mod registrations;
mod story;
mod world;
