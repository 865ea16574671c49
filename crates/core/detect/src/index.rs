//! What follows from a configuration once: which probes are about a thing, which domain it stands on, whom we ask when blind.

use std::collections::{BTreeMap, BTreeSet};
use types::config::Ask;
use types::{Config, Kind, ProbeId, Resource};

/// So many probes at most are asked whether they see anything.
const JURORS_MAX: usize = 16;

/// From so many independent domains on, a few that are still seen do not prove that we see.
const INDEPENDENT_MIN: usize = 3;

#[derive(Debug, Default)]
pub(crate) struct Index {
    digest: String,
    probes: usize,
    pub(crate) about: BTreeMap<Resource, BTreeSet<ProbeId>>,
    /// The registrable domain beneath each host, certificate and zone.
    pub(crate) zone: BTreeMap<Resource, String>,
    /// The probes of the registration and of the name servers of each domain.
    pub(crate) domain_probe: BTreeMap<String, ProbeId>,
    pub(crate) dns_probe: BTreeMap<String, ProbeId>,
    /// Probes whose answers together tell whether we see out; those that ask name servers are marked.
    pub(crate) jury: BTreeMap<ProbeId, bool>,
    /// Whether the jury comes from so few domains that all of it must agree.
    pub(crate) few: bool,
}

impl Index {
    pub(crate) fn fits(&self, config: &Config) -> bool {
        self.digest == config.digest && self.probes == config.probes.len()
    }

    pub(crate) fn new(config: &Config) -> Self {
        let mut index =
            Self { digest: config.digest.clone(), probes: config.probes.len(), ..Self::default() };
        for probe in config.probes.values() {
            index.about.entry(probe.about.clone()).or_default().insert(probe.id.clone());
            match &probe.ask {
                Ask::Domain { name } => {
                    _ = index.domain_probe.entry(name.clone()).or_insert_with(|| probe.id.clone())
                }
                Ask::Dns { zone, .. } => {
                    _ = index.dns_probe.entry(zone.clone()).or_insert_with(|| probe.id.clone())
                }
                _ => {}
            }
            if let Some(zone) = zone_beneath(config, &probe.about) {
                index.zone.insert(probe.about.clone(), zone);
            }
        }
        index.choose_jury(config);
        index
    }

    /// The zone that a probe is about, or stands on.
    pub(crate) fn zone_of(&self, ask: &Ask, about: &Resource) -> Option<String> {
        match ask {
            Ask::Domain { name } => Some(name.clone()),
            Ask::Dns { zone, .. } => Some(zone.clone()),
            _ => self.zone.get(about).cloned(),
        }
    }

    /// One probe a host and one a zone, taken in turn from every zone until there are enough.
    fn choose_jury(&mut self, config: &Config) {
        let mut by_zone: BTreeMap<String, Vec<(ProbeId, bool)>> = BTreeMap::new();
        let mut hosts = BTreeSet::new();
        for probe in config.probes.values() {
            let (host, names) = match &probe.ask {
                Ask::Http { url, .. } => (host_of(url), false),
                Ask::Tcp { host, .. } | Ask::Tls { host, .. } => (host.as_str(), false),
                Ask::Dns { zone, .. } => (zone.as_str(), true),
                Ask::Domain { .. } => continue,
            };
            if hosts.insert((host.to_owned(), names)) {
                let zone = self.zone_of(&probe.ask, &probe.about).unwrap_or_else(|| host.to_owned());
                let place = by_zone.entry(zone).or_default();
                let juror = (probe.id.clone(), names);
                if names { place.insert(0, juror) } else { place.push(juror) }
            }
        }
        self.few = by_zone.len() < INDEPENDENT_MIN;
        let mut rounds: Vec<_> = by_zone.into_values().map(Vec::into_iter).collect();
        while self.jury.len() < JURORS_MAX && !rounds.is_empty() {
            rounds.retain_mut(|zone| match zone.next() {
                Some((probe, names)) => {
                    if self.jury.len() < JURORS_MAX {
                        self.jury.insert(probe, names);
                    }
                    true
                }
                None => false,
            });
        }
    }
}

/// The registrable domain beneath a thing. A service may stand on several and has none of its own.
fn zone_beneath(config: &Config, about: &Resource) -> Option<String> {
    match about.kind {
        Kind::Domain | Kind::Dns => Some(about.name.clone()),
        Kind::Host | Kind::Tls | Kind::Probe => {
            let beneath = config.graph.beneath(about);
            let host = config.graph.beneath(&Resource::host(about.name.clone()));
            let zone = |resource: &&Resource| matches!(resource.kind, Kind::Domain | Kind::Dns);
            beneath.iter().find(zone).or_else(|| host.iter().find(zone)).map(|resource| resource.name.clone())
        }
        _ => None,
    }
}

/// The host in a URL, as far as telling hosts apart needs it.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}
