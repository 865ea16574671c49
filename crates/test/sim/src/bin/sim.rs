//! `cargo xtask sim --seed N --seeds M --hours H`: runs the box and says how fast, or which invariant broke.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks to its user")]

use sim::Settings;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, otherwise: u64| {
        let at = args.iter().position(|arg| arg == name);
        at.and_then(|at| args.get(at + 1)).and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    };
    let (first, seeds, hours) = (number("--seed", 1), number("--seeds", 1), number("--hours", 24));
    let began = Instant::now();
    let mut total = sim::Report::default();
    for seed in first..first.saturating_add(seeds) {
        match Settings::by_chance(seed, hours).run() {
            Ok(report) => total.add(&report),
            Err(why) => {
                eprintln!("seed {seed}, {hours} h: {why}");
                eprintln!("again: cargo xtask sim --seed {seed} --hours {hours}");
                return ExitCode::FAILURE;
            }
        }
    }
    let took = began.elapsed().as_secs_f64();
    let simulated = (seeds * hours) as f64;
    println!("{total}");
    println!("{simulated:.0} h in {took:.2} s: {:.0} h simulated per second", simulated / took.max(1e-9));
    ExitCode::SUCCESS
}
