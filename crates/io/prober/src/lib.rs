//! Probes: http, tcp, tls, dns, domain registration, databases and pools behind other load balancers, each bounded in time, bytes and addresses.
//!
//! Reports measurements and decides nothing: whether an answer is good or bad is the business of `detect`. Every wait ends
//! at the probe's timeout, every answer is read up to a limit, and a hostile server costs no more than a slow one.
//!
//! | module | has |
//! |---|---|
//! | [`prober`] | one probe run: [`Prober::run`] |
//! | [`scheduler`] | all probes of the configuration at their intervals: [`run`] |
//! | [`databases`] | one round of all nodes of a database: [`DatabaseMonitor::round`] |
//! | [`lag`] | how late probes run |
//! | [`names`] | resolution of names, and which addresses the configuration allows |
//! | `kinds` | one folder per probe kind |
//! | `addresses` | one probe at every address of a name, concurrently |
//! | `connect` | an open TCP connection to one of several addresses |
//! | `dns` | the DNS protocol: queries and replies |
//! | `faults` | I/O and TLS errors as faults |
//! | `resolver` | HTTP clients of the library reqwest: a builder, name resolution, errors |
//! | `setup` | the clock, the token of probes, secrets, and the errors of setting up |

mod addresses;
mod connect;
pub mod databases;
mod dns;
mod faults;
mod kinds;
pub mod lag;
pub mod names;
pub mod prober;
mod resolver;
pub mod scheduler;
mod setup;

pub use databases::{DatabaseMonitor, DatabaseTarget};
pub use lag::{Lag, LagSnapshot};
pub use names::Names;
pub use prober::Prober;
pub use scheduler::{Options, run};
pub use setup::{Clock, ProbeToken, SetupError};
