//! Turns incidents into updates and the public status page.
//!
//! Sans-I/O: the time and the results of the other core crates are arguments; events are the result.
//!
//! | module | contents |
//! |---|---|
//! | [`status_page`] | the public status page as data |
//! | `page` | builds the status page from the state |
//! | `service_state` | state of a service, from alerts and incidents |
//! | `impact` | impact of an alert on clients |
//! | `history` | past states of a service: days, uptime |
//! | `updates` | when an update is due |
//! | `compose` | title and text of an update |
//! | `edge_cause` | causes that only the edge sees, and their text |
//! | `titles` | titles, lists, sanitizing |
//! | `state` | the fold of the journal |
//!
//! # Invariants
//!
//! * Missing data is never shown as operational: a service is operational only when each of its parts has a good result
//!   since boot.
//! * The public reads what clients notice: names of services, never of machines. An incident without impact on clients
//!   is not published, and it is resolved publicly as soon as clients notice nothing any more.
//! * A promised next update is kept, if only by saying that there is no news.
//! * No update claims that a person works on an incident before it is acknowledged.
//! * States change immediately. Updates wait a minute, and longer where a person has to approve them.

mod compose;
mod edge_cause;
mod history;
mod impact;
mod maintenance;
mod page;
mod service_state;
mod state;
pub mod status_page;
mod titles;
mod updates;

#[cfg(test)]
mod fixture;

pub use history::StateSpan;
pub use status_page::StatusPage;

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::event::{ServiceState, UpdateStatus};
use types::time::later;
use types::{
    Actor, Config, Context, Event, EventKind, Events, Incident, IncidentId, Resource, ServiceId, Time,
    UpdateId,
};

/// Decides the public states and updates.
#[derive(Clone, Debug, Default)]
pub struct Publisher {
    state: state::State,
    volatile: Volatile,
}

/// Update that is waiting for approval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Draft {
    /// Incident that it is about.
    pub incident: IncidentId,
    /// Time at which it was written.
    pub at: Time,
    /// Status of the incident.
    pub status: UpdateStatus,
    /// Public title of the incident.
    pub title: String,
    /// Text of the update.
    pub body: String,
}

/// Memory since boot: what saves work between probe results that change nothing. Losing it costs one evaluation.
#[derive(Clone, Debug, Default)]
struct Volatile {
    /// Whether all states are evaluated and no event since then can change the certain ones.
    evaluated: bool,
    /// Services whose state the next probe result may change.
    uncertain: BTreeSet<ServiceId>,
    isolated: bool,
    /// Digest of the configuration of the last evaluation.
    config: String,
    /// Time of the last full reaction.
    reacted: Option<Time>,
    /// Whether something changed since then.
    pending: bool,
    /// Next deadline if nothing changes; kept for large configurations only.
    next_deadline: Option<Time>,
}

impl Publisher {
    /// Applies an event. Events about unknown resources change nothing.
    pub fn apply(&mut self, event: &Event) {
        self.state.apply(event);
        match event.kind {
            EventKind::AttemptEnded { .. } | EventKind::PageStep { .. } => {}
            // States do not depend on each other, but updates depend on states.
            EventKind::ServiceStateChanged { .. } => self.volatile.pending = true,
            _ => (self.volatile.evaluated, self.volatile.pending) = (false, true),
        }
    }

    /// Adds the state changes and updates that are due now. Cheap when nothing changed.
    pub fn react(&mut self, context: &Context<'_>, events: &mut Events) {
        let Context { config, now, .. } = *context;
        if self.is_paused(config, now) {
            self.volatile.pending |= !self.is_unchanged(context);
            return;
        }
        (self.volatile.reacted, self.volatile.pending) = (Some(now), false);
        let changed = self.evaluate(context);
        events.extend(changed.iter().map(|(service, state)| EventKind::ServiceStateChanged {
            service: service.clone(),
            state: *state,
        }));
        events.extend(self.updates(context, &changed));
        if config.reaction_pause().is_some() {
            self.volatile.next_deadline = self.next_update(context);
        }
    }

