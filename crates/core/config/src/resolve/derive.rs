//! What follows from a declaration without asking: probes, and the graph of who needs whom.
//!
//! | from | follow |
//! |---|---|
//! | each host | `http.HOST` about `host.HOST`, `tls.HOST` about `tls.HOST` |
//! | each registrable domain behind a host | `dns.ZONE`, `domain.ZONE` |
//! | each guard | its service and hosts need `pool.NAME` |
//! | each probe by hand | itself; about `probe.NAME` when it asks http or tcp, else about the thing it asks after, in place of a derived one |
//! | each `http` probe by hand that asks a host of its own service by https | itself, about `host.HOST`, in place of the derived one |

use crate::diagnostics::{Diagnostics, Place};
use crate::parse::host::{self, Host};
use crate::parse::url::Url;
use crate::raw::http::RawHttp;
use crate::raw::probe::{RawAsk, RawProbe};
use crate::raw::{RawConfig, RawService};
use crate::reader::value::At;
use crate::resolve::graph;
use crate::resolve::team::DEFAULT;
use crate::suggest::shown;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::config::{Ask, Probe, Service};
use types::{EscalationId, Graph, Kind, ProbeId, Resource, ScheduleId, ServiceId};

/// No configuration asks more questions than this: beyond it one process cannot keep its promises on time.
pub(crate) const MOST_PROBES: usize = 50_000;

/// So many hosts are refused whatever else there is: a few stars with ports and a few samples could make millions of them.
const ENOUGH_HOSTS: usize = 100_000;

/// Names compared in one question to name servers: each costs a packet per server and resolver.
const MOST_NAMES: usize = 20;

/// What followed.
pub(crate) struct Derived {
    pub(crate) services: BTreeMap<ServiceId, Service>,
    pub(crate) probes: BTreeMap<ProbeId, Probe>,
    pub(crate) graph: Graph,
    /// Registrable domains behind hosts of services.
    pub(crate) zones: BTreeSet<String>,
}

/// Derives everything.
pub(crate) fn derive(raw: &RawConfig, diagnostics: &mut Diagnostics) -> Derived {
    let mut hosts: BTreeMap<String, Host> = BTreeMap::new();
    let mut services = BTreeMap::new();
    let mut graph = Graph::default();
    for (name, service) in &raw.services {
        let made = self::service(raw, name, service, &mut hosts, diagnostics);
        let node = Resource::service(name);
        graph.add(node.clone());
        made.hosts.iter().for_each(|host| graph.add_need(node.clone(), Resource::host(host)));
        made.depends_on.iter().for_each(|need| graph.add_need(node.clone(), need.clone()));
        services.insert(made.id.clone(), made);
    }

    let mut zones: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (host, zone) in hosts.values().filter_map(|host| Some((host, raw.zone_behind(host)?))) {
        zones.entry(zone).or_default().extend(host.dns().map(str::to_owned));
    }
    let watched: BTreeSet<String> = zones.keys().cloned().collect();
    let count = hosts.len() * 2 + zones.len() * 2 + raw.probes.len();
    if count > MOST_PROBES {
        let place = raw.services.values().map(|service| service.place.clone()).next().unwrap_or(0..0);
        diagnostics.conflict(
            place,
            format!("the configuration asks {count} questions; {MOST_PROBES} is the most"),
            "name fewer samples, or divide the configuration among several installations",
        );
        return Derived { services, probes: BTreeMap::new(), graph, zones: watched };
    }
    for (host, _) in raw.probes.values().filter_map(|probe| probe.ask.as_ref()?.host()) {
        // Names that are asked by hand are compared too, where their domain is watched anyway.
        if let (Some(zone), Some(name)) = (raw.zone_behind(&host), host.dns())
            && let Some(names) = zones.get_mut(&zone)
        {
            names.insert(name.to_owned());
        }
    }

    let mut probes = BTreeMap::new();
    let by_hand = by_hand(raw, &services, &zones, &mut probes, &mut graph, diagnostics);
    let webs = webs(raw, &services, diagnostics);
    let usual = RawHttp::default();
    for (text, host) in &hosts {
        let web = webs.get(text.as_str()).copied().unwrap_or(&usual);
        add_host(raw, (text, host), web, &by_hand, &mut probes, &mut graph);
    }
    for (zone, names) in &zones {
        add_zone(raw, zone, names, &by_hand, &mut probes);
    }
    graph::add_dependencies(raw, &hosts, &watched, &mut graph);
    graph::add_pools(raw, &services, &hosts, &mut graph);
    Derived { services, probes, graph, zones: watched }
}

