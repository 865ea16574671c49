//! The hours in which an alert can reach no human: what `mainstay check` refuses a configuration for (P5).

use crate::escalation::{Ways, can_be_reached};
use crate::schedule::shifts;
use std::collections::{BTreeMap, BTreeSet};
use types::{Config, EscalationId, PersonId, ServiceId, Time};

/// A stretch of time in which every step of an escalation is empty.
///
/// The last resort does not fill it: it is a number, and whether a human stands behind it at that hour no schedule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The escalation.
    pub escalation: EscalationId,
    /// The service whose alerts reach nobody; `None` for every alert that goes by this escalation.
    pub service: Option<ServiceId>,
    /// First instant.
    pub from: Time,
    /// First instant after it.
    pub to: Time,
    /// Why, in a sentence.
    pub why: String,
}

/// The gaps from `from` until just before `to`, by escalation and service, in order of time.
#[must_use]
pub fn gaps(config: &Config, from: Time, to: Time) -> Vec<Gap> {
    let mut used: BTreeSet<(EscalationId, Option<ServiceId>)> = BTreeSet::new();
    used.insert(("default".into(), None));
    for service in config.services.values() {
        used.insert((service.escalation.clone(), service.schedule.as_ref().map(|_| service.id.clone())));
    }
    let mut schedules = BTreeMap::new();
    let mut gaps = Vec::new();
    for (id, service) in used {
        let Some(escalation) = config.escalations.get(&id) else { continue };
        let schedule = service.as_ref().and_then(|service| config.services.get(service)?.schedule.as_ref());
        let ways = Ways { escalation, schedule };
        let mut covered = Covered { config, from, to, schedules: &mut schedules };
        for (from, to) in covered.holes(&ways) {
            gaps.push(Gap {
                escalation: id.clone(),
                service: service.clone(),
                from,
                to,
                why: why(config, &ways),
            });
        }
    }
    gaps
}

/// Hours in which somebody who can be reached is on call, by schedule; each schedule is looked at once.
struct Covered<'a> {
    config: &'a Config,
    from: Time,
    to: Time,
    schedules: &'a mut BTreeMap<types::ScheduleId, Vec<(Time, Time)>>,
}

impl Covered<'_> {
    fn holes(&mut self, ways: &Ways<'_>) -> Vec<(Time, Time)> {
        let mut spans: Vec<(Time, Time)> = Vec::new();
        for (step, number) in ways.escalation.steps.iter().zip(0..) {
            if step.people.iter().any(|person| reachable(self.config, person)) {
                return Vec::new();
            }
            for schedule in ways.schedules(step, number) {
                spans.extend(self.of_schedule(schedule));
            }
        }
        spans.sort_unstable();
        let mut holes = Vec::new();
        let mut at = self.from;
        for (from, to) in spans {
            if at < from {
                holes.push((at, from));
            }
            at = at.max(to);
        }
        if at < self.to {
            holes.push((at, self.to));
        }
        holes
    }

    fn of_schedule(&mut self, id: &types::ScheduleId) -> Vec<(Time, Time)> {
        if let Some(known) = self.schedules.get(id) {
            return known.clone();
        }
        let all = self
            .config
            .schedules
            .get(id)
            .map(|schedule| shifts(schedule, self.from, self.to))
            .unwrap_or_default();
        let somebody =
            all.iter().filter(|shift| shift.people.iter().any(|person| reachable(self.config, person)));
        let spans: Vec<(Time, Time)> = somebody.map(|shift| (shift.from, shift.to)).collect();
        self.schedules.insert(id.clone(), spans.clone());
        spans
    }
}

fn reachable(config: &Config, person: &PersonId) -> bool {
    config.people.get(person).is_some_and(|person| can_be_reached(config, person))
}

fn why(config: &Config, ways: &Ways<'_>) -> String {
    let schedules: BTreeSet<&str> = ways
        .escalation
        .steps
        .iter()
        .zip(0..)
        .flat_map(|(step, number)| ways.schedules(step, number))
        .map(|schedule| schedule.0.as_str())
        .collect();
    let named: BTreeSet<&PersonId> = ways.escalation.steps.iter().flat_map(|step| &step.people).collect();
    let mut parts = Vec::new();
    if !schedules.is_empty() {
        let list: Vec<&str> = schedules.iter().copied().collect();
        parts.push(format!("nobody who can be reached is on call in {}", list.join(", ")));
    }
    let without: Vec<&str> = named
        .into_iter()
        .filter(|person| !reachable(config, person))
        .map(|person| person.0.as_str())
        .collect();
    if !without.is_empty() {
        parts.push(format!("no channel leads to {}", without.join(", ")));
    }
    if parts.is_empty() { "the escalation names nobody".to_owned() } else { parts.join(", and ") }
}
