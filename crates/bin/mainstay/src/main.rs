//! mainstay: one binary that watches, diagnoses, wakes and tells. See ARCHITECTURE.md for the map.

mod certificates;
mod cli;
mod clock;
mod control;
mod files;
mod gate;
mod keys;
mod lag_monitor;
mod last_bell;
mod last_denials;
mod log;
mod mind;
mod only_guard;
mod organs;
mod private;
mod reload;
mod throttle;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // One TLS provider for the whole process. It is refused only when one is set already, which is as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    cli::Line::parse().run()
}
