//! Makes the views out of what the thinkers know.

use crate::Engine;
use crate::views::{
    Attempts, DomainRow, Edge, Node, NodeState, Now, OnCall, OpenIncident, ServiceRow, Unreached, Views,
};
use types::event::ServiceState;
use types::{Finding, Incident, Kind, Plan, Thing, Time, Weight};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Past incidents shown to the team.
const PAST_MAX: usize = 100;
/// A registration that was not confirmed for so long is `stale`: the daily look-up failed three times.
const FRESH_FOR: Duration = Duration::from_secs(3 * 86_400);
/// How far ahead the end of a shift is looked for.
const SHIFT_AHEAD: Duration = Duration::from_secs(60 * 86_400);

pub(crate) fn views(engine: &Engine) -> Views {
    let looked = |thing: &Thing| engine.watch.looked(thing);
    let facts = statuspage::Facts {
        incidents: engine.diagnose.incidents(),
        findings: engine.watch.findings(),
        looked: &looked,
        blind: engine.watch.blind().is_some(),
    };
    let board = engine.tell.board(&engine.plan, engine.clock, &facts);
    let now = Now {
        at: engine.clock,
        open: open_incidents(engine),
        past: past_incidents(engine),
        findings: findings(engine),
        on_call: on_call(&engine.plan, engine.clock),
        services: services(engine),
        nodes: nodes(engine),
        edges: edges(engine),
        domains: domains(engine),
        looks: engine.looks.rows(&engine.plan),
        blind: engine.watch.blind().map(str::to_owned),
        house: engine
            .clock_known
            .said(engine.clock)
            .into_iter()
            .chain(unreached(engine).iter().map(nobody_heard))
            .collect(),
        unreached: unreached(engine),
        attempts: attempts(engine),
        late_p99: None,
        visitors_read: board.headline.clone(),
        drafts: engine.tell.drafts().collect(),
        zone: board.zone.clone(),
    };
    Views { seq: engine.seq, board, now, traffic: crate::traffic::view(engine) }
}

fn open_incidents(engine: &Engine) -> Vec<OpenIncident> {
    let now = engine.clock;
    let open = engine.diagnose.incidents().values().filter(|incident| incident.is_open());
    open.map(|incident| {
        let story = engine.stories.of(incident.id);
        let waiting = types::time::between(incident.opened, now);
        OpenIncident {
            unacknowledged_for: (!incident.is_in_hand(now)).then_some(waiting),
            paging: story.map(|story| story.paging.clone()).unwrap_or_default(),
            timeline: story.map(|story| story.timeline.clone()).unwrap_or_default(),
            incident: incident.clone(),
        }
    })
    .collect()
}

fn unreached(engine: &Engine) -> Vec<Unreached> {
    let row = |page: &oncall::Page| Unreached {
        incident: page.incident,
        since: page.due,
        why: page.failed.as_ref().map(|(_, why)| why.clone()),
    };
    engine.wake.unreached().map(row).collect()
}

fn nobody_heard(row: &Unreached) -> String {
    let since = row.since.strftime("%H:%M UTC");
    let why = row.why.as_deref().unwrap_or("nobody is on call");
    format!("nobody could be reached about {} since {since} ({why})", row.incident)
}

fn attempts(engine: &Engine) -> Vec<Attempts> {
    let mut rows: BTreeMap<&str, Attempts> = BTreeMap::new();
    for ((channel, accepted), count) in engine.wake.attempts() {
        let fresh = || Attempts { channel: channel.0.clone(), accepted: 0, failed: 0 };
        let row = rows.entry(channel.0.as_str()).or_insert_with(fresh);
        *(if *accepted { &mut row.accepted } else { &mut row.failed }) += count;
    }
    rows.into_values().collect()
}

fn past_incidents(engine: &Engine) -> Vec<Incident> {
    let ended = engine.diagnose.incidents().values().rev().filter(|incident| !incident.is_open());
    ended.filter(|incident| incident.merged_into.is_none()).take(PAST_MAX).cloned().collect()
}

fn findings(engine: &Engine) -> Vec<Finding> {
    let mut all: Vec<Finding> = engine.watch.findings().values().cloned().collect();
    all.sort_by_key(|finding| (std::cmp::Reverse(finding.weight), finding.since));
    all
}

