//! What is to be judged: notes and changes of an incident, in the order of time, those that no measurement can tell apart
//! in one group.

use super::signals::{Signal, signals};
use crate::Engine;
use statistics::effect::POINTS_MIN;
use std::time::Duration;
use types::change::Concerned;
use types::effect::ChangePoint;
use types::time::{between, earlier};
use types::{Incident, ServiceId, Time};

/// Maximum of groups that are measured at the same time, the newest.
const TASKS_MAX: usize = 16;
/// Time after the end of an incident in which its last changes are still measured, after a restart for example.
const MEASURED_FOR: Duration = Duration::from_secs(86_400);
/// Time within which an incident that follows another one is part of the same outage.
const SOON: Duration = Duration::from_secs(60);
/// Maximum of other incidents that are looked at.
const OTHERS_MAX: usize = 50;

/// One group of notes and changes that is to be judged, with everything that the judgement needs except samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// What is judged.
    pub(super) of: Vec<ChangePoint>,
    /// The signals of the incident, the leading one first; never empty.
    pub(super) signals: Vec<Signal>,
    /// Start of the outage: of the incident, or of an earlier one that is part of it.
    pub(super) onset: Time,
    /// End of the group before; the onset without one.
    pub(super) from: Time,
    /// First of the group.
    pub(super) first: Time,
    /// Last of the group.
    pub(super) last: Time,
    /// First of the next group.
    pub(super) until: Option<Time>,
    /// Whether the incident has ended.
    pub(super) is_over: bool,
}

impl Task {
    /// What is judged.
    #[must_use]
    pub fn of(&self) -> &[ChangePoint] {
        &self.of
    }

    /// Interval at which a measurement has something new: the step of the quickest signal.
    #[must_use]
    pub fn step(&self) -> Duration {
        self.signals.iter().map(|signal| signal.step).min().unwrap_or(Duration::from_secs(30))
    }
}

/// A note or change of an incident.
struct Candidate {
    at: Time,
    point: ChangePoint,
    /// Whether nothing is to be judged: its effect is final, or it is a note on another incident of the outage.
    is_final: bool,
}

/// Everything that is to be judged now.
pub(crate) fn tasks(engine: &Engine) -> Vec<Task> {
    let now = engine.clock;
    let is_recent = |incident: &&Incident| {
        incident.merged_into.is_none() && incident.resolved.is_none_or(|end| between(end, now) < MEASURED_FOR)
    };
    let mut tasks = Vec::new();
    for incident in engine.diagnose.incidents().values().rev().filter(is_recent) {
        if tasks.len() >= TASKS_MAX {
            break;
        }
        of_incident(engine, incident, &mut tasks);
    }
    tasks.truncate(TASKS_MAX);
    tasks
}

/// Adds the groups of an incident that are not final, newest first.
fn of_incident(engine: &Engine, incident: &Incident, tasks: &mut Vec<Task>) {
    let mut candidates = candidates(engine, incident);
    if candidates.iter().all(|candidate| candidate.is_final) {
        return;
    }
    let outage = same_outage(engine, incident);
    let onset =
        outage.iter().map(|other| other.since).chain([incident.since]).min().unwrap_or(incident.since);
    for other in outage {
        candidates.extend(notes(other).map(|note| Candidate { is_final: true, ..note }));
    }
    candidates.sort_by_key(|candidate| (candidate.at, candidate.point));
    let subjects = engine.stories.of(incident.id).map(|story| story.subjects()).unwrap_or_default();
    let usual = |service: &ServiceId| engine.detect.usual_milli(service);
    let signals = signals(&engine.config, &incident.diagnosis, &subjects, usual);
    // Closer changes leave too few points for a verdict on each.
    let points = |signal: &Signal| signal.step * u32::try_from(signal.gap() + POINTS_MIN).unwrap_or(u32::MAX);
    let Some(apart) = signals.iter().map(points).min() else { return };
    let groups: Vec<&[Candidate]> =
        candidates.chunk_by(|one, next| between(one.at, next.at) < apart).collect();
    for (n, group) in groups.iter().enumerate().rev() {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let of = group.iter().filter(|candidate| candidate.point.incident() == incident.id);
        if group.iter().all(|candidate| candidate.is_final) {
            continue;
        }
        let before = n.checked_sub(1).and_then(|n| groups.get(n)?.last());
        tasks.push(Task {
            of: of.map(|candidate| candidate.point).collect(),
            signals: signals.clone(),
            onset,
            from: before.map_or(onset, |before| before.at),
            first: first.at,
            last: last.at,
            until: groups.get(n + 1).and_then(|next| next.first()).map(|next| next.at),
            is_over: incident.resolved.is_some(),
        });
    }
}

/// Other incidents of the same outage: open at the same time, or one soon after the other, and one concerns the other. What their
/// signals show began with the first of them. The newest [`OTHERS_MAX`].
fn same_outage<'a>(engine: &'a Engine, incident: &Incident) -> Vec<&'a Incident> {
    let graph = &engine.config.graph;
    let concerned = |one: &Incident| Concerned::new(graph, &one.diagnosis.cause, &one.diagnosis.affected);
    let is_within = |one: &Incident, all: &Concerned| {
        one.diagnosis.affected.iter().chain([&one.diagnosis.cause]).any(|resource| all.contains(resource))
    };
    let follows =
        |one: &Incident, other: &Incident| other.resolved.is_none_or(|end| earlier(one.since, SOON) <= end);
    let own = concerned(incident);
    let others = engine.diagnose.incidents().values().rev().filter(|other| {
        other.id != incident.id
            && other.merged_into.is_none()
            && follows(incident, other)
            && follows(other, incident)
    });
    let is_part = |other: &&Incident| is_within(other, &own) || is_within(incident, &concerned(other));
    others.take(OTHERS_MAX).filter(is_part).collect()
}

/// Notes on an incident while it was open, and changes in that time that may concern it, oldest first.
fn candidates(engine: &Engine, incident: &Incident) -> Vec<Candidate> {
    let changes = incident.changes(&engine.config.graph, engine.changes.all());
    let changes = changes.into_iter().map(|recorded| Candidate {
        at: recorded.change.in_effect(),
        point: ChangePoint::Change { incident: incident.id, change: recorded.change.id },
        is_final: recorded.effects.contains_key(&incident.id),
    });
    notes(incident).chain(changes).collect()
}

/// Notes on an incident while it was open.
fn notes(incident: &Incident) -> impl Iterator<Item = Candidate> + '_ {
    incident.notes.iter().filter(|note| incident.was_open(note.at)).map(|note| Candidate {
        at: note.at,
        point: ChangePoint::Note { incident: incident.id, seq: note.seq },
        is_final: note.effect.is_some(),
    })
}
