//! A world in a box: the engine against virtual time, a journal that fails and crashes, phones nobody answers.
//!
//! Everything follows from one seed. A run either ends or names the first invariant that broke, with the second at
//! which it did, so that the same seed shows it again.
//!
//! | module | holds |
//! |---|---|
//! | [`world`] | what is truly so: which names are well, and since when |
//! | [`traffic`] | what the edge counts in that world |
//! | [`phones`] | providers that fail and people who answer, or do not |
//! | [`clocks`] | a wall clock that jumps, suspension, reboots |
//! | [`disk`] | a journal that refuses, hangs and loses its process |
//! | [`run`] | the loop in virtual time |
//! | [`invariants`] | what must hold at every step |

pub mod clocks;
pub mod disk;
pub mod invariants;
pub mod phones;
pub mod run;
pub mod traffic;
pub mod world;

pub use run::{CONFIG, Record, Report, Run, Settings};
