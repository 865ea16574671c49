//! Actions of the page Edge: denials, valves, purges of the cache.

use crate::api::cache::purged;
use crate::console::actions::{SignedForm, SubmittedForm, author, perform, signed};
use crate::message_page::MessagePage;
use crate::params::{cached_path, denial_duration, denial_id, deny_what, valve_percent};
use crate::state::WebState;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::post;
use serde::Deserialize;
use std::sync::Arc;
use text::number::grouped;
use types::{Command, ServiceId};

/// Where the denials are shown.
const DENIALS: &str = "/console/edge#denials";

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new()
        .route("/console/edge/deny", post(deny))
        .route("/console/edge/lift", post(lift))
        .route("/console/edge/valve", post(valve))
        .route("/console/edge/purge", post(purge))
}

/// Form of a new denial. An empty `service` means all services.
#[derive(Deserialize)]
struct DenyForm {
    form: String,
    what: String,
    for_seconds: u64,
    #[serde(default)]
    service: String,
    /// Not empty when the box is checked.
    #[serde(default)]
    everybody: String,
}

/// Form of a valve.
#[derive(Deserialize)]
struct ValveForm {
    form: String,
    service: String,
    percent: u64,
    /// Not empty when the box is checked.
    #[serde(default)]
    ramp: String,
    /// Not empty when the box is checked.
    #[serde(default)]
    limited: String,
}

#[derive(Deserialize)]
struct LiftForm {
    form: String,
    denial: String,
}

/// Form of a purge. An empty `path` means all of the service.
#[derive(Deserialize)]
struct PurgeForm {
    form: String,
    service: String,
    #[serde(default)]
    path: String,
}

impl SignedForm for DenyForm {
    fn token(&self) -> &str {
        &self.form
    }
}

impl SignedForm for ValveForm {
    fn token(&self) -> &str {
        &self.form
    }
}

impl SignedForm for LiftForm {
    fn token(&self) -> &str {
        &self.form
    }
}

impl SignedForm for PurgeForm {
    fn token(&self) -> &str {
        &self.form
    }
}

async fn deny(
    State(state): State<Arc<WebState>>,
    headers: HeaderMap,
    form: SubmittedForm<DenyForm>,
) -> Response<Body> {
    perform(&state, &headers, form, DENIALS, |form| {
        let (what, lasting) = (deny_what(&form.what)?, denial_duration(form.for_seconds)?);
        let service = Some(form.service).filter(|service| !service.is_empty()).map(ServiceId);
        Ok(Command::Deny { what, service, lasting, everybody: !form.everybody.is_empty() })
    })
    .await
}

async fn lift(
    State(state): State<Arc<WebState>>,
    headers: HeaderMap,
    form: SubmittedForm<LiftForm>,
) -> Response<Body> {
    perform(&state, &headers, form, DENIALS, |form| Ok(Command::Lift { denial: denial_id(&form.denial)? }))
        .await
}

async fn valve(
    State(state): State<Arc<WebState>>,
    headers: HeaderMap,
    form: SubmittedForm<ValveForm>,
) -> Response<Body> {
    perform(&state, &headers, form, "/console/edge#valves", |form| {
        let (service, percent) = (ServiceId(form.service), valve_percent(form.percent)?);
        // The box of the ramp is checked by default, and limited mode has none.
        let limited = !form.limited.is_empty();
        let ramp = !limited && !form.ramp.is_empty();
        Ok(Command::Valve { service, percent, limited, ramp })
    })
    .await
}

async fn purge(
    State(state): State<Arc<WebState>>,
    headers: HeaderMap,
    form: SubmittedForm<PurgeForm>,
) -> Response<Body> {
    let done = || {
        let (session, form) = signed(&state, &headers, form)?;
        let path = Some(form.path.trim()).filter(|path| !path.is_empty()).map(cached_path).transpose()?;
        purged(&state, &author(session), &ServiceId(form.service), path.as_deref())
    };
    match done() {
        Ok(dropped) => {
            let lead = format!("Cached responses that were dropped: {}.", grouped(dropped));
            let hint = "The next request for each path is answered by a server.";
            let page = MessagePage::new(state.name(), "Purged");
            MessagePage { lead: &lead, hint, ..page }.response(StatusCode::OK)
        }
        Err(problem) => problem.into_page(state.name()),
    }
}
