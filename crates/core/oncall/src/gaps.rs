//! The hours in which a finding can reach no human: what `mainstay check` refuses a plan for (P5).

use crate::ladder::{Ways, can_be_reached};
use crate::rota::shifts;
use types::{LadderId, PersonId, Plan, ServiceId, Time};
use std::collections::{BTreeMap, BTreeSet};

/// A stretch of time in which every rung of a ladder is empty.
///
/// The last resort does not fill it: it is a number, and whether a human stands behind it at that hour no rota says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The ladder.
    pub ladder: LadderId,
    /// The service whose findings reach nobody; `None` for every finding that goes by this ladder.
    pub service: Option<ServiceId>,
    /// First instant.
    pub from: Time,
    /// First instant after it.
    pub to: Time,
    /// Why, in a sentence.
    pub why: String,
}

/// The gaps from `from` until just before `to`, by ladder and service, in order of time.
#[must_use]
pub fn gaps(plan: &Plan, from: Time, to: Time) -> Vec<Gap> {
    let mut used: BTreeSet<(LadderId, Option<ServiceId>)> = BTreeSet::new();
    used.insert(("default".into(), None));
    for service in plan.services.values() {
        used.insert((service.ladder.clone(), service.rota.as_ref().map(|_| service.id.clone())));
    }
    let mut rotas = BTreeMap::new();
    let mut gaps = Vec::new();
    for (id, service) in used {
        let Some(ladder) = plan.ladders.get(&id) else { continue };
        let rota = service.as_ref().and_then(|service| plan.services.get(service)?.rota.as_ref());
        let ways = Ways { ladder, rota };
        let mut covered = Covered { plan, from, to, rotas: &mut rotas };
        for (from, to) in covered.holes(&ways) {
            gaps.push(Gap { ladder: id.clone(), service: service.clone(), from, to, why: why(plan, &ways) });
        }
    }
    gaps
}

/// Hours in which somebody who can be reached is on call, by rota; each rota is looked at once.
struct Covered<'a> {
    plan: &'a Plan,
    from: Time,
    to: Time,
    rotas: &'a mut BTreeMap<types::RotaId, Vec<(Time, Time)>>,
}

impl Covered<'_> {
    fn holes(&mut self, ways: &Ways<'_>) -> Vec<(Time, Time)> {
        let mut spans: Vec<(Time, Time)> = Vec::new();
        for (rung, number) in ways.ladder.rungs.iter().zip(0..) {
            if rung.people.iter().any(|person| reachable(self.plan, person)) {
                return Vec::new();
            }
            for rota in ways.rotas(rung, number) {
                spans.extend(self.of_rota(rota));
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

    fn of_rota(&mut self, id: &types::RotaId) -> Vec<(Time, Time)> {
        if let Some(known) = self.rotas.get(id) {
            return known.clone();
        }
        let all = self.plan.rotas.get(id).map(|rota| shifts(rota, self.from, self.to)).unwrap_or_default();
        let somebody =
            all.iter().filter(|shift| shift.people.iter().any(|person| reachable(self.plan, person)));
        let spans: Vec<(Time, Time)> = somebody.map(|shift| (shift.from, shift.to)).collect();
        self.rotas.insert(id.clone(), spans.clone());
        spans
    }
}

fn reachable(plan: &Plan, person: &PersonId) -> bool {
    plan.people.get(person).is_some_and(|person| can_be_reached(plan, person))
}

fn why(plan: &Plan, ways: &Ways<'_>) -> String {
    let rotas: BTreeSet<&str> = ways
        .ladder
        .rungs
        .iter()
        .zip(0..)
        .flat_map(|(rung, number)| ways.rotas(rung, number))
        .map(|rota| rota.0.as_str())
        .collect();
    let named: BTreeSet<&PersonId> = ways.ladder.rungs.iter().flat_map(|rung| &rung.people).collect();
    let mut parts = Vec::new();
    if !rotas.is_empty() {
        let list: Vec<&str> = rotas.iter().copied().collect();
        parts.push(format!("nobody who can be reached is on call in {}", list.join(", ")));
    }
    let without: Vec<&str> =
        named.into_iter().filter(|person| !reachable(plan, person)).map(|person| person.0.as_str()).collect();
    if !without.is_empty() {
        parts.push(format!("no channel leads to {}", without.join(", ")));
    }
    if parts.is_empty() { "the ladder names nobody".to_owned() } else { parts.join(", and ") }
}
