//! Fixtures that the tests of several crates share. A dev-dependency only.
//!
//! A function returns the plainest value of its kind; a test replaces what matters to it by struct update:
//! `Service { public: false, ..config::service("api") }`.
//!
//! | module | contents |
//! |---|---|
//! | [`config`] | configurations: from text, or part by part |
//! | [`edge`] | the edge, pools, traffic policies; roll-ups |
//! | [`incident`] | alerts, diagnoses, incidents, and the events of an incident |
//! | [`journal`] | a journal that folds alerts and incidents as the engine does |
//! | [`probe`] | probe results and answers |
//! | [`time`] | instants and durations in one word |

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]

pub mod config;
pub mod edge;
pub mod incident;
pub mod journal;
pub mod probe;
pub mod time;
