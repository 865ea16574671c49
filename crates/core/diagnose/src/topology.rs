//! Position of resources in the graph: dependencies, services, neighbours.

use crate::impact::is_endpoint;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use types::{Config, Graph, Kind, Resource, Time};

/// Maximum of neighbours that are probed to find the scope.
pub(crate) const NEIGHBOURS_MAX: usize = 64;

/// Positions of resources with alerts, cached per configuration: with thousands of alerts every answer would traverse
/// the graph thousands of times.
#[derive(Debug, Default)]
pub(crate) struct Topology {
    by_resource: BTreeMap<Resource, Position>,
    /// Sets of neighbours, and the index of the set by the dependents of a resource.
    pub(crate) neighbours: Vec<BTreeSet<Resource>>,
    by_above: BTreeMap<BTreeSet<Resource>, usize>,
}

/// Position of a resource.
#[derive(Clone, Debug, Default)]
pub(crate) struct Position {
    /// Everything that may explain its failure.
    pub(crate) below: BTreeSet<Resource>,
    /// The services that it belongs to.
    pub(crate) services: BTreeSet<Resource>,
    /// Index of its set of neighbours.
    pub(crate) neighbours: Option<usize>,
}

impl Position {
    fn of(graph: &Graph, resource: &Resource) -> Self {
        Self {
            below: dependencies(graph, resource),
            services: services_on(graph, resource),
            neighbours: None,
        }
    }
}

impl Topology {
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Checks a thing up in the graph, once.
    pub(crate) fn learn(&mut self, config: &Config, resource: &Resource) {
        if self.by_resource.contains_key(resource) {
            return;
        }
        let mut above = config.graph.above(resource);
        if resource.kind == Kind::Service {
            above.insert(resource.clone());
        }
        let next = self.neighbours.len();
        let neighbours = *self.by_above.entry(above).or_insert(next);
        if neighbours == next {
            self.neighbours.push(find_neighbours(config, resource));
        }
        let position = Position { neighbours: Some(neighbours), ..Position::of(&config.graph, resource) };
        self.by_resource.insert(resource.clone(), position);
    }

    pub(crate) fn get(&self, resource: &Resource) -> Option<&Position> {
        self.by_resource.get(resource)
    }

    /// Neighbours of a resource; none before [`Self::learn`].
    pub(crate) fn neighbours(&self, resource: &Resource) -> impl Iterator<Item = &Resource> {
        let position = self.get(resource).and_then(|position| position.neighbours);
        position.and_then(|index| self.neighbours.get(index)).into_iter().flatten()
    }

    pub(crate) fn of(&self, graph: &Graph, resource: &Resource) -> Cow<'_, Position> {
        match self.by_resource.get(resource) {
            Some(position) => Cow::Borrowed(position),
            None => Cow::Owned(Position::of(graph, resource)),
        }
    }
}

/// The latest alerts of a set of neighbours, about two resources: a resource is not its own neighbour.
#[derive(Default)]
pub(crate) struct Latest<'a> {
    first: Option<(Time, &'a Resource)>,
    second: Option<(Time, &'a Resource)>,
}

impl<'a> Latest<'a> {
    pub(crate) fn note(&mut self, opened: Time, about: &'a Resource) {
        let new = Some((opened, about));
        if self.first.is_some_and(|(_, first)| first == about) {
            self.first = self.first.max(new);
        } else if new > self.first {
            self.second = self.first;
            self.first = new;
        } else {
            self.second = self.second.max(new);
        }
    }

    /// Opening of the latest alert about another resource.
    pub(crate) fn beside(&self, resource: &Resource) -> Option<Time> {
        let others = [self.first, self.second].into_iter().flatten();
        others.filter(|(_, about)| *about != resource).map(|(opened, _)| opened).max()
    }
}

/// Everything that may explain a failure of a resource.
fn dependencies(graph: &Graph, resource: &Resource) -> BTreeSet<Resource> {
    let mut all = graph.beneath(resource);
    if is_endpoint(resource.kind) {
        for service in services_on(graph, resource) {
            for need in graph.depends_on(&service).filter(|need| is_shared(need.kind)) {
                all.extend(graph.beneath(need));
                all.insert(need.clone());
            }
        }
        // Two services may depend on one another: the resource does not explain itself.
        all.remove(resource);
    }
    all
}

/// Whether a dependency of a service explains failures of its endpoints. Pools do so by the traffic of the edge.
fn is_shared(kind: Kind) -> bool {
    matches!(kind, Kind::Service | Kind::Database)
}

/// The services that an endpoint belongs to.
fn services_on(graph: &Graph, resource: &Resource) -> BTreeSet<Resource> {
    let host = Resource::host(resource.name.clone());
    let of = |resource: &Resource| {
        graph
            .dependents(resource)
            .filter(|above| above.kind == Kind::Service)
            .cloned()
            .collect::<BTreeSet<_>>()
    };
    let own = of(resource);
    if own.is_empty() && resource.kind == Kind::Tls { of(&host) } else { own }
}

/// Endpoints of all services that depend on a resource, and those of one service that does not.
fn find_neighbours(config: &Config, about: &Resource) -> BTreeSet<Resource> {
    let graph = &config.graph;
    let above = graph.above(about);
    let endpoints = |service: &Resource| -> Vec<Resource> {
        graph.depends_on(service).filter(|need| is_endpoint(need.kind)).cloned().collect()
    };
    let mut all: BTreeSet<Resource> =
        above.iter().filter(|resource| is_endpoint(resource.kind)).take(NEIGHBOURS_MAX).cloned().collect();
    for service in above.iter().filter(|resource| resource.kind == Kind::Service) {
        let room = NEIGHBOURS_MAX.saturating_sub(all.len());
        all.extend(endpoints(service).into_iter().take(room));
    }
    let services = config.services.keys().map(|id| Resource::service(id.0.clone()));
    let involved: BTreeSet<Resource> = above
        .iter()
        .filter(|resource| resource.kind == Kind::Service)
        .flat_map(|service| graph.beneath(service))
        .collect();
    let mut others = services
        .filter(|service| service != about && !above.contains(service) && !involved.contains(service));
    if let Some(other) = others.find(|service| !endpoints(service).is_empty()) {
        all.extend(endpoints(&other).into_iter().take(3));
    }
    all
}
