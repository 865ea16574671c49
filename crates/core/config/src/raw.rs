//! The configuration as it is written: every value parsed, no reference checked yet.

pub(crate) mod edge;
pub(crate) mod http;
pub(crate) mod people;
pub(crate) mod pool;
pub(crate) mod probe;
pub(crate) mod service;
pub(crate) mod site;
pub(crate) mod traffic;

use self::edge::RawEdge;
use self::people::{RawChannel, RawEscalation, RawPerson, RawSchedule};
use self::pool::{RawCaller, RawPool};
use self::probe::RawProbe;
use self::service::RawService;
use self::site::ProbeDefaults;
use crate::diagnostics::{Diagnostics, Place};
use crate::parse::domain::{Declared, Registration, may_be_declared};
use crate::parse::host::{Host, dns_name};
use crate::parse::url::Url;
use crate::reader::document::DocumentReader;
use crate::reader::value::At;
use crate::value_error::ValueError;
use std::collections::BTreeMap;
use std::path::Path;
use types::Time;
use types::config::{Dns, Registry, Site, StatusPage};

/// The configuration as it is written.
pub(crate) struct RawConfig {
    pub(crate) site: Site,
    /// `site.url`, if it is written.
    pub(crate) url: Option<At<Url>>,
    pub(crate) dns: Dns,
    pub(crate) registry: Registry,
    pub(crate) probe_defaults: ProbeDefaults,
    pub(crate) services: BTreeMap<String, RawService>,
    pub(crate) probes: BTreeMap<String, RawProbe>,
    pub(crate) domains: BTreeMap<String, RawDomain>,
    /// Suffixes and registrations that the configuration declares.
    pub(crate) declared: Declared,
    pub(crate) people: BTreeMap<String, RawPerson>,
    pub(crate) schedules: BTreeMap<String, RawSchedule>,
    pub(crate) escalations: BTreeMap<String, RawEscalation>,
    pub(crate) channels: BTreeMap<String, RawChannel>,
    pub(crate) edge: Option<RawEdge>,
    pub(crate) pools: BTreeMap<String, RawPool>,
    pub(crate) callers: BTreeMap<String, RawCaller>,
    pub(crate) status_page: StatusPage,
}

impl RawConfig {
    /// Returns the registrable domain behind a host whose name servers and registry can be queried: below a suffix of the
    /// public suffix list, or below a top-level domain that only this configuration declares (a test network with its own
    /// root servers or registry).
    pub(crate) fn zone_behind(&self, host: &Host) -> Option<String> {
        match Registration::of(host.dns()?, &self.declared) {
            Registration::Known(zone) => Some(zone),
            Registration::Unlisted(zone) if self.is_own_suffix(&zone) => Some(zone),
            Registration::Unlisted(_) | Registration::None => None,
        }
    }

    /// Whether the configuration declares where the suffix of a domain, which is not on the public suffix list, is served.
    pub(crate) fn is_own_suffix(&self, zone: &str) -> bool {
        let suffix = zone.split_once('.').map_or(zone, |(_, suffix)| suffix);
        let registry = &self.registry;
        !self.dns.roots.is_empty()
            || registry.rdap.contains_key(suffix)
            || registry.whois.contains_key(suffix)
    }
}

/// A declared registration.
#[derive(Debug)]
pub(crate) struct RawDomain {
    pub(crate) place: Place,
    pub(crate) expires: Option<Time>,
}

/// Reads every section.
pub(crate) fn read(root: &DocumentReader<'_>, folder: &Path, diagnostics: &mut Diagnostics) -> RawConfig {
    let (site, url) =
        root.one(diagnostics, "site", |table, diagnostics| site::site(table, folder, diagnostics));
    let timezone = site.timezone.clone();
    let title = if site.name == site::NO_NAME { site.name.clone() } else { format!("{} status", site.name) };
    let mut registry =
        root.one(diagnostics, "registry", |table, diagnostics| site::registry(table, folder, diagnostics));
    let declared = declared(root, &registry);
    let domains = domains(root, &declared, diagnostics);
    registry.suffixes.extend(declared.registrations.iter().filter_map(|zone| declared.suffix_of(zone)));
    RawConfig {
        dns: root.one(diagnostics, "dns", site::dns),
        registry,
        probe_defaults: root.one(diagnostics, "probe_defaults", site::probe_defaults),
        services: root.each(diagnostics, "service", service::service),
        probes: root
            .each(diagnostics, "probe", |_, table, diagnostics| probe::read(table, &declared, diagnostics)),
        domains,
        people: root.each(diagnostics, "person", |name, table, diagnostics| {
            people::person(name, table, &timezone, diagnostics)
        }),
        schedules: root.each(diagnostics, "schedule", |_, table, diagnostics| {
            people::schedule(table, &timezone, diagnostics)
        }),
        escalations: root
            .each(diagnostics, "escalation", |_, table, diagnostics| people::escalation(table, diagnostics)),
        channels: root.each(diagnostics, "channel", |_, table, diagnostics| {
            people::channel(table, folder, diagnostics)
        }),
        edge: root.maybe(diagnostics, "edge", |table, diagnostics| {
            edge::read(table, folder, site.listen, diagnostics)
        }),
        pools: root.each(diagnostics, "pool", pool::pool),
        callers: root.each(diagnostics, "caller", |name, table, diagnostics| {
            pool::caller(name, table, folder, diagnostics)
        }),
        status_page: root.one(diagnostics, "status_page", |table, diagnostics| {
            site::status_page(table, title, diagnostics)
        }),
        site,
        url,
        declared,
    }
}

/// Makes a display name from a name in the configuration: `sign-in` becomes `Sign in`.
pub(crate) fn title_of(name: &str) -> String {
    let mut title: String = name.chars().map(|c| if c == '-' || c == '_' { ' ' } else { c }).collect();
    if let Some(first) = title.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    title
}

/// Collects the suffixes that the configuration names a registry for, and the domains that have a section.
fn declared(root: &DocumentReader<'_>, registry: &Registry) -> Declared {
    let named = registry.rdap.keys().chain(registry.whois.keys()).filter(|suffix| suffix.contains('.'));
    let suffixes = registry.suffixes.iter().chain(named).cloned().collect();
    let names = root.names("domain").filter_map(|name| dns_name(name.trim()).ok());
    Declared { suffixes, registrations: names.filter(|name| may_be_declared(name)).collect() }
}
/// Reads a reference; whether its target exists is checked later.
pub(crate) fn name_of(text: &str) -> Result<String, ValueError> {
    Ok(text.to_owned())
}

fn domains(
    root: &DocumentReader<'_>,
    declared: &Declared,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<String, RawDomain> {
    let written = root.each(diagnostics, "domain", |name, table, diagnostics| {
        let place = table.place.clone();
        let zone = probe::zone(name, declared);
        if let Err(error) = &zone {
            let hint = error.hint.clone().text_or(|| "for example: [domain.\"acme.app\"]".to_owned());
            diagnostics.error(place.clone(), error.message.clone(), hint);
        }
        let expires = table.date(diagnostics, "expires").map(|at| at.value);
        zone.ok().map(|zone| (zone, RawDomain { place, expires }))
    });
    let mut out: BTreeMap<String, RawDomain> = BTreeMap::new();
    for (zone, domain) in written.into_values().flatten() {
        if out.contains_key(&zone) {
            diagnostics.error(
                domain.place.clone(),
                format!("`{zone}` is declared twice"),
                "keep one of them",
            );
        }
        out.insert(zone, domain);
    }
    out
}
