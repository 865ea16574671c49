//! What the journal has of one incident, for the draft of a post-mortem.

use crate::views::{PagingEntry, PagingFact, TimelineEntry, TimelineFact};
use crate::{Engine, show};
use serde::Serialize;
use statuspage::StateSpan;
use thiserror::Error;
use types::event::ServiceState;
use types::{Effect, Incident, IncidentId, Kind, Resource, ServiceId, Time};

/// Everything of one incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PostMortem {
    /// The incident, with the effects of its notes.
    pub incident: Incident,
    /// Its end; the time of the last event while it is open.
    pub until: Time,
    /// What happened first, and when.
    pub milestones: Milestones,
    /// What visitors noticed of each service, worst first. Empty when they noticed nothing.
    pub impact: Vec<ServiceImpact>,
    /// What was done, in the order of time, and what came of it.
    pub fixes: Vec<Fix>,
    /// What happened.
    pub timeline: Vec<TimelineEntry>,
    /// What happened to its pages.
    pub paging: Vec<PagingEntry>,
}

/// Instants that tell how quick the answer was; `None` is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Milestones {
    /// The first failure.
    pub began: Time,
    /// mainstay opened the incident.
    pub opened: Time,
    /// A provider accepted a page.
    pub paged: Option<Time>,
    /// A person acknowledged.
    pub acknowledged: Option<Time>,
    /// The first update was published.
    pub published: Option<Time>,
    /// It ended.
    pub resolved: Option<Time>,
}

/// What visitors noticed of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceImpact {
    /// The service.
    pub service: ServiceId,
    /// Its title.
    pub title: String,
    /// When it was not operational, oldest first.
    pub spans: Vec<StateSpan>,
}

/// Something that was done about it: a note or a change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fix {
    /// Time.
    pub at: Time,
    /// The words of its author.
    pub what: String,
    /// Its measured effect.
    pub effect: Option<Effect>,
}

/// Why there is no post-mortem of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoPostMortem {
    /// There is none with this number.
    #[error("there is no {0}")]
    Unknown(IncidentId),
    /// Its cause was that of another.
    #[error("{0} was merged into {1}")]
    Merged(IncidentId, IncidentId),
    /// Its timeline is not kept in memory.
    #[error("{0} is too long ago: only the last hundred incidents have a timeline")]
    Forgotten(IncidentId),
}

impl Engine {
    /// Everything that is known of an incident.
    ///
    /// # Errors
    /// [`NoPostMortem`].
    pub fn post_mortem(&self, id: IncidentId) -> Result<PostMortem, NoPostMortem> {
        let incident = self.incidents().get(&id).ok_or(NoPostMortem::Unknown(id))?;
        if let Some(into) = incident.merged_into {
            return Err(NoPostMortem::Merged(id, into));
        }
        let story = self.stories.of(id).ok_or(NoPostMortem::Forgotten(id))?;
        let timeline = show::timeline(self, incident);
        let until = incident.resolved.unwrap_or(self.clock).max(incident.since);
        Ok(PostMortem {
            milestones: milestones(incident, &timeline, &story.paging),
            impact: self.impact(&timeline, incident, until),
            fixes: timeline.iter().filter_map(fix).collect(),
            paging: story.paging.clone(),
            incident: show::incident(self, incident),
            until,
            timeline,
        })
    }

    /// The states of every service that was affected at any time, as visitors saw them.
    fn impact(&self, timeline: &[TimelineEntry], incident: &Incident, until: Time) -> Vec<ServiceImpact> {
        let is_bad = |span: &StateSpan| span.state >= ServiceState::Degraded;
        let about = timeline.iter().filter_map(|entry| match &entry.fact {
            TimelineFact::AlertOpened { about, .. } => Some(about),
            _ => None,
        });
        let concerned = |service: &ServiceId| {
            let resource = Resource::service(service.0.as_str());
            let beneath = self.config.graph.beneath(&resource);
            let is_part = |about: &Resource| about.kind != Kind::Service && beneath.contains(about);
            incident.diagnosis.affected.contains(&resource)
                || incident.diagnosis.cause == resource
                || about.clone().any(|about| *about == resource || is_part(about))
        };
        let services = self.config.services.values().filter(|service| concerned(&service.id));
        let impact = services.map(|service| ServiceImpact {
            service: service.id.clone(),
            title: service.title.clone(),
            spans: self.publisher.states(&service.id, incident.since, until).filter(is_bad).collect(),
        });
        let mut impact: Vec<ServiceImpact> = impact.filter(|impact| !impact.spans.is_empty()).collect();
        impact.sort_by_key(|impact| std::cmp::Reverse(impact.spans.iter().map(|span| span.state).max()));
        impact
    }
}

fn milestones(incident: &Incident, timeline: &[TimelineEntry], paging: &[PagingEntry]) -> Milestones {
    let first = |is: fn(&TimelineFact) -> bool| timeline.iter().find(|entry| is(&entry.fact)).map(|it| it.at);
    let accepted = |fact: &PagingFact| matches!(fact, PagingFact::Attempted { failure: None, .. });
    Milestones {
        began: incident.since,
        opened: incident.opened,
        paged: paging.iter().find(|entry| accepted(&entry.fact)).map(|entry| entry.at),
        acknowledged: first(|fact| matches!(fact, TimelineFact::Acknowledged { .. })),
        published: first(|fact| matches!(fact, TimelineFact::UpdatePublished { .. })),
        resolved: incident.resolved,
    }
}

fn fix(entry: &TimelineEntry) -> Option<Fix> {
    let at = entry.at;
    match &entry.fact {
        TimelineFact::Noted { by, note, effect, .. } => {
            Some(Fix { at, what: format!("{by}: {note}"), effect: effect.clone() })
        }
        TimelineFact::Changed { change, effect } => {
            Some(Fix { at, what: change.name(), effect: effect.clone() })
        }
        _ => None,
    }
}
