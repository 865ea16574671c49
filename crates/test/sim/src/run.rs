//! The loop in virtual time: what `mind.rs` does with sockets and threads, done here with a queue and a seed.

use crate::clocks::{self, Clocks, Shock, Shocks};
use crate::disk::{Disk, Mood};
use crate::invariants::{Broken, Observer};
use crate::phones::Phones;
use crate::traffic;
use crate::world::World;
use engine::Engine;
use engine::timekeeper::{self, News};
use fastrand::Rng;
use journal::PendingWrites;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use types::input::ClockChange;
use types::{
    Actor, Command, Config, Delivery, Event, IncidentId, Input, Notification, ProbeId, System, Time, Via,
    time,
};

/// How long a restart takes.
const RESTART: Duration = Duration::from_secs(5);
/// The loop turns at least this often, as the real one does.
const NAP: Duration = Duration::from_secs(2);
/// Turns in a row that may end with a deadline that has already passed. The real loop would spin on it.
const OVERDUE_TURNS_MAX: u32 = 64;
/// The configuration of the box.
pub const CONFIG: &str = include_str!("config.toml");

/// What a run is made of. Everything else follows from the seed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The seed.
    pub seed: u64,
    /// When the run begins.
    pub begin: Time,
    /// How long it lasts.
    pub length: Duration,
    /// What is truly so.
    pub world: World,
    /// How people and providers behave.
    pub phones: Phones,
    /// When the process is killed; it is back five seconds later.
    pub crashes: BTreeSet<Time>,
    /// What happens to the machine and its clock.
    pub shocks: Shocks,
    /// Whether the disk has bad moods.
    pub bad_disk: bool,
    /// The text of the configuration; [`CONFIG`] unless a run needs its own.
    pub config: Cow<'static, str>,
}

/// How a run went.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Answers to probes judged.
    pub samples: u64,
    /// Roll-ups of the edge judged.
    pub rollups: u64,
    /// Lines of the journal.
    pub events: u64,
    /// Incidents opened.
    pub incidents: u64,
    /// Pages opened.
    pub pages: u64,
    /// Messages handed to providers.
    pub messages: u64,
    /// Times the process was killed.
    pub crashes: u64,
    /// Steps of the clock that were confirmed.
    pub clock_sets: u64,
}

/// Everything that left the engine in a run.
#[derive(Clone, Debug)]
pub struct Record {
    /// The counts.
    pub report: Report,
    /// Messages handed to providers, with the true time of each.
    pub notifications: Vec<(Time, Notification)>,
    /// The journal.
    pub events: Vec<Event>,
}

impl Settings {
    /// A world that breaks by chance, people and providers of all sorts, crashes and a disk with moods.
    #[must_use]
    pub fn by_chance(seed: u64, hours: u64) -> Self {
        let mut chance = Rng::with_seed(seed);
        let begin = Time::UNIX_EPOCH;
        let begin = time::later(begin, Duration::from_secs(1_790_000_000 + seed % 1_000 * 86_400));
        let world = World::by_chance(begin, hours, &mut chance);
        let crash =
            |chance: &mut Rng| time::later(begin, Duration::from_millis(chance.u64(0..hours * 3_600_000)));
        Self {
            seed,
            begin,
            length: Duration::from_secs(hours * 3_600),
            crashes: (0..hours / 2).map(|_| crash(&mut chance)).collect(),
            phones: Phones {
                refused_percent: chance.u8(0..60),
                lost_percent: chance.u8(0..20),
                answered_percent: chance.u8(0..60),
            },
            bad_disk: chance.bool(),
            shocks: clocks::by_chance(begin, hours, &mut chance),
            config: Cow::Borrowed(CONFIG),
            world,
        }
    }

    /// Puts it in a box and runs it to its end.
    ///
    /// # Errors
    /// The first invariant that broke.
    pub fn run(self) -> Result<Report, Broken> {
        Ok(self.record()?.report)
    }

