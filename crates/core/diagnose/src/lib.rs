//! Turns alerts into incidents: one cause, what it affects, what it does not.
//!
//! | module | holds |
//! |---|---|
//! | [`Diagnose`] | the thinker: alerts in, incidents out |
//! | `cause` | the deepest broken thing that explains an alert |
//! | `event` | one event at one place: the same fault at the same address or behind the same alias |
//! | `traffic` | what follows from what the edge sees: a surge explains what gives way beneath it |
//! | `place` | where things stand in the graph, walked once for a configuration |
//! | `settle` | what is looked at before an incident opens, and how long that may take |
//! | `scope` | which services and names fail, which are well |
//! | `mend` | when it is truly over |
//! | `summary` | the cause, and the end, in one plain sentence |
//! | `known` | the fold of the journal |
//!
//! Pure: takes `now`, asks nobody. Alerts that only note something never open an incident; those that warn open one that
//! wakes nobody.

mod cause;
mod diagnose;
mod event;
mod known;
mod mend;
mod place;
mod scope;
mod settle;
mod summary;
mod traffic;

pub use diagnose::{Diagnose, Seen};
