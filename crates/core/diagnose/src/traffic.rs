//! What follows from what the edge sees: a surge explains what gives way beneath it.
//!
//! A surge is a cause by itself: nothing beneath a service makes visitors come. It explains limits that fight and pools that
//! shrink while it lasts, and names of the service that fail as an overloaded service's do; a certificate or a lost
//! domain it does not explain. Of several services that surge, the one that needs the others comes first: it passes its
//! visitors on. A pool that had shrunk before the visitors came again and again is the cause of their coming.

use crate::cause::{hurts, is_endpoint};
use crate::place::Places;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::time::earlier;
use types::{Alert, AlertId, Config, Fault, Graph, Kind, Resource, ServiceId, Time};

/// A pool that shrank less than this before a surge shrank because of it: it takes longer to see that visitors come.
const BEFORE: Duration = Duration::from_secs(10);

/// Whether a fault is one that the edge sees in its traffic, and that needs no look beneath it.
pub(crate) fn is_of_the_edge(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Surge { .. }
            | Fault::LimitConflict { .. }
            | Fault::PoolBelowFloor { .. }
            | Fault::ServerCertificate { .. }
    )
}

/// Whether something may begin again a moment after it ended, as part of the same: floods come in waves, and when one is
/// over the limits may still fight.
pub(crate) fn comes_in_waves(fault: &Fault) -> bool {
    matches!(fault, Fault::Surge { .. } | Fault::LimitConflict { .. })
}

/// How a name fails when there is too much to do behind it.
pub(crate) fn is_of_overload(fault: &Fault) -> bool {
    match fault {
        Fault::Status { got } => *got == 429 || *got >= 500,
        Fault::Refused
        | Fault::Unreachable { .. }
        | Fault::TimedOut { .. }
        | Fault::Handshake { .. }
        | Fault::BodyLacks
        | Fault::Truncated
        | Fault::Slow { .. } => true,
        _ => false,
    }
}

/// Corrects the causes of alerts by what the edge sees.
pub(crate) fn explain(
    graph: &Graph,
    places: &Places,
    alerts: &[&Alert],
    roots: &mut BTreeMap<AlertId, Resource>,
) {
    let hurting = || alerts.iter().filter(|alert| hurts(alert));
    let mut surges: BTreeMap<&Resource, Time> = BTreeMap::new();
    let mut pools: BTreeMap<&Resource, Time> = BTreeMap::new();
    for alert in hurting() {
        match alert.fault {
            Fault::Surge { .. } => _ = surges.insert(&alert.about, alert.since),
            Fault::PoolBelowFloor { .. } => _ = pools.insert(&alert.about, alert.since),
            _ => {}
        }
    }
    // Where trouble of each thing comes from, as the edge sees it.
    let mut from: BTreeMap<&Resource, Resource> = BTreeMap::new();
    for alert in hurting().filter(|alert| is_of_the_edge(&alert.fault)) {
        let about = &alert.about;
        let source = match &alert.fault {
            Fault::Surge { .. } => {
                pool_before(graph, about, alert.since, &pools).or_else(|| first_surge(graph, about, &surges))
            }
            Fault::LimitConflict { .. } => first_surge(graph, about, &surges),
            Fault::PoolBelowFloor { .. } => {
                let mut over = graph.needed_by(about).filter(|above| {
                    surges.get(above).is_some_and(|surge| earlier(*surge, BEFORE) <= alert.since)
                });
                over.next().and_then(|service| first_surge(graph, service, &surges))
            }
            _ => None,
        };
        let source = source.unwrap_or_else(|| about.clone());
        // Of several alerts about one thing, one with a deeper reason speaks for all.
        if source != *about || !from.contains_key(about) {
            from.insert(about, source);
        }
    }
    let short = hurting().map(|alert| (&alert.about, lost(&alert.fault)));
    one_loss(short.filter(|(_, servers)| !servers.is_empty()).collect(), &mut from);
    for alert in alerts {
        let Some(root) = roots.get_mut(&alert.id) else { continue };
        if is_of_the_edge(&alert.fault) {
            if let Some(source) =
                from.get(&alert.about).filter(|_| alert.about.kind != Kind::Pool || *root == alert.about)
            {
                *root = source.clone();
            } else if alert.about.kind == Kind::Service {
                *root = first_surge(graph, &alert.about, &surges).unwrap_or_else(|| alert.about.clone());
            }
            continue;
        }
        let overload = is_of_overload(&alert.fault);
        match root.kind {
            Kind::Service | Kind::Pool if from.contains_key(root) => {
                *root = if overload { from.get(root).unwrap_or(root).clone() } else { alert.about.clone() };
            }
            _ if is_endpoint(root.kind) && overload => {
                let on = &places.of(graph, root).services;
                if let Some(source) = on.iter().find_map(|service| from.get(service)) {
                    *root = source.clone();
                }
            }
            _ => {}
        }
    }
}

/// Pools that lost the same servers lost them for one reason.
fn one_loss<'a>(short: Vec<(&'a Resource, BTreeSet<&'a str>)>, from: &mut BTreeMap<&'a Resource, Resource>) {
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

/// The servers that a pool below its floor has lost.
fn lost(fault: &Fault) -> BTreeSet<&str> {
    let Fault::PoolBelowFloor { out, .. } = fault else { return BTreeSet::new() };
    out.iter().filter_map(|told| Some(told.split_once(" is ")?.0)).collect()
}

/// The pool of a service, when it had shrunk before visitors came in numbers.
fn pool_before(
    graph: &Graph,
    service: &Resource,
    surge: Time,
    pools: &BTreeMap<&Resource, Time>,
) -> Option<Resource> {
    let shrunk = |pool: &&Resource| pools.get(*pool).is_some_and(|since| *since < earlier(surge, BEFORE));
    graph.needs(service).find(shrunk).cloned()
}

/// The service whose surge reaches a service: its own, or that of one which passes its visitors on to it.
fn first_surge(graph: &Graph, service: &Resource, surges: &BTreeMap<&Resource, Time>) -> Option<Resource> {
    let reaches = |from: &Resource, to: &Resource| from != to && graph.beneath(from).contains(to);
    let over: Vec<&Resource> =
        surges.keys().copied().filter(|surge| *surge == service || reaches(surge, service)).collect();
    // Nobody else's surge reaches the first; in a circle the first by order is it.
    let is_first = |one: &Resource| {
        over.iter().all(|other| !reaches(other, one) || (reaches(one, other) && one < *other))
    };
    over.iter().find(|one| is_first(one)).map(|one| (*one).clone())
}

/// Whether an alert of the edge goes on with an incident that has this cause: one of the two needs the other, or the
/// caller that is refused works for it.
pub(crate) fn goes_on(config: &Config, alert: &Alert, cause: &Resource) -> bool {
    if !hurts(alert) || !is_of_the_edge(&alert.fault) || !matches!(cause.kind, Kind::Service | Kind::Pool) {
        return false;
    }
    let about = &alert.about;
    let works_for = caller_of(config, alert);
    about == cause
        || works_for.as_ref() == Some(cause)
        || config.graph.beneath(cause).contains(about)
        || config.graph.beneath(about).contains(cause)
}

/// The service that a refused caller works for: it fails with its caller.
pub(crate) fn caller_of(config: &Config, alert: &Alert) -> Option<Resource> {
    let Fault::LimitConflict { caller, .. } = &alert.fault else { return None };
    let service: &ServiceId = config.callers.get(&types::CallerId(caller.clone()))?.service.as_ref()?;
    Some(Resource::service(&service.0))
}
