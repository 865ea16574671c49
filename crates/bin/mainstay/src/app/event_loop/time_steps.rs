//! Inputs that come from the clock: start, suspension, steps of the wall clock.

use super::{EventLoop, SUSPENDED_AFTER};
use crate::app::inputs::Message;
use crate::app::stored_samples;
use engine::timekeeper::News;
use std::time::{Duration, Instant};
use types::input::ClockChange;
use types::{Input, System, Time};

/// Delay before a confirmed step of the clock that could not be taken over is tried again.
const RETRY_STEP_AFTER: Duration = Duration::from_secs(60);

impl EventLoop {
    /// Last sign of life of the process before this one. Samples dated in the future by a wrong clock are ignored.
    pub(super) fn last_sign_of_life(&self) -> Option<Time> {
        let last = self.engine.last();
        let sampled = self.series.as_ref().and_then(|series| series.last_before(self.clock.now()));
        sampled.max(last.filter(|last| *last <= self.clock.now()))
    }

    /// The first inputs of a process, and of an engine whose clock was set.
    pub(super) fn initial_inputs(&self, unmonitored_since: Option<Time>) -> Vec<Message> {
        let anchor = self.clock.anchor().map(System::Clock);
        let config = self.engine.config().clone();
        let inputs = [Some(System::Booted { unmonitored_since }), anchor, Some(System::Config(config))];
        inputs.into_iter().flatten().map(Message::from).collect()
    }

    /// Engine time of this batch, and the inputs that follow from how the clock advanced.
    pub(super) fn advance_clock(&mut self) -> (Time, Vec<Message>) {
        let before = self.clock.now();
        let (now, news, since) = self.clock.advance();
        let mut inputs: Vec<Message> = Vec::new();
        let clock = |change| Message::from(System::Clock(change));
        let mut unmonitored_since = None;
        if since > SUSPENDED_AFTER {
            tracing::warn!(secs = since.as_secs(), "machine or process was suspended; nothing was monitored");
            self.resumed = Some(Instant::now());
            unmonitored_since = Some(before);
        }
        if news.is_some() {
            // Denials end at other instants of the wall clock now.
            self.policy_version = u64::MAX;
        }
        match news {
            Some(News::Jumped { by_ms }) => {
                tracing::error!(by_ms, "the clock of this machine jumped; delays go on by monotonic time");
                inputs.push(clock(ClockChange::Jumped { by_ms }));
            }
            Some(News::Returned) => {
                tracing::warn!("the clock of this machine is right again");
                inputs.push(clock(ClockChange::Jumped { by_ms: 0 }));
            }
            Some(News::Confirmed { to })
                if self.step_failed.is_none_or(|at| at.elapsed() >= RETRY_STEP_AFTER) =>
            {
                let first = self.take_over_step(now, to);
                if !first.is_empty() {
                    unmonitored_since =
                        unmonitored_since.map(|since| engine::timekeeper::carried(since, now, to));
                }
                inputs.extend(first);
            }
            Some(News::Confirmed { .. }) | None => {}
        }
        if let Some(since) = unmonitored_since {
            inputs.insert(0, clock(ClockChange::Unmonitored { since }));
        }
        (self.clock.now(), inputs)
    }

    /// Takes over a confirmed step of the clock: the journal is folded again with corrected times, as by a restart.
    fn take_over_step(&mut self, from: Time, to: Time) -> Vec<Message> {
        let set = self.engine.set_clock(to, |after, limit| self.pending_writes.read(after, limit));
        let (engine, event) = match set {
            Ok(set) => set,
            Err(why) => {
                tracing::error!(
                    "the clock of this machine jumped for good, but the journal cannot be read: {why}"
                );
                self.step_failed = Some(Instant::now());
                return Vec::new();
            }
        };
        tracing::warn!(%from, %to, "the clock of this machine is trusted again");
        self.engine = engine;
        self.clock.set(to);
        // An event that is refused is kept and written later, as every event.
        let _ = self.pending_writes.write(to, vec![event]);
        // The new engine counts its changes from the start.
        self.policy_version = u64::MAX;
        self.sooner.clear();
        self.step_failed = None;
        if let Some(series) = &self.series {
            stored_samples::prime(&mut self.engine, series, from);
        }
        self.initial_inputs((from < to).then_some(from))
    }
}

/// Order of a batch: the clock precedes commands and probe results. A start precedes both: it ends what the process
/// before reported about its clock, and a clock that is still wrong is news of this process.
pub(super) fn in_order(clock: Vec<Message>, received: Vec<Message>) -> Vec<Message> {
    let starts =
        matches!(received.first(), Some(Message { input: Input::System(System::Booted { .. }), .. }));
    let (first, then) = if starts { (received, clock) } else { (clock, received) };
    first.into_iter().chain(then).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_clock_at_start_is_reported_after_the_start() {
        let jumped = || vec![System::Clock(ClockChange::Jumped { by_ms: -50_400_000 }).into()];
        let names = |all: Vec<Message>| {
            let name = |message: &Message| match message.input {
                Input::System(System::Booted { .. }) => "booted",
                Input::System(System::Clock(_)) => "clock",
                _ => "other",
            };
            all.iter().map(name).collect::<Vec<_>>().join(" ")
        };
        let initial = || vec![System::Booted { unmonitored_since: None }.into(), System::Tick.into()];
        assert_eq!(names(in_order(jumped(), initial())), "booted other clock");
        assert_eq!(names(in_order(jumped(), vec![System::Tick.into()])), "clock other");
        assert_eq!(names(in_order(Vec::new(), initial())), "booted other");
    }
}
