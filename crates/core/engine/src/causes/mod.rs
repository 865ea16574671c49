//! Which resource is the likely cause? While an incident is about slowness, the resources that it concerns and everything
//! that those depend on are ranked by their stored samples.
//!
//! | module | has |
//! |---|---|
//! | `figures` | the series that are stored beside latency and failures |
//! | `tasks` | the incidents that are ranked, and for how long |
//! | `world` | resources as nodes with series, and the calls between them |
//! | `ranking` | from samples to likely causes |
//!
//! Pure, as [`crate::effects`] is: a [`Task`] says which samples it needs ([`Task::reads`]), the binary reads them,
//! [`Task::rank`] decides, and the result comes back as an observation. A result that repeats becomes an event. It is a hint:
//! it changes neither the cause nor who is paged. `docs/concepts/likely-causes.md` has the method.

mod figures;
mod ranking;
mod tasks;
mod world;

pub use figures::{
    CALLS_STEP, EDGE_REQUESTS, LONGEST_STATEMENT, caller_subject, database_figures, server_subject,
};
pub use tasks::Task;

pub(crate) use figures::{CONNECTIONS, MEMORY};
pub(crate) use tasks::{is_ranked, tasks};

use std::collections::BTreeMap;
use types::{Incident, IncidentId, LikelyCause};

/// Results in a row that must name the same resource before it is said.
const REPEATS: u32 = 2;
/// Maximum of events of one incident.
const EVENTS_MAX: u32 = 20;
/// A figure is said again when it is this many times the one that was said.
const NEWS: f64 = 3.0;
/// Maximum of incidents with a result that is not said yet.
const PENDING_MAX: usize = 64;

/// Results that are not said yet. Since boot.
#[derive(Debug, Default)]
pub(crate) struct Pending(BTreeMap<IncidentId, Candidate>);

#[derive(Debug, Default)]
struct Candidate {
    likely: Vec<LikelyCause>,
    repeats: u32,
    events: u32,
}

impl Pending {
    /// Whether a result is to be said: it differs from what was said, and repeats.
    pub(crate) fn is_news(&mut self, incident: &Incident, likely: &[LikelyCause]) -> bool {
        let said = &incident.likely_causes;
        let candidate = self.0.entry(incident.id).or_default();
        let repeats = is_alike(&candidate.likely, likely) && candidate.repeats > 0;
        candidate.repeats = if repeats { candidate.repeats + 1 } else { 1 };
        candidate.likely = likely.to_vec();
        let differs = match (said.first(), likely.first()) {
            (Some(was), Some(now)) if was.is_same(now) => {
                was.moved.what == now.moved.what && now.moved.during >= NEWS * was.moved.during
            }
            (was, now) => was.is_some() || now.is_some(),
        };
        let is_news = differs && candidate.repeats >= REPEATS && candidate.events < EVENTS_MAX;
        candidate.events += u32::from(is_news);
        while self.0.len() > PENDING_MAX {
            self.0.pop_first();
        }
        is_news
    }
}

/// Whether two results name the same resource first.
fn is_alike(one: &[LikelyCause], other: &[LikelyCause]) -> bool {
    match (one.first(), other.first()) {
        (Some(one), Some(other)) => one.is_same(other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::likely_cause::{Measured, Moved};
    use types::{Resource, Time};

    fn likely(database: &str, during: f64) -> Vec<LikelyCause> {
        let moved = Moved { what: Measured::Latency, before: 0.1, during, since: Time::UNIX_EPOCH };
        vec![LikelyCause { resource: Resource::database(database), server: None, score: 3.0, moved }]
    }

    #[test]
    fn result_is_said_when_it_repeats_and_differs_from_what_was_said() {
        let diagnosis = testkit::incident::diagnosis(Resource::service("shop"), &["shop"]);
        let mut incident = testkit::incident::incident(1, Time::UNIX_EPOCH, Time::UNIX_EPOCH, diagnosis);
        let mut pending = Pending::default();
        let steps: [(Vec<LikelyCause>, bool, &str); 10] = [
            (vec![], false, "nothing stands out, as before"),
            (likely("main", 1.0), false, "once is chance"),
            (likely("other", 1.0), false, "and so is another"),
            (likely("main", 1.0), false, "again the first time"),
            (likely("main", 1.2), true, "twice in a row"),
            (likely("main", 1.5), false, "it was said"),
            (likely("main", 4.0), true, "it became much worse"),
            (vec![], false, "once"),
            (vec![], true, "withdrawn"),
            (vec![], false, "it was said"),
        ];
        for (now, expected, why) in steps {
            assert_eq!(pending.is_news(&incident, &now), expected, "{why}");
            if expected {
                incident.likely_causes = now;
            }
        }
    }
}
