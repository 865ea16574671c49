//! Notes of the team on an incident, and what mainstay says about their effect.

use crate::child;
use crate::stage::Stage;
use mainstay::Failure;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use types::{Effect, Event, EventKind, IncidentId};

/// The incidents that got a note.
#[derive(Debug, Default)]
pub(crate) struct Notes(BTreeSet<IncidentId>);

impl Notes {
    /// Adds a note to the incident that the team works on; `false` when none is open.
    ///
    /// # Errors
    /// When mainstay does not take it.
    pub(crate) async fn add<S>(&mut self, stage: &Stage<S>, text: &str) -> Result<bool, Failure> {
        let Some(incident) = latest_open(&stage.events()?) else { return Ok(false) };
        let id = incident.0.to_string();
        child::command(stage, &["incident", "note", &id, text, "--by", "ana"]).await?;
        self.0.insert(incident);
        Ok(true)
    }

    /// The effect of each note, by its text.
    ///
    /// # Errors
    /// When mainstay does not answer.
    pub(crate) async fn effects<S>(&self, stage: &Stage<S>) -> Result<BTreeMap<String, Effect>, Failure> {
        let mut all = BTreeMap::new();
        for incident in &self.0 {
            let shown =
                child::command(stage, &["incident", "show", &incident.0.to_string(), "--json"]).await?;
            let shown: Value = serde_json::from_str(&shown).map_err(Failure::no)?;
            all.extend(effects_in(&shown));
        }
        Ok(all)
    }
}

/// The effects in `mainstay incident show --json`: an open incident is within an object, a resolved one is the object.
fn effects_in(shown: &Value) -> BTreeMap<String, Effect> {
    let incident = shown.get("incident").unwrap_or(shown);
    let notes = incident["notes"].as_array().into_iter().flatten();
    let effect = |note: &Value| {
        let effect = serde_json::from_value(note["effect"].clone()).ok()?;
        Some((note["text"].as_str()?.to_owned(), effect))
    };
    notes.filter_map(effect).collect()
}

/// The incident that the team works on: the last one that is open.
fn latest_open(events: &[Event]) -> Option<IncidentId> {
    let mut open: BTreeSet<IncidentId> = BTreeSet::new();
    for event in events {
        match &event.kind {
            EventKind::IncidentOpened { incident, .. } => _ = open.insert(*incident),
            EventKind::IncidentResolved { incident, .. } | EventKind::IncidentMerged { incident, .. } => {
                open.remove(incident);
            }
            _ => {}
        }
    }
    open.pop_last()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use types::effect::Verdict;

    #[test]
    fn effects_are_read_of_open_and_of_resolved_incidents() {
        let incident = json!({ "id": 1, "notes": [
            { "by": "ana", "text": "fix the slow query", "effect": { "verdict": "no_effect", "points": 12 } },
            { "by": "ana", "text": "have a coffee" },
        ]});
        let effect =
            Effect { verdict: Verdict::NoEffect, signal: None, figure: None, points: 12, together_with: 0 };
        let expected = BTreeMap::from([("fix the slow query".to_owned(), effect)]);
        assert_eq!(effects_in(&incident), expected);
        assert_eq!(effects_in(&json!({ "incident": incident })), expected);
        assert_eq!(effects_in(&json!({})), BTreeMap::new());
    }
}
