//! mainstay: one binary that watches, diagnoses, wakes and tells. See ARCHITECTURE.md for the map.

mod cli;
mod clock;
mod keys;
mod last_bell;
mod mind;
mod organs;
mod reload;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::Line::parse().run()
}
