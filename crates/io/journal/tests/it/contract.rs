//! Both journals sign the same contract.

use crate::place;
use journal::memory::MemoryJournal;
use journal::{AppendError, Committed, Journal, SqliteJournal, contract};
use proptest::prelude::*;
use tempfile::TempDir;
use types::Event;

/// A journal that takes its folder away with it.
struct InFolder(
    SqliteJournal,
    #[expect(dead_code, reason = "removed when dropped, after the journal")] TempDir,
);

impl Journal for InFolder {
    fn append(&mut self, expect: u64, events: &[Event]) -> Result<Committed, AppendError> {
        self.0.append(expect, events)
    }
    fn read(&self, after: u64, limit: usize) -> Result<Vec<Event>, journal::ReadError> {
        self.0.read(after, limit)
    }
    fn head(&self) -> Result<journal::Head, journal::ReadError> {
        self.0.head()
    }
}

fn on_disk() -> InFolder {
    let (folder, path) = place();
    InFolder(SqliteJournal::open(path).unwrap(), folder)
}

#[test]
fn memory_keeps_the_contract() {
    contract::all(MemoryJournal::new);
}

#[test]
fn sqlite_keeps_the_contract() {
    contract::all(on_disk);
}

#[test]
fn a_memory_journal_rewinds_into_a_new_epoch() {
    let mut journal = MemoryJournal::new();
    journal.append(0, &contract::events(1, 5)).unwrap();
    journal.rewind(3);
    assert_eq!(journal.head().unwrap(), journal::Head { epoch: 2, seq: 3 });
    assert_eq!(journal.read(0, 9).unwrap(), contract::events(1, 3));
}

#[test]
fn everything_is_there_after_a_restart() {
    let (_folder, path) = place();
    drop(crate::filled(&path, 100));
    let journal = SqliteJournal::open(&path).unwrap();
    assert_eq!(journal.head().unwrap(), journal::Head { epoch: 1, seq: 100 });
    assert_eq!(journal.read(0, 1_000).unwrap(), contract::events(1, 100));
}

/// One append of a random walk: how far the caller is mistaken about the end, and how much it hands over.
fn steps() -> impl Strategy<Value = Vec<(i64, u64, bool)>> {
    prop::collection::vec(
        (prop_oneof![6 => Just(0), 3 => -4..=0_i64, 1 => 1..3_i64], 0..7_u64, any::<bool>()),
        1..25,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is asked of both, they answer alike and hold the same.
    #[test]
    fn disk_and_memory_answer_alike(steps in steps()) {
        let (mut disk, mut memory) = (on_disk(), MemoryJournal::new());
        for (mistake, count, other) in steps {
            let end = memory.head().unwrap().seq;
            let expect = end.saturating_add_signed(mistake);
            let salt = if other { "other" } else { "" };
            let events: Vec<Event> = (expect + 1..=expect + count).map(|seq| contract::event(seq, salt)).collect();
            prop_assert_eq!(disk.append(expect, &events), memory.append(expect, &events));
            prop_assert_eq!(disk.head(), memory.head());
            prop_assert_eq!(disk.read(expect, 5), memory.read(expect, 5));
        }
        prop_assert_eq!(disk.read(0, 1_000), memory.read(0, 1_000));
    }
}
