//! The append-only journal of events, and the stored samples of probes.
//!
//! | module | has |
//! |---|---|
//! | [`journal`] | `trait Journal`: the promises of every journal and its errors |
//! | [`record`] | an event as bytes, and the hash chain over them |
//! | [`memory`] | a journal in memory, for tests and the simulation |
//! | [`sqlite`] | the journal of one machine, with `verify`, `dump`, `backup` and `restore` |
//! | [`series`] | stored samples in a second file, which may lose data; the journal may not |
//! | [`pending_writes`] | events that a journal refused, kept until it accepts them |
//! | [`contract`] | the test suite that every journal passes |
//!
//! An acknowledged event is on disk in two places: in the database, and as a high-water mark in a second file. SQLite
//! ends a damaged write-ahead log silently at its first bad frame; without the mark the loss of the events behind it
//! would go unnoticed.

pub mod contract;
pub mod journal;
pub mod memory;
pub mod pending_writes;
pub mod record;
pub mod series;
pub mod sqlite;

pub use journal::{AppendError, Committed, Head, Journal, ReadError};
pub use pending_writes::{NotWritten, PendingWrites};
pub use series::Series;
pub use sqlite::{SqliteJournal, backup, dump, restore, verify};
