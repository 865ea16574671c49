//! The event loop: one thread, one enum of messages, one append for everything that arrives together.

mod publish;
mod samples;
mod time_steps;

use crate::app::clock::Clock;
use crate::app::heartbeat::Heartbeat;
use crate::app::inputs::{Inputs, Message, Outputs};
use crate::app::lag_monitor::LagMonitor;
use crate::app::stored_samples;
use crate::app::throttle::Throttle;
use engine::Engine;
use journal::PendingWrites;
use journal::series::{self, Series};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use types::{
    Actor, Answer as Answered, Command, Config, Event, Input, Observation, ProbeResult, System, Time, time,
};
use web::{CommandError, CommandResult};

/// Most inputs in one batch, and so in one append.
const BATCH_MAX: usize = 256;
/// Most commands in one batch: each has an append of its own, because its response says whether it is on disk.
const COMMANDS_MAX: usize = 32;
/// Longest wait between two batches: a notification that was lost in flight is owed again within it.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Interval at which expired samples are deleted.
const DELETE_EVERY: Duration = Duration::from_secs(6 * 3_600);
/// Longest wait for queued samples at the end.
const FLUSH_MAX: Duration = Duration::from_secs(2);
/// Longest stretch of samples deleted in one step: the days of the store are deleted as a whole. With a wrong clock
/// a start deletes nothing, and samples are deleted at most four times as fast as they arrive.
const DELETE_MAX: Duration = Duration::from_secs(86_400);
/// A pause between two batches from which on the process counts as suspended. When healthy there is a batch every two
/// seconds, and an append may take two more.
const SUSPENDED_AFTER: Duration = Duration::from_secs(15);
/// Time after a suspension in which a failed probe says more about this machine than about its target.
const RESUMING: Duration = Duration::from_secs(3);

/// The engine, its journal and its clock.
pub(crate) struct EventLoop {
    engine: Engine,
    pending_writes: PendingWrites,
    series: Option<Arc<Series>>,
    call_samples: samples::CallSamples,
    heartbeat: Heartbeat,
    sooner: BTreeMap<types::ProbeId, Time>,
    policy_version: u64,
    clock: Clock,
    /// End of the last suspension of the process.
    resumed: Option<Instant>,
    /// Last failure to take over a confirmed step of the clock.
    step_failed: Option<Instant>,
    views_published: Option<Instant>,
    view_throttle: Throttle,
    target_throttle: Throttle,
    lag_monitor: LagMonitor,
    samples_deleted: Instant,
}

/// The sender of a response, and the response: sent after the batch is on disk and visible.
type Response = (oneshot::Sender<CommandResult>, CommandResult);

impl EventLoop {
    /// Folds the journal into an engine.
    ///
    /// # Errors
    /// When the journal cannot be read to its end: an engine without it would lose acknowledged commands.
    pub(crate) fn restore(
        config: Arc<Config>,
        pending_writes: PendingWrites,
        series: Option<Arc<Series>>,
        heartbeat: Heartbeat,
    ) -> Result<Self, journal::ReadError> {
        let engine = Engine::fold(&config, |after, limit| pending_writes.read(after, limit))?;
        let clock = Clock::start(&engine);
        heartbeat.record();
        Ok(Self {
            engine,
            pending_writes,
            series,
            call_samples: samples::CallSamples::default(),
            heartbeat,
            sooner: BTreeMap::new(),
            policy_version: 0,
            clock,
            resumed: None,
            step_failed: None,
            views_published: None,
            view_throttle: Throttle::default(),
            target_throttle: Throttle::default(),
            lag_monitor: LagMonitor::default(),
            samples_deleted: Instant::now(),
        })
    }

    /// Processes batches until `inputs.stop` changes.
    pub(crate) async fn run(mut self, mut inputs: Inputs, outputs: Outputs) {
        self.process(self.initial_inputs(self.last_sign_of_life()), &inputs, &outputs);
        if let Some(series) = &self.series {
            stored_samples::prime(&mut self.engine, series, self.clock.now());
        }
        loop {
            let mut received: Vec<Message> = Vec::new();
            let wait = self.wait();
            tokio::select! {
                biased;
                _ = inputs.stop.changed() => break,
                message = inputs.messages.next() => received.push(message),
                Ok(()) = inputs.config_problem.changed() => self.views_published = None,
                Ok(()) = inputs.edge_problem.changed() => self.views_published = None,
                Ok(()) = inputs.unused_lines.changed() => self.views_published = None,
                () = tokio::time::sleep(wait) => {}
            }
            let mut commands = 0;
            while received.len() < BATCH_MAX
                && let Some(message) = inputs.messages.ready(commands < COMMANDS_MAX)
            {
                commands += usize::from(message.reply.is_some());
                received.push(message);
            }
            received.push(System::Tick.into());
            self.process(received, &inputs, &outputs);
        }
        // The web server has the store as well, so its end does not follow from that of the loop.
        if let Some(series) = &self.series
            && !series.flush(FLUSH_MAX)
        {
            tracing::warn!("the samples of the last seconds could not be written");
        }
    }

    /// Time until the next batch without a message: the engine's next deadline, or a publication that a throttle
    /// delayed.
    fn wait(&self) -> Duration {
        let now = self.clock.now();
        let deadline =
            self.engine.next_deadline().map_or(WAIT_MAX, |at| time::between(now, at).min(WAIT_MAX));
        let delayed = [self.view_throttle.delay(), self.target_throttle.delay()].into_iter().flatten().min();
        deadline.min(delayed.unwrap_or(WAIT_MAX)).max(Duration::from_millis(1))
    }

