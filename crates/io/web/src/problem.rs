//! Refusals: RFC 9457 problem documents for machines, a small page for people. Each says what to do next.

use crate::AskError;
use crate::look::assets;
use crate::shelf::PAGE_POLICY;
use crate::site::Site;
use askama::Template;
use axum::body::{Body, Bytes};
use axum::extract::rejection::{BytesRejection, FormRejection};
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::response::{Html, IntoResponse as _};
use serde_json::json;
use std::sync::Arc;
use types::input::Refused;

/// Why a request was not answered as it wished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The status code.
    pub status: StatusCode,
    /// What is wrong, in one sentence.
    pub detail: String,
    /// What to do next.
    pub hint: &'static str,
}

impl Problem {
    /// A problem.
    pub fn new(status: StatusCode, detail: impl Into<String>, hint: &'static str) -> Self {
        Self { status, detail: detail.into(), hint }
    }

    /// For machines.
    #[must_use]
    pub fn into_json(self) -> Response<Body> {
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "hint": self.hint,
        });
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        self.with_headers((self.status, kind, body.to_string()).into_response())
    }

    /// For people.
    #[must_use]
    pub fn into_page(self, site: &Site) -> Response<Body> {
        let title = match self.status {
            StatusCode::NOT_FOUND => "There is nothing here",
            StatusCode::SERVICE_UNAVAILABLE => "Not now",
            StatusCode::GONE => "This link is over",
            StatusCode::CONFLICT => "Nothing to do",
            _ => "That did not work",
        };
        let page = SmallPage { detail: &self.detail, hint: self.hint, ..SmallPage::new(site, title) };
        self.with_headers(page.answer(self.status))
    }

    /// For whoever follows a link: a page for browsers, one line of text for everybody else.
    #[must_use]
    pub fn into_text_or_page(self, site: &Site, asked: &HeaderMap) -> Response<Body> {
        if wants_page(asked) {
            return self.into_page(site);
        }
        let line = format!("{}\n{}\n", self.detail, self.hint);
        self.with_headers((self.status, line).into_response())
    }

    fn with_headers(&self, mut answer: Response<Body>) -> Response<Body> {
        let headers = answer.headers_mut();
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"))
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            _ => None,
        };
        answer
    }
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        let detail = error.to_string();
        match error {
            AskError::Refused(Refused::NoSuchIncident(_)) => {
                Self::new(StatusCode::NOT_FOUND, detail, "GET /api/v1/incidents lists those that exist.")
            }
            AskError::Refused(Refused::NoSuchDenial(_)) => {
                Self::new(StatusCode::NOT_FOUND, detail, "GET /api/v1/denials lists those in force.")
            }
            AskError::Refused(Refused::NoSuchService(_)) => {
                Self::new(StatusCode::NOT_FOUND, detail, "Leave the service out to deny everywhere.")
            }
            AskError::Refused(Refused::HitsOthers { .. }) => Self::new(
                StatusCode::CONFLICT,
                detail,
                "Name a narrower range, or confirm it: `--everybody`, `\"everybody\": true`.",
            ),
            AskError::Refused(Refused::NoEdge) => Self::new(
                StatusCode::CONFLICT,
                detail,
                "An edge serves visitors itself: see [edge] in the reference of the configuration.",
            ),
            AskError::Refused(Refused::NoPlaces { key, .. }) => {
                let hint = match key {
                    "country" => "Name an MMDB file: [edge] geoip.country = \"FILE\".",
                    _ => "Name an MMDB file: [edge] geoip.asn = \"FILE\".",
                };
                Self::new(StatusCode::CONFLICT, detail, hint)
            }
            AskError::Refused(Refused::TooManyDenials(_)) => {
                Self::new(StatusCode::CONFLICT, detail, "Lift those that are no longer needed.")
            }
            AskError::Refused(Refused::StillFailing { .. }) => Self::new(
                StatusCode::CONFLICT,
                detail,
                "To end it all the same: `--force`, `\"force\": true`. It opens again with the next bad answer.",
            ),
            AskError::Refused(Refused::NoDraft(_)) => {
                Self::new(StatusCode::CONFLICT, detail, "Somebody may have published it already.")
            }
            AskError::Refused(Refused::Over(_)) => {
                Self::new(StatusCode::CONFLICT, detail, "There is nothing left to do for it.")
            }
            AskError::Refused(Refused::Merged(..)) => {
                Self::new(StatusCode::CONFLICT, detail, "Do the same to the one that goes on.")
            }
            AskError::Unavailable(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                detail,
                "Try again in a few seconds: doing it twice is harmless.",
            ),
        }
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text(), "A body may have 64 KiB at most.")
    }
}

