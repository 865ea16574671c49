//! Bits flip, files are cut, rows vanish: it is noticed, or it changed nothing.

use crate::{filled, place};
use journal::sqlite::OpenError;
use journal::{Head, Journal as _, ReadError, SqliteJournal, contract, dump, verify};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::path::Path;

const FILES: [&str; 3] = ["journal.db", "journal.db-wal", "journal.mark"];

/// Files of a journal as a power cut leaves them: the newest lines in the write-ahead log, the others in the database.
fn as_left(rows: u64) -> Vec<(&'static str, Vec<u8>)> {
    let (folder, path) = place();
    drop(filled(&path, rows / 2));
    let mut journal = SqliteJournal::open(&path).unwrap();
    for seq in rows / 2..rows {
        journal.append(seq, &[contract::event(seq + 1, "")]).unwrap();
    }
    let files: Vec<_> =
        FILES.iter().map(|&name| (name, std::fs::read(folder.path().join(name)).unwrap())).collect();
    assert!(files.iter().all(|(_, bytes)| bytes.len() >= 4096), "the log is in use");
    files
}

fn lay_out(folder: &Path, files: &[(&str, Vec<u8>)]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

/// All events, or `None` when one of the ways to look at a journal complains.
fn seen(path: &Path) -> Option<Vec<journal::journal::Head>> {
    let verified = verify(path).ok()?;
    let journal = SqliteJournal::open(path).ok()?;
    Some(vec![verified.head, journal.head().ok()?])
}

#[test]
fn any_flipped_bit_is_noticed_or_changes_nothing() {
    let rows = 60;
    let files = as_left(rows);
    let whole = contract::events(1, rows);
    let (folder, path) = place();
    let cases = 300;
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let noticed = std::cell::Cell::new(0);
    runner
        .run(&(0..3_usize, any::<prop::sample::Index>(), 0..8_u32), |(file, place, bit)| {
            let mut files = files.clone();
            let bytes = &mut files[file].1;
            let at = place.index(bytes.len());
            bytes[at] ^= 1 << bit;
            lay_out(folder.path(), &files);
            match seen(&path) {
                None => noticed.set(noticed.get() + 1),
                Some(heads) => {
                    prop_assert_eq!(heads, vec![Head { epoch: 1, seq: rows }; 2]);
                    let events: Result<Vec<_>, _> = dump(&path, 0).unwrap().collect();
                    prop_assert_eq!(events.as_ref(), Ok(&whole));
                }
            }
            Ok(())
        })
        .unwrap();
    let noticed = noticed.get();
    assert!(noticed > cases / 20, "only {noticed} of {cases} flips were noticed: is anything checked?");
}

#[test]
fn a_shortened_write_ahead_log_is_noticed_through_the_mark() {
    let rows = 20;
    let files = as_left(rows);
    let (folder, path) = place();
    let length = files[1].1.len();
    for cut in [length - 1, length - 5_000, length / 2, 4_096, 32, 0] {
        let mut files = files.clone();
        files[1].1.truncate(cut);
        lay_out(folder.path(), &files);
        let refusal = verify(&path).unwrap_err();
        let at = refusal.at.unwrap();
        assert!(at > rows / 2 && at <= rows, "{cut}: {refusal}");
        let refused = SqliteJournal::open(&path).unwrap_err();
        assert_eq!(refused, OpenError::Lost { path: path.clone(), from: at, to: rows });
        assert!(refused.to_string().contains("--accept-loss"), "{refused}");
        // Saying so changes nothing: the evidence is still there.
        assert_eq!(std::fs::read(folder.path().join(FILES[1])).unwrap(), files[1].1);

        let mut journal = SqliteJournal::open_accepting_loss(&path).unwrap();
        assert_eq!(journal.head().unwrap(), Head { epoch: 2, seq: at - 1 });
        journal.append(at - 1, &[contract::event(at, "again")]).unwrap();
        drop(journal);
        assert_eq!(verify(&path).unwrap().head, Head { epoch: 2, seq: at });
        assert_eq!(SqliteJournal::open(&path).unwrap().head().unwrap().epoch, 2, "accepted once, not again");
    }
}

#[test]
fn a_vanished_database_or_mark_is_named() {
    let files = as_left(10);
    let (folder, path) = place();
    for gone in [&FILES[..2], &FILES[2..]] {
        lay_out(folder.path(), &files);
        for name in gone {
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
        let refusal = SqliteJournal::open(&path).unwrap_err();
        let whole = refusal.to_string();
        match refusal {
            OpenError::Lost { from: 1, to: 10, .. } => assert!(gone.len() == 2, "{whole}"),
            OpenError::NoMark { state: "missing", .. } => assert!(gone.len() == 1, "{whole}"),
            _ => panic!("{whole}"),
        }
        assert!(verify(&path).is_err());
    }
    let journal = SqliteJournal::open_accepting_loss(&path).unwrap();
    assert_eq!(
        journal.head().unwrap(),
        Head { epoch: 2, seq: 10 },
        "rows without a mark are trusted when told so"
    );
}

#[test]
fn a_line_changed_by_hand_is_found_and_can_be_set_aside() {
    let (_folder, path) = place();
    drop(filled(&path, 600));
    let edit = |sql: &str| rusqlite::Connection::open(&path).unwrap().execute(sql, []).unwrap();
    edit("UPDATE event SET body = replace(body, 'ana', 'bob') WHERE seq = 40");
    assert_eq!(verify(&path).unwrap_err().at, Some(40));

    let journal = SqliteJournal::open(&path).unwrap();
    let refusal = journal.read(0, 1_000).unwrap_err();
    assert!(matches!(&refusal, ReadError::Damaged { seq: 40, .. }), "{refusal}");
    assert_eq!(journal.read(0, 39).unwrap().len(), 39);
    drop(journal);
    let (good, bad): (Vec<_>, Vec<_>) = dump(&path, 0).unwrap().partition(Result::is_ok);
    assert_eq!((good.len(), bad.len()), (599, 1), "a dump goes on behind a bad line");

    let journal = SqliteJournal::open_accepting_loss(&path).unwrap();
    assert_eq!(journal.head().unwrap().seq, 39);
    drop(journal);
    assert_eq!(verify(&path).unwrap().head, Head { epoch: 2, seq: 39 });
    let db = rusqlite::Connection::open(&path).unwrap();
    let aside: i64 = db.query_row("SELECT count(*) FROM set_aside", [], |row| row.get(0)).unwrap();
    assert_eq!(aside, 561);
}

#[test]
fn a_file_that_sqlite_cannot_work_with_is_kept_beside_and_its_good_beginning_goes_on() {
    let (folder, path) = place();
    drop(filled(&path, 600));
    let whole = std::fs::read(&path).unwrap();
    let mut pages = whole.clone();
    pages[whole.len() / 2..].fill(0xa5);
    for (damaged, most) in
        [(vec![0xa5; whole.len()], 0), (pages, 599), (whole[..whole.len() / 2].to_vec(), 599)]
    {
        std::fs::write(&path, &damaged).unwrap();
        assert!(verify(&path).is_err());
        let mut journal = SqliteJournal::open_accepting_loss(&path).unwrap();
        let head = journal.head().unwrap();
        assert!(head.epoch > 1 && head.seq <= most, "{head}");
        let events: Vec<u64> = journal.read(0, 1_000).unwrap().iter().map(|event| event.seq).collect();
        assert_eq!(events, (1..=head.seq).collect::<Vec<_>>());
        journal.append(head.seq, &[contract::event(head.seq + 1, "again")]).unwrap();
        drop(journal);
        assert_eq!(verify(&path).unwrap().head.seq, head.seq + 1);
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        drop(filled(&path, 600));
    }
}

#[test]
fn a_removed_line_in_the_middle_is_found() {
    let (_folder, path) = place();
    drop(filled(&path, 50));
    rusqlite::Connection::open(&path).unwrap().execute("DELETE FROM event WHERE seq = 17", []).unwrap();
    assert_eq!(verify(&path).unwrap_err().at, Some(18));
    assert!(matches!(
        SqliteJournal::open(&path).unwrap_err(),
        OpenError::Damaged(ReadError::Damaged { seq: 18, .. })
    ));
}

#[test]
fn journal_of_another_format_and_missing_one_are_refused() {
    let (_folder, path) = place();
    assert_eq!(verify(&path).unwrap_err().why, format!("there is no journal at {}", path.display()));
    assert!(!path.exists());
    drop(filled(&path, 3));
    let older = "move the files `journal.*` out of the data folder";
    for (format, wanted) in [(1, older), (2, older), (4, "newer mainstay")] {
        rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", format).unwrap();
        for refused in [SqliteJournal::open(&path), SqliteJournal::open_accepting_loss(&path)] {
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains(wanted), "{refused}");
        }
        assert!(verify(&path).unwrap_err().why.contains(wanted));
    }
}
