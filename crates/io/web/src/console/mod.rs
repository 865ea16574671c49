//! What the team reads, and what it can do there. Works without scripts.

pub(crate) mod bar;
pub mod door;
pub mod drawing;
pub mod edge;
mod ended;
pub(crate) mod frame;
pub mod layers;
pub mod page;
pub(crate) mod proof;
pub mod request;
pub(crate) mod series;

use crate::api::{incident_id, name, text};
use crate::ask::AskError;
use crate::problem::{Problem, SmallForm, SmallPage};
use crate::shelf::digest;
use crate::site::{Site, now};
use crate::traffic::{denial_id, lasting, origin, traced, traced_id};
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, Query, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::response::{Html, IntoResponse as _, Redirect};
use axum::routing::{get, post};
use door::{LinkError, Session};
use engine::views::Views;
use serde::Deserialize;
use std::sync::Arc;
use types::event::PostStatus;
use types::input::Refused;
use types::{IncidentId, Input, ServiceId};

pub(crate) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/console", get(show))
        .route("/console/edge", get(edge_page))
        .route("/console/edge/deny", post(deny))
        .route("/console/edge/lift", post(lift))
        .route("/console/trace/{id}", get(request_page))
        .route("/console/trace", get(look_up))
        .route("/console/login", get(knock).post(enter))
        .route("/console/logout", post(leave))
        .route("/console/incidents/{incident}/{wish}", post(wish))
}

#[derive(Deserialize)]
struct Knock {
    #[serde(default)]
    token: String,
}

#[derive(Deserialize)]
struct Entry {
    token: String,
    name: String,
}

/// What is to be refused, for how long, and where: everywhere when `service` is empty.
#[derive(Deserialize)]
struct Denial {
    form: String,
    what: String,
    for_secs: u64,
    #[serde(default)]
    service: String,
    /// Filled where the box is ticked.
    #[serde(default)]
    everybody: String,
}

#[derive(Deserialize)]
struct Lift {
    form: String,
    denial: String,
}

/// A form with the token that proves it to be ours.
trait Signed {
    fn token(&self) -> &str;
}

impl Signed for Wish {
    fn token(&self) -> &str {
        &self.form
    }
}

impl Signed for Denial {
    fn token(&self) -> &str {
        &self.form
    }
}

impl Signed for Lift {
    fn token(&self) -> &str {
        &self.form
    }
}

/// Every form of the console: which fields are filled in depends on the wish.
#[derive(Deserialize)]
struct Wish {
    form: String,
    #[serde(default)]
    text: String,
    status: Option<PostStatus>,
}

async fn show(State(site): State<Arc<Site>>, asked: HeaderMap) -> Response<Body> {
    paged(&site, &asked, |views, session| Ok(page::now(&site, views, session, now())))
}

async fn edge_page(State(site): State<Arc<Site>>, asked: HeaderMap) -> Response<Body> {
    paged(&site, &asked, |views, session| Ok(edge::page(&site, views, session, now())))
}

async fn request_page(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    asked: HeaderMap,
) -> Response<Body> {
    paged(&site, &asked, |views, session| {
        let trace = traced(&site, &id)?;
        Ok(request::page(&site, views, session, &trace, now()))
    })
}

#[derive(Deserialize)]
struct LookUp {
    #[serde(default)]
    id: String,
}

/// The form that asks for an id leads to the page with that id in its address.
async fn look_up(State(site): State<Arc<Site>>, Query(LookUp { id }): Query<LookUp>) -> Response<Body> {
    match traced_id(&id) {
        Ok(id) => Redirect::to(&format!("/console/trace/{id}")).into_response(),
        Err(problem) => problem.into_page(&site),
    }
}

