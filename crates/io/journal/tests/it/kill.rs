//! `kill -9` at random moments: what was acknowledged is there.

use crate::place;
use journal::{Journal as _, SqliteJournal, contract, verify};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

/// Tells the test binary, started again, that it is the one to be killed.
const PATH: &str = "MAINSTAY_JOURNAL_TO_FILL";

/// Not a test: what the killed process does. Appends for ever and says what was acknowledged.
#[test]
fn appends_until_it_is_killed() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let mut journal = SqliteJournal::open(path).unwrap();
    let mut seq = journal.head().unwrap().seq;
    let mut out = std::io::stdout().lock();
    loop {
        seq = journal.append(seq, &contract::events(seq + 1, seq + 1 + seq % 5)).unwrap().head.seq;
        writeln!(out, "acknowledged {seq}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn acknowledged_events_survive_kill_9() {
    let (_folder, path) = place();
    let mut last = 0;
    for round in 0..20_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kill::appends_until_it_is_killed", "--exact", "--nocapture"])
            .env(PATH, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let heard = |line: String| line.rsplit_once("acknowledged ").and_then(|(_, seq)| seq.parse().ok());
        // Which instant of the next append it hits is left to the scheduler.
        let first = lines.by_ref().filter_map(heard).nth(usize::try_from(round * 7 % 23).unwrap());
        child.kill().unwrap();
        let acknowledged: u64 = lines.filter_map(heard).last().or(first).unwrap();
        child.wait().unwrap();

        let verified = verify(&path).unwrap();
        assert!(
            verified.head.seq >= acknowledged,
            "round {round}: {acknowledged} acknowledged, {verified:?}"
        );
        assert!(acknowledged > last);
        let journal = SqliteJournal::open(&path).unwrap();
        let head = journal.head().unwrap();
        assert_eq!(head, verified.head);
        let events = journal.read(last, usize::MAX).unwrap();
        assert_eq!(events, contract::events(last + 1, head.seq));
        last = head.seq;
    }
}
