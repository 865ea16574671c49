//! Everything that `tell` knows from the journal: the fold of events, and nothing else.

use crate::history::History;
use crate::status_page::Post;
use std::collections::BTreeMap;
use types::event::{PostStatus, ServiceState};
use types::incident::Stage;
use types::{Event, EventKind, IncidentId, Resource, ServiceId, Time};

/// Ended incidents that are remembered for those who look back.
const ENDED_MAX: usize = 200;

/// Posts of one incident that are remembered; the oldest go first, but never the very first.
const POSTS_MAX: usize = 200;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Known {
    pub(crate) histories: BTreeMap<ServiceId, History>,
    pub(crate) told: BTreeMap<IncidentId, Told>,
    pub(crate) last_post: u64,
    /// When anything that visitors see last changed.
    pub(crate) changed: Option<Time>,
    /// The first event of all: there is nothing to tell of the time before.
    pub(crate) begun: Option<Time>,
}

/// What visitors were told about one incident.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) since: Time,
    /// How far along the incident is.
    stage: Stage,
    /// What is held to be its cause.
    cause: Resource,
    pub(crate) ended: Option<Time>,
    pub(crate) merged_into: Option<IncidentId>,
    pub(crate) title: String,
    pub(crate) impact: ServiceState,
    /// Oldest first; empty while nothing was said.
    pub(crate) posts: Vec<Post>,
    /// How far along the incident was at the newest post.
    pub(crate) stage_told: Stage,
    /// What was held to be the cause at the newest post.
    pub(crate) cause_told: Resource,
    /// When mainstay itself last wrote, published or not.
    pub(crate) drafted: Option<Time>,
    /// Since when the cause is gone, while it is.
    pub(crate) mending_since: Option<Time>,
    /// Words that wait until a person publishes them.
    pub(crate) waiting: Option<Waiting>,
}

/// An update that a person is to publish.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Waiting {
    pub(crate) at: Time,
    pub(crate) status: PostStatus,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) affected: BTreeMap<ServiceId, ServiceState>,
}

impl Told {
    /// The newest words are about the incident as it is now.
    fn note_told(&mut self) {
        self.stage_told = self.stage;
        self.cause_told.clone_from(&self.cause);
    }

    /// Status and services of the newest words, published or waiting.
    pub(crate) fn newest(&self) -> Option<(PostStatus, BTreeMap<ServiceId, ServiceState>)> {
        let published =
            || self.posts.last().map(|post| (post.status, post.affected.iter().cloned().collect()));
        self.waiting.as_ref().map(|draft| (draft.status, draft.affected.clone())).or_else(published)
    }

    /// Said to be over, whatever the team still has to do.
    pub(crate) fn is_over(&self) -> bool {
        self.posts.last().is_some_and(|post| post.status == PostStatus::Resolved)
    }

    /// Over, and said to be over.
    pub(crate) fn is_done(&self) -> bool {
        self.ended.is_some() && self.posts.last().is_none_or(|post| post.status == PostStatus::Resolved)
    }
}

impl Known {
    pub(crate) fn state(&self, service: &ServiceId) -> Option<(ServiceState, Time)> {
        self.histories.get(service)?.current()
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        let at = event.at;
        self.begun.get_or_insert(at);
        match &event.kind {
            EventKind::Booted { unmonitored_since: Some(since) } | EventKind::Unmonitored { since } => {
                self.histories.values_mut().for_each(|history| history.not_watched(*since, at));
                self.changed = Some(at);
            }
            EventKind::ServiceStateChanged { service, state } => {
                self.histories.entry(service.clone()).or_default().changed(at, *state);
                for told in self.told.values_mut().filter(|told| !told.is_over()) {
                    if told.posts.last().is_some_and(|post| post.affected.iter().any(|(of, _)| of == service))
                    {
                        told.impact = told.impact.max(*state);
                    }
                }
                self.changed = Some(at);
            }
            EventKind::IncidentOpened { incident, since, diagnosis } => {
                let told = Told {
                    since: *since,
                    stage: diagnosis.stage,
                    cause: diagnosis.cause.clone(),
                    ended: None,
                    merged_into: None,
                    title: String::new(),
                    impact: ServiceState::Operational,
                    posts: Vec::new(),
                    stage_told: diagnosis.stage,
                    cause_told: diagnosis.cause.clone(),
                    drafted: None,
                    mending_since: (diagnosis.stage == Stage::Recovering).then_some(at),
                    waiting: None,
                };
                self.told.insert(*incident, told);
            }
            EventKind::IncidentDiagnosed { incident, diagnosis } => {
                if let Some(told) = self.told.get_mut(incident) {
                    told.stage = diagnosis.stage;
                    let mending = diagnosis.stage == Stage::Recovering;
                    told.mending_since = mending.then(|| told.mending_since.unwrap_or(at));
                    told.cause.clone_from(&diagnosis.cause);
                }
            }
            EventKind::IncidentMerged { incident, into } => {
                if let Some(told) = self.told.get_mut(incident) {
                    told.ended = Some(at);
                    told.merged_into = Some(*into);
                }
                self.forget();
            }
            EventKind::IncidentResolved { incident, .. } => {
                if let Some(told) = self.told.get_mut(incident) {
                    told.ended = Some(at);
                }
                self.forget();
            }
            EventKind::PostDrafted { incident, status, title, body, affected } => {
                let Some(told) = self.told.get_mut(incident) else { return };
                told.drafted = Some(at);
                told.note_told();
                told.waiting = Some(Waiting {
                    at,
                    status: *status,
                    title: title.clone(),
                    body: body.clone(),
                    affected: affected.clone(),
                });
            }
            EventKind::PostPublished { post, incident, status, title, body, affected, by } => {
                self.last_post = self.last_post.max(post.0);
                self.changed = Some(at);
                let Some(told) = self.told.get_mut(incident) else { return };
                let affected: Vec<_> =
                    affected.iter().map(|(service, state)| (service.clone(), *state)).collect();
                told.impact = affected
                    .iter()
                    .map(|(_, state)| *state)
                    .chain([told.impact])
                    .max()
                    .unwrap_or(told.impact);
                told.title.clone_from(title);
                told.note_told();
                told.waiting = None;
                if by.is_none() {
                    told.drafted = Some(at);
                }
                if told.posts.len() >= POSTS_MAX {
                    told.posts.remove(1);
                }
                told.posts.push(Post { id: *post, at, status: *status, body: body.clone(), affected });
                self.forget();
            }
            _ => {}
        }
    }

    /// Drops what ended long ago, oldest first, and at once what was never spoken of.
    fn forget(&mut self) {
        self.told.retain(|_, told| told.ended.is_none() || !told.posts.is_empty());
        let done: Vec<IncidentId> =
            self.told.iter().filter(|(_, told)| told.is_done()).map(|(incident, _)| *incident).collect();
        for incident in done.iter().take(done.len().saturating_sub(ENDED_MAX)) {
            self.told.remove(incident);
        }
    }
}
