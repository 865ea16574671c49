//! Responses to Twilio: TwiML.

use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse as _;
use text::{escape, truncate};

/// Length of a spoken or written text, in characters.
const TEXT_MAX: usize = 600;

/// Says a text and hangs up.
pub(super) fn say(text: &str) -> Response<Body> {
    xml(format!("<Say>{}</Say><Hangup/>", escaped(text)))
}

/// Says a text, and takes another key.
pub(super) fn ask(text: &str, action: &str) -> Response<Body> {
    let (text, action) = (escaped(text), escape::html(action));
    xml(format!(
        "<Gather input=\"dtmf\" numDigits=\"1\" timeout=\"15\" actionOnEmptyResult=\"true\" method=\"POST\" action=\"{action}\"><Say>{text}</Say></Gather>"
    ))
}

/// Replies to an SMS.
pub(super) fn message(text: &str) -> Response<Body> {
    xml(format!("<Message>{}</Message>", escaped(text)))
}

/// Does nothing.
pub(super) fn nothing() -> Response<Body> {
    xml(String::new())
}

fn escaped(text: &str) -> String {
    let line = escape::replace_hidden(&text.replace(['\n', '\r', '\t'], " "));
    escape::html(&truncate::chars(&line, TEXT_MAX))
}

fn xml(content: String) -> Response<Body> {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>{content}</Response>");
    (StatusCode::OK, [(header::CONTENT_TYPE, "text/xml; charset=utf-8")], body).into_response()
}
