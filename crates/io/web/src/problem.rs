//! Errors of requests: RFC 9457 problem details for programs, a message page for people. Each has a hint.

use crate::CommandError;
use crate::message_page::{MessagePage, accepts_html};
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{BytesRejection, FormRejection};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use types::input::Refused;

/// Error of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Status code.
    pub status: StatusCode,
    /// What is wrong, in one sentence.
    pub detail: String,
    /// What to do next.
    pub hint: &'static str,
}

impl Problem {
    /// Creates a problem.
    pub fn new(status: StatusCode, detail: impl Into<String>, hint: &'static str) -> Self {
        Self { status, detail: detail.into(), hint }
    }

    /// Returns the response for programs.
    #[must_use]
    pub fn into_json(self) -> Response<Body> {
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "hint": self.hint,
        });
        let content_type = [(header::CONTENT_TYPE, "application/problem+json")];
        self.with_headers((self.status, content_type, body.to_string()).into_response())
    }

    /// Returns the response for people.
    #[must_use]
    pub fn into_page(self, site_name: &str) -> Response<Body> {
        let title = match self.status {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::SERVICE_UNAVAILABLE => "Not available",
            StatusCode::GONE => "This link has expired",
            StatusCode::CONFLICT => "Nothing to do",
            _ => "Request failed",
        };
        let page =
            MessagePage { detail: &self.detail, hint: self.hint, ..MessagePage::new(site_name, title) };
        self.with_headers(page.response(self.status))
    }

    /// Returns the response for scripts, in plain text.
    #[must_use]
    pub fn into_text(self) -> Response<Body> {
        let text = format!("{}\n{}\n", self.detail, self.hint);
        self.with_headers((self.status, text).into_response())
    }

    /// Returns the response to a link: a page for browsers, plain text for other clients.
    #[must_use]
    pub fn into_text_or_page(self, site_name: &str, headers: &HeaderMap) -> Response<Body> {
        if accepts_html(headers) {
            return self.into_page(site_name);
        }
        self.into_text()
    }

    pub(crate) fn with_headers(&self, mut response: Response<Body>) -> Response<Body> {
        let headers = response.headers_mut();
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"))
            }
            StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("10"))
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            _ => None,
        };
        response
    }
}

/// The result of a handler for programs.
pub(crate) type JsonResult<T = Value> = Result<Json<T>, JsonProblem>;

/// A problem whose response is that for programs.
#[derive(Debug)]
pub(crate) struct JsonProblem(Problem);