    /// Updates that are due now, with the states that this batch changes.
    fn updates(&self, context: &Context<'_>, changed: &BTreeMap<ServiceId, ServiceState>) -> Events {
        let Context { config, now, .. } = *context;
        let states =
            |service: &ServiceId| changed.get(service).copied().unwrap_or_else(|| self.state(service).0);
        let composer = compose::Composer { context, state: &self.state, states: &states };
        let too_early = |(incident, due): &(&Incident, updates::DueUpdate)| {
            updates::held_until(config, &self.state, incident, *due).is_some_and(|until| now < until)
        };
        let mut due = updates::wanted(context, &self.state, &states);
        due.retain(|wanted| !too_early(wanted) && !self.is_held(context, wanted.0));
        for incident in updates::promises_due(context, &self.state) {
            if !due.iter().any(|(other, _)| other.id == incident.id) {
                due.push((incident, updates::no_news(&self.state, incident.id)));
            }
        }
        let numbers = (self.state.last_update.saturating_add(1)..).map(UpdateId);
        numbers.zip(due).map(|(update, (incident, due))| composer.event(update, incident, due)).collect()
    }

    /// Whether a maintenance explains an incident, so that its announcement is all that is published. What was published
    /// before is continued.
    fn is_held(&self, context: &Context<'_>, incident: &Incident) -> bool {
        let is_published =
            self.state.incidents.get(&incident.id).is_some_and(|published| !published.updates.is_empty());
        !is_published && context.held_by(incident).is_some()
    }

    /// Whether the last reaction in a large configuration is too recent.
    fn is_paused(&self, config: &Config, now: Time) -> bool {
        let pause = self.volatile.reacted.zip(config.reaction_pause());
        pause.is_some_and(|(reacted, pause)| now < later(reacted, pause))
    }

    /// Whether no state can have changed since the last reaction.
    fn is_unchanged(&self, context: &Context<'_>) -> bool {
        self.is_evaluated(context) && self.volatile.uncertain.is_empty()
    }

    fn is_evaluated(&self, context: &Context<'_>) -> bool {
        let Volatile { evaluated, isolated, config: digest, .. } = &self.volatile;
        *evaluated && *isolated == context.observed.is_isolated() && *digest == context.config.digest
    }

    /// Returns the changed states. Without events since the last time, only uncertain services are evaluated again.
    fn evaluate(&mut self, context: &Context<'_>) -> BTreeMap<ServiceId, ServiceState> {
        let config = context.config;
        let mut changed = BTreeMap::new();
        if self.is_unchanged(context) {
            return changed;
        }
        let all = !self.is_evaluated(context);
        let uncertain = std::mem::take(&mut self.volatile.uncertain);
        let some = uncertain.iter().filter(|_| !all).filter_map(|id| config.services.get(id));
        let every = config.services.values().filter(|_| all);
        let evaluator = service_state::StateEvaluator::new(context, &self.state.access);
        for service in some.chain(every) {
            let last = self.state.service(&service.id).map(|(state, _)| state);
            let (state, certain) = evaluator.evaluate(service, last);
            if !certain {
                self.volatile.uncertain.insert(service.id.clone());
            }
            if state != last.unwrap_or(ServiceState::Unknown) {
                changed.insert(service.id.clone(), state);
            }
        }
        (self.volatile.evaluated, self.volatile.isolated) = (true, context.observed.is_isolated());
        self.volatile.config.clone_from(&config.digest);
        changed
    }

    /// Returns the time of the next reaction if nothing else happens: a promised update, or an update that is delayed.
    #[must_use]
    pub fn next_deadline(&self, context: &Context<'_>) -> Option<Time> {
        let Context { config, now, .. } = *context;
        let Some(pause) = config.reaction_pause() else { return self.next_update(context) };
        let free = self.volatile.reacted.map_or(now, |reacted| now.max(later(reacted, pause)));
        if self.volatile.pending {
            Some(free)
        } else {
            self.volatile.next_deadline.map(|next| next.max(free))
        }
    }

    fn next_update(&self, context: &Context<'_>) -> Option<Time> {
        let config = context.config;
        let states = |service: &ServiceId| self.state(service).0;
        let wanted = updates::wanted(context, &self.state, &states);
        let held = wanted
            .iter()
            .filter(|(incident, _)| !self.is_held(context, incident))
            .filter_map(|(incident, due)| updates::held_until(config, &self.state, incident, *due));
        let promises = updates::promises(context, &self.state).map(|(_, by)| by);
        held.chain(promises).filter(|at| *at < Time::MAX).min()
    }

