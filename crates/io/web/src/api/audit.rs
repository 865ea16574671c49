//! The API of the audit.

use super::{json_response, views};
use crate::audited::{audited, concerned, no_audit};
use crate::problem::JsonResult;
use crate::state::WebState;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use engine::criteria_history::Changed;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::VecDeque;
use std::sync::Arc;
use types::audit::Criterion;
use types::{Resource, ServiceId};

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new().route("/api/v1/audit", get(report)).route("/api/v1/audit/history", get(history))
}

#[derive(Deserialize)]
struct Parameters {
    /// Only what concerns this service.
    service: Option<String>,
}

async fn report(
    State(state): State<Arc<WebState>>,
    Query(Parameters { service }): Query<Parameters>,
    headers: HeaderMap,
) -> JsonResult {
    let views = views(&state, &headers)?;
    json_response(&audited(&views, service.map(ServiceId), crate::clock::now()).await?)
}

#[derive(Serialize)]
struct HistoryRow<'a> {
    criterion: Criterion,
    resource: &'a Resource,
    is_met: bool,
    /// Oldest first.
    changes: &'a VecDeque<Changed>,
}

/// When each criterion was lost and met again.
async fn history(
    State(state): State<Arc<WebState>>,
    Query(Parameters { service }): Query<Parameters>,
    headers: HeaderMap,
) -> JsonResult {
    let views = views(&state, &headers)?;
    let Some(acceptance) = &views.acceptance else { return Err(no_audit().into()) };
    let concerned = match &service {
        Some(service) => Some(concerned(acceptance, service)?),
        None => None,
    };
    let is_asked = |resource: &Resource| concerned.as_ref().is_none_or(|set| set.contains(resource));
    let rows: Vec<HistoryRow<'_>> = acceptance
        .history()
        .all()
        .filter(|(_, resource, _)| is_asked(resource))
        .map(|(criterion, resource, changes)| HistoryRow {
            criterion,
            resource,
            is_met: changes.back().is_none_or(|last| last.is_met),
            changes,
        })
        .collect();
    json_response(&json!({ "history": rows }))
}
