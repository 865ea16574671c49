//! Pings of jobs: `/ping/KEY`, `/ping/KEY/start`, `/fail`, `/log` and `/STATUS` in the manner of healthchecks.io, and
//! `/api/push/KEY?status=up` in that of Uptime Kuma.
//!
//! A ping is answered 200 only after it is on disk. GET, HEAD and POST mean the same, because clients use all of them; the body of a
//! POST is the output of the job, whose end is kept.

mod output;

use crate::problem::Problem;
use crate::state::WebState;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::any;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use types::{Actor, Command, Ping, PingKind};

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new()
        .route("/ping/{key}", any(success))
        .route("/ping/{key}/{action}", any(action))
        .route("/api/push/{key}", any(push))
        // The output of a job may be long; what is kept of it is bounded where it is read.
        .layer(DefaultBodyLimit::disable())
}

#[derive(Default, Deserialize)]
struct Run {
    /// The id of the run, in the manner of healthchecks.io.
    #[serde(default)]
    rid: Option<String>,
}

type RunQuery = Query<Run>;

async fn success(
    State(state): State<Arc<WebState>>,
    Path(key): Path<String>,
    Query(run): RunQuery,
    body: Body,
) -> Response<Body> {
    answer(ping(&state, &key, PingKind::Succeeded, run, body).await)
}

async fn action(
    State(state): State<Arc<WebState>>,
    Path((key, action)): Path<(String, String)>,
    Query(run): RunQuery,
    body: Body,
) -> Response<Body> {
    let done = match kind(&action) {
        Some(kind) => ping(&state, &key, kind, run, body).await,
        None => {
            let hint = "After the key: nothing for success, or /start, /fail, /log, or an exit status from /0 to /255.";
            Err(Problem::new(StatusCode::NOT_FOUND, "this is no kind of a ping", hint))
        }
    };
    answer(done)
}

fn kind(action: &str) -> Option<PingKind> {
    Some(match action {
        "start" => PingKind::Started,
        "fail" => PingKind::Failed { exit: None },
        "log" => PingKind::Logged,
        status => PingKind::of_exit(status.parse().ok()?),
    })
}

async fn ping(state: &WebState, key: &str, kind: PingKind, run: Run, body: Body) -> Result<(), Problem> {
    let name = target(state, key)?;
    let output = output::end_of(body).await;
    record(state, name, Ping::new(kind, run.rid.as_deref(), Some(&output))).await
}

/// The job with a key, if it may report now.
fn target(state: &WebState, key: &str) -> Result<String, Problem> {
    let targets = state.pings();
    let name = targets.by_key(key).ok_or_else(|| {
        let hint = "Compare the URL with [heartbeat.NAME] of the configuration: /ping/KEY, or /ping/NAME without a key.";
        Problem::new(StatusCode::NOT_FOUND, "no job has this key", hint)
    })?;
    if !targets.admits(&name) {
        let hint = "Report once a run. A job that runs every second needs no more than one report a minute.";
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "this job reports too often", hint));
    }
    Ok(name)
}

async fn record(state: &WebState, name: String, ping: Ping) -> Result<(), Problem> {
    let by = Actor::token(format!("heartbeat.{name}"));
    state.send_unseen(by, Command::RecordPing { heartbeat: name, ping }).await?;
    Ok(())
}

/// Scripts show what they get: one short line.
fn answer(done: Result<(), Problem>) -> Response<Body> {
    match done {
        Ok(()) => {
            let text =
                [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
            (text, "OK").into_response()
        }
        Err(problem) => problem.into_text(),
    }
}

#[derive(Default, Deserialize)]
struct Push {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    msg: Option<String>,
}

/// A push monitor of Uptime Kuma: `up` when no status is given.
async fn push(
    State(state): State<Arc<WebState>>,
    Path(key): Path<String>,
    Query(push): Query<Push>,
) -> Response<Body> {
    let kind = match push.status.as_deref() {
        Some("down") => PingKind::Failed { exit: None },
        _ => PingKind::Succeeded,
    };
    let done = async {
        let name = target(&state, &key)?;
        record(&state, name, Ping::new(kind, None, push.msg.as_deref())).await
    };
    match done.await {
        Ok(()) => Json(json!({ "ok": true })).into_response(),
        Err(problem) => (problem.status, Json(json!({ "ok": false, "msg": problem.detail }))).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn action_is_a_word_or_an_exit_status() {
        let failed = |exit| Some(PingKind::Failed { exit });
        let cases = [
            ("start", Some(PingKind::Started)),
            ("fail", failed(None)),
            ("log", Some(PingKind::Logged)),
            ("0", Some(PingKind::Succeeded)),
            ("137", failed(Some(137))),
            ("256", None),
            ("-1", None),
            ("", None),
            ("Start", None),
        ];
        for (action, expected) in cases {
            assert_eq!(kind(action), expected, "{action}");
        }
    }
}
