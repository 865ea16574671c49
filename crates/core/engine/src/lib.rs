//! Calls the core crates in one order: `handle`, `apply`, `due`, `next_deadline`, and the views.
//!
//! ```text
//! Input --handle(now)--> [Event...] --append--> journal --follow--> apply (restart)
//!   ^                       | already applied here
//!   +--delivery-- notify <- due(): notifications owed    views: Policy -> edge, Views -> web, ProbeTargets -> prober
//! ```
//!
//! No clock, no I/O: time is an argument. Replay applies facts and never decides again, so new rules cannot rewrite
//! history.
//!
//! | module | holds |
//! |---|---|
//! | [`Engine`] | state, and the loop: input, events, reactions to a fixpoint |
//! | [`acceptance`] | the audit of the configuration, with what was observed |
//! | [`criteria_history`] | when each criterion was lost and met again |
//! | `commands` | commands of people and programs: checks, and the events of each |
//! | `queries` | what I/O crates read: probe targets, policy, incidents, alerts |
//! | [`views`] | types of the views that I/O crates read |
//! | `show` | construction of the views |
//! | [`post_mortem`] | everything of one incident, for the draft of a post-mortem |
//! | `story` | timeline and paging history of each incident |
//! | `denials` | denials in force, and their expiry |
//! | `load_tests` | the last load tests |
//! | `silences` | silences of alerts of other systems |
//! | `maintenance` | maintenances: those of the configuration, their start and end |
//! | `changes` | deploys and other changes of the last days |
//! | [`effects`] | whether notes and changes helped |
//! | [`causes`] | which resource is the likely cause of slowness |
//! | [`headroom`] | the share of its knee that each pool and database uses, and the scaling signal |
//! | `ended_alerts` | the last alerts that closed |
//! | `last_results` | duration of each probe's last run |
//! | [`timekeeper`] | engine time from the wall clock and monotonic progress |
//! | `timeline` | corrected times of a journal whose clock was set |
//! | `clock` | state of the machine's clock, confirmed steps |
//! | `traffic` | the last quarter of an hour of traffic, for the console |
//! | `valves` | valves of services, and the steps of their ramps |

pub mod acceptance;
pub mod causes;
mod changes;
mod clock;
mod commands;
pub mod criteria_history;
mod denials;
pub mod effects;
mod ended_alerts;
pub mod headroom;
mod last_results;
pub mod levels;
pub mod load_tests;
mod maintenance;
pub mod post_mortem;
mod queries;
mod show;
mod silences;
mod story;
pub mod timekeeper;
mod timeline;
mod traffic;
mod valves;
pub mod views;

pub use commands::ACKNOWLEDGED_FOR;
pub use oncall::instant;
pub use views::{Now, StatusPage, Views};

use std::sync::Arc;
use std::time::Duration;
use types::effect::ChangePoint;
use types::event::{Event, EventKind, Events};
use types::input::Refused;
use types::{
    Actor, Command, Config, Context, Effect, IncidentId, Input, LikelyCause, Notification, Observation,
    ProbeId, System, Time,
};

/// Maximum of reaction rounds in one batch. What remains continues with the next input; a higher limit would hide a
/// cycle.
const ROUNDS_MAX: usize = 16;

/// All in-memory state of mainstay and the rules that change it. No clock, no I/O.
#[derive(Debug)]
pub struct Engine {
    config: Arc<Config>,
    detect: detect::Detect,
    diagnose: diagnose::Diagnose,
    oncall: oncall::OnCall,
    publisher: statuspage::Publisher,
    stories: story::Stories,
    denials: denials::Denials,
    changes: changes::Changes,
    maintenances: maintenance::Maintenances,
    silences: silences::Silences,
    preliminary: effects::Preliminary,
    ranked: causes::Pending,
    valves: valves::Valves,
    shown: traffic::Shown,
    headroom: headroom::Headrooms,
    last_results: last_results::LastResults,
    acceptance: acceptance::Acceptance,
    ended_alerts: ended_alerts::EndedAlerts,
    clock_state: clock::ClockState,
    configs: u64,
    load_tests: u64,
    digest: Option<String>,
    seq: u64,
    clock: Time,
}

