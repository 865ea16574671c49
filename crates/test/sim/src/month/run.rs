//! The engine in virtual time.

use super::calendar::{Calendar, DAY, Report, SERVERS};
use super::samples::Samples;
use super::world::World;
use super::{Month, Outcome};
use engine::Engine;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use types::change::{ChangeKind, NewChange};
use types::effect::Verdict;
use types::event::ServiceState;
use types::maintenance::NewMaintenance;
use types::notification::Delivered;
use types::{
    Actor, Command, Config, Delivery, Effect, Event, EventKind, Input, Observation, ProbeId, Resource,
    System, Time, Urgency, Via, time,
};

const CONFIG: &str = include_str!("config.toml");
/// Midnight before a Sunday.
const BEGIN: &str = "2026-11-01T00:00:00Z";
/// Interval at which effects are measured.
const MEASURE_EVERY: u64 = 5;
/// Time after a bad answer in which early probes are asked for.
const SOONER_FOR: u64 = 300;

/// A month under way.
pub(super) struct Run {
    engine: Engine,
    config: Arc<Config>,
    world: World,
    samples: Samples,
    reports: Vec<(u64, Report)>,
    turns: BTreeSet<(u64, ProbeId)>,
    turn_of: BTreeMap<ProbeId, u64>,
    asked: BTreeMap<ProbeId, Time>,
    bad_at: Option<u64>,
    begin: Time,
    /// Seconds since the beginning of the month.
    at: u64,
    end: u64,
    outcome: Outcome,
}

fn config(servers: usize, replicas: usize) -> Result<Arc<Config>, config::Problems> {
    let list = |items: Vec<String>| items.join(", ");
    let servers = list((1..=servers).map(|number| format!("\"10.0.0.{number}:80\"")).collect());
    let replicas = list((1..=replicas).map(|number| format!("\"env:REPLICA_{number}_URL\"")).collect());
    let text = CONFIG.replace("SERVERS", &servers).replace("REPLICAS", &replicas);
    Ok(Arc::new(config::read(&text, "config.toml", Path::new("."))?.config))
}

impl Run {
    pub(super) fn new(month: &Month) -> Result<Self, config::Problems> {
        let calendar = Calendar::of(month);
        let at = month.days.start * DAY;
        let config = config(calendar.servers(at), calendar.replicas(at))?;
        let mut reports = calendar.reports();
        reports.retain(|(when, _)| *when >= at);
        reports.reverse();
        Ok(Self {
            engine: Engine::new(Arc::clone(&config)),
            config,
            world: World::new(calendar, month.seed),
            samples: Samples::default(),
            reports,
            turns: BTreeSet::new(),
            turn_of: BTreeMap::new(),
            asked: BTreeMap::new(),
            bad_at: None,
            begin: BEGIN.parse().unwrap_or(Time::UNIX_EPOCH),
            at,
            end: month.days.end * DAY,
            outcome: Outcome::default(),
        })
    }

    pub(super) fn finish(mut self) -> Result<Outcome, config::Problems> {
        self.input(&System::Booted { unmonitored_since: None }.into());
        self.reload()?;
        while self.at < self.end {
            self.at += 1;
            self.world.pass(self.at);
            while let Some((_, report)) = self.reports.pop_if(|(when, _)| *when <= self.at) {
                self.report(report)?;
            }
            self.probes();
            let rollup = self.world.rollup(self.at);
            self.samples.add_traffic(self.now(), &rollup);
            self.outcome.judged += 1;
            self.input(&rollup.into());
            self.notifications();
            if self.at.is_multiple_of(MEASURE_EVERY) {
                self.measure();
            }
        }
        let incidents = self.engine.incidents().values();
        self.outcome.incidents =
            incidents.map(|it| format!("{}: {}", it.since, it.diagnosis.summary)).collect();
        Ok(self.outcome)
    }

    fn now(&self) -> Time {
        time::later(self.begin, Duration::from_secs(self.at))
    }

    fn input(&mut self, input: &Input) {
        let now = self.now();
        // Refused commands are part of the ordinary: a note without an incident.
        if let Ok(events) = self.engine.handle(now, input) {
            events.iter().for_each(|event| self.saw(event));
        }
    }

    fn saw(&mut self, event: &Event) {
        let at = event.at;
        let outcome = &mut self.outcome;
        match &event.kind {
            EventKind::UpdatePublished { title, body, .. } => {
                outcome.public.insert(format!("{at}: {title}: {body}"));
            }
            EventKind::ServiceStateChanged { service, state: ServiceState::UnderMaintenance } => {
                outcome.announced.insert(format!("{at}: {}", service.0));
            }
            EventKind::ServiceStateChanged { service, state } if *state > ServiceState::Unknown => {
                outcome.public.insert(format!("{at}: {} is {state:?}", service.0));
            }
            EventKind::EffectJudged { of, effect } => self.claimed(&of.to_string(), effect),
            EventKind::AlertOpened { alert } => {
                *outcome.alerts.entry(format!("{} {}", alert.about, alert.fault.as_str())).or_default() += 1;
            }
            EventKind::ChangeRecorded { .. } => outcome.changes += 1,
            _ => {}
        }
    }

