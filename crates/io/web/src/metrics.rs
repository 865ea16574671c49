//! `/metrics`: the metrics of the edge and of mainstay itself, in the OpenMetrics text format.
//!
//! It needs a token (the read-only one is enough) or a session, even from loopback: behind a proxy on the same machine
//! every client comes from loopback.

use crate::auth::may_read;
use crate::clock::now as clock_now;
use crate::state::WebState;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use engine::views::{NodeState, Now};
use std::fmt::{self, Write};
use std::sync::Arc;
use types::Severity;
use types::event::ServiceState;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(state): State<Arc<WebState>>, headers: HeaderMap) -> Response<Body> {
    if state.sessions().session(&headers, clock_now()).is_none()
        && let Err(problem) = may_read(&state, &headers)
    {
        return problem.into_json();
    }
    let mut text = state.edge().metrics();
    // Writing into a String does not fail.
    let _ = own(&mut text, &state);
    if wants_prometheus_text(&headers) {
        return ([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], prometheus_text(&text)).into_response();
    }
    text.push_str("# EOF\n");
    ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response()
}

/// Whether the client accepts the older Prometheus text format and not OpenMetrics.
fn wants_prometheus_text(headers: &HeaderMap) -> bool {
    let accepted: Vec<&str> =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let accepts = |format: &str| accepted.iter().any(|value| value.contains(format));
    accepts("text/plain") && !accepts("application/openmetrics-text")
}

