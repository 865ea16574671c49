//! Asks the thinkers in one order: handle, apply, due, next, and the views.
//!
//! ```text
//! Input --handle(now)--> [Event...] --append--> journal --follow--> apply (restart)
//!   ^                       | already applied here
//!   +--outcome-- courier <- due(): effects we owe      views: Status page + Now -> site, Rounds -> prober
//! ```
//!
//! Pure: time comes in as an argument. Replay applies facts and never decides again, so new rules cannot rewrite
//! history.
//!
//! | module | holds |
//! |---|---|
//! | [`views`] | the shapes of what touchers may know |
//! | `show` | how those views are made |
//! | `story` | each incident's story, line by line |
//! | `denials` | what the team denied, until it undoes itself |
//! | `looks` | how long the last look of each probe took |
//! | [`timekeeper`] | engine time, out of the wall clock and monotonic progress |
//! | `timeline` | the times of a journal whose clock was set |
//! | `clock` | what is known of the clock, and how a confirmed step is taken |
//! | `traffic` | the last quarter of an hour of traffic, for the page that shows it |

mod clock;
mod denials;
mod looks;
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

/// How long an acknowledgement holds without a note (P8).
pub const ACKNOWLEDGED_FOR: Duration = Duration::from_secs(30 * 60);

/// Rounds of asking within one batch. Thinkers that have not come to rest by then go on at the next input; more
/// would hide a circle.
const ROUNDS_MAX: usize = 16;

/// The mind of mainstay without its clock and its organs.
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
    looks: looks::Looks,
    clock_known: clock::Known,
    configs: u64,
    digest: Option<String>,
    seq: u64,
    clock: Time,
}

