//! Effects of what the edge measures: a surge explains overload beneath it.
//!
//! A surge explains limit conflicts and unhealthy pools while it lasts, and names of the
//! service that fail with signs of overload; it does not explain a certificate or a lost domain. Of several services
//! with a surge the one that calls the others is the cause. A pool that lost servers, or a database that failed, before a
//! surge is the cause of it: clients retry. A database that failed before its service's pool lost servers is the cause of
//! that: their health checks wait for it. So is a name that failed before the pool of a service whose dependency has that
//! name: an error that nothing caught ends its servers. Idle capacity belongs to the incident of the layer that starves it, and keeps no
//! incident open.

use crate::impact::{hurts, is_endpoint};
use crate::topology::Topology;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::fault::pool::servers_of;
use types::time::{earlier, later};
use types::{Alert, AlertId, Config, Fault, Graph, Kind, Resource, ServiceId, Time};

/// A pool that lost servers less than this before a surge lost them because of it: detecting a surge takes longer.
const BEFORE: Duration = Duration::from_secs(10);
/// A database is measured less often than a pool: it failed first if it was seen to fail at most this much later.
const DATABASE_BEFORE: Duration = Duration::from_secs(30);

/// Whether the edge measures a fault itself, so that its dependencies need no check.
pub(crate) fn is_edge_fault(fault: &Fault) -> bool {
    is_crash_loop(fault)
        || matches!(
            fault,
            Fault::Surge { .. }
                | Fault::LimitConflict { .. }
                | Fault::PoolBelowMinimum { .. }
                | Fault::PoolShrunken { .. }
                | Fault::ServerCertificate { .. }
                | Fault::ReconnectStorm { .. }
                | Fault::RetryStorm { .. }
        )
}

/// Whether servers of a pool are in a crash loop.
pub(crate) fn is_crash_loop(fault: &Fault) -> bool {
    matches!(fault, Fault::CrashLoop { crash_loop } if !crash_loop.servers.is_empty())
}

/// Whether a fault may return shortly after its end as part of the same incident: surges come in waves, and limit
/// conflicts may outlast them.
pub(crate) fn is_recurrent(fault: &Fault) -> bool {
    matches!(fault, Fault::Surge { .. } | Fault::LimitConflict { .. })
}

/// Whether a fault is a sign of overload.
pub(crate) fn is_overload(fault: &Fault) -> bool {
    match fault {
        Fault::Status { got } => *got == 429 || *got >= 500,
        Fault::Refused
        | Fault::Unreachable { .. }
        | Fault::TimedOut { .. }
        | Fault::Handshake { .. }
        | Fault::BodyLacks
        | Fault::Http { .. }
        | Fault::Truncated
        | Fault::Intermittent { .. }
        | Fault::Slow { .. }
        | Fault::CrashLoop { .. } => true,
        Fault::Unstable { last, .. } => is_overload(last),
        _ => false,
    }
}

/// Since when resources have alerts that explain others.
#[derive(Default)]
struct Onsets<'a> {
    surges: BTreeMap<&'a Resource, Time>,
    pools: BTreeMap<&'a Resource, Time>,
    databases: BTreeMap<&'a Resource, Time>,
    /// Domains, hosts and certificates.
    names: BTreeMap<&'a Resource, Time>,
    /// Databases of open incidents that are well again.
    recovered: BTreeMap<&'a Resource, Time>,
}

fn onsets<'a>(alerts: impl Iterator<Item = &'a Alert>) -> Onsets<'a> {
    let mut onsets = Onsets::default();
    for alert in alerts {
        match alert.fault {
            Fault::Surge { .. } => _ = onsets.surges.insert(&alert.about, alert.since),
            _ if is_pool_loss(&alert.fault) => earliest(&mut onsets.pools, alert),
            _ if alert.about.kind == Kind::Database => earliest(&mut onsets.databases, alert),
            _ if is_endpoint(alert.about.kind) || matches!(alert.about.kind, Kind::Dns | Kind::Domain) => {
                earliest(&mut onsets.names, alert);
            }
            _ => {}
        }
    }
    onsets
}