fn on_call(plan: &Plan, now: Time) -> Vec<OnCall> {
    let on = |rota: &types::plan::Rota| {
        let people = oncall::rota::on_call(rota, now);
        let shifts = oncall::rota::shifts(rota, now, types::time::later(now, SHIFT_AHEAD));
        let named = people.into_iter().map(|id| {
            let name = plan.people.get(&id).map_or_else(|| id.0.clone(), |person| person.name.clone());
            (id, name)
        });
        OnCall {
            rota: rota.id.0.clone(),
            people: named.collect(),
            until: shifts.first().map(|shift| shift.to).filter(|_| shifts.len() > 1),
        }
    };
    plan.rotas.values().map(on).collect()
}

fn services(engine: &Engine) -> Vec<ServiceRow> {
    let uptimes: BTreeMap<_, _> = engine.tell.uptimes(&engine.plan, engine.clock).collect();
    // The oldest incident that affects a service is its reason.
    let mut reasons: BTreeMap<&Thing, &Incident> = BTreeMap::new();
    for incident in open(engine) {
        for thing in &incident.diagnosis.affected {
            reasons.entry(thing).or_insert(incident);
        }
    }
    let mut rows: Vec<ServiceRow> = engine
        .plan
        .services
        .values()
        .map(|service| {
            let (state, since) = engine.tell.state(&service.id);
            let (uptime_percent, watched) = uptimes.get(&service.id).copied().unwrap_or_default();
            let why = reasons.get(&Thing::service(&service.id.0));
            ServiceRow {
                id: service.id.0.clone(),
                title: service.title.clone(),
                state,
                since,
                uptime_percent,
                watched,
                public: service.public,
                why: why.map(|incident| incident.diagnosis.sentence.clone()),
            }
        })
        .collect();
    let worth = |state: ServiceState| std::cmp::Reverse(state);
    rows.sort_by(|a, b| (worth(a.state), &a.title).cmp(&(worth(b.state), &b.title)));
    rows
}

fn open(engine: &Engine) -> impl Iterator<Item = &Incident> {
    engine.diagnose.incidents().values().filter(|incident| incident.is_open())
}

fn nodes(engine: &Engine) -> Vec<Node> {
    let causes: BTreeSet<&Thing> = open(engine).map(|incident| &incident.diagnosis.cause).collect();
    let failing = failing(engine);
    let warned: BTreeSet<&Thing> = engine
        .watch
        .findings()
        .values()
        .filter(|finding| finding.weight == Weight::Warns)
        .map(|finding| &finding.about)
        .collect();
    let state = |thing: &Thing| {
        if causes.contains(thing) {
            NodeState::Cause
        } else if failing.contains(thing) {
            NodeState::Failing
        } else if warned.contains(thing) {
            NodeState::Warned
        } else if looked_through(engine, thing) {
            NodeState::Well
        } else {
            NodeState::Unknown
        }
    };
    let node =
        |thing: &Thing| Node { thing: thing.clone(), label: label(&engine.plan, thing), state: state(thing) };
    let shared = shared(engine);
    let places = shared.iter().map(|(_, place)| place).filter(|place| !engine.plan.graph.contains(place));
    let places: BTreeSet<&Thing> = places.collect();
    engine.plan.graph.things().chain(places).map(node).collect()
}

/// What fails now at an address, or behind an alias, that is the cause of an open incident; and that place.
fn shared(engine: &Engine) -> Vec<(Thing, Thing)> {
    let mut shared = Vec::new();
    for incident in open(engine) {
        let cause = &incident.diagnosis.cause;
        let members = incident.diagnosis.findings.iter().filter_map(|id| engine.watch.findings().get(id));
        let there = members.filter(|finding| match cause.kind {
            Kind::Address => true,
            Kind::Host => finding.seen_at.alias.as_ref() == Some(&cause.name),
            _ => false,
        });
        shared.extend(there.map(|finding| (finding.about.clone(), cause.clone())));
    }
    shared.retain(|(above, place)| above != place && engine.plan.graph.contains(above));
    shared
}

