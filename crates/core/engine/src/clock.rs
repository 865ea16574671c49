//! State of the machine's clock, and confirmed steps of it.

use crate::Engine;
use crate::timeline::Timeline;
use crate::views::{ClockJump, ClockJumpEnd};
use std::sync::Arc;
use std::time::Duration;
use types::event::{Event, EventKind};
use types::input::ClockChange;
use types::time::{between, later};
use types::{Config, Time};

/// Time for which a step of the clock is shown after its end, so that the morning shows the night.
const SHOWN_FOR: Duration = Duration::from_secs(86_400);

/// Events per read of the journal.
const CHUNK: usize = 4_096;

/// Fold of the clock's events.
#[derive(Debug, Default)]
pub(crate) struct ClockState {
    anchor: Option<Anchor>,
    jump: Option<ClockJump>,
}

#[derive(Debug)]
struct Anchor {
    boot: String,
    running: Duration,
    at: Time,
}

impl ClockState {
    pub(crate) fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::ClockAnchored { boot, running_ms } => {
                let running = Duration::from_millis(*running_ms);
                self.anchor = Some(Anchor { boot: boot.clone(), running, at: event.at });
            }
            // A process that finds the clock still wrong reports it again.
            EventKind::Booted { .. } | EventKind::ClockJumped { by_ms: 0 } => self.end(event.at, false),
            EventKind::ClockJumped { by_ms } => {
                self.jump = Some(ClockJump { at: event.at, by_ms: *by_ms, end: None });
            }
            EventKind::ClockSet { .. } => self.end(event.at, true),
            _ => {}
        }
    }

    fn end(&mut self, at: Time, confirmed: bool) {
        if let Some(jump) = self.jump.as_mut().filter(|jump| jump.end.is_none()) {
            jump.end = Some(ClockJumpEnd { at, confirmed });
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

    /// The last step of the clock, while it lasts and for a day after.
    pub(crate) fn shown(&self, now: Time) -> Option<ClockJump> {
        let jump = self.jump.as_ref()?;
        let over = jump.end.as_ref().map(|end| end.at);
        over.is_none_or(|over| between(over, now) <= SHOWN_FOR).then(|| jump.clone())
    }

    pub(crate) fn state_text(&self) -> String {
        format!("{self:?}")
    }
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
