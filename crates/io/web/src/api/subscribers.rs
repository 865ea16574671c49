//! The API of subscribers. Addresses are personal data: reading them needs the token that may write.

use super::json_response;
use crate::auth::{ByBody, WriteRequest, may_write};
use crate::params::name;
use crate::problem::{JsonResult, Problem};
use crate::state::WebState;
use crate::subscribe::{call, with_ascii_domain};
use crate::subscriptions::{NewSubscriber, Subscriptions};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use types::subscription::SubscriberKind;
use types::{ServiceId, SubscriberId};

/// Subscribers in one response.
const PAGE: usize = 500;
/// Subscribers in one request; the size of a body is limited too.
const ADD_MAX: usize = 500;

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new()
        .route("/api/v1/subscribers", get(list).post(add))
        .route("/api/v1/subscribers/{id}/remove", post(remove))
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddBody {
    by: String,
    subscribers: Vec<AddRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddRow {
    kind: SubscriberKind,
    address: String,
    #[serde(default)]
    components: BTreeSet<ServiceId>,
}

/// Lists subscribers by number, with the messages about recent updates by progress, at most 15 seconds old. `next` is the parameter `after` of the next page.
async fn list(
    State(state): State<Arc<WebState>>,
    headers: HeaderMap,
    Query(After { after }): Query<After>,
) -> JsonResult {
    may_write(&state, &headers)?;
    let read = move |subscriptions: &dyn Subscriptions| {
        Ok((subscriptions.page(SubscriberId(after), PAGE)?, subscriptions.counts().messages))
    };
    let (found, messages) = call(&state, read).await?;
    let messages: BTreeMap<&str, u64> = messages.into_iter().collect();
    let next = found.last().filter(|_| found.len() == PAGE).map(|last| last.id);
    json_response(&json!({ "subscribers": found, "messages": messages, "next": next }))
}

async fn add(State(state): State<Arc<WebState>>, request: WriteRequest) -> JsonResult {
    let AddBody { by, subscribers } = request.json()?;
    let by = name(&by)?;
    if subscribers.len() > ADD_MAX {
        let detail = format!("a request adds at most {ADD_MAX} subscribers");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail, "Send several requests.").into());
    }
    let new = |AddRow { kind, address, components }| {
        let address = if kind == SubscriberKind::Mail { with_ascii_domain(&address) } else { address };
        NewSubscriber { kind, address, components }
    };
    let new = subscribers.into_iter().map(new).collect();
    let added = call(&state, move |subscriptions| subscriptions.add(new)).await?;
    tracing::info!(%by, count = added.len(), "subscribers added");
    let rows = added.into_iter().map(|it| json!({ "id": it.id, "new": it.is_new, "secret": it.secret }));
    Ok(Json(json!({ "added": rows.collect::<Vec<Value>>() })))
}

async fn remove(
    State(state): State<Arc<WebState>>,
    Path(id): Path<i64>,
    request: WriteRequest,
) -> JsonResult {
    let ByBody { by } = request.json()?;
    let by = name(&by)?;
    if !call(&state, move |subscriptions| subscriptions.remove(SubscriberId(id))).await? {
        let hint = "`mainstay subscriber list` shows their numbers.";
        return Err(
            Problem::new(StatusCode::NOT_FOUND, format!("no subscriber has the number {id}"), hint).into()
        );
    }
    tracing::info!(%by, id, "subscriber removed");
    Ok(Json(json!({ "removed": id })))
}
