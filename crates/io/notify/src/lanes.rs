//! Effects in, outcomes out, for many at once: each channel has a lane of its own, so that a provider that hangs holds up nobody
//! but itself.

use crate::notifier::Notifier;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use types::notification::{Delivery, Notification, Undelivered, Urgency};
use types::{ChannelId, NotificationKey, time};

/// Attempts under way over one channel.
const SLOTS: usize = 16;

/// Messages that wait for a slot of one channel. A channel that is this far behind delivers nothing in time.
const WAITING_MAX: usize = 1_000;

/// How long a message waits for a slot. Then it counts as not delivered, so that another way gets its turn within the minute
/// (P7). With the attempt itself it stays below the half minute after which it would be owed again.
const TURN_MAX: Duration = Duration::from_secs(15);

/// One channel.
#[derive(Default)]
struct Lane {
    under_way: usize,
    pages: VecDeque<(Instant, Notification)>,
    notices: VecDeque<(Instant, Notification)>,
}

impl Lane {
    fn waiting(&mut self, urgency: Urgency) -> &mut VecDeque<(Instant, Notification)> {
        match urgency {
            Urgency::Page => &mut self.pages,
            Urgency::Notice => &mut self.notices,
        }
    }

    /// Whoever is to be woken goes first.
    fn next(&mut self) -> Option<Notification> {
        if self.under_way >= SLOTS {
            return None;
        }
        self.pages.pop_front().or_else(|| self.notices.pop_front()).map(|(_, notification)| notification)
    }

    fn first_late(&self) -> Option<Instant> {
        let front =
            |queue: &VecDeque<(Instant, Notification)>| queue.front().map(|(since, _)| *since + TURN_MAX);
        front(&self.pages).into_iter().chain(front(&self.notices)).min()
    }

    fn take_late(&mut self, now: Instant) -> Option<Notification> {
        [&mut self.pages, &mut self.notices].into_iter().find_map(|queue| {
            let late = queue.front().is_some_and(|(since, _)| *since + TURN_MAX <= now);
            if late { queue.pop_front().map(|(_, notification)| notification) } else { None }
        })
    }

    fn is_empty(&self) -> bool {
        self.under_way == 0 && self.pages.is_empty() && self.notices.is_empty()
    }
}

/// Everything under way and waiting.
struct Lanes {
    couriers: watch::Receiver<Arc<Notifier>>,
    lanes: BTreeMap<ChannelId, Lane>,
    under_way: JoinSet<Delivery>,
    keys: BTreeMap<tokio::task::Id, (ChannelId, NotificationKey)>,
}

impl Lanes {
    /// Takes an effect in. Returns its outcome at once when its channel is too far behind.
    fn put(&mut self, notification: Notification) -> Option<Delivery> {
        let channel = notification.reach.channel.clone();
        let lane = self.lanes.entry(channel.clone()).or_default();
        let queue = lane.waiting(notification.urgency);
        if queue.len() >= WAITING_MAX {
            return Some(not_in_time(&notification));
        }
        queue.push_back((Instant::now(), notification));
        self.start(&channel);
        None
    }

    /// Starts what has a slot.
    fn start(&mut self, channel: &ChannelId) {
        let Some(lane) = self.lanes.get_mut(channel) else { return };
        while let Some(notification) = lane.next() {
            lane.under_way += 1;
            let notifier = Arc::clone(&self.couriers.borrow());
            let key = notification.key.clone();
            let task = self.under_way.spawn(async move { notifier.carry(&notification).await });
            self.keys.insert(task.id(), (channel.clone(), key));
        }
        if lane.is_empty() {
            self.lanes.remove(channel);
        }
    }

    /// An attempt came to an end: its slot goes to the next.
    fn ended(&mut self, task: tokio::task::Id) -> Option<NotificationKey> {
        let (channel, key) = self.keys.remove(&task)?;
        if let Some(lane) = self.lanes.get_mut(&channel) {
            lane.under_way = lane.under_way.saturating_sub(1);
        }
        self.start(&channel);
        Some(key)
    }

    fn first_late(&self) -> Option<Instant> {
        self.lanes.values().filter_map(Lane::first_late).min()
    }

    fn take_late(&mut self, now: Instant) -> Option<Notification> {
        self.lanes.values_mut().find_map(|lane| lane.take_late(now))
    }
}

/// Carries effects until no more come. Each channel has [`SLOTS`] of its own; the newest courier takes each effect, so that a new
/// configuration holds from the next message on. Every effect has its outcome, whatever happens to its attempt.
pub async fn run(
    couriers: watch::Receiver<Arc<Notifier>>,
    mut notifications: mpsc::Receiver<Notification>,
    outcomes: mpsc::Sender<Delivery>,
) {
    let mut lanes =
        Lanes { couriers, lanes: BTreeMap::new(), under_way: JoinSet::new(), keys: BTreeMap::new() };
    let mut more = true;
    while more || !lanes.under_way.is_empty() {
        let late = lanes.first_late();
        let at = late.unwrap_or_else(Instant::now);
        let outcome = tokio::select! {
            notification = notifications.recv(), if more => match notification {
                Some(notification) => lanes.put(notification),
                None => {
                    more = false;
                    None
                }
            },
            Some(ended) = lanes.under_way.join_next_with_id() => match ended {
                Ok((id, outcome)) => {
                    lanes.ended(id);
                    Some(outcome)
                }
                Err(error) => lanes.ended(error.id()).map(|key| {
                    tracing::error!(%key, %error, "an attempt ended in a fault of ours");
                    failed(key, "the attempt ended in a fault of mainstay itself".to_owned())
                }),
            },
            () = sleep_until(at), if late.is_some() => {
                lanes.take_late(Instant::now()).map(|notification| not_in_time(&notification))
            }
        };
        if let Some(outcome) = outcome
            && outcomes.send(outcome).await.is_err()
        {
            // Nobody listens any more: the house is closing, and what is owed is owed again after the restart.
            return;
        }
    }
}

fn not_in_time(notification: &Notification) -> Delivery {
    let channel = &notification.reach.channel;
    tracing::warn!(key = %notification.key, %channel, "too many messages wait for this provider");
    let why = format!("its provider is too slow: no turn came within {}", time::spoken(TURN_MAX));
    failed(notification.key.clone(), why)
}

fn failed(key: NotificationKey, why: String) -> Delivery {
    Delivery { key, result: Err(Undelivered { why, retriable: true, retry_after: None }) }
}
