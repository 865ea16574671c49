//! A disk without room: a small file system of memory, where this machine lets us have one.

use crate::place;
use journal::series::{Sample, Series, State};
use journal::{AppendError, Journal as _, SqliteJournal, contract, verify};
use std::process::Command;
use std::time::{Duration, Instant};
use types::Time;
use types::time::later;

const PATIENCE: Duration = Duration::from_secs(60);

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

/// Not a test: what happens to stored samples on the small disk.
#[test]
fn fills_a_small_disk_with_samples() {
    let Some(folder) = std::env::var_os(FOLDER).map(std::path::PathBuf::from) else { return };
    let ballast = folder.join("ballast");
    // A full queue needs 3 MB in the log of SQLite and as many in the file.
    std::fs::write(&ballast, vec![7; 24 << 20]).unwrap();
    let begin: Time = "2026-11-22T00:00:00Z".parse().unwrap();
    let at = move |secs| later(begin, Duration::from_secs(secs));
    let series = Series::open(folder.join("series.db"), move || at(80_000)).unwrap();
    let put = |secs: u64| series.put("http.a", "latency", Sample { at: at(secs), value: 1.0, ok: true });
    let mut count = 0;
    let deadline = Instant::now() + PATIENCE;
    while series.state() == State::Writing {
        assert!(Instant::now() < deadline);
        (0..10_000).for_each(|n| put(count + n));
        count += 10_000;
        let _ = series.flush(Duration::from_millis(100));
        count %= 80_000;
    }
    assert_eq!(series.state(), State::DiskFull);
    (0..300_000).for_each(|n| put(n % 80_000));
    let dropped = series.dropped().queue_full;
    assert!(dropped > 0);
    let readable = series.points(("http.a", "latency"), Time::MIN..Time::MAX, usize::MAX).unwrap().len();
    assert!(readable > 0, "what is there can be read");
    std::fs::remove_file(&ballast).unwrap();
    assert!(series.flush(PATIENCE), "{:?}", series.state());
    assert_eq!(series.state(), State::Writing);
    assert!(
        series.dropped().queue_full < 2 * dropped,
        "only the batch in the hands of the writer is dropped later"
    );
    println!("filled at {readable}, {dropped} dropped, went on to write");
}

fn on_a_small_disk(test: &str, megabytes: u32, last_words: &str) {
    let (folder, _) = place();
    let script = format!(
        "mount -t tmpfs -o size={megabytes}m none '{0}' && {FOLDER}='{0}' exec \"$1\" disk::{test} --exact --nocapture",
        folder.path().display()
    );
    let test = std::env::current_exe().unwrap();
    let mount = ["--mount", "sh", "-c", "mount -t tmpfs none /mnt"];
    let allowed = Command::new("unshare").args(mount).output().is_ok_and(|out| out.status.success());
    if !allowed {
        println!(
            "skipped: mounting a small file system takes root; the unit tests of the writers cover SQLITE_FULL"
        );
        return;
    }
    let out =
        Command::new("unshare").args(["--mount", "sh", "-c", &script, "sh"]).arg(test).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    let complained = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.contains(last_words), "{said}\n{complained}");
}

#[test]
fn a_full_disk_is_named_and_writing_goes_on_when_there_is_room() {
    on_a_small_disk("fills_a_small_disk", 3, "went on to");
}

#[test]
fn a_full_disk_drops_samples_and_counts_them_until_there_is_room() {
    on_a_small_disk("fills_a_small_disk_with_samples", 40, "went on to write");
}