fn service(
    raw: &RawConfig,
    name: &str,
    service: &RawService,
    hosts: &mut BTreeMap<String, Host>,
    diagnostics: &mut Diagnostics,
) -> Service {
    let mut concrete: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut used = vec![false; service.samples.len()];
    // Which samples lie below a name, so that many stars and many samples are not each compared with each.
    let mut below: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, sample) in service.samples.iter().enumerate() {
        for above in sample.value.dns().into_iter().flat_map(host::above) {
            below.entry(above).or_default().push(index);
        }
    }
    let mut add = |host: Host| {
        let text = host.text(443);
        if seen.insert(text.clone()) {
            concrete.push(text.clone());
            hosts.insert(text, host);
        }
        hosts.len() < ENOUGH_HOSTS
    };
    for at in &service.hosts {
        let pattern = &at.value;
        if !pattern.is_wildcard {
            add(pattern.host.clone());
            continue;
        }
        let mut is_covered = false;
        for index in pattern.host.dns().and_then(|base| below.get(base)).into_iter().flatten() {
            let Some((sample, used)) = service.samples.get(*index).zip(used.get_mut(*index)) else {
                continue;
            };
            if pattern.covers(&sample.value) {
                (*used, is_covered) = (true, true);
                if !add(Host { name: sample.value.name.clone(), port: pattern.host.port }) {
                    break;
                }
            }
        }
        let are_samples_wrong = service.has_samples && service.samples.is_empty();
        if !is_covered && !are_samples_wrong {
            let text = pattern.text();
            let base = pattern.host.text(443);
            diagnostics.missing(
                at.place.clone(),
                format!("`{}` has no sample: a star cannot be asked", shown(&text)),
                format!("name some that exist: samples = [\"demo.{}\"]", shown(&base)),
            );
        }
    }
    // A sample below a wildcard that could not be read would be marked twice; then the wildcard's mark is enough.
    let were_all_tried = hosts.len() < ENOUGH_HOSTS;
    for (sample, _) in service.samples.iter().zip(used).filter(|(_, used)| were_all_tried && !used) {
        let text = sample.value.text(443);
        diagnostics.missing(
            sample.place.clone(),
            format!("the sample `{}` lies below no wildcard of this service", shown(&text)),
            format!("ask it as a host: hosts = [\"{}\"]", shown(&text)),
        );
    }

    for At { value, place } in &service.needs {
        if value.kind == Kind::Pool {
            if !raw.pools.contains_key(&value.name) {
                diagnostics.unknown(place.clone(), "pool", &value.name, raw.pools.keys().map(String::as_str));
            }
        } else if !raw.services.contains_key(&value.name) {
            diagnostics.unknown(
                place.clone(),
                "service",
                &value.name,
                raw.services.keys().map(String::as_str),
            );
        }
    }
    for schedule in service.schedule.iter().filter(|schedule| !raw.schedules.contains_key(&schedule.value)) {
        diagnostics.unknown(
            schedule.place.clone(),
            "schedule",
            &schedule.value,
            raw.schedules.keys().map(String::as_str),
        );
    }
    let is_escalation = |name: &str| name == DEFAULT || raw.escalations.contains_key(name);
    for escalation in service.escalation.iter().filter(|escalation| !is_escalation(&escalation.value)) {
        let known = raw.escalations.keys().map(String::as_str).chain([DEFAULT]);
        diagnostics.unknown(escalation.place.clone(), "escalation", &escalation.value, known);
    }
    Service {
        id: ServiceId::from(name),
        title: service.title.clone(),
        group: service.group.clone(),
        hosts: concrete,
        declared_hosts: service
            .hosts
            .iter()
            .map(|at| at.value.text())
            .chain(service.every_host.iter().map(|_| "*".to_owned()))
            .collect(),
        depends_on: service.needs.iter().map(|need| need.value.clone()).collect(),
        schedule: service.schedule.as_ref().map(|at| ScheduleId(at.value.clone())),
        escalation: EscalationId(
            service.escalation.as_ref().map_or_else(|| DEFAULT.to_owned(), |at| at.value.clone()),
        ),
        public: service.public,
        traffic: service.guard.as_ref().map(|raw| raw.guard.clone()),
    }
}

