//! Locations: when nearly everything of one declared location stops answering within minutes, the cause is its power or its
//! network, not each machine.
//!
//! | | |
//! |---|---|
//! | members | hosts, probes and databases for which the configuration declares the location |
//! | silent | a failed connection or a missing answer; another fault says that the machine is on |
//! | together | three at least, and four of five members, within three minutes |
//! | elsewhere | at least half of everything else does well: otherwise the common cause is wider |
//!
//! Several names at one address are one machine, which is no location.

use crate::impact::{hurts, is_endpoint};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::fault::DatabaseFault;
use types::time::between;
use types::{Alert, AlertId, Config, Fault, Kind, Resource};

/// Members that have to fail.
const FAILING_MIN: usize = 3;
/// Share of the members that has to fail, in percent.
const SHARE: usize = 80;
/// Time within which they have to fail: an interval of the probes and the repetitions that confirm a failure.
const TOGETHER: Duration = Duration::from_mins(3);

/// A member of a location: a certificate belongs to its host.
pub(crate) fn member(about: &Resource) -> Resource {
    match about.kind {
        Kind::Tls => Resource::host(about.name.clone()),
        _ => about.clone(),
    }
}

/// The location of a resource.
pub(crate) fn of<'a>(config: &'a Config, about: &Resource) -> Option<&'a str> {
    config.locations.get(&member(about)).map(String::as_str)
}

/// The other members of the location of a resource, `most` of them at most. None in a location that is too small to be a cause.
pub(crate) fn neighbours(config: &Config, about: &Resource, most: usize) -> Vec<Resource> {
    let Some(location) = of(config, about) else { return Vec::new() };
    let own = member(about);
    let there = config.locations.iter().filter(|(_, other)| *other == location).map(|(resource, _)| resource);
    let others: Vec<Resource> = there.filter(|other| **other != own).take(most).cloned().collect();
    if others.len() + 1 < FAILING_MIN { Vec::new() } else { others }
}

/// Number of the members of a location.
pub(crate) fn size(config: &Config, location: &str) -> usize {
    config.locations.values().filter(|other| *other == location).count()
}

/// Whether an alert says that something does not answer at all.
pub(crate) fn is_silent(alert: &Alert) -> bool {
    let silent = matches!(
        alert.fault,
        Fault::Refused
            | Fault::Unreachable { .. }
            | Fault::TimedOut { .. }
            | Fault::Database { database: DatabaseFault::NoPrimary { .. } }
    );
    silent && hurts(alert)
}

/// Assigns the location as the cause to the alerts of locations that fail as a whole. `known` are the locations that are the
/// cause of an open incident: what fails there meanwhile belongs to it.
pub(crate) fn assign(
    config: &Config,
    alerts: &[&Alert],
    known: &BTreeSet<&str>,
    causes: &mut BTreeMap<AlertId, Resource>,
) {
    if config.locations.is_empty() {
        return;
    }
    let mut silent: BTreeMap<&str, Vec<&Alert>> = BTreeMap::new();
    for alert in alerts.iter().copied().filter(|alert| is_silent(alert)) {
        let Some(location) = of(config, &alert.about) else { continue };
        if causes.get(&alert.id).is_some_and(|root| is_within(config, location, root)) {
            silent.entry(location).or_default().push(alert);
        }
    }
    let mut failing: BTreeSet<&str> = silent
        .iter()
        .filter(|(location, silent)| known.contains(*location) || fails(config, location, silent))
        .map(|(location, _)| *location)
        .collect();
    if !failing.is_subset(known) && !is_well_elsewhere(config, alerts, &failing) {
        failing.retain(|location| known.contains(location));
    }
    let mut moved: BTreeMap<Resource, &str> = BTreeMap::new();
    for (location, alert) in
        silent.iter().flat_map(|(location, all)| all.iter().map(move |one| (*location, *one)))
    {
        let Some(root) = causes.get_mut(&alert.id).filter(|_| failing.contains(location)) else { continue };
        let before = std::mem::replace(root, Resource::location(location));
        // A service may have names elsewhere, which have a cause of their own.
        for resource in [before, alert.about.clone()] {
            if resource.kind != Kind::Service {
                moved.insert(resource, location);
            }
        }
    }
    for alert in alerts {
        let Some(root) = causes.get_mut(&alert.id) else { continue };
        if let Some(location) = moved.get(root) {
            *root = Resource::location(*location);
        }
    }
}

/// Whether a cause lies within a location: it is of one of its members, or is known by their failures only.
fn is_within(config: &Config, location: &str, root: &Resource) -> bool {
    match root.kind {
        Kind::Service | Kind::Address => true,
        Kind::Database => of(config, root) == Some(location),
        // An alias of several names is declared nowhere.
        kind if is_endpoint(kind) => of(config, root).is_none_or(|of| of == location),
        _ => false,
    }
}

/// Whether the members of a location fail together.
fn fails(config: &Config, location: &str, silent: &[&Alert]) -> bool {
    let all = size(config, location);
    let are_enough = |alerts: &[&Alert]| {
        let members: BTreeSet<Resource> = alerts.iter().map(|alert| member(&alert.about)).collect();
        members.len() >= FAILING_MIN
            && members.len().saturating_mul(100) >= all.saturating_mul(SHARE)
            && !is_one_machine(alerts)
    };
    // Most are not enough even without regard to the time.
    if !are_enough(silent) {
        return false;
    }
    let mut by_time: Vec<&Alert> = silent.to_vec();
    by_time.sort_by_key(|alert| (alert.since, alert.id));
    by_time.iter().enumerate().any(|(first, alert)| {
        let within = by_time[first..].partition_point(|other| between(alert.since, other.since) <= TOGETHER);
        are_enough(&by_time[first..first + within])
    })
}

/// Whether all of them stand at the same single address.
fn is_one_machine(alerts: &[&Alert]) -> bool {
    let addresses: BTreeSet<_> = alerts.iter().flat_map(|alert| &alert.seen_at.addresses).collect();
    addresses.len() == 1 && alerts.iter().all(|alert| !alert.seen_at.addresses.is_empty())
}

/// Whether at least half of what stands in none of these locations does well.
fn is_well_elsewhere(config: &Config, alerts: &[&Alert], locations: &BTreeSet<&str>) -> bool {
    let broken: BTreeSet<Resource> =
        alerts.iter().filter(|alert| hurts(alert)).map(|alert| member(&alert.about)).collect();
    let asked = config.probes.values().map(|probe| &probe.about);
    let elsewhere: BTreeSet<&Resource> = asked
        .filter(|about| matches!(about.kind, Kind::Host | Kind::Probe | Kind::Database))
        .filter(|about| of(config, about).is_none_or(|of| !locations.contains(of)))
        .collect();
    let well = elsewhere.iter().filter(|about| !broken.contains(**about)).count();
    well.saturating_mul(2) >= elsewhere.len()
}