    /// Runs to the end and returns everything that was sent and written.
    ///
    /// # Errors
    /// The first invariant that broke.
    pub fn record(self) -> Result<Record, Broken> {
        let at = self.begin;
        Run::new(self).map_err(|problems| Broken { at, what: problems.to_string() })?.finish()
    }
}

impl Report {
    /// Adds another run.
    pub fn add(&mut self, other: &Self) {
        self.samples += other.samples;
        self.rollups += other.rollups;
        self.events += other.events;
        self.incidents += other.incidents;
        self.pages += other.pages;
        self.messages += other.messages;
        self.crashes += other.crashes;
        self.clock_sets += other.clock_sets;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { samples, rollups, events, incidents, pages, messages, crashes, clock_sets } = self;
        write!(
            f,
            "{samples} samples, {rollups} roll-ups, {events} events, {incidents} incidents, {pages} pages, {messages} messages, {crashes} crashes, {clock_sets} clocks set"
        )
    }
}

enum Occurrence {
    Delivery(Delivery),
    Answer(IncidentId),
    Disk(Mood),
}

/// A run under way.
pub struct Run {
    settings: Settings,
    config: Arc<Config>,
    engine: Engine,
    pending_writes: PendingWrites,
    disk: Disk,
    chance: Rng,
    /// True time. The engine gets what its clocks make of it.
    now: Time,
    clocks: Clocks,
    queue: BTreeMap<(Time, u64), Occurrence>,
    queued: u64,
    turns: BTreeSet<(Time, ProbeId)>,
    turn_of: BTreeMap<ProbeId, Time>,
    asked_sooner: BTreeMap<ProbeId, Time>,
    rolled_up: Option<Time>,
    /// Turns in a row after which the engine's next deadline had already passed.
    overdue_turns: u32,
    notifications: Vec<(Time, Notification)>,
    observer: Observer,
    report: Report,
}

