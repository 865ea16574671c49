//! `/metrics`: what the edge measures and what the house knows of itself, in the OpenMetrics text format.
//!
//! It wants a token of this installation (the one that only reads is enough), or a session, even from loopback: a status page is often served through a proxy on the
//! same machine, and then everybody on the internet comes from loopback.

use crate::api::may_read;
use crate::site::{Site, now};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use engine::views::{NodeState, Views};
use std::fmt::{self, Write};
use std::sync::Arc;
use types::Severity;
use types::event::ServiceState;

const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC_KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) fn routes() -> Router<Arc<Site>> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(site): State<Arc<Site>>, asked: HeaderMap) -> Response<Body> {
    if site.door().session(&asked, now()).is_none()
        && let Err(problem) = may_read(&site, &asked)
    {
        return problem.into_json();
    }
    let mut text = site.edge().metrics();
    // Writing into a String does not fail.
    let _ = house(&mut text, &site);
    if wants_classic(&asked) {
        return ([(header::CONTENT_TYPE, CLASSIC_KIND)], classic(&text)).into_response();
    }
    text.push_str("# EOF\n");
    ([(header::CONTENT_TYPE, KIND)], text).into_response()
}

/// Whether somebody names the text format that was before OpenMetrics, and not OpenMetrics.
fn wants_classic(asked: &HeaderMap) -> bool {
    let accepted: Vec<&str> =
        asked.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let named = |kind: &str| accepted.iter().any(|value| value.contains(kind));
    named("text/plain") && !named("application/openmetrics-text")
}

/// The same in the text format that was before OpenMetrics: a counter's head has the name of its line, and there is no
/// `stateset`.
fn classic(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut suffix = "";
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
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

/// What the house knows of itself and of what it watches.
fn house(out: &mut String, site: &Site) -> fmt::Result {
    if let Some(ago) = site.last_beat() {
        head(out, "mainstay_mind_beat_age_seconds", "gauge", "How long ago the loop last turned.")?;
        writeln!(out, "mainstay_mind_beat_age_seconds {}", ago.as_secs_f64())?;
    }
    let Some(views) = site.views() else { return Ok(()) };
    let Views { now, .. } = &*views;
    head(out, "mainstay_incidents", "gauge", "Open incidents, by whether somebody has them in hand.")?;
    let waiting = now.open.iter().filter(|open| open.unacknowledged_for.is_some()).count();
    writeln!(out, "mainstay_incidents{{hand=\"nobody\"}} {waiting}")?;
    writeln!(out, "mainstay_incidents{{hand=\"somebody\"}} {}", now.open.len() - waiting)?;
    head(
        out,
        "mainstay_pages_unreached",
        "gauge",
        "Pages that call and of which nobody has heard: no provider accepted any attempt.",
    )?;
    writeln!(out, "mainstay_pages_unreached {}", now.unreached.len())?;
    head(
        out,
        "mainstay_delivery_attempts",
        "counter",
        "Attempts to reach somebody, by channel and by what its provider did.",
    )?;
    for row in &now.attempts {
        for (word, count) in [("accepted", row.accepted), ("failed", row.failed)] {
            let channel = quoted(&row.channel);
            writeln!(
                out,
                "mainstay_delivery_attempts_total{{channel=\"{channel}\",outcome=\"{word}\"}} {count}"
            )?;
        }
    }
    head(out, "mainstay_alerts", "gauge", "Open alerts, by weight.")?;
    for (severity, word) in
        [(Severity::Info, "notes"), (Severity::Warning, "warns"), (Severity::Critical, "breaks")]
    {
        let count = now.alerts.iter().filter(|alert| alert.severity == severity).count();
        writeln!(out, "mainstay_findings{{weight=\"{word}\"}} {count}")?;
    }
    head(out, "mainstay_service_state", "stateset", "The state of each service, as the status page has it.")?;
    for row in &now.services {
        for state in STATES {
            let (id, word, is) = (quoted(&row.id), word(state), u8::from(row.state == state));
            writeln!(
                out,
                "mainstay_service_state{{service=\"{id}\",mainstay_service_state=\"{word}\"}} {is}"
            )?;
        }
    }
    head(out, "probe_success", "gauge", "Whether what is watched is well, by its own last looks.")?;
    for node in &now.nodes {
        let well = match node.state {
            NodeState::Unknown => continue,
            NodeState::Well | NodeState::Warned => 1,
            NodeState::Failing | NodeState::Cause => 0,
        };
        writeln!(out, "probe_success{{thing=\"{}\"}} {well}", quoted(&node.resource.to_string()))?;
    }
    // Named as blackbox_exporter names them, so that its dashboards and alerts fit.
    head(
        out,
        "probe_duration_seconds",
        "gauge",
        "How long the last look of a probe took, whatever came of it.",
    )?;
    for look in &now.looks {
        let (probe, resource) = (quoted(&look.probe.0), quoted(&look.resource.to_string()));
        let took = look.took.as_secs_f64();
        writeln!(out, "probe_duration_seconds{{probe=\"{probe}\",thing=\"{resource}\"}} {took}")?;
    }
    head(
        out,
        "probe_ssl_earliest_cert_expiry",
        "gauge",
        "When the first certificate of the chain that a probe last saw ends to be good.",
    )?;
    for look in &now.looks {
        if let Some(ends) = look.certificate_ends {
            let (probe, resource, at) =
                (quoted(&look.probe.0), quoted(&look.resource.to_string()), ends.as_second());
            writeln!(out, "probe_ssl_earliest_cert_expiry{{probe=\"{probe}\",thing=\"{resource}\"}} {at}")?;
        }
    }
    head(out, "mainstay_domain_expiry_timestamp_seconds", "gauge", "When a registration ends.")?;
    for row in &now.domains {
        if let Some(expires) = row.expires {
            let (domain, knowledge) = (quoted(&row.domain), quoted(&row.knowledge));
            let at = expires.as_second();
            writeln!(
                out,
                "mainstay_domain_expiry_timestamp_seconds{{domain=\"{domain}\",knowledge=\"{knowledge}\"}} {at}"
            )?;
        }
    }
    head(out, "mainstay_blind", "gauge", "1 when mainstay cannot see out and calls nothing down.")?;
    writeln!(out, "mainstay_blind {}", u8::from(now.blind.is_some()))?;
    if let Some(late) = now.late_p99 {
        head(
            out,
            "mainstay_probes_late_p99_seconds",
            "gauge",
            "The p99 of the schedule lag of probes within the last minute.",
        )?;
        writeln!(out, "mainstay_probes_late_p99_seconds {}", late.as_secs_f64())?;
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

fn word(state: ServiceState) -> &'static str {
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

/// A label's value: backslash, quote and line feed are escaped, as the format wants.
fn quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
