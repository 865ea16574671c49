//! The fold of the journal: open pages, and what was sent about each incident.

use crate::notice::{MISSED, Notice, TeamNotice, TeamNotices, drop_outdated, is_hourly};
use crate::page::{FailedAttempt, Page, Step};
use crate::queue::{DeliveryQueue, QueueKey, Recipient, repeat_interval};
use crate::recent::Recent;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::event::UpdateStatus;
use types::incident::next_update_by;
use types::notification::Contact;
use types::time::between;
use types::{
    ChannelId, Delivery, EscalationId, Event, EventKind, IncidentId, MaintenanceId, NotificationKey, PageId,
    PersonId, Time,
};

/// Closed pages and ended incidents that are kept, for late delivery results and for readers.
const ENDED_MAX: usize = 200;

/// People who acknowledged one incident that are kept.
const ANSWERED_MAX: usize = 8;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) pages: BTreeMap<PageId, Page>,
    pub(crate) incidents: BTreeMap<IncidentId, IncidentRecord>,
    pub(crate) last_page: u64,
    /// Notices about maintenances, by occasion.
    pub(crate) maintenances: BTreeMap<MaintenanceId, BTreeMap<String, Notice>>,
    /// Notices to the team about several incidents or none.
    pub(crate) team: TeamNotices,
    /// What these are about besides incidents.
    pub(crate) recent: Recent,
    /// Number of attempts that ended, by channel and by acceptance.
    pub(crate) attempts: BTreeMap<(ChannelId, bool), u64>,
}

/// Messages about one incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IncidentRecord {
    /// Whether it wakes, by its latest diagnosis.
    pub(crate) wakes: bool,
    /// Its page, open or closed.
    pub(crate) page: Option<PageId>,
    /// Everybody to whom a page about it, or about an incident merged into it, was delivered.
    pub(crate) paged: BTreeSet<PersonId>,
    /// Whether such a page was delivered to a fallback contact.
    pub(crate) fallback: bool,
    /// Whether a notice about it was delivered to the team.
    pub(crate) team: bool,
    /// Who acknowledged it, the first one first.
    pub(crate) answered: Vec<String>,
    /// Notices by occasion.
    pub(crate) notices: BTreeMap<String, Notice>,
    /// Title and text of a draft update that waits for review.
    pub(crate) draft: Option<(String, String)>,
    /// When the next update on the status page is promised; `None` before the first one and after the last.
    pub(crate) next_update_by: Option<Time>,
    /// When an acknowledgement last expired.
    pub(crate) expired: Option<Time>,
    /// Summary at its end.
    pub(crate) summary: Option<String>,
    /// Whether it was resolved or merged.
    pub(crate) ended: bool,
}

impl State {
    pub(crate) fn apply(&mut self, event: &Event) {
        let at = event.at;
        self.recent.apply(event);
        match &event.kind {
            EventKind::IncidentOpened { incident, diagnosis, .. }
            | EventKind::IncidentDiagnosed { incident, diagnosis } => {
                self.diagnosed(*incident, diagnosis.wakes, at)
            }
            EventKind::IncidentMerged { incident, into } => self.merged(*incident, *into),
            EventKind::IncidentResolved { incident, summary, .. } => {
                let record = self.incidents.entry(*incident).or_default();
                record.summary = Some(summary.clone());
                record.ended = true;
                self.forget();
            }
            EventKind::IncidentAcknowledged { incident, by, .. } => self.answered(*incident, &by.id),
            EventKind::AcknowledgementExpired { incident } => {
                self.incidents.entry(*incident).or_default().expired = Some(at);
                self.restart_page(*incident, at);
            }
            EventKind::PageOpened { .. }
            | EventKind::PageStep { .. }
            | EventKind::PageEscalated { .. }
            | EventKind::PageHeld { .. }
            | EventKind::PageResumed { .. }
            | EventKind::PageClosed { .. } => self.apply_page(&event.kind, at),
            EventKind::NoticeQueued { incident, occasion, people, fallback, team } => {
                self.notice_queued(*incident, occasion, (people, *fallback, *team), at);
            }
            EventKind::TeamNoticeQueued { .. } => self.team_notice_queued(event),
            EventKind::MaintenanceScheduled { .. }
            | EventKind::MaintenanceStarted { .. }
            | EventKind::MaintenanceEnded { .. } => drop_outdated(&mut self.maintenances, &event.kind),
            EventKind::MaintenanceNoticeQueued { maintenance, occasion, people } => {
                self.maintenance_notice_queued(*maintenance, occasion, people, at);
            }
            EventKind::UpdateDrafted { incident, title, body, .. } => {
                self.incidents.entry(*incident).or_default().draft = Some((title.clone(), body.clone()));
            }
            EventKind::UpdatePublished { incident, status, .. } => {
                if let Some(record) = self.incidents.get_mut(incident) {
                    record.draft = None;
                    record.next_update_by = (*status != UpdateStatus::Resolved).then(|| next_update_by(at));
                }
            }
            EventKind::AttemptEnded { page, person, contact, delivery } => {
                self.count(*page, person.as_ref(), (contact, delivery), at);
                self.record(delivery, at);
            }
            EventKind::PhoneUnreached { key, .. } => self.unreached(key, at),
            EventKind::AttemptsAbandoned { key, .. } => self.abandon(key),
            _ => {}
        }
    }

