//! The program as people meet it: its command line, its files, its ends.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed"
)]

mod certificates;
mod check;
mod cli;
mod docs;
mod edge;
mod hostile;
mod instance;
mod lifecycle;
mod watch_day;