impl From<FormRejection> for Problem {
    fn from(rejection: FormRejection) -> Self {
        Self::new(
            rejection.status(),
            rejection.body_text(),
            "Go back, load the page again and send the form from there.",
        )
    }
}

/// A page with a few lines, and at most one button.
#[derive(Template)]
#[template(path = "small.html")]
pub(crate) struct SmallPage<'a> {
    pub(crate) style: &'static str,
    pub(crate) site_title: &'a str,
    pub(crate) title: &'a str,
    pub(crate) lead: &'a str,
    pub(crate) detail: &'a str,
    pub(crate) hint: &'a str,
    pub(crate) form: Option<SmallForm<'a>>,
    /// The token of a session's forms, where the button is one of the console's.
    pub(crate) session: &'a str,
}

/// The one form of a small page.
pub(crate) struct SmallForm<'a> {
    pub(crate) action: &'a str,
    pub(crate) button: &'a str,
    /// A hidden token, for the sign-in form.
    pub(crate) token: Option<&'a str>,
}

impl<'a> SmallPage<'a> {
    pub(crate) fn new(site: &'a Site, title: &'a str) -> Self {
        let site_title = &site.settings().name;
        Self {
            style: assets::STATUS_PAGE_CSS.path,
            site_title,
            title,
            lead: "",
            detail: "",
            hint: "",
            form: None,
            session: "",
        }
    }

    pub(crate) fn answer(&self, status: StatusCode) -> Response<Body> {
        let page = self.render().unwrap_or_else(|_| self.title.to_owned());
        (status, Html(page)).into_response()
    }
}

/// Whether whoever asks can show a page.
pub(crate) fn wants_page(asked: &HeaderMap) -> bool {
    asked
        .get(header::ACCEPT)
        .and_then(|kinds| kinds.to_str().ok())
        .is_some_and(|kinds| kinds.contains("text/html"))
}

/// Documents of the shelf; a 404 for all else.
pub(crate) async fn anything_else(State(site): State<Arc<Site>>, request: Request) -> Response<Body> {
    let path = request.uri().path();
    if let Some(answer) = site.shelf().answer(request.method(), path, request.headers()) {
        return answer.map(Body::new);
    }
    if site.shelf().now().contains_key(path) {
        let mut answer = wrong_method(request).await;
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET,HEAD"));
        return answer;
    }
    if path == "/" {
        let problem = Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The status page is not ready yet.",
            "It appears as soon as everything was looked at once. Load the page again in a few seconds.",
        );
        return problem.into_page(&site);
    }
    let hint = "The status page is at /, its history at /history.";
    let problem = Problem::new(StatusCode::NOT_FOUND, "No page has this address.", hint);
    if path.starts_with("/api/") { problem.into_json() } else { problem.into_page(&site) }
}

/// Where nothing but the edge runs.
pub(crate) async fn only_edge(State(site): State<Arc<Site>>, request: Request) -> Response<Body> {
    let problem = Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "Only the edge runs here: it serves visitors, and tells of them by traces and metrics.",
        "`mainstay run` without `--only guard` has status page, console and all commands.",
    );
    if request.uri().path().starts_with("/api/") { problem.into_json() } else { problem.into_page(&site) }
}

pub(crate) async fn wrong_method(request: Request) -> Response<Body> {
    let detail = format!("{} is not a method of this address.", request.method());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail, "The header `allow` names those that are.")
        .into_json()
}

/// Every answer that is not a finished document: not to be kept, framed, guessed at, or told about elsewhere.
pub(crate) async fn with_safe_headers(mut answer: Response<Body>) -> Response<Body> {
    let headers = answer.headers_mut();
    let mut unless_set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    unless_set(header::CACHE_CONTROL, "no-store");
    unless_set(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    unless_set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    unless_set(header::REFERRER_POLICY, "no-referrer");
    answer
}

/// What a person wrote, without control characters; `None` when nothing is left or it is longer than `max` characters.
pub(crate) fn written(text: &str, max: usize) -> Option<String> {
    let text = text.replace("\r\n", "\n");
    let text: String = text.chars().filter(|letter| *letter == '\n' || !letter.is_control()).collect();
    let text = text.trim();
    (!text.is_empty() && text.chars().count() <= max).then(|| text.to_owned())
}

/// Reads a JSON body.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(
    body: Result<Bytes, BytesRejection>,
) -> Result<T, Problem> {
    serde_json::from_slice(&body?).map_err(|error| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("the body is not what is wanted: {error}"),
            "Send a JSON object.",
        )
    })
}
