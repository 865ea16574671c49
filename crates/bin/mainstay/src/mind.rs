//! The loop: one thread, one closed list of what can happen, one append for everything that came together.

use crate::clock::{Clock, by_the_wall};
use crate::lag_monitor::LagMonitor;
use crate::throttle::Throttle;
use engine::Engine;
use engine::timekeeper::News;
use journal::{Notebook, Series};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use types::input::ClockNews;
use types::{
    Answer as Answered, Config, Delivery, Event, Input, Notification, Policy, ProbeResult, ProbeTargets,
    Rollup, Time, time,
};
use web::{Command, CommandError, CommandResult, WebState};

/// Inputs taken together into one append.
const BATCH_MAX: usize = 256;
/// Requests of people taken together: each has an append of its own, for each is answered by whether it is on disk.
const ASKS_MAX: usize = 32;
/// How long the loop sleeps at most, so that effects lost in flight are owed again in time.
const NAP: Duration = Duration::from_secs(2);
/// How long raw samples are kept, and how often older ones are let go.
const SAMPLES_FOR: Duration = Duration::from_secs(90 * 86_400);
const FORGET_EVERY: Duration = Duration::from_secs(3_600);
/// At most so much of the oldest samples is let go at a time. Whatever a clock says, a start deletes nothing, and samples
/// go at most twice as fast as they come.
const FORGET_MAX: Duration = Duration::from_secs(2 * 3_600);
/// A loop that has not turned for so long has not watched: the machine was suspended, or the process stopped. When well it
/// turns every two seconds, and an append may hold it for two more.
const STOOD_STILL: Duration = Duration::from_secs(15);
/// How long after standing still a failed answer says more about us than about what was asked.
const WAKING: Duration = Duration::from_secs(3);
/// How long until a confirmed step of the clock that could not be taken is tried again.
const SET_AGAIN: Duration = Duration::from_secs(60);
/// How often views are made anew when nothing was decided: ages in them grow, and first samples arrive.
const REFRESH: Duration = Duration::from_secs(5);

/// Where things come in.
pub(crate) struct Ears {
    /// What people and machines ask through the site.
    pub asks: mpsc::Receiver<Command>,
    /// Answers to probes.
    pub samples: mpsc::Receiver<ProbeResult>,
    /// Ends of attempts.
    pub outcomes: mpsc::Receiver<Delivery>,
    /// What went through the edge, once a second.
    pub rollups: mpsc::Receiver<Rollup>,
    /// Sound configurations, as they are read.
    pub configs: mpsc::Receiver<Arc<Config>>,
    /// Whether the configuration on disk is in force; a sentence when it is not.
    pub config_trouble: watch::Receiver<Option<String>>,
    /// Whether the edge follows the configuration; a sentence when it does not.
    pub edge_trouble: watch::Receiver<Option<String>>,
    /// Lines of the system's own files about names that are not used.
    pub unused_lines: watch::Receiver<Vec<String>>,
    /// How late the rounds run.
    pub lag: prober::Lag,
    /// Turns true when the process is to end.
    pub stop: watch::Receiver<bool>,
}

/// Where decisions go out.
pub(crate) struct Mouth {
    /// What is owed to people.
    pub notifications: mpsc::Sender<Notification>,
    /// What to ask.
    pub rounds: watch::Sender<ProbeTargets>,
    /// What the edge serves by.
    pub policy: watch::Sender<Arc<Policy>>,
    /// What to show.
    pub views: watch::Sender<Option<Arc<engine::Views>>>,
    /// Who shows it: told of every turn, and of every second of traffic.
    pub site: Arc<WebState>,
}

/// When the loop last turned, for whoever watches the watchman. Milliseconds of monotonic time since the start.
#[derive(Clone, Debug)]
pub(crate) struct Pulse(Instant, Arc<AtomicU64>);

impl Default for Pulse {
    fn default() -> Self {
        Self(Instant::now(), Arc::default())
    }
}

impl Pulse {
    fn beat(&self) {
        let since = u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.1.store(since, Ordering::Relaxed);
    }

    /// How long the loop has not turned.
    #[must_use]
    pub(crate) fn still_for(&self) -> Duration {
        self.0.elapsed().saturating_sub(Duration::from_millis(self.1.load(Ordering::Relaxed)))
    }
}

/// The engine with its notebook.
pub(crate) struct EventLoop {
    engine: Engine,
    notebook: Notebook,
    series: Option<Series>,
    pulse: Pulse,
    sooner: BTreeMap<types::ProbeId, Time>,
    policy_version: u64,
    clock: Clock,
    /// When the loop went on after it had stood still.
    woke: Option<Instant>,
    set_failed: Option<Instant>,
    shown: Option<Instant>,
    view_throttle: Throttle,
    rounds_throttle: Throttle,
    lag_monitor: LagMonitor,
    forgot: Instant,
}

