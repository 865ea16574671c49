//! The drills' real parts on loopback: a DNS tree, a registry, TLS servers, phones, origins, floods of visitors.
//!
//! Everything runs in this process, on addresses of 127.0.0.0/8 and ports above 1024, without root and without the
//! internet; many labs run side by side. What is dropped stops.
//!
//! | module | holds |
//! |---|---|
//! | [`ground`] | the addresses and ports that a lab stands on |
//! | [`names`] | DNS: zones, the servers that serve them, a caching resolver |
//! | [`registry`] | RDAP of a registry and a registrar |
//! | [`keys`] | a certificate authority of the lab's own |
//! | [`web`] | HTTP and HTTPS, both ends |
//! | [`phone`] | a webhook that rings, and the person who answers it |
//! | [`pace`] | a fixed rate of service |
//! | [`pages`] | pages with many resources, as browsers load them |
//! | [`origin`] | a server to stand behind a proxy: answers at once or at a pace, WebSockets, gRPC |
//! | [`signin`] | a sign-in front end and its API, whose limits fight each other after a flood |
//! | [`balancer`] | a plain round-robin balancer, to compare with |
//! | [`flood`] | visitors in numbers: an open-loop generator |
//! | [`hold`] | connections that are held open |
//! | [`relay`] | a line to somebody far away |
//! | [`resume`] | whether TLS sessions are resumed |
//! | [`visitors`] | a small steady load of visitors, known and new |
//! | [`surge`] | all of it put together for the drill of the surge |
//! | [`world`] | all of it put together for a drill, and the configuration that watches it |
//!
//! Deliberately absent: any knowledge of mainstay. The lab is the world; it is watched like any other.

pub mod balancer;
pub mod flood;
pub mod ground;
pub mod hold;
pub mod keys;
pub mod names;
pub mod origin;
pub mod pace;
pub mod pages;
pub mod phone;
pub mod registry;
pub mod relay;
pub mod resume;
pub mod signin;
pub mod surge;
mod tasks;
mod team;
pub mod visitors;
pub mod web;
pub mod world;

pub use phone::{Manner, Phone, Provider};
pub use registry::{Registry, Standing};
pub use surge::Surge;
pub use world::{ExpiredName, World};

use std::io;
use thiserror::Error;

/// Why a lab could not be built, or not do what it was told.
#[derive(Debug, Error)]
pub enum LabError {
    /// No block of loopback addresses could be bound. Only Linux answers on all of 127.0.0.0/8 without setup.
    #[error(
        "no free block of loopback addresses in {tries} tries, the last: {last}; outside Linux the addresses of \
         127.0.0.0/8 must be added to the loopback interface first"
    )]
    NoGround {
        /// How many blocks were tried.
        tries: u32,
        /// What the last one said.
        last: io::Error,
    },
    /// A certificate could not be made.
    #[error("could not make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library did not accept what we made.
    #[error("could not set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A domain name in the settings is not one.
    #[error("`{0}` is not a domain name")]
    BadName(String),
    /// A file of the lab could not be written.
    #[error("could not write {path}: {why}")]
    Folder {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        why: io::Error,
    },
    /// The lab's own resolver could not look its own names up: the machine is too busy, or the lab is broken.
    #[error("the lab's resolver found no address for {0}")]
    Unresolved(String),
    /// An act that this world has no parts for: the script belongs to another.
    #[error("`{0}` cannot be done in this world")]
    NotHere(String),
    /// Something awaited did not come about in time.
    #[error("{what} did not come about within {} s", within.as_secs())]
    Late {
        /// What was awaited.
        what: String,
        /// For how long.
        within: std::time::Duration,
    },
}
