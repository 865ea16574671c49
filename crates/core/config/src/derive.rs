//! What follows from a declaration without asking: probes, and the graph of who needs whom.
//!
//! | from | follow |
//! |---|---|
//! | each host | `http.HOST` about `host.HOST`, `tls.HOST` about `tls.HOST` |
//! | each registrable domain behind a host | `dns.ZONE`, `domain.ZONE` |
//! | each guard | its service and hosts need `pool.NAME` |
//! | each probe by hand | itself; about `probe.NAME` when it asks http or tcp, else about the thing it asks after, in place of a derived one |
//! | each `http` probe by hand that asks a host of its own service by https | itself, about `host.HOST`, in place of the derived one |

use crate::domain::Registration;
use crate::draft::{Draft, ServiceDraft};
use crate::edges;
use crate::form::At;
use crate::host::{self, Host};
use crate::marks::{Marks, Place};
use crate::near::shown;
use crate::probe::{AskDraft, ProbeDraft};
use crate::team::DEFAULT;
use crate::url::Url;
use crate::web::WebDraft;
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
pub(crate) fn derive(draft: &Draft, marks: &mut Marks) -> Derived {
    let mut hosts: BTreeMap<String, Host> = BTreeMap::new();
    let mut services = BTreeMap::new();
    let mut graph = Graph::default();
    for (name, service) in &draft.services {
        let made = self::service(draft, name, service, &mut hosts, marks);
        let node = Resource::service(name);
        graph.add(node.clone());
        made.hosts.iter().for_each(|host| graph.add_need(node.clone(), Resource::host(host)));
        made.depends_on.iter().for_each(|need| graph.add_need(node.clone(), need.clone()));
        services.insert(made.id.clone(), made);
    }

    let mut zones: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (host, zone) in hosts.values().filter_map(|host| Some((host, zone_behind(draft, host)?))) {
        zones.entry(zone).or_default().extend(host.dns().map(str::to_owned));
    }
    let watched: BTreeSet<String> = zones.keys().cloned().collect();
    let count = hosts.len() * 2 + zones.len() * 2 + draft.probes.len();
    if count > MOST_PROBES {
        let place = draft.services.values().map(|service| service.place.clone()).next().unwrap_or(0..0);
        marks.between(
            place,
            format!("the configuration asks {count} questions; {MOST_PROBES} is the most"),
            "name fewer samples, or divide the configuration among several installations",
        );
        return Derived { services, probes: BTreeMap::new(), graph, zones: watched };
    }
    for (host, _) in draft.probes.values().filter_map(|probe| probe.ask.as_ref()?.host()) {
        // Names that are asked by hand are compared too, where their domain is watched anyway.
        if let (Some(zone), Some(name)) = (zone_behind(draft, &host), host.dns())
            && let Some(names) = zones.get_mut(&zone)
        {
            names.insert(name.to_owned());
        }
    }

    let mut probes = BTreeMap::new();
    let by_hand = by_hand(draft, &services, &zones, &mut probes, &mut graph, marks);
    let webs = webs(draft, &services, marks);
    let usual = WebDraft::default();
    for (text, host) in &hosts {
        let web = webs.get(text.as_str()).copied().unwrap_or(&usual);
        add_host(draft, (text, host), web, &by_hand, &mut probes, &mut graph);
    }
    for (zone, names) in &zones {
        add_zone(draft, zone, names, &by_hand, &mut probes);
    }
    edges::lay(draft, &hosts, &watched, &mut graph);
    edges::serve(draft, &services, &hosts, &mut graph);
    Derived { services, probes, graph, zones: watched }
}

/// The registrable domain behind a host whose name servers and registration can be asked: one below a suffix of the
/// list, or below a top-level domain that only this configuration knows (a laboratory with roots or a registry of its own).
pub(crate) fn zone_behind(draft: &Draft, host: &Host) -> Option<String> {
    match Registration::of(host.dns()?, &draft.declared) {
        Registration::Known(zone) => Some(zone),
        Registration::Unlisted(zone) if is_own_suffix(draft, &zone) => Some(zone),
        Registration::Unlisted(_) | Registration::None => None,
    }
}

/// Whether the configuration itself says where a suffix that nobody else knows is served.
pub(crate) fn is_own_suffix(draft: &Draft, zone: &str) -> bool {
    let suffix = zone.split_once('.').map_or(zone, |(_, suffix)| suffix);
    let registry = &draft.registry;
    !draft.dns.roots.is_empty() || registry.rdap.contains_key(suffix) || registry.whois.contains_key(suffix)
}

fn service(
    draft: &Draft,
    name: &str,
    service: &ServiceDraft,
    hosts: &mut BTreeMap<String, Host>,
    marks: &mut Marks,
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
            marks.lacking(
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
        marks.lacking(
            sample.place.clone(),
            format!("the sample `{}` lies below no wildcard of this service", shown(&text)),
            format!("ask it as a host: hosts = [\"{}\"]", shown(&text)),
        );
    }

    for At { value, place } in &service.needs {
        if value.kind == Kind::Pool {
            if !draft.pools.contains_key(&value.name) {
                marks.unknown(place.clone(), "pool", &value.name, draft.pools.keys().map(String::as_str));
            }
        } else if !draft.services.contains_key(&value.name) {
            marks.unknown(place.clone(), "service", &value.name, draft.services.keys().map(String::as_str));
        }
    }
    for schedule in service.schedule.iter().filter(|schedule| !draft.schedules.contains_key(&schedule.value))
    {
        marks.unknown(
            schedule.place.clone(),
            "schedule",
            &schedule.value,
            draft.schedules.keys().map(String::as_str),
        );
    }
    let is_escalation = |name: &str| name == DEFAULT || draft.escalations.contains_key(name);
    for escalation in service.escalation.iter().filter(|escalation| !is_escalation(&escalation.value)) {
        let known = draft.escalations.keys().map(String::as_str).chain([DEFAULT]);
        marks.unknown(escalation.place.clone(), "escalation", &escalation.value, known);
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
        traffic: service.guard.as_ref().map(|draft| draft.guard.clone()),
    }
}

