//! Turns incidents into posts and the public status page.
//!
//! Pure: takes `now` and what others decided, returns what happened.
//!
//! | module | holds |
//! |---|---|
//! | [`status_page`] | the public status page as data |
//! | `present` | how the status page follows from what is known |
//! | `state` | the state of a service, from alerts and incidents |
//! | `felt` | what clients experience of an alert |
//! | `history` | past states: days, uptime |
//! | `posts` | when words are due |
//! | `words` | the words |
//! | `traffic` | the words when the edge sees the cause |
//! | `known` | the fold of the journal |
//!
//! # What it holds to
//!
//! * No data is never green: a service is well only when everything it consists of was looked at since boot.
//! * Visitors read what they notice: names of services, never of machines; an incident that no client can notice is not
//!   posted, and is over for visitors when they notice nothing any more.
//! * A promised next update is kept, if only by saying that there is nothing new.
//! * Nobody is said to work on it before a person has acknowledged it.
//! * States are shown at once; words wait a minute, and longer where a person has to publish them.

mod felt;
mod history;
mod known;
mod posts;
mod present;
mod state;
pub mod status_page;
mod traffic;
mod words;

#[cfg(test)]
mod world;

pub use status_page::StatusPage;

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::event::{PostStatus, ServiceState};
use types::time::later;
use types::{
    Alert, AlertId, Config, Event, EventKind, Incident, IncidentId, LastResult, PostId, Resource, ServiceId,
    Time,
};

/// Decides what visitors are told.
#[derive(Clone, Debug, Default)]
pub struct Publisher {
    known: known::Known,
    fresh: Fresh,
}

/// What the other thinkers hold to be so.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// Open incidents, and those that ended lately.
    pub incidents: &'a BTreeMap<IncidentId, Incident>,
    /// Open alerts.
    pub alerts: &'a BTreeMap<AlertId, Alert>,
    /// When a thing was last looked at since boot, and how it was.
    pub looked: &'a dyn Fn(&Resource) -> Option<LastResult>,
    /// We cannot see out.
    pub blind: bool,
}

/// An update that waits until a person publishes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Draft {
    /// About which incident.
    pub incident: IncidentId,
    /// When it was written.
    pub at: Time,
    /// How far along.
    pub status: PostStatus,
    /// Title of the incident for visitors.
    pub title: String,
    /// The words.
    pub body: String,
}

/// What spares work between two samples that change nothing. Losing it costs one recomputation.
#[derive(Clone, Debug, Default)]
struct Fresh {
    /// All states were computed, and no event since can change the certain ones.
    judged: bool,
    /// Services whose state the next sample may change.
    uncertain: BTreeSet<ServiceId>,
    blind: bool,
    /// Digest of the configuration that the states were judged for.
    config: String,
    /// Time of the last full reaction.
    thought: Option<Time>,
    /// Something changed since then.
    waits: bool,
    /// Deadline of the next words if nothing changes; kept for large configurations only.
    next: Option<Time>,
}

impl Publisher {
    /// Takes note of an event. Events about unknown things change nothing.
    pub fn apply(&mut self, event: &Event) {
        self.known.apply(event);
        match event.kind {
            EventKind::AttemptEnded { .. } | EventKind::PageStep { .. } => {}
            // States do not depend on each other, but words depend on states.
            EventKind::ServiceStateChanged { .. } => self.fresh.waits = true,
            _ => (self.fresh.judged, self.fresh.waits) = (false, true),
        }
    }

