//! The journal on real disks, with everything that can befall them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may fail aloud as well"
)]

mod contract;
mod copies;
mod damage;
mod disk;
mod kill;
mod locking;
mod rate;
mod series;

use journal::{Journal as _, SqliteJournal};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder of its own, and where the journal goes in it.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    (folder, path)
}

/// A journal with events 1 to `count`, appended in threes.
fn filled(path: &Path, count: u64) -> SqliteJournal {
    let mut journal = SqliteJournal::open(path).unwrap();
    let mut seq = 0;
    while seq < count {
        let to = (seq + 3).min(count);
        seq = journal.append(seq, &journal::contract::events(seq + 1, to)).unwrap().head.seq;
    }
    journal
}
