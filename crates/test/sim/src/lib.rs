//! Simulation: the engine in virtual time, with a journal that fails, crashes, and providers and people that do not
//! answer.
//!
//! Everything follows from one seed. A run either ends or names the first invariant that broke, with the second at
//! which it did, so that the same seed shows it again.
//!
//! | module | holds |
//! |---|---|
//! | [`world`] | the true state: outages and their times |
//! | [`traffic`] | roll-ups of the edge in that world |
//! | [`phones`] | providers that fail, people who answer or do not |
//! | [`clocks`] | a wall clock that jumps, suspension, reboots |
//! | [`disk`] | a journal that refuses writes or does not confirm them |
//! | [`run`] | the loop in virtual time |
//! | [`month`] | an ordinary month of a pool before a database |
//! | [`invariants`] | invariants that are checked at every step |

pub mod clocks;
pub mod disk;
pub mod invariants;
pub mod month;
pub mod phones;
pub mod run;
pub mod traffic;
pub mod world;

pub use run::{CONFIG, Record, Report, Run, Settings};
