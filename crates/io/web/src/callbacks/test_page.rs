//! The link of a test page. As for a page, GET shows a button and changes nothing; POST records that a person has answered.

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
use types::page_test::NotATest;
use types::{Actor, Command, PageTest};

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new().route("/ack/test/{token}", get(show).post(answer))
}

async fn show(
    State(state): State<Arc<WebState>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let test = match open(&state, &token) {
        Ok(test) => test,
        Err(problem) => return problem.into_text_or_page(state.name(), &headers),
    };
    let PageTest { person, contact, .. } = &test;
    if !accepts_html(&headers) {
        return format!("A test page. POST to this address answers it for {person}.\n").into_response();
    }
    let action = format!("/ack/test/{token}");
    let lead = "Nothing is wrong: this is a test.";
    let detail = format!("You are {person}. The button proves that {contact} reaches you.");
    let form = Some(MessageForm { action: &action, button: "Answer", token: None });
    MessagePage { lead, detail: &detail, form, ..MessagePage::new(state.name(), "Test page") }
        .response(StatusCode::OK)
}

async fn answer(
    State(state): State<Arc<WebState>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let test = match open(&state, &token) {
        Ok(test) => test,
        Err(problem) => return problem.into_text_or_page(state.name(), &headers),
    };
    let said = format!("{} has answered over {}", test.person, test.contact);
    let by = Actor::by_link(&test.person.0, Some(test.contact.clone()));
    match state.send(by, Command::AnswerTestPage { test }).await {
        Err(error) => Problem::from(error).into_text_or_page(state.name(), &headers),
        Ok(_) if !accepts_html(&headers) => format!("{said}\n").into_response(),
        Ok(_) => {
            let page = MessagePage::new(state.name(), "Answered");
            MessagePage { lead: &said, detail: "Nothing else is to be done.", ..page }
                .response(StatusCode::OK)
        }
    }
}

fn open(state: &WebState, token: &str) -> Result<PageTest, Problem> {
    let text = state.verified(PageTest::PURPOSE, token, "Send another test: `mainstay page test PERSON`.")?;
    text.parse().map_err(|error: NotATest| {
        Problem::new(StatusCode::FORBIDDEN, error.to_string(), "Send another test.")
    })
}
