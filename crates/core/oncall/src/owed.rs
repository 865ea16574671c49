//! The attempts that are due, in flight, ended.

use crate::OnCall;
use crate::climb::deadline;
use crate::escalation::{awake_from, usable, ways_of_page};
use crate::key::{LineKey, Seat};
use crate::known::{About, Notice};
use crate::line::{Call, Line, Manner, NOTICE_ATTEMPTS_MAX};
use crate::page::Page;
use crate::react::{DRAFTED, MISSED, OPENED, RESOLVED, calls, quiet};
use crate::words;
use std::collections::BTreeMap;
use std::time::Duration;
use types::notification::{Reach, Undelivered, Urgency};
use types::time::later;
use types::{
    Config, Delivery, EventKind, Incident, IncidentId, Notification, NotificationKey, PageId, PersonId, Time,
};

/// An attempt without an outcome is sent again after this long, with the same key (P3).
pub(crate) const IN_FLIGHT_MAX: Duration = Duration::from_secs(30);

/// What nobody could be told is tried so often: about a week. Then it is on the console alone.
const MISSED_ATTEMPTS_MAX: u32 = 170;

/// Without an outcome of the second sending either, it counts as failed, so that another way gets its turn.
const SENDINGS_MAX: u32 = 2;

/// An attempt that was handed out and has not come back.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) page: Option<PageId>,
    pub(crate) person: Option<PersonId>,
    reach: Reach,
    sent: Time,
    sendings: u32,
}

impl Flight {
    fn is_overdue(&self, now: Time) -> bool {
        now >= later(self.sent, IN_FLIGHT_MAX)
    }
}

/// An attempt that is owed now or later.
struct Owed {
    line: LineKey,
    call: Call,
    reach: Reach,
}

impl Owed {
    fn key(&self) -> NotificationKey {
        self.line.attempt(self.call.way, self.call.dial)
    }
}

impl OnCall {
    /// The messages that are owed now. Marks them in flight: they are not returned again for [`IN_FLIGHT_MAX`] unless their
    /// outcome says so.
    pub fn due(
        &mut self,
        config: &Config,
        now: Time,
        incidents: &BTreeMap<IncidentId, Incident>,
    ) -> Vec<Notification> {
        let hands = quiet(config, now, incidents);
        let owed = self.owed(config, now, |page| calls(page, now, incidents, &hands));
        let mut notifications = Vec::new();
        for owed in owed.into_iter().filter(|owed| owed.call.at <= now) {
            let key = owed.key();
            let sendings = match self.fresh.in_flight.get(&key) {
                Some(flight) if !flight.is_overdue(now) || flight.sendings >= SENDINGS_MAX => continue,
                Some(flight) => flight.sendings + 1,
                None => 1,
            };
            let Some(notification) = self.notification(config, now, incidents, &owed, key.clone()) else {
                continue;
            };
            let Notification { page, person, reach, .. } = notification.clone();
            self.fresh.in_flight.insert(key, Flight { page, person, reach, sent: now, sendings });
            notifications.push(notification);
        }
        notifications
    }

    /// An attempt ended. Outcomes of attempts that ended before, or that are not ours, say nothing new.
    pub fn attempted(&mut self, config: &Config, _now: Time, outcome: &Delivery) -> Vec<EventKind> {
        let Some((line, way, dial)) = LineKey::of_attempt(&outcome.key) else { return Vec::new() };
        let flight = self.fresh.in_flight.remove(&outcome.key);
        let next = self.known.dial(&line, way);
        let is_next = next == Some(dial);
        // Its retry has the same key: a failure that is told again says nothing new.
        if is_next && flight.is_none() && outcome.result.is_err() && self.known.tries(&line, way) > 0 {
            return Vec::new();
        }
        // An outcome whose page ended meanwhile is still worth writing down: a person was woken.
        if !is_next && (next.is_some() || flight.is_none()) {
            return Vec::new();
        }
        let (page, person) = match &line {
            LineKey::Page { page, seat, .. } => (Some(*page), seat.person().cloned()),
            LineKey::Notice { seat, .. } => (None, seat.person().cloned()),
        };
        let tries = self.known.tries(&line, way);
        let Some(reach) = flight.map(|flight| flight.reach).or_else(|| self.reach(config, &line, way)) else {
            return Vec::new();
        };
        let mut events = vec![EventKind::AttemptEnded { page, reach, person, outcome: outcome.clone() }];
        if is_next
            && let Err(undelivered) = &outcome.result
            && is_pointless(&line, tries, undelivered)
        {
            events.push(EventKind::AttemptsAbandoned { key: line.way(way), why: undelivered.why.clone() });
        }
        events
    }

