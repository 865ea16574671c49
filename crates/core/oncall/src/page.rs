//! Pages: an escalation run for one incident, as the journal's events have made it.

use crate::queue::{DeliveryQueue, REPEAT_INTERVAL, Recipient, repeat_interval};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use types::time::between;
use types::{ChannelId, EscalationId, IncidentId, PageId, PersonId, SilenceId, Time};

/// A page about one incident: the steps reached so far and the attempts on them.
///
/// A run of the escalation begins when the page opens, when an acknowledgement or a silence ends, and when the incident needs a
/// page again. A run has one round or more: each passes all steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its number.
    pub id: PageId,
    /// The incident. After a merge, the page continues for the other incident.
    pub incident: IncidentId,
    /// The escalation.
    pub escalation: EscalationId,
    /// When it was opened.
    pub opened: Time,
    /// When it was closed.
    pub closed: Option<Time>,
    /// Steps whose people are still paged, oldest first. Empty before the first one, and when a new run begins.
    pub steps: Vec<Step>,
    /// The first round of the current run.
    pub first_round: u32,
    /// When the current run began.
    pub run_start: Time,
    /// Everybody for whom a provider accepted it.
    pub reached: BTreeSet<PersonId>,
    /// When a provider last accepted an attempt, for a person or for a fallback contact.
    pub accepted: Option<Time>,
    /// The silence that holds it.
    pub held: Option<SilenceId>,
    /// The last failed attempt.
    pub failed: Option<FailedAttempt>,
    /// Everybody who was on a step of it.
    pub(crate) recipients: BTreeSet<PersonId>,
    /// Number of rounds that began, over all runs.
    rounds: u32,
}

/// An attempt that no provider accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedAttempt {
    /// Time of its end.
    pub at: Time,
    /// The channel.
    pub channel: ChannelId,
    /// The provider's reason.
    pub why: String,
}

/// A step that was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The round, counted from 0 over all runs.
    pub round: u32,
    /// The step, counted from 0; one past the last one is the fallback.
    pub step: u32,
    /// The people on it.
    pub people: Vec<PersonId>,
    /// When it was reached.
    pub since: Time,
    /// When the next one is due.
    pub until: Time,
    /// Delivery queues by recipient.
    pub queues: BTreeMap<Recipient, DeliveryQueue>,
}

impl Page {
    pub(crate) fn new(id: PageId, incident: IncidentId, escalation: EscalationId, opened: Time) -> Self {
        Self {
            id,
            incident,
            escalation,
            opened,
            closed: None,
            held: None,
            steps: Vec::new(),
            first_round: 0,
            run_start: opened,
            reached: BTreeSet::new(),
            accepted: None,
            failed: None,
            recipients: BTreeSet::new(),
            rounds: 0,
        }
    }

    /// Whether it is not closed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// The step that was reached last.
    #[must_use]
    pub fn current(&self) -> Option<&Step> {
        self.steps.last()
    }

    /// When the next step is due; the start of the run before the first one.
    pub(crate) fn deadline(&self) -> Time {
        self.current().map_or(self.run_start, |step| step.until)
    }

    /// Adds a step. It replaces the same step of earlier rounds; the people on lower steps are still paged.
    ///
    /// A recipient whose last attempt was accepted is not paged sooner because a new round begins.
    pub(crate) fn add_step(&mut self, mut step: Step) {
        if repeat_interval(between(self.run_start, step.since)) > REPEAT_INTERVAL {
            let people = step.people.iter().map(|person| Recipient::Person(person.clone()));
            for recipient in people.chain([Recipient::Fallback]) {
                let queues = self.steps.iter().filter_map(|old| old.queues.get(&recipient));
                let not_before = queues.filter_map(DeliveryQueue::accepted_not_before).max();
                if let Some(start) = not_before.filter(|at| *at > step.since) {
                    step.queues.insert(recipient, DeliveryQueue::new(start));
                }
            }
        }
        self.recipients.extend(step.people.iter().cloned());
        self.rounds = self.rounds.max(step.round.saturating_add(1));
        self.steps.retain(|old| old.step != step.step);
        self.steps.push(step);
    }

    /// Begins a new run. Rounds are counted on, so that no key of an attempt is used twice.
    pub(crate) fn restart(&mut self, at: Time) {
        self.steps.clear();
        self.first_round = self.rounds;
        self.run_start = at;
    }

    /// Whether no provider has accepted any attempt of the current run, although at least one failed or no one is on
    /// call.
    #[must_use]
    pub fn is_unreached(&self) -> bool {
        let tried = self.failed.as_ref().is_some_and(|attempt| attempt.at >= self.run_start);
        let nobody = !self.steps.is_empty() && self.recipients.is_empty();
        self.accepted.is_none_or(|at| at < self.run_start) && (tried || nobody)
    }

    pub(crate) fn step(&self, round: u32, number: u32) -> Option<&Step> {
        self.steps.iter().find(|step| step.round == round && step.step == number)
    }

    pub(crate) fn queue_mut(
        &mut self,
        round: u32,
        number: u32,
        recipient: &Recipient,
    ) -> Option<&mut DeliveryQueue> {
        let step = self.steps.iter_mut().find(|step| step.round == round && step.step == number)?;
        let since = step.since;
        Some(step.queues.entry(recipient.clone()).or_insert_with(|| DeliveryQueue::new(since)))
    }

    /// The people who are paged now. A person on several steps is paged by the newest of them only.
    pub(crate) fn recipients(&self) -> impl Iterator<Item = (&Step, Recipient)> {
        self.steps.iter().enumerate().flat_map(move |(place, step)| {
            let later = &self.steps[place + 1..];
            let people = step
                .people
                .iter()
                .filter(move |person| !later.iter().any(|step| step.people.contains(person)));
            people.map(move |person| (step, Recipient::Person(person.clone())))
        })
    }
}

impl Step {
    /// The delivery queue of a recipient; a new one before the first attempt.
    pub(crate) fn queue(&self, recipient: &Recipient) -> DeliveryQueue {
        self.queues.get(recipient).cloned().unwrap_or_else(|| DeliveryQueue::new(self.since))
    }
}
