//! Targets of load tests, with what may be asked of them.

use super::TextOrSecret;
use crate::ServiceId;
use std::collections::BTreeMap;
use std::time::Duration;

/// A target of load tests: a copy of a service, outside production. What is not declared is never loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadTarget {
    /// Its name in the configuration.
    pub name: String,
    /// The URL, `http` or `https`, with path and query.
    pub url: String,
    /// The service whose capacity it measures.
    pub service: Option<ServiceId>,
    /// Servers behind the target: capacity is counted for each.
    pub servers: u32,
    /// Bounds that no test exceeds.
    pub allow: LoadBounds,
    /// Method of the requests.
    pub method: String,
    /// Headers of the requests.
    pub headers: BTreeMap<String, TextOrSecret>,
    /// Body of the requests.
    pub body: Option<String>,
    /// Statuses of good answers; empty for 200 to 399. Redirects are not followed.
    pub status: Vec<u16>,
    /// Latency above which p99 means that the service does not keep up.
    pub max_latency: Duration,
    /// Share of failed requests at which a test is aborted.
    pub error_budget: f64,
}

impl LoadTarget {
    /// Whether an answer with this status is good.
    #[must_use]
    pub fn accepts(&self, status: u16) -> bool {
        match self.status.as_slice() {
            [] => (200..400).contains(&status),
            declared => declared.contains(&status),
        }
    }
}

/// Bounds of load tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadBounds {
    /// Highest rate of arrivals, in requests per second.
    pub rate: u32,
    /// Longest duration of one test.
    pub lasting: Duration,
    /// Highest number of open connections.
    pub connections: u32,
}
