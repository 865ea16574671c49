//! Who needs whom: service -> host -> certificate, name servers, registration; service -> service.

use crate::Thing;
use std::collections::{BTreeMap, BTreeSet};

/// The dependency graph. Iterates in order, so that nothing decided from it depends on chance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    needs: BTreeMap<Thing, BTreeSet<Thing>>,
    needed_by: BTreeMap<Thing, BTreeSet<Thing>>,
}

impl Graph {
    /// Adds a thing that may need nothing.
    pub fn add(&mut self, thing: Thing) {
        self.needs.entry(thing.clone()).or_default();
        self.needed_by.entry(thing).or_default();
    }

    /// Adds an edge and both its ends.
    pub fn add_need(&mut self, above: Thing, below: Thing) {
        self.add(above.clone());
        self.add(below.clone());
        self.needs.entry(above.clone()).or_default().insert(below.clone());
        self.needed_by.entry(below).or_default().insert(above);
    }

    /// Every thing, in order.
    pub fn things(&self) -> impl Iterator<Item = &Thing> {
        self.needs.keys()
    }

    /// Every edge, from the one that needs to the one that is needed.
    pub fn edges(&self) -> impl Iterator<Item = (&Thing, &Thing)> {
        self.needs.iter().flat_map(|(above, all)| all.iter().map(move |below| (above, below)))
    }

    /// Whether the graph knows the thing.
    #[must_use]
    pub fn contains(&self, thing: &Thing) -> bool {
        self.needs.contains_key(thing)
    }

    /// What a thing needs, one step down.
    pub fn needs(&self, thing: &Thing) -> impl Iterator<Item = &Thing> {
        self.needs.get(thing).into_iter().flatten()
    }

    /// What needs a thing, one step up.
    pub fn needed_by(&self, thing: &Thing) -> impl Iterator<Item = &Thing> {
        self.needed_by.get(thing).into_iter().flatten()
    }

    /// Whether `above` needs `below` in one step.
    #[must_use]
    pub fn needs_directly(&self, above: &Thing, below: &Thing) -> bool {
        self.needs.get(above).is_some_and(|all| all.contains(below))
    }

    /// Everything that a thing stands on, itself not included. Circles end where they began.
    #[must_use]
    pub fn beneath(&self, thing: &Thing) -> BTreeSet<Thing> {
        reach(thing, &self.needs)
    }

    /// Everything that stands on a thing, itself not included.
    #[must_use]
    pub fn above(&self, thing: &Thing) -> BTreeSet<Thing> {
        reach(thing, &self.needed_by)
    }
}

fn reach(from: &Thing, edges: &BTreeMap<Thing, BTreeSet<Thing>>) -> BTreeSet<Thing> {
    let mut seen = BTreeSet::new();
    let mut todo = vec![from];
    while let Some(thing) = todo.pop() {
        for next in edges.get(thing).into_iter().flatten() {
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
    fn circles_end_and_a_thing_is_not_beneath_itself() {
        let mut graph = Graph::default();
        graph.add_need(Thing::service("a"), Thing::service("b"));
        graph.add_need(Thing::service("b"), Thing::service("a"));
        graph.add_need(Thing::service("b"), Thing::host("b.acme.com"));
        let beneath: Vec<String> = graph.beneath(&Thing::service("a")).iter().map(Thing::to_string).collect();
        assert_eq!(beneath, ["service.b", "host.b.acme.com"]);
        assert_eq!(graph.above(&Thing::host("b.acme.com")).len(), 2);
    }
}
