//! The link in a page that says "I have it".
//!
//! GET shows the incident and a button and changes nothing: mail scanners and link previews open every link, and they
//! are no humans (P6). POST acknowledges. Doing it twice is harmless.
//!
//! A link lives as long as what it is about: one to an incident that became part of another acknowledges that one, and one to
//! an incident that is over says so and changes nothing.

use crate::ask::AskError;
use crate::console::page::summary_of;
use crate::problem::{Problem, SmallForm, SmallPage, wants_page};
use crate::site::{Site, now};
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
use types::{Incident, IncidentId, Input};

/// What the tokens of these links are signed for. Their text is `INCIDENT|PERSON`.
pub const PURPOSE: &str = "ack";

/// Merges that are followed from a link to what its incident became part of.
const MERGES_MAX: usize = 16;

pub(crate) fn routes() -> Router<Arc<Site>> {
    Router::new().route("/ack/{token}", get(show).post(acknowledge))
}

async fn show(State(site): State<Arc<Site>>, Path(token): Path<String>, asked: HeaderMap) -> Response<Body> {
    let (incident, person) = match open(&site, &token) {
        Ok(opened) => opened,
        Err(problem) => return problem.into_text_or_page(&site, &asked),
    };
    if is_over(&site, incident) {
        return over(&site, &asked, incident);
    }
    let summary = summary_of(&site, incident);
    if !wants_page(&asked) {
        return format!("{summary}\nPOST to this address acknowledges {incident} for {person}.\n")
            .into_response();
    }
    let action = format!("/ack/{token}");
    let detail = format!(
        "You are {person}. With this button you say that you have {incident} in hand; nobody else is woken for it then."
    );
    let form = Some(SmallForm { action: &action, button: "Acknowledge", token: None });
    SmallPage { lead: &summary, detail: &detail, form, ..SmallPage::new(&site, "You were called") }
        .answer(StatusCode::OK)
}

async fn acknowledge(
    State(site): State<Arc<Site>>,
    Path(token): Path<String>,
    asked: HeaderMap,
) -> Response<Body> {
    let (incident, person) = match open(&site, &token) {
        Ok(opened) => opened,
        Err(problem) => return problem.into_text_or_page(&site, &asked),
    };
    match acknowledged(&site, incident, &person).await {
        // The page raced the recovery: there is nothing to do any more, and nothing that went wrong.
        Err(AskError::Refused(Refused::Over(id))) => over(&site, &asked, id),
        Err(error) => Problem::from(error).into_text_or_page(&site, &asked),
        Ok(incident) if !wants_page(&asked) => {
            format!("acknowledged {incident} for {person}\n").into_response()
        }
        Ok(incident) => {
            let summary = summary_of(&site, incident);
            let detail = format!(
                "{incident} is in your hands. Write a note now and then, or the others are woken again."
            );
            SmallPage { lead: &summary, detail: &detail, ..SmallPage::new(&site, "Acknowledged") }
                .answer(StatusCode::OK)
        }
    }
}

/// Acknowledges an incident, or the one that it became part of. Returns which it was.
async fn acknowledged(site: &Site, incident: IncidentId, person: &str) -> Result<IncidentId, AskError> {
    let mut asked = incident;
    for _ in 0..MERGES_MAX {
        let input = Input::Acknowledge { incident: asked, by: person.to_owned(), via: "link".to_owned() };
        match site.ask(input).await {
            Err(AskError::Refused(Refused::Merged(_, into))) => asked = into,
            Err(error) => return Err(error),
            Ok(kind) => {
                let which = kind.iter().find_map(|kind| match kind {
                    EventKind::IncidentAcknowledged { incident, .. } => Some(*incident),
                    _ => None,
                });
                return Ok(which.unwrap_or(asked));
            }
        }
    }
    Err(AskError::Refused(Refused::NoSuchIncident(incident)))
}

/// Whether an incident is known to have ended.
fn is_over(site: &Site, incident: IncidentId) -> bool {
    let ended = |past: &Incident| past.id == incident && past.resolved.is_some();
    site.views().is_some_and(|views| views.now.past.iter().any(ended))
}

/// What somebody reads who wants to take something in hand that needs nobody any more.
fn over(site: &Site, asked: &HeaderMap, incident: IncidentId) -> Response<Body> {
    if !wants_page(asked) {
        return format!("{incident} is over already; there is nothing left to do\n").into_response();
    }
    let summary = summary_of(site, incident);
    let detail =
        format!("{incident} is over already. There is nothing left to do, and nobody is called for it.");
    SmallPage { lead: &summary, detail: &detail, ..SmallPage::new(site, "It is over") }.answer(StatusCode::OK)
}

fn open(site: &Site, token: &str) -> Result<(IncidentId, String), Problem> {
    let text = site.settings().key.verify(PURPOSE, token, now()).map_err(|error| {
        let status =
            if matches!(error, TokenError::Expired(_)) { StatusCode::GONE } else { StatusCode::FORBIDDEN };
        Problem::new(
            status,
            error.to_string(),
            "The console can acknowledge too, and so can `mainstay incident ack`.",
        )
    })?;
    let wrong = || {
        Problem::new(
            StatusCode::FORBIDDEN,
            TokenError::Invalid.to_string(),
            "The console can acknowledge too.",
        )
    };
    let (incident, person) = text.split_once('|').ok_or_else(wrong)?;
    Ok((incident.parse().map_err(|_| wrong())?, person.to_owned()))
}
