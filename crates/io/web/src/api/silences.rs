//! The API of silences: `GET` and `POST /api/v1/silences`, `POST .../{silence}/expire`.

use super::{json_response, views};
use crate::auth::{ByBody, WriteRequest};
use crate::clock::now;
use crate::params::{cleaned, silence_id};
use crate::problem::{JsonResult, Problem};
use crate::state::WebState;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use types::event::EventKind;
use types::matcher::Matcher;
use types::silence::{COMMENT_MAX, MATCHERS_MAX, NewSilence, SilenceState};
use types::time::later;
use types::{Command, KnownSilence};

/// Longest silence of this API: longer ones are forgotten, and the alert needs another rule.
const LASTING_MAX: Duration = Duration::from_secs(31 * 86_400);

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new()
        .route("/api/v1/silences", get(list).post(add))
        .route("/api/v1/silences/{silence}/expire", post(expire))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddBody {
    by: String,
    source: String,
    /// Written as in Alertmanager: `alertname="DiskFull"`.
    matchers: Vec<String>,
    comment: String,
    for_seconds: u64,
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    known: &'a KnownSilence,
    state: SilenceState,
    text: String,
}

/// Lists the silences by number.
async fn list(State(state): State<Arc<WebState>>, headers: HeaderMap) -> JsonResult {
    let views = views(&state, &headers)?;
    let now = views.now.at;
    let row = |known: &'_ KnownSilence| {
        json!(Row { known, state: known.state(now), text: known.silence.matchers_text() })
    };
    let rows: Vec<_> = views.now.silences.iter().map(row).collect();
    json_response(&json!({ "silences": rows, "timezone": views.now.timezone }))
}

/// Sets a silence from now on.
async fn add(State(state): State<Arc<WebState>>, request: WriteRequest) -> JsonResult {
    let body: AddBody = request.json()?;
    let by = request.actor(&body.by)?;
    let invalid = |detail: String, hint| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail, hint);
    let matcher = |text: &String| {
        text.parse::<Matcher>().map_err(|why| {
            let hint = "Matchers are written alertname=\"DiskFull\", with =, !=, =~ or !~.";
            invalid(format!("`{}` is no matcher: {why}", text.escape_debug()), hint)
        })
    };
    if body.matchers.len() > MATCHERS_MAX {
        return Err(invalid(format!("a silence has at most {MATCHERS_MAX} matchers"), "Use fewer.").into());
    }
    let lasting = Duration::from_secs(body.for_seconds);
    if lasting > LASTING_MAX {
        let hint = "Change the rule at its source, or give the alert another severity there.";
        return Err(invalid("a silence lasts at most 31 days".to_owned(), hint).into());
    }
    let comment = cleaned(&body.comment, COMMENT_MAX)
        .ok_or_else(|| invalid(format!("the comment has 1 to {COMMENT_MAX} characters"), "Say why."))?;
    let from = now();
    let silence = NewSilence {
        replaces: None,
        source: body.source,
        matchers: body.matchers.iter().map(matcher).collect::<Result<_, _>>()?,
        from,
        to: later(from, lasting),
        author: by.id.clone(),
        comment: comment.replace('\n', " "),
    };
    let events = state.send(by, Command::SetSilence { silence }).await?;
    let set = events.into_iter().find_map(|event| match event {
        EventKind::SilenceSet { silence, .. } => Some(silence),
        _ => None,
    });
    Ok(Json(json!({ "done": "add", "silence": set.as_ref().map(|one| one.id), "to": set.map(|one| one.to) })))
}

/// Ends a silence.
async fn expire(
    State(state): State<Arc<WebState>>,
    Path(silence): Path<String>,
    request: WriteRequest,
) -> JsonResult {
    let ByBody { by } = request.json()?;
    let silence = silence_id(&silence)?;
    state.send(request.actor(&by)?, Command::ExpireSilence { source: None, silence }).await?;
    Ok(Json(json!({ "done": "expire", "silence": silence })))
}
