//! Actions of the console: forms that become commands.

use crate::clock::now;
use crate::command::CommandError;
use crate::message_page::{MessageForm, MessagePage};
use crate::params::{denial_duration, denial_id, deny_what, incident_id, text, valve_percent};
use crate::problem::Problem;
use crate::session::Session;
use crate::state::WebState;
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::{IntoResponse as _, Redirect};
use axum::routing::post;
use serde::Deserialize;
use std::sync::Arc;
use types::event::UpdateStatus;
use types::input::Refused;
use types::{Actor, Command, IncidentId, ServiceId, Via};

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new()
        .route("/console/edge/deny", post(deny))
        .route("/console/edge/lift", post(lift))
        .route("/console/edge/valve", post(valve))
        .route("/console/incidents/{incident}/{action}", post(incident_action))
}

/// Form with the token of its session.
pub(crate) trait SignedForm {
    fn token(&self) -> &str;
}

/// Form of an incident. Which fields it has depends on the action.
#[derive(Deserialize)]
struct IncidentForm {
    form: String,
    #[serde(default)]
    text: String,
    status: Option<UpdateStatus>,
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

impl SignedForm for IncidentForm {
    fn token(&self) -> &str {
        &self.form
    }
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

/// Checks session and form token of a request.
pub(crate) fn signed<T: SignedForm>(
    state: &WebState,
    headers: &HeaderMap,
    form: Result<Form<T>, FormRejection>,
) -> Result<(Session, T), Problem> {
    let session = state.sessions().session(headers, now()).ok_or_else(|| {
        let hint = "Request a sign-in link at /console/login.";
        Problem::new(StatusCode::FORBIDDEN, "You are not signed in.", hint)
    })?;
    let Form(form) = form?;
    if !state.sessions().is_form_token(&session, form.token(), now()) {
        let hint = "Go back, reload the page, and submit the form again.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "This form belongs to another session.", hint));
    }
    Ok((session, form))
}

async fn incident_action(
    State(state): State<Arc<WebState>>,
    Path((incident, action)): Path<(String, String)>,
    headers: HeaderMap,
    form: Result<Form<IncidentForm>, FormRejection>,
) -> Response<Body> {
    let done = async {
        let (session, form) = signed(&state, &headers, form)?;
        let incident = incident_id(&incident)?;
        let result = state.send(author(session), incident_command(incident, &action, &form)?).await;
        if let Err(CommandError::Refused(Refused::StillFailing { what, .. })) = &result {
            return Ok((incident, Some((what.clone(), form.form))));
        }
        result?;
        Ok::<_, Problem>((incident, None))
    };
    match done.await {
        Ok((incident, Some((what, form)))) => confirm_resolve(&state, incident, &what, &form),
        Ok((incident, None)) => Redirect::to(&format!("/console#{incident}")).into_response(),
        Err(problem) => problem.into_page(state.name()),
    }
}

/// The person of a session.
fn author(session: Session) -> Actor {
    Actor::person(session.name, Via::Console)
}

fn incident_command(incident: IncidentId, action: &str, form: &IncidentForm) -> Result<Command, Problem> {
    Ok(match action {
        "ack" => Command::Acknowledge { incident },
        "note" => Command::Note { incident, text: text(&form.text)? },
        "update" => {
            let missing = || {
                let hint = "Go back and select a status.";
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "An update needs a status.", hint)
            };
            Command::Update { incident, status: form.status.ok_or_else(missing)?, body: text(&form.text)? }
        }
        "approve" => Command::Approve { incident },
        "resolve" => Command::Resolve { incident, force: false },
        "resolve-anyway" => Command::Resolve { incident, force: true },
        _ => {
            let hint = "Go back to the console and reload it.";
            return Err(Problem::new(StatusCode::NOT_FOUND, "The console has no such action.", hint));
        }
    })
}

/// Page that asks for confirmation before an incident is resolved that still has failing alerts.
fn confirm_resolve(state: &WebState, incident: IncidentId, what: &str, session: &str) -> Response<Body> {
    let lead = format!("{incident} is still failing: {what}.");
    let detail = "You can resolve it anyway. It reopens with the next failed probe and pages again.";
    let action = format!("/console/incidents/{incident}/resolve-anyway");
    let form = Some(MessageForm { action: &action, button: "Resolve anyway", token: None });
    let hint = "Nothing changes unless you press the button.";
    let page = MessagePage::new(state.name(), "Still failing");
    MessagePage { lead: &lead, detail, hint, form, session, ..page }.response(StatusCode::CONFLICT)
}

async fn deny(
    State(state): State<Arc<WebState>>,
    headers: HeaderMap,
    form: Result<Form<DenyForm>, FormRejection>,
) -> Response<Body> {
    let done = async {
        let (session, form) = signed(&state, &headers, form)?;
        let (what, lasting) = (deny_what(&form.what)?, denial_duration(form.for_seconds)?);
        let service = Some(form.service).filter(|service| !service.is_empty()).map(ServiceId);
        let everybody = !form.everybody.is_empty();
        state.send(author(session), Command::Deny { what, service, lasting, everybody }).await?;
        Ok::<_, Problem>(())
    };
    back_to_edge(&state, "denials", done.await)
}

async fn lift(
    State(state): State<Arc<WebState>>,
    headers: HeaderMap,
    form: Result<Form<LiftForm>, FormRejection>,
) -> Response<Body> {
    let done = async {
        let (session, form) = signed(&state, &headers, form)?;
        let denial = denial_id(&form.denial)?;
        state.send(author(session), Command::Lift { denial }).await?;
        Ok::<_, Problem>(())
    };
    back_to_edge(&state, "denials", done.await)
}

async fn valve(
    State(state): State<Arc<WebState>>,
    headers: HeaderMap,
    form: Result<Form<ValveForm>, FormRejection>,
) -> Response<Body> {
    let done = async {
        let (session, form) = signed(&state, &headers, form)?;
        let (service, percent) = (ServiceId(form.service), valve_percent(form.percent)?);
        // The box of the ramp is checked by default, and limited mode has none.
        let limited = !form.limited.is_empty();
        let ramp = !limited && !form.ramp.is_empty();
        state.send(author(session), Command::Valve { service, percent, limited, ramp }).await?;
        Ok::<_, Problem>(())
    };
    back_to_edge(&state, "valves", done.await)
}

/// Redirects to a section of the page Edge.
fn back_to_edge(state: &WebState, section: &str, done: Result<(), Problem>) -> Response<Body> {
    match done {
        Ok(()) => Redirect::to(&format!("/console/edge#{section}")).into_response(),
        Err(problem) => problem.into_page(state.name()),
    }
}
