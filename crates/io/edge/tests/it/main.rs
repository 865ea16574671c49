//! The edge over real sockets: what servers and clients receive, and which faults it survives.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)] // helpers of tests, outside of test functions

mod cache;
mod concurrency;
mod conformance;
mod corpus;
mod early;
mod fixture;
mod http2;
mod listeners;
mod local;
mod offline;
mod ordinary;
mod pools;
mod proxied;
mod reconnects;
mod serving;
mod smuggling;
mod sockets;
mod streaming;
mod targets;
mod trace;
mod upstream;
mod valve;
