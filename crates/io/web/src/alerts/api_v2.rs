//! What clients of Alertmanager's API v2 read: amtool, Grafana's data source, karma.

use super::admitted;
use super::client_request::{ApiError, id_text, matchers};
use crate::state::WebState;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use engine::views::Now;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use types::config::AlertFormat;
use types::fault::ExternalAlert;
use types::matcher::{Matcher, all_match};
use types::silence::SilenceState;
use types::time::later;
use types::{Alert, Fault, KnownSilence, Time};

/// Name of the only receiver.
const RECEIVER: &str = "mainstay";

/// Which alerts a query asks for: `silenced=false` leaves out silenced ones, `active=false` the others.
#[derive(Clone, Copy)]
struct Wanted {
    active: bool,
    silenced: bool,
}

impl Wanted {
    fn of(query: Option<&str>) -> Self {
        let is_off = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
            pairs.any(|(key, value)| key == name && value == "false")
        };
        Self { active: !is_off("active"), silenced: !is_off("silenced") }
    }
}

/// Whether this process responds. Load balancers and Grafana ask without a token.
pub(super) async fn healthy() -> &'static str {
    "OK"
}

pub(super) async fn status(
    State(state): State<Arc<WebState>>,
    Path(source): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
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
) -> Result<Json<Value>, ApiError> {
    admitted(&state, &source, AlertFormat::Alertmanager, &headers)?;
    Ok(Json(json!([{ "name": RECEIVER }])))
}

pub(super) async fn alerts(
    State(state): State<Arc<WebState>>,
    Path(source): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<Vec<Value>>, ApiError> {
    admitted(&state, &source, AlertFormat::Alertmanager, &headers)?;
    let matchers = matchers(query.as_deref())?;
    let views = state.views_or_problem()?;
    Ok(Json(of_source(&views.now, &source, &matchers, Wanted::of(query.as_deref()))))
}

pub(super) async fn groups(
    State(state): State<Arc<WebState>>,
    Path(source): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    admitted(&state, &source, AlertFormat::Alertmanager, &headers)?;
    let matchers = matchers(query.as_deref())?;
    let views = state.views_or_problem()?;
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for alert in of_source(&views.now, &source, &matchers, Wanted::of(query.as_deref())) {
        let name = alert.pointer("/labels/alertname").and_then(Value::as_str).unwrap_or_default().to_owned();
        groups.entry(name).or_default().push(alert);
    }
    let group = |(name, alerts): (String, Vec<Value>)| json!({ "labels": { "alertname": name }, "receiver": { "name": RECEIVER }, "alerts": alerts });
    Ok(Json(groups.into_iter().map(group).collect()))
}

/// The open alerts of a source with these labels.
fn of_source(view: &Now, source: &str, matchers: &[Matcher], wanted: Wanted) -> Vec<Value> {
    let external = view.alerts.iter().filter_map(|alert| match &alert.fault {
        Fault::External { external } if external.reporter == source => Some((alert, &**external)),
        _ => None,
    });
    let matching = external.filter(|(_, external)| all_match(matchers, &external.labels));
    let active = || view.silences.iter().filter(|known| known.state(view.at) == SilenceState::Active);
    let described = matching.filter_map(|(alert, external)| {
        let silences: Vec<&KnownSilence> = active().filter(|known| known.silence.is_about(alert)).collect();
        let is_wanted = if silences.is_empty() { wanted.active } else { wanted.silenced };
        is_wanted.then(|| gettable(alert, external, &silences, view.at))
    });
    described.collect()
}

/// An alert as the API describes it.
fn gettable(alert: &Alert, external: &ExternalAlert, silences: &[&KnownSilence], now: Time) -> Value {
    let annotations = [
        ("summary", &external.summary),
        ("description", &external.description),
        ("runbook_url", &external.runbook),
    ];
    let annotations: BTreeMap<&str, &String> =
        annotations.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))).collect();
    let silenced_by: Vec<String> = silences.iter().map(|known| id_text(known.silence.id)).collect();
    let state = if silences.is_empty() { "active" } else { "suppressed" };
    json!({
        "labels": external.labels,
        "annotations": annotations,
        "receivers": [{ "name": RECEIVER }],
        "fingerprint": external.key.get(..16).unwrap_or(&external.key),
        "startsAt": alert.since.to_string(),
        "updatedAt": now.to_string(),
        "endsAt": later(now, external.repeated_within.unwrap_or_default()).to_string(),
        "generatorURL": external.link.as_deref().unwrap_or_default(),
        "status": { "state": state, "silencedBy": silenced_by, "inhibitedBy": [] },
    })
}