/// An input, and whoever waits to hear that it is on disk.
type Heard = (Input, Option<oneshot::Sender<CommandResult>>);

type Waiting = (oneshot::Sender<CommandResult>, CommandResult);

impl EventLoop {
    /// Folds the journal into an engine and says how far it came.
    ///
    /// # Errors
    /// When the journal cannot be read to its end: going on would forget what was promised.
    pub(crate) fn wake_up(
        config: Arc<Config>,
        notebook: Notebook,
        series: Option<Series>,
        pulse: Pulse,
    ) -> Result<Self, journal::ReadError> {
        let engine = Engine::fold(&config, |after, limit| notebook.read(after, limit))?;
        let clock = Clock::start(&engine);
        pulse.beat();
        Ok(Self {
            engine,
            notebook,
            series,
            pulse,
            sooner: BTreeMap::new(),
            policy_version: 0,
            clock,
            woke: None,
            set_failed: None,
            shown: None,
            view_throttle: Throttle::default(),
            rounds_throttle: Throttle::default(),
            lag_monitor: LagMonitor::default(),
            forgot: Instant::now(),
        })
    }

    /// Turns until it is told to stop.
    pub(crate) async fn run(mut self, mut ears: Ears, mouth: Mouth) {
        self.turn(self.beginning(self.last_watched()), &ears, &mouth);
        loop {
            let now = self.clock.now();
            let nap = self.engine.next().map_or(NAP, |at| time::between(now, at).min(NAP));
            // Views and rounds that a throttle delayed are published even when no input follows.
            let delayed =
                [self.view_throttle.delay(), self.rounds_throttle.delay()].into_iter().flatten().min();
            let nap = nap.min(delayed.unwrap_or(NAP)).max(Duration::from_millis(1));
            let mut heard: Vec<Heard> = Vec::new();
            tokio::select! {
                biased;
                _ = ears.stop.changed() => break,
                Some(outcome) = ears.outcomes.recv() => heard.push((Input::Attempted(outcome), None)),
                Some(ask) = ears.asks.recv() => heard.push((ask.input, Some(ask.reply))),
                Some(config) = ears.configs.recv() => heard.push((Input::ConfigRead(config), None)),
                Some(rollup) = ears.rollups.recv() => heard.push((Input::RolledUp(rollup), None)),
                Some(sample) = ears.samples.recv() => heard.push((Input::Sampled(sample), None)),
                Ok(()) = ears.config_trouble.changed() => self.shown = None,
                Ok(()) = ears.edge_trouble.changed() => self.shown = None,
                Ok(()) = ears.unused_lines.changed() => self.shown = None,
                () = tokio::time::sleep(nap) => {}
            }
            let mut asks = 0;
            while heard.len() < BATCH_MAX {
                if let Ok(outcome) = ears.outcomes.try_recv() {
                    heard.push((Input::Attempted(outcome), None));
                } else if asks < ASKS_MAX
                    && let Ok(ask) = ears.asks.try_recv()
                {
                    asks += 1;
                    heard.push((ask.input, Some(ask.reply)));
                } else if let Ok(rollup) = ears.rollups.try_recv() {
                    heard.push((Input::RolledUp(rollup), None));
                } else if let Ok(sample) = ears.samples.try_recv() {
                    heard.push((Input::Sampled(sample), None));
                } else {
                    break;
                }
            }
            heard.push((Input::Tick, None));
            self.turn(heard, &ears, &mouth);
        }
    }

    /// The last sign of life of the process before this one. Samples of a clock that was ahead say nothing of it.
    fn last_watched(&self) -> Option<Time> {
        let last = self.engine.last();
        let sampled = self.series.as_ref().and_then(|series| series.last_before(self.clock.now()));
        sampled.max(last.filter(|last| *last <= self.clock.now()))
    }

    /// What a process begins with, and a mind whose clock was set.
    fn beginning(&self, blind_since: Option<Time>) -> Vec<Heard> {
        let anchor = self.clock.anchor().map(Input::Clock);
        let config = self.engine.config().clone();
        let heard = [Some(Input::Booted { blind_since }), anchor, Some(Input::ConfigRead(config))];
        heard.into_iter().flatten().map(|input| (input, None)).collect()
    }