fn earliest<'a>(onsets: &mut BTreeMap<&'a Resource, Time>, alert: &'a Alert) {
    let since = onsets.entry(&alert.about).or_insert(alert.since);
    *since = alert.since.min(*since);
}

/// Whether a pool has lost servers.
fn is_pool_loss(fault: &Fault) -> bool {
    is_crash_loop(fault) || matches!(fault, Fault::PoolBelowMinimum { .. } | Fault::PoolShrunken { .. })
}

impl Onsets<'_> {
    /// The deeper cause of an alert of the edge.
    fn source(&self, graph: &Graph, alert: &Alert) -> Option<Resource> {
        match &alert.fault {
            Fault::Surge { .. } => self.of_surge(graph, &alert.about),
            Fault::LimitConflict { .. } => {
                let first = first_surge(graph, &alert.about, &self.surges)?;
                self.of_surge(graph, &first)
            }
            fault if is_pool_loss(fault) => self.of_pool(graph, &alert.about, alert.since),
            _ => None,
        }
    }

    /// What a surge on a service comes from: a database or a pool that failed before it, for clients retry and connect
    /// again, or the service whose surge reaches it.
    fn of_surge(&self, graph: &Graph, service: &Resource) -> Option<Resource> {
        let first = first_surge(graph, service, &self.surges);
        let since = self.surges.get(first.as_ref().unwrap_or(service)).copied()?;
        let beneath = || graph.beneath(service);
        let database = first_failed(beneath(), &self.databases, |failed| failed < since);
        if database.is_none() && first_failed(beneath(), &self.recovered, |failed| failed < since).is_some() {
            // It is over, and the clients that it lost are not yet back: the pool is what they wait for.
            return graph.depends_on(service).find(|need| self.pools.contains_key(need)).cloned().or(first);
        }
        let of_pool = || {
            let lost = |pool: &Resource| self.pools.get(pool).copied();
            let pool = pool_before(graph, service, since, &self.pools)?;
            self.of_pool(graph, &pool, lost(&pool)?).or(Some(pool))
        };
        database.or_else(of_pool).or(first)
    }

    /// What took the servers of a pool: the surge on its service, its database, or a name that it calls.
    fn of_pool(&self, graph: &Graph, pool: &Resource, lost: Time) -> Option<Resource> {
        let mut over = graph
            .dependents(pool)
            .filter(|above| self.surges.get(above).is_some_and(|surge| earlier(*surge, BEFORE) <= lost));
        let surge = over.next().and_then(|service| self.of_surge(graph, service));
        surge
            .or_else(|| database_before(graph, pool, lost, &self.databases))
            .or_else(|| name_before(graph, pool, lost, &self.names))
    }
}

