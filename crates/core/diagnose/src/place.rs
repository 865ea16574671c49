//! Where things stand in the graph: what lies beneath them, for whom they speak, what stands beside them.

use crate::cause::{services_on, under};
use crate::settle::neighbours;
use types::{Graph, Kind, Plan, Thing, Time};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Where the things stand that had findings, kept for one plan: with thousands of findings the graph would be walked
/// thousands of times for every answer.
#[derive(Debug, Default)]
pub(crate) struct Places {
    by_thing: BTreeMap<Thing, Place>,
    /// Neighbourhoods, each once; and which one belongs to whatever has the same things above.
    pub(crate) beside: Vec<BTreeSet<Thing>>,
    by_above: BTreeMap<BTreeSet<Thing>, usize>,
}

/// Where a thing stands in the graph.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// Everything that may explain trouble of it.
    pub(crate) under: BTreeSet<Thing>,
    /// The services that it speaks for.
    pub(crate) services: BTreeSet<Thing>,
    /// Which neighbourhood it belongs to.
    pub(crate) beside: Option<usize>,
}

impl Place {
    fn of(graph: &Graph, thing: &Thing) -> Self {
        Self { under: under(graph, thing), services: services_on(graph, thing), beside: None }
    }
}

impl Places {
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Looks a thing up in the graph, once.
    pub(crate) fn learn(&mut self, plan: &Plan, thing: &Thing) {
        if self.by_thing.contains_key(thing) {
            return;
        }
        let mut above = plan.graph.above(thing);
        if thing.kind == Kind::Service {
            above.insert(thing.clone());
        }
        let next = self.beside.len();
        let beside = *self.by_above.entry(above).or_insert(next);
        if beside == next {
            self.beside.push(neighbours(plan, thing));
        }
        let place = Place { beside: Some(beside), ..Place::of(&plan.graph, thing) };
        self.by_thing.insert(thing.clone(), place);
    }

    pub(crate) fn get(&self, thing: &Thing) -> Option<&Place> {
        self.by_thing.get(thing)
    }

    /// What to look at beside a thing: nothing before it was learned.
    pub(crate) fn beside(&self, thing: &Thing) -> impl Iterator<Item = &Thing> {
        let place = self.get(thing).and_then(|place| place.beside);
        place.and_then(|beside| self.beside.get(beside)).into_iter().flatten()
    }

    pub(crate) fn of(&self, graph: &Graph, thing: &Thing) -> Cow<'_, Place> {
        match self.by_thing.get(thing) {
            Some(place) => Cow::Borrowed(place),
            None => Cow::Owned(Place::of(graph, thing)),
        }
    }
}

/// The latest findings of a neighbourhood, about two things: nobody is its own neighbour.
#[derive(Default)]
pub(crate) struct Latest<'a> {
    first: Option<(Time, &'a Thing)>,
    second: Option<(Time, &'a Thing)>,
}

impl<'a> Latest<'a> {
    pub(crate) fn note(&mut self, opened: Time, about: &'a Thing) {
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

    /// When the latest finding about anything but this thing opened.
    pub(crate) fn beside(&self, thing: &Thing) -> Option<Time> {
        let others = [self.first, self.second].into_iter().flatten();
        others.filter(|(_, about)| *about != thing).map(|(opened, _)| opened).max()
    }
}
