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
//! | [`views`] | types of the views that I/O crates read |
//! | `show` | construction of the views |
//! | `story` | timeline and paging history of each incident |
//! | `denials` | denials in force, and their expiry |
//! | `last_results` | duration of each probe's last run |
//! | [`timekeeper`] | engine time from the wall clock and monotonic progress |
//! | `timeline` | corrected times of a journal whose clock was set |
//! | `clock` | state of the machine's clock, confirmed steps |
//! | `traffic` | the last quarter of an hour of traffic, for the console |

mod clock;
mod denials;
mod last_results;
mod show;
mod story;
pub mod timekeeper;
mod timeline;
mod traffic;
pub mod views;

pub use views::{Now, StatusPage, Views};

use std::sync::Arc;
use std::time::Duration;
use types::event::{Event, EventKind};
use types::input::Refused;
use types::{
    Config, Incident, IncidentId, Input, LastResult, Notification, ProbeTargets, Resource, SeenAt, Time,
};

/// Duration of an acknowledgement without a note (P8).
pub const ACKNOWLEDGED_FOR: Duration = Duration::from_secs(30 * 60);

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
    shown: traffic::Shown,
    last_results: last_results::LastResults,
    clock_state: clock::ClockState,
    configs: u64,
    digest: Option<String>,
    seq: u64,
    clock: Time,
}

