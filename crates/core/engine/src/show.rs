//! Construction of the views.

mod effects;
mod heartbeats;

pub(crate) use effects::{incident, timeline};

use crate::Engine;
use crate::views::{
    Attempts, DomainRow, Edge, Held, Isolation, Knowledge, Node, NodeState, Now, OnCall, OpenIncident,
    PoolRow, Runbook, SelfProblem, ServiceRow, Unreached, Views,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use types::config::ProbeKind;
use types::event::ServiceState;
use types::held::HeldBy;
use types::{
    Alert, Config, Fault, Headroom, Incident, Kind, Maintenance, ProbeId, Resource, Severity, Silence, Time,
};

/// Maximum of past incidents in the view.
const PAST_MAX: usize = 100;
/// Time without confirmation after which a registration is `stale`: three failed daily lookups.
const FRESH_FOR: Duration = Duration::from_secs(3 * 86_400);
/// Time ahead within which the end of a shift is searched.
const SHIFT_AHEAD: Duration = Duration::from_secs(60 * 86_400);

pub(crate) fn views(engine: &Engine) -> Views {
    let status_page = engine.publisher.status_page(&engine.context());
    let now = Now {
        at: engine.clock,
        open: open_incidents(engine),
        past: past_incidents(engine),
        alerts: alerts(engine),
        ended_alerts: engine.ended_alerts.rows(),
        on_call: on_call(&engine.config, engine.clock),
        services: services(engine),
        nodes: nodes(engine),
        edges: edges(engine),
        domains: domains(engine),
        probes: engine.last_results.rows(&engine.config),
        isolated: isolated(engine),
        self_problems: self_problems(engine),
        unreached: unreached(engine),
        attempts: attempts(engine),
        pools: pools(engine),
        probe_lag_p99: None,
        drafts: engine.publisher.drafts().collect(),
        changes: effects::changes(engine),
        heartbeats: heartbeats::rows(engine),
        maintenances: engine.maintenances.all().values().cloned().collect(),
        silences: engine.silences.all().values().cloned().collect(),
        timezone: status_page.timezone_name.clone(),
    };
    let headroom: Arc<[Headroom]> = crate::headroom::figures(engine).into();
    Views {
        seq: engine.seq,
        status_page,
        now,
        traffic: crate::traffic::view(engine),
        acceptance: Some(engine.acceptance.with_headroom(Arc::clone(&headroom))),
        headroom,
    }
}

fn open_incidents(engine: &Engine) -> Vec<OpenIncident> {
    let now = engine.clock;
    let open = engine.diagnose.incidents().values().filter(|incident| incident.is_open());
    open.map(|incident| {
        let story = engine.stories.of(incident.id);
        let waiting = types::time::between(incident.opened, now);
        OpenIncident {
            unacknowledged_for: (!incident.is_acknowledged(now)).then_some(waiting),
            paging: story.map(|story| story.paging.clone()).unwrap_or_default(),
            timeline: effects::timeline(engine, incident),
            incident: effects::incident(engine, incident),
            runbooks: runbooks(engine, incident),
            held: held(engine, incident),
        }
    })
    .collect()
}

/// What holds the page of an incident: a maintenance, where it has none, or a silence.
fn held(engine: &Engine, incident: &Incident) -> Option<Held> {
    let (held_by, until) = engine.context().held_by(incident)?;
    match held_by {
        HeldBy::Maintenance(one) => {
            let mut pages = engine.oncall.pages().values();
            let is_paged = pages.any(|page| page.incident == incident.id && page.is_open());
            let Maintenance { id, title, .. } = &one.planned;
            (!is_paged).then(|| Held::Maintenance { maintenance: *id, title: title.clone(), until })
        }
        HeldBy::Silence(one) => {
            let Silence { id, author, comment, .. } = one.silence.clone();
            Some(Held::Silence { silence: id, author, comment, until })
        }
    }
}

fn runbooks(engine: &Engine, incident: &types::Incident) -> Vec<Runbook> {
    let services = incident.runbooks(&engine.config.services).into_iter();
    let shown = |service: &types::config::Service| {
        Some(Runbook { title: service.title.clone(), url: service.runbook.clone()? })
    };
    services.filter_map(shown).collect()
}

fn unreached(engine: &Engine) -> Vec<Unreached> {
    let row = |page: &oncall::Page| Unreached {
        incident: page.incident,
        since: page.run_start,
        failed: page.failed.clone(),
    };
    engine.oncall.unreached().map(row).collect()
}

/// Those that the engine knows; the binary adds its own.
fn self_problems(engine: &Engine) -> Vec<SelfProblem> {
    let jump = engine.clock_state.shown(engine.clock).map(SelfProblem::ClockJumped);
    jump.into_iter().chain(unreached(engine).into_iter().map(SelfProblem::Unreached)).collect()
}

fn isolated(engine: &Engine) -> Option<Isolation> {
    let here = Resource::here();
    engine.detect.alerts().values().filter(|alert| alert.about == here).find_map(|alert| match &alert.fault {
        Fault::Isolated { why } => Some(Isolation { alert: alert.id, since: alert.since, why: why.clone() }),
        _ => None,
    })
}

fn attempts(engine: &Engine) -> Vec<Attempts> {
    let mut rows: BTreeMap<&str, Attempts> = BTreeMap::new();
    for ((channel, accepted), count) in engine.oncall.attempts() {
        let fresh = || Attempts { channel: channel.0.clone(), accepted: 0, failed: 0 };
        let row = rows.entry(channel.0.as_str()).or_insert_with(fresh);
        *(if *accepted { &mut row.accepted } else { &mut row.failed }) += count;
    }
    rows.into_values().collect()
}

fn past_incidents(engine: &Engine) -> Vec<Incident> {
    let ended = engine.diagnose.incidents().values().rev().filter(|incident| !incident.is_open());
    ended
        .filter(|incident| incident.merged_into.is_none())
        .take(PAST_MAX)
        .map(|incident| effects::incident(engine, incident))
        .collect()
}

fn alerts(engine: &Engine) -> Vec<Alert> {
    let mut all: Vec<Alert> = engine.detect.alerts().values().cloned().collect();
    all.sort_by_key(|alert| (std::cmp::Reverse(alert.severity), alert.since));
    all
}

fn on_call(config: &Config, now: Time) -> Vec<OnCall> {
    let on = |schedule: &types::config::Schedule| {
        let people = oncall::schedule::on_call(schedule, now);
        let shifts = oncall::schedule::shifts(schedule, now, types::time::later(now, SHIFT_AHEAD));
        let named = people.into_iter().map(|id| {
            let name = config.people.get(&id).map_or_else(|| id.0.clone(), |person| person.name.clone());
            (id, name)
        });
        OnCall {
            schedule: schedule.id.0.clone(),
            people: named.collect(),
            until: shifts.first().map(|shift| shift.to).filter(|_| shifts.len() > 1),
        }
    };
    config.schedules.values().map(on).collect()
}

fn services(engine: &Engine) -> Vec<ServiceRow> {
    let uptimes: BTreeMap<_, _> = engine.publisher.uptimes(&engine.config, engine.clock).collect();
    // The oldest incident that affects a service is shown.
    let mut reasons: BTreeMap<&Resource, &Incident> = BTreeMap::new();
    for incident in open(engine) {
        for resource in &incident.diagnosis.affected {
            reasons.entry(resource).or_insert(incident);
        }
    }
    let mut asked: BTreeMap<&Resource, Vec<&ProbeId>> = BTreeMap::new();
    for probe in engine.config.probes.values() {
        if matches!(probe.kind, ProbeKind::Http { .. } | ProbeKind::Tcp { .. }) {
            asked.entry(&probe.about).or_default().push(&probe.id);
        }
    }
    let probes = |node: &Resource| {
        let parts = engine.config.graph.depends_on(node);
        let parts = parts.filter(|part| matches!(part.kind, Kind::Host | Kind::Probe)).chain([node]);
        parts.filter_map(|part| asked.get(part)).flatten().map(|id| (*id).clone()).collect()
    };
    let mut rows: Vec<ServiceRow> = engine
        .config
        .services
        .values()
        .map(|service| {
            let (state, since) = engine.publisher.state(&service.id);
            let (uptime_percent, monitored) = uptimes.get(&service.id).copied().unwrap_or_default();
            let incident = reasons.get(&Resource::service(&service.id.0));
            ServiceRow {
                id: service.id.0.clone(),
                title: service.title.clone(),
                state,
                since,
                uptime_percent,
                monitored,
                public: service.public,
                incident: incident.map(|incident| incident.id),
                probes: probes(&Resource::service(&service.id.0)),
            }
        })
        .collect();
    let worth = |state: ServiceState| std::cmp::Reverse(state);
    rows.sort_by(|a, b| (worth(a.state), &a.title).cmp(&(worth(b.state), &b.title)));
    rows
}

fn pools(engine: &Engine) -> Vec<PoolRow> {
    let row = |pool: &types::config::ExternalPool| {
        let newest = engine.detect.pool_counts(&pool.id);
        PoolRow {
            pool: pool.id.0.clone(),
            balancer: pool.balancer.kind.as_str(),
            min_healthy: pool.min_healthy,
            peak: engine.detect.pool_peak(&pool.id, engine.clock),
            seen_at: newest.map(|(at, _)| at),
            members: newest.map(|(_, counts)| counts),
        }
    };
    engine.config.external_pools.values().map(row).collect()
}

fn open(engine: &Engine) -> impl Iterator<Item = &Incident> {
    engine.diagnose.incidents().values().filter(|incident| incident.is_open())
}

fn nodes(engine: &Engine) -> Vec<Node> {
    let causes: BTreeSet<&Resource> = open(engine).map(|incident| &incident.diagnosis.cause).collect();
    let failing = failing(engine);
    let warned: BTreeSet<&Resource> = engine
        .detect
        .alerts()
        .values()
        .filter(|alert| alert.severity == Severity::Warning)
        .map(|alert| &alert.about)
        .collect();
    let state = |resource: &Resource| {
        if causes.contains(resource) {
            NodeState::Cause
        } else if failing.contains(resource) {
            NodeState::Failing
        } else if warned.contains(resource) {
            NodeState::Warned
        } else if has_result(engine, resource) {
            NodeState::Well
        } else {
            NodeState::Unknown
        }
    };
    let node = |resource: &Resource| Node {
        resource: resource.clone(),
        title: title(&engine.config, resource),
        state: state(resource),
    };
    let shared = shared(engine);
    let places = shared.iter().map(|(_, place)| place).filter(|place| !engine.config.graph.contains(place));
    let places: BTreeSet<&Resource> = places.collect();
    engine.config.graph.resources().chain(places).map(node).collect()
}

/// Failing resources at an address or behind an alias that is the cause of an open incident, each with that place.
fn shared(engine: &Engine) -> Vec<(Resource, Resource)> {
    let mut shared = Vec::new();
    for incident in open(engine) {
        let cause = &incident.diagnosis.cause;
        let members = incident.diagnosis.alerts.iter().filter_map(|id| engine.detect.alerts().get(id));
        let there = members.filter(|alert| match cause.kind {
            Kind::Address | Kind::Location => true,
            Kind::Host => alert.seen_at.alias.as_ref() == Some(&cause.name),
            _ => false,
        });
        shared.extend(there.map(|alert| (alert.about.clone(), cause.clone())));
    }
    shared.retain(|(above, place)| above != place && engine.config.graph.contains(above));
    shared
}

/// Whether a resource has a result: a service by its dependencies, everything else by its own probe.
fn has_result(engine: &Engine, resource: &Resource) -> bool {
    let looked = |resource: &Resource| engine.detect.last_result(resource).is_some();
    if resource.kind == Kind::Service {
        engine.config.graph.depends_on(resource).any(looked)
    } else {
        looked(resource)
    }
}

/// Resources with a critical alert, and affected services of open incidents.
fn failing(engine: &Engine) -> BTreeSet<Resource> {
    let broken = engine.detect.alerts().values().filter(|alert| alert.severity == Severity::Critical);
    let affected = open(engine).flat_map(|incident| incident.diagnosis.affected.iter());
    broken.map(|alert| &alert.about).chain(affected).cloned().collect()
}

fn edges(engine: &Engine) -> Vec<Edge> {
    let mut bad = failing(engine);
    bad.extend(open(engine).map(|incident| incident.diagnosis.cause.clone()));
    // A failure also propagates through healthy resources, such as DNS while caches hold.
    for incident in open(engine).filter(|incident| incident.diagnosis.wakes) {
        let cause = &incident.diagnosis.cause;
        let mut on_the_way = engine.config.graph.above(cause);
        let affected = incident.diagnosis.affected.iter();
        let beneath: BTreeSet<Resource> =
            affected.flat_map(|service| engine.config.graph.beneath(service)).collect();
        on_the_way.retain(|resource| beneath.contains(resource));
        bad.extend(on_the_way);
    }
    let edge = |(above, below): (&Resource, &Resource)| Edge {
        above: above.clone(),
        below: below.clone(),
        hot: bad.contains(above) && bad.contains(below),
    };
    let shared = shared(engine);
    let of_config = engine.config.graph.edges().map(edge);
    let of_places = shared.iter().map(|(above, below)| edge((above, below)));
    of_config.chain(of_places).collect()
}

fn domains(engine: &Engine) -> Vec<DomainRow> {
    let named = engine.config.probes.values().filter_map(|probe| match &probe.kind {
        types::config::ProbeKind::Domain { name } => Some((name, probe)),
        _ => None,
    });
    let names: BTreeMap<&String, &types::config::Probe> = named.collect();
    let row = |(name, probe): (&String, &types::config::Probe)| {
        let declared = engine.config.domains.get(name).and_then(|domain| domain.expires);
        let Some(known) = engine.detect.registrations().get(name) else {
            return DomainRow {
                domain: name.clone(),
                expires: declared,
                knowledge: if declared.is_some() { Knowledge::Current } else { Knowledge::Unknown },
                registrar: None,
                confirmed: None,
            };
        };
        let registry = known.seen.registry_expires;
        let expires = registry.into_iter().chain(known.seen.registrar_expires).min().or(declared);
        let confirmed = engine.detect.confirmed(probe).unwrap_or(known.at);
        let stale = types::time::between(confirmed, engine.clock) > FRESH_FOR;
        let knowledge = match (expires, stale) {
            (None, _) => Knowledge::Unknown,
            (Some(_), true) => Knowledge::Stale,
            (Some(_), false) => Knowledge::Current,
        };
        DomainRow {
            domain: name.clone(),
            expires,
            knowledge,
            registrar: known.seen.registrar.clone(),
            confirmed: Some(confirmed.to_zoned_datetime(jiff::tz::TimeZone::UTC).date()),
        }
    };
    names.into_iter().map(row).collect()
}

/// Title of a service.
fn title(config: &Config, resource: &Resource) -> Option<String> {
    let id = types::ServiceId(resource.name.clone());
    let service = config.services.get(&id).filter(|_| resource.kind == Kind::Service)?;
    Some(service.title.clone())
}
