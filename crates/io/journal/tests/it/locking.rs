//! One writer, many readers, and a disk that does not answer.

use crate::{filled, place};
use journal::sqlite::OpenError;
use journal::{AppendError, Journal as _, SqliteJournal, contract, dump, verify};
use rusqlite::{Connection, TransactionBehavior};
use std::time::{Duration, Instant};

#[test]
fn second_opener_gets_an_error_with_the_first() {
    let (_folder, path) = place();
    let journal = filled(&path, 3);
    let refusal = SqliteJournal::open(&path).unwrap_err();
    assert_eq!(refusal, OpenError::Locked { path: path.clone(), owner: std::process::id().to_string() });
    assert!(refusal.to_string().contains(&format!("in use by process {}", std::process::id())), "{refusal}");
    drop(journal);
    SqliteJournal::open(&path).unwrap();
}

#[test]
fn it_can_be_read_from_outside_while_it_is_written() {
    let (_folder, path) = place();
    let mut journal = filled(&path, 10);
    assert_eq!(verify(&path).unwrap().events, 10);
    let mut lines = dump(&path, 4).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), contract::event(5, ""));
    journal.append(10, &contract::events(11, 20)).unwrap();
    assert_eq!(verify(&path).unwrap().events, 20);
    assert_eq!(lines.count(), 5);
    assert_eq!(dump(&path, 15).unwrap().count(), 5);
}

#[test]
fn a_stalled_disk_does_not_hold_up_the_caller_and_nothing_is_written_twice() {
    let (_folder, path) = place();
    let mut journal = filled(&path, 2);
    let mut other = Connection::open(&path).unwrap();
    let stall = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let begun = Instant::now();
    assert_eq!(journal.append(2, &contract::events(3, 4)), Err(AppendError::Unknown));
    assert_eq!(journal.append(2, &contract::events(3, 5)), Err(AppendError::Unknown));
    assert!(begun.elapsed() < Duration::from_secs(25), "the writer itself would wait for half a minute");
    assert_eq!(journal.head().unwrap().seq, 2);
    assert_eq!(journal.read(0, 9).unwrap().len(), 2, "reading goes on");
    drop(stall);
    let deadline = Instant::now() + Duration::from_secs(60);
    let committed = loop {
        match journal.append(2, &contract::events(3, 6)) {
            Err(AppendError::Unknown) if Instant::now() < deadline => {}
            other => break other,
        }
    };
    assert_eq!(committed.unwrap().head.seq, 6);
    assert_eq!(journal.read(0, 9).unwrap(), contract::events(1, 6));
    assert_eq!(verify(&path).unwrap().events, 6);
}
