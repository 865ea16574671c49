//! Sends what is due for some kinds of subscribers: a bounded number of messages concurrently, within a rate.

use super::Subscriptions;
use super::attempt::Work;
use crate::app::clock;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use subscriber_store::{Store, StoreError};
use subscribers::{Answer, Backoff, Outstanding, Pace, turns};
use tokio::sync::watch;
use tokio::task::JoinSet;
use types::subscription::SubscriberKind;
use types::{Time, time};

/// Messages that are claimed together: the bound of memory, and of what is in doubt after a crash of the machine.
const BATCH: usize = 64;
/// Longest wait without a look at what is due.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Shortest one.
const LOOK_MIN: Duration = Duration::from_millis(10);
/// Shortest one after nothing could be claimed although the rate allowed it: what is due waits for an earlier message on its way, or
/// the disk takes nothing.
const LOOK_BLOCKED: Duration = Duration::from_secs(1);
/// Time for messages on their way at the end.
const DRAIN: Duration = Duration::from_secs(8);

/// Sends to subscribers of some kinds.
pub(crate) struct Sender {
    shared: Arc<Subscriptions>,
    kinds: &'static [SubscriberKind],
    concurrency: usize,
    queue: VecDeque<Work>,
    sending: JoinSet<Option<Answer>>,
    /// Whether these kinds have a channel of their own, with a rate and pauses: mails do.
    mails: bool,
    pace: Pace,
    backoff: Backoff,
    /// Whether nothing was claimed although the rate allowed it.
    blocked: bool,
    /// Failures of the store after which messages were taken back.
    failures: u64,
}

impl Sender {
    pub(crate) fn new(
        shared: Arc<Subscriptions>,
        kinds: &'static [SubscriberKind],
        concurrency: usize,
    ) -> Self {
        let pace = Pace::new(shared.setting().per_minute, clock::now());
        Self {
            shared,
            kinds,
            concurrency,
            queue: VecDeque::new(),
            sending: JoinSet::new(),
            mails: kinds.contains(&SubscriberKind::Mail),
            pace,
            backoff: Backoff::default(),
            blocked: false,
            failures: 0,
        }
    }

