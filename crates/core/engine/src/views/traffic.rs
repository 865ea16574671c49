//! View of the edge: traffic, pools and denials.

use crate::views::scaling::Scaling;
use serde::Serialize;
use std::time::Duration;
use types::traffic::{PoolStatus, ServiceTraffic};
use types::{Alert, Denial, Time, Valve, ValveReason};

/// The page as data.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// When this view was made.
    pub at: Time,
    /// Time of the last roll-up of the edge; `None` before the first since boot.
    pub reported: Option<Time>,
    /// Whether the last roll-up is so old that the figures are out of date.
    pub silent: bool,
    /// Open connections as of the last roll-up.
    pub connections: u64,
    /// Every service that the edge serves, in the order of the configuration.
    pub services: Vec<ServiceNow>,
    /// Every pool that the edge serves from, in the order of the configuration.
    pub pools: Vec<PoolNow>,
    /// Requested hosts that no service declares, with the requests of the newest roll-up.
    pub unknown_hosts: Vec<(String, u64)>,
    /// Denials of the team that have not lapsed, oldest first.
    pub denials: Vec<Denial>,
}

/// A service as the edge serves it.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceNow {
    /// Its name in the configuration.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The pool that it is served from.
    pub pool: String,
    /// The newest roll-up; `None` before the first.
    pub now: Option<ServiceTraffic>,
    /// Duration that `now` covers.
    #[serde(rename = "window_seconds")]
    pub window: Duration,
    /// Requests a second that are usual, in thousandths; `None` while that is not known.
    pub usual_milli: Option<u64>,
    /// The last quarter of an hour, oldest first; points without a roll-up are not there.
    pub series: Vec<Point>,
    /// Open alerts about it.
    #[serde(skip)]
    pub alerts: Vec<Alert>,
    /// Its valve, while that is not fully open.
    pub valve: Option<ValveNow>,
    /// Whether the configuration caches paths of it.
    #[serde(skip)]
    pub is_cached: bool,
}

/// A valve that is not fully open.
#[derive(Clone, Debug, Serialize)]
pub struct ValveNow {
    /// The valve.
    #[serde(flatten)]
    pub valve: Valve,
    /// Why the health of the service keeps its ramp from the next step; `None` while all is well.
    pub obstacle: Option<ValveReason>,
}

/// A few seconds of a service's traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Point {
    /// When it began.
    pub at: Time,
    /// Duration that the roll-ups in it cover together: about [`POINT`].
    #[serde(rename = "window_seconds")]
    pub window: Duration,
    /// Requests that came to a verdict.
    pub requests: u64,
    /// Refused by a denial, a limit or the valve, or because servers were at theirs.
    pub refused: u64,
    /// Failed at a server, or on the way to one.
    pub failed: u64,
    /// Highest p99 of any roll-up in it.
    #[serde(rename = "p99_seconds")]
    pub p99: Duration,
}

/// How long a point of a series is.
pub const POINT: Duration = Duration::from_secs(5);
/// How many points a series has at most: a quarter of an hour.
pub const POINTS_MAX: usize = 180;

/// A pool as the edge last saw it.
#[derive(Clone, Debug, Serialize)]
pub struct PoolNow {
    /// Its name in the configuration.
    pub id: String,
    /// Minimum number of healthy servers.
    pub min_healthy: Option<u32>,
    /// Titles of the services that it serves.
    pub services: Vec<String>,
    /// The newest roll-up; `None` before the first.
    pub seen: Option<PoolStatus>,
    /// The scaling signal; `None` where no service leads to the pool.
    #[serde(skip)]
    pub scaling: Option<Scaling>,
    /// Open alerts about it.
    #[serde(skip)]
    pub alerts: Vec<Alert>,
}
