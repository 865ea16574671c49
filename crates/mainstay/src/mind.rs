//! The loop: one thread, one closed list of what can happen, one append for everything that came together.

use crate::clock;
use engine::Engine;
use journal::{Notebook, Series};
use model::{Effect, Event, Input, Outcome, Plan, Policy, Rollup, Rounds, Sample, Time, time};
use site::{Answer, Ask, AskError, Site};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Inputs taken together into one append.
const BATCH_MAX: usize = 256;
/// Requests of people taken together: each has an append of its own, for each is answered by whether it is on disk.
const ASKS_MAX: usize = 32;
/// How long the loop sleeps at most, so that effects lost in flight are owed again in time.
const NAP: Duration = Duration::from_secs(2);
/// How long raw samples are kept, and how often older ones are let go.
const SAMPLES_FOR: Duration = Duration::from_secs(90 * 86_400);
const FORGET_EVERY: Duration = Duration::from_secs(6 * 3_600);
/// How often views are made anew when nothing was decided: ages in them grow, and first samples arrive.
const REFRESH: Duration = Duration::from_secs(5);

/// Where things come in.
pub(crate) struct Ears {
    /// What people and machines ask through the site.
    pub asks: mpsc::Receiver<Ask>,
    /// Answers to probes.
    pub samples: mpsc::Receiver<Sample>,
    /// Ends of attempts.
    pub outcomes: mpsc::Receiver<Outcome>,
    /// What went through the edge, once a second.
    pub rollups: mpsc::Receiver<Rollup>,
    /// Sound plans, as they are read.
    pub plans: mpsc::Receiver<Arc<Plan>>,
    /// Whether the plan on disk is in force; a sentence when it is not.
    pub plan_trouble: watch::Receiver<Option<String>>,
    /// Whether the edge follows the plan; a sentence when it does not.
    pub edge_trouble: watch::Receiver<Option<String>>,
    /// How late the rounds run.
    pub lag: prober::Lag,
    /// Turns true when the process is to end.
    pub stop: watch::Receiver<bool>,
}

/// Where decisions go out.
pub(crate) struct Mouth {
    /// What is owed to people.
    pub effects: mpsc::Sender<Effect>,
    /// What to ask.
    pub rounds: watch::Sender<Rounds>,
    /// What the edge serves by.
    pub policy: watch::Sender<Arc<Policy>>,
    /// What to show.
    pub views: watch::Sender<Option<Arc<engine::Views>>>,
    /// Who shows it: told of every turn, and of every second of traffic.
    pub site: Arc<Site>,
}

/// When the loop last turned, for whoever watches the watchman. Milliseconds since 1970.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulse(Arc<AtomicI64>);

impl Pulse {
    fn beat(&self, now: Time) {
        self.0.store(now.as_millisecond(), Ordering::Relaxed);
    }

    /// How long the loop has not turned as of `now`.
    #[must_use]
    pub(crate) fn still_for(&self, now: Time) -> Duration {
        let last = Time::from_millisecond(self.0.load(Ordering::Relaxed)).unwrap_or(Time::MIN);
        time::between(last, now)
    }
}

/// The engine with its notebook.
pub(crate) struct Mind {
    engine: Engine,
    notebook: Notebook,
    series: Option<Series>,
    pulse: Pulse,
    sooner: BTreeMap<model::ProbeId, Time>,
    policy_version: u64,
    shown: Time,
    forgot: Time,
}

/// An input, and whoever waits to hear that it is on disk.
type Heard = (Input, Option<oneshot::Sender<Answer>>);

type Waiting = (oneshot::Sender<Answer>, Answer);

impl Mind {
    /// Folds the journal into an engine and says how far it came.
    ///
    /// # Errors
    /// When the journal cannot be read to its end: going on would forget what was promised.
    pub(crate) fn wake_up(
        plan: Arc<Plan>,
        notebook: Notebook,
        series: Option<Series>,
        pulse: Pulse,
    ) -> Result<Self, journal::ReadError> {
        let mut engine = Engine::new(plan);
        loop {
            let events = notebook.read(engine.seq(), 4_096)?;
            if events.is_empty() {
                break;
            }
            events.iter().for_each(|event| engine.apply(event));
        }
        pulse.beat(clock::now());
        Ok(Self {
            engine,
            notebook,
            series,
            pulse,
            sooner: BTreeMap::new(),
            policy_version: 0,
            shown: Time::MIN,
            forgot: Time::MIN,
        })
    }

