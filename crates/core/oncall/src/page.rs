//! A page as its journal lines have made it.

use crate::key::Seat;
use crate::line::{Line, REDIAL, redial_after};
use std::collections::{BTreeMap, BTreeSet};
use types::time::between;
use types::{EscalationId, IncidentId, PageId, PersonId, Time};

/// Waking somebody about one incident: the steps climbed so far, and how the calls on them went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its number.
    pub id: PageId,
    /// The incident. When that turns out to be part of another, the page goes on for the other.
    pub incident: IncidentId,
    /// The escalation.
    pub escalation: EscalationId,
    /// When it was opened.
    pub opened: Time,
    /// When it ended.
    pub closed: Option<Time>,
    /// Steps whose people are still being called, oldest first. Empty before the first one, and after a climb was broken
    /// off by a human.
    pub steps: Vec<Step>,
    /// The round that the present climb begins with.
    pub first_round: u32,
    /// When the present climb was due to begin.
    pub due: Time,
    /// Everybody to whom a provider accepted to deliver it.
    pub reached: BTreeSet<PersonId>,
    /// When a provider last accepted a message of it, for a person or for the last resort.
    pub accepted: Option<Time>,
    /// When an attempt last failed, over which channel, and why.
    pub failed: Option<(Time, String)>,
    /// Everybody who was on a step of it.
    pub(crate) called: BTreeSet<PersonId>,
    /// How many rounds were begun, over all climbs.
    rounds: u32,
}

/// A step that was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which time round.
    pub round: u32,
    /// Which step, counted from 0; one past the last one is the last resort.
    pub step: u32,
    /// Who is on it.
    pub people: Vec<PersonId>,
    /// When it was reached.
    pub since: Time,
    /// When the next one is due.
    pub until: Time,
    /// How the calls went, by person.
    pub lines: BTreeMap<Seat, Line>,
}

impl Page {
    pub(crate) fn new(id: PageId, incident: IncidentId, escalation: EscalationId, opened: Time) -> Self {
        Self {
            id,
            incident,
            escalation,
            opened,
            closed: None,
            steps: Vec::new(),
            first_round: 0,
            due: opened,
            reached: BTreeSet::new(),
            accepted: None,
            failed: None,
            called: BTreeSet::new(),
            rounds: 0,
        }
    }

    /// Still waking people, or ready to go on with it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// The highest step of the newest round.
    #[must_use]
    pub fn current(&self) -> Option<&Step> {
        self.steps.last()
    }

    /// A step was reached: it takes the place of the same step of earlier rounds, whose lower steps go on being called.
    ///
    /// Whoever was called often enough for the present is not called sooner because a new round began.
    pub(crate) fn reach(&mut self, mut step: Step) {
        if redial_after(between(self.due, step.since)) > REDIAL {
            let people = step.people.iter().map(|person| Seat::Person(person.clone()));
            for seat in people.chain([Seat::Fallback]) {
                let lines = self.steps.iter().filter_map(|old| old.lines.get(&seat));
                if let Some(rested) = lines.filter_map(Line::rests_until).max().filter(|at| *at > step.since)
                {
                    step.lines.insert(seat, Line::new(rested));
                }
            }
        }
        self.called.extend(step.people.iter().cloned());
        self.rounds = self.rounds.max(step.round.saturating_add(1));
        self.steps.retain(|old| old.step != step.step);
        self.steps.push(step);
    }

    /// Somebody had it in hand and has not any more: the escalation is climbed afresh. Rounds count on, so that no key of an
    /// attempt is ever used twice.
    pub(crate) fn begin_anew(&mut self, at: Time) {
        self.steps.clear();
        self.first_round = self.rounds;
        self.due = at;
    }

    /// Whether no provider has accepted anything since the present climb began, although there was time to.
    #[must_use]
    pub fn is_unreached(&self) -> bool {
        let tried = self.failed.as_ref().is_some_and(|(at, _)| *at >= self.due);
        let nobody = !self.steps.is_empty() && self.called.is_empty();
        self.accepted.is_none_or(|at| at < self.due) && (tried || nobody)
    }

    pub(crate) fn step(&self, round: u32, number: u32) -> Option<&Step> {
        self.steps.iter().find(|step| step.round == round && step.step == number)
    }

    pub(crate) fn line_mut(&mut self, round: u32, number: u32, seat: &Seat) -> Option<&mut Line> {
        let step = self.steps.iter_mut().find(|step| step.round == round && step.step == number)?;
        let line = step.lines.entry(seat.clone()).or_insert_with(|| Line::new(step.since));
        Some(line)
    }

    /// The seats that are called now, each once: somebody on several steps is called by the newest of them.
    pub(crate) fn seats(&self) -> impl Iterator<Item = (&Step, Seat)> {
        self.steps.iter().enumerate().flat_map(move |(place, step)| {
            let later = &self.steps[place + 1..];
            let people = step
                .people
                .iter()
                .filter(move |person| !later.iter().any(|step| step.people.contains(person)));
            people.map(move |person| (step, Seat::Person(person.clone())))
        })
    }
}

impl Step {
    /// The line to a seat as far as it is known.
    pub(crate) fn line(&self, seat: &Seat) -> Line {
        self.lines.get(seat).cloned().unwrap_or_else(|| Line::new(self.since))
    }
}
