//! Colocation: equal faults at the same time, at the same address or behind the same alias, have one cause.
//!
//! A dead server takes down all its names. The configuration does not connect those names, but their addresses do.
//! Equal means:
//!
//! | | |
//! |---|---|
//! | fault | failed connections and missing answers: at any port; every other fault: the same class at the same port |
//! | time | a symptom may follow up to one interval of its probe, plus some slack |
//! | place | a common address or alias, directly or through other symptoms |
//!
//! A single failing name is no colocation, however many names share its address. The cause of several failing names of
//! one service is the service.

use crate::impact::{is_endpoint, is_independent};
use crate::topology::Topology;
use crate::traffic;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;
use types::config::ProbeKind;
use types::fault::{Phase, TlsFault};
use types::time::earlier;
use types::{Alert, AlertId, Config, Fault, Kind, Resource, SeenAt, Time};

/// Slack in addition to the interval and the timeout of a probe.
const SLACK: Duration = Duration::from_secs(30);

/// Class of faults that can have one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum FaultClass {
    /// Connections fail.
    Connection,
    /// Connections are accepted without an answer.
    Silence,
    /// A load balancer without healthy servers.
    Gateway,
    /// Another status code.
    Status(u16),
    /// Expiry of one certificate.
    Certificate(Time),
    /// Any other fault, by its code.
    Code(&'static str),
}

/// Class of a fault, with the port where it matters: two servers on one machine fail together, but may give bad answers
/// for different reasons.
type Key = (FaultClass, Option<u16>);

/// Place of a failure. Of two places that explain equally many symptoms the later in this order is the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place<'a> {
    Address(IpAddr),
    Alias(&'a str),
}

impl Place<'_> {
    fn resource(self) -> Resource {
        match self {
            Self::Address(address) => Resource::address(address),
            Self::Alias(alias) => Resource::host(alias),
        }
    }
}

fn places_of(seen_at: &SeenAt) -> impl Iterator<Item = Place<'_>> {
    let addresses = seen_at.addresses.iter().copied().map(Place::Address);
    addresses.chain(seen_at.alias.as_deref().map(Place::Alias))
}

/// Whether a cause is a place, known only by the failures there.
pub(crate) fn is_place<'a>(cause: &Resource, mut alerts: impl Iterator<Item = &'a Alert>) -> bool {
    match cause.kind {
        Kind::Address => true,
        Kind::Host => alerts.any(|alert| alert.seen_at.alias.as_ref() == Some(&cause.name)),
        _ => false,
    }
}

/// An open incident whose cause is a place.
#[derive(Debug)]
pub(crate) struct PlaceIncident<'a> {
    pub(crate) cause: &'a Resource,
    pub(crate) members: &'a BTreeSet<AlertId>,
    /// Recovered alerts with the time of their end: equal failures still join the incident.
    pub(crate) closed: Vec<(&'a Alert, Time)>,
}

/// Recovered alert of an open incident at a place.
pub(crate) struct RecoveredMember<'a, 'b> {
    pub(crate) of: &'b PlaceIncident<'a>,
    was: &'a Alert,
    closed: Time,
}

impl RecoveredMember<'_, '_> {
    /// Whether an alert about the same resource, opened at `opened`, continues it: with the same fault after a
    /// recovery, or with one fault replacing another.
    pub(crate) fn goes_on(&self, config: &Config, alert: &Alert, opened: Time) -> bool {
        let key = key(config, alert);
        self.closed == opened || (key.is_some() && self::key(config, self.was) == key)
    }
}

/// Recovered alerts of open incidents at a place, by resource.
pub(crate) fn recovered_members<'a, 'b>(
    place_incidents: &'b [PlaceIncident<'a>],
) -> BTreeMap<&'a Resource, Vec<RecoveredMember<'a, 'b>>> {
    let mut parts: BTreeMap<&Resource, Vec<RecoveredMember<'_, '_>>> = BTreeMap::new();
    for of in place_incidents {
        for &(was, closed) in &of.closed {
            parts.entry(&was.about).or_default().push(RecoveredMember { of, was, closed });
        }
    }
    parts
}

