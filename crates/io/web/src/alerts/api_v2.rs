//! What clients of Alertmanager's API v2 read: amtool, Grafana's data source, karma.

use super::admitted;
use crate::problem::{JsonProblem, JsonResult, Problem};
use crate::state::WebState;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use types::config::AlertFormat;
use types::fault::ExternalAlert;
use types::matcher::{Matcher, all_match};
use types::time::later;
use types::{Alert, Fault, Time};

/// Name of the only receiver.
const RECEIVER: &str = "mainstay";
/// Maximum of matchers of one query.
const MATCHERS_MAX: usize = 20;

/// Whether this process responds. Load balancers and Grafana ask without a token.
pub(super) async fn healthy() -> &'static str {
    "OK"
}

pub(super) async fn status(
    State(state): State<Arc<WebState>>,
    Path(source): Path<String>,
    headers: HeaderMap,
) -> JsonResult {
    admitted(&state, &source, AlertFormat::Alertmanager, &headers)?;
    let version = env!("CARGO_PKG_VERSION");
    Ok(Json(json!({
        "cluster": { "status": "disabled", "peers": [] },
        "versionInfo": {
            "version": version, "revision": "", "branch": "", "buildUser": "mainstay", "buildDate": "", "goVersion": "",
        },
        "config": { "original": format!("route:\n  receiver: {RECEIVER}\nreceivers:\n  - name: {RECEIVER}\n") },
        "uptime": state.started_at().to_string(),
    })))
}

pub(super) async fn receivers(
    State(state): State<Arc<WebState>>,
    Path(source): Path<String>,
    headers: HeaderMap,
) -> JsonResult {
    admitted(&state, &source, AlertFormat::Alertmanager, &headers)?;
    Ok(Json(json!([{ "name": RECEIVER }])))
}

pub(super) async fn alerts(
    State(state): State<Arc<WebState>>,
    Path(source): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<Vec<Value>>, JsonProblem> {
    admitted(&state, &source, AlertFormat::Alertmanager, &headers)?;
    let matchers = matchers(query.as_deref())?;
    let views = state.views_or_problem()?;
    Ok(Json(of_source(&views.now.alerts, &source, &matchers, views.now.at)))
}

pub(super) async fn groups(
    State(state): State<Arc<WebState>>,
    Path(source): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> JsonResult {
    admitted(&state, &source, AlertFormat::Alertmanager, &headers)?;
    let matchers = matchers(query.as_deref())?;
    let views = state.views_or_problem()?;
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for alert in of_source(&views.now.alerts, &source, &matchers, views.now.at) {
        let name = alert.pointer("/labels/alertname").and_then(Value::as_str).unwrap_or_default().to_owned();
        groups.entry(name).or_default().push(alert);
    }
    let group = |(name, alerts): (String, Vec<Value>)| json!({ "labels": { "alertname": name }, "receiver": { "name": RECEIVER }, "alerts": alerts });
    Ok(Json(groups.into_iter().map(group).collect()))
}

/// The matchers of a query: `filter=alertname="A"&filter=zone=~"a|b"`.
pub(super) fn matchers(query: Option<&str>) -> Result<Vec<Matcher>, Problem> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let filters = pairs.filter(|(name, _)| name == "filter").take(MATCHERS_MAX);
    let matcher = |text: &str| {
        text.parse().map_err(|why| {
            let hint = "Matchers are written alertname=\"DiskFull\", with =, !=, =~ or !~.";
            Problem::new(StatusCode::BAD_REQUEST, format!("`filter` is no matcher: {why}"), hint)
        })
    };
    filters.map(|(_, text)| matcher(&text)).collect()
}

/// The open alerts of a source with these labels.
fn of_source(alerts: &[Alert], source: &str, matchers: &[Matcher], now: Time) -> Vec<Value> {
    let external = alerts.iter().filter_map(|alert| match &alert.fault {
        Fault::External { external } if external.reporter == source => Some((alert, &**external)),
        _ => None,
    });
    let matching = external.filter(|(_, external)| all_match(matchers, &external.labels));
    matching.map(|(alert, external)| gettable(alert, external, now)).collect()
}

/// An alert as the API describes it.
fn gettable(alert: &Alert, external: &ExternalAlert, now: Time) -> Value {
    let annotations = [
        ("summary", &external.summary),
        ("description", &external.description),
        ("runbook_url", &external.runbook),
    ];
    let annotations: BTreeMap<&str, &String> =
        annotations.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))).collect();
    json!({
        "labels": external.labels,
        "annotations": annotations,
        "receivers": [{ "name": RECEIVER }],
        "fingerprint": external.key.get(..16).unwrap_or(&external.key),
        "startsAt": alert.since.to_string(),
        "updatedAt": now.to_string(),
        "endsAt": later(now, external.repeated_within.unwrap_or_default()).to_string(),
        "generatorURL": external.link.as_deref().unwrap_or_default(),
        "status": { "state": "active", "silencedBy": [], "inhibitedBy": [] },
    })
}
