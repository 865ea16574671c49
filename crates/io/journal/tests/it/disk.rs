//! A disk without room: a small file system of memory, where this machine lets us have one.

use crate::place;
use journal::{AppendError, Journal as _, SqliteJournal, contract, verify};
use std::process::Command;

/// Tells the test binary, started again in a world with a small disk, where that disk is.
const FOLDER: &str = "MAINSTAY_SMALL_DISK";

/// Not a test: what happens on the small disk.
#[test]
fn fills_a_small_disk() {
    let Some(folder) = std::env::var_os(FOLDER).map(std::path::PathBuf::from) else { return };
    let ballast = folder.join("ballast");
    std::fs::write(&ballast, vec![7; 1 << 20]).unwrap();
    let path = folder.join("journal.db");
    let mut journal = SqliteJournal::open(&path).unwrap();
    let mut seq = 0;
    let end = loop {
        match journal.append(seq, &contract::events(seq + 1, seq + 50)) {
            Ok(committed) => seq = committed.head.seq,
            Err(e) => break e,
        }
    };
    assert_eq!(end, AppendError::Full);
    assert_eq!(journal.append(seq, &contract::events(seq + 1, seq + 50)), Err(AppendError::Full));
    assert_eq!(journal.read(0, usize::MAX).unwrap().len() as u64, seq, "what is there can be read");
    assert_eq!(verify(&path).unwrap().head.seq, seq);
    std::fs::remove_file(&ballast).unwrap();
    let more = journal.append(seq, &contract::events(seq + 1, seq + 50)).unwrap().head.seq;
    drop(journal);
    assert_eq!(verify(&path).unwrap().head.seq, more);
    println!("filled at {seq}, went on to {more}");
}

#[test]
fn a_full_disk_is_named_and_writing_goes_on_when_there_is_room() {
    let (folder, _) = place();
    let script = format!(
        "mount -t tmpfs -o size=3m none '{0}' && {FOLDER}='{0}' exec \"$1\" disk::fills_a_small_disk --exact --nocapture",
        folder.path().display()
    );
    let test = std::env::current_exe().unwrap();
    let mount = ["--mount", "sh", "-c", "mount -t tmpfs none /mnt"];
    let allowed = Command::new("unshare").args(mount).output().is_ok_and(|out| out.status.success());
    if !allowed {
        println!(
            "skipped: mounting a small file system takes root; the unit test of the writer covers SQLITE_FULL"
        );
        return;
    }
    let out =
        Command::new("unshare").args(["--mount", "sh", "-c", &script, "sh"]).arg(test).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    let complained = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.contains("went on to"), "{said}\n{complained}");
}