    /// When to look again if nothing else happens: the next attempt, the next step, the end of an acknowledgement.
    #[must_use]
    pub fn next(&self, config: &Config, now: Time) -> Option<Time> {
        let calls = |page: &Page| !self.fresh.hushed.contains(&page.id);
        let owed = self.owed(config, now, calls).into_iter().map(|owed| {
            match self.fresh.in_flight.get(&owed.key()) {
                Some(flight) => later(flight.sent, IN_FLIGHT_MAX),
                None => owed.call.at,
            }
        });
        let steps = self.known.pages.values().filter(|page| page.is_open() && calls(page)).map(deadline);
        owed.chain(steps).chain(self.fresh.acknowledged_until).min()
    }

    /// Attempts that were sent twice without an outcome: whoever carries them is broken, and somebody must be woken.
    pub(crate) fn lost(&mut self, now: Time) -> Vec<EventKind> {
        let mut events = Vec::new();
        let known = &self.known;
        self.fresh.in_flight.retain(|key, flight| {
            let next = LineKey::of_attempt(key)
                .is_some_and(|(line, way, dial)| known.dial(&line, way) == Some(dial));
            if flight.is_overdue(now) && next && flight.sendings >= SENDINGS_MAX {
                let why = "no outcome was reported".to_owned();
                let result = Err(Undelivered { why, retriable: true, retry_after: None });
                events.push(EventKind::AttemptEnded {
                    page: flight.page,
                    reach: flight.reach.clone(),
                    person: flight.person.clone(),
                    outcome: Delivery { key: key.clone(), result },
                });
            }
            next || !flight.is_overdue(now)
        });
        events
    }

    /// Every attempt that is owed now or will be, on pages that call and for notices.
    fn owed(&self, config: &Config, now: Time, calls: impl Fn(&Page) -> bool) -> Vec<Owed> {
        let mut owed = Vec::new();
        for page in self.known.pages.values().filter(|page| page.is_open() && calls(page)) {
            for (step, seat) in page.seats() {
                let person = seat.person().and_then(|id| config.people.get(id));
                let reach = person.map_or(&[][..], |person| &person.contacts);
                let line = step.line(&seat);
                let key = LineKey::Page { page: page.id, round: step.round, step: step.step, seat };
                owed.extend(on_line(config, key, &line, reach));
            }
            owed.extend(fallback(config, page));
        }
        for (incident, occasion, notice) in self.notices() {
            let key = |seat: &Seat| LineKey::Notice {
                incident: *incident,
                occasion: occasion.clone(),
                seat: seat.clone(),
            };
            for id in &notice.people {
                let seat = Seat::Person(id.clone());
                let person = config.people.get(id);
                let reach = person.map_or(&[][..], |person| &person.contacts);
                let mut line = on_line(config, key(&seat), &notice.line(&seat), reach);
                if let Some(person) = person.filter(|_| occasion != RESOLVED) {
                    // Whoever was woken hears at once that it is over; everything else can wait for the morning.
                    line.iter_mut().for_each(|owed| owed.call.at = awake_from(person, owed.call.at.max(now)));
                }
                owed.extend(line);
            }
            if let Some(ways) =
                notice.fallback.as_ref().and_then(|escalation| ways_of_page(config, escalation, None))
            {
                let line = notice.line(&Seat::Fallback);
                owed.extend(on_line(config, key(&Seat::Fallback), &line, &ways.escalation.fallback));
            }
        }
        owed
    }

    fn notices(&self) -> impl Iterator<Item = (&IncidentId, &String, &Notice)> {
        let of = |about: &'_ About| !about.notices.is_empty();
        let about = self.known.about.iter().filter(move |(_, about)| of(about));
        about.flat_map(|(incident, about)| {
            // That something began is no news any more when it has ended.
            let notices = about.notices.iter().filter(|(occasion, _)| match occasion.as_str() {
                OPENED => !about.ended,
                DRAFTED => !about.ended && about.draft.is_some(),
                _ => true,
            });
            notices.map(move |(occasion, notice)| (incident, occasion, notice))
        })
    }

