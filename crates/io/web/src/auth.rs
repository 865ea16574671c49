//! Clients of the API: programs with a bearer token, for everything or for reading, and the command line.

use crate::bearer::bearer;
use crate::params::name;
use crate::problem::{JsonProblem, Problem};
use crate::state::WebState;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use types::{Actor, Via};

/// Marks a request over the control socket: its client has an account of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OverControlSocket;

/// A request of a client that may change something: its body, and by which means it came.
#[derive(Debug)]
pub(crate) struct WriteRequest {
    body: Bytes,
    socket: Option<Extension<OverControlSocket>>,
}

/// The body of a request that needs no more than the name of its author.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByBody {
    pub(crate) by: String,
}

impl FromRequest<Arc<WebState>> for WriteRequest {
    type Rejection = JsonProblem;

    async fn from_request(request: Request, state: &Arc<WebState>) -> Result<Self, JsonProblem> {
        may_write(state, request.headers())?;
        let socket = request.extensions().get().copied().map(Extension);
        let body = Bytes::from_request(request, state).await.map_err(Problem::from)?;
        Ok(Self { body, socket })
    }
}

impl WriteRequest {
    /// Parses the body.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let detail = format!("invalid body: {error}");
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail, "Send a JSON object.")
        })
    }

    /// The actor of its command, by the name that the body gives.
    pub(crate) fn actor(&self, by: &str) -> Result<Actor, Problem> {
        actor(self.socket, by)
    }
}

/// The actor of a command that was sent to the API, by the name that the request gives.
pub(crate) fn actor(socket: Option<Extension<OverControlSocket>>, by: &str) -> Result<Actor, Problem> {
    let name = name(by)?;
    Ok(if socket.is_some() { Actor::person(name, Via::CommandLine) } else { Actor::token(name) })
}

/// Checks that a request may read: by the API token, or by the read-only token.
pub(crate) fn may_read(state: &WebState, headers: &HeaderMap) -> Result<(), Problem> {
    if has_token(headers, state.read_token()) { Ok(()) } else { may_write(state, headers) }
}

/// Checks that a request may do everything.
pub(crate) fn may_write(state: &WebState, headers: &HeaderMap) -> Result<(), Problem> {
    if has_token(headers, &state.settings().api_token) {
        return Ok(());
    }
    if has_token(headers, state.read_token()) {
        let hint = "The token in the file `api-token` in the data folder may write; keep it from readers.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "this token is read-only", hint));
    }
    let hint = "Send `Authorization: Bearer TOKEN`; the token is in the file `api-token` in the data folder.";
    Err(Problem::new(StatusCode::UNAUTHORIZED, "this needs the API token of this installation", hint))
}

/// Whether a request has the token. Compares in constant time; an empty token matches nothing.
fn has_token(headers: &HeaderMap, token: &SecretString) -> bool {
    let token = token.expose_secret();
    !token.is_empty()
        && bearer(headers).is_some_and(|given| tokens::constant_time_eq(given, token.as_bytes()))
}
