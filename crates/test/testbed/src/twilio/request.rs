//! Requests of the API as Twilio checks them, and its responses. See <https://www.twilio.com/docs/api/errors>.

use super::Account;
use crate::web::{self, Answer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use url::form_urlencoded;

/// Longest TwiML inside a request, in characters.
const TWIML_MAX: usize = 4_000;
/// Longest SMS, in characters.
const BODY_MAX: usize = 1_600;

/// Parameters of a request.
pub(super) type Form = BTreeMap<String, String>;

/// An error: status, code and message.
pub(super) type Refusal = (StatusCode, u32, &'static str);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Call,
    Message,
}

impl Resource {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Call => "Calls",
            Self::Message => "Messages",
        }
    }

    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Call => "CA",
            Self::Message => "SM",
        }
    }
}

/// Checks a request in the order of Twilio.
pub(super) fn check(
    account: &Account,
    parts: &Parts,
    body: &Bytes,
    stopped: &BTreeSet<String>,
) -> Result<(Resource, Form), Refusal> {
    let bad = |code, message| Err((StatusCode::BAD_REQUEST, code, message));
    let given = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let expected = STANDARD.encode(format!("{}:{}", account.sid, account.token));
    if given.and_then(|given| given.strip_prefix("Basic ")) != Some(expected.as_str()) {
        return Err((StatusCode::UNAUTHORIZED, 20003, "Authenticate"));
    }
    let base = format!("/2010-04-01/Accounts/{}/", account.sid);
    let resource = match parts.uri.path().strip_prefix(&base) {
        Some("Calls.json") => Resource::Call,
        Some("Messages.json") => Resource::Message,
        _ => return Err((StatusCode::NOT_FOUND, 20404, "The requested resource was not found")),
    };
    if parts.method != Method::POST {
        return Err((StatusCode::METHOD_NOT_ALLOWED, 20004, "Method not allowed"));
    }
    let form = form(body);
    let value = |name: &str| form.get(name).map_or("", String::as_str);
    let digits = value("To").strip_prefix('+').unwrap_or_default();
    if digits.len() < 7 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return bad(21211, "The 'To' number is not a valid phone number.");
    }
    if value("From") != account.number {
        return bad(
            if resource == Resource::Call { 21212 } else { 21606 },
            "The 'From' number is not valid.",
        );
    }
    match resource {
        Resource::Call if value("Twiml").is_empty() && value("Url").is_empty() => {
            return bad(21205, "Url parameter is required.");
        }
        Resource::Call if value("Twiml").chars().count() > TWIML_MAX => {
            return bad(21218, "The TwiML is too long.");
        }
        Resource::Message if stopped.contains(value("To")) => {
            return bad(21610, "Attempt to send to unsubscribed recipient");
        }
        Resource::Message if value("Body").is_empty() => return bad(21602, "Message body is required."),
        Resource::Message if value("Body").chars().count() > BODY_MAX => {
            return bad(21617, "The message body exceeds the 1600 character limit.");
        }
        Resource::Call | Resource::Message => {}
    }
    if form.get("StatusCallback").is_some_and(|url| !url.starts_with("http")) {
        return bad(21609, "The StatusCallback URL is not valid.");
    }
    Ok((resource, form))
}

/// The parameters of a body.
pub(super) fn form(body: &Bytes) -> Form {
    form_urlencoded::parse(body).into_owned().collect()
}

/// The body with parameters.
pub(super) fn encoded(parameters: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// The URL that TwiML sends keys to; `None` when it asks for none.
pub(super) fn action(twiml: &str) -> Option<String> {
    let (_, gather) = twiml.split_once("<Gather")?;
    let (_, action) = gather.split_once("action=\"")?;
    let (action, _) = action.split_once('"')?;
    Some(action.replace("&amp;", "&"))
}

/// The response to an accepted request.
pub(super) fn created(sid: &str) -> Answer {
    let body = json!({ "sid": sid, "status": "queued", "error_code": null, "error_message": null });
    web::answer(StatusCode::CREATED, "application/json", body.to_string())
}

/// The response to a refused one.
pub(super) fn error(status: StatusCode, code: u32, message: &str) -> Answer {
    let more = format!("https://www.twilio.com/docs/errors/{code}");
    let body = json!({ "code": code, "message": message, "more_info": more, "status": status.as_u16() });
    web::answer(status, "application/json", body.to_string())
}
