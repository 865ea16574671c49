//! Whom, then whom next: what a ladder says at an instant. Decides nothing about time passing; see `climb`.

use crate::rota::on_call;
use jiff::civil;
use types::effect::Reach;
use types::incident::Diagnosis;
use types::plan::{Ladder, Person, Rung, Service};
use types::{Kind, LadderId, PersonId, Plan, RotaId, Time};

/// The ladder for an incident and the rota that takes the place of the rotas on its first rung.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ways<'a> {
    pub(crate) ladder: &'a Ladder,
    pub(crate) rota: Option<&'a RotaId>,
}

/// The ladder for a diagnosis: that of the first affected service by name, `default` when none is affected.
///
/// A service's own rota takes the place of the rotas on the first rung, and of nothing else: the people named there, and the
/// higher rungs, are the ladder's.
pub(crate) fn ways<'a>(plan: &'a Plan, diagnosis: &Diagnosis) -> Option<Ways<'a>> {
    let service = first_affected(plan, diagnosis);
    let wanted = service.map(|service| &service.ladder);
    let ladder = ladder(plan, wanted)?;
    Some(Ways { ladder, rota: service.and_then(|service| service.rota.as_ref()) })
}

/// The same for a page that was opened by a ladder of its own: a changed diagnosis does not move it to another one.
pub(crate) fn ways_of_page<'a>(
    plan: &'a Plan,
    id: &LadderId,
    diagnosis: Option<&Diagnosis>,
) -> Option<Ways<'a>> {
    let ladder = ladder(plan, Some(id))?;
    let service = diagnosis.and_then(|diagnosis| first_affected(plan, diagnosis));
    let rota = service.filter(|service| service.ladder == *id).and_then(|service| service.rota.as_ref());
    Some(Ways { ladder, rota })
}

fn first_affected<'a>(plan: &'a Plan, diagnosis: &Diagnosis) -> Option<&'a Service> {
    diagnosis
        .affected
        .iter()
        .filter(|thing| thing.kind == Kind::Service)
        .find_map(|thing| plan.services.get(&thing.name.as_str().into()))
}

/// A ladder by name, or `default`, or any: a page whose ladder a new plan forgot must not fall silent.
fn ladder<'a>(plan: &'a Plan, wanted: Option<&LadderId>) -> Option<&'a Ladder> {
    wanted
        .and_then(|id| plan.ladders.get(id))
        .or_else(|| plan.ladders.get(&"default".into()))
        .or_else(|| plan.ladders.values().next())
}

impl Ways<'_> {
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.ladder.rungs.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn rung(&self, number: u32) -> Option<&Rung> {
        self.ladder.rungs.get(usize::try_from(number).ok()?)
    }

    /// Whoever is on a rung at an instant and can be reached, rotas first, nobody twice.
    ///
    /// Where a rung prefers people who are awake, the sleeping are on it only when all of them sleep.
    pub(crate) fn people(&self, plan: &Plan, number: u32, at: Time) -> Vec<PersonId> {
        let Some(rung) = self.rung(number) else { return Vec::new() };
        let mut people: Vec<&Person> = Vec::new();
        for person in self.named(plan, rung, number, at) {
            match plan.people.get(&person) {
                Some(known)
                    if can_be_reached(plan, known) && !people.iter().any(|other| other.id == person) =>
                {
                    people.push(known);
                }
                _ => {}
            }
        }
        if rung.prefer_awake && people.iter().any(|person| is_awake(person, at)) {
            people.retain(|person| is_awake(person, at));
        }
        people.into_iter().map(|person| person.id.clone()).collect()
    }

    /// Whoever is on the first rung that has anybody.
    pub(crate) fn first(&self, plan: &Plan, at: Time) -> Option<Vec<PersonId>> {
        (0..self.len()).map(|rung| self.people(plan, rung, at)).find(|people| !people.is_empty())
    }

    /// The rotas that a rung asks.
    pub(crate) fn rotas<'a>(&'a self, rung: &'a Rung, number: u32) -> &'a [RotaId] {
        match self.rota {
            Some(rota) if number == 0 => std::slice::from_ref(rota),
            _ => &rung.rotas,
        }
    }

    fn named(&self, plan: &Plan, rung: &Rung, number: u32, at: Time) -> Vec<PersonId> {
        let rotas = self.rotas(rung, number).iter().filter_map(|id| plan.rotas.get(id));
        rotas.flat_map(|rota| on_call(rota, at)).chain(rung.people.iter().cloned()).collect()
    }
}

/// Which of a person's ways, or of a ladder's last resort, the plan has a channel for.
pub(crate) fn usable(plan: &Plan, reach: &[Reach]) -> Vec<bool> {
    reach.iter().map(|reach| plan.channels.contains_key(&reach.channel)).collect()
}

/// Whether any way to a person exists in the plan.
pub(crate) fn can_be_reached(plan: &Plan, person: &Person) -> bool {
    person.reach.iter().any(|reach| plan.channels.contains_key(&reach.channel))
}

/// Whether a person is awake by their own clock. Someone who named no hours counts as awake.
fn is_awake(person: &Person, at: Time) -> bool {
    let Some((from, to)) = person.awake else { return true };
    let clock: civil::Time = person.zone.to_datetime(at).time();
    if from < to { from <= clock && clock < to } else { from <= clock || clock < to }
}

/// The first instant, not before `at`, at which a person is awake by their own clock.
pub(crate) fn awake_from(person: &Person, at: Time) -> Time {
    let Some((from, _)) = person.awake.filter(|_| !is_awake(person, at)) else { return at };
    let today = person.zone.to_datetime(at).date();
    // A morning that a clock skips begins when the clock goes on.
    let morning = |day: civil::Date| {
        Some(person.zone.to_ambiguous_zoned(day.to_datetime(from)).compatible().ok()?.timestamp())
    };
    [Some(today), today.tomorrow().ok()]
        .into_iter()
        .flatten()
        .filter_map(morning)
        .find(|it| *it > at)
        .unwrap_or(at)
}
