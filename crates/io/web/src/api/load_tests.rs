//! The API of load tests: their targets, and the stored results.

use super::{json_response, views};
use crate::auth::WriteRequest;
use crate::problem::{JsonResult, Problem};
use crate::state::WebState;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use engine::load_tests::RecordedLoadTest;
use load::wording;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use types::load_test::STEPS_MAX;
use types::{Command, LoadTest};

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new().route("/api/v1/load-tests", get(list).post(record))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordBody {
    by: String,
    test: LoadTest,
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    recorded: &'a RecordedLoadTest,
    summary: String,
}

/// Lists the last load tests, newest first.
async fn list(State(state): State<Arc<WebState>>, headers: HeaderMap) -> JsonResult {
    let views = views(&state, &headers)?;
    let tests =
        views.acceptance.as_ref().map(|acceptance| acceptance.recorded_load_tests()).unwrap_or_default();
    let rows: Vec<Row<'_>> = tests.iter().map(row).collect();
    json_response(&json!({ "load_tests": rows, "timezone": views.now.timezone }))
}

fn row(recorded: &RecordedLoadTest) -> Row<'_> {
    Row { recorded, summary: wording::summary(&recorded.test) }
}

/// Stores the result of a load test.
async fn record(State(state): State<Arc<WebState>>, request: WriteRequest) -> JsonResult {
    let RecordBody { by, test } = request.json()?;
    if test.steps.len() > STEPS_MAX {
        let detail = format!("the load test has {} steps", test.steps.len());
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            detail,
            "A load test has 100 steps at most.",
        )
        .into());
    }
    let events = state.send(request.actor(&by)?, Command::RecordLoadTest { test }).await?;
    Ok(Json(json!({ "done": "load-test", "is_known": events.is_empty() })))
}