    /// Turns until it is told to stop.
    pub(crate) async fn run(mut self, mut ears: Ears, mouth: Mouth) {
        let blind_since = self.series.as_ref().and_then(Series::last_at);
        let plan = self.engine.plan().clone();
        self.turn(vec![(Input::Booted { blind_since }, None), (Input::PlanRead(plan), None)], &ears, &mouth);
        loop {
            let now = clock::now();
            let nap = self.engine.next().map_or(NAP, |at| time::between(now, at).min(NAP));
            let nap = nap.max(Duration::from_millis(1));
            let mut heard: Vec<Heard> = Vec::new();
            tokio::select! {
                biased;
                _ = ears.stop.changed() => break,
                Some(outcome) = ears.outcomes.recv() => heard.push((Input::Attempted(outcome), None)),
                Some(ask) = ears.asks.recv() => heard.push((ask.input, Some(ask.answer))),
                Some(plan) = ears.plans.recv() => heard.push((Input::PlanRead(plan), None)),
                Some(rollup) = ears.rollups.recv() => heard.push((Input::RolledUp(rollup), None)),
                Some(sample) = ears.samples.recv() => heard.push((Input::Sampled(sample), None)),
                Ok(()) = ears.plan_trouble.changed() => self.shown = Time::MIN,
                Ok(()) = ears.edge_trouble.changed() => self.shown = Time::MIN,
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
                    heard.push((ask.input, Some(ask.answer)));
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

    /// One batch: think, write down, send what is owed, show, answer whoever waits.
    fn turn(&mut self, heard: Vec<Heard>, ears: &Ears, mouth: &Mouth) {
        let now = clock::now();
        self.pulse.beat(now);
        mouth.site.beat();
        let mut events: Vec<Event> = Vec::new();
        let mut waiting: Vec<Waiting> = Vec::new();
        let before = self.engine.seq();
        let rolled_up = heard.iter().any(|(input, _)| matches!(input, Input::RolledUp(_)));
        for (input, answer) in heard {
            if let (Input::Sampled(sample), Some(series)) = (&input, &self.series) {
                series.record(sample, now);
            }
            match answer {
                Some(answer) => waiting.push((answer, self.take_in(now, &input, &mut events))),
                // Nothing but a person is ever refused.
                None => events.extend(told(self.engine.handle(now, &input).unwrap_or_default())),
            }
        }
        let changed = self.engine.seq() != before;
        // What the journal refuses is kept and tried again: see `Notebook`.
        let _ = self.notebook.write(now, events);
        // Effects go out even when the notebook burns: a second call beats a missing one.
        for effect in self.engine.due(now) {
            let key = effect.key.clone();
            if mouth.effects.try_send(effect).is_err() {
                tracing::warn!(%key, "the courier is busy; this message is owed again in half a minute");
            }
        }
        self.publish_rounds(mouth);
        self.publish_policy(mouth);
        if rolled_up || changed {
            mouth.site.show_traffic(self.engine.traffic().map(Arc::new));
        }
        if let (Some(series), true) = (&self.series, time::between(self.forgot, now) >= FORGET_EVERY) {
            self.forgot = now;
            series.forget(time::earlier(now, SAMPLES_FOR));
        }
        if changed || time::between(self.shown, now) >= REFRESH {
            self.shown = now;
            let mut views = self.engine.views();
            views.now.house.extend(self.notebook.trouble().map(str::to_owned));
            views.now.house.extend(ears.plan_trouble.borrow().clone());
            views.now.house.extend(ears.edge_trouble.borrow().clone());
            views.now.late_p99 = Some(ears.lag.read().p99);
            mouth.views.send_replace(Some(Arc::new(views)));
        }
        // Last, so that whoever is answered finds the effect on the page that they load next.
        mouth.site.decided(self.engine.seq());
        for (answer, reply) in waiting {
            let _ = answer.send(reply);
        }
    }

    /// What a person asks takes effect once it is on disk, and not at all when the journal refuses it (P8). `events` is what
    /// happened before in the same batch, and after.
    fn take_in(&mut self, now: Time, input: &Input, events: &mut Vec<Event>) -> Answer {
        let decided = self.engine.decide(now, input)?;
        if decided.is_empty() {
            return Ok(Vec::new());
        }
        // What came before has smaller numbers and goes first.
        let _ = self.notebook.write(now, std::mem::take(events));
        match self.notebook.write_or_drop(now, &decided) {
            Ok(()) => {
                let follows = told(self.engine.accept(now, &decided));
                let happened = told(decided).into_iter().chain(follows.iter().cloned());
                let happened = happened.map(|event| event.happened).collect();
                events.extend(follows);
                Ok(happened)
            }
            Err(refused) => {
                if refused.in_doubt {
                    events.extend(told(self.engine.withdraw(now, &decided)));
                }
                Err(AskError::Unavailable(refused.sentence))
            }
        }
    }

    /// What the edge is to serve by as of the last input.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        Arc::new(self.engine.policy())
    }

    fn publish_policy(&mut self, mouth: &Mouth) {
        let version = self.engine.policy_version();
        if version != self.policy_version {
            self.policy_version = version;
            mouth.policy.send_replace(self.policy());
        }
    }

    fn publish_rounds(&mut self, mouth: &Mouth) {
        let rounds = self.engine.rounds();
        let same_plan = Arc::ptr_eq(&rounds.plan, &mouth.rounds.borrow().plan);
        if !same_plan || rounds.sooner != self.sooner {
            self.sooner.clone_from(&rounds.sooner);
            mouth.rounds.send_replace(rounds);
        }
    }
}

/// The log has what the journal has.
fn told(events: Vec<Event>) -> Vec<Event> {
    for event in &events {
        tracing::info!(seq = event.seq, event = ?event.happened, "happened");
    }
    events
}
