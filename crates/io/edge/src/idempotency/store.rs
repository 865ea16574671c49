//! The store as requests see it: a key is begun, and its answer is stored.

use super::answer::StoredAnswer;
use super::keeper::{Asked, Found, Keeper, Order, Unavailable};
use super::table::{FILE_MAX, KeyId};
use super::usage::{Outcome, Outcomes, Usage};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use traffic::idempotency::Decision;

/// Requests that wait for the disk. More are refused: the disk is too slow for them.
const WAITING_MAX: usize = 4_096;
/// Longest wait for the disk.
const WAIT: Duration = Duration::from_secs(5);
/// Time that the last answers have for reaching the disk when the edge stops.
const LAST: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(2);

/// What is done with a request.
#[derive(Debug)]
pub(crate) enum Reply {
    Forward(RememberedKey),
    Replay(StoredAnswer),
    OtherRequest,
    InFlight,
    /// Its client has as many keys as one may have.
    TooMany,
}

/// The store of keys. Dropped, it writes the last answers.
#[derive(Debug)]
pub(crate) struct KeyStore {
    path: PathBuf,
    orders: Option<Sender<Order>>,
    waiting: AtomicUsize,
    outcomes: Outcomes,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

/// A key that is remembered, whose request is being forwarded. Dropped without a result it stays uncertain.
#[derive(Debug)]
pub(crate) struct RememberedKey {
    store: Arc<KeyStore>,
    id: Option<KeyId>,
    /// Whether a server may have its request already.
    is_again: bool,
}

impl RememberedKey {
    /// Stores the server's answer.
    pub(crate) fn answered(mut self, answer: StoredAnswer) {
        if let Some(id) = self.id.take() {
            self.store.order(Order::End(id, Some(answer)));
        }
    }

    /// Forgets the key: the write did not take place.
    pub(crate) fn undone(mut self) {
        if let Some(id) = self.id.take() {
            self.store.order(Order::End(id, None));
        }
    }
}

impl Drop for RememberedKey {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.store.order(Order::Leave(id));
        }
    }
}

impl KeyStore {
    /// A store in this file, which is opened with the first request: a disk that fails meanwhile must not keep the edge from
    /// starting.
    pub(crate) fn new(path: PathBuf) -> std::io::Result<Arc<Self>> {
        let (orders, inbox) = channel();
        let keeper = Keeper::new(path.clone());
        let thread =
            std::thread::Builder::new().name("edge-keys".into()).spawn(move || keeper.run(&inbox))?;
        let thread = std::sync::Mutex::new(Some(thread));
        let (waiting, outcomes) = (AtomicUsize::new(0), Outcomes::default());
        Ok(Arc::new(Self { path, orders: Some(orders), waiting, outcomes, thread }))
    }

    /// Remembers the key of a request that is to be forwarded, or finds what is known of it.
    ///
    /// # Errors
    /// When the disk fails or is too slow.
    pub(crate) async fn begin(self: &Arc<Self>, asked: Asked) -> Result<Reply, Unavailable> {
        let reply = self.ask(asked).await;
        self.outcomes.count(outcome(&reply));
        reply
    }

    /// What the keys take on the disk, and what came of requests with one.
    pub(crate) fn usage(&self) -> Usage {
        Usage::of(&self.path, FILE_MAX.unsigned_abs(), &self.outcomes)
    }

    async fn ask(self: &Arc<Self>, asked: Asked) -> Result<Reply, Unavailable> {
        let _place = Place::take(&self.waiting).ok_or(Unavailable)?;
        let (reply, found) = oneshot::channel();
        let id = KeyId { service: asked.service.clone(), key: asked.key.clone() };
        self.order(Order::Begin(asked, reply));
        let mut waiting = Waiting { store: self, id: id.clone(), found };
        let found = tokio::time::timeout(WAIT, &mut waiting.found).await;
        let Ok(Ok(Ok(found))) = found else { return Err(Unavailable) };
        if found.is_too_many {
            return Ok(Reply::TooMany);
        }
        Ok(match found.decision {
            Decision::Forward { is_again } => {
                Reply::Forward(RememberedKey { store: Arc::clone(self), id: Some(id), is_again })
            }
            Decision::Replay => Reply::Replay(found.answer.ok_or(Unavailable)?),
            Decision::OtherRequest => Reply::OtherRequest,
            Decision::InFlight => Reply::InFlight,
        })
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // The thread ends only with the last sender.
            let _ = orders.send(order);
        }
    }
}

impl Drop for KeyStore {
    fn drop(&mut self) {
        self.orders = None;
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let until = Instant::now() + LAST;
        while thread.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < until {
            std::thread::sleep(LOOK);
        }
    }
}

/// A request that waits for the thread. Dropped before it got its answer, it gives its key back: it will not be forwarded.
struct Waiting<'a> {
    store: &'a KeyStore,
    id: KeyId,
    found: oneshot::Receiver<Result<Found, Unavailable>>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // What comes from now on the thread takes back itself.
        self.found.close();
        if let Ok(Ok(found)) = self.found.try_recv()
            && !found.is_too_many
            && let Decision::Forward { is_again } = found.decision
        {
            let id = self.id.clone();
            self.store.order(if is_again { Order::Leave(id) } else { Order::End(id, None) });
        }
    }
}

fn outcome(reply: &Result<Reply, Unavailable>) -> Outcome {
    match reply {
        Ok(Reply::Forward(begun)) if begun.is_again => Outcome::ForwardedAgain,
        Ok(Reply::Forward(_)) => Outcome::Forwarded,
        Ok(Reply::Replay(_)) => Outcome::Replayed,
        Ok(Reply::OtherRequest) => Outcome::OtherRequest,
        Ok(Reply::InFlight) => Outcome::InFlight,
        Ok(Reply::TooMany) => Outcome::TooMany,
        Err(Unavailable) => Outcome::Unavailable,
    }
}

/// One of the requests that wait for the disk.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        if waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX {
            return Some(Self(waiting));
        }
        waiting.fetch_sub(1, Ordering::Relaxed);
        None
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
