//! One event at one place is one cause: the same fault, at the same time, at the same address or behind the same alias.
//!
//! A server that dies takes down every name that it answers for. Nothing in the configuration ties those names together; their
//! addresses do. What counts as the same:
//!
//! | | |
//! |---|---|
//! | fault | connections fail, answers stay away: at any port; every other fault: by its kind, at the same port |
//! | time | a symptom may show up to one interval of its probe later than the others, and a little |
//! | place | one address or alias in common, directly or through others that fail alike |
//!
//! One name that fails has its own trouble, however many names share its address. So have several names of one service:
//! the service is their cause.

use crate::cause::{is_endpoint, stands_alone};
use crate::place::Places;
use crate::traffic;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;
use types::config::Ask;
use types::fault::{Phase, TlsFault};
use types::time::earlier;
use types::{Alert, AlertId, Config, Fault, Kind, Resource, SeenAt, Time};

/// How much later than its own probe's interval and timeout a symptom may show.
const SLACK: Duration = Duration::from_secs(30);

/// What faults have in common that are one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Alike {
    /// Nobody takes connections.
    Connection,
    /// Somebody takes connections and says nothing.
    Silence,
    /// A balancer has nobody behind it.
    Gateway,
    /// Another status.
    Status(u16),
    /// One certificate runs out.
    Certificate(Time),
    /// Anything else, by its word.
    Word(&'static str),
}

/// A fault, with the port where it matters: two servers on one machine may answer wrongly for two reasons, but they die
/// together.
type Key = (Alike, Option<u16>);

/// Where something was seen. Of two places that explain as much the later in this order is told: a balancer has a name.
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

/// Whether a cause is a place: nothing is known about it but what fails there.
pub(crate) fn is_place<'a>(cause: &Resource, mut alerts: impl Iterator<Item = &'a Alert>) -> bool {
    match cause.kind {
        Kind::Address => true,
        Kind::Host => alerts.any(|alert| alert.seen_at.alias.as_ref() == Some(&cause.name)),
        _ => false,
    }
}

/// An open incident whose cause is a place.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    pub(crate) cause: &'a Resource,
    pub(crate) members: &'a BTreeSet<AlertId>,
    /// What failed as part of it, and when that ended: whoever fails like it joins it still.
    pub(crate) closed: Vec<(&'a Alert, Time)>,
}

/// Something that failed as part of an open incident, and when that ended.
pub(crate) struct Part<'a, 'b> {
    pub(crate) of: &'b Held<'a>,
    was: &'a Alert,
    closed: Time,
}

impl Part<'_, '_> {
    /// Whether an alert about the same thing that opened at `opened` goes on with it: it was well in between and fails as
    /// it did, or one fault took the place of another.
    pub(crate) fn goes_on(&self, config: &Config, alert: &Alert, opened: Time) -> bool {
        let key = key(config, alert);
        self.closed == opened || (key.is_some() && self::key(config, self.was) == key)
    }
}

/// What of each thing is well again as part of open incidents that have a place as their cause.
pub(crate) fn parts<'a, 'b>(held: &'b [Held<'a>]) -> BTreeMap<&'a Resource, Vec<Part<'a, 'b>>> {
    let mut parts: BTreeMap<&Resource, Vec<Part<'_, '_>>> = BTreeMap::new();
    for of in held {
        for &(was, closed) in &of.closed {
            parts.entry(&was.about).or_default().push(Part { of, was, closed });
        }
    }
    parts
}

fn key(config: &Config, alert: &Alert) -> Option<Key> {
    let ask = config.probes.get(&alert.probe).map(|probe| &probe.ask);
    let port = || match ask {
        Some(Ask::Http { url, .. }) => port_of(url),
        Some(Ask::Tcp { port, .. } | Ask::Tls { port, .. }) => Some(*port),
        _ => None,
    };
    Some(match &alert.fault {
        Fault::Refused | Fault::Unreachable { .. } | Fault::TimedOut { phase: Phase::Connect } => {
            (Alike::Connection, None)
        }
        Fault::TimedOut { phase: Phase::Dns } => return None,
        Fault::TimedOut { .. } => (Alike::Silence, None),
        Fault::Status { got: 502..=504 } => (Alike::Gateway, port()),
        Fault::Status { got } => (Alike::Status(*got), port()),
        Fault::Tls { tls: TlsFault::Expired { since: at } | TlsFault::Expiring { at, .. } } => {
            (Alike::Certificate(*at), None)
        }
        // One of several addresses is silent: what has no other address fails to connect to it.
        Fault::SomeAddresses { answers: false, .. } => (Alike::Connection, None),
        Fault::NameNotFound
        | Fault::NameUnanswered { .. }
        | Fault::InnerAddress { .. }
        | Fault::Dns { .. }
        | Fault::Domain { .. }
        | Fault::Lookup { .. }
        | Fault::Unwatched
        | Fault::EdgeSilent { .. }
        | Fault::Blind { .. } => return None,
        fault if traffic::is_of_the_edge(fault) => return None,
        fault => (Alike::Word(fault.word()), port()),
    })
}

