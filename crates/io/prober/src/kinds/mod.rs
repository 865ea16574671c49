//! Probe kinds: one folder each, with a `run` that takes the probe's parameters and a deadline and returns an answer of
//! its kind or a fault.
//!
//! | module | measures |
//! |---|---|
//! | `http` | a request with redirects, cookies and the body; the certificate of every hop |
//! | `tcp` | opening a connection |
//! | `tls` | the certificate chain as served, and every fault of it |
//! | `dns` | the parent zone, each name server and each resolver of a zone |
//! | `domain` | registration by RDAP and WHOIS |
//! | `balancer` | the members of a pool, as its load balancer states them |
//! | `postgres` | the state of a PostgreSQL node |
//! | `redis` | the state of a Redis or Valkey node |
//! | `mysql` | the state of a MariaDB or MySQL node |
//! | `nut` | the state of an uninterruptible power supply, as Network UPS Tools knows it |
//! | `database` | what the kinds of databases have in common |
//!
//! A new kind is a folder here, an arm in [`crate::prober`], and its aspect in `detect`.

pub(crate) mod balancer;
pub(crate) mod database;
pub(crate) mod dns;
pub(crate) mod domain;
pub(crate) mod http;
pub(crate) mod mysql;
pub(crate) mod nut;
pub(crate) mod postgres;
pub(crate) mod redis;
pub(crate) mod tcp;
pub(crate) mod tls;
