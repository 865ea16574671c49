//! Index of a configuration: probes by resource, the domain of each resource, reference probes for connectivity checks.

use std::collections::{BTreeMap, BTreeSet};
use types::config::ProbeKind;
use types::{Config, Kind, ProbeId, Resource};

/// Maximum number of reference probes.
const REFERENCE_PROBES_MAX: usize = 16;

/// Number of independent domains from which on a few that are reachable do not prove connectivity.
const INDEPENDENT_MIN: usize = 3;

/// Lookup tables derived once from a configuration.
#[derive(Debug, Default)]
pub(crate) struct Index {
    digest: String,
    probes: usize,
    pub(crate) about: BTreeMap<Resource, BTreeSet<ProbeId>>,
    /// Registrable domain of each host, certificate and zone.
    pub(crate) zone: BTreeMap<Resource, String>,
    /// Probes of the registration and of the name servers of each domain.
    pub(crate) domain_probe: BTreeMap<String, ProbeId>,
    pub(crate) dns_probe: BTreeMap<String, ProbeId>,
    /// Probes that show together whether mainstay is connected; `true` for those that ask name servers.
    pub(crate) reference_probes: BTreeMap<ProbeId, bool>,
    /// Whether the reference probes come from so few domains that all must agree.
    pub(crate) few_domains: bool,
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
            match &probe.kind {
                ProbeKind::Domain { name } => {
                    _ = index.domain_probe.entry(name.clone()).or_insert_with(|| probe.id.clone())
                }
                ProbeKind::Dns { zone, .. } => {
                    _ = index.dns_probe.entry(zone.clone()).or_insert_with(|| probe.id.clone())
                }
                _ => {}
            }
            if let Some(zone) = zone_beneath(config, &probe.about) {
                index.zone.insert(probe.about.clone(), zone);
            }
        }
        index.choose_reference_probes(config);
        index
    }

    /// The zone that a probe is about or depends on.
    pub(crate) fn zone_of(&self, kind: &ProbeKind, about: &Resource) -> Option<String> {
        match kind {
            ProbeKind::Domain { name } => Some(name.clone()),
            ProbeKind::Dns { zone, .. } => Some(zone.clone()),
            _ => self.zone.get(about).cloned(),
        }
    }

    /// Takes one probe per host and one per zone, in turn from every zone, up to the maximum.
    fn choose_reference_probes(&mut self, config: &Config) {
        let mut by_zone: BTreeMap<String, Vec<(ProbeId, bool)>> = BTreeMap::new();
        let mut hosts = BTreeSet::new();
        for probe in config.probes.values() {
            let (host, names) = match &probe.kind {
                ProbeKind::Http { url, .. } => (host_of(url), false),
                ProbeKind::Tcp { host, .. } | ProbeKind::Tls { host, .. } => (host.as_str(), false),
                ProbeKind::Dns { zone, .. } => (zone.as_str(), true),
                // A database, load balancer or UPS in one's own network proves no connectivity.
                ProbeKind::Domain { .. }
                | ProbeKind::Database { .. }
                | ProbeKind::Pool { .. }
                | ProbeKind::Nut { .. } => continue,
            };
            if hosts.insert((host.to_owned(), names)) {
                let zone = self.zone_of(&probe.kind, &probe.about).unwrap_or_else(|| host.to_owned());
                let of_zone = by_zone.entry(zone).or_default();
                let chosen = (probe.id.clone(), names);
                if names { of_zone.insert(0, chosen) } else { of_zone.push(chosen) }
            }
        }
        self.few_domains = by_zone.len() < INDEPENDENT_MIN;
        let mut zones: Vec<_> = by_zone.into_values().map(Vec::into_iter).collect();
        while self.reference_probes.len() < REFERENCE_PROBES_MAX && !zones.is_empty() {
            zones.retain_mut(|zone| match zone.next() {
                Some((probe, names)) => {
                    if self.reference_probes.len() < REFERENCE_PROBES_MAX {
                        self.reference_probes.insert(probe, names);
                    }
                    true
                }
                None => false,
            });
        }
    }
}

/// The registrable domain of a resource. A service may depend on several and has none of its own.
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

/// The host in a URL, exact enough to distinguish hosts.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}
