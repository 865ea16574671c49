//! The watcher is watched: when the mind stands still, the last resort is called without asking it.

use crate::mind::Pulse;
use notify::Notifier;
use types::effect::{Effect, EffectKey, Reach, Urgency};
use types::{PersonId, Plan};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A mind that has not turned for so long is taken for dead. It turns at least every two seconds when well, and an
/// append may hold it for two more.
const STALLED_AFTER: Duration = Duration::from_secs(30);
/// How often we look, and how long before the bell is rung again.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A look that comes so late was held up by the machine, as the mind was.
const OVERSLEPT: Duration = Duration::from_secs(10);
const AGAIN_AFTER: Duration = Duration::from_secs(300);

/// Rings once for a stall, and again every five minutes while it lasts.
pub(crate) async fn listen(
    pulse: Pulse,
    plan: Arc<Plan>,
    couriers: watch::Receiver<Arc<Notifier>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut rung: Option<tokio::time::Instant> = None;
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
            rung = None;
            continue;
        }
        if rung.is_some_and(|at| at.elapsed() < AGAIN_AFTER) {
            continue;
        }
        rung = Some(tokio::time::Instant::now());
        times += 1;
        tracing::error!(still_secs = still.as_secs(), "the mind stands still: ringing the last bell");
        let courier = couriers.borrow().clone();
        for (person, reach) in everybody(&plan) {
            let effect = Effect {
                key: EffectKey(format!("last-bell/{times}/{reach}")),
                page: None,
                incident: None,
                person,
                reach,
                urgency: Urgency::Page,
                title: format!("{}: mainstay itself stands still", plan.site.name),
                body: format!(
                    "It has decided nothing for {}. Nothing is watched and nobody is paged until it is restarted.",
                    types::time::spoken(still)
                ),
            };
            if let Err(failure) = courier.carry(&effect).await.result {
                tracing::error!(key = %effect.key, "the last bell was not heard: {}", failure.why);
            }
        }
    }
}

/// Every last resort of the plan, or the first address of every person where no ladder has one.
fn everybody(plan: &Plan) -> Vec<(Option<PersonId>, Reach)> {
    let resorts: BTreeSet<Reach> =
        plan.ladders.values().flat_map(|ladder| ladder.last_resort.clone()).collect();
    if !resorts.is_empty() {
        return resorts.into_iter().map(|reach| (None, reach)).collect();
    }
    plan.people
        .values()
        .filter_map(|person| Some((Some(person.id.clone()), person.reach.first()?.clone())))
        .collect()
}