    /// Returns the public state of a service and its start; Unknown before the first probe result.
    #[must_use]
    pub fn state(&self, service: &ServiceId) -> (ServiceState, Option<Time>) {
        match self.state.service(service) {
            Some((state, since)) => (state, Some(since)),
            None => (ServiceState::Unknown, None),
        }
    }

    /// Returns how long a service was monitored within the last days, including today.
    #[must_use]
    pub fn monitored(&self, config: &Config, service: &ServiceId, days: u16, now: Time) -> Duration {
        let from = history::days(days, now, &config.site.timezone).next().map_or(now, |(_, begin, _)| begin);
        let history = self.state.histories.get(service);
        history.map_or(Duration::ZERO, |history| history.monitored(from, now))
    }

    /// The states of a service between two instants, oldest first, as visitors saw them.
    pub fn states(&self, service: &ServiceId, from: Time, to: Time) -> impl Iterator<Item = StateSpan> {
        self.state.histories.get(service).into_iter().flat_map(move |history| history.states(from, to))
    }

    /// Builds the whole status page. Call it once per change, not per reader.
    #[must_use]
    pub fn status_page(&self, context: &Context<'_>) -> StatusPage {
        page::status_page(context, &self.state)
    }

    /// Updates that are waiting for approval.
    pub fn drafts(&self) -> impl Iterator<Item = Draft> + '_ {
        self.state.incidents.iter().filter_map(|(incident, published)| {
            let draft = published.draft.as_ref()?;
            Some(Draft {
                incident: *incident,
                at: draft.at,
                status: draft.status,
                title: draft.title.clone(),
                body: draft.body.clone(),
            })
        })
    }

    /// Returns the event that publishes the draft of an incident; `None` without a draft.
    #[must_use]
    pub fn approved(&self, incident: IncidentId, by: Actor) -> Option<EventKind> {
        let draft = self.state.incidents.get(&incident)?.draft.clone()?;
        Some(EventKind::UpdatePublished {
            update: self.next_id(),
            incident,
            status: draft.status,
            title: draft.title,
            body: draft.body,
            affected: draft.affected,
            by: Some(by),
        })
    }

    /// Uptime in per cent and monitored time of each service, public or not, that has any history.
    pub fn uptimes<'a>(
        &'a self,
        config: &'a Config,
        now: Time,
    ) -> impl Iterator<Item = (&'a ServiceId, (Option<f64>, Duration))> {
        page::uptimes(config, &self.state, now)
    }

    /// Returns the event that publishes a text of a person.
    #[must_use]
    pub fn written(
        &self,
        context: &Context<'_>,
        incident: &Incident,
        status: UpdateStatus,
        body: String,
        by: Actor,
    ) -> EventKind {
        let config = context.config;
        let states = |service: &ServiceId| self.state(service).0;
        let affected = updates::affected(config, &self.state, incident, status, &states);
        let cause = edge_cause::edge_cause(context, incident);
        let title = compose::title(config, &self.state, incident, &affected, cause);
        let (update, incident, body) = (self.next_id(), incident.id, titles::bounded(body));
        EventKind::UpdatePublished { update, incident, status, title, body, affected, by: Some(by) }
    }

    fn next_id(&self) -> UpdateId {
        UpdateId(self.state.last_update.saturating_add(1))
    }

    /// Returns the whole state as text: two folds of one journal give the same text.
    #[must_use]
    pub fn state_text(&self) -> String {
        format!("{:?}", self.state)
    }
}

/// Public services among the resources that an incident affects.
fn public<'a>(config: &'a Config, affected: &'a BTreeSet<Resource>) -> impl Iterator<Item = &'a ServiceId> {
    let services = affected.iter().filter(|resource| resource.kind == types::Kind::Service);
    let declared = services.filter_map(|resource| config.services.get(&ServiceId(resource.name.clone())));
    declared.filter(|service| service.public).map(|service| &service.id)
}

#[cfg(test)]
mod tests;
