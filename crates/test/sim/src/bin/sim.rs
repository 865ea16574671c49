//! `cargo xtask sim --seed N --seeds M --hours H`: runs the box and says how fast, or which invariant broke.
//! `cargo xtask sim --month --seed N --seeds M [--fault]`: runs an ordinary month, which must be quiet.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks to its user")]

use sim::Settings;
use sim::month::{DAYS, Month};
use std::ops::Range;
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
    let seeds = first..first.saturating_add(seeds);
    if args.iter().any(|arg| arg == "--month") {
        return months(seeds, args.iter().any(|arg| arg == "--fault"), began);
    }
    let mut total = sim::Report::default();
    let simulated = (seeds.end - seeds.start) * hours;
    for seed in seeds {
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
    let simulated = simulated as f64;
    println!("{total}");
    println!("{simulated:.0} h in {took:.2} s: {:.0} h simulated per second", simulated / took.max(1e-9));
    ExitCode::SUCCESS
}

/// Runs a month for each seed. It must be quiet, or with a fault it must page.
fn months(seeds: Range<u64>, fault: bool, began: Instant) -> ExitCode {
    for seed in seeds {
        match (Month { seed, days: 0..DAYS, fault }).run() {
            Ok(outcome) => {
                println!("month {seed}, after {:.1} s: {outcome}", began.elapsed().as_secs_f64());
                if outcome.is_quiet() == fault {
                    let expected = if fault { "the fault was not paged" } else { "it was not quiet" };
                    eprintln!("month {seed}: {expected}");
                    return ExitCode::FAILURE;
                }
            }
            Err(problems) => {
                eprintln!("{problems}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
