//! The real servers of the drills on loopback: a DNS tree, a registry, TLS servers, phones, origins, load.
//!
//! Everything runs in this process, on addresses of 127.0.0.0/8 and ports above 1024, without root and without the
//! internet; many fixtures run side by side. A value that is dropped stops.
//!
//! | module | subject |
//! |---|---|
//! | [`address_block`] | addresses and ports of a fixture |
//! | [`names`] | DNS: zones, the servers that serve them, a caching resolver |
//! | [`registry`] | RDAP of a registry and a registrar |
//! | [`keys`] | a certificate authority |
//! | [`web`] | HTTP and HTTPS, client and server |
//! | [`phone`] | a telephone provider behind a webhook, and the person who answers |
//! | [`twilio`] | an imitation of Twilio, and the people behind its numbers |
//! | [`pace`] | a fixed rate of service |
//! | [`pages`] | pages with many resources, as browsers load them |
//! | [`origin`] | a server behind a proxy: immediate or at a fixed rate, WebSockets, gRPC |
//! | [`signin`] | a sign-in front end and its API, whose limits conflict after a flood |
//! | [`time_tracker`] | a web application in which people record their time |
//! | [`balancer`] | a plain round-robin balancer, for comparison |
//! | [`flood`] | an open-loop load generator |
//! | [`idle_connections`] | connections that are kept open |
//! | [`relay`] | a link with delay and limited bandwidth |
//! | [`resume`] | whether TLS sessions are resumed |
//! | [`mariadb`] | a MariaDB server of Debian, with the monitor user of the guide |
//! | [`postgres`] | a PostgreSQL server of Debian, with the monitor role of the guide |
//! | [`clients`] | a small steady load of recognized and first-time clients |
//! | [`surge`] | the fixture of the drill `surge` |
//! | [`shrinking_pool`] | the fixture of the drill `shrinking-pool` |
//! | [`power_cut`] | the fixture of the drill `power-cut` |
//! | [`expired_name`] | the fixture of the drill `expired-name`, and the configuration that monitors it |
//!
//! Deliberately absent: any knowledge of mainstay. A fixture is monitored like any other installation.

pub mod address_block;
pub mod balancer;
pub mod clients;
pub mod expired_name;
pub mod flood;
pub mod idle_connections;
pub mod keys;
pub mod mariadb;
pub mod names;
pub mod origin;
pub mod pace;
pub mod pages;
pub mod phone;
pub mod postgres;
pub mod power_cut;
pub mod registry;
pub mod relay;
pub mod resume;
pub mod shrinking_pool;
pub mod signin;
pub mod surge;
mod tasks;
mod team;
mod template;
pub mod time_tracker;
pub mod twilio;
pub mod web;

pub use expired_name::{ExpiredName, Settings};
pub use phone::{Behavior, Phone, Provider};
pub use power_cut::PowerCut;
pub use registry::{Registry, Standing};
pub use shrinking_pool::ShrinkingPool;
pub use surge::Surge;

use std::io;
use thiserror::Error;

/// Why a fixture could not start, or not perform an act.
#[derive(Debug, Error)]
pub enum TestbedError {
    /// No block of loopback addresses could be bound. Only Linux answers on all of 127.0.0.0/8 without setup.
    #[error(
        "no free block of loopback addresses in {tries} tries, the last: {last}; outside Linux the addresses of \
         127.0.0.0/8 must be added to the loopback interface first"
    )]
    NoAddressBlock {
        /// Number of blocks that were tried.
        tries: u32,
        /// The last error.
        last: io::Error,
    },
    /// A certificate could not be created.
    #[error("could not create a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refused keys or certificates.
    #[error("could not set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A domain name in the settings is invalid.
    #[error("`{0}` is not a domain name")]
    BadName(String),
    /// A file could not be written.
    #[error("could not write {path}: {why}")]
    Folder {
        /// The path.
        path: std::path::PathBuf,
        /// Why.
        why: io::Error,
    },
    /// The resolver of the fixture cannot resolve its own names: the machine is too busy, or the fixture is broken.
    #[error("the resolver of the fixture found no address for {0}")]
    Unresolved(String),
    /// An act of another fixture.
    #[error("this fixture does not support the act `{0}`")]
    UnsupportedAct(String),
    /// A program that the fixture needs is not installed.
    #[error("{0} is not installed")]
    Missing(&'static str),
    /// A database server could not be started.
    #[error("the database could not be started: {0}")]
    Database(String),
    /// The browser could not be started, or does not answer.
    #[error("the browser: {0}")]
    Browser(String),
    /// The proxy under comparison could not be started.
    #[error("{name} could not be started: {why}")]
    Proxy {
        /// Its name.
        name: &'static str,
        /// Why.
        why: io::Error,
    },
    /// A wait that timed out.
    #[error("timeout: {what}, after {} s", within.as_secs())]
    Timeout {
        /// What was waited for.
        what: String,
        /// The timeout.
        within: std::time::Duration,
    },
}
