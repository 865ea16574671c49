//! Actions of the page of maintenances: add one, extend it, end or cancel it; end a silence.

use super::actions::{SignedForm, SubmittedForm, perform};
use crate::api::maintenances::{few_names, text, title};
use crate::params::{maintenance_id, silence_id};
use crate::problem::Problem;
use crate::state::WebState;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::post;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use types::maintenance::NewMaintenance;
use types::{Command, Resource, ServiceId, Time};

/// Where the maintenances are listed.
const LIST: &str = "/console/maintenance#maintenances";

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new()
        .route("/console/maintenance/add", post(add))
        .route("/console/maintenance/{maintenance}/extend", post(extend))
        .route("/console/maintenance/{maintenance}/end", post(end))
        .route("/console/silences/{silence}/expire", post(expire))
}

/// Fields of a new maintenance by name. A box that is checked is a field of its own, so names repeat.
#[derive(Deserialize)]
#[serde(transparent)]
struct AddForm(Vec<(String, String)>);

/// Form of a maintenance. Only an extension has a duration.
#[derive(Deserialize)]
struct ChangeForm {
    form: String,
    #[serde(default)]
    for_seconds: u64,
}

impl SignedForm for AddForm {
    fn token(&self) -> &str {
        self.field("form")
    }
}

impl SignedForm for ChangeForm {
    fn token(&self) -> &str {
        &self.form
    }
}

impl AddForm {
    /// The first value of a field; empty without one.
    fn field(&self, name: &str) -> &str {
        self.0.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value.as_str())
    }

    fn all<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    fn maintenance(&self, timezone: &TimeZone) -> Result<NewMaintenance, Problem> {
        let resource = |text: &str| text.parse::<Resource>().map_err(|_| invalid("what is worked on"));
        let seconds = self.field("for_seconds").parse().map_err(|_| invalid("the duration"))?;
        let text_of = Some(self.field("text")).filter(|text| !text.trim().is_empty());
        few_names(NewMaintenance {
            title: title(self.field("title"))?,
            text: text_of.map(text).transpose()?,
            services: self.all("service").map(ServiceId::from).collect(),
            resources: self.all("resource").map(resource).collect::<Result<_, Problem>>()?,
            from: start(self.field("from"), timezone)?,
            lasting: Duration::from_secs(seconds),
        })
    }
}

/// Start of a maintenance, as a field for local times has it; now when it is empty.
fn start(text: &str, timezone: &TimeZone) -> Result<Option<Time>, Problem> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let local: DateTime = text.trim().parse().map_err(|_| invalid("the start"))?;
    Ok(Some(engine::instant(timezone, local)))
}

fn invalid(what: &str) -> Problem {
    let hint =
        "Go back and select it again: a start is written 2026-12-05T22:00, in the timezone of the site.";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("The form does not say {what}."), hint)
}

async fn add(
    State(state): State<Arc<WebState>>,
    headers: HeaderMap,
    form: SubmittedForm<AddForm>,
) -> Response<Body> {
    let timezone = state.views().map_or(TimeZone::UTC, |views| views.status_page.timezone.clone());
    perform(&state, &headers, form, LIST, |form| {
        Ok(Command::AddMaintenance { maintenance: form.maintenance(&timezone)? })
    })
    .await
}

async fn extend(
    State(state): State<Arc<WebState>>,
    Path(maintenance): Path<String>,
    headers: HeaderMap,
    form: SubmittedForm<ChangeForm>,
) -> Response<Body> {
    perform(&state, &headers, form, LIST, |form| {
        let by = Duration::from_secs(form.for_seconds);
        Ok(Command::ExtendMaintenance { maintenance: maintenance_id(&maintenance)?, by })
    })
    .await
}

async fn end(
    State(state): State<Arc<WebState>>,
    Path(maintenance): Path<String>,
    headers: HeaderMap,
    form: SubmittedForm<ChangeForm>,
) -> Response<Body> {
    perform(&state, &headers, form, LIST, |_| {
        Ok(Command::EndMaintenance { maintenance: maintenance_id(&maintenance)? })
    })
    .await
}

async fn expire(
    State(state): State<Arc<WebState>>,
    Path(silence): Path<String>,
    headers: HeaderMap,
    form: SubmittedForm<ChangeForm>,
) -> Response<Body> {
    perform(&state, &headers, form, "/console/maintenance#silences", |_| {
        Ok(Command::ExpireSilence { source: None, silence: silence_id(&silence)? })
    })
    .await
}