/// Corrects the causes of alerts by alerts of the edge.
pub(crate) fn explain(
    graph: &Graph,
    topology: &Topology,
    alerts: &[&Alert],
    recovered: &[&Alert],
    roots: &mut BTreeMap<AlertId, Resource>,
) {
    let hurting = || alerts.iter().filter(|alert| hurts(alert));
    let mut onsets = onsets(hurting().copied());
    onsets.recovered = self::onsets(recovered.iter().copied().filter(|alert| hurts(alert))).databases;
    // Cause of each resource with an alert of the edge.
    let mut from: BTreeMap<&Resource, Resource> = BTreeMap::new();
    for alert in hurting().filter(|alert| is_edge_fault(&alert.fault)) {
        let about = &alert.about;
        let source = onsets.source(graph, alert).unwrap_or_else(|| about.clone());
        // Of several alerts about one resource, the one with a deeper cause counts.
        if source != *about || !from.contains_key(about) {
            from.insert(about, source);
        }
    }
    let short = hurting().map(|alert| (&alert.about, lost(&alert.fault)));
    share_loss(short.filter(|(_, servers)| !servers.is_empty()).collect(), &mut from);
    for alert in alerts {
        let Some(root) = roots.get_mut(&alert.id) else { continue };
        if let Fault::RetryStorm { .. } = alert.fault {
            // Clients repeat what fails: the cause is what fails beneath the service.
            *root = from.get(root).unwrap_or(root).clone();
            continue;
        }
        if is_edge_fault(&alert.fault) {
            if let Some(source) =
                from.get(&alert.about).filter(|_| alert.about.kind != Kind::Pool || *root == alert.about)
            {
                *root = source.clone();
            } else if alert.about.kind == Kind::Service {
                *root =
                    first_surge(graph, &alert.about, &onsets.surges).unwrap_or_else(|| alert.about.clone());
            } else if let Fault::ReconnectStorm { .. } = alert.fault {
                let database = database_before(graph, &alert.about, alert.since, &onsets.databases);
                *root = database.unwrap_or_else(|| alert.about.clone());
            } else if is_crash_loop(&alert.fault)
                && let Some(source) = onsets.of_pool(graph, &alert.about, alert.since)
            {
                // Of spare servers, which is no reason for anything else.
                *root = source;
            }
            continue;
        }
        let overload = is_overload(&alert.fault);
        match root.kind {
            Kind::Service | Kind::Pool if from.contains_key(root) => {
                *root = if overload { from.get(root).unwrap_or(root).clone() } else { alert.about.clone() };
            }
            _ if is_endpoint(root.kind) && overload => {
                let on = &topology.of(graph, root).services;
                if let Some(source) = on.iter().find_map(|service| from.get(service)) {
                    *root = source.clone();
                }
            }
            _ => {}
        }
    }
}

/// Assigns one cause to pools that lost the same servers.
fn share_loss<'a>(
    short: Vec<(&'a Resource, BTreeSet<&'a str>)>,
    from: &mut BTreeMap<&'a Resource, Resource>,
) {
    let mut alike: BTreeMap<&BTreeSet<&str>, &Resource> = BTreeMap::new();
    for (pool, servers) in &short {
        let first = alike.entry(servers).or_insert(pool);
        *first = (*pool).min(*first);
    }
    for (pool, servers) in &short {
        let source = alike.get(servers).and_then(|first| from.get(*first)).cloned();
        if let Some(source) = source.filter(|_| from.get(*pool) == Some(*pool)) {
            from.insert(*pool, source);
        }
    }
}

/// The unhealthy servers of a pool below its minimum.
fn lost(fault: &Fault) -> BTreeSet<&str> {
    let Fault::PoolBelowMinimum { out, .. } = fault else { return BTreeSet::new() };
    out.iter().filter_map(|line| servers_of(line)).collect()
}

/// The database beneath the services of a pool that failed before the pool lost servers; the first of several.
fn database_before(
    graph: &Graph,
    pool: &Resource,
    lost: Time,
    databases: &BTreeMap<&Resource, Time>,
) -> Option<Resource> {
    let services = graph.dependents(pool).filter(|above| above.kind == Kind::Service);
    let beneath = services.flat_map(|service| graph.beneath(service)).collect();
    first_failed(beneath, databases, |failed| failed <= later(lost, DATABASE_BEFORE))
}

/// The name that failed before the pool lost servers, of those that the services of the pool call: the deepest, then the
/// first. Their own names lead to them, and end nothing.
fn name_before(
    graph: &Graph,
    pool: &Resource,
    lost: Time,
    names: &BTreeMap<&Resource, Time>,
) -> Option<Resource> {
    let failed = called(graph, pool).into_iter();
    let failed = failed.filter_map(|need| Some((need.kind, *names.get(&need)?, need)));
    let first = failed.filter(|(_, since, _)| *since <= lost);
    first.max_by_key(|(kind, since, _)| (*kind, std::cmp::Reverse(*since))).map(|(.., name)| name)
}

