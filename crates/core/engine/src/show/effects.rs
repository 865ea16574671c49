//! Effects beside what they are effects of: final ones from the journal, others as measured last.

use crate::Engine;
use crate::views::{TimelineEntry, TimelineFact};
use std::cmp::Reverse;
use types::effect::ChangePoint;
use types::{Effect, Incident, RecordedChange};

/// Maximum of changes in the view.
const CHANGES_MAX: usize = 100;

/// An incident with the effects of its notes.
pub(super) fn incident(engine: &Engine, incident: &Incident) -> Incident {
    let mut incident = incident.clone();
    for note in &mut incident.notes {
        if note.effect.is_none() {
            let point = ChangePoint::Note { incident: incident.id, seq: note.seq };
            note.effect = engine.preliminary.get(point).cloned();
        }
    }
    incident
}

/// The timeline of an incident with the effects of notes and changes.
pub(super) fn timeline(engine: &Engine, of: &Incident) -> Vec<TimelineEntry> {
    let notes = incident(engine, of).notes;
    let mut timeline = engine.stories.of(of.id).map(|story| story.timeline.clone()).unwrap_or_default();
    for entry in &mut timeline {
        match &mut entry.fact {
            TimelineFact::Noted { seq, effect, .. } => {
                *effect = notes.iter().find(|note| note.seq == *seq).and_then(|note| note.effect.clone());
            }
            TimelineFact::Changed { change, effect } => {
                *effect = change_effect(engine, of, engine.changes.all().get(&change.id));
            }
            _ => {}
        }
    }
    timeline
}

fn change_effect(engine: &Engine, of: &Incident, recorded: Option<&RecordedChange>) -> Option<Effect> {
    let recorded = recorded?;
    let point = ChangePoint::Change { incident: of.id, change: recorded.change.id };
    recorded.effects.get(&of.id).or_else(|| engine.preliminary.get(point)).cloned()
}

/// The newest changes with their effects on incidents, open ones included.
pub(super) fn changes(engine: &Engine) -> Vec<RecordedChange> {
    let mut newest: Vec<&RecordedChange> = engine.changes.all().values().collect();
    newest.sort_by_key(|recorded| Reverse((recorded.change.in_effect(), recorded.change.id)));
    let mut newest: Vec<RecordedChange> = newest.into_iter().take(CHANGES_MAX).cloned().collect();
    let incidents = || engine.diagnose.incidents().values().filter(|it| it.merged_into.is_none());
    for recorded in &mut newest {
        for incident in incidents() {
            if let Some(effect) = change_effect(engine, incident, Some(recorded)) {
                recorded.effects.insert(incident.id, effect);
            }
        }
    }
    newest
}
