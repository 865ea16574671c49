//! Answers in, alerts out.
#![allow(unreachable_pub, clippy::unwrap_used)] // a test binary exports nothing, and may fail loudly

mod certificates;
mod counting;
mod crash_loops;
mod creeping;
mod databases;
mod edge;
mod external_pools;
mod fixture;
#[allow(dead_code, reason = "tests of the methods use the rest")]
#[path = "../../../statistics/tests/it/generated.rs"]
mod generated;
mod heartbeats;
mod invariants;
mod isolation;
mod names;
mod parts;
mod pools;
mod registrations;
mod slowness;
mod speed;
mod story;
mod surges;
mod ups;