/// A page for whoever is signed in, once there is something to show. Not sent again to a browser that has it.
fn paged(
    site: &Site,
    asked: &HeaderMap,
    page: impl FnOnce(&Views, &Session) -> Result<askama::Result<String>, Problem>,
) -> Response<Body> {
    let Some(session) = site.door().session(asked, now()) else {
        return Redirect::to("/console/login").into_response();
    };
    let Some(views) = site.views() else {
        let hint =
            "Everything is looked at once before this page says anything. Load it again in a few seconds.";
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Nothing is known yet.", hint).into_page(site);
    };
    let page = match page(&views, &session) {
        Ok(Ok(page)) => page,
        Ok(Err(_)) => {
            let hint = "This is a fault of mainstay. The commands still work: mainstay status.";
            return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The page could not be made.", hint)
                .into_page(site);
        }
        Err(problem) => return problem.into_page(site),
    };
    let tag = format!("\"{}\"", digest(page.as_bytes()));
    let known = asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut answer =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { Html(page).into_response() };
    // A browser may keep it, but asks before showing it again.
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        answer.headers_mut().insert(header::ETAG, tag);
    }
    answer
}

async fn knock(
    State(site): State<Arc<Site>>,
    Query(Knock { token }): Query<Knock>,
    asked: HeaderMap,
) -> Response<Body> {
    if token.is_empty() {
        let lead = if site.door().session(&asked, now()).is_some() {
            "You are signed in: the console is at /console."
        } else {
            "The console is for the team."
        };
        let hint = "mainstay prints a link when it starts; it opens the console once, within an hour. For another one, ask \
                    with the token of this installation: POST /api/v1/login.";
        return SmallPage { lead, hint, ..SmallPage::new(&site, "Sign in") }.answer(StatusCode::OK);
    }
    match site.door().look_at(&token, now()) {
        Err(error) => refused(&error).into_page(&site),
        Ok(_) => {
            let form =
                Some(SmallForm { action: "/console/login", button: "Open the console", token: Some(&token) });
            let hint = "The link works once. You stay signed in on this browser for 7 days.";
            SmallPage { hint, form, ..SmallPage::new(&site, "Sign in") }.answer(StatusCode::OK)
        }
    }
}

