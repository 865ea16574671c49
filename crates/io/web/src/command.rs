//! Commands of people on their way to the event loop, and the results on their way back.

use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use types::event::EventKind;
use types::input::Refused;
use types::{Actor, Command, Denial};

/// Maximum time that a person waits for the event loop. A command that timed out may still be carried out; every
/// command can be repeated without harm.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// Command on its way to the event loop.
#[derive(Debug)]
pub struct CommandRequest {
    /// Who gave it.
    pub actor: Actor,
    /// The command.
    pub command: Command,
    /// Receiver of the result. It is `Ok` only when the events of the command are on disk (P1).
    pub reply: oneshot::Sender<CommandResult>,
}

/// Events of a command, or why it failed.
pub type CommandResult = Result<Vec<EventKind>, CommandError>;

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// It is not possible now; repeating it will not help.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The event loop cannot be reached, or the journal refuses to write. Repeating it may help.
    #[error("mainstay could not carry this out: {0}")]
    Unavailable(String),
}

/// Sends a command to the event loop and waits for its result, for at most [`TIMEOUT`].
///
/// # Errors
/// See [`CommandError`].
pub async fn send(
    event_loop: &mpsc::Sender<CommandRequest>,
    actor: Actor,
    command: Command,
) -> CommandResult {
    let unavailable = |why: &str| CommandError::Unavailable(why.to_owned());
    let round_trip = async {
        let (reply, result) = oneshot::channel();
        let sent = event_loop.send(CommandRequest { actor, command, reply }).await;
        sent.map_err(|_| unavailable("it is shutting down"))?;
        result.await.map_err(|_| unavailable("it ended before it answered"))?
    };
    match timeout(TIMEOUT, round_trip).await {
        Ok(result) => result,
        Err(_) => Err(unavailable("no answer within 5 s")),
    }
}

/// Returns the denial among the events of a command.
pub(crate) fn denial_in(events: Vec<EventKind>) -> Option<Denial> {
    events.into_iter().find_map(|event| match event {
        EventKind::TrafficDenied { denial, .. } => Some(denial),
        _ => None,
    })
}
