//! The short link of an SMS: it leads to the acknowledgement link, or to that of a test page, which it stands for.

use crate::callbacks::ack;
use crate::clock::now;
use crate::problem::Problem;
use crate::state::WebState;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::{IntoResponse as _, Redirect};
use axum::routing::get;
use std::sync::Arc;
use std::time::Duration;
use types::time::later;
use types::{PageTest, ShortLink, Time};

/// Lifetime of a link that acknowledges, as of the long one.
const LIFETIME: Duration = Duration::from_secs(24 * 3_600);
/// Lifetime of the link of a test page.
const TEST_LIFETIME: Duration = Duration::from_secs(3_600);

pub(super) fn routes() -> Router<Arc<WebState>> {
    Router::new().route("/a/{code}", get(follow))
}

async fn follow(
    State(state): State<Arc<WebState>>,
    Path(code): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    match target(&state, &code) {
        Ok(path) => Redirect::to(&path).into_response(),
        Err(problem) => problem.into_text_or_page(state.name(), &headers),
    }
}

/// The path of the link that the code stands for. The code does not say whose it is: the signature is compared with that of
/// each contact of a phone.
fn target(state: &WebState, code: &str) -> Result<String, Problem> {
    let hint = "You can also acknowledge in the console, or with `mainstay incident ack`.";
    let invalid = || Problem::new(StatusCode::FORBIDDEN, "this link is not valid: copy all of it", hint);
    let (text, given) = code.rsplit_once('.').ok_or_else(invalid)?;
    let link: ShortLink = text.parse().map_err(|_| invalid())?;
    let key = &state.settings().key;
    let channels = state.phones().all();
    let contacts = channels.iter().flat_map(|channel| {
        channel.contacts.iter().map(|contact| (contact.person.as_str(), channel.written(contact)))
    });
    let is_own = |(person, contact): &(&str, String)| {
        let own = key.short(ShortLink::PURPOSE, &link.signed(person, contact));
        tokens::constant_time_eq(own.as_bytes(), given.as_bytes())
    };
    // Every contact is compared, also after a match.
    let mut found: Vec<(&str, String)> = contacts.filter(is_own).collect();
    let (person, contact) = found.pop().ok_or_else(invalid)?;
    let sent = Time::from_second(link.sent_secs).map_err(|_| invalid())?;
    let until = later(sent, if link.incident.is_some() { LIFETIME } else { TEST_LIFETIME });
    if until <= now() {
        let detail = format!("this link expired at {until}");
        return Err(Problem::new(StatusCode::GONE, detail, hint));
    }
    Ok(match link.incident {
        Some(incident) => {
            let token = key.sign(ack::PURPOSE, &format!("{}|{person}|{contact}", incident.0), until);
            format!("/ack/{token}")
        }
        None => {
            let test = PageTest { person: person.into(), contact, sent };
            format!("/ack/test/{}", key.sign(PageTest::PURPOSE, &test.to_string(), until))
        }
    })
}
