//! Lag of replicas, by positions of their primary at times.

use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;
use types::database::{NodeAnswer, NodeSeen, Reading, Role};

/// Positions of the primary that are kept: a day at one round in ten seconds. A lag beyond them is at least as long.
const POSITIONS_MAX: usize = 8_640;

/// Positions of the primary at times, by which a position of a replica has an age. The servers' own figures for this are
/// missing on a fresh replica and grow on an idle primary.
#[derive(Default)]
pub(super) struct Positions(VecDeque<(Instant, u64)>);

impl Positions {
    /// Notes the position of the primary, and completes the lag of the replicas.
    pub(super) fn follow(&mut self, nodes: &mut [NodeSeen], now: Instant) {
        let facts = nodes.iter_mut().filter_map(|seen| match &mut seen.answer {
            NodeAnswer::Facts(facts) => Some(facts),
            _ => None,
        });
        let (primaries, replicas): (Vec<_>, Vec<_>) = facts.partition(|facts| facts.role == Role::Primary);
        let Some(primary) = primaries.iter().find_map(|facts| facts.position.known()) else { return };
        let written = primary.bytes;
        self.note(now, written);
        for facts in replicas {
            let Some(replayed) = facts.position.known().map(|position| position.bytes) else { continue };
            if let Reading::Known(upstream) = &mut facts.upstream {
                upstream.lag_bytes = Some(written.saturating_sub(replayed));
                upstream.lag = Some(self.age(now, replayed));
            }
        }
    }

    fn note(&mut self, now: Instant, written: u64) {
        // After a promotion the new primary may be behind the old one.
        while self.0.back().is_some_and(|(_, bytes)| *bytes > written) {
            self.0.pop_back();
        }
        if self.0.back().is_some_and(|(_, bytes)| *bytes == written) {
            return;
        }
        if self.0.len() >= POSITIONS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((now, written));
    }

    /// Minimum age of a position: how long ago the primary was first seen beyond it.
    fn age(&self, now: Instant, replayed: u64) -> Duration {
        let beyond = self.0.partition_point(|(_, bytes)| *bytes <= replayed);
        self.0.get(beyond).map(|(at, _)| now.saturating_duration_since(*at)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_of_a_position_is_the_time_since_the_primary_passed_it() {
        let start = Instant::now();
        let at = |secs: u64| start + Duration::from_secs(secs);
        let mut positions = Positions::default();
        for (secs, bytes) in [(0, 100), (10, 100), (20, 200), (30, 300)] {
            positions.note(at(secs), bytes);
        }
        for (replayed, secs) in [(300, 0), (250, 0), (200, 0), (199, 10), (100, 10), (99, 30)] {
            assert_eq!(positions.age(at(30), replayed), Duration::from_secs(secs), "{replayed}");
        }
        for secs in 31..10_000 {
            positions.note(at(secs), 1_000 + secs);
        }
        assert_eq!(positions.0.len(), POSITIONS_MAX);
        assert_eq!(positions.age(at(10_000), 300), Duration::from_secs(8_640), "at least");
    }
}
