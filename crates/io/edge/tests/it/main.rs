//! The edge over real sockets: what servers receive, what clients are told, what is survived.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)] // helpers of tests, outside of test functions

mod conformance;
mod corpus;
mod doors;
mod early;
mod ground;
mod http2;
mod local;
mod ordinary;
mod places;
mod pools;
mod proxied;
mod serving;
mod smuggling;
mod sockets;
mod streaming;
mod targets;
mod trace;
mod upstream;
