//! Resources as nodes with series, and the calls between them, for the ranking.
//!
//! A service behind the edge is entered at the edge, and its pool does its work: so the service calls the pool, and the pool
//! calls what the service depends on. Any other service does its work itself. Hosts and probes over HTTP are entrances of their
//! service: their latency is the service's. Certificates, DNS and registrations are no nodes: they fail, and do not become
//! slow.

use super::figures::{CALLS_STEP, EDGE_REQUESTS, OF_DATABASE, caller_subject, server_subject};
use crate::effects::{EDGE_FAILED, EDGE_LATENCY, FAILED, LATENCY, edge_subject};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::config::{Probe, ProbeKind};
use types::traffic::{CallSide, CallTraffic};
use types::{CallerId, Config, Kind, PoolId, Resource, ServiceId};

/// Maximum of nodes, servers excepted, and of servers.
const NODES_MAX: usize = 48;
const SERVERS_MAX: usize = 48;
/// Probes that run less often have too few samples within an incident.
const INTERVAL_MAX: Duration = Duration::from_secs(120);
/// Maximum of probes whose samples count for one node.
const PROBES_MAX: usize = 4;

/// One stored series of a node or call.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    /// Its subject and metric in the store.
    pub(super) subject: String,
    pub(super) metric: &'static str,
    /// Interval of its samples.
    pub(super) interval: Duration,
}

/// A resource, or one server of a pool.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) resource: Resource,
    pub(super) server: Option<String>,
    pub(super) series: Vec<Series>,
}

impl Node {
    /// Its name within the ranking.
    pub(super) fn name(&self) -> String {
        match &self.server {
            Some(server) => format!("{} {server}", self.resource),
            None => self.resource.to_string(),
        }
    }
}

/// A call from one node to another, and its latency as the caller sees it, if that is stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) caller: usize,
    pub(super) callee: usize,
    pub(super) latency: Option<Series>,
}

/// Nodes and the calls between them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct World {
    pub(super) nodes: Vec<Node>,
    pub(super) calls: Vec<Call>,
}

/// What nodes are made of.
pub(super) struct Builder<'a> {
    config: &'a Config,
    seen: &'a [CallTraffic],
    probes: BTreeMap<&'a Resource, Vec<&'a Probe>>,
    known: BTreeMap<Resource, usize>,
    servers: usize,
    world: World,
}

impl<'a> Builder<'a> {
    /// `seen` are the calls of the newest roll-up.
    pub(super) fn new(config: &'a Config, seen: &'a [CallTraffic]) -> Self {
        let mut probes: BTreeMap<&Resource, Vec<&Probe>> = BTreeMap::new();
        for probe in config.probes.values().filter(|probe| probe.interval <= INTERVAL_MAX) {
            probes.entry(&probe.about).or_default().push(probe);
        }
        Self { config, seen, probes, known: BTreeMap::new(), servers: 0, world: World::default() }
    }

    /// The nodes of these services and everything that they depend on.
    pub(super) fn build(mut self, services: &BTreeSet<Resource>) -> World {
        for service in services {
            self.node(service);
        }
        self.world
    }

    /// The node of a resource; `None` for resources that are not ranked, and when there are too many.
    fn node(&mut self, resource: &Resource) -> Option<usize> {
        if let Some(known) = self.known.get(resource) {
            return Some(*known);
        }
        match resource.kind {
            Kind::Service => self.service(resource),
            Kind::Database => {
                let probes = self.probes.get(resource).cloned().unwrap_or_default();
                let series = probes.into_iter().flat_map(|probe| of_probe(probe, &OF_DATABASE)).collect();
                self.add(resource.clone(), series)
            }
            Kind::Probe => {
                let probes = self.probes.get(resource)?.iter();
                let tcp = probes.filter(|probe| matches!(probe.kind, ProbeKind::Tcp { .. }));
                let series: Vec<Series> = tcp.flat_map(|probe| of_probe(probe, &[LATENCY, FAILED])).collect();
                if series.is_empty() { None } else { self.add(resource.clone(), series) }
            }
            _ => None,
        }
    }

    fn add(&mut self, resource: Resource, series: Vec<Series>) -> Option<usize> {
        if self.known.len() >= NODES_MAX {
            return None;
        }
        let at = self.world.nodes.len();
        self.known.insert(resource.clone(), at);
        self.world.nodes.push(Node { resource, server: None, series });
        Some(at)
    }

