//! The acknowledge link of a page to a person.
//!
//! GET shows the incident and a button and changes nothing, because mail scanners and link previews open every link
//! (P6). POST acknowledges. Repeating it is harmless.
//!
//! A link to an incident that was merged acknowledges the other incident; a link to a resolved incident changes
//! nothing.

use crate::command::CommandError;
use crate::message_page::{MessageForm, MessagePage, accepts_html};
use crate::problem::Problem;
use crate::state::WebState;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::get;
use std::sync::Arc;
use tokens::TokenError;
use types::event::EventKind;
use types::input::Refused;
use types::{Actor, Command, Incident, IncidentId};

/// Purpose that the tokens of these links are signed for. Their text is `INCIDENT|PERSON|CONTACT`; those of an earlier version
/// lack the contact.
pub const PURPOSE: &str = "ack";

/// Maximum number of merges that are followed from a link.
const MERGES_MAX: usize = 16;

/// What a link says.
struct AckLink {
    incident: IncidentId,
    person: String,
    contact: Option<String>,
}

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new().route("/ack/{token}", get(show).post(acknowledge))
}

async fn show(
    State(state): State<Arc<WebState>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let AckLink { incident, person, .. } = match open(&state, &token) {
        Ok(opened) => opened,
        Err(problem) => return problem.into_text_or_page(state.name(), &headers),
    };
    if is_resolved(&state, incident) {
        return resolved(&state, &headers, incident);
    }
    let summary = state.incident_summary(incident);
    if !accepts_html(&headers) {
        return format!("{summary}\nPOST to this address acknowledges {incident} for {person}.\n")
            .into_response();
    }
    let action = format!("/ack/{token}");
    let detail =
        format!("You are {person}. The button acknowledges {incident}; nobody else is paged for it then.");
    let form = Some(MessageForm { action: &action, button: "Acknowledge", token: None });
    MessagePage { lead: &summary, detail: &detail, form, ..MessagePage::new(state.name(), "You were paged") }
        .response(StatusCode::OK)
}

async fn acknowledge(
    State(state): State<Arc<WebState>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let link = match open(&state, &token) {
        Ok(opened) => opened,
        Err(problem) => return problem.into_text_or_page(state.name(), &headers),
    };
    let person = &link.person;
    let by = Actor::by_link(&link.person, link.contact.clone());
    match acknowledged(&state, &by, link.incident).await {
        // Resolved in the meantime: nothing is left to do, and this is no error.
        Err(CommandError::Refused(Refused::Over(id))) => resolved(&state, &headers, id),
        Err(error) => Problem::from(error).into_text_or_page(state.name(), &headers),
        Ok(incident) if !accepts_html(&headers) => {
            format!("acknowledged {incident} for {person}\n").into_response()
        }
        Ok(incident) => {
            let summary = state.incident_summary(incident);
            let detail = format!(
                "You have acknowledged {incident}. Add a note from time to time, or the others are paged again."
            );
            let page = MessagePage::new(state.name(), "Acknowledged");
            MessagePage { lead: &summary, detail: &detail, ..page }.response(StatusCode::OK)
        }
    }
}

/// Acknowledges an incident, or the one that it was merged into. Returns which of them.
pub(super) async fn acknowledged(
    state: &WebState,
    by: &Actor,
    incident: IncidentId,
) -> Result<IncidentId, CommandError> {
    let mut current = incident;
    for _ in 0..MERGES_MAX {
        match state.send(by.clone(), Command::Acknowledge { incident: current }).await {
            Err(CommandError::Refused(Refused::Merged(_, into))) => current = into,
            Err(error) => return Err(error),
            Ok(events) => {
                let acknowledged = events.iter().find_map(|event| match event {
                    EventKind::IncidentAcknowledged { incident, .. } => Some(*incident),
                    _ => None,
                });
                return Ok(acknowledged.unwrap_or(current));
            }
        }
    }
    Err(CommandError::Refused(Refused::NoSuchIncident(incident)))
}

/// Whether the views show an incident as resolved.
fn is_resolved(state: &WebState, incident: IncidentId) -> bool {
    let resolved = |past: &Incident| past.id == incident && past.resolved.is_some();
    state.views().is_some_and(|views| views.now.past.iter().any(resolved))
}

/// Response to the link of a resolved incident.
fn resolved(state: &WebState, headers: &HeaderMap, incident: IncidentId) -> Response<Body> {
    if !accepts_html(headers) {
        return format!("{incident} is already resolved; nothing is left to do\n").into_response();
    }
    let summary = state.incident_summary(incident);
    let detail =
        format!("{incident} is already resolved. Nothing is left to do, and nobody is paged for it.");
    MessagePage { lead: &summary, detail: &detail, ..MessagePage::new(state.name(), "Resolved") }
        .response(StatusCode::OK)
}

fn open(state: &WebState, token: &str) -> Result<AckLink, Problem> {
    let hint = "You can also acknowledge in the console, or with `mainstay incident ack`.";
    let text = state.verified(PURPOSE, token, hint)?;
    let invalid = || {
        let hint = "You can also acknowledge in the console.";
        Problem::new(StatusCode::FORBIDDEN, TokenError::Invalid.to_string(), hint)
    };
    let (incident, rest) = text.split_once('|').ok_or_else(invalid)?;
    let (person, contact) =
        rest.split_once('|').map_or((rest, None), |(person, contact)| (person, Some(contact.to_owned())));
    Ok(AckLink { incident: incident.parse().map_err(|_| invalid())?, person: person.to_owned(), contact })
}
