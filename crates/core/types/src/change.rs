//! Changes: what people and machines did to a system, as its own deploys and scripts report it.
//!
//! Most outages follow a change, and most ends of outages follow one too: the nearest change before an onset is named
//! in the summary of an incident, and every change during one is judged by its effect.

use crate::effect::Effect;
use crate::{Actor, ChangeId, Graph, IncidentId, Resource, ServiceId, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Maximum length of a title, in characters.
pub const TITLE_MAX: usize = 200;
/// Maximum length of a link, in bytes.
pub const LINK_MAX: usize = 500;
/// Maximum of services that one change names.
pub const SERVICES_MAX: usize = 20;

/// One change of a system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its number.
    pub id: ChangeId,
    /// When it was made, or began.
    pub at: Time,
    /// When it was complete, if that was reported on its own: a deploy takes minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Time>,
    /// What was done, as its author wrote it.
    pub title: String,
    /// Its kind.
    #[serde(default)]
    pub kind: ChangeKind,
    /// The services that it concerns; none when that is not known.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub services: BTreeSet<ServiceId>,
    /// The resource that it concerns, if it is no service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Resource>,
    /// The source of the configuration that reported it; `None` for people and the API token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// A page about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What its source calls it: a second report with the same key is the same change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Kind of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// New code.
    Deploy,
    /// New configuration.
    Config,
    /// More or fewer servers.
    Scale,
    /// An earlier version again.
    Rollback,
    /// Anything else.
    #[default]
    Other,
}

impl ChangeKind {
    /// Name in the API, on the command line and in texts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Config => "config",
            Self::Scale => "scale",
            Self::Rollback => "rollback",
            Self::Other => "other",
        }
    }

    /// The kind that the first word of a title names: `deploy api 4f2c` is a deploy.
    #[must_use]
    pub fn of_title(title: &str) -> Self {
        let first = title.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_lowercase();
        match first.as_str() {
            "deploy" | "deployed" | "deployment" | "release" | "released" => Self::Deploy,
            "config" | "configuration" | "configured" => Self::Config,
            "scale" | "scaled" | "scaling" => Self::Scale,
            "rollback" | "rolled" | "revert" | "reverted" => Self::Rollback,
            _ => Self::Other,
        }
    }
}

/// How closely a change and an incident belong together, nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nearness {
    /// It concerns a resource of the incident, or something that one depends on.
    Related,
    /// It does not say what it concerns.
    Unstated,
}

impl Change {
    /// From when on it has an effect.
    #[must_use]
    pub fn in_effect(&self) -> Time {
        self.done.unwrap_or(self.at)
    }

    /// Title with the kind in front, where the title does not begin with it.
    #[must_use]
    pub fn name(&self) -> String {
        if self.kind == ChangeKind::Other || ChangeKind::of_title(&self.title) == self.kind {
            self.title.clone()
        } else {
            format!("{} {}", self.kind.as_str(), self.title)
        }
    }

    /// How closely it belongs to an incident; `None` when it concerns other resources.
    #[must_use]
    pub fn nearness(&self, concerned: &Concerned) -> Option<Nearness> {
        if self.services.is_empty() && self.resource.is_none() {
            return Some(Nearness::Unstated);
        }
        let mut services = self.services.iter().map(|service| Resource::service(service.0.as_str()));
        let is_related = services.any(|service| concerned.0.contains(&service))
            || self.resource.as_ref().is_some_and(|resource| concerned.0.contains(resource));
        is_related.then_some(Nearness::Related)
    }
}

/// The resources of an incident and everything that they depend on: a change of one of them may concern it.
#[derive(Clone, Debug)]
pub struct Concerned(BTreeSet<Resource>);

impl Concerned {
    /// Collects the cause and the affected services, with everything beneath them.
    #[must_use]
    pub fn new(graph: &Graph, cause: &Resource, affected: &BTreeSet<Resource>) -> Self {
        let mut all = BTreeSet::new();
        for resource in affected.iter().chain([cause]) {
            // What is beneath another one is there with everything beneath it.
            if all.insert(resource.clone()) {
                all.extend(graph.beneath(resource));
            }
        }
        Self(all)
    }

    /// Whether a resource is one of them.
    #[must_use]
    pub fn contains(&self, resource: &Resource) -> bool {
        self.0.contains(resource)
    }
}

/// A change before it has a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewChange {
    /// When it was made; now when `None`.
    pub at: Option<Time>,
    /// What was done.
    pub title: String,
    /// Its kind.
    pub kind: ChangeKind,
    /// The services that it concerns.
    pub services: BTreeSet<ServiceId>,
    /// The resource that it concerns.
    pub resource: Option<Resource>,
    /// The source of the configuration that reported it.
    pub source: Option<String>,
    /// A page about it.
    pub link: Option<String>,
    /// What its source calls it.
    pub key: Option<String>,
    /// Whether this reports the end of a change that may have been reported at its beginning.
    pub is_end: bool,
}

/// A change with its author and its effects. Folded from the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordedChange {
    /// The change.
    #[serde(flatten)]
    pub change: Change,
    /// Who reported it.
    pub by: Actor,
    /// Its effect on each incident during which it was made.
    pub effects: BTreeMap<IncidentId, Effect>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(title: &str, services: &[&str]) -> Change {
        Change {
            id: ChangeId(1),
            at: Time::UNIX_EPOCH,
            done: None,
            title: title.to_owned(),
            kind: ChangeKind::Deploy,
            services: services.iter().map(|service| ServiceId::from(*service)).collect(),
            resource: None,
            source: None,
            link: None,
            key: None,
        }
    }

    #[test]
    fn name_has_its_kind_once() {
        for (title, name) in [
            ("deploy api 4f2c", "deploy api 4f2c"),
            ("Release 7", "Release 7"),
            ("api 4f2c", "deploy api 4f2c"),
            ("deployer updated", "deploy deployer updated"),
        ] {
            assert_eq!(change(title, &[]).name(), name);
        }
        for (title, kind) in
            [("rolled back", ChangeKind::Rollback), ("added 4 API servers", ChangeKind::Other)]
        {
            assert_eq!(ChangeKind::of_title(title), kind);
        }
    }

    #[test]
    fn change_of_a_dependency_is_related() {
        let mut graph = Graph::default();
        let (shop, auth, blog) =
            (Resource::service("shop"), Resource::service("auth"), Resource::service("blog"));
        graph.add_dependency(shop.clone(), auth);
        graph.add(blog.clone());
        let failing = Concerned::new(&graph, &shop, &BTreeSet::new());
        for (services, expected) in [
            (&["shop"][..], Some(Nearness::Related)),
            (&["auth"], Some(Nearness::Related)),
            (&["blog"], None),
            (&["blog", "auth"], Some(Nearness::Related)),
            (&[], Some(Nearness::Unstated)),
        ] {
            assert_eq!(change("x", services).nearness(&failing), expected, "{services:?}");
        }
        let other = Concerned::new(&graph, &blog, &BTreeSet::new());
        assert_eq!(change("x", &["auth"]).nearness(&other), None);
    }
}
