//! What happened, kept: an append-only journal, and the series of raw samples.
//!
//! | module | holds |
//! |---|---|
//! | [`journal`] | `trait Journal`: what every journal promises, and how it may fail |
//! | [`line`] | an event as bytes, and the chain of hashes that ties each line to the one before |
//! | [`memory`] | a journal that is gone when the process is: for tests and the simulator |
//! | [`sqlite`] | the journal of one machine, with `verify`, `dump`, `backup` and `restore` |
//! | [`series`] | raw samples, in a file of their own: they may be lost, events never |
//! | [`notebook`] | what a journal refused, kept until it takes it |
//! | [`contract`] | the suite that every journal passes |
//!
//! An event that was acknowledged is on disk twice over: in the database, and as a high-water mark in a second file.
//! The mark exists because a damaged write-ahead log ends silently at its first bad frame, and the rows behind it are
//! gone without anybody saying so.

pub mod contract;
pub mod journal;
pub mod line;
pub mod memory;
pub mod notebook;
pub mod series;
pub mod sqlite;

pub use journal::{AppendError, Committed, Head, Journal, ReadError};
pub use notebook::{NotWritten, Notebook};
pub use series::Series;
pub use sqlite::{SqliteJournal, backup, dump, restore, verify};
