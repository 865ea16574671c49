//! Prints false claims and lead times of creeping growth: `cargo run --release --example creep`.
#![allow(clippy::print_stdout, reason = "a table is printed")]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "small numbers")]
#![allow(clippy::indexing_slicing, reason = "series of a known length")]
#![allow(missing_docs, unreachable_pub, dead_code, reason = "modules of the tests")]

#[path = "../tests/it/creep_figures.rs"]
mod creep_figures;
#[path = "../tests/it/generated.rs"]
mod generated;

use creep_figures::{KINDS, at, early, false_claims, reported};

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|text| text.parse().ok());
    let (months, series) = (arguments.next().unwrap_or(100), arguments.next().unwrap_or(200));
    println!(
        "false claims a month and series; share of the time to the crash after which growth is claimed (median, 90 %); \
         share of the growths in 6 h that are claimed two hours before"
    );
    for kind in KINDS {
        let shares = [6, 12, 24, 72].map(|hours| {
            let shares = reported(kind, hours, 0..series);
            format!("{hours:>2} h: {:.2}, {:.2}", at(&shares, 0.5), at(&shares, 0.9))
        });
        let early = early(&reported(kind, 6, 0..series));
        println!(
            "{:<12} {:>5.2}  {}   {early:.2}",
            format!("{kind:?}"),
            false_claims(kind, 0..months),
            shares.join("   ")
        );
    }
}
