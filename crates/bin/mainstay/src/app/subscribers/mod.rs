//! Subscribers of the status page: connects the store, the web server, and what sends the updates. Decides nothing.
//!
//! | module | contents |
//! |---|---|
//! | `setting` | what is built of a configuration: outlet, texts, titles |
//! | `people` | requests of visitors and of the team |
//! | `recorder` | records each update of the status page, due for its subscribers |
//! | `sender` | sends what is due |
//! | `attempt` | one message to one subscriber |

mod attempt;
mod people;
mod recorder;
mod sender;
mod setting;

pub(crate) use setting::{Setting, SettingError};

use crate::app::clock;
use engine::Views;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use subscriber_store::{Store, StoreError};
use subscribers::RequestLimits;
use tokens::Key;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use types::SubscriberId;
use types::subscription::SubscriberKind;
use web::subscriptions::SubscriptionCounts;

/// Messages to mailboxes that are sent concurrently: an SMTP server sees this number of connections.
const MAIL_CONCURRENCY: usize = 4;
/// Messages to webhooks and chats that are sent concurrently.
const POST_CONCURRENCY: usize = 8;

/// The subscribers of a running process.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    store: Arc<Store>,
    setting: watch::Receiver<Arc<Setting>>,
    limits: Mutex<RequestLimits>,
    key: Key,
    /// Changes when something may be due.
    wake: watch::Sender<()>,
    counts: Mutex<SubscriptionCounts>,
    /// Calls of the store that failed.
    failures: AtomicU64,
}

impl Subscriptions {
    /// Opens the file of subscribers, and recovers what an earlier process left behind.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(crate) fn open(
        data: &Path,
        key: Key,
        setting: watch::Receiver<Arc<Setting>>,
    ) -> Result<Arc<Self>, StoreError> {
        let (store, recovered) = Store::open(&data.join("subscribers.db"))?;
        if recovered.in_doubt > 0 {
            let count = recovered.in_doubt;
            tracing::warn!(
                count,
                "messages to subscribers were on their way when mainstay ended: they are in doubt, not sent again, and \
                 the next update has their words"
            );
        }
        Ok(Arc::new(Self {
            store: Arc::new(store),
            setting,
            limits: Mutex::default(),
            key,
            wake: watch::Sender::new(()),
            counts: Mutex::default(),
            failures: AtomicU64::new(0),
        }))
    }

    /// Starts recording and sending, until `stop` is true.
    pub(crate) fn start(
        self: &Arc<Self>,
        views: &watch::Receiver<Option<Arc<Views>>>,
        stop: &watch::Receiver<bool>,
    ) -> [JoinHandle<()>; 3] {
        const POSTS: &[SubscriberKind] =
            &[SubscriberKind::Webhook, SubscriberKind::Slack, SubscriberKind::Teams];
        let send = |kinds, concurrency| {
            tokio::spawn(sender::Sender::new(self.clone(), kinds, concurrency).run(stop.clone()))
        };
        [
            tokio::spawn(recorder::run(self.clone(), views.clone(), stop.clone())),
            send(&[SubscriberKind::Mail], MAIL_CONCURRENCY),
            send(POSTS, POST_CONCURRENCY),
        ]
    }

    fn setting(&self) -> Arc<Setting> {
        self.setting.borrow().clone()
    }

    /// Calls the store off the threads of the runtime. `None` after an error, which is logged.
    async fn store<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Option<T> {
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || work(&store)).await.ok()?;
        done.inspect_err(|error| self.failed(error, what)).ok()
    }

    fn failed(&self, error: &StoreError, what: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%error, "{what} was not recorded");
    }

    fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The key that signs updates to a webhook: always the same one for its subscriber.
    fn secret(&self, id: SubscriberId) -> String {
        self.key.sign("subscriber-webhook", &id.to_string(), types::Time::MAX)
    }

    fn links(&self, url: &str, id: SubscriberId) -> subscribers::Links {
        let now = clock::now();
        let (confirm, manage) = (
            types::time::later(now, subscribers::limits::CONFIRM_WITHIN),
            types::time::later(now, subscribers::limits::MANAGE_WITHIN),
        );
        subscribers::Links {
            confirm: web::subscribe::confirm_link(&self.key, url, id, confirm),
            manage: web::subscribe::manage_link(&self.key, url, id, manage),
            unsubscribe: web::subscribe::unsubscribe_link(&self.key, url, id, manage),
        }
    }
}
