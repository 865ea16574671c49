//! Everything that `wake` knows from the journal: the fold of events, and nothing else.

use crate::key::{LineKey, Seat};
use crate::line::{Line, Manner, redial_after};
use crate::page::{Page, Step};
use crate::react::MISSED;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::notification::Reach;
use types::time::between;
use types::{
    ChannelId, Delivery, EscalationId, Event, EventKind, IncidentId, NotificationKey, PageId, PersonId, Time,
};

/// Ended pages and incidents that are remembered, for outcomes that come late and for those who look back.
const ENDED_MAX: usize = 200;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) pages: BTreeMap<PageId, Page>,
    pub(crate) about: BTreeMap<IncidentId, About>,
    pub(crate) last_page: u64,
    /// Attempts that ended, by channel and by whether they were accepted.
    pub(crate) attempts: BTreeMap<(ChannelId, bool), u64>,
}

/// What was done about one incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    /// Whether it wakes, as last diagnosed.
    pub(crate) wakes: bool,
    /// Its page, open or not.
    pub(crate) page: Option<PageId>,
    /// Everybody who was delivered a page of it, or of an incident that became part of it.
    pub(crate) paged: BTreeSet<PersonId>,
    /// Whether the last resort was delivered a page of it, likewise.
    pub(crate) fallback: bool,
    /// Notices by occasion.
    pub(crate) notices: BTreeMap<String, Notice>,
    /// Words for visitors that wait until a person publishes them: title and text.
    pub(crate) draft: Option<(String, String)>,
    /// When an acknowledgement last ran out.
    pub(crate) lapsed: Option<Time>,
    /// How it ended, in one sentence.
    pub(crate) story: Option<String>,
    pub(crate) ended: bool,
}

/// A word that is owed to people and wakes nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) owed: Time,
    pub(crate) people: Vec<PersonId>,
    /// The escalation whose last resort is owed it too.
    pub(crate) fallback: Option<EscalationId>,
    pub(crate) lines: BTreeMap<Seat, Line>,
}

impl Notice {
    pub(crate) fn line(&self, seat: &Seat) -> Line {
        self.lines.get(seat).cloned().unwrap_or_else(|| Line::new(self.owed))
    }

    /// Whether a provider accepted it for this person, or it was given up.
    pub(crate) fn is_pending(&self, person: &PersonId) -> bool {
        let line = self.lines.get(&Seat::Person(person.clone()));
        self.people.contains(person) && line.is_none_or(|line| line.accepted() == 0)
    }
}

impl Known {
    pub(crate) fn apply(&mut self, event: &Event) {
        let at = event.at;
        match &event.kind {
            EventKind::IncidentOpened { incident, diagnosis, .. } => {
                self.diagnosed(*incident, diagnosis.wakes, at)
            }
            EventKind::IncidentDiagnosed { incident, diagnosis } => {
                self.diagnosed(*incident, diagnosis.wakes, at)
            }
            EventKind::IncidentMerged { incident, into } => self.merged(*incident, *into),
            EventKind::IncidentResolved { incident, summary } => {
                let about = self.about.entry(*incident).or_default();
                about.story = Some(summary.clone());
                about.ended = true;
                self.forget();
            }
            EventKind::AcknowledgementExpired { incident } => {
                self.about.entry(*incident).or_default().lapsed = Some(at);
                self.begin_anew(*incident, at);
            }
            EventKind::PageOpened { page, incident, escalation } => {
                self.last_page = self.last_page.max(page.0);
                self.pages.insert(*page, Page::new(*page, *incident, escalation.clone(), at));
                self.about.entry(*incident).or_default().page = Some(*page);
            }
            EventKind::PageStep { page, round, step, people, until } => {
                if let Some(page) = self.pages.get_mut(page) {
                    page.reach(Step {
                        round: *round,
                        step: *step,
                        people: people.clone(),
                        since: at,
                        until: *until,
                        lines: BTreeMap::new(),
                    });
                }
            }
            EventKind::PageClosed { page } => {
                if let Some(page) = self.pages.get_mut(page) {
                    page.closed = Some(at);
                }
                self.forget();
            }
            EventKind::NoticeOwed { incident, occasion, people, fallback } => {
                let about = self.about.entry(*incident).or_default();
                let escalation =
                    about.page.and_then(|page| self.pages.get(&page)).map(|page| page.escalation.clone());
                let fallback = escalation.filter(|_| *fallback);
                let notice = Notice { owed: at, people: people.clone(), fallback, lines: BTreeMap::new() };
                about.notices.insert(occasion.clone(), notice);
            }
            EventKind::UpdateDrafted { incident, title, body, .. } => {
                self.about.entry(*incident).or_default().draft = Some((title.clone(), body.clone()));
            }
            EventKind::UpdatePublished { incident, .. } => {
                if let Some(about) = self.about.get_mut(incident) {
                    about.draft = None;
                }
            }
            EventKind::AttemptEnded { page, person, reach, outcome } => {
                self.counted(*page, person.as_ref(), (reach, outcome), at);
                self.ended(outcome, at);
            }
            EventKind::AttemptsAbandoned { key, .. } => self.abandoned(key),
            _ => {}
        }
    }

