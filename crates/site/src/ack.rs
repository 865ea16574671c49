//! The link in a page that says "I have it".
//!
//! GET shows the incident and a button and changes nothing: mail scanners and link previews open every link, and they
//! are no humans (P6). POST acknowledges. Doing it twice is harmless.

use crate::console::page::sentence_of;
use crate::problem::{Problem, SmallForm, SmallPage, wants_page};
use crate::site::{Site, now};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::get;
use model::{IncidentId, Input};
use seal::SealError;
use std::sync::Arc;

/// What the tokens of these links are signed for. Their text is `INCIDENT|PERSON`.
pub const PURPOSE: &str = "ack";

pub(crate) fn routes() -> Router<Arc<Site>> {
    Router::new().route("/ack/{token}", get(show).post(acknowledge))
}

async fn show(State(site): State<Arc<Site>>, Path(token): Path<String>, asked: HeaderMap) -> Response<Body> {
    let (incident, person) = match open(&site, &token) {
        Ok(opened) => opened,
        Err(problem) => return problem.into_text_or_page(&site, &asked),
    };
    let sentence = sentence_of(&site, incident);
    if !wants_page(&asked) {
        return format!("{sentence}\nPOST to this address acknowledges {incident} for {person}.\n")
            .into_response();
    }
    let action = format!("/ack/{token}");
    let detail = format!(
        "You are {person}. With this button you say that you have {incident} in hand; nobody else is woken for it then."
    );
    let form = Some(SmallForm { action: &action, button: "Acknowledge", token: None });
    SmallPage { lead: &sentence, detail: &detail, form, ..SmallPage::new(&site, "You were called") }
        .answer(StatusCode::OK)
}

async fn acknowledge(
    State(site): State<Arc<Site>>,
    Path(token): Path<String>,
    asked: HeaderMap,
) -> Response<Body> {
    let done = async {
        let (incident, person) = open(&site, &token)?;
        let input = Input::Acknowledge { incident, by: person.clone(), via: "link".to_owned() };
        site.ask(input).await?;
        Ok::<_, Problem>((incident, person))
    };
    match done.await {
        Err(problem) => problem.into_text_or_page(&site, &asked),
        Ok((incident, person)) if !wants_page(&asked) => {
            format!("acknowledged {incident} for {person}\n").into_response()
        }
        Ok((incident, _)) => {
            let sentence = sentence_of(&site, incident);
            let detail = format!(
                "{incident} is in your hands. Write a note now and then, or the others are woken again."
            );
            SmallPage { lead: &sentence, detail: &detail, ..SmallPage::new(&site, "Acknowledged") }
                .answer(StatusCode::OK)
        }
    }
}

fn open(site: &Site, token: &str) -> Result<(IncidentId, String), Problem> {
    let text = site.settings().key.open(PURPOSE, token, now()).map_err(|error| {
        let status =
            if matches!(error, SealError::Expired(_)) { StatusCode::GONE } else { StatusCode::FORBIDDEN };
        Problem::new(
            status,
            error.to_string(),
            "The console can acknowledge too, and so can `mainstay incident ack`.",
        )
    })?;
    let wrong = || {
        Problem::new(
            StatusCode::FORBIDDEN,
            SealError::Invalid.to_string(),
            "The console can acknowledge too.",
        )
    };
    let (incident, person) = text.split_once('|').ok_or_else(wrong)?;
    Ok((incident.parse().map_err(|_| wrong())?, person.to_owned()))
}