/// Converts OpenMetrics to the older Prometheus text format: the head of a counter has the suffix of its samples, and
/// there is no `stateset`.
fn prometheus_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut suffix = "";
    for line in text.lines() {
        let mut parts = line.splitn(4, ' ');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                suffix = if kind == "counter" { "_total" } else { "" };
                let kind = if kind == "stateset" { "gauge" } else { kind };
                out.extend(["# TYPE ", name, suffix, " ", kind]);
            }
            (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                out.extend(["# HELP ", name, suffix, " ", help]);
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// Writes the metrics of mainstay itself.
fn own(out: &mut String, state: &WebState) -> fmt::Result {
    if let Some(age) = state.heartbeat_age() {
        let name = "mainstay_event_loop_heartbeat_age_seconds";
        head(out, name, "gauge", "Time since the last heartbeat of the event loop.")?;
        writeln!(out, "{name} {}", age.as_secs_f64())?;
    }
    let Some(views) = state.views() else { return Ok(()) };
    let now = &views.now;
    incidents(out, now)?;
    notifications(out, now)?;
    services(out, now)?;
    probes(out, now)?;
    domains(out, now)?;
    head(
        out,
        "mainstay_isolated",
        "gauge",
        "1 while mainstay itself has no connectivity; alerts are suspended.",
    )?;
    writeln!(out, "mainstay_isolated {}", u8::from(now.isolated.is_some()))?;
    if let Some(lag) = now.probe_lag_p99 {
        let name = "mainstay_probe_lag_p99_seconds";
        head(out, name, "gauge", "p99 of the schedule lag of probes in the last minute.")?;
        writeln!(out, "{name} {}", lag.as_secs_f64())?;
    }
    Ok(())
}

fn incidents(out: &mut String, now: &Now) -> fmt::Result {
    head(out, "mainstay_incidents", "gauge", "Open incidents by acknowledgement.")?;
    let unacknowledged = now.open.iter().filter(|open| open.unacknowledged_for.is_some()).count();
    writeln!(out, "mainstay_incidents{{acknowledged=\"false\"}} {unacknowledged}")?;
    writeln!(out, "mainstay_incidents{{acknowledged=\"true\"}} {}", now.open.len() - unacknowledged)?;
    head(out, "mainstay_alerts", "gauge", "Open alerts by severity.")?;
    for (severity, label) in
        [(Severity::Info, "info"), (Severity::Warning, "warning"), (Severity::Critical, "critical")]
    {
        let count = now.alerts.iter().filter(|alert| alert.severity == severity).count();
        writeln!(out, "mainstay_alerts{{severity=\"{label}\"}} {count}")?;
    }
    Ok(())
}

fn notifications(out: &mut String, now: &Now) -> fmt::Result {
    let name = "mainstay_pages_unreached";
    head(out, name, "gauge", "Open pages without an accepted notification attempt.")?;
    writeln!(out, "{name} {}", now.unreached.len())?;
    let name = "mainstay_notification_attempts";
    head(out, name, "counter", "Notification attempts by channel and result.")?;
    for row in &now.attempts {
        for (result, count) in [("accepted", row.accepted), ("failed", row.failed)] {
            let channel = quoted(&row.channel);
            writeln!(out, "{name}_total{{channel=\"{channel}\",result=\"{result}\"}} {count}")?;
        }
    }
    Ok(())
}

fn services(out: &mut String, now: &Now) -> fmt::Result {
    let name = "mainstay_service_state";
    head(out, name, "stateset", "State of each service on the status page.")?;
    for row in &now.services {
        for state in STATES {
            let (id, label, is) = (quoted(&row.id), label(state), u8::from(row.state == state));
            writeln!(out, "{name}{{service=\"{id}\",{name}=\"{label}\"}} {is}")?;
        }
    }
    Ok(())
}

/// The metrics of probes have the names of blackbox_exporter, so that its dashboards and alerts work.
fn probes(out: &mut String, now: &Now) -> fmt::Result {
    head(out, "probe_success", "gauge", "Whether the last probes of a resource succeeded.")?;
    for node in &now.nodes {
        let success = match node.state {
            NodeState::Unknown => continue,
            NodeState::Well | NodeState::Warned => 1,
            NodeState::Failing | NodeState::Cause => 0,
        };
        writeln!(out, "probe_success{{resource=\"{}\"}} {success}", quoted(&node.resource.to_string()))?;
    }
    head(out, "probe_duration_seconds", "gauge", "Duration of the last run of a probe, successful or not.")?;
    for row in &now.probes {
        let (probe, resource) = (quoted(&row.probe.0), quoted(&row.resource.to_string()));
        let duration = row.duration.as_secs_f64();
        writeln!(out, "probe_duration_seconds{{probe=\"{probe}\",resource=\"{resource}\"}} {duration}")?;
    }
    let name = "probe_ssl_earliest_cert_expiry";
    head(out, name, "gauge", "Earliest expiry in the last certificate chain, as Unix time.")?;
    for row in &now.probes {
        if let Some(expires) = row.certificate_expires {
            let (probe, resource) = (quoted(&row.probe.0), quoted(&row.resource.to_string()));
            let at = expires.as_second();
            writeln!(out, "{name}{{probe=\"{probe}\",resource=\"{resource}\"}} {at}")?;
        }
    }
    Ok(())
}

fn domains(out: &mut String, now: &Now) -> fmt::Result {
    let name = "mainstay_domain_expiry_timestamp_seconds";
    head(out, name, "gauge", "Expiry of a domain registration, as Unix time.")?;
    for row in &now.domains {
        if let Some(expires) = row.expires {
            let (domain, knowledge) = (quoted(&row.domain), row.knowledge.as_str());
            let at = expires.as_second();
            writeln!(out, "{name}{{domain=\"{domain}\",knowledge=\"{knowledge}\"}} {at}")?;
        }
    }
    Ok(())
}

const STATES: [ServiceState; 5] = [
    ServiceState::Operational,
    ServiceState::Unknown,
    ServiceState::Degraded,
    ServiceState::PartialOutage,
    ServiceState::MajorOutage,
];

fn label(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Operational => "operational",
        ServiceState::Unknown => "unknown",
        ServiceState::Degraded => "degraded",
        ServiceState::PartialOutage => "partial_outage",
        ServiceState::MajorOutage => "major_outage",
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(out, "# TYPE {name} {kind}\n# HELP {name} {help}")
}

/// Escapes the value of a label: backslash, quote and line feed.
fn quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
