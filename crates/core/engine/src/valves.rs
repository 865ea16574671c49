//! Valves: a fold of the journal, the checks of the command, and the steps of ramps.
//!
//! | module | holds |
//! |---|---|
//! | `health` | the health of a service, from roll-ups, and what is usual |
//! | `ramp` | when a ramp takes a step |

mod health;
mod ramp;

use health::{Flow, Health, Learned};
use ramp::{Ramp, Step};
use std::collections::BTreeMap;
use std::time::Duration;
use types::event::{Event, EventKind, Events};
use types::input::Refused;
use types::time::between;
use types::{Actor, Config, Context, Rollup, ServiceId, Time, Valve, ValveReason};

/// The edge reports once a second; roll-ups this far apart are not added up.
const GAP: Duration = Duration::from_secs(5);

/// The valves that are not fully open.
#[derive(Debug, Default)]
pub(crate) struct Valves {
    state: State,
    /// Number of changes, for the version of the policy.
    changes: u64,
    observed: BTreeMap<ServiceId, Observed>,
    last_rollup: Option<Time>,
}

#[derive(Debug, Default)]
struct State {
    not_open: BTreeMap<ServiceId, Valve>,
    last: u64,
}

/// What was observed of a service since boot.
#[derive(Debug, Default)]
struct Observed {
    flow: Flow,
    learned: Learned,
    ramp: Ramp,
    health: Option<Health>,
}

/// A position that a person asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    pub(crate) percent: u8,
    pub(crate) limited: bool,
    pub(crate) ramp: bool,
}

impl Valves {
    pub(crate) fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::ValveSet { valve, .. } => {
                self.state.last = self.state.last.max(valve.number);
                if valve.is_open() {
                    self.state.not_open.remove(&valve.service);
                } else {
                    self.state.not_open.insert(valve.service.clone(), valve.clone());
                }
                if let Some(observed) = self.observed.get_mut(&valve.service) {
                    (observed.ramp, observed.health) = (Ramp::default(), None);
                    observed.flow.clear();
                }
            }
            EventKind::ValveMoved { service, percent, .. } => {
                match self.state.not_open.get_mut(service) {
                    Some(valve) if *percent < 100 => {
                        (valve.percent, valve.changed) = (*percent, event.at);
                    }
                    _ => _ = self.state.not_open.remove(service),
                }
                // The figures of another position say nothing about this one.
                if let Some(observed) = self.observed.get_mut(service) {
                    observed.flow.clear();
                }
            }
            _ => return,
        }
        self.changes += 1;
    }

    pub(crate) fn not_open(&self) -> &BTreeMap<ServiceId, Valve> {
        &self.state.not_open
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Why the health of a service keeps its ramp from the next step, as of the last roll-up.
    pub(crate) fn obstacle(&self, service: &ServiceId) -> Option<&ValveReason> {
        match self.observed.get(service)?.health.as_ref()? {
            Health::Good => None,
            Health::Poor(why) | Health::Bad(why) => Some(why),
        }
    }

    /// Events of a command; none when the valve is as it should be.
    pub(crate) fn set(
        &self,
        config: &Config,
        now: Time,
        by: &Actor,
        service: &ServiceId,
        wanted: Position,
    ) -> Result<Events, Refused> {
        if config.edge.is_none() {
            return Err(Refused::NoEdge);
        }
        let traffic = config.traffic_of(service).ok_or_else(|| Refused::NoSuchService(service.clone()))?;
        if wanted.limited && wanted.ramp {
            return Err(Refused::LimitedRamp);
        }
        if wanted.limited && traffic.priority_paths.is_empty() {
            return Err(Refused::NoPriorityPaths(service.clone()));
        }
        let before = self.state.not_open.get(service);
        let percent = wanted.percent.min(100);
        let usual = || self.observed.get(service).and_then(|observed| observed.learned.usual());
        let valve = Valve {
            number: before.map_or(self.state.last + 1, |valve| valve.number),
            service: service.clone(),
            percent,
            limited: wanted.limited,
            ramp_from: (wanted.ramp && percent < 100).then_some(percent),
            since: before.map_or(now, |valve| valve.since),
            changed: now,
            by: by.id.clone(),
            usual: before.map_or_else(usual, |valve| valve.usual),
        };
        let is_same = match before {
            Some(before) => {
                (before.percent, before.limited, before.ramps())
                    == (valve.percent, valve.limited, valve.ramps())
            }
            None => valve.is_open(),
        };
        if is_same {
            return Ok(Events::new());
        }
        Ok(vec![EventKind::ValveSet { valve, by: by.clone() }])
    }

    /// The event that undoes a [`EventKind::ValveSet`] which is not applied yet.
    pub(crate) fn undo(&self, set: &Valve) -> EventKind {
        let open = || Valve { percent: 100, limited: false, ramp_from: None, ..set.clone() };
        let valve = self.state.not_open.get(&set.service).cloned().unwrap_or_else(open);
        EventKind::ValveSet { valve, by: Actor::mainstay() }
    }

    /// Opens the valves of services that the edge no longer serves.
    pub(crate) fn react(&self, context: &Context<'_>, events: &mut Events) {
        let gone = self.state.not_open.keys().filter(|service| context.config.traffic_of(service).is_none());
        events.extend(gone.map(|service| EventKind::ValveMoved {
            service: service.clone(),
            percent: 100,
            why: ValveReason::NotServed,
        }));
    }

    /// Judges the health of every service behind a valve, and adds the steps of ramps. Learns what is usual at the
    /// others.
    pub(crate) fn judge(&mut self, context: &Context<'_>, rollup: &Rollup, events: &mut Events) {
        let Context { config, now, .. } = *context;
        let gap = self.last_rollup.is_none_or(|last| between(last, now) > GAP);
        self.last_rollup = Some(now);
        self.observed.retain(|service, _| config.services.contains_key(service));
        for service in config.services.values() {
            let Some(traffic) = &service.traffic else { continue };
            let Some(seen) = rollup.services.get(&service.id) else { continue };
            let observed = self.observed.entry(service.id.clone()).or_default();
            if gap {
                // Missing data is no health.
                observed.flow.clear();
                observed.ramp.interrupt();
            }
            observed.flow.note(rollup.interval, seen);
            let pool = rollup.pools.get(&traffic.pool);
            let Some(valve) = self.state.not_open.get(&service.id) else {
                observed.health = None;
                observed.learned.learn(rollup.interval, seen, pool);
                continue;
            };
            let min_healthy = config.pools.get(&traffic.pool).and_then(|pool| pool.min_healthy);
            let health = health::judge(&observed.flow, pool, min_healthy, valve.usual);
            if let Some(lowest) = valve.ramp_from {
                match observed.ramp.observe(valve.percent, lowest, rollup.interval, &health) {
                    Step::Stay => {}
                    Step::To(percent, why) => {
                        let service = service.id.clone();
                        events.push(EventKind::ValveMoved { service, percent, why });
                    }
                }
            }
            observed.health = Some(health);
        }
    }

    pub(crate) fn state_text(&self) -> String {
        format!("{:#?}", self.state)
    }
}
