//! Whom, then whom next: what an escalation says at an instant. Decides nothing about time passing; see `climb`.

use crate::schedule::on_call;
use jiff::civil;
use types::config::{Escalation, Person, Service, Step};
use types::incident::Diagnosis;
use types::notification::Reach;
use types::{Config, EscalationId, Kind, PersonId, ScheduleId, Time};

/// The escalation for an incident and the schedule that takes the place of the schedules on its first step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ways<'a> {
    pub(crate) escalation: &'a Escalation,
    pub(crate) schedule: Option<&'a ScheduleId>,
}

/// The escalation for a diagnosis: that of the first affected service by name, `default` when none is affected.
///
/// A service's own schedule takes the place of the schedules on the first step, and of nothing else: the people named there, and the
/// higher steps, are the escalation's.
pub(crate) fn ways<'a>(config: &'a Config, diagnosis: &Diagnosis) -> Option<Ways<'a>> {
    let service = first_affected(config, diagnosis);
    let wanted = service.map(|service| &service.escalation);
    let escalation = escalation(config, wanted)?;
    Some(Ways { escalation, schedule: service.and_then(|service| service.schedule.as_ref()) })
}

/// The same for a page that was opened by an escalation of its own: a changed diagnosis does not move it to another one.
pub(crate) fn ways_of_page<'a>(
    config: &'a Config,
    id: &EscalationId,
    diagnosis: Option<&Diagnosis>,
) -> Option<Ways<'a>> {
    let escalation = escalation(config, Some(id))?;
    let service = diagnosis.and_then(|diagnosis| first_affected(config, diagnosis));
    let schedule =
        service.filter(|service| service.escalation == *id).and_then(|service| service.schedule.as_ref());
    Some(Ways { escalation, schedule })
}

fn first_affected<'a>(config: &'a Config, diagnosis: &Diagnosis) -> Option<&'a Service> {
    diagnosis
        .affected
        .iter()
        .filter(|resource| resource.kind == Kind::Service)
        .find_map(|resource| config.services.get(&resource.name.as_str().into()))
}

/// An escalation by name, or `default`, or any: a page whose escalation a new configuration forgot must not fall silent.
fn escalation<'a>(config: &'a Config, wanted: Option<&EscalationId>) -> Option<&'a Escalation> {
    wanted
        .and_then(|id| config.escalations.get(id))
        .or_else(|| config.escalations.get(&"default".into()))
        .or_else(|| config.escalations.values().next())
}

impl Ways<'_> {
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.escalation.steps.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn step(&self, number: u32) -> Option<&Step> {
        self.escalation.steps.get(usize::try_from(number).ok()?)
    }

    /// Whoever is on a step at an instant and can be reached, schedules first, nobody twice.
    ///
    /// Where a step prefers people who are awake, the sleeping are on it only when all of them sleep.
    pub(crate) fn people(&self, config: &Config, number: u32, at: Time) -> Vec<PersonId> {
        let Some(step) = self.step(number) else { return Vec::new() };
        let mut people: Vec<&Person> = Vec::new();
        for person in self.named(config, step, number, at) {
            match config.people.get(&person) {
                Some(known)
                    if can_be_reached(config, known) && !people.iter().any(|other| other.id == person) =>
                {
                    people.push(known);
                }
                _ => {}
            }
        }
        if step.prefer_awake && people.iter().any(|person| is_awake(person, at)) {
            people.retain(|person| is_awake(person, at));
        }
        people.into_iter().map(|person| person.id.clone()).collect()
    }

    /// Whoever is on the first step that has anybody.
    pub(crate) fn first(&self, config: &Config, at: Time) -> Option<Vec<PersonId>> {
        (0..self.len()).map(|step| self.people(config, step, at)).find(|people| !people.is_empty())
    }

    /// The schedules that a step asks.
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

/// Which of a person's ways, or of an escalation's last resort, the configuration has a channel for.
pub(crate) fn usable(config: &Config, reach: &[Reach]) -> Vec<bool> {
    reach.iter().map(|reach| config.channels.contains_key(&reach.channel)).collect()
}

/// Whether any way to a person exists in the configuration.
pub(crate) fn can_be_reached(config: &Config, person: &Person) -> bool {
    person.contacts.iter().any(|reach| config.channels.contains_key(&reach.channel))
}

/// Whether a person is awake by their own clock. Someone who named no hours counts as awake.
fn is_awake(person: &Person, at: Time) -> bool {
    let Some((from, to)) = person.waking_hours else { return true };
    let clock: civil::Time = person.timezone.to_datetime(at).time();
    if from < to { from <= clock && clock < to } else { from <= clock || clock < to }
}

/// The first instant, not before `at`, at which a person is awake by their own clock.
pub(crate) fn awake_from(person: &Person, at: Time) -> Time {
    let Some((from, _)) = person.waking_hours.filter(|_| !is_awake(person, at)) else { return at };
    let today = person.timezone.to_datetime(at).date();
    // A morning that a clock skips begins when the clock goes on.
    let morning = |day: civil::Date| {
        Some(person.timezone.to_ambiguous_zoned(day.to_datetime(from)).compatible().ok()?.timestamp())
    };
    [Some(today), today.tomorrow().ok()]
        .into_iter()
        .flatten()
        .filter_map(morning)
        .find(|it| *it > at)
        .unwrap_or(at)
}
