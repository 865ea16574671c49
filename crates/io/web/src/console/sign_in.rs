//! Sign-in and sign-out of the console.

use super::actions::{SignedForm, signed};
use crate::clock::now;
use crate::message_page::{MessageForm, MessagePage};
use crate::params::name;
use crate::problem::Problem;
use crate::session::LinkError;
use crate::state::WebState;
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Query, State};
use axum::http::header::{self, HeaderMap};
use axum::http::{Response, StatusCode};
use axum::response::{IntoResponse as _, Redirect};
use axum::routing::{get, post};
use serde::Deserialize;
use std::sync::Arc;
use tokens::TokenError;

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new().route("/console/login", get(show).post(sign_in)).route("/console/logout", post(sign_out))
}

#[derive(Deserialize)]
struct LinkQuery {
    #[serde(default)]
    token: String,
}

#[derive(Deserialize)]
struct SignInForm {
    token: String,
    name: String,
}

#[derive(Deserialize)]
struct SignOutForm {
    form: String,
}

impl SignedForm for SignOutForm {
    fn token(&self) -> &str {
        &self.form
    }
}

async fn show(
    State(state): State<Arc<WebState>>,
    Query(LinkQuery { token }): Query<LinkQuery>,
    headers: HeaderMap,
) -> Response<Body> {
    let page = MessagePage::new(state.name(), "Sign in");
    if token.is_empty() {
        let lead = if state.sessions().session(&headers, now()).is_some() {
            "You are signed in: the console is at /console."
        } else {
            "The console is for the team."
        };
        let hint = "mainstay prints a sign-in link when it starts; it opens the console once, within an hour. `mainstay login` \
                    prints a new one, and so does POST /api/v1/login with the API token.";
        return MessagePage { lead, hint, ..page }.response(StatusCode::OK);
    }
    match state.sessions().check_link(&token, now()) {
        Err(error) => refused(&error).into_page(state.name()),
        Ok(_) => {
            let (action, button) = ("/console/login", "Open the console");
            let form = Some(MessageForm { action, button, token: Some(&token) });
            let hint = "The link works once. You stay signed in on this browser for 7 days.";
            MessagePage { hint, form, ..page }.response(StatusCode::OK)
        }
    }
}

async fn sign_in(
    State(state): State<Arc<WebState>>,
    form: Result<Form<SignInForm>, FormRejection>,
) -> Response<Body> {
    let cookie = form.map_err(Problem::from).and_then(|Form(SignInForm { token, name: person })| {
        let person = name(&person)?;
        let cookie = state.sessions().sign_in(&token, &person, is_secure(&state), now());
        cookie.map_err(|error| refused(&error))
    });
    match cookie {
        Ok(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/console")).into_response(),
        Err(problem) => problem.into_page(state.name()),
    }
}

async fn sign_out(
    State(state): State<Arc<WebState>>,
    headers: HeaderMap,
    form: Result<Form<SignOutForm>, FormRejection>,
) -> Response<Body> {
    let (session, _) = match signed(&state, &headers, form) {
        Ok(signed) => signed,
        Err(problem) => return problem.into_page(state.name()),
    };
    let owned = Arc::clone(&state);
    let sign_out = move || owned.sessions().sign_out(&session, is_secure(&owned), now());
    match tokio::task::spawn_blocking(sign_out).await {
        Ok(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response(),
        Err(_) => {
            let hint = "This is a bug of mainstay. Try again.";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "You are still signed in.", hint)
                .into_page(state.name())
        }
    }
}

fn refused(error: &LinkError) -> Problem {
    let status = match error {
        LinkError::Token(TokenError::Invalid | TokenError::Forged) => StatusCode::FORBIDDEN,
        LinkError::TooMany => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::GONE,
    };
    let hint = "`mainstay login` prints a new link; /console/login lists other ways.";
    Problem::new(status, error.to_string(), hint)
}

fn is_secure(state: &WebState) -> bool {
    state.settings().url.starts_with("https://")
}