/// A service is looked at through what it needs; everything else through its own probe.
fn looked_through(engine: &Engine, thing: &Thing) -> bool {
    let looked = |thing: &Thing| engine.watch.looked(thing).is_some();
    if thing.kind == Kind::Service { engine.plan.graph.needs(thing).any(looked) } else { looked(thing) }
}

/// Things with a breaking finding, and services that an incident says are affected.
fn failing(engine: &Engine) -> BTreeSet<Thing> {
    let broken = engine.watch.findings().values().filter(|finding| finding.weight == Weight::Breaks);
    let affected = open(engine).flat_map(|incident| incident.diagnosis.affected.iter());
    broken.map(|finding| &finding.about).chain(affected).cloned().collect()
}

fn edges(engine: &Engine) -> Vec<Edge> {
    let mut bad = failing(engine);
    bad.extend(open(engine).map(|incident| incident.diagnosis.cause.clone()));
    // A failure also comes up through things that still look well, as a registration's does while caches hold.
    for incident in open(engine).filter(|incident| incident.diagnosis.wakes) {
        let cause = &incident.diagnosis.cause;
        let mut on_the_way = engine.plan.graph.above(cause);
        let affected = incident.diagnosis.affected.iter();
        let beneath: BTreeSet<Thing> =
            affected.flat_map(|service| engine.plan.graph.beneath(service)).collect();
        on_the_way.retain(|thing| beneath.contains(thing));
        bad.extend(on_the_way);
    }
    let edge = |(above, below): (&Thing, &Thing)| Edge {
        above: above.clone(),
        below: below.clone(),
        hot: bad.contains(above) && bad.contains(below),
    };
    let shared = shared(engine);
    let of_plan = engine.plan.graph.edges().map(edge);
    let of_places = shared.iter().map(|(above, below)| edge((above, below)));
    of_plan.chain(of_places).collect()
}

fn domains(engine: &Engine) -> Vec<DomainRow> {
    let named = engine.plan.probes.values().filter_map(|probe| match &probe.ask {
        types::plan::Ask::Domain { name } => Some((name, probe)),
        _ => None,
    });
    let names: BTreeMap<&String, &types::plan::Probe> = named.collect();
    let row = |(name, probe): (&String, &types::plan::Probe)| {
        let declared = engine.plan.domains.get(name).and_then(|domain| domain.expires);
        let Some(known) = engine.watch.registrations().get(name) else {
            return DomainRow {
                domain: name.clone(),
                expires: declared,
                knowledge: if declared.is_some() { "known" } else { "unknown" }.to_owned(),
                registrar: None,
                confirmed: None,
            };
        };
        let registry = known.seen.registry_expires;
        let expires = registry.into_iter().chain(known.seen.registrar_expires).min().or(declared);
        let confirmed = engine.watch.confirmed(probe).unwrap_or(known.at);
        let stale = types::time::between(confirmed, engine.clock) > FRESH_FOR;
        let knowledge = match (expires, stale) {
            (None, _) => "unknown",
            (Some(_), true) => "stale",
            (Some(_), false) => "known",
        };
        DomainRow {
            domain: name.clone(),
            expires,
            knowledge: knowledge.to_owned(),
            registrar: known.seen.registrar.clone(),
            confirmed: Some(confirmed.to_zoned(jiff::tz::TimeZone::UTC).date()),
        }
    };
    names.into_iter().map(row).collect()
}

/// What a person calls a thing.
fn label(plan: &Plan, thing: &Thing) -> String {
    match thing.kind {
        Kind::Service => {
            let id = types::ServiceId(thing.name.clone());
            plan.services.get(&id).map_or_else(|| thing.name.clone(), |service| service.title.clone())
        }
        Kind::Pool => format!("servers of {}", thing.name),
        Kind::Tls => format!("certificate of {}", thing.name),
        Kind::Address => format!("server at {}", thing.name),
        Kind::Dns => format!("name servers of {}", thing.name),
        Kind::Domain => format!("registration of {}", thing.name),
        Kind::Host | Kind::Probe => thing.name.clone(),
        Kind::Mainstay => "mainstay itself".to_owned(),
    }
}
