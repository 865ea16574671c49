//! The watcher is watched: when the mind stands still, the last resort is called without asking it.

use crate::mind::Pulse;
use notify::Notifier;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use types::notification::{Contact, Notification, NotificationKey, Urgency};
use types::{Config, PersonId};

/// A mind that has not turned for so long is taken for dead. It turns at least every two seconds when well, and an
/// append may hold it for two more.
const STALLED_AFTER: Duration = Duration::from_secs(30);
/// How often we look, and how long before the bell is step again.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A look that comes so late was held up by the machine, as the mind was.
const OVERSLEPT: Duration = Duration::from_secs(10);
const AGAIN_AFTER: Duration = Duration::from_secs(300);

/// Rings once for a stall, and again every five minutes while it lasts.
pub(crate) async fn listen(
    pulse: Pulse,
    config: Arc<Config>,
    couriers: watch::Receiver<Arc<Notifier>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut step: Option<tokio::time::Instant> = None;
    let mut times = 0_u32;
    // Since when this task itself has been running without a break: a stopped process stops both.
    let mut awake = tokio::time::Instant::now();
    let mut looked = awake;
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if looked.elapsed() > OVERSLEPT {
            awake = tokio::time::Instant::now();
        }
        looked = tokio::time::Instant::now();
        let still = pulse.still_for().min(awake.elapsed());
        if still < STALLED_AFTER {
            step = None;
            continue;
        }
        if step.is_some_and(|at| at.elapsed() < AGAIN_AFTER) {
            continue;
        }
        step = Some(tokio::time::Instant::now());
        times += 1;
        tracing::error!(still_secs = still.as_secs(), "the mind stands still: ringing the last bell");
        let notifier = couriers.borrow().clone();
        for (person, reach) in everybody(&config) {
            let notification = Notification {
                key: NotificationKey(format!("last-bell/{times}/{reach}")),
                page: None,
                incident: None,
                person,
                contact: reach,
                urgency: Urgency::Page,
                title: format!("{}: mainstay itself stands still", config.site.name),
                body: format!(
                    "It has decided nothing for {}. Nothing is watched and nobody is paged until it is restarted.",
                    types::time::spoken(still)
                ),
            };
            if let Err(failure) = notifier.send(&notification).await.result {
                tracing::error!(key = %notification.key, "the last bell was not heard: {}", failure.why);
            }
        }
    }
}

/// Every last resort of the configuration, or the first address of every person where no escalation has one.
fn everybody(config: &Config) -> Vec<(Option<PersonId>, Contact)> {
    let resorts: BTreeSet<Contact> =
        config.escalations.values().flat_map(|escalation| escalation.fallback.clone()).collect();
    if !resorts.is_empty() {
        return resorts.into_iter().map(|reach| (None, reach)).collect();
    }
    config
        .people
        .values()
        .filter_map(|person| Some((Some(person.id.clone()), person.contacts.first()?.clone())))
        .collect()
}
