//! A person's wish on its way to the mind and back.

use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use types::event::EventKind;
use types::input::Refused;
use types::{Denial, Input};

/// How long a person waits for the mind. After this they are told to try again; the wish may still be carried out, and
/// every wish can be repeated without harm.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Something that a person wants of the mind.
#[derive(Debug)]
pub struct Ask {
    /// What they want.
    pub input: Input,
    /// Where the answer goes. It is `Ok` only when what follows from the wish is on disk (P1).
    pub answer: oneshot::Sender<Answer>,
}

/// What happened because of a wish.
pub type Answer = Result<Vec<EventKind>, AskError>;

/// Why a wish was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AskError {
    /// It makes no sense now; repeating it will not help.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The mind cannot be reached, or cannot write. Repeating it may help.
    #[error("mainstay could not take this in: {0}")]
    Unavailable(String),
}

/// Hands a wish to the mind and waits for its answer, at most [`PATIENCE`].
///
/// # Errors
/// See [`AskError`].
pub async fn ask(mind: &mpsc::Sender<Ask>, input: Input) -> Answer {
    let unavailable = |why: &str| AskError::Unavailable(why.to_owned());
    let round_trip = async {
        let (answer, answered) = oneshot::channel();
        mind.send(Ask { input, answer }).await.map_err(|_| unavailable("it is shutting down"))?;
        answered.await.map_err(|_| unavailable("it ended before it answered"))?
    };
    match timeout(PATIENCE, round_trip).await {
        Ok(answer) => answer,
        Err(_) => Err(unavailable("no answer within 5 s")),
    }
}

/// The denial that came of a wish for one.
pub(crate) fn denial_in(events: Vec<EventKind>) -> Option<Denial> {
    events.into_iter().find_map(|kind| match kind {
        EventKind::TrafficDenied { denial } => Some(denial),
        _ => None,
    })
}