    fn apply_page(&mut self, kind: &EventKind, at: Time) {
        match kind {
            EventKind::PageOpened { page, incident, escalation } => {
                self.last_page = self.last_page.max(page.0);
                self.pages.insert(*page, Page::new(*page, *incident, escalation.clone(), at));
                self.incidents.entry(*incident).or_default().page = Some(*page);
            }
            EventKind::PageStep { page, round, step, people, until } => {
                if let Some(page) = self.pages.get_mut(page) {
                    page.add_step(Step {
                        round: *round,
                        step: *step,
                        people: people.clone(),
                        since: at,
                        until: *until,
                        queues: BTreeMap::new(),
                    });
                }
            }
            EventKind::PageEscalated { page, .. } => {
                if let Some(step) = self.pages.get_mut(page).and_then(|page| page.steps.last_mut()) {
                    step.until = step.until.min(at);
                }
            }
            EventKind::PageHeld { page, silence, .. } => {
                if let Some(page) = self.pages.get_mut(page) {
                    page.held = Some(*silence);
                }
            }
            EventKind::PageResumed { page } => {
                if let Some(page) = self.pages.get_mut(page) {
                    page.held = None;
                    page.restart(at);
                }
            }
            EventKind::PageClosed { page } => {
                if let Some(page) = self.pages.get_mut(page) {
                    page.closed = Some(at);
                }
                self.forget();
            }
            _ => {}
        }
    }

    /// The open page of an incident.
    pub(crate) fn open_page(&self, incident: IncidentId) -> Option<&Page> {
        let page = self.incidents.get(&incident)?.page?;
        self.pages.get(&page).filter(|page| page.is_open())
    }

    /// The number of the next attempt over a contact; `None` when the queue does not exist any more.
    pub(crate) fn next_attempt(&self, key: &QueueKey, contact: usize) -> Option<u32> {
        let is_open = match key {
            QueueKey::Page { page, .. } => self.pages.get(page)?.is_open(),
            QueueKey::Notice { .. } | QueueKey::Maintenance { .. } | QueueKey::Team { .. } => true,
        };
        self.queue(key).filter(|_| is_open).map(|queue| queue.next_attempt(contact))
    }

    /// The number of attempts over a contact that ended, retries included.
    pub(crate) fn ended_attempts(&self, key: &QueueKey, contact: usize) -> u32 {
        self.queue(key).map_or(0, |queue| queue.ended_attempts(contact))
    }

    fn queue(&self, key: &QueueKey) -> Option<DeliveryQueue> {
        match key {
            QueueKey::Page { page, round, step, recipient } => {
                Some(self.pages.get(page)?.step(*round, *step)?.queue(recipient))
            }
            QueueKey::Notice { incident, occasion, recipient } => {
                Some(self.incidents.get(incident)?.notices.get(occasion)?.queue(recipient))
            }
            QueueKey::Maintenance { maintenance, occasion, recipient } => {
                Some(self.maintenances.get(maintenance)?.get(occasion)?.queue(recipient))
            }
            QueueKey::Team { occasion } => Some(self.team.get(occasion)?.notice.queue(&Recipient::Team)),
        }
    }

