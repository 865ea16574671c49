//! Who needs whom: service -> host -> certificate, name servers, registration; service -> service.

use crate::Resource;
use std::collections::{BTreeMap, BTreeSet};

/// The dependency graph. Iterates in order, so that nothing decided from it depends on chance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    needs: BTreeMap<Resource, BTreeSet<Resource>>,
    needed_by: BTreeMap<Resource, BTreeSet<Resource>>,
}

impl Graph {
    /// Adds a thing that may need nothing.
    pub fn add(&mut self, resource: Resource) {
        self.needs.entry(resource.clone()).or_default();
        self.needed_by.entry(resource).or_default();
    }

    /// Adds an edge and both its ends.
    pub fn add_need(&mut self, above: Resource, below: Resource) {
        self.add(above.clone());
        self.add(below.clone());
        self.needs.entry(above.clone()).or_default().insert(below.clone());
        self.needed_by.entry(below).or_default().insert(above);
    }

    /// Every thing, in order.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.needs.keys()
    }

    /// Every edge, from the one that needs to the one that is needed.
    pub fn edges(&self) -> impl Iterator<Item = (&Resource, &Resource)> {
        self.needs.iter().flat_map(|(above, all)| all.iter().map(move |below| (above, below)))
    }

    /// Whether the graph knows the thing.
    #[must_use]
    pub fn contains(&self, resource: &Resource) -> bool {
        self.needs.contains_key(resource)
    }

    /// What a thing needs, one step down.
    pub fn needs(&self, resource: &Resource) -> impl Iterator<Item = &Resource> {
        self.needs.get(resource).into_iter().flatten()
    }

    /// What needs a thing, one step up.
    pub fn needed_by(&self, resource: &Resource) -> impl Iterator<Item = &Resource> {
        self.needed_by.get(resource).into_iter().flatten()
    }

    /// Whether `above` needs `below` in one step.
    #[must_use]
    pub fn needs_directly(&self, above: &Resource, below: &Resource) -> bool {
        self.needs.get(above).is_some_and(|all| all.contains(below))
    }

    /// Everything that a thing stands on, itself not included. Circles end where they began.
    #[must_use]
    pub fn beneath(&self, resource: &Resource) -> BTreeSet<Resource> {
        reach(resource, &self.needs)
    }

    /// Everything that stands on a thing, itself not included.
    #[must_use]
    pub fn above(&self, resource: &Resource) -> BTreeSet<Resource> {
        reach(resource, &self.needed_by)
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
    fn circles_end_and_a_resource_is_not_beneath_itself() {
        let mut graph = Graph::default();
        graph.add_need(Resource::service("a"), Resource::service("b"));
        graph.add_need(Resource::service("b"), Resource::service("a"));
        graph.add_need(Resource::service("b"), Resource::host("b.acme.com"));
        let beneath: Vec<String> =
            graph.beneath(&Resource::service("a")).iter().map(Resource::to_string).collect();
        assert_eq!(beneath, ["service.b", "host.b.acme.com"]);
        assert_eq!(graph.above(&Resource::host("b.acme.com")).len(), 2);
    }
}