impl Engine {
    /// An engine without history. Fold the journal into it with [`Engine::apply`] before the first input.
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            acceptance: acceptance::Acceptance::new(config.clone()),
            headroom: headroom::Headrooms::new(&config),
            config,
            detect: detect::Detect::default(),
            diagnose: diagnose::Diagnose::default(),
            oncall: oncall::OnCall::default(),
            publisher: statuspage::Publisher::default(),
            stories: story::Stories::default(),
            denials: denials::Denials::default(),
            changes: changes::Changes::default(),
            maintenances: maintenance::Maintenances::default(),
            silences: silences::Silences::default(),
            preliminary: effects::Preliminary::default(),
            ranked: causes::Pending::default(),
            valves: valves::Valves::default(),
            shown: traffic::Shown::default(),
            last_results: last_results::LastResults::default(),
            ended_alerts: ended_alerts::EndedAlerts::default(),
            clock_state: clock::ClockState::default(),
            configs: 0,
            load_tests: 0,
            digest: None,
            seq: 0,
            clock: Time::MIN,
        }
    }

    /// Folds one event. Decides nothing. A whole journal is folded with [`Engine::fold`].
    pub fn apply(&mut self, event: &Event) {
        self.seq = self.seq.max(event.seq);
        self.clock = self.clock.max(event.at);
        if let EventKind::ConfigAdopted { digest } = &event.kind {
            self.digest = Some(digest.clone());
        }
        self.ended_alerts.apply(self.detect.alerts(), event);
        self.detect.apply(event);
        self.diagnose.apply(event);
        self.oncall.apply(event);
        self.publisher.apply(event);
        self.stories.apply(event);
        self.denials.apply(event);
        self.changes.apply(event);
        self.maintenances.apply(event);
        self.silences.apply(event);
        self.acceptance.apply(event);
        if let EventKind::LoadTested { .. } = &event.kind {
            self.headroom.tested();
            self.load_tests += 1;
        }
        self.valves.apply(event);
        self.clock_state.apply(event);
    }

    /// Reacts to one input in one batch. The returned events are applied and must be appended to the journal.
    ///
    /// # Errors
    /// [`Refused`] when a command cannot be executed; nothing has changed then. Other inputs are never refused.
    pub fn handle(&mut self, now: Time, input: &Input) -> Result<Vec<Event>, Refused> {
        let now = self.clamp(now);
        let first = self.first(now, input)?;
        Ok(self.follow(now, first))
    }

    /// Judges one probe result or roll-up without a reaction, which follows with the next [`Engine::handle`]: results
    /// that arrive together cost one reaction. Handles every other input completely.
    ///
    /// # Errors
    /// Those of [`Engine::handle`].
    pub fn observe(&mut self, now: Time, input: &Input) -> Result<Vec<Event>, Refused> {
        let Input::Observation(observation @ (Observation::ProbeResult(_) | Observation::Rollup(_))) = input
        else {
            return self.handle(now, input);
        };
        let now = self.clamp(now);
        let first = self.observation(now, observation);
        let mut batch = Vec::new();
        self.record(now, first, &mut batch);
        Ok(batch)
    }

    /// Learns what is usual for the latency of a probe from stored samples of good answers, oldest first, before its first
    /// answer since boot. Without them it is learned from the next answers.
    pub fn learn_latencies(
        &mut self,
        probe: &ProbeId,
        latencies: impl IntoIterator<Item = (Time, Duration)>,
    ) {
        self.detect.learn_latencies(&self.config, probe, latencies);
    }

    /// Events of a command, numbered and with their time, but not applied: append them to the journal, then
    /// [`Engine::accept`] them, so that no command counts that is not on disk (P8).
    ///
    /// # Errors
    /// [`Refused`] when the command cannot be executed.
    pub fn decide(&mut self, now: Time, actor: &Actor, command: &Command) -> Result<Vec<Event>, Refused> {
        let now = self.clamp(now);
        let first = self.command(now, actor, command)?;
        self.heed(now, command);
        let numbered = (self.seq + 1..).zip(first);
        Ok(numbered.map(|(seq, kind)| Event { seq, at: now, kind }).collect())
    }

    /// Applies what [`Engine::decide`] returned, now that it is on disk. Returns the events that follow, to be
    /// appended.
    pub fn accept(&mut self, now: Time, decided: &[Event]) -> Vec<Event> {
        let now = self.clamp(now);
        decided.iter().for_each(|event| self.apply(event));
        self.follow(now, Vec::new())
    }

    /// Applies what [`Engine::decide`] returned when it is unknown whether it is on disk, and withdraws
    /// acknowledgements, denials and valves immediately: their author got an error. Returns the events to be appended after it.
    pub fn withdraw(&mut self, now: Time, decided: &[Event]) -> Vec<Event> {
        let now = self.clamp(now);
        let undo = decided.iter().filter_map(|event| match &event.kind {
            EventKind::IncidentAcknowledged { incident, .. } => {
                let before = self.diagnose.incidents().get(incident)?.acknowledged.clone();
                Some(EventKind::AcknowledgementWithdrawn { incident: *incident, before })
            }
            EventKind::TrafficDenied { denial, .. } => {
                Some(EventKind::DenialLifted { denial: denial.id, by: Some(Actor::mainstay()) })
            }
            EventKind::ValveSet { valve, .. } => Some(self.valves.undo(valve)),
            _ => None,
        });
        let undo: Events = undo.collect();
        decided.iter().for_each(|event| self.apply(event));
        self.follow(now, undo)
    }

    /// Notifications owed at `now` and not in flight. They are in flight until their delivery arrives or is given up.
    pub fn due(&mut self, now: Time) -> Vec<Notification> {
        let now = self.clamp(now);
        let context =
            detected(&self.config, now, &self.detect, &self.changes, (&self.maintenances, &self.silences));
        let context = context.diagnosed(self.diagnose.incidents()).audited(self.acceptance.musts());
        self.oncall.due(&context)
    }

    /// Time of the next tick if nothing else happens.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        let context = self.context();
        [
            self.detect.next_deadline(&context),
            self.diagnose.next_deadline(&context),
            self.oncall.next_deadline(&context),
            self.publisher.next_deadline(&context),
            self.denials.next_deadline(&context),
            self.maintenances.next_deadline(&context),
            self.silences.next_deadline(context.now),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Everything that is decided, as of the last input.
    fn context(&self) -> Context<'_> {
        let detected = detected(
            &self.config,
            self.clock,
            &self.detect,
            &self.changes,
            (&self.maintenances, &self.silences),
        );
        detected.diagnosed(self.diagnose.incidents())
    }

    /// Engine time never runs backwards.
    fn clamp(&mut self, now: Time) -> Time {
        self.clock = self.clock.max(now);
        self.clock
    }

    /// A source is heard also by reports that say nothing new, and so by those that the journal refuses.
    fn heed(&mut self, now: Time, command: &Command) {
        if let Command::ReportAlerts { source, reports } = command {
            self.detect.heard(now, source, reports);
        }
    }

    /// Events of an input before any reaction. Commands change no state here.
    fn first(&mut self, now: Time, input: &Input) -> Result<Events, Refused> {
        match input {
            Input::Command { actor, command } => {
                let events = self.command(now, actor, command)?;
                self.heed(now, command);
                Ok(events)
            }
            Input::Observation(observation) => Ok(self.observation(now, observation)),
            Input::System(system) => Ok(self.system(now, system)),
        }
    }

    fn observation(&mut self, now: Time, observation: &Observation) -> Events {
        let mut events = Events::new();
        let context = Context::new(&self.config, now);
        match observation {
            Observation::ProbeResult(result) => {
                let result = &*self.detect.with_backups(&context, result);
                self.last_results.note(&self.config, result);
                self.acceptance.observe(result);
                self.detect.judge(&context, result, &mut events);
            }
            Observation::Rollup(rollup) => {
                self.shown.note(now, rollup);
                self.headroom.note(now, &self.config, self.acceptance.load_tests(), rollup);
                self.detect.judge_rollup(&context, rollup, &mut events);
                self.valves.judge(&context, rollup, &mut events);
            }
            Observation::Delivery(delivery) => self.oncall.attempted(&context, delivery, &mut events),
            Observation::Effect { of, effect, is_final } => return self.measured(*of, effect, *is_final),
            Observation::PeaksRead { resource, hours, at_limit } => {
                self.headroom.read(now, resource, hours, at_limit);
            }
            Observation::MediansRead { of, medians, until } => {
                self.detect.judge_medians(&context, (of, medians, *until), &mut events);
            }
            Observation::CriteriaChanged(changes) => return self.acceptance.changed(changes),
            Observation::CausesRanked { incident, likely } => return self.causes_ranked(*incident, likely),
        }
        events
    }

    /// An effect was measured. It is in the journal once it is final, and not twice.
    fn measured(&mut self, of: ChangePoint, effect: &Effect, is_final: bool) -> Events {
        if self.is_judged(of) {
            return Events::new();
        }
        if !is_final {
            self.preliminary.set(of, effect.clone());
            return Events::new();
        }
        self.preliminary.remove(of);
        vec![EventKind::EffectJudged { of, effect: effect.clone() }]
    }

    /// The resources of an incident were ranked. It is in the journal when the result repeats and differs from the last one.
    fn causes_ranked(&mut self, incident: IncidentId, likely: &[LikelyCause]) -> Events {
        let known = self.diagnose.incidents().get(&incident);
        let Some(known) = known.filter(|known| causes::is_ranked(self, known)) else { return Events::new() };
        if !self.ranked.is_news(known, likely) {
            return Events::new();
        }
        vec![EventKind::CausesRanked { incident, likely: likely.to_vec() }]
    }

    fn is_judged(&self, of: ChangePoint) -> bool {
        match of {
            ChangePoint::Note { incident, seq } => {
                let incident = self.diagnose.incidents().get(&incident);
                let note = incident.and_then(|it| it.notes.iter().find(|note| note.seq == seq));
                note.is_none_or(|note| note.effect.is_some())
            }
            ChangePoint::Change { incident, change } => {
                let recorded = self.changes.all().get(&change);
                recorded.is_none_or(|recorded| recorded.effects.contains_key(&incident))
            }
        }
    }

    fn system(&mut self, now: Time, system: &System) -> Events {
        match system {
            System::Booted { unmonitored_since } => {
                vec![EventKind::Booted { unmonitored_since: *unmonitored_since }]
            }
            System::Clock(change) => self.clock_state.events(change),
            System::Config(config) => self.adopt(config),
            System::Tick => self.tick(now),
        }
    }

    fn adopt(&mut self, config: &Arc<Config>) -> Events {
        self.config = config.clone();
        self.last_results.follow(config);
        self.acceptance.follow(config);
        self.headroom.follow(config);
        self.configs += 1;
        if self.digest.as_ref() == Some(&config.digest) {
            Vec::new()
        } else {
            vec![EventKind::ConfigAdopted { digest: config.digest.clone() }]
        }
    }

    /// Lets detection react. It reacts to time and configuration alone, so not in the rounds of [`Engine::react`].
    fn tick(&mut self, now: Time) -> Events {
        let mut events = Events::new();
        self.detect.react(&Context::new(&self.config, now), &mut events);
        events
    }

    /// Records events and everything that follows from them.
    fn follow(&mut self, now: Time, first: Events) -> Vec<Event> {
        let mut batch = Vec::new();
        let adopts = first.iter().any(|kind| matches!(kind, EventKind::ConfigAdopted { .. }));
        self.record(now, first, &mut batch);
        if adopts {
            // Alerts of removed resources close before any reaction: without a service they would page for an instant.
            let left = self.tick(now);
            self.record(now, left, &mut batch);
        }
        let mut expired = Events::new();
        self.denials.react(&Context::new(&self.config, now), &mut expired);
        self.valves.react(&Context::new(&self.config, now), &mut expired);
        self.record(now, expired, &mut batch);
        self.maintain(now, &mut batch);
        self.react(now, &mut batch);
        batch
    }

    /// Starts and ends maintenances before any reaction: an alert that ended with this input ends one that overran.
    fn maintain(&mut self, now: Time, batch: &mut Vec<Event>) {
        // Scheduled, started and ended within one batch when nothing was monitored meanwhile.
        for _ in 0..5 {
            let mut events = Events::new();
            let context = Context::new(&self.config, now).detected(self.detect.alerts(), &self.detect);
            self.maintenances.react(&context, &mut events);
            if events.is_empty() {
                return;
            }
            self.record(now, events, batch);
        }
    }

    /// Lets the core crates react, in one order, until there are no more events.
    fn react(&mut self, now: Time, batch: &mut Vec<Event>) {
        for _ in 0..ROUNDS_MAX {
            let before = batch.len();
            let mut events = Events::new();
            self.diagnose.react(
                &detected(
                    &self.config,
                    now,
                    &self.detect,
                    &self.changes,
                    (&self.maintenances, &self.silences),
                ),
                &mut events,
            );
            self.record(now, std::mem::take(&mut events), batch);
            let context = detected(
                &self.config,
                now,
                &self.detect,
                &self.changes,
                (&self.maintenances, &self.silences),
            );
            let context = context.diagnosed(self.diagnose.incidents()).audited(self.acceptance.musts());
            self.oncall.react(&context, &mut events);
            self.record(now, std::mem::take(&mut events), batch);
            let context = detected(
                &self.config,
                now,
                &self.detect,
                &self.changes,
                (&self.maintenances, &self.silences),
            );
            let context = context.diagnosed(self.diagnose.incidents());
            self.publisher.react(&context, &mut events);
            self.record(now, events, batch);
            if batch.len() == before {
                return;
            }
        }
    }

    fn record(&mut self, now: Time, events: Events, batch: &mut Vec<Event>) {
        for kind in events {
            let event = Event { seq: self.seq + 1, at: now, kind };
            self.apply(&event);
            batch.push(event);
        }
    }
}

/// Context of diagnosis. What comes after it sees the incidents too.
fn detected<'a>(
    config: &'a Config,
    now: Time,
    detect: &'a detect::Detect,
    changes: &'a changes::Changes,
    (maintenances, silences): (&'a maintenance::Maintenances, &'a silences::Silences),
) -> Context<'a> {
    Context::new(config, now)
        .detected(detect.alerts(), detect)
        .changed(changes.all())
        .maintained(maintenances.all(), maintenances.recoveries())
        .silenced(silences.all())
}
