//! Clients of the API: programs with a bearer token, for everything or for reading, and the command line.

use crate::params::name;
use crate::problem::Problem;
use crate::state::WebState;
use axum::Extension;
use axum::http::{HeaderMap, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use types::{Actor, Via};

/// Marks a request over the control socket: its client has an account of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OverControlSocket;

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

/// The token of `Authorization: Bearer TOKEN`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let given = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = given.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}
