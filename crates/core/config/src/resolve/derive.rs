//! Derives probes and the dependency graph from the declarations.
//!
//! | declared | derived |
//! |---|---|
//! | a host | probe `http.HOST` of `host.HOST`, probe `tls.HOST` of `tls.HOST` |
//! | the registrable domain of a host | probes `dns.ZONE`, `domain.ZONE` |
//! | `traffic` of a service | the service and its hosts depend on `pool.NAME` |
//! | a database | probe `database.NAME` of `database.NAME` |
//! | a pool behind another load balancer | probe `pool.NAME` of `pool.NAME`; the hosts of a service that depends on it depend on it |
//! | a probe | itself: of `probe.NAME` for http, tcp and nut, otherwise of its target, replacing the derived one |
//! | an `http` probe of a host of its own service by https | itself, of `host.HOST`, replacing the derived one |

use crate::diagnostics::{Diagnostics, Place};
use crate::parse::host::Host;
use crate::parse::url::Url;
use crate::raw::RawConfig;
use crate::raw::database::RawDatabase;
use crate::raw::http::RawHttp;
use crate::raw::probe::{RawAsk, RawProbe};
use crate::resolve::graph;
use crate::resolve::service::resolve;
use crate::suggest::shown;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::config::{Probe, ProbeKind, Service};
use types::{Graph, Kind, PoolId, ProbeId, Resource, ServiceId, Severity};

/// Maximum number of probes: beyond it one process cannot run them in time.
pub(crate) const MAX_PROBES: usize = 50_000;

/// Maximum names compared by one `dns` probe: each costs a packet per server and resolver.
const MAX_NAMES: usize = 20;

/// Port of upsd, as IANA has it.
const NUT_PORT: u16 = 3493;

/// The derived part of a configuration.
pub(crate) struct Derived {
    pub(crate) services: BTreeMap<ServiceId, Service>,
    pub(crate) probes: BTreeMap<ProbeId, Probe>,
    pub(crate) graph: Graph,
    pub(crate) locations: BTreeMap<Resource, String>,
    /// Registrable domains of the hosts of services.
    pub(crate) zones: BTreeSet<String>,
}

/// Derives services, probes and graph.
pub(crate) fn derive(raw: &RawConfig, diagnostics: &mut Diagnostics) -> Derived {
    let mut hosts: BTreeMap<String, Host> = BTreeMap::new();
    let mut services = BTreeMap::new();
    let mut graph = Graph::default();
    for (name, service) in &raw.services {
        let made = resolve(raw, name, service, &mut hosts, diagnostics);
        let node = Resource::service(name);
        graph.add(node.clone());
        made.hosts.iter().for_each(|host| graph.add_dependency(node.clone(), Resource::host(host)));
        made.depends_on.iter().for_each(|need| graph.add_dependency(node.clone(), need.clone()));
        services.insert(made.id.clone(), made);
    }

    let mut zones: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (host, zone) in hosts.values().filter_map(|host| Some((host, raw.zone_behind(host)?))) {
        zones.entry(zone).or_default().extend(host.dns().map(str::to_owned));
    }
    let watched: BTreeSet<String> = zones.keys().cloned().collect();
    let count = hosts.len() * 2
        + zones.len() * 2
        + raw.probes.len()
        + raw.databases.len()
        + raw.pools.values().filter(|pool| pool.is_external()).count();
    if count > MAX_PROBES {
        let place = raw.services.values().map(|service| service.written.place.clone()).next().unwrap_or(0..0);
        diagnostics.conflict(
            place,
            format!("the configuration has {count} probes; the maximum is {MAX_PROBES}"),
            "use fewer hosts and samples, or several installations",
        );
        return Derived {
            services,
            probes: BTreeMap::new(),
            graph,
            locations: BTreeMap::new(),
            zones: watched,
        };
    }
    for (host, _) in raw.probes.values().filter_map(|probe| probe.ask()?.host()) {
        // Names of declared probes are compared too, if their domain is monitored anyway.
        if let (Some(zone), Some(name)) = (raw.zone_behind(&host), host.dns())
            && let Some(names) = zones.get_mut(&zone)
        {
            names.insert(name.to_owned());
        }
    }

    let mut probes = BTreeMap::new();
    let declared = declared(raw, &services, &zones, &mut probes, &mut graph, diagnostics);
    let webs = webs(raw, &services, diagnostics);
    let default_http = RawHttp::default();
    for (text, host) in &hosts {
        let web = webs.get(text.as_str()).copied().unwrap_or(&default_http);
        add_host(raw, (text, host), web, &declared, &mut probes, &mut graph);
    }
    for (zone, names) in &zones {
        add_zone(raw, zone, names, &declared, &mut probes);
    }
    for (name, database) in &raw.databases {
        add_database(raw, name, database, &mut probes);
        graph.add(Resource::database(name));
    }
    add_external_pools(raw, &mut probes);
    add_heartbeats(raw, &mut graph);
    graph::add_dependencies(raw, &hosts, &watched, &mut graph);
    graph::add_pools(raw, &services, &hosts, &mut graph);
    let locations = locations(raw, &services, &probes);
    Derived { services, probes, graph, locations, zones: watched }
}

