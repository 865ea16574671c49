//! Silences: a fold of the journal, and what setting or ending one does.
//!
//! As in Alertmanager, a silence that holds already is only prolonged or shortened under its number. Any other change ends it and sets a
//! new one, so that what was silenced when can be read afterwards.

use std::collections::BTreeMap;
use std::time::Duration;
use types::event::{Event, EventKind, Events};
use types::input::Refused;
use types::silence::{NewSilence, SilenceState};
use types::time::between;
use types::{Actor, Config, KnownSilence, Silence, SilenceId, Time};

/// Maximum of silences that are not over.
const OPEN_MAX: usize = 1_000;
/// Maximum of those that are over and kept.
const ENDED_MAX: usize = 1_000;
/// Age from which one that is over is forgotten, as in Alertmanager.
const KEPT_FOR: Duration = Duration::from_secs(5 * 86_400);

/// Silences by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Silences {
    by_id: BTreeMap<SilenceId, KnownSilence>,
    last: u64,
}

impl Silences {
    pub(crate) fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::SilenceSet { silence, by } => {
                self.last = self.last.max(silence.id.0);
                let known = KnownSilence {
                    silence: silence.clone(),
                    by: by.clone(),
                    changed: event.at,
                    expired: None,
                };
                self.by_id.insert(silence.id, known);
                self.forget(event.at);
            }
            EventKind::SilenceExpired { silence, .. } => {
                if let Some(known) = self.by_id.get_mut(silence) {
                    known.expired = Some(event.at);
                    known.changed = event.at;
                }
            }
            _ => {}
        }
    }

    pub(crate) fn all(&self) -> &BTreeMap<SilenceId, KnownSilence> {
        &self.by_id
    }

    /// The events of a silence that is set or changed.
    pub(crate) fn set(
        &self,
        config: &Config,
        now: Time,
        new: &NewSilence,
        by: &Actor,
    ) -> Result<Events, Refused> {
        if config.sources.get(&new.source).is_none_or(|source| source.alerts.is_none()) {
            return Err(Refused::UnknownSource(new.source.clone()));
        }
        let nothing = BTreeMap::new();
        if new.matchers.iter().all(|matcher| matcher.matches(&nothing)) {
            return Err(Refused::SilenceOfEverything);
        }
        if new.to <= new.from {
            return Err(Refused::SilenceOrder);
        }
        if new.to <= now {
            return Err(Refused::SilencePast);
        }
        let before = match new.replaces {
            Some(id) => {
                let known = self.by_id.get(&id).filter(|known| known.silence.source == new.source);
                Some(known.ok_or(Refused::NoSuchSilence(id))?)
            }
            None => None,
        };
        let mut events = Events::new();
        let mut id = SilenceId(self.last.saturating_add(1));
        // One that was declared to have begun earlier begins now: pages that were sent were sent.
        let mut from = new.from.max(now);
        match before {
            Some(known) if can_change(known, new, now) => {
                id = known.silence.id;
                from = if known.is_active(now) { known.silence.from } else { new.from };
            }
            Some(known) if known.state(now) != SilenceState::Expired => {
                events.push(EventKind::SilenceExpired { silence: known.silence.id, by: by.clone() });
            }
            _ => {}
        }
        let is_new = id.0 > self.last;
        let replaced = usize::from(!events.is_empty());
        let open = self.by_id.values().filter(|known| known.state(now) != SilenceState::Expired).count();
        if is_new && open.saturating_sub(replaced) >= OPEN_MAX {
            return Err(Refused::TooManySilences(OPEN_MAX));
        }
        let NewSilence { source, matchers, to, author, comment, .. } = new.clone();
        let silence = Silence { id, source, matchers, from, to, author, comment };
        let is_same = self.by_id.get(&id).is_some_and(|known| known.silence == silence);
        if !is_same {
            events.push(EventKind::SilenceSet { silence, by: by.clone() });
        }
        Ok(events)
    }

    /// The event that ends one.
    pub(crate) fn expire(
        &self,
        now: Time,
        source: Option<&str>,
        id: SilenceId,
        by: Actor,
    ) -> Result<EventKind, Refused> {
        let known = self.by_id.get(&id);
        let known = known.filter(|known| source.is_none_or(|source| known.silence.source == source));
        match known.ok_or(Refused::NoSuchSilence(id))?.state(now) {
            SilenceState::Expired => Err(Refused::SilenceOver(id)),
            SilenceState::Active | SilenceState::Pending => Ok(EventKind::SilenceExpired { silence: id, by }),
        }
    }

    /// The next start or end.
    pub(crate) fn next_deadline(&self, now: Time) -> Option<Time> {
        let open = self.by_id.values().filter(|known| known.state(now) != SilenceState::Expired);
        let turns = open.flat_map(|known| [known.silence.from, known.end()]);
        turns.filter(|at| now < *at).min()
    }

    fn forget(&mut self, now: Time) {
        let is_over = |known: &KnownSilence| known.state(now) == SilenceState::Expired;
        self.by_id.retain(|_, known| !is_over(known) || between(known.end(), now) < KEPT_FOR);
        let over: Vec<SilenceId> =
            self.by_id.values().filter(|known| is_over(known)).map(|known| known.silence.id).collect();
        for id in over.iter().take(over.len().saturating_sub(ENDED_MAX)) {
            self.by_id.remove(id);
        }
    }

    pub(crate) fn state_text(&self) -> String {
        format!("{:#?}", self.by_id)
    }
}

/// Whether a silence keeps its number: it silences the same, and its past does not change.
fn can_change(known: &KnownSilence, new: &NewSilence, now: Time) -> bool {
    let is_alike = known.silence.matchers == new.matchers;
    is_alike
        && match known.state(now) {
            SilenceState::Active => known.silence.from.as_second() == new.from.as_second(),
            SilenceState::Pending => now <= new.from,
            SilenceState::Expired => false,
        }
}

#[cfg(test)]
mod tests;
