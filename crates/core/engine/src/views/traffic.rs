//! What the console's page "Edge" shows: traffic, pools, and what the team denied.

use serde::Serialize;
use std::time::Duration;
use types::traffic::{PoolStatus, ServiceTraffic};
use types::{Denial, Time};

/// The page as data.
#[derive(Clone, Debug, Serialize)]
pub struct Traffic {
    /// When this view was made.
    pub at: Time,
    /// When the edge last told of its traffic; `None` when it has not since the start.
    pub told: Option<Time>,
    /// Whether it has been silent for so long that the figures are old.
    pub silent: bool,
    /// Connections open when it last told.
    pub connections: u64,
    /// Every service that the edge serves, in the order of the configuration.
    pub services: Vec<ServiceNow>,
    /// Every pool that the edge serves from, in the order of the configuration.
    pub pools: Vec<PoolNow>,
    /// Names that visitors ask for and that no service declares, with how often in the newest roll-up.
    pub strangers: Vec<(String, u64)>,
    /// What the team denied and what has not lapsed, oldest first.
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
    /// The stretch that `now` counts.
    pub span: Duration,
    /// Requests a second that are usual, in thousandths; `None` while that is not known.
    pub usual_milli: Option<u64>,
    /// The last quarter of an hour, oldest first; points without a roll-up are not there.
    pub series: Vec<Point>,
    /// What is wrong with it by the edge, in the middle of a sentence: `refuses its own caller auth-web: ...`.
    pub wrong: Vec<String>,
}

/// A few seconds of a service's traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Point {
    /// When it began.
    pub at: Time,
    /// How long the roll-ups in it span together: about [`POINT`].
    pub span: Duration,
    /// Requests that came to a verdict.
    pub requests: u64,
    /// Refused by a denial, a limit, or because servers were at theirs.
    pub refused: u64,
    /// Failed at a server, or on the way to one.
    pub failed: u64,
    /// The worst 99th hundredth of any roll-up in it.
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
    /// How many servers should serve at least.
    pub floor: Option<u32>,
    /// Titles of the services that it serves.
    pub services: Vec<String>,
    /// The newest roll-up; `None` before the first.
    pub seen: Option<PoolStatus>,
    /// What is wrong with it, in the middle of a sentence.
    pub wrong: Vec<String>,
}