    fn call(&mut self, caller: usize, callee: usize, latency: Option<Series>) {
        self.world.calls.push(Call { caller, callee, latency });
    }

    fn service(&mut self, resource: &Resource) -> Option<usize> {
        let config = self.config;
        let id = ServiceId(resource.name.clone());
        let traffic = config.traffic_of(&id);
        let mut series = self.of_entrances(resource);
        if traffic.is_some() {
            series.extend([EDGE_LATENCY, EDGE_FAILED, EDGE_REQUESTS].map(|metric| of_edge(&id, metric)));
        }
        let service = self.add(resource.clone(), series)?;
        let worker = traffic.and_then(|traffic| self.pool(service, &id, &traffic.pool)).unwrap_or(service);
        for need in config.graph.depends_on(resource) {
            if need.kind == Kind::Pool {
                continue;
            }
            let Some(callee) = self.node(need) else { continue };
            let latency = (need.kind == Kind::Service).then(|| self.of_callers(&id, need)).flatten();
            self.call(worker, callee, latency);
        }
        Some(service)
    }

    /// The node of a service's pool, with the servers that answered lately.
    fn pool(&mut self, service: usize, id: &ServiceId, pool: &PoolId) -> Option<usize> {
        let resource = Resource::pool(&pool.0);
        let known = self.known.get(&resource).copied();
        let node = known.or_else(|| self.add(resource.clone(), Vec::new()))?;
        self.call(service, node, Some(of_edge(id, EDGE_LATENCY)));
        let servers: Vec<&str> = self
            .seen
            .iter()
            .filter(|call| call.service == *id)
            .filter_map(|call| match &call.side {
                CallSide::Server(server) => Some(server.as_str()),
                CallSide::Caller(_) => None,
            })
            .collect();
        // One server cannot be compared with others, and not all of many fit.
        if servers.len() < 2 || self.servers + servers.len() > SERVERS_MAX {
            return Some(node);
        }
        self.servers += servers.len();
        for server in servers {
            let subject = server_subject(id, server);
            let series = [EDGE_LATENCY, EDGE_FAILED].map(|metric| at_edge(subject.clone(), metric));
            let at = self.world.nodes.len();
            let (resource, server) = (resource.clone(), Some(server.to_owned()));
            self.world.nodes.push(Node { resource, server, series: series.into() });
            self.call(node, at, None);
        }
        Some(node)
    }

    /// The series of the hosts and HTTP probes of a service.
    fn of_entrances(&self, service: &Resource) -> Vec<Series> {
        let entrances = self.config.graph.depends_on(service).chain([service]);
        let probes = entrances.filter_map(|need| self.probes.get(need)).flatten();
        let is_host = |probe: &Probe| probe.about.kind == Kind::Host;
        let asks = probes.filter(|probe| match probe.kind {
            ProbeKind::Http { .. } => true,
            ProbeKind::Tcp { .. } => is_host(probe),
            _ => false,
        });
        asks.take(PROBES_MAX).flat_map(|probe| of_probe(probe, &[LATENCY, FAILED])).collect()
    }

    /// Latency of the calls from one service to another, by the declared caller of the first that was seen.
    fn of_callers(&self, from: &ServiceId, to: &Resource) -> Option<Series> {
        let to = ServiceId(to.name.clone());
        let is_own = |caller: &CallerId| {
            self.config.callers.get(caller).is_some_and(|caller| caller.service.as_ref() == Some(from))
        };
        let caller =
            self.seen.iter().filter(|call| call.service == to).find_map(|call| match &call.side {
                CallSide::Caller(caller) if is_own(caller) => Some(caller),
                _ => None,
            })?;
        Some(at_edge(caller_subject(&to, caller), EDGE_LATENCY))
    }
}

fn of_probe(probe: &Probe, metrics: &[&'static str]) -> Vec<Series> {
    let series =
        |metric: &&'static str| Series { subject: probe.id.0.clone(), metric, interval: probe.interval };
    metrics.iter().map(series).collect()
}

fn of_edge(service: &ServiceId, metric: &'static str) -> Series {
    at_edge(edge_subject(service), metric)
}

fn at_edge(subject: String, metric: &'static str) -> Series {
    Series { subject, metric, interval: CALLS_STEP }
}
