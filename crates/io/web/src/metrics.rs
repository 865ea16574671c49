//! `/metrics`: the metrics of the edge and of mainstay itself, in the OpenMetrics text format,
//! or in the older Prometheus text format for a client that accepts only that.
//!
//! It needs a token (the read-only one is enough) or a session, even from loopback: behind a proxy on the same machine
//! every client comes from loopback.

use crate::auth::may_read;
use crate::clock::now as clock_now;
use crate::problem::{JsonProblem, Problem};
use crate::state::WebState;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use engine::views::scaling::{Scaling, Signal};
use engine::views::{NodeState, Now};
use jiff::tz::TimeZone;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet, prometheus_text, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use types::event::ServiceState;
use types::{Headroom, Severity};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A label and its value.
type Label<'a> = (&'a str, &'a str);

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(
    State(state): State<Arc<WebState>>,
    headers: HeaderMap,
) -> Result<Response<Body>, JsonProblem> {
    if state.sessions().session(&headers, clock_now()).is_none() {
        may_read(&state, &headers)?;
    }
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics(state)));
    let mut out = String::new();
    let (format, written) = if wants_prometheus_text(&headers) {
        (prometheus_text::CONTENT_TYPE, prometheus_text::encode(&mut out, &registry))
    } else {
        (OPENMETRICS, text::encode(&mut out, &registry))
    };
    written.map_err(|fmt::Error| unwritten())?;
    Ok(([(header::CONTENT_TYPE, format)], out).into_response())
}

/// Writing into memory does not fail: only an encoder does that refuses a metric.
fn unwritten() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the metrics cannot be written in this format",
        "request the other text format by the Accept header, and report this as a bug of mainstay",
    )
}

/// Whether the client accepts the older Prometheus text format and not OpenMetrics.
fn wants_prometheus_text(headers: &HeaderMap) -> bool {
    let accepts = |format| {
        let fields = headers.get_all(header::ACCEPT).iter().map(HeaderValue::as_bytes);
        ::text::accept::names_media_type(fields, format)
    };
    accepts("text/plain") && !accepts("application/openmetrics-text")
}

/// The metrics of the edge, then those of mainstay itself.
#[derive(Debug)]
struct Metrics(Arc<WebState>);

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self(state) = self;
        state.edge().metrics(&mut encoder)?;
        own(&mut encoder, state)
    }
}

fn own(encoder: &mut DescriptorEncoder<'_>, state: &WebState) -> fmt::Result {
    if let Some(age) = state.heartbeat_age() {
        let name = "mainstay_event_loop_heartbeat_age_seconds";
        let mut family = gauges(encoder, name, "Time since the last heartbeat of the event loop.")?;
        gauge(&mut family, &[], age.as_secs_f64())?;
    }
    subscribers(encoder, state)?;
    let Some(views) = state.views() else { return Ok(()) };
    let now = &views.now;
    incidents(encoder, now)?;
    notifications(encoder, now)?;
    services(encoder, now)?;
    probes(encoder, now)?;
    pools(encoder, now)?;
    domains(encoder, now)?;
    scaling(encoder, state)?;
    headroom(encoder, &views.headroom)?;
    heartbeats(encoder, &views.now)?;
    let help = "1 while mainstay itself has no connectivity; alerts are suspended.";
    let mut family = gauges(encoder, "mainstay_isolated", help)?;
    gauge(&mut family, &[], u32::from(now.isolated.is_some()))?;
    if let Some(lag) = now.probe_lag_p99 {
        let name = "mainstay_probe_lag_p99_seconds";
        let mut family = gauges(encoder, name, "p99 of the schedule lag of probes in the last minute.")?;
        gauge(&mut family, &[], lag.as_secs_f64())?;
    }
    Ok(())
}

fn subscribers(encoder: &mut DescriptorEncoder<'_>, state: &WebState) -> fmt::Result {
    let Some(subscriptions) = state.subscriptions() else { return Ok(()) };
    let counts = subscriptions.counts();
    let help = "Subscribers of the status page by kind and state.";
    let mut family = gauges(encoder, "mainstay_subscribers", help)?;
    for (kind, state, count) in counts.subscribers {
        gauge(&mut family, &[("kind", kind.name()), ("state", state.name())], count)?;
    }
    let help = "Messages to subscribers about recent updates by progress.";
    let mut family = gauges(encoder, "mainstay_subscriber_messages", help)?;
    for (progress, count) in counts.messages {
        gauge(&mut family, &[("progress", progress)], count)?;
    }
    Ok(())
}

