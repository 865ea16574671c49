//! The layer that starves an idle resource: from the resource towards its callers, the first layer that is short.
//!
//! Work for a database, or for a server of a pool, comes from the services that depend on it, and each of those does its
//! work on its own pool. A pool that lost its servers sends little to everything below it, however much was added there.

use std::collections::{BTreeSet, VecDeque};
use types::fault::Starving;
use types::{Graph, Kind, Resource};

/// Services that are looked at, at most.
const SERVICES_MAX: usize = 1_000;

/// The nearest layer above a resource that is short, by what `short` says about services and pools.
pub(crate) fn layer(
    graph: &Graph,
    idle: &Resource,
    short: impl Fn(&Resource) -> Option<String>,
) -> Option<Starving> {
    let mut seen: BTreeSet<&Resource> = BTreeSet::new();
    let mut todo: VecDeque<&Resource> = VecDeque::from([idle]);
    while let Some(below) = todo.pop_front() {
        for service in graph.dependents(below).filter(|above| above.kind == Kind::Service) {
            if seen.len() >= SERVICES_MAX || !seen.insert(service) {
                continue;
            }
            let pools = graph.depends_on(service).filter(|need| need.kind == Kind::Pool && *need != idle);
            let layers = std::iter::once(service).chain(pools);
            let found = layers
                .into_iter()
                .find_map(|layer| Some(Starving { layer: layer.clone(), how: short(layer)? }));
            if found.is_some() {
                return found;
            }
            todo.push_back(service);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_short_layer_towards_the_callers_is_found() {
        let mut graph = Graph::default();
        let (service, pool) = (|name: &str| Resource::service(name), |name: &str| Resource::pool(name));
        graph.add_dependency(service("web"), service("api"));
        graph.add_dependency(service("web"), pool("web"));
        graph.add_dependency(service("api"), pool("api"));
        graph.add_dependency(service("api"), Resource::database("main"));
        graph.add_dependency(service("job"), Resource::database("other"));
        graph.add_dependency(service("job"), pool("job"));
        let main = Resource::database("main");
        let found = |short: &[&str]| {
            let is = |resource: &Resource| {
                short.contains(&resource.to_string().as_str()).then(|| "is short".to_owned())
            };
            layer(&graph, &main, is).map(|found| found.layer.to_string())
        };
        for (short, layer) in [
            (&["pool.api", "pool.web"][..], Some("pool.api")),
            (&["pool.web"], Some("pool.web")),
            (&["service.web"], Some("service.web")),
            (&["pool.job"], None),
            (&[], None),
        ] {
            assert_eq!(found(short).as_deref(), layer, "{short:?}");
        }
        let own = layer(&graph, &pool("api"), |resource| (*resource == pool("api")).then(String::new));
        assert_eq!(own, None, "a pool does not starve itself");
    }
}
