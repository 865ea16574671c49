//! The site from outside: finished documents, and everything that is asked over a real socket.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod documents;
mod edge;
mod metrics;
mod requests;
mod signing_in;
mod stand;
mod traffic;
mod wishes;
mod world;