    /// Whether a failed probe is to be ignored because this process was suspended while it ran.
    fn is_from_suspension(&self, result: &ProbeResult) -> bool {
        self.resumed
            .is_some_and(|resumed| resumed.elapsed() < RESUMING.max(result.phases.total.min(SUSPENDED_AFTER)))
            && matches!(result.answer, Answered::Failed(_))
    }

    /// Deletes expired samples, a limited stretch at a time.
    fn delete_expired_samples(&mut self) {
        if self.samples_deleted.elapsed() < DELETE_EVERY || self.clock.is_doubtful() {
            return;
        }
        self.samples_deleted = Instant::now();
        if let Some(series) = &self.series
            && let Some(oldest) = series.first_at()
        {
            let most = time::later(oldest, DELETE_MAX);
            series.forget(time::earlier(self.clock.now(), series::RETENTION).min(most));
        }
    }

    /// One batch: handle the inputs, append, send what is owed, publish, respond.
    fn process(&mut self, received: Vec<Message>, inputs: &Inputs, outputs: &Outputs) {
        let (now, clock_inputs) = self.advance_clock();
        let batch = time_steps::in_order(clock_inputs, received);
        self.heartbeat.record();
        outputs.site.heartbeat();
        let before = self.engine.seq();
        let is_rollup =
            |message: &Message| matches!(message.input, Input::Observation(Observation::Rollup(_)));
        let rolled_up = batch.iter().any(is_rollup);
        let responses = self.handle(now, batch);
        let changed = self.engine.seq() != before;
        // Sent even when the journal cannot be written: a page that arrives twice is better than none.
        for notification in self.engine.due(now) {
            let key = notification.key.clone();
            if outputs.notifications.try_send(notification).is_err() {
                tracing::warn!(%key, "delivery queue full; the notification is sent again in 30 s");
            }
        }
        self.publish_targets(outputs);
        self.publish_policy(outputs);
        if rolled_up || changed {
            outputs.site.show_traffic(self.engine.traffic().map(Arc::new));
        }
        self.delete_expired_samples();
        self.lag_monitor.poll(&inputs.lag);
        if changed || self.views_expired() {
            self.view_throttle.request();
        }
        // The response to a person must not precede the view that shows its effect.
        if self.view_throttle.is_due() || (self.view_throttle.delay().is_some() && !responses.is_empty()) {
            self.publish_views(inputs, outputs);
        }
        outputs.site.decided(self.engine.seq());
        for (sender, response) in responses {
            let _ = sender.send(response);
        }
    }

    /// Hands the inputs of a batch to the engine and appends the events. Returns the responses to its commands.
    fn handle(&mut self, now: Time, batch: Vec<Message>) -> Vec<Response> {
        let mut events: Vec<Event> = Vec::new();
        let mut responses: Vec<Response> = Vec::new();
        for Message { input, reply } in batch {
            if let Input::Observation(Observation::ProbeResult(result)) = &input
                && self.is_from_suspension(result)
            {
                continue;
            }
            match (input, reply) {
                (Input::Command { actor, command }, Some(reply)) => {
                    responses.push((reply, self.execute(now, &actor, &command, &mut events)));
                }
                // Only commands can be refused. The tick at the end of the batch reacts to all probe results together.
                (input, _) => {
                    events.extend(logged(self.engine.observe(now, &input).unwrap_or_default()));
                    self.store_samples(now, &input);
                }
            }
        }
        // Events that the journal refuses are kept and written later: see `PendingWrites`.
        let _ = self.pending_writes.write(now, events);
        responses
    }

    /// Stores what an input measured, and how it was judged.
    fn store_samples(&mut self, now: Time, input: &Input) {
        let Some(series) = &self.series else { return };
        match input {
            Input::Observation(Observation::ProbeResult(result)) => {
                samples::store_latency(series, now, result);
                samples::store_database(series, now, result);
                samples::store_judgement(series, now, &result.probe, self.engine.is_healthy(&result.probe));
            }
            Input::Observation(Observation::Rollup(rollup)) => {
                samples::store_traffic(series, now, rollup);
                self.call_samples.add(series, now, self.engine.config(), rollup);
            }
            _ => {}
        }
    }

    /// Executes a command: it takes effect once it is on disk, and not at all when the journal refuses it. `events` are
    /// those of the same batch before the command, and receive those after it.
    fn execute(
        &mut self,
        now: Time,
        actor: &Actor,
        command: &Command,
        events: &mut Vec<Event>,
    ) -> CommandResult {
        let decided = self.engine.decide(now, actor, command)?;
        if decided.is_empty() {
            return Ok(Vec::new());
        }
        // Earlier events have smaller numbers and are appended first.
        let _ = self.pending_writes.write(now, std::mem::take(events));
        match self.pending_writes.write_or_drop(now, &decided) {
            Ok(()) => {
                let follows = logged(self.engine.accept(now, &decided));
                let kinds = logged(decided).into_iter().chain(follows.iter().cloned());
                let kinds = kinds.map(|event| event.kind).collect();
                events.extend(follows);
                Ok(kinds)
            }
            Err(refused) => {
                if refused.in_doubt {
                    events.extend(logged(self.engine.withdraw(now, &decided)));
                }
                Err(CommandError::Unavailable(refused.summary))
            }
        }
    }
}

/// Writes events to the log, which so contains what the journal contains.
fn logged(events: Vec<Event>) -> Vec<Event> {
    for event in &events {
        tracing::info!(seq = event.seq, "{}", event.kind);
    }
    events
}