fn key(config: &Config, alert: &Alert) -> Option<Key> {
    let kind = config.probes.get(&alert.probe).map(|probe| &probe.kind);
    let port = || match kind {
        Some(ProbeKind::Http { url, .. }) => port_of(url),
        Some(ProbeKind::Tcp { port, .. } | ProbeKind::Tls { port, .. }) => Some(*port),
        _ => None,
    };
    Some(match &alert.fault {
        Fault::Refused | Fault::Unreachable { .. } | Fault::TimedOut { phase: Phase::Connect } => {
            (FaultClass::Connection, None)
        }
        Fault::TimedOut { phase: Phase::Dns } => return None,
        Fault::TimedOut { .. } => (FaultClass::Silence, None),
        Fault::Status { got: 502..=504 } => (FaultClass::Gateway, port()),
        Fault::Status { got } => (FaultClass::Status(*got), port()),
        Fault::Tls { tls: TlsFault::Expired { since: at } | TlsFault::Expiring { at, .. } } => {
            (FaultClass::Certificate(*at), None)
        }
        // One of several addresses does not answer: names with this address only fail to connect.
        Fault::SomeAddresses { answers: false, .. } => (FaultClass::Connection, None),
        Fault::NameNotFound
        | Fault::NameUnanswered { .. }
        | Fault::PrivateAddress { .. }
        | Fault::Dns { .. }
        | Fault::Domain { .. }
        | Fault::Lookup { .. }
        | Fault::Unmonitored
        | Fault::EdgeSilent { .. }
        | Fault::Isolated { .. } => return None,
        fault if traffic::is_edge_fault(fault) => return None,
        fault => (FaultClass::Code(fault.as_str()), port()),
    })
}

/// The port of a URL, or the default of its scheme.
fn port_of(url: &str) -> Option<u16> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let after = host.rsplit_once(']').map_or(host, |(_, after)| after);
    match after.rsplit_once(':') {
        Some((_, port)) => port.parse().ok(),
        None if scheme.eq_ignore_ascii_case("https") => Some(443),
        None => Some(80),
    }
}

/// A failure at a place.
struct Symptom<'a> {
    alert: &'a Alert,
    key: Key,
    /// Earliest possible start.
    earliest: Time,
    /// Whether the alert is open; closed ones only connect open ones with an incident.
    open: bool,
}

/// Assigns the shared place as the cause to alerts with equal faults at one place.
pub(crate) fn assign_shared_places(
    config: &Config,
    topology: &Topology,
    alerts: &[&Alert],
    place_incidents: &[PlaceIncident<'_>],
    continuing: &BTreeMap<AlertId, &PlaceIncident<'_>>,
    causes: &mut BTreeMap<AlertId, Resource>,
) {
    let open = alerts.iter().copied().filter(|alert| {
        // An alert with a failing dependency is explained already.
        causes.get(&alert.id).is_some_and(|root| is_endpoint(root.kind))
    });
    let closed = place_incidents
        .iter()
        .flat_map(|place_incidents| place_incidents.closed.iter().map(|(alert, _)| *alert));
    let symptoms = symptoms(config, open.map(|alert| (alert, true)).chain(closed.map(|f| (f, false))));
    let groups = groups(&symptoms);
    let mut home: BTreeMap<AlertId, &PlaceIncident<'_>> = BTreeMap::new();
    for place_incidents in place_incidents {
        let all = place_incidents
            .members
            .iter()
            .copied()
            .chain(place_incidents.closed.iter().map(|(alert, _)| alert.id));
        for id in all {
            home.entry(id).or_insert(place_incidents);
        }
    }
    for (alert, place_incidents) in continuing {
        home.entry(*alert).or_insert(place_incidents);
    }
    let mut taken: BTreeSet<Resource> =
        place_incidents.iter().map(|place_incidents| place_incidents.cause.clone()).collect();
    // Alerts about a moved resource, or explained by it, follow it.
    let mut moved: BTreeMap<Resource, Resource> = BTreeMap::new();
    for group in groups {
        let group: Vec<&Symptom<'_>> = group.into_iter().filter_map(|place| symptoms.get(place)).collect();
        let known = group.iter().filter_map(|symptom| home.get(&symptom.alert.id)).next();
        if known.is_none() && !is_wide(config, topology, &group) {
            continue;
        }
        let cause = match known {
            Some(place_incidents) => place_incidents.cause.clone(),
            None => cause(&group, &taken, causes),
        };
        taken.insert(cause.clone());
        for symptom in group.iter().filter(|symptom| symptom.open) {
            let Some(root) = causes.get_mut(&symptom.alert.id) else { continue };
            moved.insert(symptom.alert.about.clone(), cause.clone());
            moved.insert(std::mem::replace(root, cause.clone()), cause.clone());
        }
    }
    for alert in alerts.iter().filter(|alert| !is_independent(&alert.fault)) {
        let Some(root) = causes.get_mut(&alert.id) else { continue };
        if let Some(cause) = moved.get(root) {
            *root = cause.clone();
        }
    }
}

fn symptoms<'a>(config: &Config, alerts: impl Iterator<Item = (&'a Alert, bool)>) -> Vec<Symptom<'a>> {
    let mut symptoms: Vec<Symptom<'a>> = alerts
        .filter(|(alert, _)| !alert.seen_at.is_empty())
        .filter_map(|(alert, open)| {
            let probe = config.probes.get(&alert.probe);
            let late = probe.map_or(Duration::ZERO, |probe| probe.interval.saturating_add(probe.timeout));
            let earliest = earlier(alert.since, late.saturating_add(SLACK));
            Some(Symptom { alert, key: key(config, alert)?, earliest, open })
        })
        .collect();
    symptoms.sort_by_key(|symptom| (symptom.alert.since, symptom.alert.id));
    symptoms
}

