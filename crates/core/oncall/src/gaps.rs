//! Gaps: the hours in which an alert cannot reach any human. `mainstay check` rejects a configuration with gaps (P5).

use crate::escalation::{Route, has_usable_contact};
use crate::schedule::shifts;
use std::collections::{BTreeMap, BTreeSet};
use types::{Config, EscalationId, PersonId, ServiceId, Time};

/// A period in which all steps of an escalation are empty.
///
/// Fallback contacts do not fill it: no schedule says whether a human reads them at that hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The escalation.
    pub escalation: EscalationId,
    /// The service whose alerts reach no one; `None` for all alerts of this escalation.
    pub service: Option<ServiceId>,
    /// First instant.
    pub from: Time,
    /// First instant after it.
    pub to: Time,
    /// The reason.
    pub why: String,
}

/// The gaps from `from` until just before `to`, by escalation and service, in chronological order.
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
        let route = Route { escalation, schedule };
        let mut coverage = Coverage { config, from, to, schedules: &mut schedules };
        for (from, to) in coverage.gaps(&route) {
            gaps.push(Gap {
                escalation: id.clone(),
                service: service.clone(),
                from,
                to,
                why: why(config, &route),
            });
        }
    }
    gaps
}

/// Periods in which a reachable person is on call, by schedule. Each schedule is evaluated once.
struct Coverage<'a> {
    config: &'a Config,
    from: Time,
    to: Time,
    schedules: &'a mut BTreeMap<types::ScheduleId, Vec<(Time, Time)>>,
}

impl Coverage<'_> {
    fn gaps(&mut self, route: &Route<'_>) -> Vec<(Time, Time)> {
        let mut covered: Vec<(Time, Time)> = Vec::new();
        for (step, number) in route.escalation.steps.iter().zip(0..) {
            if step.people.iter().any(|person| reachable(self.config, person)) {
                return Vec::new();
            }
            for schedule in route.schedules(step, number) {
                covered.extend(self.of_schedule(schedule));
            }
        }
        covered.sort_unstable();
        let mut gaps = Vec::new();
        let mut at = self.from;
        for (from, to) in covered {
            if at < from {
                gaps.push((at, from));
            }
            at = at.max(to);
        }
        if at < self.to {
            gaps.push((at, self.to));
        }
        gaps
    }

    fn of_schedule(&mut self, id: &types::ScheduleId) -> Vec<(Time, Time)> {
        if let Some(covered) = self.schedules.get(id) {
            return covered.clone();
        }
        let all = self
            .config
            .schedules
            .get(id)
            .map(|schedule| shifts(schedule, self.from, self.to))
            .unwrap_or_default();
        let staffed =
            all.iter().filter(|shift| shift.people.iter().any(|person| reachable(self.config, person)));
        let covered: Vec<(Time, Time)> = staffed.map(|shift| (shift.from, shift.to)).collect();
        self.schedules.insert(id.clone(), covered.clone());
        covered
    }
}

fn reachable(config: &Config, person: &PersonId) -> bool {
    config.people.get(person).is_some_and(|person| has_usable_contact(config, person))
}

fn why(config: &Config, route: &Route<'_>) -> String {
    let schedules: BTreeSet<&str> = route
        .escalation
        .steps
        .iter()
        .zip(0..)
        .flat_map(|(step, number)| route.schedules(step, number))
        .map(|schedule| schedule.0.as_str())
        .collect();
    let named: BTreeSet<&PersonId> = route.escalation.steps.iter().flat_map(|step| &step.people).collect();
    let mut parts = Vec::new();
    if !schedules.is_empty() {
        let list: Vec<&str> = schedules.iter().copied().collect();
        parts.push(format!("no reachable person is on call in {}", list.join(", ")));
    }
    let without: Vec<&str> = named
        .into_iter()
        .filter(|person| !reachable(config, person))
        .map(|person| person.0.as_str())
        .collect();
    if !without.is_empty() {
        parts.push(format!("no usable contact for {}", without.join(", ")));
    }
    if parts.is_empty() {
        "the escalation has no schedules and no people".to_owned()
    } else {
        parts.join(", and ")
    }
}
