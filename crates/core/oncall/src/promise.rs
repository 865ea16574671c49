//! The notice to the team that a promised update of the status page is due.

use crate::OnCall;
use crate::escalation::{has_usable_contact, route};
use crate::state::IncidentRecord;
use std::time::Duration;
use types::config::Publish;
use types::time::earlier;
use types::{Config, EventKind, Incident, PersonId, Time};

/// Begin of the occasion of such a notice; the promised time follows.
const UPDATE_DUE: &str = "update-due-";

/// How long before the promised time the team is reminded: enough to write two sentences.
const REMINDED_AHEAD: Duration = Duration::from_secs(300);

/// The occasion of the notice about the present promise.
fn occasion(by: Time) -> String {
    format!("{UPDATE_DUE}{}", by.as_second())
}

/// Whether an occasion is that of a promised update.
pub(crate) fn is_update_due(occasion: &str) -> bool {
    occasion.starts_with(UPDATE_DUE)
}

/// Whether a notice is about the present promise. Once an update is published, it is outdated.
pub(crate) fn is_current(record: &IncidentRecord, queued: &str) -> bool {
    !record.ended && record.next_update_by.is_some_and(|by| occasion(by) == queued)
}

impl OnCall {
    /// The notice that the promised update is due, to the person who acknowledged the incident, or to those on the first
    /// step that has any; once for each promise.
    pub(crate) fn update_due_notice(
        &self,
        config: &Config,
        now: Time,
        incident: &Incident,
    ) -> Option<EventKind> {
        let by = self.promised(config, incident)?;
        let occasion = occasion(by);
        let record = self.state.incidents.get(&incident.id)?;
        if now < earlier(by, REMINDED_AHEAD) || record.notices.contains_key(&occasion) {
            return None;
        }
        let holder = incident.acknowledged.as_ref().filter(|ack| now < ack.until);
        let holder = holder.and_then(|ack| config.people.get(&PersonId::from(ack.by.as_str())));
        let people = match holder.filter(|person| has_usable_contact(config, person)) {
            Some(person) => vec![person.id.clone()],
            None => route(config, &incident.diagnosis)?.first_people(config, now)?,
        };
        Some(EventKind::NoticeQueued {
            incident: incident.id,
            occasion,
            people,
            fallback: false,
            team: false,
        })
    }

    /// When the team is to be reminded next of a promised update.
    pub(crate) fn next_promise(&self, config: &Config, now: Time, incident: &Incident) -> Option<Time> {
        let at = earlier(self.promised(config, incident)?, REMINDED_AHEAD);
        (now < at).then_some(at)
    }

    /// The promised time of the next update about an open incident. Only automatic updates are promised.
    fn promised(&self, config: &Config, incident: &Incident) -> Option<Time> {
        let is_promised = incident.is_open() && config.status_page.publish == Publish::Automatic;
        let record = self.state.incidents.get(&incident.id).filter(|_| is_promised)?;
        record.next_update_by
    }
}
