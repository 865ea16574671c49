//! The offline kit in a real browser, with an edge in a process of its own that is killed. Needs chromium and chromedriver.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test that cannot go on should say where"
)]
#![allow(clippy::print_stdout, reason = "says why a test was skipped, and figures")]

mod browser;
#[path = "../../../web/tests/browser/chromium.rs"]
#[allow(dead_code, reason = "shared with the tests of the site, which use more of it")]
mod chromium;
mod edge_process;
mod offline;
mod removal;
mod tabs;
mod visits;
