//! The hourly line to the team about an incident that is still open.

use crate::OnCall;
use crate::escalation::route;
use crate::notice::{HOURS_MAX, hourly};
use crate::page::Page;
use crate::team;
use std::collections::BTreeSet;
use std::time::Duration;
use types::time::{between, later};
use types::{Config, EventKind, Incident, PersonId, Time};

/// Seconds of an hour.
const HOUR: u64 = 3_600;
/// Time after the begin of a run of pages in which no line is queued: the pages say the same.
const PAGED_LATELY: Duration = Duration::from_secs(600);

/// Whether the team gets a line each hour: something fails. A date that is weeks ahead and an incident that is only
/// monitored give none.
fn goes_on(incident: &Incident) -> bool {
    let diagnosis = &incident.diagnosis;
    incident.is_open() && diagnosis.wakes && !diagnosis.calm && diagnosis.ahead.is_none()
}

impl OnCall {
    /// The line of the present hour, to the team, or to the people who were paged and to those on the first step that
    /// has any.
    pub(crate) fn hourly_notice(&self, config: &Config, now: Time, incident: &Incident) -> Option<EventKind> {
        let hour = between(incident.opened, now).as_secs() / HOUR;
        let page = self.page_that_goes_on(incident)?;
        if !(1..=HOURS_MAX).contains(&hour) || now < later(page.run_start, PAGED_LATELY) {
            return None;
        }
        let record = self.state.incidents.get(&incident.id)?;
        let occasion = hourly(hour);
        if record.notices.contains_key(&occasion) {
            return None;
        }
        let on_duty = route(config, &incident.diagnosis).and_then(|route| route.first_people(config, now));
        let people: BTreeSet<PersonId> =
            on_duty.into_iter().flatten().chain(record.paged.iter().cloned()).collect();
        let team = team::has_hourly(config);
        if people.is_empty() && !team {
            return None;
        }
        let people = people.into_iter().collect();
        Some(EventKind::NoticeQueued { incident: incident.id, occasion, people, fallback: false, team })
    }

    /// The open page of an incident about which the team gets a line each hour.
    fn page_that_goes_on(&self, incident: &Incident) -> Option<&Page> {
        if goes_on(incident) { self.state.open_page(incident.id) } else { None }
    }

    /// When the next line about an incident may be due.
    pub(crate) fn next_hour(&self, now: Time, incident: &Incident) -> Option<Time> {
        let page = self.page_that_goes_on(incident)?;
        let hour = between(incident.opened, now).as_secs() / HOUR + 1;
        let begins = later(incident.opened, Duration::from_secs(hour * HOUR));
        let lately = Some(later(page.run_start, PAGED_LATELY)).filter(|end| now < *end);
        (hour <= HOURS_MAX).then(|| lately.map_or(begins, |end| end.min(begins)))
    }
}
