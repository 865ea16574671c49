//! Backup while in use, restore while not.

use crate::{filled, place};
use journal::sqlite::CopyError;
use journal::{Head, Journal as _, SqliteJournal, backup, contract, dump, restore, verify};

#[test]
fn a_backup_of_a_journal_in_use_holds_what_was_acknowledged() {
    let (folder, path) = place();
    let to = folder.path().join("copy.db");
    let mut journal = filled(&path, 2_000);
    let busy = std::thread::spawn(move || {
        for seq in 2_000..2_100 {
            journal.append(seq, &[contract::event(seq + 1, "")]).unwrap();
        }
        journal
    });
    let copied = backup(&path, &to).unwrap();
    let journal = busy.join().unwrap();
    assert!((2_000..=2_100).contains(&copied.head.seq), "{copied:?}");
    assert_eq!(verify(&to).unwrap(), copied);
    let events: Vec<_> = dump(&to, 0).unwrap().map(Result::unwrap).collect();
    assert_eq!(events, contract::events(1, copied.head.seq));
    assert!(!folder.path().join("copy.db-wal").exists() && !folder.path().join("copy.db.part").exists());
    assert_eq!(backup(&path, &to), Err(CopyError::Exists(to)));
    assert_eq!(journal.head().unwrap().seq, 2_100);
}

#[test]
fn a_restore_begins_a_new_epoch_and_keeps_what_was_there() {
    let (folder, path) = place();
    let to = folder.path().join("copy.db");
    let mut journal = filled(&path, 30);
    backup(&path, &to).unwrap();
    journal.append(30, &contract::events(31, 40)).unwrap();

    assert!(matches!(restore(&to, &path, true), Err(CopyError::Locked(_))), "not under a running process");
    drop(journal);
    assert_eq!(restore(&to, &path, false), Err(CopyError::Exists(path.clone())));
    assert_eq!(verify(&path).unwrap().head.seq, 40, "refusals change nothing");

    for epoch in 2..5 {
        assert_eq!(restore(&to, &path, true), Ok(epoch));
        assert_eq!(verify(&path).unwrap().head, Head { epoch, seq: 30 });
    }
    let replaced = folder.path().join("journal.db.replaced-1");
    assert_eq!(dump(&replaced, 0).unwrap().map(Result::unwrap).count(), 40);

    let mut journal = SqliteJournal::open(&path).unwrap();
    assert_eq!(journal.head().unwrap(), Head { epoch: 4, seq: 30 });
    journal.append(30, &[contract::event(31, "another future")]).unwrap();
    assert_eq!(verify(&path).unwrap().events, 31);
}

#[test]
fn a_restore_into_an_empty_folder_needs_no_permission() {
    let (folder, path) = place();
    let to = folder.path().join("copy.db");
    drop(filled(&path, 7));
    backup(&path, &to).unwrap();
    let elsewhere = folder.path().join("new.db");
    assert_eq!(restore(&to, &elsewhere, false), Ok(2));
    assert_eq!(SqliteJournal::open(&elsewhere).unwrap().read(0, 99).unwrap(), contract::events(1, 7));
}

#[test]
fn a_damaged_or_shortened_backup_is_not_restored() {
    let (folder, path) = place();
    let to = folder.path().join("copy.db");
    drop(filled(&path, 300));
    backup(&path, &to).unwrap();
    let whole = std::fs::read(&to).unwrap();
    for length in [0, 100, 4096, whole.len() / 2, whole.len() - 4096] {
        std::fs::write(&to, &whole[..length]).unwrap();
        let refused = restore(&to, &path, true).unwrap_err();
        assert!(matches!(refused, CopyError::Broken(_)), "{length}: {refused}");
    }
    assert_eq!(verify(&path).unwrap().events, 300);
}

#[test]
fn an_interrupted_restore_is_named() {
    let (folder, path) = place();
    let to = folder.path().join("copy.db");
    drop(filled(&path, 9));
    let old_mark = std::fs::read(path.with_extension("mark")).unwrap();
    backup(&path, &to).unwrap();
    let old_rows = std::fs::read(&path).unwrap();
    restore(&to, &path, true).unwrap();
    // The mark was replaced, the rows were not yet.
    std::fs::write(&path, &old_rows).unwrap();
    let refusal = SqliteJournal::open(&path).unwrap_err().to_string();
    assert!(refusal.contains("a restore was interrupted"), "{refusal}");
    assert_eq!(restore(&to, &path, true), Ok(3), "and repeating it helps");
    // A backup put in place by hand has the wrong mark or none.
    std::fs::write(path.with_extension("mark"), &old_mark).unwrap();
    assert!(SqliteJournal::open(&path).is_err());
    std::fs::copy(&to, &path).unwrap();
    std::fs::remove_file(path.with_extension("mark")).unwrap();
    let refusal = SqliteJournal::open(&path).unwrap_err().to_string();
    assert!(refusal.contains("use `mainstay journal restore`"), "{refusal}");
}