    /// The page of an incident that is still open.
    pub(crate) fn open_page(&self, incident: IncidentId) -> Option<&Page> {
        let page = self.about.get(&incident)?.page?;
        self.pages.get(&page).filter(|page| page.is_open())
    }

    /// The number of the next attempt over a way; `None` when there is no such line any more.
    pub(crate) fn dial(&self, key: &LineKey, way: usize) -> Option<u32> {
        match key {
            LineKey::Page { page, round, step, seat } => {
                let page = self.pages.get(page).filter(|page| page.is_open())?;
                Some(page.step(*round, *step)?.line(seat).dial(way))
            }
            LineKey::Notice { incident, occasion, seat } => {
                Some(self.about.get(incident)?.notices.get(occasion)?.line(seat).dial(way))
            }
        }
    }

    /// How many attempts over a way ended.
    pub(crate) fn tries(&self, key: &LineKey, way: usize) -> u32 {
        let line = match key {
            LineKey::Page { page, round, step, seat } => {
                self.pages.get(page).and_then(|page| Some(page.step(*round, *step)?.line(seat)))
            }
            LineKey::Notice { incident, occasion, seat } => {
                self.about.get(incident).and_then(|about| Some(about.notices.get(occasion)?.line(seat)))
            }
        };
        line.map_or(0, |line| line.tries(way))
    }

    fn diagnosed(&mut self, incident: IncidentId, wakes: bool, at: Time) {
        let about = self.about.entry(incident).or_default();
        let again = wakes && !about.wakes;
        about.wakes = wakes;
        if again {
            self.begin_anew(incident, at);
        }
    }

    fn begin_anew(&mut self, incident: IncidentId, at: Time) {
        let page = self.about.get(&incident).and_then(|about| about.page);
        if let Some(page) = page.and_then(|page| self.pages.get_mut(&page)).filter(|page| page.is_open()) {
            page.begin_anew(at);
        }
    }

    /// One cause, one page (P10): the page of the swallowed incident goes on for the other unless that has one of its own.
    fn merged(&mut self, incident: IncidentId, into: IncidentId) {
        let from = self.about.entry(incident).or_default();
        from.ended = true;
        let (paged, fallback) = (from.paged.clone(), from.fallback);
        let page = from.page;
        let other = self.about.entry(into).or_default();
        other.paged.extend(paged);
        other.fallback |= fallback;
        let has_own = other.page.is_some_and(|own| self.pages.get(&own).is_some_and(Page::is_open));
        if let Some(page) =
            page.and_then(|page| self.pages.get_mut(&page)).filter(|page| page.is_open() && !has_own)
        {
            page.incident = into;
            other.page = Some(page.id);
        }
        self.forget();
    }

