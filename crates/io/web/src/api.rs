//! What machines read and write under `/api/v1`. Everything but `health` wants `Authorization: Bearer`: to read, the
//! token that only reads is enough.

use crate::problem::{Problem, from_json, written};
use crate::site::{BEAT_MAX, Site};
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use axum::{Json, Router};
use engine::views::Views;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use types::event::PostStatus;
use types::{IncidentId, Input};

/// Longest name of a person, in characters.
pub const NAME_MAX: usize = 60;
/// Longest note or post, in characters.
pub const TEXT_MAX: usize = 5_000;

pub(crate) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/api/v1/health", get(health))
        .route("/api/v1/now", get(now))
        .route("/api/v1/incidents", get(incidents))
        .route("/api/v1/incidents/{incident}/{wish}", post(wish))
        .route("/api/v1/login", post(login))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct By {
    by: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resolve {
    by: String,
    #[serde(default)]
    force: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    by: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Post {
    by: String,
    status: PostStatus,
    body: String,
}

async fn health(State(site): State<Arc<Site>>) -> Response<Body> {
    let ago = site.last_beat();
    let well = ago.is_some_and(|ago| ago <= BEAT_MAX);
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = match (well, ago) {
        (true, _) => "turning",
        (false, Some(_)) => "stalled",
        (false, None) => "starting",
    };
    (status, Json(json!({ "mind": word, "last_beat_secs_ago": ago.map(|ago| ago.as_secs()) })))
        .into_response()
}

async fn now(State(site): State<Arc<Site>>, asked: HeaderMap) -> Response<Body> {
    match known(&site, &asked) {
        Ok(views) => shown(&views.now),
        Err(problem) => problem.into_json(),
    }
}

async fn incidents(State(site): State<Arc<Site>>, asked: HeaderMap) -> Response<Body> {
    match known(&site, &asked) {
        Ok(views) => shown(&json!({ "open": views.now.open, "past": views.now.past })),
        Err(problem) => problem.into_json(),
    }
}

async fn wish(
    State(site): State<Arc<Site>>,
    Path((incident, wish)): Path<(String, String)>,
    asked: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response<Body> {
    let done = async {
        let_in(&site, &asked)?;
        let input = understood(&incident, &wish, body)?;
        site.ask(input).await?;
        Ok::<_, Problem>(())
    };
    match done.await {
        Ok(()) => Json(json!({ "done": wish, "incident": incident })).into_response(),
        Err(problem) => problem.into_json(),
    }
}

/// A fresh sign-in link for whoever already holds the machines' token.
async fn login(State(site): State<Arc<Site>>, asked: HeaderMap) -> Response<Body> {
    match let_in(&site, &asked) {
        Ok(()) => Json(json!({ "link": site.login_link() })).into_response(),
        Err(problem) => problem.into_json(),
    }
}

fn understood(incident: &str, wish: &str, body: Result<Bytes, BytesRejection>) -> Result<Input, Problem> {
    let incident = incident_id(incident)?;
    Ok(match wish {
        "ack" => {
            let By { by } = from_json(body)?;
            Input::Acknowledge { incident, by: name(&by)?, via: "command".to_owned() }
        }
        "note" => {
            let Note { by, text: note } = from_json(body)?;
            Input::Note { incident, by: name(&by)?, text: text(&note)? }
        }
        "post" => {
            let Post { by, status, body } = from_json(body)?;
            Input::Post { incident, by: name(&by)?, status, body: text(&body)? }
        }
        "approve" => {
            let By { by } = from_json(body)?;
            Input::Approve { incident, by: name(&by)? }
        }
        "resolve" => {
            let Resolve { by, force } = from_json(body)?;
            Input::Resolve { incident, by: name(&by)?, force }
        }
        _ => {
            let detail = format!("an incident cannot be asked to `{wish}`");
            return Err(Problem::new(
                StatusCode::NOT_FOUND,
                detail,
                "It knows ack, note, post, approve and resolve.",
            ));
        }
    })
}

/// Reads `incident-7` and `7`.
pub(crate) fn incident_id(text: &str) -> Result<IncidentId, Problem> {
    text.parse().map_err(|_| {
        let hint = "GET /api/v1/incidents lists those that exist.";
        Problem::new(StatusCode::NOT_FOUND, format!("`{text}` is not the number of an incident"), hint)
    })
}

/// The name of whoever wishes something.
pub(crate) fn name(by: &str) -> Result<String, Problem> {
    written(by, NAME_MAX).map(|name| name.replace('\n', " ")).ok_or_else(|| {
        let detail = format!("a name has 1 to {NAME_MAX} characters");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail, "Say who you are, so that the others know.")
    })
}

/// What somebody wrote.
pub(crate) fn text(words: &str) -> Result<String, Problem> {
    written(words, TEXT_MAX).ok_or_else(|| {
        let detail = format!("the text has 1 to {TEXT_MAX} characters");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail, "Write something, and keep it short.")
    })
}

/// A document for machines: spans are seconds.
pub(crate) fn shown<T: serde::Serialize>(value: &T) -> Response<Body> {
    match crate::seconds::json(value) {
        Ok(value) => Json(value).into_response(),
        Err(why) => {
            let hint = "This is a mistake of mainstay; please report it.";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why.to_string(), hint).into_json()
        }
    }
}

fn known(site: &Site, asked: &HeaderMap) -> Result<Arc<Views>, Problem> {
    may_read(site, asked)?;
    site.views().ok_or_else(|| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "nothing is known yet", "Try again in a few seconds.")
    })
}

/// Whether somebody may read: by the token of this installation, or by the one that only reads.
pub(crate) fn may_read(site: &Site, asked: &HeaderMap) -> Result<(), Problem> {
    if shows(asked, site.read_token()) { Ok(()) } else { let_in(site, asked) }
}

/// Whether a request shows a token. Compares in constant time. An empty token of ours lets nobody in.
fn shows(asked: &HeaderMap, ours: &str) -> bool {
    let shown = asked.get(header::AUTHORIZATION).map(|shown| shown.as_bytes()).unwrap_or_default();
    let shown = shown.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
    !ours.is_empty()
        && shown.is_some_and(|(_, token)| tokens::constant_time_eq(token.trim_ascii(), ours.as_bytes()))
}

/// Whether somebody may do everything.
pub(crate) fn let_in(site: &Site, asked: &HeaderMap) -> Result<(), Problem> {
    if shows(asked, &site.settings().api_token) {
        return Ok(());
    }
    if shows(asked, site.read_token()) {
        let hint = "The token in the file `api-token` in the data folder does more; give it to nobody who only reads.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "this token only reads", hint));
    }
    let hint = "Send `Authorization: Bearer TOKEN`; the token is in the file `api-token` in the data folder.";
    Err(Problem::new(StatusCode::UNAUTHORIZED, "this needs the token of this installation", hint))
}
