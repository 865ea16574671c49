//! Requests of Twilio: the keys that a person presses during a call, replies to SMS, and what came of both.
//!
//! | path | request |
//! |---|---|
//! | `/callbacks/twilio/TOKEN/keys` | a key was pressed, or none in time |
//! | `/callbacks/twilio/TOKEN/status` | a call or SMS ended; an answering machine took the call |
//! | `/callbacks/twilio/sms/CHANNEL` | an SMS came in: the address that the number has in Twilio's console |
//!
//! Every request is signed with the auth token of its channel; the first two also have a token of this installation, which
//! ends fifteen minutes after the call. A repeated request has no second effect.

mod reply;
mod signature;
mod twiml;

use crate::callbacks::ack;
use crate::command::CommandError;
use crate::phones::PhoneChannel;
use crate::problem::Problem;
use crate::state::WebState;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode, Uri};
use axum::response::IntoResponse as _;
use axum::routing::post;
use reply::Reply;
use std::sync::Arc;
use types::phone::{NotAPhoneMessage, PhoneMessage, PhoneOutcome};
use types::{Actor, Command, IncidentId};
use url::form_urlencoded;

const HINT: &str = "Twilio signs its requests with the auth token of the account, which is the `secret` of the channel, and with the URL, which begins with `site.url`.";

/// The keys of a call.
const KEYS: &str = "Press 1 to acknowledge, 2 to escalate, 3 to repeat.";

pub(super) fn routes() -> Router<Arc<WebState>> {
    Router::new()
        .route("/callbacks/twilio/{token}/keys", post(keys))
        .route("/callbacks/twilio/{token}/status", post(status))
        .route("/callbacks/twilio/sms/{channel}", post(sms))
}

/// A request whose signature was verified.
struct Verified {
    channel: PhoneChannel,
    url: String,
    parameters: Vec<(String, String)>,
}

impl Verified {
    fn new(
        state: &WebState,
        channel: &str,
        (uri, headers, body): (&Uri, &HeaderMap, &Bytes),
    ) -> Result<Self, Problem> {
        let path = uri.path_and_query().map_or_else(|| uri.path(), |path| path.as_str());
        let url = format!("{}{path}", state.settings().url);
        let parameters: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        let given = headers.get(signature::HEADER).map(|given| given.as_bytes());
        let known = state.phones().by_name(channel);
        match known.filter(|known| signature::is_valid(&known.secret, &url, &parameters, given)) {
            Some(channel) => Ok(Self { channel, url, parameters }),
            None => {
                tracing::warn!(channel, "a callback that is not signed by Twilio was refused");
                Err(Problem::new(StatusCode::FORBIDDEN, "this request is not signed by Twilio", HINT))
            }
        }
    }

    fn parameter(&self, name: &str) -> &str {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }
}

/// The call or SMS that a token is about, and its request.
fn about(
    state: &WebState,
    token: &str,
    request: (&Uri, &HeaderMap, &Bytes),
) -> Result<(PhoneMessage, Verified), Problem> {
    let text = state.verified(PhoneMessage::PURPOSE, token, HINT)?;
    let message: PhoneMessage = text
        .parse()
        .map_err(|error: NotAPhoneMessage| Problem::new(StatusCode::FORBIDDEN, error.to_string(), HINT))?;
    let verified = Verified::new(state, message.channel(), request)?;
    Ok((message, verified))
}

async fn keys(
    State(state): State<Arc<WebState>>,
    Path(token): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let (message, request) = match about(&state, &token, (&uri, &headers, &body)) {
        Ok(known) => known,
        Err(problem) => return problem.into_text(),
    };
    let digits = request.parameter("Digits");
    let said = match (digits, message.incident) {
        ("1", None) => {
            let seen = format!("{}/{digits}", request.parameter("CallSid"));
            once(&state, &seen, answer_test(&state, &message)).await
        }
        ("1", Some(incident)) => {
            let seen = format!("{}/{digits}", request.parameter("CallSid"));
            once(&state, &seen, acknowledge(&state, &message.person, &message.contact, incident)).await
        }
        ("2", Some(incident)) => {
            let seen = format!("{}/{digits}", request.parameter("CallSid"));
            once(&state, &seen, escalate(&state, &message.person, &message.contact, incident)).await
        }
        ("", _) => Ok("No key was pressed. Goodbye.".to_owned()),
        ("3", Some(incident)) => {
            return twiml::ask(&format!("{} {KEYS}", state.incident_summary(incident)), &request.url);
        }
        (_, Some(_)) => return twiml::ask(KEYS, &request.url),
        (_, None) => return twiml::ask("Press 1 to answer this test.", &request.url),
    };
    twiml::say(&said.unwrap_or_else(|error| failed(&error)))
}

/// Runs a command unless the same callback was handled before. One that failed may come again.
async fn once(
    state: &WebState,
    seen: &str,
    command: impl Future<Output = Result<String, CommandError>>,
) -> Result<String, CommandError> {
    if !state.phones().is_new(seen) {
        return Ok("This was recorded already.".to_owned());
    }
    let result = command.await;
    if matches!(result, Err(CommandError::Unavailable(_))) {
        state.phones().forget(seen);
    }
    result
}

