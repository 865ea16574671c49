//! Rate limit per registry: at most one request a second, and none during a requested pause.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Time between two requests to one registry.
const PACE: Duration = Duration::from_secs(1);
/// Registries in memory; those without a pause are removed first.
const KEPT_MAX: usize = 1_024;

/// Why a request cannot be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deferred {
    /// The registry requested a pause of this duration.
    Registration(Duration),
    /// Queued requests take this long.
    Queue(Duration),
}

/// Time of the next request to each registry.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    next: Mutex<BTreeMap<String, Turn>>,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    next: Instant,
    /// End of the pause that the registry requested.
    shut: Option<Instant>,
}

impl Budgets {
    /// Waits for the next turn at a registry, or returns immediately if there is none before `until`.
    pub(crate) async fn turn(&self, registry: &str, until: Instant) -> Result<(), Deferred> {
        let at = self.reserve(registry, Instant::now(), until)?;
        sleep_until(at).await;
        Ok(())
    }

    fn reserve(&self, registry: &str, now: Instant, until: Instant) -> Result<Instant, Deferred> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if next.len() >= KEPT_MAX {
            next.retain(|_, turn| turn.next > now || turn.shut.is_some_and(|shut| shut > now));
        }
        let turn = next.entry(registry.to_owned()).or_insert(Turn { next: now, shut: None });
        if let Some(shut) = turn.shut.filter(|shut| *shut > now) {
            return Err(Deferred::Registration(shut - now));
        }
        let at = turn.next.max(now);
        if at > until {
            return Err(Deferred::Queue(at - now));
        }
        turn.next = at + PACE;
        Ok(at)
    }

    /// Records a pause that the registry requested.
    pub(crate) fn close_for(&self, registry: &str, span: Duration) {
        let now = Instant::now();
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next.entry(registry.to_owned()).or_insert(Turn { next: now, shut: None });
        let shut = now + span;
        turn.shut = Some(turn.shut.map_or(shut, |known| known.max(shut)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_a_second_apart_and_stop_for_retry_after() {
        let budgets = Budgets::default();
        let now = Instant::now();
        let secs = Duration::from_secs;
        let until = now + secs(2);
        assert_eq!(budgets.reserve("a", now, until), Ok(now));
        assert_eq!(budgets.reserve("a", now, until), Ok(now + secs(1)));
        assert_eq!(budgets.reserve("a", now, until), Ok(now + secs(2)));
        assert_eq!(budgets.reserve("a", now, until), Err(Deferred::Queue(secs(3))));
        assert_eq!(budgets.reserve("b", now, until), Ok(now), "another registry has a budget of its own");
        // A turn that was refused was not taken.
        assert_eq!(budgets.reserve("a", now + secs(3), until + secs(3)), Ok(now + secs(3)));

        budgets.close_for("b", secs(60));
        let reserved = budgets.reserve("b", now, until + secs(3_600));
        assert!(matches!(reserved, Err(Deferred::Registration(span)) if span >= secs(59)), "{reserved:?}");
        assert!(budgets.reserve("b", now + secs(61), until + secs(61)).is_ok());
    }
}