    /// Whom an attempt reached, or why it did not.
    fn counted(
        &mut self,
        page: Option<PageId>,
        person: Option<&PersonId>,
        (reach, outcome): (&Reach, &Delivery),
        at: Time,
    ) {
        let delivered = outcome.result.is_ok();
        *self.attempts.entry((reach.channel.clone(), delivered)).or_default() += 1;
        if delivered {
            self.hurry_missed(at);
        }
        let Some(page) = page.and_then(|page| self.pages.get_mut(&page)) else { return };
        match (&outcome.result, person) {
            (Err(undelivered), _) => {
                page.failed = Some((at, format!("{}: {}", reach.channel, undelivered.why)));
                return;
            }
            (Ok(_), Some(person)) => {
                page.reached.insert(person.clone());
                self.about.entry(page.incident).or_default().paged.insert(person.clone());
            }
            (Ok(_), None) => self.about.entry(page.incident).or_default().fallback = true,
        }
        page.accepted = Some(at);
    }

    /// A provider works (again): what nobody could be told is told now.
    fn hurry_missed(&mut self, at: Time) {
        let missed = self.about.values_mut().filter_map(|about| about.notices.get_mut(MISSED));
        missed.flat_map(|notice| notice.lines.values_mut()).for_each(|line| line.hurry(at));
    }

    fn ended(&mut self, outcome: &Delivery, at: Time) {
        let Some((key, way, dial)) = LineKey::of_attempt(&outcome.key) else { return };
        let begun = match &key {
            LineKey::Page { page, .. } => self.pages.get(page).map(|page| page.due),
            LineKey::Notice { .. } => None,
        };
        let pace = redial_after(begun.map_or(Duration::ZERO, |begun| between(begun, at)));
        let manner = key.manner();
        if let Some(line) = self.line_mut(&key) {
            line.ended((way, dial), at, &outcome.result, (manner, pace));
        }
    }

    fn abandoned(&mut self, key: &NotificationKey) {
        if let Some((key, way)) = LineKey::of_way(key)
            && let Some(line) = self.line_mut(&key)
        {
            line.give_up(way);
        }
    }

    fn line_mut(&mut self, key: &LineKey) -> Option<&mut Line> {
        match key {
            LineKey::Page { page, round, step, seat } => {
                self.pages.get_mut(page).filter(|page| page.is_open())?.line_mut(*round, *step, seat)
            }
            LineKey::Notice { incident, occasion, seat } => {
                let notice = self.about.get_mut(incident)?.notices.get_mut(occasion)?;
                let owed = notice.owed;
                Some(notice.lines.entry(seat.clone()).or_insert_with(|| Line::new(owed)))
            }
        }
    }

    /// Drops what ended long ago, oldest first.
    fn forget(&mut self) {
        let closed: Vec<PageId> =
            self.pages.values().filter(|page| !page.is_open()).map(|page| page.id).collect();
        for page in closed.iter().take(closed.len().saturating_sub(ENDED_MAX)) {
            self.pages.remove(page);
        }
        let open_page =
            |about: &About| about.page.and_then(|page| self.pages.get(&page)).is_some_and(Page::is_open);
        let ended: Vec<IncidentId> = self
            .about
            .iter()
            .filter(|(_, about)| about.ended && !open_page(about))
            .map(|(id, _)| *id)
            .collect();
        for incident in ended.iter().take(ended.len().saturating_sub(ENDED_MAX)) {
            self.about.remove(incident);
        }
    }
}

impl LineKey {
    pub(crate) fn manner(&self) -> Manner {
        match self {
            Self::Page { seat: Seat::Person(_), .. } => Manner::Page,
            Self::Page { seat: Seat::Fallback, .. } => Manner::Fallback,
            Self::Notice { seat: Seat::Person(_), .. } => Manner::Notice,
            Self::Notice { seat: Seat::Fallback, .. } => Manner::NoticeToAll,
        }
    }
}