    fn queue_mut(&mut self, key: &QueueKey) -> Option<&mut DeliveryQueue> {
        match key {
            QueueKey::Page { page, round, step, recipient } => {
                let page = self.pages.get_mut(page).filter(|page| page.is_open())?;
                page.queue_mut(*round, *step, recipient)
            }
            QueueKey::Notice { incident, occasion, recipient } => {
                Some(self.incidents.get_mut(incident)?.notices.get_mut(occasion)?.queue_mut(recipient))
            }
            QueueKey::Maintenance { maintenance, occasion, recipient } => {
                Some(self.maintenances.get_mut(maintenance)?.get_mut(occasion)?.queue_mut(recipient))
            }
            QueueKey::Team { occasion } => {
                Some(self.team.get_mut(occasion)?.notice.queue_mut(&Recipient::Team))
            }
        }
    }

    fn answered(&mut self, incident: IncidentId, by: &str) {
        let answered = &mut self.incidents.entry(incident).or_default().answered;
        if answered.len() < ANSWERED_MAX && !answered.iter().any(|known| known == by) {
            answered.push(by.to_owned());
        }
    }

    fn diagnosed(&mut self, incident: IncidentId, wakes: bool, at: Time) {
        let record = self.incidents.entry(incident).or_default();
        let began_to_wake = wakes && !record.wakes;
        record.wakes = wakes;
        if began_to_wake {
            self.restart_page(incident, at);
        }
    }

    fn restart_page(&mut self, incident: IncidentId, at: Time) {
        let page = self.incidents.get(&incident).and_then(|record| record.page);
        if let Some(page) = page.and_then(|page| self.pages.get_mut(&page)).filter(|page| page.is_open()) {
            page.restart(at);
        }
    }

    /// One cause, one page (P10): the page continues for the other incident unless that one has an open page.
    fn merged(&mut self, incident: IncidentId, into: IncidentId) {
        let from = self.incidents.entry(incident).or_default();
        from.ended = true;
        let (paged, fallback, team) = (from.paged.clone(), from.fallback, from.team);
        let page = from.page;
        let other = self.incidents.entry(into).or_default();
        other.paged.extend(paged);
        other.fallback |= fallback;
        other.team |= team;
        let has_own = other.page.is_some_and(|own| self.pages.get(&own).is_some_and(Page::is_open));
        if let Some(page) =
            page.and_then(|page| self.pages.get_mut(&page)).filter(|page| page.is_open() && !has_own)
        {
            page.incident = into;
            other.page = Some(page.id);
        }
        self.forget();
    }

    fn notice_queued(
        &mut self,
        incident: IncidentId,
        occasion: &str,
        (people, fallback, team): (&[PersonId], bool, bool),
        at: Time,
    ) {
        let record = self.incidents.entry(incident).or_default();
        let page = record.page.and_then(|page| self.pages.get(&page));
        let escalation: Option<EscalationId> = page.map(|page| page.escalation.clone());
        let notice = Notice {
            queued: at,
            people: people.to_vec(),
            fallback: escalation.filter(|_| fallback),
            team,
            queues: BTreeMap::new(),
        };
        if is_hourly(occasion) {
            // Who slept through several hours reads the newest line only.
            record.notices.retain(|known, _| !is_hourly(known));
        }
        record.notices.insert(occasion.to_owned(), notice);
    }

    fn team_notice_queued(&mut self, event: &Event) {
        if let EventKind::TeamNoticeQueued { occasion, since, until, alerts } = &event.kind {
            let (notice, alerts) = (Notice::to_team(event.at), alerts.clone());
            let queued = TeamNotice { notice, seq: event.seq, since: *since, until: *until, alerts };
            self.team.queue(occasion, queued);
        }
    }

