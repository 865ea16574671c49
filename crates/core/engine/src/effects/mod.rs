//! Did the fix help? Every note on an open incident and every change during one is judged by the incident's own signals.
//!
//! | module | has |
//! |---|---|
//! | `signals` | the stored series that tell how an incident goes: of its alerts, and of the edge |
//! | `tasks` | what is to be judged: notes and changes, those that cannot be told apart in one group |
//! | `judging` | from samples to an effect |
//!
//! Pure: a [`Task`] says which samples it needs ([`Task::reads`]), whoever has the store reads them, and
//! [`Task::judge`] decides. The result comes back as an observation; when it is final, it becomes an event.

mod judging;
mod signals;
mod tasks;

pub use judging::{Judged, Point, Read};
pub use signals::{EDGE_FAILED, EDGE_LATENCY, FAILED, LATENCY, edge_subject};
pub use tasks::Task;

pub(crate) use judging::bucketed;
pub(crate) use tasks::tasks;

use std::collections::BTreeMap;
use types::effect::ChangePoint;
use types::{ChangeId, Effect, IncidentId};

/// Maximum of effects that are measured but not final.
const PRELIMINARY_MAX: usize = 256;

/// Effects that more samples may change. Since boot: they are measured again after a restart.
#[derive(Debug, Default)]
pub(crate) struct Preliminary(BTreeMap<ChangePoint, Effect>);

impl Preliminary {
    pub(crate) fn get(&self, of: ChangePoint) -> Option<&Effect> {
        self.0.get(&of)
    }

    /// The effects of a change, each with its incident.
    pub(crate) fn of_change(&self, wanted: ChangeId) -> impl Iterator<Item = (IncidentId, &Effect)> {
        self.0.iter().filter_map(move |(of, effect)| match of {
            ChangePoint::Change { incident, change } if *change == wanted => Some((*incident, effect)),
            _ => None,
        })
    }

    pub(crate) fn set(&mut self, of: ChangePoint, effect: Effect) {
        self.0.insert(of, effect);
        while self.0.len() > PRELIMINARY_MAX {
            self.0.pop_first();
        }
    }

    pub(crate) fn remove(&mut self, of: ChangePoint) {
        self.0.remove(&of);
    }
}