/// The declared location of every host, probe and database that is asked.
fn locations(
    raw: &RawConfig,
    services: &BTreeMap<ServiceId, Service>,
    probes: &BTreeMap<ProbeId, Probe>,
) -> BTreeMap<Resource, String> {
    let mut locations = BTreeMap::new();
    let of_service = |name: &str| raw.services.get(name).and_then(|service| service.location.clone());
    for (id, service) in services {
        if let Some(location) = of_service(&id.0) {
            locations.extend(service.hosts.iter().map(|host| (Resource::host(host), location.clone())));
        }
    }
    for (name, probe) in &raw.probes {
        let of_its_service = || probe.service.as_ref().and_then(|service| of_service(&service.value));
        let declared = probe.location.clone().or_else(of_its_service);
        if let (Some(location), Some(made)) = (declared, probes.get(&ProbeId::from(name.as_str()))) {
            locations.insert(made.about.clone(), location);
        }
    }
    for (name, database) in &raw.databases {
        locations
            .extend(database.location.iter().map(|location| (Resource::database(name), location.clone())));
    }
    let asked: BTreeSet<&Resource> = probes.values().map(|probe| &probe.about).collect();
    locations.retain(|resource, _| {
        asked.contains(resource) && matches!(resource.kind, Kind::Host | Kind::Probe | Kind::Database)
    });
    locations
}

/// The declared `http` of each host.
fn webs<'a>(
    raw: &'a RawConfig,
    services: &'a BTreeMap<ServiceId, Service>,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<&'a str, &'a RawHttp> {
    let mut webs: BTreeMap<&str, &RawHttp> = BTreeMap::new();
    for (name, service) in &raw.services {
        let Some(web) = &service.http else { continue };
        let hosts = services.get(&ServiceId::from(name.as_str())).map(|service| &service.hosts);
        for host in hosts.into_iter().flatten() {
            let other = *webs.entry(host).or_insert(web);
            if other != web {
                diagnostics.conflict(
                    service.written.key_place("http"),
                    format!("two services declare different `http` for {}", shown(host)),
                    "a host is probed once for all its services: declare it in one of them",
                );
                return webs;
            }
        }
    }
    webs
}

fn add_host(
    raw: &RawConfig,
    (text, host): (&str, &Host),
    web: &RawHttp,
    declared: &BTreeMap<Resource, Place>,
    probes: &mut BTreeMap<ProbeId, Probe>,
    graph: &mut Graph,
) {
    let port = host.port.unwrap_or(443);
    graph.add_dependency(Resource::host(text), Resource::tls(text));
    if web.is_probed {
        let url = format!("https://{text}{}", web.path);
        let http = ProbeKind::Http { url, request: web.resolved(), expect: web.expected() };
        if let Some(probe) = add(raw, Resource::host(text), "http", http, declared, probes) {
            probe.failing_for = web.failing_for.unwrap_or(probe.failing_for);
        }
    }
    add(raw, Resource::tls(text), "tls", ProbeKind::Tls { host: host.bare(), port }, declared, probes);
}