/// How the web address of each host is asked, where its service says so.
fn webs<'a>(
    raw: &'a RawConfig,
    services: &'a BTreeMap<ServiceId, Service>,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<&'a str, &'a RawHttp> {
    let mut webs: BTreeMap<&str, &RawHttp> = BTreeMap::new();
    for (name, service) in &raw.services {
        let Some(At { value: web, place }) = &service.http else { continue };
        let hosts = services.get(&ServiceId::from(name.as_str())).map(|service| &service.hosts);
        for host in hosts.into_iter().flatten() {
            let other = *webs.entry(host).or_insert(web);
            if other != web {
                diagnostics.conflict(
                    place.clone(),
                    format!("two services say differently how {} is asked", shown(host)),
                    "a host is asked once for all its services: say it in one of them",
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
    by_hand: &BTreeMap<Resource, Place>,
    probes: &mut BTreeMap<ProbeId, Probe>,
    graph: &mut Graph,
) {
    let port = host.port.unwrap_or(443);
    graph.add_need(Resource::host(text), Resource::tls(text));
    if web.is_asked {
        let http = Ask::Http { url: format!("https://{text}{}", web.path), expect: web.expected() };
        if let Some(probe) = add(raw, Resource::host(text), "http", http, by_hand, probes) {
            probe.failing_for = web.failing_for.unwrap_or(probe.failing_for);
        }
    }
    add(raw, Resource::tls(text), "tls", Ask::Tls { host: host.bare(), port }, by_hand, probes);
}

fn add_zone(
    raw: &RawConfig,
    zone: &str,
    names: &BTreeSet<String>,
    by_hand: &BTreeMap<Resource, Place>,
    probes: &mut BTreeMap<ProbeId, Probe>,
) {
    let dns = Ask::Dns { zone: zone.to_owned(), names: some(zone, Some(names)) };
    add(raw, Resource::dns(zone), "dns", dns, by_hand, probes);
    add(raw, Resource::domain(zone), "domain", Ask::Domain { name: zone.to_owned() }, by_hand, probes);
}

fn add<'a>(
    raw: &RawConfig,
    about: Resource,
    word: &str,
    ask: Ask,
    by_hand: &BTreeMap<Resource, Place>,
    probes: &'a mut BTreeMap<ProbeId, Probe>,
) -> Option<&'a mut Probe> {
    if by_hand.contains_key(&about) {
        return None;
    }
    let id = ProbeId(format!("{word}.{}", about.name));
    let probe = timed(raw, id.clone(), about, ask, None);
    Some(probes.entry(id).insert_entry(probe).into_mut())
}

/// The names to compare: at most [`MOST_NAMES`], spread evenly over all of them in order; the zone itself if none is known.
fn some(zone: &str, names: Option<&BTreeSet<String>>) -> Vec<String> {
    let Some(names) = names.filter(|names| !names.is_empty()) else { return vec![zone.to_owned()] };
    let step = names.len().div_ceil(MOST_NAMES);
    names.iter().step_by(step).cloned().collect()
}

/// Adds the probes by hand; returns the things that they look after, each with its place.
fn by_hand(
    raw: &RawConfig,
    services: &BTreeMap<ServiceId, Service>,
    zones: &BTreeMap<String, BTreeSet<String>>,
    probes: &mut BTreeMap<ProbeId, Probe>,
    graph: &mut Graph,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<Resource, Place> {
    let mut looked_after: BTreeMap<Resource, Place> = BTreeMap::new();
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
        let Some(written) = &probe.ask else { continue };
        let (about, ask) = match written {
            RawAsk::Http(url, expect) => {
                let about = in_place_of(url, service, services);
                if let Some(host) = &about {
                    looked_after.insert(host.clone(), probe.place.clone());
                }
                let url = if url.rest.is_empty() { format!("{}/", url.text()) } else { url.text() };
                let about = about.unwrap_or_else(|| Resource::new(Kind::Probe, name));
                (about, Ask::Http { url, expect: expect.clone() })
            }
            RawAsk::Tcp(host, port) => {
                (Resource::new(Kind::Probe, name), Ask::Tcp { host: host.bare(), port: *port })
            }
            RawAsk::Tls(host) => (
                Resource::tls(host.text(443)),
                Ask::Tls { host: host.bare(), port: host.port.unwrap_or(443) },
            ),
            RawAsk::Dns(zone) => {
                let names = some(zone, zones.get(zone));
                (Resource::dns(zone), Ask::Dns { zone: zone.clone(), names })
            }
            RawAsk::Domain(zone) => (Resource::domain(zone), Ask::Domain { name: zone.clone() }),
        };
        graph.add(about.clone());
        if let Some(service) = service.filter(|name| raw.services.contains_key(*name)) {
            graph.add_need(Resource::service(service), about.clone());
        }
        let is_shared = matches!(written, RawAsk::Tls(_) | RawAsk::Dns(_) | RawAsk::Domain(_));
        if is_shared && looked_after.insert(about.clone(), probe.place.clone()).is_some() {
            diagnostics.conflict(
                probe.place.clone(),
                format!("two probes ask after {}", shown(&about.to_string())),
                "keep one of them",
            );
        }
        let id = ProbeId(name.clone());
        probes.insert(id.clone(), timed(raw, id, about, ask, Some(probe)));
    }
    looked_after
}

/// The host whose derived probe a hand-written one takes the place of: it asks the same host and port by https, for the
/// service that the host belongs to.
fn in_place_of(
    url: &Url,
    service: Option<&str>,
    services: &BTreeMap<ServiceId, Service>,
) -> Option<Resource> {
    let host = url.asked().text(443);
    let service = services.get(&ServiceId::from(service?))?;
    (url.is_https && service.hosts.contains(&host)).then(|| Resource::host(host))
}

/// Gives a probe its pace: by hand, else by kind. What a registry says is a fact at once: it has no bad moments.
fn timed(raw: &RawConfig, id: ProbeId, about: Resource, ask: Ask, by_hand: Option<&RawProbe>) -> Probe {
    let watch = &raw.watch;
    let every = match ask {
        Ask::Http { .. } | Ask::Tcp { .. } => watch.http,
        Ask::Tls { .. } => watch.tls,
        Ask::Dns { .. } => watch.dns,
        Ask::Domain { .. } => watch.domain,
    };
    let (failure_threshold, success_threshold) = match ask {
        Ask::Domain { .. } => (1, 1),
        _ => (watch.failure_threshold, watch.success_threshold),
    };
    let failing_for = match ask {
        Ask::Domain { .. } => Duration::ZERO,
        _ => watch.failing_for,
    };
    Probe {
        interval: by_hand.and_then(|hand| hand.every).unwrap_or(every),
        timeout: by_hand.and_then(|hand| hand.timeout).unwrap_or(watch.timeout),
        failure_threshold: by_hand.and_then(|hand| hand.failure_threshold).unwrap_or(failure_threshold),
        success_threshold: by_hand.and_then(|hand| hand.success_threshold).unwrap_or(success_threshold),
        failing_for: by_hand.and_then(|hand| hand.failing_for).unwrap_or(failing_for),
        id,
        about,
        ask,
    }
}