impl Run {
    /// Puts a world in a box.
    ///
    /// # Errors
    /// When the configuration is not sound, which is a mistake of the simulation itself.
    pub fn new(settings: Settings) -> Result<Self, config::Problems> {
        let read = config::read(&settings.config, "config.toml", std::path::Path::new("."))?;
        let config = Arc::new(read.config);
        let disk = Disk::default();
        let mut run = Self {
            engine: Engine::new(config.clone()),
            pending_writes: PendingWrites::new(Box::new(disk.clone())),
            chance: Rng::with_seed(settings.seed),
            now: settings.begin,
            clocks: Clocks::new(settings.begin),
            queue: BTreeMap::new(),
            queued: 0,
            turns: BTreeSet::new(),
            turn_of: BTreeMap::new(),
            asked_sooner: BTreeMap::new(),
            rolled_up: None,
            observer: Observer::new(settings.phones.lost_percent > 0, settings.begin),
            overdue_turns: 0,
            notifications: Vec::new(),
            report: Report::default(),
            settings,
            config,
            disk,
        };
        if run.settings.bad_disk {
            run.config_moods();
        }
        Ok(run)
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// The first invariant that broke.
    pub fn finish(mut self) -> Result<Record, Broken> {
        let end = time::later(self.settings.begin, self.settings.length);
        self.boot(None)?;
        while self.now < end {
            let due = self.engine.next_deadline();
            self.note_overdue(due)?;
            let next_crash = self.settings.crashes.first().copied();
            let next_shock = self.settings.shocks.keys().next().copied();
            let next = [
                Some(time::later(self.now, NAP)),
                self.queue.keys().next().map(|(at, _)| *at),
                self.turns.first().map(|(at, _)| *at),
                due.map(|at| self.truly(at)),
                next_crash,
                next_shock,
            ];
            let next = next.into_iter().flatten().min().unwrap_or(end);
            self.now = next.max(time::later(self.now, Duration::from_millis(1)));
            if next_crash.is_some_and(|at| at <= self.now) {
                self.settings.crashes.pop_first();
                self.crash()?;
                continue;
            }
            if next_shock.is_some_and(|at| at <= self.now) {
                self.shock()?;
            }
            self.turn()?;
        }
        self.observer.at_the_end(&self.engine, &self.disk, &self.config, self.now)?;
        let events = self.disk.all();
        self.report.clock_sets = events.iter().filter(|event| is_set(event)).count() as u64;
        self.report.events = self.engine.seq();
        Ok(Record { report: self.report, notifications: self.notifications, events })
    }

    /// A deadline that passes and is not met would make the real loop spin.
    fn note_overdue(&mut self, due: Option<Time>) -> Result<(), Broken> {
        let engine_time = self.clocks.engine_time();
        let overdue = due.filter(|due| *due <= engine_time);
        self.overdue_turns = if overdue.is_some() { self.overdue_turns + 1 } else { 0 };
        match overdue {
            Some(next) if self.overdue_turns > OVERDUE_TURNS_MAX => {
                let what = format!("a deadline at {next} is not met, turn after turn, at {engine_time}");
                Err(Broken { at: self.now, what })
            }
            _ => Ok(()),
        }
    }

    /// Everything that happened by now: answers to probes, outcomes, people.
    fn turn(&mut self) -> Result<(), Broken> {
        self.tell_time()?;
        let mut inputs = Vec::new();
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= self.now) {
            match entry.remove() {
                Occurrence::Delivery(outcome) => inputs.push(outcome.into()),
                Occurrence::Answer(incident) => {
                    let actor = Actor::person("ana", Via::Link);
                    inputs.push(Input::Command { actor, command: Command::Acknowledge { incident } });
                }
                Occurrence::Disk(mood) => self.disk.set(mood),
            }
        }
        while let Some((at, id)) = self.turns.pop_first() {
            if at > self.now {
                self.turns.insert((at, id));
                break;
            }
            let Some(probe) = self.config.probes.get(&id) else { continue };
            inputs.push(self.settings.world.answer(&self.config, probe, self.now).into());
            self.report.samples += 1;
            self.set_turn(id, time::later(self.now, probe.interval));
        }
        if let Some(span) = traffic::due(self.rolled_up, self.now) {
            self.rolled_up = Some(self.now);
            if let Some(rollup) = self.settings.world.rollup(self.now, span) {
                inputs.push(rollup.into());
                self.report.rollups += 1;
            }
        }
        inputs.push(System::Tick.into());
        self.think(&inputs)
    }

    /// The true time of an instant to come of engine time.
    fn truly(&self, at: Time) -> Time {
        time::later(self.now, time::between(self.clocks.engine_time(), at))
    }

    /// Something happens to the machine.
    fn shock(&mut self) -> Result<(), Broken> {
        match self.settings.shocks.pop_first() {
            Some((_, Shock::WallOff(secs))) => self.clocks.set_wall(secs),
            Some((_, Shock::Sleep(span))) => {
                let since = self.clocks.engine_time();
                self.now = time::later(self.now, span);
                self.observer.slept(span);
                let set = self.tell_time()?;
                let since = set.map_or(since, |(from, to)| timekeeper::carried(since, from, to));
                self.think(&[System::Clock(ClockChange::Unmonitored { since }).into(), System::Tick.into()])?;
            }
            Some((_, Shock::Reboot)) => {
                let now = self.now;
                self.crash_with(|clocks| clocks.reboot(now))?;
            }
            None => {}
        }
        Ok(())
    }