async fn answer_test(state: &WebState, message: &PhoneMessage) -> Result<String, CommandError> {
    let Some(test) = message.test() else { return Ok("Nothing is left to do.".to_owned()) };
    let by = Actor::by_phone(&message.person, message.contact.clone());
    state.send(by, Command::AnswerTestPage { test }).await?;
    Ok("Thank you. The test is answered.".to_owned())
}

async fn acknowledge(
    state: &WebState,
    person: &str,
    contact: &str,
    incident: IncidentId,
) -> Result<String, CommandError> {
    let by = Actor::by_phone(person, contact.to_owned());
    match ack::acknowledged(state, &by, incident).await {
        Ok(incident) => Ok(format!("Acknowledged: incident {}.", incident.0)),
        Err(CommandError::Refused(_)) => Ok("The incident is over. Nothing is left to do.".to_owned()),
        Err(error) => Err(error),
    }
}

async fn escalate(
    state: &WebState,
    person: &str,
    contact: &str,
    incident: IncidentId,
) -> Result<String, CommandError> {
    let by = Actor::by_phone(person, contact.to_owned());
    match state.send(by, Command::Escalate { incident }).await {
        Ok(events) if events.is_empty() => {
            Ok("There is nothing to escalate: the incident is acknowledged or over.".to_owned())
        }
        Ok(_) => Ok(format!("Escalated: incident {}. The next people are paged.", incident.0)),
        Err(CommandError::Refused(_)) => Ok("The incident is over. Nothing is left to do.".to_owned()),
        Err(error) => Err(error),
    }
}

fn failed(error: &CommandError) -> String {
    tracing::warn!(%error, "the answer of a person by phone was not recorded");
    "This could not be recorded, and the page continues. Try again, or use the console.".to_owned()
}

async fn status(
    State(state): State<Arc<WebState>>,
    Path(token): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let (message, request) = match about(&state, &token, (&uri, &headers, &body)) {
        Ok(known) => known,
        Err(problem) => return problem.into_text(),
    };
    let Some(outcome) = outcome(&request) else { return StatusCode::NO_CONTENT.into_response() };
    let sid = [request.parameter("CallSid"), request.parameter("MessageSid")].concat();
    // Reports come repeatedly and in any order; the first one that says that nobody was reached counts.
    let seen = format!("{sid}/unreached");
    if outcome.is_failure() && message.incident.is_some() && state.phones().is_new(&seen) {
        let reported = Command::ReportPhone { message, outcome };
        if let Err(error) = state.send_unseen(Actor::mainstay(), reported).await {
            state.phones().forget(&seen);
            return Problem::from(error).into_text();
        }
    }
    StatusCode::NO_CONTENT.into_response()
}

/// What a report says; `None` while a call or SMS is under way.
fn outcome(request: &Verified) -> Option<PhoneOutcome> {
    let answered_by = request.parameter("AnsweredBy");
    if answered_by.starts_with("machine") || answered_by == "fax" {
        return Some(PhoneOutcome::Machine);
    }
    match (request.parameter("CallStatus"), request.parameter("MessageStatus")) {
        ("busy", _) => Some(PhoneOutcome::Busy),
        ("no-answer", _) => Some(PhoneOutcome::NoAnswer),
        ("failed" | "canceled", _) | (_, "failed" | "undelivered") => Some(PhoneOutcome::Failed),
        ("completed", _) | (_, "delivered") => Some(PhoneOutcome::Ended),
        _ => None,
    }
}

async fn sms(
    State(state): State<Arc<WebState>>,
    Path(channel): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let request = match Verified::new(&state, &channel, (&uri, &headers, &body)) {
        Ok(request) => request,
        Err(problem) => return problem.into_text(),
    };
    let from = request.parameter("From");
    let contact = request.channel.contacts.iter().find(|contact| contact.number == from);
    let Some(contact) = contact else {
        tracing::warn!(channel, "an SMS of an unknown number was ignored");
        return twiml::nothing();
    };
    let written = request.channel.written(contact);
    let reply = reply::read(request.parameter("Body"));
    if reply == Reply::Subscription {
        tracing::info!(contact = written, "a person has subscribed to SMS or ended that; Twilio obeys it");
        return twiml::nothing();
    }
    let person = contact.person.as_str();
    let seen = request.parameter("MessageSid").to_owned();
    let answered = match (reply, reply_incident(&state, reply)) {
        (Reply::Acknowledge(_), Some(incident)) => {
            once(&state, &seen, acknowledge(&state, person, &written, incident)).await
        }
        (Reply::Escalate(_), Some(incident)) => {
            once(&state, &seen, escalate(&state, person, &written, incident)).await
        }
        _ => {
            Ok("Reply A and the number of the incident to acknowledge it, E to escalate: A7, E7.".to_owned())
        }
    };
    let text = answered.unwrap_or_else(|error| failed(&error));
    if state.phones().admits(from) { twiml::message(&text) } else { twiml::nothing() }
}

/// The incident of a reply: its number, or the only one that is open.
fn reply_incident(state: &WebState, reply: Reply) -> Option<IncidentId> {
    match reply {
        Reply::Acknowledge(Some(incident)) | Reply::Escalate(Some(incident)) => Some(incident),
        Reply::Acknowledge(None) | Reply::Escalate(None) => {
            let views = state.views()?;
            let mut open = views.now.open.iter().map(|open| open.incident.id);
            open.next().filter(|_| open.next().is_none())
        }
        Reply::Subscription | Reply::Other => None,
    }
}
