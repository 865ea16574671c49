//! `/api/v1/edge`: traffic, pools and denials as JSON, with the texts of the alerts.

use engine::views::Traffic;
use engine::views::traffic::{PoolNow, ServiceNow};
use serde::Serialize;
use types::{Alert, AlertId, Denial, Time};

#[derive(Serialize)]
pub(super) struct TrafficBody<'a> {
    at: Time,
    reported: Option<Time>,
    silent: bool,
    connections: u64,
    services: Vec<WithAlerts<'a, ServiceNow>>,
    pools: Vec<WithAlerts<'a, PoolNow>>,
    unknown_hosts: &'a [(String, u64)],
    denials: &'a [Denial],
}

#[derive(Serialize)]
struct WithAlerts<'a, T> {
    #[serde(flatten)]
    row: &'a T,
    /// Texts of the faults: predicates.
    alerts: Vec<String>,
    alert_ids: Vec<AlertId>,
}

impl<'a> TrafficBody<'a> {
    pub(super) fn new(traffic: &'a Traffic) -> Self {
        Self {
            at: traffic.at,
            reported: traffic.reported,
            silent: traffic.silent,
            connections: traffic.connections,
            services: traffic.services.iter().map(|row| with_alerts(row, &row.alerts)).collect(),
            pools: traffic.pools.iter().map(|row| with_alerts(row, &row.alerts)).collect(),
            unknown_hosts: &traffic.unknown_hosts,
            denials: &traffic.denials,
        }
    }
}

fn with_alerts<'a, T>(row: &'a T, alerts: &[Alert]) -> WithAlerts<'a, T> {
    WithAlerts {
        row,
        alerts: alerts.iter().map(|alert| alert.fault.to_string()).collect(),
        alert_ids: alerts.iter().map(|alert| alert.id).collect(),
    }
}
