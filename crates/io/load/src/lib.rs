//! Sends the requests of load tests: open loop, at instants that are fixed in advance.
//!
//! The latency of a request is measured from the instant at which it was due, whether or not a connection was free then, so
//! that a slow target cannot hide its slowness by being asked less often (coordinated omission). What is sent next, and when a
//! rate is too much, is decided in the crate `load`.
//!
//! | module | contents |
//! |---|---|
//! | `run` | runs a test: steps, recovery, its end |
//! | `target` | the target: its addresses, none of which is production, and the request |
//! | `sender` | sends requests over a bounded number of connections |
//! | `connection` | one connection: TCP, TLS, HTTP/1.1 |
//! | `rate_bound` | in no second are more requests sent than the bound |
//! | `recorder` | counters and percentiles of a step |
//! | `timer` | wakes within microseconds |
//!
//! Deliberately absent: redirects, cookies, retries of requests that reached the target, HTTP/2.

mod connection;
mod rate_bound;
mod recorder;
mod run;
mod sender;
mod target;
mod timer;

pub use run::{LoadError, Setting, run};
pub use target::TargetError;
