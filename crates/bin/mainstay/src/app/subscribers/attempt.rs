//! One message to one subscriber: writes it, sends it, records what follows.

use super::{Setting, Subscriptions};
use crate::app::clock;
use notify::outlet::Post;
use secrecy::SecretString;
use std::sync::Arc;
use subscriber_store::{Claimed, Letter, Progress, Store, StoreError};
use subscribers::{Answer, Next, chat, message, next};
use types::subscription::{SubscriberKind, SubscriberState};
use types::{PublicUpdate, SubscriberId, UpdateId};

/// A message that is claimed.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// A mail about a subscription itself.
    Letter(Letter),
    /// An update.
    Update(Arc<PublicUpdate>, Claimed),
}

impl Subscriptions {
    /// Sends one message; returns the answer, `None` when the subscriber is gone.
    pub(crate) async fn attempt(self: Arc<Self>, work: Work) -> Option<Answer> {
        let setting = self.setting();
        match work {
            Work::Letter(letter) => self.letter(&setting, letter).await,
            Work::Update(update, claimed) => self.update(&setting, &update, claimed).await,
        }
    }

    /// Gives a message back that was claimed and not begun.
    pub(crate) async fn release(&self, work: Work) {
        let now = clock::now();
        match work {
            Work::Letter(letter) => {
                let id = letter.subscriber.id;
                let give = move |store: &Store| store.letter_progress(id, Progress::Due, now, false);
                self.store("a message", give).await;
            }
            Work::Update(update, claimed) => {
                let (update, id) = (update.id, claimed.subscriber.id);
                self.store("a message", move |store| store.again(update, id, now, false)).await;
            }
        }
    }

    /// Records on this thread that a message is about to leave: a change of threads between the record and the message is
    /// time in which a kill would lose it.
    fn record_now(&self, record: impl FnOnce(&Store) -> Result<bool, StoreError>) -> bool {
        let recorded = tokio::task::block_in_place(|| record(&self.store));
        recorded.unwrap_or_else(|error| {
            self.failed(&error, "a message that is not sent therefore");
            false
        })
    }

    async fn letter(&self, setting: &Setting, letter: Letter) -> Option<Answer> {
        let Letter { subscriber, asked, attempts } = letter;
        let id = subscriber.id;
        let links = self.links(&setting.page.url, id);
        let request = format!("{id}.{}", asked.as_second());
        let (templates, page) = (&setting.templates, &setting.page);
        // A paused address is confirmed again: its mailbox may work by now.
        let mail = if subscriber.state == SubscriberState::Confirmed {
            message::subscribed(templates, page, &subscriber.components, &request, &links)
        } else {
            message::confirmation(templates, page, &subscriber.components, &request, &links)
        };
        let record = |progress, next, counted| {
            self.store("a message", move |store| store.letter_progress(id, progress, next, counted))
        };
        let now = clock::now();
        let ready =
            async { self.record_now(|store| store.letter_progress(id, Progress::Sending, now, false)) };
        let answer = setting.outlet.mail(&subscriber.address, &mail, now, ready).await?;
        let now = clock::now();
        match next(&answer, attempts.saturating_add(1), 0, now) {
            Next::Sent => record(Progress::Sent, now, false).await,
            Next::InDoubt => record(Progress::InDoubt, now, false).await,
            Next::Again(at) => record(Progress::Due, at, !matches!(answer, Answer::Unavailable(_))).await,
            Next::Failed { .. } => record(Progress::Failed, now, false).await,
        };
        note(id, &answer);
        Some(answer)
    }

    async fn update(&self, setting: &Setting, update: &PublicUpdate, claimed: Claimed) -> Option<Answer> {
        let Claimed { subscriber, attempts, missed } = claimed;
        let (number, id) = (update.id, subscriber.id);
        let now = clock::now();
        let ready = async { self.record_now(|store| store.sending(number, id)) };
        let missed = message::missed(update, &missed);
        let included: Vec<UpdateId> = missed.iter().map(|earlier| earlier.id).collect();
        let answer = if subscriber.kind == SubscriberKind::Mail {
            let links = self.links(&setting.page.url, id);
            let mail = message::update(&setting.templates, &setting.page, update, &missed, (id, &links));
            setting.outlet.mail(&subscriber.address, &mail, now, ready).await?
        } else {
            let body = chat::body(subscriber.kind, &setting.page, update, &missed);
            let body = body.unwrap_or_default().to_string();
            let secret =
                (subscriber.kind == SubscriberKind::Webhook).then(|| SecretString::from(self.secret(id)));
            let key = update.id.to_string();
            let (url, body) = (subscriber.address.as_str(), body.as_bytes());
            let post = Post { url, body, key: &key, secret: secret.as_ref() };
            setting.outlet.post(post, now, ready).await?
        };
        let following = next(&answer, attempts.saturating_add(1), subscriber.failures, clock::now());
        let permanent = matches!(answer, Answer::Refused(_));
        let counted = !matches!(answer, Answer::Unavailable(_));
        let record = move |store: &Store| match following {
            Next::Sent => store.sent(number, id, &included),
            Next::InDoubt => store.in_doubt(number, id),
            Next::Again(at) => store.again(number, id, at, counted),
            Next::Failed { pause } => store.failed(number, id, permanent, pause),
        };
        self.store("the result of a message", record).await;
        note(id, &answer);
        Some(answer)
    }
}

/// Logs a failure, by the number of the subscriber: an address does not belong in a log.
fn note(subscriber: SubscriberId, answer: &Answer) {
    match answer {
        Answer::Refused(why) => tracing::warn!(%subscriber, why, "a subscriber refuses messages"),
        Answer::Later(why) => tracing::info!(%subscriber, why, "a message to a subscriber is repeated later"),
        Answer::InDoubt(why) => {
            tracing::warn!(%subscriber, why, "a message to a subscriber is in doubt, and not repeated")
        }
        Answer::Accepted | Answer::Unavailable(_) => {}
    }
}
