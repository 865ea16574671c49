//! End-to-end tests of the program: command line, files, signals.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed"
)]

mod audit;
mod audit_formats;
mod backups;
mod certificates;
mod changes;
mod check;
mod cli;
mod creeping;
mod databases;
mod docs;
mod edge;
mod external_alerts;
mod headroom;
mod heartbeats;
mod hostile;
mod incident;
mod instance;
mod lifecycle;
mod load_tests;
mod maintenance;
mod monitoring_day;
mod notices;
mod phones;
mod relay;
mod relay_sign_in;
mod response_times;
mod subscribers;
