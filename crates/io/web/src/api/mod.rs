//! The HTTP API under `/api/v1`. Everything except `health` needs `Authorization: Bearer`; the read-only token is
//! enough to read.

pub(crate) mod audit;
pub(crate) mod cache;
pub(crate) mod changes;
pub mod edge;
mod external_metrics;
mod headroom;
mod heartbeats;
mod latency;
mod load_tests;
pub(crate) mod maintenances;
mod now;
pub(crate) mod restores;
mod silences;
mod subscribers;
mod traffic;
pub(crate) mod valves;

use self::now::{IncidentsBody, NowBody};
use crate::auth::{ByBody, WriteRequest, may_read, may_write};
use crate::params::{incident_id, text};
use crate::problem::{JsonResult, Problem};
use crate::state::{HEARTBEAT_AGE_MAX, WebState};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use axum::{Json, Router};
use engine::views::Views;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use types::Command;
use types::event::UpdateStatus;

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new()
        .route("/api/v1/health", get(health))
        .route("/api/v1/now", get(now))
        .route("/api/v1/incidents", get(incidents))
        .route("/api/v1/incidents/{incident}/{action}", post(incident_action))
        .route("/api/v1/login", post(login))
        .merge(audit::routes())
        .merge(external_metrics::routes())
        .merge(headroom::routes())
        .merge(heartbeats::routes())
        .merge(latency::routes())
        .merge(load_tests::routes())
        .merge(maintenances::routes())
        .merge(silences::routes())
        .merge(restores::routes())
        .merge(subscribers::routes())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResolveBody {
    by: String,
    #[serde(default)]
    force: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoteBody {
    by: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateBody {
    by: String,
    status: UpdateStatus,
    body: String,
}

async fn health(State(state): State<Arc<WebState>>) -> Response<Body> {
    let age = state.heartbeat_age();
    let healthy = age.is_some_and(|age| age <= HEARTBEAT_AGE_MAX);
    let code = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let event_loop = match (healthy, age) {
        (true, _) => "running",
        (false, Some(_)) => "stalled",
        (false, None) => "starting",
    };
    let age = age.map(|age| age.as_secs());
    (code, Json(json!({ "event_loop": event_loop, "heartbeat_age_seconds": age }))).into_response()
}

async fn now(State(state): State<Arc<WebState>>, headers: HeaderMap) -> JsonResult {
    json_response(&NowBody::new(&*views(&state, &headers)?))
}

async fn incidents(State(state): State<Arc<WebState>>, headers: HeaderMap) -> JsonResult {
    json_response(&IncidentsBody::new(&*views(&state, &headers)?))
}

async fn incident_action(
    State(state): State<Arc<WebState>>,
    Path((incident, action)): Path<(String, String)>,
    request: WriteRequest,
) -> JsonResult {
    let (by, command) = incident_command(&incident, &action, &request)?;
    state.send(request.actor(&by)?, command).await?;
    Ok(Json(json!({ "done": action, "incident": incident })))
}

/// Responds with a new sign-in link.
async fn login(State(state): State<Arc<WebState>>, headers: HeaderMap) -> JsonResult {
    may_write(&state, &headers)?;
    Ok(Json(json!({ "link": state.login_link() })))
}

/// The name of the author, and the command.
fn incident_command(
    incident: &str,
    action: &str,
    request: &WriteRequest,
) -> Result<(String, Command), Problem> {
    let incident = incident_id(incident)?;
    Ok(match action {
        "ack" => {
            let ByBody { by } = request.json()?;
            (by, Command::Acknowledge { incident })
        }
        "escalate" => {
            let ByBody { by } = request.json()?;
            (by, Command::Escalate { incident })
        }
        "note" => {
            let NoteBody { by, text: note } = request.json()?;
            (by, Command::Note { incident, text: text(&note)? })
        }
        "update" => {
            let UpdateBody { by, status, body } = request.json()?;
            (by, Command::Update { incident, status, body: text(&body)? })
        }
        "approve" => {
            let ByBody { by } = request.json()?;
            (by, Command::Approve { incident })
        }
        "resolve" => {
            let ResolveBody { by, force } = request.json()?;
            (by, Command::Resolve { incident, force })
        }
        _ => {
            let detail = format!("an incident has no action `{action}`");
            let hint = "The actions are ack, note, update, approve and resolve.";
            return Err(Problem::new(StatusCode::NOT_FOUND, detail, hint));
        }
    })
}

/// Returns a JSON response in which durations are seconds.
pub(crate) fn json_response<T: serde::Serialize>(value: &T) -> JsonResult {
    let value = crate::json::to_value(value).map_err(|why| {
        let hint = "This is a bug of mainstay; please report it.";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why.to_string(), hint)
    })?;
    Ok(Json(value))
}

/// The newest views, for a client that may read.
pub(crate) fn views(state: &WebState, headers: &HeaderMap) -> Result<Arc<Views>, Problem> {
    may_read(state, headers)?;
    state.views_or_problem()
}