    /// Sends until `stop` is true.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut wake = self.shared.wake.subscribe();
        loop {
            // Whatever is recorded from here on ends the wait below.
            wake.borrow_and_update();
            let now = clock::now();
            let paused = self.backoff.until(now);
            if paused.is_none() && self.queue.is_empty() {
                self.take_back().await;
                self.claim(now).await;
            }
            while paused.is_none() && self.sending.len() < self.concurrency {
                let Some(work) = self.queue.pop_front() else { break };
                self.sending.spawn(self.shared.clone().attempt(work));
            }
            let wait = if self.queue.is_empty() && paused.is_none() { self.wait().await } else { LOOK_EVERY };
            let wait = paused.map_or(wait, |until| time::between(clock::now(), until)).max(LOOK_MIN);
            let mut ended = None;
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                Some(joined) = self.sending.join_next() => ended = joined.ok().flatten(),
                // A pause of the channel is not ended by news.
                _ = wake.changed(), if paused.is_none() && self.sending.len() < self.concurrency => {}
                () = tokio::time::sleep(wait) => {}
            }
            self.ended(ended).await;
        }
        self.drain().await;
    }

    /// Takes an answer into account. While a channel takes nothing, what is claimed is given back.
    async fn ended(&mut self, answer: Option<Answer>) {
        // Mails have one channel. A webhook or chat that does not answer says nothing about the others.
        let Some(answer) = answer.filter(|_| self.mails) else { return };
        let now = clock::now();
        let was_paused = self.backoff.until(now).is_some();
        self.backoff.observe(&answer, now);
        if let Answer::Unavailable(why) | Answer::InDoubt(why) = &answer {
            if let Some(until) = self.backoff.until(now).filter(|_| !was_paused) {
                let pause = time::spoken(time::between(now, until));
                tracing::warn!(kinds = ?self.kinds, why, "messages to subscribers wait {pause}");
            }
            self.release().await;
        }
    }

    async fn release(&mut self) {
        for work in std::mem::take(&mut self.queue) {
            self.shared.release(work).await;
        }
    }

    /// Waits for the messages on their way, and gives the others back.
    async fn drain(mut self) {
        self.release().await;
        let drained = async { while self.sending.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!(
                "messages to subscribers are still on their way: they are in doubt, and not sent again"
            );
        }
        self.shared.store("the progress of messages", Store::sync).await;
    }

    /// Takes back what stayed where it was because its progress could not be written: nobody else would send it.
    async fn take_back(&mut self) {
        let failures = self.shared.failures();
        if failures == self.failures || !self.sending.is_empty() {
            return;
        }
        let kinds = self.kinds;
        if self.shared.store("messages that stayed", move |store| store.take_back(kinds)).await.is_some() {
            self.failures = failures;
        }
    }

    /// Claims what is due, within the rate.
    async fn claim(&mut self, now: Time) {
        self.pace.set(self.shared.setting().per_minute);
        let (kinds, mails) = (self.kinds, self.mails);
        // The rate is that of the relay; each webhook and chat gets few messages.
        let allowed = if mails { self.pace.take(BATCH, now) } else { BATCH };
        self.blocked = false;
        if allowed == 0 {
            return;
        }
        let claim = move |store: &Store| due(store, kinds, mails, allowed, now);
        let claimed = self.shared.store("what is due", claim).await.unwrap_or_default();
        self.blocked = claimed.is_empty();
        if mails {
            self.pace.give_back(allowed.saturating_sub(claimed.len()));
        }
        self.queue.extend(claimed);
    }

    /// Time until something is due, or may be sent.
    async fn wait(&mut self) -> Duration {
        if self.sending.len() >= self.concurrency {
            return LOOK_EVERY;
        }
        let (kinds, mails) = (self.kinds, self.mails);
        let next = self.shared.store("what is due", move |store| {
            let letter = if mails { store.next_letter()? } else { None };
            Ok(store.next_due(kinds)?.into_iter().chain(letter).min())
        });
        let Some(next) = next.await.flatten() else { return LOOK_EVERY };
        // What is due now and was not claimed waits for the rate, or for an earlier update that is on its way.
        let least = match (self.blocked, mails) {
            (true, _) => LOOK_BLOCKED,
            (false, true) => self.pace.wait(),
            (false, false) => LOOK_MIN,
        };
        time::between(clock::now(), next).max(least).clamp(LOOK_MIN, LOOK_EVERY)
    }
}

/// Claims mails about subscriptions first, then updates in their order.
fn due(
    store: &Store,
    kinds: &[SubscriberKind],
    letters: bool,
    max: usize,
    now: Time,
) -> Result<Vec<Work>, StoreError> {
    let mut claimed: Vec<Work> = Vec::new();
    if letters {
        claimed.extend(store.claim_letters(max, now)?.into_iter().map(Work::Letter));
    }
    let updates = store.outstanding(kinds)?;
    let outstanding: Vec<Outstanding> = updates
        .iter()
        .map(|update| Outstanding { update: update.id, about: update.about, at: update.at })
        .collect();
    let turns = turns(&outstanding, now);
    for (update, why) in turns.closed {
        let count = store.close(update)?;
        // None while the last messages about it are on their way.
        if count > 0 {
            tracing::warn!(%update, ?why, count, "an update is not sent any more to those who have not got it");
        }
    }
    for turn in turns.order {
        let left = max.saturating_sub(claimed.len());
        if left == 0 {
            break;
        }
        let Some(update) = updates.iter().find(|update| update.id == turn.update) else { continue };
        let update = Arc::new(update.clone());
        let found = store.claim(turn.update, &turn.after, kinds, left, now)?;
        claimed.extend(found.into_iter().map(|claimed| Work::Update(update.clone(), claimed)));
    }
    Ok(claimed)
}
