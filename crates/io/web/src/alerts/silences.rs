//! Silences in the form of Alertmanager's API v2, as amtool and Grafana set them: `/silences` and `/silence/ID` below
//! `/api/v1/sources/NAME/api/v2`.
//!
//! A number is written as the UUID that clients expect, with the number at its end.

use super::client_request::{ApiError, id_text, matchers, parsed_id};
use super::report::{json, line, wrong};
use super::{admitted, body_of};
use crate::problem::Problem;
use crate::state::WebState;
use axum::Json;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use types::config::AlertFormat;
use types::event::EventKind;
use types::matcher::{Matcher, Written, all_match};
use types::silence::{AUTHOR_MAX, COMMENT_MAX, MATCHERS_MAX, NewSilence, SilenceState};
use types::{Actor, Command, KnownSilence, Time};

/// A silence as clients post it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    id: Option<String>,
    matchers: Vec<Written>,
    starts_at: String,
    ends_at: String,
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    comment: String,
}

fn no_such_silence() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no silence with this id", "GET .../silences lists them.")
}

/// Lists the silences of a source: active ones first, those that end first before the others.
pub(super) async fn list(
    State(state): State<Arc<WebState>>,
    Path(source): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<Vec<Value>>, ApiError> {
    admitted(&state, &source, AlertFormat::Alertmanager, &headers)?;
    let filter = matchers(query.as_deref())?;
    let views = state.views_or_problem()?;
    let now = views.now.at;
    let of_source = views.now.silences.iter().filter(|known| known.silence.source == source);
    let mut found: Vec<&KnownSilence> = of_source.filter(|known| is_meant(known, &filter)).collect();
    found.sort_by_key(|known| (known.state(now), known.end()));
    Ok(Json(found.into_iter().map(|known| gettable(known, now)).collect()))
}

/// As Alertmanager compares them: the filter is about the matchers of the silence, as if they were labels.
fn is_meant(known: &KnownSilence, filter: &[Matcher]) -> bool {
    let written = known.silence.matchers.iter().map(Matcher::written);
    let labels: BTreeMap<String, String> =
        written.map(|matcher| (matcher.name.clone(), matcher.value.clone())).collect();
    all_match(filter, &labels)
}

/// One silence of a source.
pub(super) async fn get(
    State(state): State<Arc<WebState>>,
    Path((source, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    admitted(&state, &source, AlertFormat::Alertmanager, &headers)?;
    let id = parsed_id(&id).ok_or_else(no_such_silence)?;
    let views = state.views_or_problem()?;
    let mut silences = views.now.silences.iter();
    let known = silences.find(|known| known.silence.id == id && known.silence.source == source);
    Ok(Json(gettable(known.ok_or_else(no_such_silence)?, views.now.at)))
}

/// Sets a silence, or changes one.
pub(super) async fn post(
    State(state): State<Arc<WebState>>,
    Path(source): Path<String>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let source = admitted(&state, &source, AlertFormat::Alertmanager, request.headers())?;
    state.alert_sources().count(&source.name)?;
    let silence = read(&body_of(request, &state).await?, &source.name)?;
    let replaces = silence.replaces;
    let events = state.send(actor(&source.name), Command::SetSilence { silence }).await?;
    let set = events.into_iter().find_map(|event| match event {
        EventKind::SilenceSet { silence, .. } => Some(silence.id),
        _ => None,
    });
    // Without an event nothing of it has changed.
    let id = set.or(replaces).ok_or_else(no_such_silence)?;
    Ok(Json(json!({ "silenceID": id_text(id) })))
}

/// Ends a silence.
pub(super) async fn delete(
    State(state): State<Arc<WebState>>,
    Path((source, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let source = admitted(&state, &source, AlertFormat::Alertmanager, &headers)?;
    state.alert_sources().count(&source.name)?;
    let silence = parsed_id(&id).ok_or_else(no_such_silence)?;
    let by = actor(&source.name);
    let command = Command::ExpireSilence { source: Some(source.name), silence };
    state.send(by, command).await?;
    Ok(StatusCode::OK)
}

/// Who acts is the source: what a client calls itself is only text.
fn actor(source: &str) -> Actor {
    Actor::token(format!("source.{source}"))
}

/// Reads a silence; its texts are cut and safe to show.
pub(super) fn read(body: &[u8], source: &str) -> Result<NewSilence, Problem> {
    let posted: Posted = json(body)?;
    let time = |text: &str| {
        crate::intake::time(text).ok_or_else(|| wrong("`startsAt` and `endsAt` must be times in RFC 3339"))
    };
    if posted.matchers.len() > MATCHERS_MAX {
        return Err(wrong(format!("a silence has at most {MATCHERS_MAX} matchers")));
    }
    let matcher = |written: Written| {
        let why = |why| wrong(format!("invalid matcher: {why}"));
        Matcher::try_from(written).map_err(why)
    };
    let mut matchers = posted.matchers.into_iter().map(matcher).collect::<Result<Vec<_>, _>>()?;
    matchers.sort_by(|one, other| one.written().cmp(other.written()));
    let id = posted.id.filter(|id| !id.is_empty());
    Ok(NewSilence {
        replaces: id.map(|id| parsed_id(&id).ok_or_else(no_such_silence)).transpose()?,
        source: source.to_owned(),
        matchers,
        from: time(&posted.starts_at)?,
        to: time(&posted.ends_at)?,
        author: line(&posted.created_by, AUTHOR_MAX).unwrap_or_default(),
        comment: line(&posted.comment, COMMENT_MAX).unwrap_or_default(),
    })
}

/// A silence as the API describes it.
fn gettable(known: &KnownSilence, now: Time) -> Value {
    let silence = &known.silence;
    // One that was ended before its start has no time at all.
    let start = silence.from.min(known.end());
    json!({
        "id": id_text(silence.id),
        "status": { "state": SilenceState::as_str(known.state(now)) },
        "updatedAt": known.changed.to_string(),
        "startsAt": start.to_string(),
        "endsAt": known.end().to_string(),
        "matchers": silence.matchers,
        "createdBy": silence.author,
        "comment": silence.comment,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_silence_says_why() {
        let body = |matchers: &str, from: &str| {
            format!("{{\"matchers\":{matchers},\"startsAt\":\"{from}\",\"endsAt\":\"2026-12-05T12:00:00Z\"}}")
        };
        let noon = "2026-12-05T10:00:00.000Z";
        let why = |text: String| read(text.as_bytes(), "prometheus").unwrap_err().detail;
        assert_eq!(
            why(body(r#"[{"name":"a","value":"(","isRegex":true}]"#, noon)),
            "invalid matcher: invalid regular expression: error: unclosed group"
        );
        assert!(why(body("[]", "tomorrow")).contains("RFC 3339"));
        assert!(why("[]".to_owned()).starts_with("invalid body"));
        let many = format!("[{}]", [r#"{"name":"a","value":"b"}"#; MATCHERS_MAX + 1].join(","));
        assert!(why(body(&many, noon)).contains("at most"));
        assert!(read(body(r#"[{"name":"a","value":"b"}]"#, noon).as_bytes(), "prometheus").is_ok());
    }

    proptest! {
        #[test]
        fn arbitrary_bodies_never_panic_and_texts_are_safe(
            author in "\\PC{0,30}|[\\x00-\\x1f\\u{202e}a]{0,30}", comment in any::<String>(), name in any::<String>(),
        ) {
            let body = json!({
                "matchers": [{ "name": name, "value": comment, "isRegex": true }],
                "startsAt": "2026-12-05T10:00:00Z", "endsAt": "2026-12-05T12:00:00Z",
                "createdBy": author, "comment": comment,
            });
            if let Ok(silence) = read(body.to_string().as_bytes(), "prometheus") {
                let is_safe = |text: &str| !text.chars().any(|c| c.is_control() || c == '\u{202e}');
                prop_assert!(is_safe(&silence.author) && is_safe(&silence.comment));
            }
        }
    }
}
