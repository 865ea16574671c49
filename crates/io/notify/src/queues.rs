//! Delivery queues: a queue for each channel, so that a provider that hangs delays no other channel.

use crate::notifier::Notifier;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use types::notification::{Delivery, Notification, Undelivered, Urgency};
use types::{ChannelId, NotificationKey, time};

/// Concurrent attempts over one channel.
const CONCURRENT_MAX: usize = 16;

/// Waiting messages of one channel and urgency. More could not be delivered in time.
const WAITING_MAX: usize = 1_000;

/// Maximum time that a message waits in its queue. Then it counts as not delivered, so that the next contact is tried
/// within a minute (P7). Together with the attempt itself it is shorter than the 30 s after which the message would be
/// due again.
const WAIT_MAX: Duration = Duration::from_secs(15);

/// The queue of one channel.
#[derive(Default)]
struct ChannelQueue {
    running: usize,
    pages: VecDeque<(Instant, Notification)>,
    notices: VecDeque<(Instant, Notification)>,
}

impl ChannelQueue {
    fn waiting(&mut self, urgency: Urgency) -> &mut VecDeque<(Instant, Notification)> {
        match urgency {
            Urgency::Page => &mut self.pages,
            Urgency::Notice | Urgency::Quiet => &mut self.notices,
        }
    }

    /// The next message to send, pages before notices; `None` when [`CONCURRENT_MAX`] attempts run.
    fn next(&mut self) -> Option<Notification> {
        if self.running >= CONCURRENT_MAX {
            return None;
        }
        self.pages.pop_front().or_else(|| self.notices.pop_front()).map(|(_, notification)| notification)
    }

    /// When the oldest message has waited for [`WAIT_MAX`].
    fn deadline(&self) -> Option<Instant> {
        let front =
            |queue: &VecDeque<(Instant, Notification)>| queue.front().map(|(since, _)| *since + WAIT_MAX);
        front(&self.pages).into_iter().chain(front(&self.notices)).min()
    }

    /// Removes a message that has waited for too long.
    fn take_expired(&mut self, now: Instant) -> Option<Notification> {
        [&mut self.pages, &mut self.notices].into_iter().find_map(|queue| {
            let expired = queue.front().is_some_and(|(since, _)| *since + WAIT_MAX <= now);
            if expired { queue.pop_front().map(|(_, notification)| notification) } else { None }
        })
    }

    fn is_empty(&self) -> bool {
        self.running == 0 && self.pages.is_empty() && self.notices.is_empty()
    }
}

/// The queues of all channels, and the attempts that run.
struct Queues {
    notifiers: watch::Receiver<Arc<Notifier>>,
    channels: BTreeMap<ChannelId, ChannelQueue>,
    running: JoinSet<Delivery>,
    keys: BTreeMap<tokio::task::Id, (ChannelId, NotificationKey)>,
}

impl Queues {
    /// Adds a notification. Returns its delivery result if the queue is full.
    fn push(&mut self, notification: Notification) -> Option<Delivery> {
        let channel = notification.contact.channel.clone();
        let queue = self.channels.entry(channel.clone()).or_default().waiting(notification.urgency);
        if queue.len() >= WAITING_MAX {
            return Some(too_slow(&notification));
        }
        queue.push_back((Instant::now(), notification));
        self.start(&channel);
        None
    }

    /// Starts as many attempts of a channel as may run.
    fn start(&mut self, channel: &ChannelId) {
        let Some(queue) = self.channels.get_mut(channel) else { return };
        while let Some(notification) = queue.next() {
            queue.running += 1;
            let notifier = Arc::clone(&self.notifiers.borrow());
            let key = notification.key.clone();
            let task = self.running.spawn(async move { notifier.send(&notification).await });
            self.keys.insert(task.id(), (channel.clone(), key));
        }
        if queue.is_empty() {
            self.channels.remove(channel);
        }
    }

    /// Records that an attempt ended, and starts the next one. Returns the key of the attempt.
    fn ended(&mut self, task: tokio::task::Id) -> Option<NotificationKey> {
        let (channel, key) = self.keys.remove(&task)?;
        if let Some(queue) = self.channels.get_mut(&channel) {
            queue.running = queue.running.saturating_sub(1);
        }
        self.start(&channel);
        Some(key)
    }

    fn deadline(&self) -> Option<Instant> {
        self.channels.values().filter_map(ChannelQueue::deadline).min()
    }

    fn take_expired(&mut self, now: Instant) -> Option<Notification> {
        self.channels.values_mut().find_map(|queue| queue.take_expired(now))
    }
}

/// Sends notifications until the sender is closed and all attempts ended. Each attempt uses the newest notifier, so
/// that a reloaded configuration takes effect with the next message. Each notification gets a delivery result, even if
/// its attempt panics.
pub async fn run(
    notifiers: watch::Receiver<Arc<Notifier>>,
    mut notifications: mpsc::Receiver<Notification>,
    deliveries: mpsc::Sender<Delivery>,
) {
    let mut queues =
        Queues { notifiers, channels: BTreeMap::new(), running: JoinSet::new(), keys: BTreeMap::new() };
    let mut is_open = true;
    while is_open || !queues.running.is_empty() {
        let deadline = queues.deadline();
        let at = deadline.unwrap_or_else(Instant::now);
        let delivery = tokio::select! {
            notification = notifications.recv(), if is_open => match notification {
                Some(notification) => queues.push(notification),
                None => {
                    is_open = false;
                    None
                }
            },
            Some(ended) = queues.running.join_next_with_id() => match ended {
                Ok((id, delivery)) => {
                    queues.ended(id);
                    Some(delivery)
                }
                Err(error) => queues.ended(error.id()).map(|key| {
                    tracing::error!(%key, %error, "an attempt ended with an internal error");
                    failed(key, "internal error of mainstay".to_owned())
                }),
            },
            () = sleep_until(at), if deadline.is_some() => {
                queues.take_expired(Instant::now()).map(|notification| too_slow(&notification))
            }
        };
        if let Some(delivery) = delivery
            && deliveries.send(delivery).await.is_err()
        {
            // The receiver is closed at shutdown. Notifications without a result are due again after the restart.
            return;
        }
    }
}

fn too_slow(notification: &Notification) -> Delivery {
    let channel = &notification.contact.channel;
    tracing::warn!(key = %notification.key, %channel, "the queue of this channel is too long");
    let why = format!("the provider is too slow: the message was not sent within {}", time::spoken(WAIT_MAX));
    failed(notification.key.clone(), why)
}

fn failed(key: NotificationKey, why: String) -> Delivery {
    Delivery { key, result: Err(Undelivered { why, retriable: true, retry_after: None }) }
}