    /// Reads the clocks and does what they ask for, as the loop does at each turn. Returns a step that was taken.
    fn tell_time(&mut self) -> Result<Option<(Time, Time)>, Broken> {
        let (from, news) = self.clocks.read(self.now);
        let jumped = |by_ms| -> Input { System::Clock(ClockChange::Jumped { by_ms }).into() };
        match news {
            Some(News::Jumped { by_ms }) => self.think(&[jumped(by_ms)])?,
            Some(News::Returned) => self.think(&[jumped(0)])?,
            Some(News::Confirmed { to }) => {
                let pending_writes = &self.pending_writes;
                let set = self.engine.set_clock(to, |after, limit| pending_writes.read(after, limit));
                let Ok((engine, event)) = set else { return Ok(None) };
                self.engine = engine;
                self.clocks.set(to);
                let _ = self.pending_writes.write(to, vec![event]);
                self.asked_sooner.clear();
                self.observer.clock_set(self.now);
                if self.pending_writes.refusal().is_none() {
                    self.observer.same_after_replay(&self.engine, &self.disk, &self.config, self.now)?;
                }
                self.observer.nothing_is_forgotten(&self.engine, self.now)?;
                let unmonitored_since = (from < to).then_some(from);
                self.think(&[
                    System::Booted { unmonitored_since }.into(),
                    System::Clock(self.clocks.anchor(self.now)).into(),
                ])?;
                return Ok(Some((from, to)));
            }
            None => {}
        }
        Ok(None)
    }

    fn think(&mut self, inputs: &[Input]) -> Result<(), Broken> {
        let now = self.clocks.engine_time();
        let mut events = Vec::new();
        for input in inputs {
            if let Input::Command { actor, command: command @ Command::Acknowledge { incident } } = input {
                self.answer(actor, command, *incident, &mut events)?;
            } else if let Ok(more) = self.engine.handle(now, input) {
                let _ = self.pending_writes.write(now, more.clone());
                events.extend(more);
            }
        }
        let _ = self.pending_writes.write(now, Vec::new());
        self.observer.saw(&events, self.now);
        for event in &events {
            match event.kind {
                types::EventKind::IncidentOpened { .. } => self.report.incidents += 1,
                types::EventKind::PageOpened { .. } => self.report.pages += 1,
                _ => {}
            }
        }
        let notifications = self.engine.due(now);
        for notification in &notifications {
            self.send(notification);
        }
        self.observer.sent(&notifications, self.now);
        self.notifications.extend(notifications.into_iter().map(|notification| (self.now, notification)));
        self.ask_sooner();
        self.observer.check(&self.engine, self.now)
    }

    /// A person answers: it counts when it is on disk, and changes nothing when it is not.
    fn answer(
        &mut self,
        actor: &Actor,
        command: &Command,
        incident: IncidentId,
        events: &mut Vec<Event>,
    ) -> Result<(), Broken> {
        let held =
            |engine: &Engine| engine.incidents().get(&incident).and_then(|found| found.acknowledged.clone());
        let before = held(&self.engine);
        let now = self.clocks.engine_time();
        let Ok(decided) = self.engine.decide(now, actor, command) else { return Ok(()) };
        let follows = match self.pending_writes.write_or_drop(now, &decided) {
            Ok(()) => {
                let follows = self.engine.accept(now, &decided);
                if !decided.is_empty() {
                    self.observer.accepted(&[incident], self.now);
                }
                events.extend(decided);
                follows
            }
            Err(refused) => {
                let follows = if refused.in_doubt {
                    let follows = self.engine.withdraw(now, &decided);
                    events.extend(decided);
                    follows
                } else {
                    Vec::new()
                };
                if held(&self.engine) != before {
                    let what = format!("an answer for {incident} was refused, and holds all the same");
                    return Err(Broken { at: self.now, what });
                }
                follows
            }
        };
        let _ = self.pending_writes.write(now, follows.clone());
        events.extend(follows);
        Ok(())
    }

    fn send(&mut self, notification: &Notification) {
        self.report.messages += 1;
        let fate = self.settings.phones.fate(notification, &mut self.chance);
        if let Some(after) = fate.outcome_after {
            self.put(after, Occurrence::Delivery(fate.outcome));
        }
        if let (Some(after), Some(incident)) = (fate.answered_after, notification.incident) {
            self.put(after, Occurrence::Answer(incident));
        }
    }

