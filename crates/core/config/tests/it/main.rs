//! A configuration as its author writes it: what is understood, what is refused, and how it is told.

#![allow(clippy::panic)] // helpers of tests, outside of test functions

mod channels;
mod derived;
mod edge;
mod editors;
mod examples;
mod hostile;
mod team;
mod warnings;
mod wrong;

use std::path::Path;

/// Reads a configuration that must be sound.
fn sound(text: &str) -> config::Read {
    config::read(text, "mainstay.toml", Path::new("/etc/mainstay"))
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// What is told about a configuration that must not be sound.
fn told(text: &str) -> String {
    match config::read(text, "mainstay.toml", Path::new("/etc/mainstay")) {
        Ok(_) => "fine".to_owned(),
        Err(problems) => problems.to_string(),
    }
}

/// What is worth a second look in a sound configuration.
fn warned(text: &str) -> String {
    let lines: Vec<String> = sound(text).warnings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