impl<E> From<E> for JsonProblem
where
    Problem: From<E>,
{
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for JsonProblem {
    fn into_response(self) -> Response<Body> {
        self.0.into_json()
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let detail = error.to_string();
        match error {
            CommandError::Refused(refused) => {
                let (status, hint) = refusal(&refused);
                Self::new(status, detail, hint)
            }
            CommandError::Unavailable(_) => {
                let hint = "Try again in a few seconds: repeating a command is harmless.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, detail, hint)
            }
        }
    }
}

/// Status code and hint of a refused command.
fn refusal(refused: &Refused) -> (StatusCode, &'static str) {
    let hint = match refused {
        Refused::NoSuchIncident(_) => {
            return (StatusCode::NOT_FOUND, "GET /api/v1/incidents lists the incidents.");
        }
        Refused::NoSuchDenial(_) => {
            return (StatusCode::NOT_FOUND, "GET /api/v1/denials lists the denials.");
        }
        Refused::NoSuchService(_) => {
            return (StatusCode::NOT_FOUND, "GET /api/v1/edge lists the services of the edge.");
        }
        Refused::HitsOthers { .. } => {
            "Use a narrower range, or confirm it: `--everybody`, `\"everybody\": true`."
        }
        Refused::NoEdge => "The edge is optional: see [edge] in the reference of the configuration.",
        Refused::NoPlaces { key: "country", .. } => {
            "Configure an MMDB file: [edge] geoip.country = \"FILE\"."
        }
        Refused::NoPlaces { .. } => "Configure an MMDB file: [edge] geoip.asn = \"FILE\".",
        Refused::TooManyDenials(_) => "Remove those that are no longer needed.",
        Refused::StillFailing { .. } => {
            "To resolve it anyway: `--force`, `\"force\": true`. It reopens with the next failed probe."
        }
        Refused::UnknownService(_) => {
            let hint = "Services have the names of the configuration: [service.NAME].";
            return (StatusCode::UNPROCESSABLE_ENTITY, hint);
        }
        Refused::UnknownLoadTarget(_) | Refused::UnknownDatabase(_) => {
            let hint =
                "Declare it in the configuration of the mainstay that runs: [load.NAME], [database.NAME].";
            return (StatusCode::UNPROCESSABLE_ENTITY, hint);
        }
        Refused::UnknownHeartbeat(_) | Refused::UnknownSource(_) => {
            let hint =
                "Declare it in the configuration of the mainstay that runs: [heartbeat.NAME], [source.NAME].";
            return (StatusCode::NOT_FOUND, hint);
        }
        Refused::TooManyAlerts(_) => {
            let hint = "Resolve alerts first, or group them at their source.";
            return (StatusCode::SERVICE_UNAVAILABLE, hint);
        }
        Refused::UnknownPerson(_) => "The person was removed from the configuration after the test was sent.",
        Refused::ChangeTooOld(_) => "Report changes when they are made.",
        Refused::NoDraft(_) => "It may already be published.",
        Refused::Over(_) => "Nothing is left to do for it.",
        Refused::UnknownResource(_) => {
            let hint = "GET /api/v1/now lists the resources.";
            return (StatusCode::UNPROCESSABLE_ENTITY, hint);
        }
        Refused::NoSuchMaintenance(_)
        | Refused::MaintenanceOfNothing
        | Refused::MaintenanceLength
        | Refused::MaintenanceDate(_)
        | Refused::MaintenanceOver(_)
        | Refused::TooManyMaintenances(_)
        | Refused::NoSuchSilence(_)
        | Refused::SilenceOfEverything
        | Refused::SilenceOrder
        | Refused::SilencePast
        | Refused::SilenceOver(_)
        | Refused::TooManySilences(_) => return refusal_of_hold(refused),
        Refused::NoPriorityPaths(_) => {
            "Declare `priority_paths` under [service.NAME.traffic], or set the valve without limited mode."
        }
        Refused::LimitedRamp => "Set the ramp without limited mode, or limited mode without a ramp.",
        Refused::Merged(..) => "Repeat the command with the incident that it was merged into.",
    };
    (StatusCode::CONFLICT, hint)
}

/// The same for what holds pages: maintenances and silences.
fn refusal_of_hold(refused: &Refused) -> (StatusCode, &'static str) {
    const MAINTENANCES: &str = "GET /api/v1/maintenances lists the maintenances.";
    const SILENCES: &str = "GET /api/v1/silences lists the silences.";
    match refused {
        Refused::NoSuchMaintenance(_) => (StatusCode::NOT_FOUND, MAINTENANCES),
        Refused::MaintenanceOfNothing | Refused::MaintenanceLength | Refused::MaintenanceDate(_) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "Nothing was scheduled.")
        }
        Refused::TooManyMaintenances(_) => (StatusCode::CONFLICT, MAINTENANCES),
        Refused::NoSuchSilence(_) => (StatusCode::NOT_FOUND, SILENCES),
        Refused::SilenceOfEverything | Refused::SilenceOrder | Refused::SilencePast => {
            (StatusCode::UNPROCESSABLE_ENTITY, "Nothing was silenced.")
        }
        Refused::TooManySilences(_) => (StatusCode::CONFLICT, SILENCES),
        _ => (StatusCode::CONFLICT, "Nothing is left to end."),
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        Self::new(
            rejection.status(),
            rejection.body_text(),
            "A body may have 64 KiB at most, a report of a change 512 KiB.",
        )
    }
}

impl From<FormRejection> for Problem {
    fn from(rejection: FormRejection) -> Self {
        let hint = "Go back, reload the page, and submit the form again.";
        Self::new(rejection.status(), rejection.body_text(), hint)
    }
}
