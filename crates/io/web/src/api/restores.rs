//! The API of restores: proofs of backups, and answers to test pages.

use super::{json_response, views};
use crate::auth::WriteRequest;
use crate::clock::now;
use crate::params::cleaned;
use crate::problem::{JsonResult, Problem};
use crate::state::WebState;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use engine::acceptance::AnsweredTest;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use types::restore::RestoreProof;
use types::{Command, Restore, Time, time};

/// Maximum length of the name of a backup, in characters.
const BACKUP_MAX: usize = 200;
/// Maximum length of the reason of a failure, in characters.
const WHY_MAX: usize = 500;

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new().route("/api/v1/restores", get(list).post(record)).route("/api/v1/pages/tests", get(tests))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RestoreBody {
    by: String,
    database: String,
    how: RestoreProof,
    /// When it ended; now, if it is left out.
    at: Option<Time>,
    backup: Option<String>,
    duration_seconds: Option<u32>,
    failed: Option<String>,
}

#[derive(Serialize)]
struct RestoreRow<'a> {
    database: &'a str,
    at: Time,
    how: RestoreProof,
    backup: Option<&'a str>,
    duration_seconds: Option<u32>,
    failed: Option<&'a str>,
}

#[derive(Serialize)]
struct TestRow<'a> {
    #[serde(flatten)]
    answered: &'a AnsweredTest,
    /// From the sending to the answer.
    seconds: u64,
}

/// Lists the last restore of each database.
async fn list(State(state): State<Arc<WebState>>, headers: HeaderMap) -> JsonResult {
    let views = views(&state, &headers)?;
    let restores = views.acceptance.iter().flat_map(|acceptance| acceptance.restores());
    let rows: Vec<RestoreRow<'_>> = restores.map(row).collect();
    json_response(&json!({ "restores": rows, "timezone": views.now.timezone }))
}

fn row(restore: &Restore) -> RestoreRow<'_> {
    RestoreRow {
        database: &restore.database,
        at: restore.at,
        how: restore.how,
        backup: restore.backup.as_deref(),
        duration_seconds: restore.secs,
        failed: restore.failed.as_deref(),
    }
}

/// Records a restore.
async fn record(State(state): State<Arc<WebState>>, request: WriteRequest) -> JsonResult {
    let body: RestoreBody = request.json()?;
    let at = body.at.unwrap_or_else(now);
    if at > now() {
        let hint = "Leave `at` out for now.";
        let detail = "a restore cannot have ended in the future";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail, hint).into());
    }
    let restore = Restore {
        database: body.database,
        at,
        how: body.how,
        backup: body.backup.map(|text| checked("backup", &text, BACKUP_MAX)).transpose()?,
        secs: body.duration_seconds,
        failed: body.failed.map(|text| checked("failed", &text, WHY_MAX)).transpose()?,
    };
    let done = json!({ "done": "restore", "database": restore.database, "at": restore.at });
    state.send(request.actor(&body.by)?, Command::RecordRestore { restore }).await?;
    Ok(Json(done))
}

/// A text on one line, within its length.
fn checked(name: &str, text: &str, max: usize) -> Result<String, Problem> {
    cleaned(text, max).map(|text| text.replace('\n', " ")).ok_or_else(|| {
        let detail = format!("`{name}` has 1 to {max} characters");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail, "Shorten it.")
    })
}

/// Lists the answers to test pages.
async fn tests(State(state): State<Arc<WebState>>, headers: HeaderMap) -> JsonResult {
    let views = views(&state, &headers)?;
    let answered = views.acceptance.iter().flat_map(|acceptance| acceptance.answered_tests());
    let row = |answered| TestRow { answered, seconds: seconds(answered) };
    json_response(&json!({ "answered": answered.map(row).collect::<Vec<_>>() }))
}

fn seconds(answered: &AnsweredTest) -> u64 {
    time::between(answered.test.sent, answered.at).as_secs()
}
