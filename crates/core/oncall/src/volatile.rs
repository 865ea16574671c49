//! State of this process only. Losing it costs at most a repeated message with the same key, never a page.

use crate::page::Page;
use crate::pause::is_paging;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::notification::Contact;
use types::time::later;
use types::{Incident, IncidentId, NotificationKey, PageId, PersonId, Time};

/// An attempt without a delivery result is sent again after this long, with the same key (P3).
pub(crate) const IN_FLIGHT_MAX: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, Default)]
pub(crate) struct Volatile {
    pub(crate) in_flight: BTreeMap<NotificationKey, InFlight>,
    /// Open pages that are not sent now, as of the last reaction.
    pub(crate) paused: BTreeSet<PageId>,
    /// The earliest end of a pause, as of the last reaction.
    pub(crate) pause_end: Option<Time>,
    /// The date whose digest had nothing to say.
    pub(crate) empty_digest: Option<jiff::civil::Date>,
}

/// An attempt that was returned as due and has no delivery result yet.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    pub(crate) page: Option<PageId>,
    pub(crate) person: Option<PersonId>,
    pub(crate) contact: Contact,
    pub(crate) sent: Time,
    /// Number of times it was returned as due.
    pub(crate) sends: u32,
}

impl InFlight {
    pub(crate) fn is_overdue(&self, now: Time) -> bool {
        now >= later(self.sent, IN_FLIGHT_MAX)
    }
}

impl Volatile {
    /// Remembers which pages are paused, and when the first pause ends.
    pub(crate) fn update(
        &mut self,
        pages: &BTreeMap<PageId, Page>,
        now: Time,
        incidents: &BTreeMap<IncidentId, Incident>,
        paused_until: &BTreeMap<IncidentId, Time>,
    ) {
        self.paused = pages
            .values()
            .filter(|page| page.is_open() && !is_paging(page, now, incidents, paused_until))
            .map(|page| page.id)
            .collect();
        let wakes = |id: &IncidentId| {
            incidents.get(id).is_some_and(|incident| incident.is_open() && incident.diagnosis.wakes)
        };
        self.pause_end = paused_until
            .iter()
            .filter(|(id, until)| now < **until && wakes(id))
            .map(|(_, until)| *until)
            .min();
    }
}