    fn claimed(&mut self, of: &str, effect: &Effect) {
        if matches!(effect.verdict, Verdict::Helped | Verdict::MadeItWorse) {
            self.outcome.effects.insert(format!("{of}: {effect}"));
        }
    }

    fn report(&mut self, report: Report) -> Result<(), config::Problems> {
        let command = match report {
            Report::Reload => return self.reload(),
            Report::Change { title, key, is_end } => {
                let kind = ChangeKind::of_title(&title);
                let services = BTreeSet::from(["api".into()]);
                let change = NewChange { title, kind, services, key, is_end, ..NewChange::default() };
                Command::RecordChange { change }
            }
            Report::Maintenance => {
                let planned = &self.world.calendar.maintenance;
                Command::AddMaintenance {
                    maintenance: NewMaintenance {
                        title: "Change of the database server".to_owned(),
                        text: None,
                        services: BTreeSet::new(),
                        resources: BTreeSet::from([Resource::database("main")]),
                        from: Some(time::later(self.begin, Duration::from_secs(planned.start))),
                        lasting: Duration::from_secs(planned.end - planned.start),
                    },
                }
            }
            Report::Note(text) => {
                let Some(incident) = self.engine.incidents().keys().next_back().copied() else {
                    return Ok(());
                };
                Command::Note { incident, text: text.to_owned() }
            }
        };
        self.input(&Input::Command { actor: Actor::person("ana", Via::Api), command });
        Ok(())
    }

    fn reload(&mut self) -> Result<(), config::Problems> {
        let calendar = &self.world.calendar;
        self.config = config(calendar.servers(self.at), calendar.replicas(self.at))?;
        self.input(&System::Config(Arc::clone(&self.config)).into());
        for (number, probe) in Arc::clone(&self.config).probes.keys().enumerate() {
            if !self.turn_of.contains_key(probe) {
                self.turn(probe.clone(), self.at + 1 + number as u64 % SERVERS as u64);
            }
        }
        Ok(())
    }

    fn turn(&mut self, probe: ProbeId, at: u64) {
        if let Some(old) = self.turn_of.insert(probe.clone(), at) {
            self.turns.remove(&(old, probe.clone()));
        }
        self.turns.insert((at, probe));
    }

    fn probes(&mut self) {
        while let Some((_, id)) = self.turns.first().filter(|(at, _)| *at <= self.at).cloned() {
            let Some(probe) = self.config.probes.get(&id).cloned() else {
                self.turns.pop_first();
                continue;
            };
            let result = self.world.answer(&self.config, &probe, self.at, self.now());
            self.input(&result.clone().into());
            let is_healthy = self.engine.is_healthy(&id);
            if !is_healthy || matches!(result.answer, types::Answer::Failed(_)) {
                self.bad_at = Some(self.at);
            }
            self.samples.add_result(self.now(), &result, is_healthy);
            self.outcome.judged += 1;
            self.turn(id, self.at + probe.interval.as_secs().max(1));
        }
        if self.bad_at.is_some_and(|bad| self.at - bad < SOONER_FOR) {
            for (probe, wanted) in self.engine.probe_targets().sooner {
                let at = time::between(self.begin, wanted).as_secs().max(self.at + 1);
                let is_sooner = self.turn_of.get(&probe).is_some_and(|turn| at < *turn);
                if is_sooner && self.asked.insert(probe.clone(), wanted) != Some(wanted) {
                    self.turn(probe, at);
                }
            }
        }
    }

    fn notifications(&mut self) {
        let now = self.now();
        for notification in self.engine.due(now) {
            if notification.urgency == Urgency::Page {
                self.outcome.pages.push(format!("{now}: {}", notification.title));
            }
            let result = Ok(Delivered { receipt: None });
            self.input(&Delivery { key: notification.key, result }.into());
        }
    }

    /// Measures effects, as the product does.
    fn measure(&mut self) {
        let now = self.now();
        for task in self.engine.effect_tasks() {
            let judged = task.judge(now, &self.samples.of(&task, now));
            for of in judged.of {
                self.claimed(&of.to_string(), &judged.effect);
                let (effect, is_final) = (judged.effect.clone(), judged.is_final);
                self.input(&Observation::Effect { of, effect, is_final }.into());
            }
        }
    }
}