    /// Engine time, and what must be thought of before anything else because of how it went on.
    fn tell_time(&mut self) -> (Time, Vec<Heard>) {
        let before = self.clock.now();
        let (now, news, since) = self.clock.turn();
        let mut heard = Vec::new();
        if since > STOOD_STILL {
            tracing::warn!(
                secs = since.as_secs(),
                "nothing was watched: the machine slept or the process stood still"
            );
            self.woke = Some(Instant::now());
            heard.push((Input::Clock(ClockNews::NotWatched { since: before }), None));
        }
        if news.is_some() {
            // Denials end at other instants of the wall clock now.
            self.policy_version = u64::MAX;
        }
        match news {
            Some(News::Jumped { by_ms }) => {
                tracing::error!(by_ms, "the clock of this machine jumped; waits go on by monotonic time");
                heard.push((Input::Clock(ClockNews::Jumped { by_ms }), None));
            }
            Some(News::Returned) => {
                tracing::warn!("the clock of this machine is right again");
                heard.push((Input::Clock(ClockNews::Jumped { by_ms: 0 }), None));
            }
            Some(News::Confirmed { to }) if self.set_failed.is_none_or(|at| at.elapsed() >= SET_AGAIN) => {
                let set = self.set_clock(now, to);
                if let (false, Some((Input::Clock(ClockNews::NotWatched { since }), _))) =
                    (set.is_empty(), heard.first_mut())
                {
                    *since = engine::timekeeper::carried(*since, now, to);
                }
                heard.extend(set);
            }
            Some(News::Confirmed { .. }) | None => {}
        }
        (self.clock.now(), heard)
    }

    /// Takes a confirmed step: the journal is folded again with its times corrected, as by a restart.
    fn set_clock(&mut self, from: Time, to: Time) -> Vec<Heard> {
        let set = self.engine.set_clock(to, |after, limit| self.notebook.read(after, limit));
        let (engine, event) = match set {
            Ok(set) => set,
            Err(why) => {
                tracing::error!(
                    "the clock of this machine jumped for good, but the journal cannot be read: {why}"
                );
                self.set_failed = Some(Instant::now());
                return Vec::new();
            }
        };
        tracing::warn!(%from, %to, "the clock of this machine is believed again");
        self.engine = engine;
        self.clock.set(to);
        // A refusal is kept by the notebook and tried again, as with every event.
        let _ = self.notebook.write(to, vec![event]);
        // The new engine counts its changes anew.
        self.policy_version = u64::MAX;
        self.sooner.clear();
        self.set_failed = None;
        self.beginning((from < to).then_some(from))
    }

    /// Whether an answer tells of our own standing still rather than of what was asked.
    fn is_of_our_sleep(&self, sample: &ProbeResult) -> bool {
        self.woke.is_some_and(|woke| woke.elapsed() < WAKING.max(sample.phases.total.min(STOOD_STILL)))
            && matches!(sample.answer, Answered::Failed(_))
    }

    /// Lets the oldest samples go when their time is over, and a little at a time.
    fn forget(&mut self) {
        if self.forgot.elapsed() < FORGET_EVERY || self.clock.is_doubtful() {
            return;
        }
        self.forgot = Instant::now();
        if let Some(series) = &self.series
            && let Some(oldest) = series.first_at()
        {
            let most = time::later(oldest, FORGET_MAX);
            series.forget(time::earlier(self.clock.now(), SAMPLES_FOR).min(most));
        }
    }

    /// One batch: think, write down, send what is owed, show, answer whoever waits.
    fn turn(&mut self, heard: Vec<Heard>, ears: &Ears, mouth: &Mouth) {
        let (now, clock) = self.tell_time();
        let first = in_order(clock, heard);
        self.pulse.beat();
        mouth.site.heartbeat();
        let mut events: Vec<Event> = Vec::new();
        let mut waiting: Vec<Waiting> = Vec::new();
        let before = self.engine.seq();
        let rolled_up = first.iter().any(|(input, _)| matches!(input, Input::RolledUp(_)));
        for (input, answer) in first {
            if let Input::Sampled(sample) = &input
                && self.is_of_our_sleep(sample)
            {
                continue;
            }
            if let (Input::Sampled(sample), Some(series)) = (&input, &self.series) {
                series.record(sample, now);
            }
            match answer {
                Some(answer) => waiting.push((answer, self.take_in(now, &input, &mut events))),
                // Nothing but a person is ever refused. The tick at the end reacts to all samples at once.
                None => events.extend(told(self.engine.hear(now, &input).unwrap_or_default())),
            }
        }
        let changed = self.engine.seq() != before;
        // What the journal refuses is kept and tried again: see `Notebook`.
        let _ = self.notebook.write(now, events);
        // Effects go out even when the notebook burns: a second call beats a missing one.
        for notification in self.engine.due(now) {
            let key = notification.key.clone();
            if mouth.notifications.try_send(notification).is_err() {
                tracing::warn!(%key, "the courier is busy; this message is owed again in half a minute");
            }
        }
        self.publish_rounds(mouth);
        self.publish_policy(mouth);
        if rolled_up || changed {
            mouth.site.show_traffic(self.engine.traffic().map(Arc::new));
        }
        self.forget();
        self.lag_monitor.poll(&ears.lag);
        if changed || self.shown.is_none_or(|shown| shown.elapsed() >= REFRESH) {
            self.view_throttle.request();
        }
        // The response to a person must not precede the view that shows its effect.
        if self.view_throttle.is_due() || (self.view_throttle.delay().is_some() && !waiting.is_empty()) {
            self.show(ears, mouth);
        }
        mouth.site.decided(self.engine.seq());
        for (answer, reply) in waiting {
            let _ = answer.send(reply);
        }
    }

