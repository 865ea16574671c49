//! The API of maintenances: `GET` and `POST /api/v1/maintenances`, `POST .../{maintenance}/extend` and `.../end`.

use super::{json_response, views};
use crate::auth::{ByBody, WriteRequest};
use crate::params::{cleaned, maintenance_id};
use crate::problem::{JsonResult, Problem};
use crate::state::WebState;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use types::event::EventKind;
use types::maintenance::{MaintenanceState, NewMaintenance, TEXT_MAX, TITLE_MAX};
use types::{Command, Maintenance, Resource, ScheduledMaintenance, ServiceId, Time};

/// Maximum of services and of resources that one maintenance names.
const NAMES_MAX: usize = 200;

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new()
        .route("/api/v1/maintenances", get(list).post(add))
        .route("/api/v1/maintenances/{maintenance}/end", post(end))
        .route("/api/v1/maintenances/{maintenance}/extend", post(extend))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddBody {
    by: String,
    title: String,
    text: Option<String>,
    #[serde(default)]
    services: BTreeSet<ServiceId>,
    #[serde(default)]
    resources: BTreeSet<Resource>,
    /// Now, if it is left out.
    from: Option<Time>,
    for_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExtendBody {
    by: String,
    for_seconds: u64,
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    maintenance: &'a ScheduledMaintenance,
    state: MaintenanceState,
}

/// Lists the maintenances by number.
async fn list(State(state): State<Arc<WebState>>, headers: HeaderMap) -> JsonResult {
    let views = views(&state, &headers)?;
    let row = |maintenance| Row { maintenance, state: maintenance.state() };
    let rows: Vec<Row<'_>> = views.now.maintenances.iter().map(row).collect();
    json_response(&json!({ "maintenances": rows, "timezone": views.now.timezone }))
}

/// Schedules a maintenance.
async fn add(State(state): State<Arc<WebState>>, request: WriteRequest) -> JsonResult {
    let body: AddBody = request.json()?;
    let maintenance = few_names(NewMaintenance {
        title: title(&body.title)?,
        text: body.text.map(|body| text(&body)).transpose()?,
        services: body.services,
        resources: body.resources,
        from: body.from,
        lasting: Duration::from_secs(body.for_seconds),
    })?;
    let events = state.send(request.actor(&body.by)?, Command::AddMaintenance { maintenance }).await?;
    Ok(Json(done("add", events)))
}

/// Moves the end of a maintenance.
async fn extend(
    State(state): State<Arc<WebState>>,
    Path(maintenance): Path<String>,
    request: WriteRequest,
) -> JsonResult {
    let ExtendBody { by: author, for_seconds } = request.json()?;
    let (maintenance, by) = (maintenance_id(&maintenance)?, Duration::from_secs(for_seconds));
    let command = Command::ExtendMaintenance { maintenance, by };
    Ok(Json(done("extend", state.send(request.actor(&author)?, command).await?)))
}

/// What was done, with the plan that holds now.
fn done(what: &str, events: Vec<EventKind>) -> serde_json::Value {
    let planned = scheduled(events);
    json!({
        "done": what,
        "maintenance": planned.as_ref().map(|one| one.id),
        "from": planned.as_ref().map(|one| one.from),
        "to": planned.as_ref().map(|one| one.to),
    })
}

/// Ends a maintenance, or cancels one that has not started.
async fn end(
    State(state): State<Arc<WebState>>,
    Path(maintenance): Path<String>,
    request: WriteRequest,
) -> JsonResult {
    let ByBody { by } = request.json()?;
    let maintenance = maintenance_id(&maintenance)?;
    state.send(request.actor(&by)?, Command::EndMaintenance { maintenance }).await?;
    Ok(Json(json!({ "done": "end", "maintenance": maintenance })))
}

/// The maintenance that a command scheduled.
pub(crate) fn scheduled(events: Vec<EventKind>) -> Option<Maintenance> {
    events.into_iter().find_map(|event| match event {
        EventKind::MaintenanceScheduled { maintenance, .. } => Some(maintenance),
        _ => None,
    })
}

/// A maintenance that names few enough services and resources.
pub(crate) fn few_names(new: NewMaintenance) -> Result<NewMaintenance, Problem> {
    if new.services.len().max(new.resources.len()) <= NAMES_MAX {
        return Ok(new);
    }
    let detail = format!("a maintenance names at most {NAMES_MAX} services and resources");
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail, "Schedule several maintenances."))
}

/// A title on one line, within its length.
pub(crate) fn title(title: &str) -> Result<String, Problem> {
    let cleaned = cleaned(title, TITLE_MAX).map(|title| title.replace('\n', " "));
    cleaned.ok_or_else(|| length("title", TITLE_MAX))
}

/// A text within its length.
pub(crate) fn text(text: &str) -> Result<String, Problem> {
    cleaned(text, TEXT_MAX).ok_or_else(|| length("text", TEXT_MAX))
}

fn length(name: &str, max: usize) -> Problem {
    let detail = format!("`{name}` has 1 to {max} characters");
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        detail,
        "It is published: say what is done, and what visitors notice.",
    )
}