    fn notification(
        &self,
        config: &Config,
        now: Time,
        incidents: &BTreeMap<IncidentId, Incident>,
        owed: &Owed,
        key: NotificationKey,
    ) -> Option<Notification> {
        let (page, incident, person, urgency) = match &owed.line {
            LineKey::Page { page, seat, .. } => {
                let page = self.known.pages.get(page)?;
                (Some(page), page.incident, seat.person().cloned(), Urgency::Page)
            }
            LineKey::Notice { incident, seat, .. } => {
                (None, *incident, seat.person().cloned(), Urgency::Notice)
            }
        };
        let about = incidents.get(&incident);
        let (title, body) = match (&owed.line, about) {
            (LineKey::Page { .. }, about) => {
                let next = page.and_then(Page::current).map(|step| step.until).filter(|until| *until > now);
                let unreached = page.filter(|page| page.is_unreached()).map(|page| page.due);
                words::page(config, about?, now, (next, unreached))
            }
            (LineKey::Notice { occasion, .. }, Some(about)) if occasion == OPENED => {
                words::opened(config, about, now)
            }
            (LineKey::Notice { occasion, .. }, Some(about)) if occasion == DRAFTED => {
                words::drafted(about, self.known.about.get(&incident)?.draft.as_ref()?)
            }
            (LineKey::Notice { occasion, .. }, about) if occasion == MISSED => {
                let known = self.known.about.get(&incident);
                words::missed(&words::resolved(incident, about, known), &self.missed_with(incident))
            }
            (LineKey::Notice { .. }, about) => {
                words::resolved(incident, about, self.known.about.get(&incident))
            }
        };
        let page = page.map(|page| page.id);
        Some(Notification {
            key,
            page,
            incident: Some(incident),
            person,
            reach: owed.reach.clone(),
            urgency,
            title,
            body,
        })
    }

    /// What else ended without anybody having heard of it since this was owed, each in one sentence.
    fn missed_with(&self, incident: IncidentId) -> Vec<String> {
        let notice = self.known.about.get(&incident).and_then(|about| about.notices.get(MISSED));
        let Some(owed) = notice.map(|notice| notice.owed) else { return Vec::new() };
        let pages = self.known.pages.values().filter(|page| page.incident != incident);
        let unheard =
            pages.filter(|page| page.closed.is_some_and(|at| at >= owed) && page.accepted.is_none());
        unheard.filter_map(|page| self.known.about.get(&page.incident)?.story.clone()).collect()
    }

    fn reach(&self, config: &Config, line: &LineKey, way: usize) -> Option<Reach> {
        let of_person = |person: &PersonId| config.people.get(person)?.contacts.get(way);
        match line {
            LineKey::Page { seat: Seat::Person(person), .. }
            | LineKey::Notice { seat: Seat::Person(person), .. } => of_person(person),
            LineKey::Notice { incident, occasion, seat: Seat::Fallback } => {
                let escalation = self.known.about.get(incident)?.notices.get(occasion)?.fallback.as_ref()?;
                ways_of_page(config, escalation, None)?.escalation.fallback.get(way)
            }
            LineKey::Page { page, seat: Seat::Fallback, .. } => {
                ways_of_page(config, &self.known.pages.get(page)?.escalation, None)?
                    .escalation
                    .fallback
                    .get(way)
            }
        }
        .cloned()
    }
}

/// Whether a way is given up after this failure, `tries` others before it. The last resort never is, and what nobody could be
/// told waits for a provider to be mended, which a refusal does not rule out.
fn is_pointless(line: &LineKey, tries: u32, undelivered: &Undelivered) -> bool {
    let missed = matches!(line, LineKey::Notice { occasion, .. } if occasion == MISSED);
    match line.manner() {
        Manner::Page => !undelivered.retriable,
        Manner::Fallback => false,
        Manner::Notice | Manner::NoticeToAll if missed => tries >= MISSED_ATTEMPTS_MAX,
        Manner::Notice | Manner::NoticeToAll => !undelivered.retriable || tries + 1 >= NOTICE_ATTEMPTS_MAX,
    }
}

/// The newest last resort that was reached goes on while the escalation is climbed again below it.
fn fallback(config: &Config, page: &Page) -> Vec<Owed> {
    let Some(ways) = ways_of_page(config, &page.escalation, None) else { return Vec::new() };
    let Some(step) = page.steps.iter().rev().find(|step| step.step >= ways.len()) else { return Vec::new() };
    let line = step.line(&Seat::Fallback);
    let key = LineKey::Page { page: page.id, round: step.round, step: step.step, seat: Seat::Fallback };
    on_line(config, key, &line, &ways.escalation.fallback)
}

fn on_line(config: &Config, key: LineKey, line: &Line, reach: &[Reach]) -> Vec<Owed> {
    let calls = line.calls(&usable(config, reach), key.manner());
    let owed = |call: Call| Some(Owed { line: key.clone(), reach: reach.get(call.way)?.clone(), call });
    calls.into_iter().filter_map(owed).collect()
}