fn incidents(encoder: &mut DescriptorEncoder<'_>, now: &Now) -> fmt::Result {
    let mut family = gauges(encoder, "mainstay_incidents", "Open incidents by acknowledgement.")?;
    let unacknowledged = now.open.iter().filter(|open| open.unacknowledged_for.is_some()).count();
    gauge(&mut family, &[("acknowledged", "false")], unacknowledged)?;
    gauge(&mut family, &[("acknowledged", "true")], now.open.len() - unacknowledged)?;
    let mut family = gauges(encoder, "mainstay_alerts", "Open alerts by severity.")?;
    for (severity, label) in
        [(Severity::Info, "info"), (Severity::Warning, "warning"), (Severity::Critical, "critical")]
    {
        let count = now.alerts.iter().filter(|alert| alert.severity == severity).count();
        gauge(&mut family, &[("severity", label)], count)?;
    }
    Ok(())
}

fn notifications(encoder: &mut DescriptorEncoder<'_>, now: &Now) -> fmt::Result {
    let help = "Open pages without an accepted notification attempt.";
    let mut family = gauges(encoder, "mainstay_pages_unreached", help)?;
    gauge(&mut family, &[], now.unreached.len())?;
    let help = "Notification attempts by channel and result.";
    let name = "mainstay_notification_attempts";
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for row in &now.attempts {
        for (result, count) in [("accepted", row.accepted), ("failed", row.failed)] {
            let labels = [("channel", &*row.channel), ("result", result)];
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
    }
    Ok(())
}

/// A state set: one sample for each state, and 1 for the current one. The library has no type of this name, and
/// Prometheus stores both types alike.
fn services(encoder: &mut DescriptorEncoder<'_>, now: &Now) -> fmt::Result {
    let name = "mainstay_service_state";
    let mut family = gauges(encoder, name, "State of each service on the status page.")?;
    for row in &now.services {
        for state in STATES {
            let labels = [("service", &*row.id), (name, label(state))];
            gauge(&mut family, &labels, u32::from(row.state == state))?;
        }
    }
    Ok(())
}

/// The metrics of probes have the names of blackbox_exporter, so that its dashboards and alerts work.
fn probes(encoder: &mut DescriptorEncoder<'_>, now: &Now) -> fmt::Result {
    let mut family = gauges(encoder, "probe_success", "Whether the last probes of a resource succeeded.")?;
    for node in &now.nodes {
        let success = match node.state {
            NodeState::Unknown => continue,
            NodeState::Well | NodeState::Warned => 1u32,
            NodeState::Failing | NodeState::Cause => 0,
        };
        gauge(&mut family, &[("resource", &node.resource.to_string())], success)?;
    }
    let help = "Duration of the last run of a probe, successful or not.";
    let mut family = gauges(encoder, "probe_duration_seconds", help)?;
    for row in &now.probes {
        let labels = [("probe", &*row.probe.0), ("resource", &row.resource.to_string())];
        gauge(&mut family, &labels, row.duration.as_secs_f64())?;
    }
    let help = "Earliest expiry in the last certificate chain, as Unix time.";
    let mut family = gauges(encoder, "probe_ssl_earliest_cert_expiry", help)?;
    for row in &now.probes {
        if let Some(expires) = row.certificate_expires {
            let labels = [("probe", &*row.probe.0), ("resource", &row.resource.to_string())];
            gauge(&mut family, &labels, expires.as_second())?;
        }
    }
    Ok(())
}

fn pools(encoder: &mut DescriptorEncoder<'_>, now: &Now) -> fmt::Result {
    if now.pools.is_empty() {
        return Ok(());
    }
    let help = "Servers of a pool behind another load balancer by state; absent while it cannot be seen.";
    let mut family = gauges(encoder, "mainstay_pool_servers", help)?;
    for (row, members) in now.pools.iter().filter_map(|row| Some((row, row.members?))) {
        for (state, count) in [
            ("serving", members.serving),
            ("idle", members.idle),
            ("down", members.down),
            ("maintenance", members.maintenance),
            ("draining", members.draining),
            ("checking", members.checking),
            ("backup", members.backups),
        ] {
            gauge(&mut family, &[("pool", &*row.pool), ("state", state)], count)?;
        }
    }
    let help = "The most servers of a pool that served together in the last 7 days.";
    let mut family = gauges(encoder, "mainstay_pool_peak_servers", help)?;
    for row in &now.pools {
        gauge(&mut family, &[("pool", &*row.pool)], row.peak)?;
    }
    Ok(())
}

/// The scaling signal of each pool. A pool whose signal is unknown is not there: 0 would make an autoscaler remove servers.
fn scaling(encoder: &mut DescriptorEncoder<'_>, state: &WebState) -> fmt::Result {
    let Some(traffic) = state.traffic() else { return Ok(()) };
    let pools = traffic.pools.iter();
    let known: Vec<(&str, &Signal)> = pools
        .filter_map(|pool| match pool.scaling.as_ref()? {
            Scaling::Signal(signal) => Some((&*pool.id, signal)),
            Scaling::Unknown(_) => None,
        })
        .collect();
    if known.is_empty() {
        return Ok(());
    }
    let help = "Servers that keep the utilization of a pool at its target; absent while unknown.";
    let mut family = gauges(encoder, "mainstay_pool_desired_servers", help)?;
    for (pool, signal) in &known {
        gauge(&mut family, &[("pool", pool)], signal.desired_servers)?;
    }
    let help = "Demand of the last half minute as a share of the knee of the servers that work; absent while unknown.";
    let mut family = gauges(encoder, "mainstay_pool_utilization_ratio", help)?;
    for (pool, signal) in &known {
        if let Some(utilization) = signal.utilization_ratio {
            gauge(&mut family, &[("pool", pool)], utilization)?;
        }
    }
    let help = "Requests a second that clients ask a pool for: served, shed and held out.";
    let mut family = gauges(encoder, "mainstay_pool_demand_requests_per_second", help)?;
    for (pool, signal) in &known {
        gauge(&mut family, &[("pool", pool)], signal.demand_per_second)?;
    }
    Ok(())
}

/// Daily peaks and trends of what has a knee, as far as they are known.
fn headroom(encoder: &mut DescriptorEncoder<'_>, all: &[Headroom]) -> fmt::Result {
    let peaks = || all.iter().filter_map(|it| Some((it.resource.to_string(), it.at_daily_peak()?)));
    if peaks().next().is_none() {
        return Ok(());
    }
    let help = "Highest half minute of the last 24 hours as a share of the knee of a pool, or of the connection slots of a database.";
    let mut family = gauges(encoder, "mainstay_headroom_daily_peak_ratio", help)?;
    for (resource, peak) in peaks() {
        gauge(&mut family, &[("resource", &resource)], peak)?;
    }
    let help =
        "Day on which the trend of daily peaks meets the knee, as Unix time; absent without such a trend.";
    let mut family = gauges(encoder, "mainstay_headroom_knee_timestamp_seconds", help)?;
    for headroom in all {
        let midnight = headroom.meets().and_then(|date| date.to_zoned_datetime(TimeZone::UTC).ok());
        if let Some(midnight) = midnight {
            let labels = [("resource", &*headroom.resource.to_string())];
            gauge(&mut family, &labels, midnight.timestamp().as_second())?;
        }
    }
    Ok(())
}

fn heartbeats(encoder: &mut DescriptorEncoder<'_>, now: &Now) -> fmt::Result {
    if now.heartbeats.is_empty() {
        return Ok(());
    }
    let help = "Whether a job that reports by heartbeats is well: neither late nor failed.";
    let mut family = gauges(encoder, "mainstay_heartbeat_up", help)?;
    for row in &now.heartbeats {
        gauge(&mut family, &[("heartbeat", &*row.name)], i64::from(row.trouble.is_none()))?;
    }
    let help = "Last success of a job, as Unix time.";
    let mut family = gauges(encoder, "mainstay_heartbeat_success_timestamp_seconds", help)?;
    for row in &now.heartbeats {
        if let Some(at) = row.succeeded {
            gauge(&mut family, &[("heartbeat", &*row.name)], at.as_second())?;
        }
    }
    Ok(())
}

fn domains(encoder: &mut DescriptorEncoder<'_>, now: &Now) -> fmt::Result {
    let help = "Expiry of a domain registration, as Unix time.";
    let mut family = gauges(encoder, "mainstay_domain_expiry_timestamp_seconds", help)?;
    for row in &now.domains {
        if let Some(expires) = row.expires {
            let labels = [("domain", &*row.domain), ("knowledge", row.knowledge.as_str())];
            gauge(&mut family, &labels, expires.as_second())?;
        }
    }
    Ok(())
}

const STATES: [ServiceState; 6] = [
    ServiceState::Operational,
    ServiceState::UnderMaintenance,
    ServiceState::Unknown,
    ServiceState::Degraded,
    ServiceState::PartialOutage,
    ServiceState::MajorOutage,
];

fn label(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Operational => "operational",
        ServiceState::UnderMaintenance => "under_maintenance",
        ServiceState::Unknown => "unknown",
        ServiceState::Degraded => "degraded",
        ServiceState::PartialOutage => "partial_outage",
        ServiceState::MajorOutage => "major_outage",
    }
}

fn gauges<'e>(
    encoder: &'e mut DescriptorEncoder<'_>,
    name: &'e str,
    help: &str,
) -> Result<MetricEncoder<'e>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)
}

fn gauge(family: &mut MetricEncoder<'_>, labels: &[Label<'_>], value: impl EncodeGaugeValue) -> fmt::Result {
    family.encode_family(&labels)?.encode_gauge(&value)
}