    fn show(&mut self, ears: &Ears, mouth: &Mouth) {
        self.shown = Some(Instant::now());
        let mut views = self.view_throttle.run(|| self.engine.views());
        views.now.self_problems.extend(self.notebook.trouble().map(str::to_owned));
        views.now.self_problems.extend(ears.config_trouble.borrow().clone());
        views.now.self_problems.extend(ears.edge_trouble.borrow().clone());
        views.now.self_problems.extend(ears.unused_lines.borrow().iter().cloned());
        views.now.self_problems.extend(self.lag_monitor.alert());
        views.now.probe_lag_p99 = self.lag_monitor.p99();
        mouth.views.send_replace(Some(Arc::new(views)));
    }

    /// What a person asks takes effect once it is on disk, and not at all when the journal refuses it (P8). `events` is what
    /// happened before in the same batch, and after.
    fn take_in(&mut self, now: Time, input: &Input, events: &mut Vec<Event>) -> CommandResult {
        let decided = self.engine.decide(now, input)?;
        if decided.is_empty() {
            return Ok(Vec::new());
        }
        // What came before has smaller numbers and goes first.
        let _ = self.notebook.write(now, std::mem::take(events));
        match self.notebook.write_or_drop(now, &decided) {
            Ok(()) => {
                let follows = told(self.engine.accept(now, &decided));
                let kind = told(decided).into_iter().chain(follows.iter().cloned());
                let kind = kind.map(|event| event.kind).collect();
                events.extend(follows);
                Ok(kind)
            }
            Err(refused) => {
                if refused.in_doubt {
                    events.extend(told(self.engine.withdraw(now, &decided)));
                }
                Err(CommandError::Unavailable(refused.summary))
            }
        }
    }

    /// What the edge is to serve by as of the last input. The edge goes by the wall clock: a denial ends there when as much
    /// time has passed as was meant.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        let mut policy = self.engine.policy();
        policy.denials.values_mut().for_each(|denial| denial.until = by_the_wall(denial.until));
        Arc::new(policy)
    }

    fn publish_policy(&mut self, mouth: &Mouth) {
        let version = self.engine.policy_version();
        if version != self.policy_version {
            self.policy_version = version;
            mouth.policy.send_replace(self.policy());
        }
    }

    fn publish_rounds(&mut self, mouth: &Mouth) {
        self.rounds_throttle.request();
        let same_config = Arc::ptr_eq(self.engine.config(), &mouth.rounds.borrow().config);
        if same_config && !self.rounds_throttle.is_due() {
            return;
        }
        self.rounds_throttle.run(|| {
            let rounds = self.engine.rounds();
            if !same_config || rounds.sooner != self.sooner {
                self.sooner.clone_from(&rounds.sooner);
                mouth.rounds.send_replace(rounds);
            }
        });
    }
}

/// The log has what the journal has.
fn told(events: Vec<Event>) -> Vec<Event> {
    for event in &events {
        tracing::info!(seq = event.seq, "{}", event.kind);
    }
    events
}

/// What a turn thinks of, the news of the clock before what people and probes said. A start comes before both: it ends
/// what the process before it said of its clock, and a clock that is still wrong is news of this one.
fn in_order(clock: Vec<Heard>, heard: Vec<Heard>) -> Vec<Heard> {
    let starts = matches!(heard.first(), Some((Input::Booted { .. }, _)));
    let (first, then) = if starts { (heard, clock) } else { (clock, heard) };
    first.into_iter().chain(then).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_wrong_at_the_start_is_told_after_the_start() {
        let jumped = || vec![(Input::Clock(ClockNews::Jumped { by_ms: -50_400_000 }), None)];
        let words = |all: Vec<Heard>| {
            let word = |(input, _): &Heard| match input {
                Input::Booted { .. } => "booted",
                Input::Clock(_) => "clock",
                _ => "other",
            };
            all.iter().map(word).collect::<Vec<_>>().join(" ")
        };
        let beginning = || vec![(Input::Booted { blind_since: None }, None), (Input::Tick, None)];
        assert_eq!(words(in_order(jumped(), beginning())), "booted other clock");
        assert_eq!(words(in_order(jumped(), vec![(Input::Tick, None)])), "clock other");
        assert_eq!(words(in_order(Vec::new(), beginning())), "booted other");
    }
}