    /// What visitors must be told now: states that changed, words that are due. Cheap when nothing changed.
    pub fn react(&mut self, config: &Config, now: Time, facts: &Facts<'_>) -> Vec<EventKind> {
        if self.is_busy(config, now) {
            self.fresh.waits |= !self.is_settled(config, facts);
            return Vec::new();
        }
        (self.fresh.thought, self.fresh.waits) = (Some(now), false);
        let mut events = Vec::new();
        let changed = self.judge(config, facts);
        for (service, state) in &changed {
            events.push(EventKind::ServiceStateChanged { service: service.clone(), state: *state });
        }
        let state =
            |service: &ServiceId| changed.get(service).copied().unwrap_or_else(|| self.state(service).0);
        let desk = posts::Desk { config, known: &self.known, facts, state: &state, now };
        let wanted = posts::wanted(config, &self.known, facts, &state);
        let too_soon = |(incident, draft): &(&Incident, posts::Draft)| {
            posts::held_until(config, &self.known, incident, *draft).is_some_and(|until| now < until)
        };
        let mut drafts: Vec<_> = wanted.into_iter().filter(|wanted| !too_soon(wanted)).collect();
        for incident in posts::promises_due(config, &self.known, facts, now) {
            if !drafts.iter().any(|(other, _)| other.id == incident.id) {
                drafts.push((incident, posts::still_working(&self.known, incident.id)));
            }
        }
        let numbers = (self.known.last_post.saturating_add(1)..).map(PostId);
        events
            .extend(numbers.zip(drafts).map(|(post, (incident, draft))| desk.written(post, incident, draft)));
        if config.reaction_pause().is_some() {
            self.fresh.next = self.words_due(config, facts);
        }
        events
    }

    /// Whether the last reaction in a large configuration is too recent.
    fn is_busy(&self, config: &Config, now: Time) -> bool {
        let pause = self.fresh.thought.zip(config.reaction_pause());
        pause.is_some_and(|(thought, pause)| now < later(thought, pause))
    }

    /// Whether no state can have changed since the last reaction.
    fn is_settled(&self, config: &Config, facts: &Facts<'_>) -> bool {
        self.is_judged(config, facts) && self.fresh.uncertain.is_empty()
    }

    fn is_judged(&self, config: &Config, facts: &Facts<'_>) -> bool {
        self.fresh.judged && self.fresh.blind == facts.blind && self.fresh.config == config.digest
    }

    /// Changed states. Without events since the last time, only uncertain services are computed again.
    fn judge(&mut self, config: &Config, facts: &Facts<'_>) -> BTreeMap<ServiceId, ServiceState> {
        let mut changed = BTreeMap::new();
        if self.is_settled(config, facts) {
            return changed;
        }
        let all = !self.is_judged(config, facts);
        let of_old = std::mem::take(&mut self.fresh.uncertain);
        let some = of_old.iter().filter(|_| !all).filter_map(|id| config.services.get(id));
        let every_one = config.services.values().filter(|_| all);
        let sight = state::Sight::new(config, facts);
        for service in some.chain(every_one) {
            let last = self.known.state(&service.id).map(|(state, _)| state);
            let (state, certain) = sight.judge(service, last);
            if !certain {
                self.fresh.uncertain.insert(service.id.clone());
            }
            if state != last.unwrap_or(ServiceState::Unknown) {
                changed.insert(service.id.clone(), state);
            }
        }
        (self.fresh.judged, self.fresh.blind) = (true, facts.blind);
        self.fresh.config.clone_from(&config.digest);
        changed
    }

    /// When to look again if nothing else happens: a promised update, or words held back because others came just before.
    #[must_use]
    pub fn next(&self, config: &Config, now: Time, facts: &Facts<'_>) -> Option<Time> {
        let Some(pause) = config.reaction_pause() else { return self.words_due(config, facts) };
        let free = self.fresh.thought.map_or(now, |thought| now.max(later(thought, pause)));
        if self.fresh.waits { Some(free) } else { self.fresh.next.map(|next| next.max(free)) }
    }

    fn words_due(&self, config: &Config, facts: &Facts<'_>) -> Option<Time> {
        let state = |service: &ServiceId| self.state(service).0;
        let held = posts::wanted(config, &self.known, facts, &state);
        let held = held
            .iter()
            .filter_map(|(incident, draft)| posts::held_until(config, &self.known, incident, *draft));
        let promises = posts::promises(config, &self.known, facts).map(|(_, by)| by);
        held.chain(promises).filter(|at| *at < Time::MAX).min()
    }

