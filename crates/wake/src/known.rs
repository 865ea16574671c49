//! Everything that `wake` knows from the journal: the fold of events, and nothing else.

use crate::key::{LineKey, Seat};
use crate::line::{Line, Manner};
use crate::page::{Page, Step};
use model::{EffectKey, Event, Happened, IncidentId, Outcome, PageId, PersonId, Time};
use std::collections::{BTreeMap, BTreeSet};

/// Ended pages and incidents that are remembered, for outcomes that come late and for those who look back.
const ENDED_MAX: usize = 200;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) pages: BTreeMap<PageId, Page>,
    pub(crate) about: BTreeMap<IncidentId, About>,
    pub(crate) last_page: u64,
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
    /// Notices by occasion.
    pub(crate) notices: BTreeMap<String, Notice>,
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
    pub(crate) lines: BTreeMap<PersonId, Line>,
}

impl Notice {
    pub(crate) fn line(&self, person: &PersonId) -> Line {
        self.lines.get(person).cloned().unwrap_or_else(|| Line::new(self.owed))
    }
}

impl Known {
    pub(crate) fn apply(&mut self, event: &Event) {
        let at = event.at;
        match &event.happened {
            Happened::IncidentOpened { incident, diagnosis, .. } => {
                self.diagnosed(*incident, diagnosis.wakes, at)
            }
            Happened::IncidentDiagnosed { incident, diagnosis } => {
                self.diagnosed(*incident, diagnosis.wakes, at)
            }
            Happened::IncidentMerged { incident, into } => self.merged(*incident, *into),
            Happened::IncidentResolved { incident, sentence } => {
                let about = self.about.entry(*incident).or_default();
                about.story = Some(sentence.clone());
                about.ended = true;
                self.forget();
            }
            Happened::AcknowledgementExpired { incident } => {
                self.about.entry(*incident).or_default().lapsed = Some(at);
                self.begin_anew(*incident, at);
            }
            Happened::PageOpened { page, incident, ladder } => {
                self.last_page = self.last_page.max(page.0);
                self.pages.insert(*page, Page::new(*page, *incident, ladder.clone(), at));
                self.about.entry(*incident).or_default().page = Some(*page);
            }
            Happened::PageRung { page, round, rung, people, until } => {
                if let Some(page) = self.pages.get_mut(page) {
                    page.rung(Step {
                        round: *round,
                        rung: *rung,
                        people: people.clone(),
                        since: at,
                        until: *until,
                        lines: BTreeMap::new(),
                    });
                }
            }
            Happened::PageClosed { page } => {
                if let Some(page) = self.pages.get_mut(page) {
                    page.closed = Some(at);
                }
                self.forget();
            }
            Happened::NoticeOwed { incident, occasion, people } => {
                let notice = Notice { owed: at, people: people.clone(), lines: BTreeMap::new() };
                self.about.entry(*incident).or_default().notices.insert(occasion.clone(), notice);
            }
            Happened::AttemptEnded { page, person, outcome, .. } => {
                self.ended(*page, person.as_ref(), outcome, at)
            }
            Happened::AttemptsAbandoned { key, .. } => self.abandoned(key),
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
            LineKey::Page { page, round, rung, seat } => {
                let page = self.pages.get(page).filter(|page| page.is_open())?;
                Some(page.step(*round, *rung)?.line(seat).dial(way))
            }
            LineKey::Notice { incident, occasion, person } => {
                Some(self.about.get(incident)?.notices.get(occasion)?.line(person).dial(way))
            }
        }
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
        let paged = from.paged.clone();
        let page = from.page;
        let other = self.about.entry(into).or_default();
        other.paged.extend(paged);
        let has_own = other.page.is_some_and(|own| self.pages.get(&own).is_some_and(Page::is_open));
        if let Some(page) =
            page.and_then(|page| self.pages.get_mut(&page)).filter(|page| page.is_open() && !has_own)
        {
            page.incident = into;
            other.page = Some(page.id);
        }
        self.forget();
    }

    fn ended(&mut self, page: Option<PageId>, person: Option<&PersonId>, outcome: &Outcome, at: Time) {
        let delivered = outcome.result.is_ok();
        if let Some(page) = page.and_then(|page| self.pages.get_mut(&page))
            && let Some(person) = person
            && delivered
        {
            page.reached.insert(person.clone());
            self.about.entry(page.incident).or_default().paged.insert(person.clone());
        }
        let Some((key, way, dial)) = LineKey::of_attempt(&outcome.key) else { return };
        let manner = key.manner();
        if let Some(line) = self.line_mut(&key) {
            line.ended((way, dial), at, &outcome.result, manner);
        }
    }

    fn abandoned(&mut self, key: &EffectKey) {
        if let Some((key, way)) = LineKey::of_way(key)
            && let Some(line) = self.line_mut(&key)
        {
            line.give_up(way);
        }
    }

    fn line_mut(&mut self, key: &LineKey) -> Option<&mut Line> {
        match key {
            LineKey::Page { page, round, rung, seat } => {
                self.pages.get_mut(page).filter(|page| page.is_open())?.line_mut(*round, *rung, seat)
            }
            LineKey::Notice { incident, occasion, person } => {
                let notice = self.about.get_mut(incident)?.notices.get_mut(occasion)?;
                let owed = notice.owed;
                Some(notice.lines.entry(person.clone()).or_insert_with(|| Line::new(owed)))
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
            Self::Page { seat: Seat::LastResort, .. } => Manner::LastResort,
            Self::Notice { .. } => Manner::Notice,
        }
    }
}
