//! The route of an incident: its escalation, and the people on each step at an instant.

use super::availability::{has_usable_contact, is_awake};
use crate::schedule::on_call;
use types::config::{Escalation, Person, Service, Step};
use types::incident::Diagnosis;
use types::{Config, EscalationId, Kind, PersonId, ScheduleId, Time};

/// An escalation, and the schedule of the service, which replaces the schedules on the first step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route<'a> {
    pub(crate) escalation: &'a Escalation,
    pub(crate) schedule: Option<&'a ScheduleId>,
}

/// The route of a diagnosis: the escalation of the first affected service by name, `default` when no service is
/// affected.
///
/// The schedule of a service replaces only the schedules on the first step. The people named there and the later steps
/// are those of the escalation.
pub(crate) fn route<'a>(config: &'a Config, diagnosis: &Diagnosis) -> Option<Route<'a>> {
    let service = first_affected(config, diagnosis);
    let escalation = find(config, service.map(|service| &service.escalation))?;
    Some(Route { escalation, schedule: service.and_then(|service| service.schedule.as_ref()) })
}

/// The route of an open page. A page keeps its escalation when the diagnosis changes.
pub(crate) fn route_of_page<'a>(
    config: &'a Config,
    id: &EscalationId,
    diagnosis: Option<&Diagnosis>,
) -> Option<Route<'a>> {
    let escalation = find(config, Some(id))?;
    let service = diagnosis.and_then(|diagnosis| first_affected(config, diagnosis));
    let schedule =
        service.filter(|service| service.escalation == *id).and_then(|service| service.schedule.as_ref());
    Some(Route { escalation, schedule })
}

/// The people on the first step that has any, of the escalation of a service.
pub(crate) fn people_of(config: &Config, service: &Service, at: Time) -> Vec<PersonId> {
    let route = find(config, Some(&service.escalation))
        .map(|escalation| Route { escalation, schedule: service.schedule.as_ref() });
    route.and_then(|route| route.first_people(config, at)).unwrap_or_default()
}

fn first_affected<'a>(config: &'a Config, diagnosis: &Diagnosis) -> Option<&'a Service> {
    diagnosis
        .affected
        .iter()
        .filter(|resource| resource.kind == Kind::Service)
        .find_map(|resource| config.services.get(&resource.name.as_str().into()))
}

/// An escalation by name, else `default`, else the first one: a page whose escalation was removed from the
/// configuration must still be sent.
fn find<'a>(config: &'a Config, id: Option<&EscalationId>) -> Option<&'a Escalation> {
    id.and_then(|id| config.escalations.get(id))
        .or_else(|| config.escalations.get(&"default".into()))
        .or_else(|| config.escalations.values().next())
}

impl Route<'_> {
    /// Number of steps, without the fallback.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.escalation.steps.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn step(&self, number: u32) -> Option<&Step> {
        self.escalation.steps.get(usize::try_from(number).ok()?)
    }

    /// The people on a step at an instant who have a usable contact: those of the schedules first, each person once.
    ///
    /// If the step prefers people who are awake, sleeping people are included only when all of them sleep.
    pub(crate) fn people(&self, config: &Config, number: u32, at: Time) -> Vec<PersonId> {
        let Some(step) = self.step(number) else { return Vec::new() };
        let mut people: Vec<&Person> = Vec::new();
        for id in self.named(config, step, number, at) {
            match config.people.get(&id) {
                Some(person)
                    if has_usable_contact(config, person) && !people.iter().any(|other| other.id == id) =>
                {
                    people.push(person);
                }
                _ => {}
            }
        }
        if step.prefer_awake && people.iter().any(|person| is_awake(person, at)) {
            people.retain(|person| is_awake(person, at));
        }
        people.into_iter().map(|person| person.id.clone()).collect()
    }

    /// The people on the first step that has any.
    pub(crate) fn first_people(&self, config: &Config, at: Time) -> Option<Vec<PersonId>> {
        (0..self.len()).map(|step| self.people(config, step, at)).find(|people| !people.is_empty())
    }

    /// The schedules of a step.
    pub(crate) fn schedules<'a>(&'a self, step: &'a Step, number: u32) -> &'a [ScheduleId] {
        match self.schedule {
            Some(schedule) if number == 0 => std::slice::from_ref(schedule),
            _ => &step.schedules,
        }
    }

    fn named(&self, config: &Config, step: &Step, number: u32, at: Time) -> Vec<PersonId> {
        let schedules = self.schedules(step, number).iter().filter_map(|id| config.schedules.get(id));
        schedules.flat_map(|schedule| on_call(schedule, at)).chain(step.people.iter().cloned()).collect()
    }
}