impl Engine {
    /// An engine that has seen nothing. Fold the journal into it with [`Engine::apply`] before the first input.
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
            looks: looks::Looks::default(),
            clock_known: clock::Known::default(),
            configs: 0,
            digest: None,
            seq: 0,
            clock: Time::MIN,
        }
    }

    /// Folds one line of the journal. Decides nothing. A whole journal is folded with [`Engine::fold`].
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
        self.stories.apply(event, &self.config.site.timezone);
        self.denials.apply(event);
        self.clock_known.apply(event);
    }

    /// Reacts to one input in one batch; the events are applied already and want to be appended.
    ///
    /// # Errors
    /// [`Refused`] when a person asked for something that cannot be; nothing happened then. Inputs of machines are
    /// never refused.
    pub fn handle(&mut self, now: Time, input: &Input) -> Result<Vec<Event>, Refused> {
        let now = self.clamp(now);
        let first = self.first(now, input)?;
        Ok(self.follow(now, first))
    }

    /// Judges one sample or roll-up without asking the other thinkers, which react at the next [`Engine::handle`]: samples that
    /// arrive together cost one reaction. Handles every other input in full.
    ///
    /// # Errors
    /// Those of [`Engine::handle`].
    pub fn hear(&mut self, now: Time, input: &Input) -> Result<Vec<Event>, Refused> {
        if !matches!(input, Input::Sampled(_) | Input::RolledUp(_)) {
            return self.handle(now, input);
        }
        let now = self.clamp(now);
        let first = self.first(now, input)?;
        let mut batch = Vec::new();
        self.record(now, first, &mut batch);
        Ok(batch)
    }

    /// What an input of a person would come to, numbered and stamped. Nothing has happened yet: write it down, and then
    /// [`Engine::accept`] it, so that nobody's word counts that is not on disk (P8).
    ///
    /// # Errors
    /// [`Refused`] when it cannot be.
    pub fn decide(&mut self, now: Time, input: &Input) -> Result<Vec<Event>, Refused> {
        let now = self.clamp(now);
        let first = self.first(now, input)?;
        let numbered = (self.seq + 1..).zip(first);
        Ok(numbered.map(|(seq, kind)| Event { seq, at: now, kind }).collect())
    }

    /// Applies what [`Engine::decide`] returned, now that it is on disk. Returns what follows from it, which wants to be
    /// appended.
    pub fn accept(&mut self, now: Time, decided: &[Event]) -> Vec<Event> {
        let now = self.clamp(now);
        decided.iter().for_each(|event| self.apply(event));
        self.follow(now, Vec::new())
    }

    /// Applies what [`Engine::decide`] returned and nobody knows to be on disk or not, and takes back at once what would
    /// silence or refuse somebody: its author was told that it was not taken in. Returns what wants to be appended behind it.
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

    /// What an input says by itself, before anybody reacts to it. Says it twice to nobody: inputs of people change nothing
    /// here.
    fn first(&mut self, now: Time, input: &Input) -> Result<Vec<EventKind>, Refused> {
        let first = match input {
            Input::Booted { blind_since } => vec![EventKind::Booted { blind_since: *blind_since }],
            Input::Clock(news) => self.clock_known.news(news),
            Input::ConfigRead(config) => self.adopt(config),
            Input::Sampled(sample) => {
                self.looks.note(&self.config, sample);
                self.detect.judge(&self.config, now, sample)
            }
            Input::RolledUp(rollup) => {
                self.shown.note(now, rollup);
                self.detect.roll_up(&self.config, now, rollup)
            }
            Input::Deny { what, service, lasting, by, everybody } => {
                self.denials.deny(&self.config, now, what, service.as_ref(), *lasting, by, *everybody)?
            }
            Input::Lift { denial, by } => self.denials.lift(*denial, by)?,
            Input::Tick => self.detect.tick(&self.config, now),
            Input::Attempted(outcome) => self.oncall.attempted(&self.config, now, outcome),
            Input::Acknowledge { incident, by, via } => self.acknowledge(now, *incident, by, via)?,
            Input::Note { incident, by, text } => {
                self.known(*incident)?;
                vec![EventKind::IncidentNoted { incident: *incident, by: by.clone(), text: text.clone() }]
            }
            Input::Update { incident, by, status, body } => {
                let incident = self.known(*incident)?;
                let looked = |resource: &Resource| self.detect.looked(resource);
                let facts = statuspage::Facts {
                    incidents: self.diagnose.incidents(),
                    alerts: self.detect.alerts(),
                    last_result: &looked,
                    isolated: self.detect.blind().is_some(),
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
                self.known(*incident)?;
                vec![self.publisher.approved(*incident, by.clone()).ok_or(Refused::NoDraft(*incident))?]
            }
            Input::Resolve { incident, by, force } => {
                let open = self.open(*incident)?;
                if let Some(what) = self.diagnose.still_failing(open).filter(|_| !force) {
                    return Err(Refused::StillFailing { incident: *incident, what });
                }
                let summary = format!("{by} says that it is over");
                vec![EventKind::IncidentResolved { incident: *incident, summary }]
            }
        };
        Ok(first)
    }

    /// Records what happened and everything that follows from it.
    fn follow(&mut self, now: Time, first: Vec<EventKind>) -> Vec<Event> {
        let mut batch = Vec::new();
        let adopts = first.iter().any(|kind| matches!(kind, EventKind::ConfigAdopted { .. }));
        self.record(now, first, &mut batch);
        if adopts {
            // What left the configuration is closed before anybody thinks by the new one: it would be the trouble of nobody's
            // service, and would wake for the instant until it is closed.
            let left = self.detect.tick(&self.config, now);
            self.record(now, left, &mut batch);
        }
        let lapsed = self.denials.lapse(now);
        self.record(now, lapsed, &mut batch);
        self.settle(now, &mut batch);
        batch
    }

    /// The effects owed at `now` and not in flight; they are in flight from here on, until their outcome comes back
    /// or is given up for lost.
    pub fn due(&mut self, now: Time) -> Vec<Notification> {
        let now = self.clamp(now);
        self.oncall.due(&self.config, now, self.diagnose.incidents())
    }

    /// When to send a tick if nothing else happens.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        let looked = |resource: &Resource| self.detect.looked(resource);
        let facts = statuspage::Facts {
            incidents: self.diagnose.incidents(),
            alerts: self.detect.alerts(),
            last_result: &looked,
            isolated: self.detect.blind().is_some(),
        };
        [
            self.detect.next(&self.config, self.clock),
            self.diagnose.next(&self.config, self.clock),
            self.oncall.next(&self.config, self.clock),
            self.publisher.next_deadline(&self.config, self.clock, &facts),
            self.denials.next(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The standing questions and those that are wanted sooner.
    #[must_use]
    pub fn rounds(&self) -> ProbeTargets {
        let looked = |resource: &Resource| self.detect.looked(resource);
        let beside = |place: &SeenAt, most: usize| self.detect.beside(&self.config, place, most);
        let seen = diagnose::Seen { alerts: self.detect.alerts(), looked: &looked, beside: &beside };
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

    /// The console's page of traffic alone: cheap enough to be made for every roll-up. `None` without an edge in the configuration.
    #[must_use]
    pub fn traffic(&self) -> Option<views::Traffic> {
        traffic::view(self)
    }

    /// What the edge is to serve by. Made anew each time: ask [`Engine::policy_version`] first.
    #[must_use]
    pub fn policy(&self) -> types::Policy {
        types::Policy { config: self.config.clone(), denials: self.denials.in_force().clone() }
    }

    /// Another number whenever [`Engine::policy`] may have changed since boot.
    #[must_use]
    pub fn policy_version(&self) -> u64 {
        self.configs + self.denials.changes()
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Number of the last event.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Everything folded from the journal, as text: equal for two folds of one journal. Nothing since boot is in it.
    #[must_use]
    pub fn known_text(&self) -> String {
        [
            self.detect.known_text(),
            self.diagnose.known_text(),
            self.oncall.known_text(),
            self.publisher.state_text(),
            self.denials.known_text(),
            self.clock_known.known_text(),
            format!("{} {:?}", self.seq, self.digest),
        ]
        .join("\n")
    }

    /// Incidents, open and lately ended.
    #[must_use]
    pub fn incidents(&self) -> &std::collections::BTreeMap<IncidentId, Incident> {
        self.diagnose.incidents()
    }

    /// Open alerts.
    #[must_use]
    pub fn alerts(&self) -> &std::collections::BTreeMap<types::AlertId, types::Alert> {
        self.detect.alerts()
    }

    /// How long a service was watched within the last days, the current one included.
    #[must_use]
    pub fn watched(&self, service: &types::ServiceId, days: u16) -> Duration {
        self.publisher.monitored(&self.config, service, days, self.clock)
    }

    /// When a thing was last looked at since boot, and how it was.
    #[must_use]
    pub fn looked(&self, resource: &Resource) -> Option<LastResult> {
        self.detect.looked(resource)
    }

    /// Pages, open and lately closed.
    #[must_use]
    pub fn pages(&self) -> &std::collections::BTreeMap<types::PageId, oncall::Page> {
        self.oncall.pages()
    }

    /// Time never runs backwards here, whatever a clock that was set does.
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

    /// Asks everybody, in one order, until nobody has anything to add.
    fn settle(&mut self, now: Time, batch: &mut Vec<Event>) {
        for _ in 0..ROUNDS_MAX {
            let before = batch.len();
            let kind = {
                let watch = &self.detect;
                let looked = |resource: &Resource| watch.looked(resource);
                let config = &self.config;
                let beside = |place: &SeenAt, most: usize| watch.beside(config, place, most);
                let seen = diagnose::Seen { alerts: watch.alerts(), looked: &looked, beside: &beside };
                self.diagnose.react(&self.config, now, &seen)
            };
            self.record(now, kind, batch);
            let kind = self.oncall.react(&self.config, now, self.diagnose.incidents());
            self.record(now, kind, batch);
            let kind = {
                let watch = &self.detect;
                let looked = |resource: &Resource| watch.looked(resource);
                let facts = statuspage::Facts {
                    incidents: self.diagnose.incidents(),
                    alerts: watch.alerts(),
                    last_result: &looked,
                    isolated: watch.blind().is_some(),
                };
                self.publisher.react(&self.config, now, &facts)
            };
            self.record(now, kind, batch);
            if batch.len() == before {
                return;
            }
        }
    }

    fn adopt(&mut self, config: &Arc<Config>) -> Vec<EventKind> {
        self.config = config.clone();
        self.looks.follow(config);
        self.configs += 1;
        if self.digest.as_ref() == Some(&config.digest) {
            Vec::new()
        } else {
            vec![EventKind::ConfigAdopted { digest: config.digest.clone() }]
        }
    }

    /// Saying twice that one has it in hand changes nothing; a second person takes it over (P8). What became part of
    /// another is taken in hand with that other; what is over needs nobody's hand, and that is no error of whoever was
    /// a second late.
    fn acknowledge(&self, now: Time, id: IncidentId, by: &str, via: &str) -> Result<Vec<EventKind>, Refused> {
        let incident = self.survivor(self.known(id)?);
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

    /// What an incident became: itself, or the one that it turned out to be part of.
    fn survivor<'a>(&'a self, mut incident: &'a Incident) -> &'a Incident {
        let incidents = self.diagnose.incidents();
        // As many steps as there are incidents: a circle of merges, which nobody writes, would end here too.
        for _ in 0..incidents.len() {
            match incident.merged_into.and_then(|into| incidents.get(&into)) {
                Some(into) => incident = into,
                None => break,
            }
        }
        incident
    }

    fn known(&self, id: IncidentId) -> Result<&Incident, Refused> {
        self.diagnose.incidents().get(&id).ok_or(Refused::NoSuchIncident(id))
    }

    fn open(&self, id: IncidentId) -> Result<&Incident, Refused> {
        let incident = self.known(id)?;
        match (incident.merged_into, incident.resolved) {
            (Some(into), _) => Err(Refused::Merged(id, into)),
            (None, Some(_)) => Err(Refused::Over(id)),
            (None, None) => Ok(incident),
        }
    }
}