async fn enter(State(site): State<Arc<Site>>, form: Result<Form<Entry>, FormRejection>) -> Response<Body> {
    let entered = form.map_err(Problem::from).and_then(|Form(Entry { token, name: who })| {
        let who = name(&who)?;
        site.door().enter(&token, &who, is_secure(&site), now()).map_err(|error| refused(&error))
    });
    match entered {
        Ok(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/console")).into_response(),
        Err(problem) => problem.into_page(&site),
    }
}

async fn leave(
    State(site): State<Arc<Site>>,
    asked: HeaderMap,
    form: Result<Form<Wish>, FormRejection>,
) -> Response<Body> {
    let (session, _) = match signed(&site, &asked, form) {
        Ok(signed) => signed,
        Err(problem) => return problem.into_page(&site),
    };
    let there = Arc::clone(&site);
    let left = move || there.door().leave(&session, is_secure(&there), now());
    match tokio::task::spawn_blocking(left).await {
        Ok(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response(),
        Err(_) => {
            let hint = "This is a fault of mainstay. Try again.";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "You are still signed in.", hint).into_page(&site)
        }
    }
}

async fn wish(
    State(site): State<Arc<Site>>,
    Path((incident, wish)): Path<(String, String)>,
    asked: HeaderMap,
    form: Result<Form<Wish>, FormRejection>,
) -> Response<Body> {
    let done = async {
        let (session, form) = signed(&site, &asked, form)?;
        let incident = incident_id(&incident)?;
        let answer = site.ask(understood(incident, &wish, session.name, &form)?).await;
        if let Err(AskError::Refused(Refused::StillFailing { what, .. })) = &answer {
            return Ok((incident, Some((what.clone(), form.form))));
        }
        answer?;
        Ok::<_, Problem>((incident, None))
    };
    match done.await {
        Ok((incident, Some((what, form)))) => still_failing(&site, incident, &what, &form),
        Ok((incident, None)) => Redirect::to(&format!("/console#{incident}")).into_response(),
        Err(problem) => problem.into_page(&site),
    }
}

async fn deny(
    State(site): State<Arc<Site>>,
    asked: HeaderMap,
    form: Result<Form<Denial>, FormRejection>,
) -> Response<Body> {
    let done = async {
        let (session, form) = signed(&site, &asked, form)?;
        let (what, lasting) = (origin(&form.what)?, lasting(form.for_secs)?);
        let service = Some(form.service).filter(|service| !service.is_empty()).map(ServiceId);
        site.ask(Input::Deny {
            what,
            service,
            lasting,
            by: session.name,
            everybody: !form.everybody.is_empty(),
        })
        .await?;
        Ok::<_, Problem>(())
    };
    back_to_denials(&site, done.await)
}

async fn lift(
    State(site): State<Arc<Site>>,
    asked: HeaderMap,
    form: Result<Form<Lift>, FormRejection>,
) -> Response<Body> {
    let done = async {
        let (session, form) = signed(&site, &asked, form)?;
        let denial = denial_id(&form.denial)?;
        site.ask(Input::Lift { denial, by: session.name }).await?;
        Ok::<_, Problem>(())
    };
    back_to_denials(&site, done.await)
}

fn back_to_denials(site: &Site, done: Result<(), Problem>) -> Response<Body> {
    match done {
        Ok(()) => Redirect::to("/console/edge#denials").into_response(),
        Err(problem) => problem.into_page(site),
    }
}

/// Asks whether an incident is meant to end although something of it still fails.
fn still_failing(site: &Site, incident: IncidentId, what: &str, session: &str) -> Response<Body> {
    let lead = format!("{incident} is not over: {what}.");
    let detail =
        "It can be ended all the same. With the next bad answer it opens again and calls people again.";
    let action = format!("/console/incidents/{incident}/resolve-anyway");
    let form = Some(SmallForm { action: &action, button: "Resolve anyway", token: None });
    let hint = "Everything stays as it is unless you press the button.";
    SmallPage { lead: &lead, detail, hint, form, session, ..SmallPage::new(site, "Still failing") }
        .answer(StatusCode::CONFLICT)
}

fn understood(incident: IncidentId, wish: &str, by: String, form: &Wish) -> Result<Input, Problem> {
    Ok(match wish {
        "ack" => Input::Acknowledge { incident, by, via: "console".to_owned() },
        "note" => Input::Note { incident, by, text: text(&form.text)? },
        "post" => {
            let missing = || {
                let hint = "Go back and choose how far along it is.";
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "A post says how far along it is.", hint)
            };
            Input::Post { incident, by, status: form.status.ok_or_else(missing)?, body: text(&form.text)? }
        }
        "approve" => Input::Approve { incident, by },
        "resolve" => Input::Resolve { incident, by, force: false },
        "resolve-anyway" => Input::Resolve { incident, by, force: true },
        _ => {
            let hint = "Go back to the console and load it again.";
            return Err(Problem::new(StatusCode::NOT_FOUND, "The console has no such button.", hint));
        }
    })
}

/// The session and the form, if both are ours.
fn signed<T: Signed>(
    site: &Site,
    asked: &HeaderMap,
    form: Result<Form<T>, FormRejection>,
) -> Result<(Session, T), Problem> {
    let session = site.door().session(asked, now()).ok_or_else(|| {
        let hint = "Ask for a sign-in link at /console/login.";
        Problem::new(StatusCode::FORBIDDEN, "You are not signed in.", hint)
    })?;
    let Form(form) = form?;
    if !site.door().is_our_form(&session, form.token(), now()) {
        let hint = "Go back, load the page again and send the form from there.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "This form was not made for your session.", hint));
    }
    Ok((session, form))
}

fn refused(error: &LinkError) -> Problem {
    let status = match error {
        LinkError::Seal(tokens::TokenError::Invalid | tokens::TokenError::Forged) => StatusCode::FORBIDDEN,
        LinkError::TooMany => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::GONE,
    };
    Problem::new(
        status,
        error.to_string(),
        "`mainstay login` prints a new link; /console/login says how else.",
    )
}

fn is_secure(site: &Site) -> bool {
    site.settings().url.starts_with("https://")
}