/// The port of a web address, its scheme's where it says none.
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

/// Something that failed at a place.
struct Symptom<'a> {
    alert: &'a Alert,
    key: Key,
    /// When it may have begun at the earliest.
    earliest: Time,
    /// Closed ones only show where an open incident goes on.
    open: bool,
}

/// Gives alerts that are one event the place that they share as their cause.
pub(crate) fn share(
    config: &Config,
    known: &Places,
    alerts: &[&Alert],
    held: &[Held<'_>],
    goes_on: &BTreeMap<AlertId, &Held<'_>>,
    roots: &mut BTreeMap<AlertId, Resource>,
) {
    let open = alerts.iter().copied().filter(|alert| {
        // What has an explanation beneath it needs none beside it.
        roots.get(&alert.id).is_some_and(|root| is_endpoint(root.kind))
    });
    let closed = held.iter().flat_map(|held| held.closed.iter().map(|(alert, _)| *alert));
    let symptoms = symptoms(config, open.map(|alert| (alert, true)).chain(closed.map(|f| (f, false))));
    let events = events(&symptoms);
    let mut home: BTreeMap<AlertId, &Held<'_>> = BTreeMap::new();
    for held in held {
        let all = held.members.iter().copied().chain(held.closed.iter().map(|(alert, _)| alert.id));
        for id in all {
            home.entry(id).or_insert(held);
        }
    }
    for (alert, held) in goes_on {
        home.entry(*alert).or_insert(held);
    }
    let mut taken: BTreeSet<Resource> = held.iter().map(|held| held.cause.clone()).collect();
    // What was about one of these, or explained by it, follows it.
    let mut moved: BTreeMap<Resource, Resource> = BTreeMap::new();
    for event in events {
        let event: Vec<&Symptom<'_>> = event.into_iter().filter_map(|place| symptoms.get(place)).collect();
        let at_home = event.iter().filter_map(|symptom| home.get(&symptom.alert.id)).next();
        if at_home.is_none() && !is_wide(config, known, &event) {
            continue;
        }
        let cause = match at_home {
            Some(held) => held.cause.clone(),
            None => cause(&event, &taken, roots),
        };
        taken.insert(cause.clone());
        for symptom in event.iter().filter(|symptom| symptom.open) {
            let Some(root) = roots.get_mut(&symptom.alert.id) else { continue };
            moved.insert(symptom.alert.about.clone(), cause.clone());
            moved.insert(std::mem::replace(root, cause.clone()), cause.clone());
        }
    }
    for alert in alerts.iter().filter(|alert| !stands_alone(&alert.fault)) {
        let Some(root) = roots.get_mut(&alert.id) else { continue };
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

/// Symptoms by event, the earliest event first.
fn events(symptoms: &[Symptom<'_>]) -> Vec<Vec<usize>> {
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
    let mut events: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for one in 0..symptoms.len() {
        let first = first_of(&mut parent, one);
        events.entry(first).or_default().push(one);
    }
    events.into_values().filter(|event| event.len() > 1).collect()
}

/// The first symptom of an event. Halves the way that it goes.
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

/// Whether an event reaches several names of several services.
fn is_wide(config: &Config, known: &Places, event: &[&Symptom<'_>]) -> bool {
    let names: BTreeSet<&str> = event.iter().map(|symptom| symptom.alert.about.name.as_str()).collect();
    if names.len() < 2 {
        return false;
    }
    let mut speaks_for: BTreeSet<Resource> = BTreeSet::new();
    for symptom in event {
        let about = &symptom.alert.about;
        let place = known.of(&config.graph, about);
        if place.services.is_empty() {
            speaks_for.insert(about.clone());
        }
        speaks_for.extend(place.services.iter().cloned());
        if speaks_for.len() > 1 {
            return true;
        }
    }
    false
}

/// The place that explains most of an event; its first symptom where a certificate is to blame, or where another event is
/// known at that place already.
fn cause(
    event: &[&Symptom<'_>],
    taken: &BTreeSet<Resource>,
    roots: &BTreeMap<AlertId, Resource>,
) -> Resource {
    let first = event.iter().find(|symptom| symptom.open).or(event.first());
    let own = || first.map(|first| roots.get(&first.alert.id).unwrap_or(&first.alert.about).clone());
    let of_certificate = first.is_some_and(|first| matches!(first.key.0, Alike::Certificate(_)));
    let mut counts: BTreeMap<Place<'_>, usize> = BTreeMap::new();
    for place in event.iter().flat_map(|symptom| places_of(&symptom.alert.seen_at)) {
        *counts.entry(place).or_default() += 1;
    }
    let best =
        counts.into_iter().max_by_key(|(place, count)| (*count, *place)).map(|(place, _)| place.resource());
    let best = best.filter(|resource| !of_certificate && !taken.contains(resource));
    best.or_else(own).unwrap_or_else(Resource::here)
}