fn add_zone(
    raw: &RawConfig,
    zone: &str,
    names: &BTreeSet<String>,
    declared: &BTreeMap<Resource, Place>,
    probes: &mut BTreeMap<ProbeId, Probe>,
) {
    let dns = ProbeKind::Dns { zone: zone.to_owned(), names: some(zone, Some(names)) };
    add(raw, Resource::dns(zone), "dns", dns, declared, probes);
    add(raw, Resource::domain(zone), "domain", ProbeKind::Domain { name: zone.to_owned() }, declared, probes);
}

fn add_database(raw: &RawConfig, name: &str, database: &RawDatabase, probes: &mut BTreeMap<ProbeId, Probe>) {
    let (id, about) = (ProbeId(format!("database.{name}")), Resource::database(name));
    let probe = timed(raw, id.clone(), about, ProbeKind::Database { name: name.to_owned() }, None);
    probes.insert(id, Probe { interval: database.interval, ..probe });
}

/// Jobs have no probe: they report by themselves. The service that one belongs to depends on it.
fn add_heartbeats(raw: &RawConfig, graph: &mut Graph) {
    for (name, heartbeat) in &raw.heartbeats {
        let node = Resource::heartbeat(name);
        graph.add(node.clone());
        if let Some(service) = heartbeat.service.as_ref().filter(|it| raw.services.contains_key(&it.value)) {
            graph.add_dependency(Resource::service(&service.value), node);
        }
    }
}

fn add_external_pools(raw: &RawConfig, probes: &mut BTreeMap<ProbeId, Probe>) {
    for (name, pool) in raw.pools.iter().filter(|(_, pool)| pool.is_external()) {
        let (id, about) = (ProbeId(format!("pool.{name}")), Resource::pool(name));
        let probe = timed(raw, id.clone(), about, ProbeKind::Pool { name: PoolId(name.clone()) }, None);
        probes.insert(id, Probe { interval: pool.interval, ..probe });
    }
}

fn add<'a>(
    raw: &RawConfig,
    about: Resource,
    word: &str,
    kind: ProbeKind,
    declared: &BTreeMap<Resource, Place>,
    probes: &'a mut BTreeMap<ProbeId, Probe>,
) -> Option<&'a mut Probe> {
    if declared.contains_key(&about) {
        return None;
    }
    let id = ProbeId(format!("{word}.{}", about.name));
    let probe = timed(raw, id.clone(), about, kind, None);
    Some(probes.entry(id).insert_entry(probe).into_mut())
}

/// Selects at most [`MAX_NAMES`] names, spread evenly over all; the domain itself when there is none.
fn some(zone: &str, names: Option<&BTreeSet<String>>) -> Vec<String> {
    let Some(names) = names.filter(|names| !names.is_empty()) else { return vec![zone.to_owned()] };
    let step = names.len().div_ceil(MAX_NAMES);
    names.iter().step_by(step).cloned().collect()
}