impl Engine {
    /// An engine without history. Fold the journal into it with [`Engine::apply`] before the first input.
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            detect: detect::Detect::default(),
            diagnose: diagnose::Diagnose::default(),
            oncall: oncall::OnCall::default(),
            publisher: statuspage::Publisher::default(),
            stories: story::Stories::default(),
            denials: denials::Denials::default(),
            shown: traffic::Shown::default(),
            last_results: last_results::LastResults::default(),
            clock_state: clock::ClockState::default(),
            configs: 0,
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
        self.detect.apply(event);
        self.diagnose.apply(event);
        self.oncall.apply(event);
        self.publisher.apply(event);
        self.stories.apply(event);
        self.denials.apply(event);
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
        if !matches!(input, Input::Sampled(_) | Input::RolledUp(_)) {
            return self.handle(now, input);
        }
        let now = self.clamp(now);
        let first = self.first(now, input)?;
        let mut batch = Vec::new();
        self.record(now, first, &mut batch);
        Ok(batch)
    }

    /// Events of a command, numbered and with their time, but not applied: append them to the journal, then
    /// [`Engine::accept`] them, so that no command counts that is not on disk (P8).
    ///
    /// # Errors
    /// [`Refused`] when the command cannot be executed.
    pub fn decide(&mut self, now: Time, input: &Input) -> Result<Vec<Event>, Refused> {
        let now = self.clamp(now);
        let first = self.first(now, input)?;
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
    /// acknowledgements and denials immediately: their author got an error. Returns the events to be appended after it.
    pub fn withdraw(&mut self, now: Time, decided: &[Event]) -> Vec<Event> {
        let now = self.clamp(now);
        let undo = decided.iter().filter_map(|event| match &event.kind {
            EventKind::IncidentAcknowledged { incident, .. } => {
                let before = self.diagnose.incidents().get(incident)?.acknowledged.clone();
                Some(EventKind::AcknowledgementWithdrawn { incident: *incident, before })
            }
            EventKind::TrafficDenied { denial } => {
                Some(EventKind::DenialLifted { denial: denial.id, by: Some("mainstay".to_owned()) })
            }
            _ => None,
        });
        let undo: Vec<EventKind> = undo.collect();
        decided.iter().for_each(|event| self.apply(event));
        self.follow(now, undo)
    }

    /// Events of an input before any reaction. Commands change no state here.
    fn first(&mut self, now: Time, input: &Input) -> Result<Vec<EventKind>, Refused> {
        let first = match input {
            Input::Booted { unmonitored_since } => {
                vec![EventKind::Booted { unmonitored_since: *unmonitored_since }]
            }
            Input::Clock(change) => self.clock_state.events(change),
            Input::ConfigRead(config) => self.adopt(config),
            Input::Sampled(sample) => {
                self.last_results.note(&self.config, sample);
                self.detect.judge(&self.config, now, sample)
            }
            Input::RolledUp(rollup) => {
                self.shown.note(now, rollup);
                self.detect.judge_rollup(&self.config, now, rollup)
            }
            Input::Deny { what, service, lasting, by, everybody } => {
                self.denials.deny(&self.config, now, what, service.as_ref(), *lasting, by, *everybody)?
            }
            Input::Lift { denial, by } => self.denials.lift(*denial, by)?,
            Input::Tick => self.detect.tick(&self.config, now),
            Input::Attempted(outcome) => self.oncall.attempted(&self.config, now, outcome),
            Input::Acknowledge { incident, by, via } => self.acknowledge(now, *incident, by, via)?,
            Input::Note { incident, by, text } => {
                self.incident(*incident)?;
                vec![EventKind::IncidentNoted { incident: *incident, by: by.clone(), text: text.clone() }]
            }
            Input::Update { incident, by, status, body } => {
                let incident = self.incident(*incident)?;
                let looked = |resource: &Resource| self.detect.last_result(resource);
                let facts = statuspage::Facts {
                    incidents: self.diagnose.incidents(),
                    alerts: self.detect.alerts(),
                    last_result: &looked,
                    isolated: self.detect.isolated().is_some(),
                };
                vec![self.publisher.written(
                    &self.config,
                    &facts,
                    incident,
                    *status,
                    body.clone(),
                    Some(by.clone()),
                )]
            }
            Input::Approve { incident, by } => {
                self.incident(*incident)?;
                vec![self.publisher.approved(*incident, by.clone()).ok_or(Refused::NoDraft(*incident))?]
            }
            Input::Resolve { incident, by, force } => {
                let open = self.open(*incident)?;
                if let Some(what) = self.diagnose.still_failing(open).filter(|_| !force) {
                    return Err(Refused::StillFailing { incident: *incident, what });
                }
                let summary = format!("closed by {by}");
                vec![EventKind::IncidentResolved { incident: *incident, summary }]
            }
        };
        Ok(first)
    }

    /// Records events and everything that follows from them.
    fn follow(&mut self, now: Time, first: Vec<EventKind>) -> Vec<Event> {
        let mut batch = Vec::new();
        let adopts = first.iter().any(|kind| matches!(kind, EventKind::ConfigAdopted { .. }));
        self.record(now, first, &mut batch);
        if adopts {
            // Alerts of removed resources close before any reaction: without a service they would page for an instant.
            let left = self.detect.tick(&self.config, now);
            self.record(now, left, &mut batch);
        }
        let expired = self.denials.expire(now);
        self.record(now, expired, &mut batch);
        self.react(now, &mut batch);
        batch
    }

    /// Notifications owed at `now` and not in flight. They are in flight until their delivery arrives or is given up.
    pub fn due(&mut self, now: Time) -> Vec<Notification> {
        let now = self.clamp(now);
        self.oncall.due(&self.config, now, self.diagnose.incidents())
    }

    /// Time of the next tick if nothing else happens.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        let looked = |resource: &Resource| self.detect.last_result(resource);
        let facts = statuspage::Facts {
            incidents: self.diagnose.incidents(),
            alerts: self.detect.alerts(),
            last_result: &looked,
            isolated: self.detect.isolated().is_some(),
        };
        [
            self.detect.next_deadline(&self.config, self.clock),
            self.diagnose.next_deadline(&self.config, self.clock),
            self.oncall.next_deadline(&self.config, self.clock),
            self.publisher.next_deadline(&self.config, self.clock, &facts),
            self.denials.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Probes to run, and those that are wanted early.
    #[must_use]
    pub fn probe_targets(&self) -> ProbeTargets {
        let looked = |resource: &Resource| self.detect.last_result(resource);
        let colocated = |place: &SeenAt, most: usize| self.detect.colocated(&self.config, place, most);
        let seen = diagnose::Observations {
            alerts: self.detect.alerts(),
            last_result: &looked,
            colocated: &colocated,
        };
        let mut sooner = self.detect.sooner(&self.config, self.clock);
        for (probe, at) in self.diagnose.sooner(&self.config, self.clock, &seen) {
            sooner.entry(probe).and_modify(|known| *known = at.min(*known)).or_insert(at);
        }
        ProbeTargets { config: self.config.clone(), sooner }
    }

    /// The status page and the console's first page as of the last input.
    #[must_use]
    pub fn views(&self) -> Views {
        show::views(self)
    }

    /// The console's traffic view alone, cheap enough for every roll-up. `None` without a configured edge.
    #[must_use]
    pub fn traffic(&self) -> Option<views::Traffic> {
        traffic::view(self)
    }

    /// Policy of the edge. Built on each call: compare [`Engine::policy_version`] first.
    #[must_use]
    pub fn policy(&self) -> types::Policy {
        types::Policy { config: self.config.clone(), denials: self.denials.in_force().clone() }
    }

    /// Version number that changes whenever [`Engine::policy`] may have changed since boot.
    #[must_use]
    pub fn policy_version(&self) -> u64 {
        self.configs + self.denials.changes()
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Sequence number of the last event.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Everything folded from the journal, as text: equal for two folds of one journal. Counters since boot are
    /// excluded.
    #[must_use]
    pub fn state_text(&self) -> String {
        [
            self.detect.state_text(),
            self.diagnose.state_text(),
            self.oncall.state_text(),
            self.publisher.state_text(),
            self.denials.state_text(),
            self.clock_state.state_text(),
            format!("{} {:?}", self.seq, self.digest),
        ]
        .join("\n")
    }

    /// Open and recently ended incidents.
    #[must_use]
    pub fn incidents(&self) -> &std::collections::BTreeMap<IncidentId, Incident> {
        self.diagnose.incidents()
    }

    /// Open alerts.
    #[must_use]
    pub fn alerts(&self) -> &std::collections::BTreeMap<types::AlertId, types::Alert> {
        self.detect.alerts()
    }

    /// Time for which a service was monitored within the last days, including today.
    #[must_use]
    pub fn watched(&self, service: &types::ServiceId, days: u16) -> Duration {
        self.publisher.monitored(&self.config, service, days, self.clock)
    }

    /// Last result of a resource since boot.
    #[must_use]
    pub fn last_result(&self, resource: &Resource) -> Option<LastResult> {
        self.detect.last_result(resource)
    }

    /// Open and recently closed pages.
    #[must_use]
    pub fn pages(&self) -> &std::collections::BTreeMap<types::PageId, oncall::Page> {
        self.oncall.pages()
    }

    /// Engine time never runs backwards.
    fn clamp(&mut self, now: Time) -> Time {
        self.clock = self.clock.max(now);
        self.clock
    }

    fn record(&mut self, now: Time, events: Vec<EventKind>, batch: &mut Vec<Event>) {
        for kind in events {
            let event = Event { seq: self.seq + 1, at: now, kind };
            self.apply(&event);
            batch.push(event);
        }
    }

    /// Lets the core crates react, in one order, until there are no more events.
    fn react(&mut self, now: Time, batch: &mut Vec<Event>) {
        for _ in 0..ROUNDS_MAX {
            let before = batch.len();
            let kinds = {
                let detect = &self.detect;
                let looked = |resource: &Resource| detect.last_result(resource);
                let config = &self.config;
                let colocated = |place: &SeenAt, most: usize| detect.colocated(config, place, most);
                let seen = diagnose::Observations {
                    alerts: detect.alerts(),
                    last_result: &looked,
                    colocated: &colocated,
                };
                self.diagnose.react(&self.config, now, &seen)
            };
            self.record(now, kinds, batch);
            let kinds = self.oncall.react(&self.config, now, self.diagnose.incidents());
            self.record(now, kinds, batch);
            let kinds = {
                let detect = &self.detect;
                let looked = |resource: &Resource| detect.last_result(resource);
                let facts = statuspage::Facts {
                    incidents: self.diagnose.incidents(),
                    alerts: detect.alerts(),
                    last_result: &looked,
                    isolated: detect.isolated().is_some(),
                };
                self.publisher.react(&self.config, now, &facts)
            };
            self.record(now, kinds, batch);
            if batch.len() == before {
                return;
            }
        }
    }

    fn adopt(&mut self, config: &Arc<Config>) -> Vec<EventKind> {
        self.config = config.clone();
        self.last_results.follow(config);
        self.configs += 1;
        if self.digest.as_ref() == Some(&config.digest) {
            Vec::new()
        } else {
            vec![EventKind::ConfigAdopted { digest: config.digest.clone() }]
        }
    }

    /// Acknowledging twice changes nothing; a second person takes over (P8). For a merged incident the remaining one is
    /// acknowledged. Acknowledging an ended incident is no error and changes nothing.
    fn acknowledge(&self, now: Time, id: IncidentId, by: &str, via: &str) -> Result<Vec<EventKind>, Refused> {
        let incident = self.survivor(self.incident(id)?);
        let id = incident.id;
        if !incident.is_open() {
            return Ok(Vec::new());
        }
        let holds = incident.acknowledged.as_ref().is_some_and(|ack| ack.by == by);
        if holds && incident.is_acknowledged(now) {
            return Ok(Vec::new());
        }
        Ok(vec![EventKind::IncidentAcknowledged {
            incident: id,
            by: by.to_owned(),
            via: via.to_owned(),
            until: types::time::later(now, ACKNOWLEDGED_FOR),
        }])
    }

    /// The incident itself, or the one that it was merged into.
    fn survivor<'a>(&'a self, mut incident: &'a Incident) -> &'a Incident {
        let incidents = self.diagnose.incidents();
        // At most as many steps as incidents, so that a cycle of merges would end.
        for _ in 0..incidents.len() {
            match incident.merged_into.and_then(|into| incidents.get(&into)) {
                Some(into) => incident = into,
                None => break,
            }
        }
        incident
    }

    fn incident(&self, id: IncidentId) -> Result<&Incident, Refused> {
        self.diagnose.incidents().get(&id).ok_or(Refused::NoSuchIncident(id))
    }

    fn open(&self, id: IncidentId) -> Result<&Incident, Refused> {
        let incident = self.incident(id)?;
        match (incident.merged_into, incident.resolved) {
            (Some(into), _) => Err(Refused::Merged(id, into)),
            (None, Some(_)) => Err(Refused::Over(id)),
            (None, None) => Ok(incident),
        }
    }
}
