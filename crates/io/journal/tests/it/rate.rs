//! How fast it is. `cargo test -p journal -- --ignored rate --nocapture`

use crate::place;
use journal::{Journal as _, SqliteJournal, contract, verify};
use std::time::{Duration, Instant};

#[test]
#[ignore = "measures, and takes some seconds"]
fn rate_of_appends() {
    for group in [1, 16, 256, 4_096] {
        let (_folder, path) = place();
        let mut journal = SqliteJournal::open(&path).unwrap();
        let begun = Instant::now();
        let mut appends = 0_u32;
        let mut seq = 0;
        while begun.elapsed() < Duration::from_secs(3) {
            seq = journal.append(seq, &contract::events(seq + 1, seq + group)).unwrap().head.seq;
            appends += 1;
        }
        let took = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        verify(&path).unwrap();
        println!(
            "{group:>5} an append: {:>7.0} appends/s, {:>7.0} events/s; verified at {:.0} events/s",
            f64::from(appends) / took,
            f64::from(appends) * group as f64 / took,
            f64::from(appends) * group as f64 / begun.elapsed().as_secs_f64(),
        );
    }
}
