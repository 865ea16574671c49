//! Prints false and true verdicts on generated series: `cargo run --release --example effect`.
#![allow(clippy::print_stdout, reason = "a table is printed")]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "small numbers")]
#![allow(missing_docs, unreachable_pub, dead_code, reason = "modules of the tests")]

#[path = "../tests/it/effect_figures.rs"]
mod effect_figures;
#[path = "../tests/it/generated.rs"]
mod generated;

fn main() {
    println!("verdicts of 2,000 series each, one point a minute");
    println!("points  change  helped  made it worse");
    for points in [6, 12, 24] {
        for change in [0, -10, -20, -33, -50, 20, 50, 100] {
            let found = effect_figures::measure(60, points, 1.0 + f64::from(change) / 100.0, 2_000);
            println!("{points:>6}  {change:>+5} %  {:>6.3}  {:>13.3}", found.helped, found.worse);
        }
    }
}
