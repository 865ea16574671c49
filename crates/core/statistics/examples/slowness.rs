//! Prints recall, delay and false alerts of the slowness detector: `cargo run --release --example slowness`.
#![allow(clippy::print_stdout, reason = "a table is printed")]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "small numbers")]
#![allow(missing_docs, unreachable_pub, reason = "modules of the tests")]

#[allow(dead_code, reason = "the other example uses the rest")]
#[path = "../tests/it/generated.rs"]
mod generated;
#[path = "../tests/it/slowness_figures.rs"]
mod slowness_figures;

use slowness_figures::measure;
use statistics::slowness::Settings;
use std::time::Duration;

const SERIES: u64 = 200;

fn main() {
    println!(
        "recall within 30 minutes (median delay), and false alerts a week and series; {SERIES} series of a week"
    );
    println!("interval  limit  false alerts  x1.5            x2              x3");
    for interval in [10, 30, 60, 120] {
        let settings = Settings::for_interval(Duration::from_secs(interval));
        for limit in [14.0, settings.limit, 24.0, 30.0] {
            let figures = measure(Settings { limit, ..settings }, interval, SERIES);
            let found: Vec<String> = figures
                .found
                .iter()
                .map(|(_, share, delay)| format!("{share:.2} ({delay:>5.0} s)"))
                .collect();
            println!("{interval:>6} s  {limit:>5}  {:>12.2}  {}", figures.false_alerts, found.join("  "));
        }
    }
}
