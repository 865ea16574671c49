//! Changes of the last days: a fold of the journal, bounded.

use std::collections::BTreeMap;
use std::time::Duration;
use types::change::NewChange;
use types::effect::ChangePoint;
use types::event::{Event, EventKind};
use types::input::Refused;
use types::time::{between, earlier};
use types::{Actor, Change, ChangeId, Config, RecordedChange, ServiceId, Time};

/// Maximum of changes in memory; the journal has all of them.
const CHANGES_MAX: usize = 1_000;
/// Age from which a change is forgotten: that of stored samples.
const KEPT_FOR: Duration = Duration::from_secs(KEPT_DAYS * 86_400);
const KEPT_DAYS: u64 = 90;
/// Two equal reports within this time are one change, where their source gives it no name of its own.
const SAME_WITHIN: Duration = Duration::from_secs(60);

/// Changes by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    by_id: BTreeMap<ChangeId, RecordedChange>,
    last: u64,
}

impl Changes {
    pub(crate) fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::ChangeRecorded { change, by } => {
                self.last = self.last.max(change.id.0);
                let recorded =
                    RecordedChange { change: change.clone(), by: by.clone(), effects: BTreeMap::new() };
                self.by_id.insert(change.id, recorded);
                let oldest = earlier(event.at, KEPT_FOR);
                self.by_id.retain(|_, known| known.change.at >= oldest);
                while self.by_id.len() > CHANGES_MAX {
                    self.by_id.pop_first();
                }
            }
            EventKind::EffectJudged { of: ChangePoint::Change { incident, change }, effect } => {
                if let Some(known) = self.by_id.get_mut(change) {
                    known.effects.insert(*incident, effect.clone());
                }
            }
            _ => {}
        }
    }

    pub(crate) fn all(&self) -> &BTreeMap<ChangeId, RecordedChange> {
        &self.by_id
    }

    /// The event of a reported change; `None` when it is known already.
    pub(crate) fn decide(
        &self,
        config: &Config,
        now: Time,
        new: &NewChange,
        by: Actor,
    ) -> Result<Option<EventKind>, Refused> {
        let is_unknown = |service: &&ServiceId| !config.services.contains_key(*service);
        if let Some(unknown) = new.services.iter().find(is_unknown) {
            return Err(Refused::UnknownService(unknown.clone()));
        }
        // The clock of a source may be ahead.
        let at = new.at.map_or(now, |at| at.min(now));
        if at < earlier(now, KEPT_FOR) {
            return Err(Refused::ChangeTooOld(KEPT_DAYS));
        }
        let change = match self.known(now, new) {
            None => made(ChangeId(self.last + 1), at, new),
            Some(known) if new.is_end && known.done.is_none() && known.at < at => {
                Change { done: Some(at), ..made(known.id, known.at, new) }
            }
            Some(_) => return Ok(None),
        };
        Ok(Some(EventKind::ChangeRecorded { change, by }))
    }

    /// The change that a report repeats.
    fn known(&self, now: Time, new: &NewChange) -> Option<&Change> {
        let mut newest_first = self.by_id.values().rev().map(|recorded| &recorded.change);
        newest_first.find(|known| match (&new.key, &known.key) {
            (Some(key), Some(other)) => key == other && new.source == known.source,
            (None, None) => {
                let at = new.at.unwrap_or(now);
                let apart = between(known.at, at).max(between(at, known.at));
                apart < SAME_WITHIN && is_same_report(known, new)
            }
            _ => false,
        })
    }

    pub(crate) fn state_text(&self) -> String {
        format!("{:#?}", self.by_id)
    }
}

fn is_same_report(known: &Change, new: &NewChange) -> bool {
    let one = (&known.title, known.kind, &known.services, &known.resource, &known.source);
    one == (&new.title, new.kind, &new.services, &new.resource, &new.source)
}

fn made(id: ChangeId, at: Time, new: &NewChange) -> Change {
    let NewChange { title, kind, services, resource, source, link, key, .. } = new.clone();
    Change { id, at, done: None, title, kind, services, resource, source, link, key }
}
