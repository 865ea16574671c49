//! The scaling signal of a pool, as an autoscaler reads it.

use serde::Serialize;
use types::headroom::Unknown;

/// The signal, or why there is none. Never 0 instead: an autoscaler would remove servers.
#[derive(Clone, Debug, PartialEq)]
pub enum Scaling {
    /// It is known.
    Signal(Signal),
    /// It is not.
    Unknown(Unknown),
}

/// The scaling signal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Signal {
    /// Servers that keep the utilization at its target, never fewer than `min_healthy`. Falls after five calm minutes, and not
    /// while requests are refused.
    pub desired_servers: u32,
    /// Servers that get requests.
    pub working_servers: u32,
    /// Demand of the last half minute as a share of the knee; above 1 more is asked than can be answered. `None` while no
    /// server works.
    pub utilization_ratio: Option<f64>,
    /// The share that is aimed at.
    pub target_ratio: f64,
    /// Demand in requests a second: served, shed and held out.
    pub demand_per_second: f64,
    /// The knee of one server, in requests a second.
    pub knee_per_server: f64,
    /// Whether the knee is estimated, without a load test.
    pub is_estimate: bool,
    /// Whether requests are refused or held out for want of capacity.
    pub is_restricted: bool,
}
