//! Effects beside what they are effects of: final ones from the journal, others as measured last.

use crate::Engine;
use crate::views::{TimelineEntry, TimelineFact};
use std::cmp::Reverse;
use types::effect::ChangePoint;
use types::incident::Note;
use types::{Effect, Incident, IncidentId, RecordedChange};

/// Maximum of changes in the view.
const CHANGES_MAX: usize = 100;

/// An incident with the effects of its notes.
pub(crate) fn incident(engine: &Engine, incident: &Incident) -> Incident {
    let mut incident = incident.clone();
    for note in &mut incident.notes {
        note.effect = note_effect(engine, incident.id, note);
    }
    incident
}

/// The timeline of an incident with the effects of notes and changes.
pub(crate) fn timeline(engine: &Engine, of: &Incident) -> Vec<TimelineEntry> {
    let mut timeline = engine.stories.of(of.id).map(|story| story.timeline.clone()).unwrap_or_default();
    for entry in &mut timeline {
        match &mut entry.fact {
            TimelineFact::Noted { seq, effect, .. } => {
                let note = of.notes.iter().find(|note| note.seq == *seq);
                *effect = note.and_then(|note| note_effect(engine, of.id, note));
            }
            TimelineFact::Changed { change, effect } => {
                let recorded = engine.changes.all().get(&change.id);
                *effect = recorded.and_then(|recorded| change_effect(engine, of.id, recorded));
            }
            _ => {}
        }
    }
    timeline
}

fn note_effect(engine: &Engine, incident: IncidentId, note: &Note) -> Option<Effect> {
    let point = ChangePoint::Note { incident, seq: note.seq };
    note.effect.as_ref().or_else(|| engine.preliminary.get(point)).cloned()
}

fn change_effect(engine: &Engine, incident: IncidentId, recorded: &RecordedChange) -> Option<Effect> {
    let point = ChangePoint::Change { incident, change: recorded.change.id };
    recorded.effects.get(&incident).or_else(|| engine.preliminary.get(point)).cloned()
}

/// The newest changes with their effects on incidents, open ones included.
pub(super) fn changes(engine: &Engine) -> Vec<RecordedChange> {
    let mut newest: Vec<&RecordedChange> = engine.changes.all().values().collect();
    newest.sort_by_key(|recorded| Reverse((recorded.change.in_effect(), recorded.change.id)));
    let with_effects = |recorded: &RecordedChange| {
        let mut recorded = recorded.clone();
        for (incident, effect) in engine.preliminary.of_change(recorded.change.id) {
            let known = engine.diagnose.incidents().get(&incident);
            if known.is_some_and(|known| known.merged_into.is_none()) {
                recorded.effects.entry(incident).or_insert_with(|| effect.clone());
            }
        }
        recorded
    };
    newest.into_iter().take(CHANGES_MAX).map(with_effects).collect()
}
