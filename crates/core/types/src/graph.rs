//! Dependency graph: service -> host -> certificate, name servers, registration; service -> service.

use crate::Resource;
use std::collections::{BTreeMap, BTreeSet};

/// The dependency graph. Iteration is ordered, so that results are deterministic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    dependencies: BTreeMap<Resource, BTreeSet<Resource>>,
    dependents: BTreeMap<Resource, BTreeSet<Resource>>,
}

impl Graph {
    /// Adds a resource without dependencies.
    pub fn add(&mut self, resource: Resource) {
        self.dependencies.entry(resource.clone()).or_default();
        self.dependents.entry(resource).or_default();
    }

    /// Adds a dependency and both resources.
    pub fn add_dependency(&mut self, above: Resource, below: Resource) {
        self.add(above.clone());
        self.add(below.clone());
        self.dependencies.entry(above.clone()).or_default().insert(below.clone());
        self.dependents.entry(below).or_default().insert(above);
    }

    /// All resources, in order.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.dependencies.keys()
    }

    /// All dependencies, each from the dependent resource to the other.
    pub fn edges(&self) -> impl Iterator<Item = (&Resource, &Resource)> {
        self.dependencies.iter().flat_map(|(above, all)| all.iter().map(move |below| (above, below)))
    }

    /// Whether the graph has the resource.
    #[must_use]
    pub fn contains(&self, resource: &Resource) -> bool {
        self.dependencies.contains_key(resource)
    }

    /// Direct dependencies of a resource.
    pub fn depends_on(&self, resource: &Resource) -> impl Iterator<Item = &Resource> {
        self.dependencies.get(resource).into_iter().flatten()
    }

    /// Direct dependents of a resource.
    pub fn dependents(&self, resource: &Resource) -> impl Iterator<Item = &Resource> {
        self.dependents.get(resource).into_iter().flatten()
    }

    /// Whether `above` depends on `below` directly.
    #[must_use]
    pub fn depends_directly_on(&self, above: &Resource, below: &Resource) -> bool {
        self.dependencies.get(above).is_some_and(|all| all.contains(below))
    }

    /// All direct and indirect dependencies of a resource, without itself. Cycles are allowed.
    #[must_use]
    pub fn beneath(&self, resource: &Resource) -> BTreeSet<Resource> {
        reach(resource, &self.dependencies)
    }

    /// All direct and indirect dependents of a resource, without itself.
    #[must_use]
    pub fn above(&self, resource: &Resource) -> BTreeSet<Resource> {
        reach(resource, &self.dependents)
    }
}

fn reach(from: &Resource, edges: &BTreeMap<Resource, BTreeSet<Resource>>) -> BTreeSet<Resource> {
    let mut seen = BTreeSet::new();
    let mut todo = vec![from];
    while let Some(resource) = todo.pop() {
        for next in edges.get(resource).into_iter().flatten() {
            if next != from && seen.insert(next.clone()) {
                todo.push(next);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycle_terminates_and_resource_is_not_beneath_itself() {
        let mut graph = Graph::default();
        graph.add_dependency(Resource::service("a"), Resource::service("b"));
        graph.add_dependency(Resource::service("b"), Resource::service("a"));
        graph.add_dependency(Resource::service("b"), Resource::host("b.acme.com"));
        let beneath: Vec<String> =
            graph.beneath(&Resource::service("a")).iter().map(Resource::to_string).collect();
        assert_eq!(beneath, ["service.b", "host.b.acme.com"]);
        assert_eq!(graph.above(&Resource::host("b.acme.com")).len(), 2);
    }
}