/// Symptoms grouped by cause, the earliest group first.
fn groups(symptoms: &[Symptom<'_>]) -> Vec<Vec<usize>> {
    let mut parent: Vec<usize> = (0..symptoms.len()).collect();
    let mut latest: BTreeMap<(Key, Place<'_>), usize> = BTreeMap::new();
    for (one, symptom) in symptoms.iter().enumerate() {
        for place in places_of(&symptom.alert.seen_at) {
            if let Some(other) = latest.insert((symptom.key, place), one)
                && symptoms.get(other).is_some_and(|other| symptom.earliest <= other.alert.since)
            {
                let (a, b) = (first_of(&mut parent, one), first_of(&mut parent, other));
                if let Some(slot) = parent.get_mut(a.max(b)) {
                    *slot = a.min(b);
                }
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for one in 0..symptoms.len() {
        let first = first_of(&mut parent, one);
        groups.entry(first).or_default().push(one);
    }
    groups.into_values().filter(|group| group.len() > 1).collect()
}

/// First symptom of a group. Halves the path (union-find).
fn first_of(parent: &mut [usize], mut one: usize) -> usize {
    while let Some(up) = parent.get(one).copied().filter(|up| *up != one) {
        let next = parent.get(up).copied().unwrap_or(up);
        if let Some(slot) = parent.get_mut(one) {
            *slot = next;
        }
        one = next;
    }
    one
}

/// Whether a group has several names of several services.
fn is_wide(config: &Config, topology: &Topology, group: &[&Symptom<'_>]) -> bool {
    let names: BTreeSet<&str> = group.iter().map(|symptom| symptom.alert.about.name.as_str()).collect();
    if names.len() < 2 {
        return false;
    }
    let mut speaks_for: BTreeSet<Resource> = BTreeSet::new();
    for symptom in group {
        let about = &symptom.alert.about;
        let position = topology.of(&config.graph, about);
        if position.services.is_empty() {
            speaks_for.insert(about.clone());
        }
        speaks_for.extend(position.services.iter().cloned());
        if speaks_for.len() > 1 {
            return true;
        }
    }
    false
}

/// The place with most symptoms of a group; its first symptom if the fault is a certificate, or if the place is the
/// cause of another group already.
fn cause(
    group: &[&Symptom<'_>],
    taken: &BTreeSet<Resource>,
    causes: &BTreeMap<AlertId, Resource>,
) -> Resource {
    let first = group.iter().find(|symptom| symptom.open).or(group.first());
    let own = || first.map(|first| causes.get(&first.alert.id).unwrap_or(&first.alert.about).clone());
    let of_certificate = first.is_some_and(|first| matches!(first.key.0, FaultClass::Certificate(_)));
    let mut counts: BTreeMap<Place<'_>, usize> = BTreeMap::new();
    for place in group.iter().flat_map(|symptom| places_of(&symptom.alert.seen_at)) {
        *counts.entry(place).or_default() += 1;
    }
    let best =
        counts.into_iter().max_by_key(|(place, count)| (*count, *place)).map(|(place, _)| place.resource());
    let best = best.filter(|resource| !of_certificate && !taken.contains(resource));
    best.or_else(own).unwrap_or_else(Resource::here)
}