    fn ask_sooner(&mut self) {
        for (probe, at) in self.engine.probe_targets().sooner {
            // The scheduler answers an entry once; a lost answer is asked again because the entry's time moves on.
            if self.asked_sooner.get(&probe) == Some(&at) {
                continue;
            }
            let turn = self.turn_of.get(&probe).copied();
            let truly = self.truly(at);
            if turn.is_some_and(|turn| truly < turn) {
                self.asked_sooner.insert(probe.clone(), at);
                self.set_turn(probe, truly);
            }
        }
    }

    fn set_turn(&mut self, probe: ProbeId, at: Time) {
        if let Some(old) = self.turn_of.insert(probe.clone(), at) {
            self.turns.remove(&(old, probe.clone()));
        }
        self.turns.insert((at, probe));
    }

    fn put(&mut self, after: Duration, occurrence: Occurrence) {
        self.queued += 1;
        self.queue.insert((time::later(self.now, after), self.queued), occurrence);
    }

    /// The process dies: what was not on disk is forgotten, what was in flight is not heard of again.
    fn crash(&mut self) -> Result<(), Broken> {
        self.crash_with(|_| {})
    }

    /// As [`Run::crash`], and something happens to the machine meanwhile.
    fn crash_with(&mut self, meanwhile: impl FnOnce(&mut Clocks)) -> Result<(), Broken> {
        self.report.crashes += 1;
        let last = self.clocks.engine_time();
        let in_trouble = self.pending_writes.refusal().is_some();
        if !in_trouble {
            self.observer.same_after_replay(&self.engine, &self.disk, &self.config, self.now)?;
        }
        self.queue.retain(|_, occurrence| !matches!(occurrence, Occurrence::Delivery(_)));
        self.now = time::later(self.now, RESTART);
        self.pending_writes = PendingWrites::new(Box::new(self.disk.clone()));
        let pending_writes = &self.pending_writes;
        self.engine = Engine::fold(&self.config, |after, limit| pending_writes.read(after, limit))
            .map_err(|why| Broken { at: self.now, what: why.to_string() })?;
        meanwhile(&mut self.clocks);
        self.clocks.start(&self.engine, self.now);
        self.observer.crashed(self.now);
        // A disk that refuses events refuses samples too: the last event is the last sign of life then.
        let last =
            if in_trouble { self.engine.last().map_or(last, |on_disk| on_disk.min(last)) } else { last };
        self.boot(Some(last))
    }

    fn boot(&mut self, unmonitored_since: Option<Time>) -> Result<(), Broken> {
        self.turns.clear();
        self.turn_of.clear();
        self.asked_sooner.clear();
        let probes: Vec<ProbeId> = self.config.probes.keys().cloned().collect();
        for probe in probes {
            let after = Duration::from_millis(self.chance.u64(0..5_000));
            self.set_turn(probe, time::later(self.now, after));
        }
        let anchor = System::Clock(self.clocks.anchor(self.now));
        self.think(&[
            System::Booted { unmonitored_since }.into(),
            anchor.into(),
            System::Config(self.config.clone()).into(),
            System::Tick.into(),
        ])
    }

    fn config_moods(&mut self) {
        let length = self.settings.length.as_secs();
        let mut at = self.chance.u64(600..4_000);
        while at < length {
            let mood = if self.chance.bool() { Mood::Refusing } else { Mood::Forgetful };
            let lasts = self.chance.u64(5..240);
            self.put(Duration::from_secs(at), Occurrence::Disk(mood));
            self.put(Duration::from_secs(at + lasts), Occurrence::Disk(Mood::Well));
            at += lasts + self.chance.u64(600..7_000);
        }
    }
}

fn is_set(event: &types::Event) -> bool {
    matches!(event.kind, types::EventKind::ClockSet { .. })
}