/// Everything beneath the services that those of a pool depend on, except what depends on the pool.
fn called(graph: &Graph, pool: &Resource) -> BTreeSet<Resource> {
    let services = graph.dependents(pool).filter(|above| above.kind == Kind::Service);
    let called =
        services.flat_map(|service| graph.depends_on(service)).filter(|need| need.kind == Kind::Service);
    let beneath = called.map(|called| graph.beneath(called)).filter(|beneath| !beneath.contains(pool));
    beneath.flatten().collect()
}

/// The database that failed first of those whose failure began in time.
fn first_failed(
    beneath: BTreeSet<Resource>,
    databases: &BTreeMap<&Resource, Time>,
    in_time: impl Fn(Time) -> bool,
) -> Option<Resource> {
    let failed = beneath.into_iter().filter_map(|need| Some((databases.get(&need).copied()?, need)));
    failed.filter(|(since, _)| in_time(*since)).min().map(|(_, database)| database)
}

/// Assigns alerts about idle capacity to the cause of the layer that starves it.
pub(crate) fn join_idle(alerts: &[&Alert], causes: &mut BTreeMap<AlertId, Resource>) {
    for alert in alerts {
        let Some(by) = alert.fault.starved_by() else { continue };
        let of_layer = alerts.iter().find(|other| other.about == by.layer && other.id != alert.id);
        if let Some(cause) = of_layer.and_then(|layer| causes.get(&layer.id)).cloned() {
            causes.insert(alert.id, cause);
        }
    }
}

/// The pool of a service, when it lost servers before the surge.
fn pool_before(
    graph: &Graph,
    service: &Resource,
    surge: Time,
    pools: &BTreeMap<&Resource, Time>,
) -> Option<Resource> {
    let shrunk = |pool: &&Resource| pools.get(*pool).is_some_and(|since| *since < earlier(surge, BEFORE));
    graph.depends_on(service).find(shrunk).cloned()
}

/// The service whose surge reaches a service: itself, or one that calls it.
fn first_surge(graph: &Graph, service: &Resource, surges: &BTreeMap<&Resource, Time>) -> Option<Resource> {
    let reaches = |from: &Resource, to: &Resource| from != to && graph.beneath(from).contains(to);
    let over: Vec<&Resource> =
        surges.keys().copied().filter(|surge| *surge == service || reaches(surge, service)).collect();
    // No other surge reaches the first one; in a cycle it is the first in order.
    let is_first = |one: &Resource| {
        over.iter().all(|other| !reaches(other, one) || (reaches(one, other) && one < *other))
    };
    over.iter().find(|one| is_first(one)).map(|one| (*one).clone())
}

/// Whether an alert of the edge continues an incident with this cause: one depends on the other, the refused caller
/// belongs to the cause, or the pool lost its servers while its database, or a name that it calls, recovers.
pub(crate) fn goes_on(config: &Config, alert: &Alert, cause: &Resource) -> bool {
    if !hurts(alert) || !is_edge_fault(&alert.fault) {
        return false;
    }
    let about = &alert.about;
    match cause.kind {
        Kind::Service | Kind::Pool => {}
        // The name is well again, and caches still lead the servers to where it was.
        Kind::Domain | Kind::Dns | Kind::Host | Kind::Tls if about.kind == Kind::Pool => {
            return is_pool_loss(&alert.fault) && called(&config.graph, about).contains(cause);
        }
        Kind::Database if about.kind == Kind::Pool => {
            return config.graph.dependents(about).any(|above| config.graph.beneath(above).contains(cause));
        }
        _ => return false,
    }
    let works_for = caller_of(config, alert);
    about == cause
        || works_for.as_ref() == Some(cause)
        || config.graph.beneath(cause).contains(about)
        || config.graph.beneath(about).contains(cause)
}

/// The service of a refused caller, which fails with it.
pub(crate) fn caller_of(config: &Config, alert: &Alert) -> Option<Resource> {
    let Fault::LimitConflict { caller, .. } = &alert.fault else { return None };
    let service: &ServiceId = config.callers.get(&types::CallerId(caller.clone()))?.service.as_ref()?;
    Some(Resource::service(&service.0))
}
