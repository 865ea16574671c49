//! mainstay as a library: the command line as a function, and what the drills share with it. See ARCHITECTURE.md for
//! the map.
//!
//! `app` is the running process, `cli` the command line in front of it. `app` imports nothing of `cli`.

mod app;
mod cli;

pub use app::address_file;
pub use cli::{Failure, table};

use clap::Parser as _;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs one command; the first argument is the name of the program.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    // One TLS provider for the whole process. An error means that one is set already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    cli::CommandLine::parse_from(args).run()
}
