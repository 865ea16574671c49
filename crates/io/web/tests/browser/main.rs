//! The site in a real browser: what people see, press and type. Needs chromium and chromedriver.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]
#![allow(clippy::print_stdout, reason = "says why something was not looked at")]

mod axe;
mod driver;
mod pages;
#[path = "../it/stand.rs"]
#[allow(dead_code, reason = "shared with the tests over a socket, which use more of it")]
mod stand;
mod team;
#[path = "../it/traffic.rs"]
mod traffic;
mod visitors;
#[path = "../it/world.rs"]
mod world;
