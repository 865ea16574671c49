//! The audit, once an hour and after each change of the configuration, for the history of criteria. Off the event loop: the
//! schedules of a year are evaluated.
//!
//! A change is reported when two audits in a row agree on it, so that evidence that arrives one probe after the other after a
//! start is no change.

use crate::app::clock;
use engine::Views;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use types::Observation;
use types::audit::CriterionChange;

/// Time between two audits.
const AUDIT_EVERY: Duration = Duration::from_secs(3_600);
/// Time until the first audit of a configuration, and until the one that confirms a change.
const CONFIRM_AFTER: Duration = Duration::from_secs(10);

/// Audits until `stop` is true.
pub(crate) async fn run(
    mut views: watch::Receiver<Option<Arc<Views>>>,
    results: mpsc::Sender<Observation>,
    mut stop: watch::Receiver<bool>,
) {
    let mut audited = String::new();
    let mut unconfirmed: Vec<CriterionChange> = Vec::new();
    let mut wait = AUDIT_EVERY;
    loop {
        let is_new = |views: &Option<Arc<Views>>| digest(views).is_some_and(|digest| *digest != audited);
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            found = views.wait_for(is_new) => if found.is_err() { return },
            () = sleep(wait) => {}
        }
        let fresh = digest(&views.borrow()).filter(|digest| **digest != audited).map(ToOwned::to_owned);
        if let Some(fresh) = fresh {
            audited = fresh;
            unconfirmed.clear();
            wait = CONFIRM_AFTER;
            continue;
        }
        let acceptance = views.borrow().as_ref().and_then(|views| views.acceptance.clone());
        let Some(acceptance) = acceptance else { continue };
        let now = clock::now();
        let found = tokio::task::spawn_blocking(move || acceptance.changes(now)).await.unwrap_or_default();
        let (confirmed, rest) = confirm(&unconfirmed, found);
        unconfirmed = rest;
        wait = if unconfirmed.is_empty() { AUDIT_EVERY } else { CONFIRM_AFTER };
        if !confirmed.is_empty() && results.send(Observation::CriteriaChanged(confirmed)).await.is_err() {
            return;
        }
    }
}

fn digest(views: &Option<Arc<Views>>) -> Option<&String> {
    views.as_ref()?.acceptance.as_ref().map(|acceptance| &acceptance.config().digest)
}

/// The changes that the audit before has found too, and the others. What was seen may differ in words: ages grow.
fn confirm(
    before: &[CriterionChange],
    found: Vec<CriterionChange>,
) -> (Vec<CriterionChange>, Vec<CriterionChange>) {
    let is_same = |one: &CriterionChange, other: &CriterionChange| {
        (one.criterion, &one.resource, one.is_met) == (other.criterion, &other.resource, other.is_met)
    };
    found.into_iter().partition(|change| before.iter().any(|known| is_same(known, change)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Resource;
    use types::audit::Criterion;

    fn lost(resource: &str, evidence: &str) -> CriterionChange {
        CriterionChange {
            criterion: Criterion::Runbook,
            resource: Resource::service(resource),
            is_met: false,
            evidence: Some(evidence.to_owned()),
        }
    }

    #[test]
    fn change_is_reported_when_the_next_audit_agrees() {
        let (confirmed, rest) = confirm(&[], vec![lost("auth", "1 day")]);
        assert_eq!((confirmed.len(), rest.len()), (0, 1));
        let (confirmed, rest) = confirm(&rest, vec![lost("auth", "2 days"), lost("api", "1 day")]);
        assert_eq!(confirmed, [lost("auth", "2 days")]);
        assert_eq!(rest, [lost("api", "1 day")]);
        let (confirmed, rest) = confirm(&rest, Vec::new());
        assert!(confirmed.is_empty() && rest.is_empty());
    }
}
