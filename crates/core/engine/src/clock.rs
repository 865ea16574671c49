//! State of the machine's clock, and confirmed steps of it.

use crate::Engine;
use crate::timeline::Timeline;
use std::sync::Arc;
use std::time::Duration;
use types::event::{Event, EventKind};
use types::input::ClockChange;
use types::time::{between, later, spoken};
use types::{Config, Time};

/// Time for which a step of the clock is shown after its end, so that the morning shows the night.
const SHOWN_FOR: Duration = Duration::from_secs(86_400);

/// Events per read of the journal.
const CHUNK: usize = 4_096;

/// Fold of the clock's events.
#[derive(Debug, Default)]
pub(crate) struct ClockState {
    anchor: Option<Anchor>,
    jump: Option<Jump>,
}

#[derive(Debug)]
struct Anchor {
    boot: String,
    running: Duration,
    at: Time,
}

#[derive(Debug)]
struct Jump {
    at: Time,
    by_ms: i64,
    end: Option<(Time, End)>,
}

#[derive(Debug)]
enum End {
    Returned,
    Confirmed,
}

impl ClockState {
    pub(crate) fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::ClockAnchored { boot, running_ms } => {
                let running = Duration::from_millis(*running_ms);
                self.anchor = Some(Anchor { boot: boot.clone(), running, at: event.at });
            }
            // A process that finds the clock still wrong reports it again.
            EventKind::Booted { .. } | EventKind::ClockJumped { by_ms: 0 } => {
                self.end(event.at, End::Returned)
            }
            EventKind::ClockJumped { by_ms } => {
                self.jump = Some(Jump { at: event.at, by_ms: *by_ms, end: None });
            }
            EventKind::ClockSet { .. } => self.end(event.at, End::Confirmed),
            _ => {}
        }
    }

    fn end(&mut self, at: Time, end: End) {
        if let Some(jump) = self.jump.as_mut().filter(|jump| jump.end.is_none()) {
            jump.end = Some((at, end));
        }
    }

    pub(crate) fn events(&self, change: &ClockChange) -> Vec<EventKind> {
        vec![match change {
            ClockChange::Anchored { boot, running } => {
                let running_ms = u64::try_from(running.as_millis()).unwrap_or(u64::MAX);
                EventKind::ClockAnchored { boot: boot.clone(), running_ms }
            }
            ClockChange::Jumped { by_ms: 0 } if self.jump.as_ref().is_none_or(|jump| jump.end.is_some()) => {
                return Vec::new();
            }
            ClockChange::Jumped { by_ms } => EventKind::ClockJumped { by_ms: *by_ms },
            ClockChange::Unmonitored { since } => EventKind::Unmonitored { since: *since },
        }]
    }

    /// Engine time by the running time of the machine, when it is the same boot of it.
    pub(crate) fn anchored(&self, boot: &str, running: Duration) -> Option<Time> {
        let anchor = self.anchor.as_ref().filter(|anchor| anchor.boot == boot)?;
        Some(later(anchor.at, running.checked_sub(anchor.running)?))
    }

    /// The last step of the clock as text, while it lasts and for a day after.
    pub(crate) fn message(&self, now: Time) -> Option<String> {
        let jump = self.jump.as_ref()?;
        let over = jump.end.as_ref().map(|(at, _)| *at);
        if over.is_some_and(|over| between(over, now) > SHOWN_FOR) {
            return None;
        }
        let clock = |at: Time| at.strftime("%Y-%m-%d %H:%M UTC");
        let began = format!("the clock of this machine jumped {} at {}", ahead(jump.by_ms), clock(jump.at));
        Some(match &jump.end {
            None => format!("{began} and is not confirmed: deadlines follow monotonic time"),
            Some((at, End::Returned)) => format!("{began} and returned at {}", clock(*at)),
            Some((at, End::Confirmed)) => format!("{began}; confirmed at {}", clock(*at)),
        })
    }

    pub(crate) fn state_text(&self) -> String {
        format!("{self:?}")
    }
}

/// `1 h ahead`, `20 years back`.
fn ahead(by_ms: i64) -> String {
    let span = Duration::from_millis(by_ms.unsigned_abs());
    let year = 365 * 86_400;
    let years = (span.as_secs() + year / 2) / year;
    let span = if years >= 2 { format!("{years} years") } else { spoken(span) };
    format!("{span} {}", if by_ms < 0 { "back" } else { "ahead" })
}

impl Engine {
    /// Folds a whole journal. `read` returns events after a sequence number, up to a limit, and none at the end.
    ///
    /// # Errors
    /// Errors of `read`.
    pub fn fold<E>(
        config: &Arc<Config>,
        mut read: impl FnMut(u64, usize) -> Result<Vec<Event>, E>,
    ) -> Result<Self, E> {
        let mut engine = Self::new(config.clone());
        let mut timeline = Timeline::default();
        each(&mut read, |event| {
            timeline.note(&event);
            engine.apply(&event);
        })?;
        if !timeline.is_straight() {
            engine = Self::new(config.clone());
            each(&mut read, |event| engine.apply(&timeline.correct(event)))?;
        }
        Ok(engine)
    }

    /// Continues engine time from `to`, by folding the journal again with corrected times, as a restart would: counters
    /// since boot are lost. Returns the new engine and the event that must be appended; this engine is unchanged.
    ///
    /// # Errors
    /// Errors of `read`.
    pub fn set_clock<E>(
        &self,
        to: Time,
        mut read: impl FnMut(u64, usize) -> Result<Vec<Event>, E>,
    ) -> Result<(Self, Event), E> {
        let kind = EventKind::ClockSet { from: self.clock, to };
        let set = Event { seq: self.seq + 1, at: to, kind };
        let engine = Self::fold(&self.config, |after, limit| {
            let mut events = read(after, limit)?;
            if events.is_empty() && after < set.seq {
                events.push(set.clone());
            }
            Ok(events)
        })?;
        Ok((engine, set))
    }

    /// Engine time by the machine's running time alone, if the journal was written on the same boot.
    #[must_use]
    pub fn anchored(&self, boot: &str, running: Duration) -> Option<Time> {
        self.clock_state.anchored(boot, running)
    }

    /// Engine time of the last input or event; `None` before the first.
    #[must_use]
    pub fn last(&self) -> Option<Time> {
        (self.clock > Time::MIN).then_some(self.clock)
    }
}

fn each<E>(
    read: &mut impl FnMut(u64, usize) -> Result<Vec<Event>, E>,
    mut take: impl FnMut(Event),
) -> Result<(), E> {
    let mut after = 0;
    loop {
        let events = read(after, CHUNK)?;
        let Some(last) = events.last() else { return Ok(()) };
        after = last.seq;
        events.into_iter().for_each(&mut take);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_text_has_size_and_direction() {
        for (by_ms, words) in [
            (3_600_000, "1 h ahead"),
            (-50_400_000, "14 h back"),
            (20 * 365 * 86_400_000, "20 years ahead"),
            (6_000 - 20 * 365 * 86_400_000, "20 years back"),
            (-6_000, "6 s back"),
        ] {
            assert_eq!(ahead(by_ms), words);
        }
    }
}