/// Adds the declared probes; returns the resources that they probe, with positions.
fn declared(
    raw: &RawConfig,
    services: &BTreeMap<ServiceId, Service>,
    zones: &BTreeMap<String, BTreeSet<String>>,
    probes: &mut BTreeMap<ProbeId, Probe>,
    graph: &mut Graph,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<Resource, Place> {
    let mut probed: BTreeMap<Resource, Place> = BTreeMap::new();
    for (name, probe) in &raw.probes {
        let service = probe.service.as_ref().map(|at| at.value.as_str());
        if let Some(at) =
            probe.service.as_ref().filter(|at| !services.contains_key(&ServiceId(at.value.clone())))
        {
            diagnostics.unknown(
                at.place.clone(),
                "service",
                &at.value,
                raw.services.keys().map(String::as_str),
            );
        }
        let Some(written) = probe.ask() else { continue };
        let is_shared = matches!(written, RawAsk::Tls(_) | RawAsk::Dns(_) | RawAsk::Domain(_));
        let (about, kind) = match written {
            RawAsk::Http(url, request, expect) => {
                let about = replaced_host(&url, service, services);
                if let Some(host) = &about {
                    probed.insert(host.clone(), probe.written.place.clone());
                }
                let url = if url.rest.is_empty() { format!("{}/", url.text()) } else { url.text() };
                let about = about.unwrap_or_else(|| Resource::new(Kind::Probe, name));
                (about, ProbeKind::Http { url, request, expect })
            }
            RawAsk::Tcp(host, port) => {
                (Resource::new(Kind::Probe, name), ProbeKind::Tcp { host: host.bare(), port })
            }
            RawAsk::Tls(host) => (
                Resource::tls(host.text(443)),
                ProbeKind::Tls { host: host.bare(), port: host.port.unwrap_or(443) },
            ),
            RawAsk::Dns(zone) => {
                let names = some(&zone, zones.get(&zone));
                (Resource::dns(&zone), ProbeKind::Dns { zone, names })
            }
            RawAsk::Domain(zone) => (Resource::domain(&zone), ProbeKind::Domain { name: zone }),
            RawAsk::Nut { ups, host, login } => {
                let port = host.port.unwrap_or(NUT_PORT);
                (Resource::new(Kind::Probe, name), ProbeKind::Nut { ups, host: host.bare(), port, login })
            }
        };
        graph.add(about.clone());
        if let Some(service) = service.filter(|name| raw.services.contains_key(*name)) {
            graph.add_dependency(Resource::service(service), about.clone());
        }
        if is_shared && probed.insert(about.clone(), probe.written.place.clone()).is_some() {
            diagnostics.conflict(
                probe.written.place.clone(),
                format!("two probes of {}", shown(&about.to_string())),
                "keep one of them",
            );
        }
        let id = ProbeId(name.clone());
        probes.insert(id.clone(), timed(raw, id, about, kind, Some(probe)));
    }
    probed
}

/// The host whose derived probe a declared one replaces: of the same host and port by https, for a service of the host.
fn replaced_host(
    url: &Url,
    service: Option<&str>,
    services: &BTreeMap<ServiceId, Service>,
) -> Option<Resource> {
    let host = url.target().text(443);
    let service = services.get(&ServiceId::from(service?))?;
    (url.is_https && service.hosts.contains(&host)).then(|| Resource::host(host))
}

/// Sets intervals and thresholds of a probe: as declared, otherwise the defaults. One answer of a registry is conclusive.
fn timed(
    raw: &RawConfig,
    id: ProbeId,
    about: Resource,
    kind: ProbeKind,
    declared: Option<&RawProbe>,
) -> Probe {
    let defaults = &raw.probe_defaults;
    let interval = match kind {
        // Databases and pools have intervals of their own.
        ProbeKind::Http { .. }
        | ProbeKind::Tcp { .. }
        | ProbeKind::Nut { .. }
        | ProbeKind::Database { .. }
        | ProbeKind::Pool { .. } => defaults.http,
        ProbeKind::Tls { .. } => defaults.tls,
        ProbeKind::Dns { .. } => defaults.dns,
        ProbeKind::Domain { .. } => defaults.domain,
    };
    let (failure_threshold, success_threshold) = match kind {
        ProbeKind::Domain { .. } => (1, 1),
        _ => (defaults.failure_threshold, defaults.success_threshold),
    };
    let failing_for = match kind {
        ProbeKind::Domain { .. } => Duration::ZERO,
        _ => defaults.failing_for,
    };
    Probe {
        interval: declared.and_then(|raw| raw.interval).unwrap_or(interval),
        timeout: declared.and_then(|raw| raw.timeout).unwrap_or(defaults.timeout),
        failure_threshold: declared.and_then(|raw| raw.failure_threshold).unwrap_or(failure_threshold),
        success_threshold: declared.and_then(|raw| raw.success_threshold).unwrap_or(success_threshold),
        failing_for: declared.and_then(|raw| raw.failing_for).unwrap_or(failing_for),
        severity: declared.map_or(Severity::Critical, |raw| raw.severity),
        id,
        about,
        kind,
    }
}
