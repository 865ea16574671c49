//! Probes against real servers on loopback, honest and hostile.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail aloud as well"
)]

mod addresses;
mod balancers;
mod certs;
mod config;
mod dns;
mod dns_world;
mod domain;
mod domain_world;
mod hostile;
mod http;
mod http_request;
mod mysql;
mod mysql_hostile;
mod names;
mod nut;
mod postgres;
mod postgres_hostile;
mod redis;
mod rounds;
mod secrecy;
mod server;
mod sloppy;
mod staple;
mod tcp;
mod tls;
mod tls_limits;
