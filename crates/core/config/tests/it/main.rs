//! Configurations as they are written: what is accepted, what is rejected, and the messages.

#![allow(clippy::panic)] // helpers of tests, outside of test functions

mod cache;
mod channels;
mod derived;
mod edge;
mod editors;
mod examples;
mod external_pools;
mod hostile;
mod http_probes;
mod loads;
mod notices;
mod offline;
mod problems;
mod renames;
mod team;
mod warnings;

use std::path::Path;

/// Reads a configuration that must be valid.
fn valid(text: &str) -> config::Read {
    config::read(text, "mainstay.toml", Path::new("/etc/mainstay"))
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// The problems of a configuration, one a line.
fn problems(text: &str) -> String {
    match config::read(text, "mainstay.toml", Path::new("/etc/mainstay")) {
        Ok(_) => "fine".to_owned(),
        Err(problems) => problems.to_string(),
    }
}

/// The warnings of a valid configuration, one a line.
fn warnings(text: &str) -> String {
    let lines: Vec<String> = valid(text).warnings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
