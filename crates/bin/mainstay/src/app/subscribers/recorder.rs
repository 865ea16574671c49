//! Records each update of the status page, due for its subscribers; forgets what is over; counts for metrics.

use super::Subscriptions;
use crate::app::clock;
use engine::Views;
use engine::views::StatusPage;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use subscriber_store::{Store, StoreError};
use subscribers::limits::CONFIRM_WITHIN;
use subscribers::matching::is_for;
use tokio::sync::watch;
use types::{UpdateId, time};
use web::subscriptions::SubscriptionCounts;

/// Interval at which counts are read, old requests are forgotten, and a failed recording is repeated.
const TIDY_EVERY: Duration = Duration::from_secs(15);
/// Updates whose progress is kept, for metrics.
const KEPT: u64 = 20;

/// Records until `stop` is true.
pub(crate) async fn run(
    shared: Arc<Subscriptions>,
    mut views: watch::Receiver<Option<Arc<Views>>>,
    mut stop: watch::Receiver<bool>,
) {
    // The newest update that is recorded, as far as this process knows.
    let mut recorded: Option<UpdateId> = None;
    let mut has_failed = false;
    let mut ticks = tokio::time::interval(TIDY_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let mut is_tick = false;
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            changed = views.changed() => if changed.is_err() { return },
            _ = ticks.tick() => is_tick = true,
        }
        if is_tick {
            tidy(&shared).await;
        }
        let newest = views.borrow_and_update().clone();
        // A failure is repeated at the next tick, not at each change of the views.
        if has_failed && !is_tick {
            continue;
        }
        let Some(newest) = newest.filter(|views| is_news(&views.status_page, recorded)) else { continue };
        let done = shared.store("an update for subscribers", move |store| record(store, &newest.status_page));
        let done = done.await;
        has_failed = done.is_none();
        if done.is_some() {
            recorded = done;
            shared.wake.send_replace(());
        }
    }
}

fn is_news(page: &StatusPage, recorded: Option<UpdateId>) -> bool {
    recorded.is_none_or(|recorded| page.newest_update() > recorded)
}

/// Records the updates that are not recorded yet; returns the newest. What was published before there were subscribers is
/// not for them.
fn record(store: &Store, page: &StatusPage) -> Result<UpdateId, StoreError> {
    let newest = page.newest_update();
    let Some(last) = store.newest_update()? else {
        store.begin_after(newest)?;
        return Ok(newest);
    };
    for update in page.updates_after(last) {
        let due =
            store.publish(&update, clock::now(), |subscriber| is_for(&subscriber.components, &update))?;
        tracing::info!(update = %update.id, about = %update.about, due, "an update is due for subscribers");
    }
    store.forget_updates(UpdateId(newest.0.saturating_sub(KEPT)))?;
    Ok(newest.max(last))
}

async fn tidy(shared: &Subscriptions) {
    let before = time::earlier(clock::now(), CONFIRM_WITHIN);
    let read = shared.store("the deletion of old requests", move |store| {
        store.forget_pending(before)?;
        Ok((store.counts()?, store.totals()?))
    });
    let Some((counts, totals)) = read.await else { return };
    let counts = SubscriptionCounts {
        subscribers: counts.into_iter().map(|((kind, state), count)| (kind, state, count)).collect(),
        messages: totals.into_iter().map(|(progress, count)| (progress.name(), count)).collect(),
    };
    *shared.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
}