    fn maintenance_notice_queued(
        &mut self,
        maintenance: MaintenanceId,
        occasion: &str,
        people: &[PersonId],
        at: Time,
    ) {
        let queues = BTreeMap::new();
        let notice = Notice { queued: at, people: people.to_vec(), fallback: None, team: false, queues };
        self.maintenances.entry(maintenance).or_default().insert(occasion.to_owned(), notice);
        while self.maintenances.len() > ENDED_MAX {
            self.maintenances.pop_first();
        }
    }

    /// Counts an attempt that ended, and notes on its page who was reached, or why the attempt failed.
    fn count(
        &mut self,
        page: Option<PageId>,
        person: Option<&PersonId>,
        (contact, delivery): (&Contact, &Delivery),
        at: Time,
    ) {
        let delivered = delivery.result.is_ok();
        *self.attempts.entry((contact.channel.clone(), delivered)).or_default() += 1;
        if delivered {
            self.send_missed_now(at);
        }
        let Some(page) = page.and_then(|page| self.pages.get_mut(&page)) else { return };
        match (&delivery.result, person) {
            (Err(undelivered), _) => {
                let (channel, why) = (contact.channel.clone(), undelivered.why.clone());
                page.failed = Some(FailedAttempt { at, channel, why });
                return;
            }
            (Ok(_), Some(person)) => {
                page.reached.insert(person.clone());
                self.incidents.entry(page.incident).or_default().paged.insert(person.clone());
            }
            (Ok(_), None) => self.incidents.entry(page.incident).or_default().fallback = true,
        }
        page.accepted = Some(at);
    }

    /// A provider accepts messages (again): notices about missed incidents wait no longer.
    fn send_missed_now(&mut self, at: Time) {
        let missed = self.incidents.values_mut().filter_map(|record| record.notices.get_mut(MISSED));
        missed.flat_map(|notice| notice.queues.values_mut()).for_each(|queue| queue.end_waits(at));
    }

    fn record(&mut self, delivery: &Delivery, at: Time) {
        let Some((key, contact, number)) = QueueKey::of_attempt(&delivery.key) else { return };
        let run_start = match &key {
            QueueKey::Page { page, .. } => self.pages.get(page).map(|page| page.run_start),
            QueueKey::Notice { .. } | QueueKey::Maintenance { .. } | QueueKey::Team { .. } => None,
        };
        let interval = repeat_interval(run_start.map_or(Duration::ZERO, |start| between(start, at)));
        let mode = key.mode();
        if let QueueKey::Notice { incident, recipient: Recipient::Team, .. } = &key
            && delivery.result.is_ok()
            && let Some(record) = self.incidents.get_mut(incident)
        {
            record.team = true;
        }
        if let Some(queue) = self.queue_mut(&key) {
            queue.record((contact, number), at, &delivery.result, (mode, interval));
        }
    }

    fn unreached(&mut self, key: &NotificationKey, at: Time) {
        if let Some((key, contact, number)) = QueueKey::of_attempt(key)
            && let Some(queue) = self.queue_mut(&key)
        {
            queue.unreached((contact, number), at);
        }
    }

    fn abandon(&mut self, key: &NotificationKey) {
        if let Some((key, contact)) = QueueKey::of_contact(key)
            && let Some(queue) = self.queue_mut(&key)
        {
            queue.abandon(contact);
        }
    }

    /// Drops the oldest closed pages and ended incidents beyond [`ENDED_MAX`].
    fn forget(&mut self) {
        let closed: Vec<PageId> =
            self.pages.values().filter(|page| !page.is_open()).map(|page| page.id).collect();
        for page in closed.iter().take(closed.len().saturating_sub(ENDED_MAX)) {
            self.pages.remove(page);
        }
        let has_open_page = |record: &IncidentRecord| {
            record.page.and_then(|page| self.pages.get(&page)).is_some_and(Page::is_open)
        };
        let ended: Vec<IncidentId> = self
            .incidents
            .iter()
            .filter(|(_, record)| record.ended && !has_open_page(record))
            .map(|(id, _)| *id)
            .collect();
        for incident in ended.iter().take(ended.len().saturating_sub(ENDED_MAX)) {
            self.incidents.remove(incident);
        }
    }
}