    /// The state of a service as visitors see it, and since when; unknown until it was looked at.
    #[must_use]
    pub fn state(&self, service: &ServiceId) -> (ServiceState, Option<Time>) {
        match self.known.state(service) {
            Some((state, since)) => (state, Some(since)),
            None => (ServiceState::Unknown, None),
        }
    }

    /// How long a service was watched within the last days, the current one included.
    #[must_use]
    pub fn watched(&self, config: &Config, service: &ServiceId, days: u16, now: Time) -> Duration {
        let from = history::days(days, now, &config.site.timezone).next().map_or(now, |(_, begin, _)| begin);
        let history = self.known.histories.get(service);
        history.map_or(Duration::ZERO, |history| history.watched(from, now))
    }

    /// The whole status page. Made when something changed, not for every reader.
    #[must_use]
    pub fn status_page(&self, config: &Config, now: Time, facts: &Facts<'_>) -> StatusPage {
        present::status_page(config, &self.known, now, facts)
    }

    /// Updates that wait until a person publishes them.
    pub fn drafts(&self) -> impl Iterator<Item = Draft> + '_ {
        self.known.told.iter().filter_map(|(incident, told)| {
            let waiting = told.waiting.as_ref()?;
            Some(Draft {
                incident: *incident,
                at: waiting.at,
                status: waiting.status,
                title: waiting.title.clone(),
                body: waiting.body.clone(),
            })
        })
    }

    /// The draft that waits as the event that publishes it.
    #[must_use]
    pub fn approved(&self, incident: IncidentId, by: String) -> Option<EventKind> {
        let waiting = self.known.told.get(&incident)?.waiting.clone()?;
        Some(EventKind::PostPublished {
            post: PostId(self.known.last_post.saturating_add(1)),
            incident,
            status: waiting.status,
            title: waiting.title,
            body: waiting.body,
            affected: waiting.affected,
            by: Some(by),
        })
    }

    /// Uptime in per cent and watched time of each service, public or not, that was ever looked at.
    pub fn uptimes<'a>(
        &'a self,
        config: &'a Config,
        now: Time,
    ) -> impl Iterator<Item = (&'a ServiceId, (Option<f64>, Duration))> {
        present::uptimes(config, &self.known, now)
    }

    /// A person's words as the event that publishes them.
    #[must_use]
    pub fn drafted(
        &self,
        config: &Config,
        facts: &Facts<'_>,
        incident: &Incident,
        status: PostStatus,
        body: String,
        by: Option<String>,
    ) -> EventKind {
        let state = |service: &ServiceId| self.state(service).0;
        let affected = posts::affected(config, &self.known, incident, status, &state);
        EventKind::PostPublished {
            post: PostId(self.known.last_post.saturating_add(1)),
            incident: incident.id,
            status,
            title: posts::title(
                config,
                &self.known,
                incident,
                &affected,
                traffic::trouble(config, incident, facts),
            ),
            body: words::bounded(body),
            affected,
            by,
        }
    }

    /// Everything folded from events, as text: two folds of one journal give the same.
    #[must_use]
    pub fn known_text(&self) -> String {
        format!("{:?}", self.known)
    }
}

/// Services that visitors see among the things that an incident affects.
fn public<'a>(config: &'a Config, affected: &'a BTreeSet<Resource>) -> impl Iterator<Item = &'a ServiceId> {
    let services = affected.iter().filter(|resource| resource.kind == types::Kind::Service);
    let known = services.filter_map(|resource| config.services.get(&ServiceId(resource.name.clone())));
    known.filter(|service| service.public).map(|service| &service.id)
}

#[cfg(test)]
mod published;
#[cfg(test)]
mod tests;
