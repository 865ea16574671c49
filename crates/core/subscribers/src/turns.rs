//! Which update is sent next, and which is not sent any more.
//!
//! What has the newest update comes first, so that news never waits behind an earlier flood. Updates about the same
//! incident or maintenance keep their order.

use std::collections::BTreeMap;
use std::time::Duration;
use types::subscription::UpdateSubject;
use types::{Time, UpdateId, time};

/// Age from which an update with a successor is not sent any more: its successor says what is true now.
const SUPERSEDED_AFTER: Duration = Duration::from_secs(600);

/// Age from which no update is sent any more.
const EXPIRES_AFTER: Duration = Duration::from_secs(86_400);

/// An update that some subscribers have not got yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// Its number.
    pub update: UpdateId,
    /// What it is about.
    pub about: UpdateSubject,
    /// Time of its publication.
    pub at: Time,
}

/// Why an update is not sent any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// A newer one about the same has come meanwhile.
    Superseded,
    /// It is too old.
    Expired,
}

/// One update to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its number.
    pub update: UpdateId,
    /// Updates about the same that a subscriber must not be waiting for.
    pub after: Vec<UpdateId>,
}

/// What follows for all outstanding updates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// Updates that are not sent any more.
    pub closed: Vec<(UpdateId, Closed)>,
    /// The others, in the order in which they are sent.
    pub order: Vec<Turn>,
}

/// Decides the order of the outstanding updates.
#[must_use]
pub fn turns(outstanding: &[Outstanding], now: Time) -> Turns {
    let mut by_subject: BTreeMap<UpdateSubject, Vec<&Outstanding>> = BTreeMap::new();
    for update in outstanding {
        by_subject.entry(update.about).or_default().push(update);
    }
    let mut turns = Turns::default();
    let mut groups: Vec<(UpdateId, Vec<Turn>)> = Vec::new();
    for updates in by_subject.values_mut() {
        updates.sort_by_key(|update| update.update);
        let Some(newest) = updates.last().map(|update| update.update) else { continue };
        let mut group: Vec<Turn> = Vec::new();
        for update in updates.iter() {
            let age = time::between(update.at, now);
            if age >= EXPIRES_AFTER {
                turns.closed.push((update.update, Closed::Expired));
            } else if age >= SUPERSEDED_AFTER && update.update < newest {
                turns.closed.push((update.update, Closed::Superseded));
            } else {
                let after = group.iter().map(|turn| turn.update).collect();
                group.push(Turn { update: update.update, after });
            }
        }
        groups.push((newest, group));
    }
    groups.sort_by_key(|(newest, _)| std::cmp::Reverse(*newest));
    turns.order = groups.into_iter().flat_map(|(_, group)| group).collect();
    turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use types::IncidentId;

    fn now() -> Time {
        "2026-12-02T12:00:00Z".parse().unwrap()
    }

    fn outstanding(update: u64, incident: u64, minutes_ago: u64) -> Outstanding {
        let at = time::earlier(now(), Duration::from_secs(minutes_ago * 60));
        Outstanding { update: UpdateId(update), about: UpdateSubject::Incident(IncidentId(incident)), at }
    }

    #[test]
    fn newest_incident_is_first_and_its_updates_keep_their_order() {
        let turns = turns(
            &[outstanding(1, 1, 9), outstanding(2, 2, 8), outstanding(3, 1, 7), outstanding(4, 2, 1)],
            now(),
        );
        let order: Vec<(u64, Vec<u64>)> = turns
            .order
            .iter()
            .map(|turn| (turn.update.0, turn.after.iter().map(|update| update.0).collect()))
            .collect();
        assert_eq!(order, [(2, vec![]), (4, vec![2]), (1, vec![]), (3, vec![1])]);
        assert_eq!(turns.closed, []);
    }

    #[test]
    fn late_update_gives_way_to_its_successor_and_an_old_one_is_not_sent() {
        let turns = turns(
            &[outstanding(1, 1, 10), outstanding(2, 1, 9), outstanding(3, 2, 60), outstanding(4, 3, 1_440)],
            now(),
        );
        let closed = [(UpdateId(1), Closed::Superseded), (UpdateId(4), Closed::Expired)];
        assert_eq!(turns.closed, closed);
        // The only update of an incident is sent for a day: nothing newer says what is true.
        assert_eq!(turns.order.iter().map(|turn| turn.update.0).collect::<Vec<_>>(), [3, 2]);
    }

    proptest! {
        #[test]
        fn every_update_is_sent_once_or_closed_once(
            given in proptest::collection::btree_map(1u64..200, (1u64..6, 0u64..3_000), 0..40),
        ) {
            let given: Vec<Outstanding> =
                given.iter().map(|(update, (incident, ago))| outstanding(*update, *incident, *ago)).collect();
            let turns = turns(&given, now());
            let mut seen: Vec<UpdateId> = turns.order.iter().map(|turn| turn.update).collect();
            seen.extend(turns.closed.iter().map(|(update, _)| *update));
            seen.sort();
            prop_assert_eq!(seen, given.iter().map(|update| update.update).collect::<Vec<_>>());
            // Nothing waits for a later turn.
            let place = |update: &UpdateId| turns.order.iter().position(|turn| turn.update == *update);
            for turn in &turns.order {
                for before in &turn.after {
                    prop_assert!(before < &turn.update && place(before) < place(&turn.update));
                }
            }
        }
    }
}