/// How the web address of each host is asked, where its service says so.
fn webs<'a>(
    draft: &'a Draft,
    services: &'a BTreeMap<ServiceId, Service>,
    marks: &mut Marks,
) -> BTreeMap<&'a str, &'a WebDraft> {
    let mut webs: BTreeMap<&str, &WebDraft> = BTreeMap::new();
    for (name, service) in &draft.services {
        let Some(At { value: web, place }) = &service.http else { continue };
        let hosts = services.get(&ServiceId::from(name.as_str())).map(|service| &service.hosts);
        for host in hosts.into_iter().flatten() {
            let other = *webs.entry(host).or_insert(web);
            if other != web {
                marks.between(
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
    draft: &Draft,
    (text, host): (&str, &Host),
    web: &WebDraft,
    by_hand: &BTreeMap<Resource, Place>,
    probes: &mut BTreeMap<ProbeId, Probe>,
    graph: &mut Graph,
) {
    let port = host.port.unwrap_or(443);
    graph.add_need(Resource::host(text), Resource::tls(text));
    if web.is_asked {
        let http = Ask::Http { url: format!("https://{text}{}", web.path), expect: web.expected() };
        if let Some(probe) = add(draft, Resource::host(text), "http", http, by_hand, probes) {
            probe.failing_for = web.failing_for.unwrap_or(probe.failing_for);
        }
    }
    add(draft, Resource::tls(text), "tls", Ask::Tls { host: host.bare(), port }, by_hand, probes);
}

fn add_zone(
    draft: &Draft,
    zone: &str,
    names: &BTreeSet<String>,
    by_hand: &BTreeMap<Resource, Place>,
    probes: &mut BTreeMap<ProbeId, Probe>,
) {
    let dns = Ask::Dns { zone: zone.to_owned(), names: some(zone, Some(names)) };
    add(draft, Resource::dns(zone), "dns", dns, by_hand, probes);
    add(draft, Resource::domain(zone), "domain", Ask::Domain { name: zone.to_owned() }, by_hand, probes);
}

fn add<'a>(
    draft: &Draft,
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
    let probe = timed(draft, id.clone(), about, ask, None);
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
    draft: &Draft,
    services: &BTreeMap<ServiceId, Service>,
    zones: &BTreeMap<String, BTreeSet<String>>,
    probes: &mut BTreeMap<ProbeId, Probe>,
    graph: &mut Graph,
    marks: &mut Marks,
) -> BTreeMap<Resource, Place> {
    let mut looked_after: BTreeMap<Resource, Place> = BTreeMap::new();
    for (name, probe) in &draft.probes {
        let service = probe.service.as_ref().map(|at| at.value.as_str());
        if let Some(at) =
            probe.service.as_ref().filter(|at| !services.contains_key(&ServiceId(at.value.clone())))
        {
            marks.unknown(at.place.clone(), "service", &at.value, draft.services.keys().map(String::as_str));
        }
        let Some(written) = &probe.ask else { continue };
        let (about, ask) = match written {
            AskDraft::Http(url, expect) => {
                let about = in_place_of(url, service, services);
                if let Some(host) = &about {
                    looked_after.insert(host.clone(), probe.place.clone());
                }
                let url = if url.rest.is_empty() { format!("{}/", url.text()) } else { url.text() };
                let about = about.unwrap_or_else(|| Resource::new(Kind::Probe, name));
                (about, Ask::Http { url, expect: expect.clone() })
            }
            AskDraft::Tcp(host, port) => {
                (Resource::new(Kind::Probe, name), Ask::Tcp { host: host.bare(), port: *port })
            }
            AskDraft::Tls(host) => (
                Resource::tls(host.text(443)),
                Ask::Tls { host: host.bare(), port: host.port.unwrap_or(443) },
            ),
            AskDraft::Dns(zone) => {
                let names = some(zone, zones.get(zone));
                (Resource::dns(zone), Ask::Dns { zone: zone.clone(), names })
            }
            AskDraft::Domain(zone) => (Resource::domain(zone), Ask::Domain { name: zone.clone() }),
        };
        graph.add(about.clone());
        if let Some(service) = service.filter(|name| draft.services.contains_key(*name)) {
            graph.add_need(Resource::service(service), about.clone());
        }
        let is_shared = matches!(written, AskDraft::Tls(_) | AskDraft::Dns(_) | AskDraft::Domain(_));
        if is_shared && looked_after.insert(about.clone(), probe.place.clone()).is_some() {
            marks.between(
                probe.place.clone(),
                format!("two probes ask after {}", shown(&about.to_string())),
                "keep one of them",
            );
        }
        let id = ProbeId(name.clone());
        probes.insert(id.clone(), timed(draft, id, about, ask, Some(probe)));
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
fn timed(draft: &Draft, id: ProbeId, about: Resource, ask: Ask, by_hand: Option<&ProbeDraft>) -> Probe {
    let watch = &draft.watch;
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
