//! Actions of the console: forms that become commands. Those of the page Edge are beside it.

use crate::clock::now;
use crate::command::CommandError;
use crate::intake::title;
use crate::message_page::{MessageForm, MessagePage};
use crate::params::{incident_id, text};
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
use types::change::{ChangeKind, NewChange};
use types::event::UpdateStatus;
use types::input::Refused;
use types::{Actor, Command, IncidentId, ServiceId, Via};

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new()
        .route("/console/changes", post(record_change))
        .route("/console/incidents/{incident}/{action}", post(incident_action))
}

/// A form as it was received.
pub(crate) type SubmittedForm<T> = Result<Form<T>, FormRejection>;

/// Form with the token of its session.
pub(crate) trait SignedForm {
    fn token(&self) -> &str;
}

/// Form of a change that the team made. An empty `service` means none in particular.
#[derive(Deserialize)]
struct ChangeForm {
    form: String,
    title: String,
    #[serde(default)]
    service: String,
}

/// Form of an incident. Which fields it has depends on the action.
#[derive(Deserialize)]
struct IncidentForm {
    form: String,
    #[serde(default)]
    text: String,
    status: Option<UpdateStatus>,
}

impl SignedForm for ChangeForm {
    fn token(&self) -> &str {
        &self.form
    }
}

impl SignedForm for IncidentForm {
    fn token(&self) -> &str {
        &self.form
    }
}

/// Checks session and form token of a request.
pub(crate) fn signed<T: SignedForm>(
    state: &WebState,
    headers: &HeaderMap,
    form: SubmittedForm<T>,
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
    form: SubmittedForm<IncidentForm>,
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

async fn record_change(
    State(state): State<Arc<WebState>>,
    headers: HeaderMap,
    form: SubmittedForm<ChangeForm>,
) -> Response<Body> {
    perform(&state, &headers, form, "/console#changes", |form| {
        let title = title(&form.title).ok_or_else(|| {
            let hint = "Go back and write what changed, for example: deploy api 4f2c.";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "A change needs a title.", hint)
        })?;
        let service = Some(form.service).filter(|service| !service.is_empty()).map(ServiceId);
        let change = NewChange {
            kind: ChangeKind::of_title(&title),
            title,
            services: service.into_iter().collect(),
            ..NewChange::default()
        };
        Ok(Command::RecordChange { change })
    })
    .await
}

/// Sends the command of a form, and redirects to where its result is shown.
pub(crate) async fn perform<T: SignedForm>(
    state: &WebState,
    headers: &HeaderMap,
    form: SubmittedForm<T>,
    shown_at: &str,
    command: impl FnOnce(T) -> Result<Command, Problem>,
) -> Response<Body> {
    let done = async {
        let (session, form) = signed(state, headers, form)?;
        state.send(author(session), command(form)?).await?;
        Ok::<_, Problem>(())
    };
    match done.await {
        Ok(()) => Redirect::to(shown_at).into_response(),
        Err(problem) => problem.into_page(state.name()),
    }
}

/// The person of a session.
pub(crate) fn author(session: Session) -> Actor {
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
