//! Where things stand in the graph: what lies beneath them, for whom they speak, what stands beside them.

use crate::cause::{services_on, under};
use crate::settle::neighbours;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use types::{Config, Graph, Kind, Resource, Time};

/// Where the things stand that had alerts, kept for one configuration: with thousands of alerts the graph would be walked
/// thousands of times for every answer.
#[derive(Debug, Default)]
pub(crate) struct Places {
    by_resource: BTreeMap<Resource, Place>,
    /// Neighbourhoods, each once; and which one belongs to whatever has the same things above.
    pub(crate) beside: Vec<BTreeSet<Resource>>,
    by_above: BTreeMap<BTreeSet<Resource>, usize>,
}

/// Where a thing stands in the graph.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// Everything that may explain trouble of it.
    pub(crate) under: BTreeSet<Resource>,
    /// The services that it speaks for.
    pub(crate) services: BTreeSet<Resource>,
    /// Which neighbourhood it belongs to.
    pub(crate) beside: Option<usize>,
}

impl Place {
    fn of(graph: &Graph, resource: &Resource) -> Self {
        Self { under: under(graph, resource), services: services_on(graph, resource), beside: None }
    }
}

impl Places {
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Looks a thing up in the graph, once.
    pub(crate) fn learn(&mut self, config: &Config, resource: &Resource) {
        if self.by_resource.contains_key(resource) {
            return;
        }
        let mut above = config.graph.above(resource);
        if resource.kind == Kind::Service {
            above.insert(resource.clone());
        }
        let next = self.beside.len();
        let beside = *self.by_above.entry(above).or_insert(next);
        if beside == next {
            self.beside.push(neighbours(config, resource));
        }
        let place = Place { beside: Some(beside), ..Place::of(&config.graph, resource) };
        self.by_resource.insert(resource.clone(), place);
    }

    pub(crate) fn get(&self, resource: &Resource) -> Option<&Place> {
        self.by_resource.get(resource)
    }

    /// What to look at beside a thing: nothing before it was learned.
    pub(crate) fn beside(&self, resource: &Resource) -> impl Iterator<Item = &Resource> {
        let place = self.get(resource).and_then(|place| place.beside);
        place.and_then(|beside| self.beside.get(beside)).into_iter().flatten()
    }

    pub(crate) fn of(&self, graph: &Graph, resource: &Resource) -> Cow<'_, Place> {
        match self.by_resource.get(resource) {
            Some(place) => Cow::Borrowed(place),
            None => Cow::Owned(Place::of(graph, resource)),
        }
    }
}

/// The latest alerts of a neighbourhood, about two things: nobody is its own neighbour.
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

    /// When the latest alert about anything but this thing opened.
    pub(crate) fn beside(&self, resource: &Resource) -> Option<Time> {
        let others = [self.first, self.second].into_iter().flatten();
        others.filter(|(_, about)| *about != resource).map(|(opened, _)| opened).max()
    }
}
