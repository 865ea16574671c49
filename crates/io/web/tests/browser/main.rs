//! Tests in a real browser. Need chromium and chromedriver.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]
#![allow(clippy::print_stdout, reason = "says why a test was skipped")]

mod axe;
mod chromium;
#[path = "../it/edge_views.rs"]
mod edge_views;
#[path = "../it/fixed_time.rs"]
mod fixed_time;
#[path = "../it/fixture.rs"]
#[allow(dead_code, reason = "shared with the tests over a socket, which use more of it")]
mod fixture;
mod pages;
mod public;
#[path = "../it/stub_samples.rs"]
mod stub_samples;
#[path = "../it/stub_subscriptions.rs"]
mod stub_subscriptions;
mod subscriptions;
mod team;
#[path = "../it/views.rs"]
mod views;
