//! The watchdog: notifies the fallback contacts when the event loop stalls, without the event loop.

use crate::app::heartbeat::Heartbeat;
use notify::Notifier;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use types::notification::{Contact, Notification, NotificationKey, Urgency};
use types::{Config, PersonId, ProbeTargets};

/// Age of the heartbeat from which on the event loop counts as stalled. When healthy it beats every two seconds, and an
/// append may take two more.
pub(crate) const STALLED_AFTER: Duration = Duration::from_secs(30);
/// Interval of checks.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// Pause between two checks from which on the whole process was suspended, not the event loop alone.
const SUSPENDED_AFTER: Duration = Duration::from_secs(10);
/// Delay before the contacts are notified again during one stall.
const REPEAT_AFTER: Duration = Duration::from_secs(300);

/// Notifies once per stall, and again every five minutes while it lasts.
pub(crate) async fn run(
    heartbeat: Heartbeat,
    targets: watch::Receiver<ProbeTargets>,
    notifiers: watch::Receiver<Arc<Notifier>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut notified: Option<tokio::time::Instant> = None;
    let mut times = 0_u32;
    // Start of the current stretch without suspension: a suspended process stops the event loop too.
    let mut running_since = tokio::time::Instant::now();
    let mut checked = running_since;
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(CHECK_EVERY) => {}
        }
        if checked.elapsed() > SUSPENDED_AFTER {
            running_since = tokio::time::Instant::now();
        }
        checked = tokio::time::Instant::now();
        let stalled = heartbeat.age().min(running_since.elapsed());
        if stalled < STALLED_AFTER {
            notified = None;
            continue;
        }
        if notified.is_some_and(|at| at.elapsed() < REPEAT_AFTER) {
            continue;
        }
        notified = Some(tokio::time::Instant::now());
        times += 1;
        tracing::error!(
            secs = stalled.as_secs(),
            "the event loop is stalled: notifying the fallback contacts"
        );
        let notifier = notifiers.borrow().clone();
        let config = Arc::clone(&targets.borrow().config);
        for (person, contact) in contacts(&config) {
            let notification = Notification {
                key: NotificationKey(format!("watchdog/{times}/{contact}")),
                page: None,
                incident: None,
                person,
                contact,
                urgency: Urgency::Page,
                title: format!("{}: mainstay itself is stalled", config.site.name),
                body: format!(
                    "Its event loop has not run for {}. No probe is evaluated and no page is sent until it is restarted.",
                    types::time::spoken(stalled)
                ),
            };
            if let Err(failure) = notifier.send(&notification).await.result {
                tracing::error!(key = %notification.key, "a fallback contact was not notified: {}", failure.why);
            }
        }
    }
}

/// The fallback contacts of all escalations, or the first contact of each person when there are none.
fn contacts(config: &Config) -> Vec<(Option<PersonId>, Contact)> {
    let fallback: BTreeSet<Contact> =
        config.escalations.values().flat_map(|escalation| escalation.fallback.clone()).collect();
    if !fallback.is_empty() {
        return fallback.into_iter().map(|contact| (None, contact)).collect();
    }
    config
        .people
        .values()
        .filter_map(|person| Some((Some(person.id.clone()), person.contacts.first()?.clone())))
        .collect()
}
