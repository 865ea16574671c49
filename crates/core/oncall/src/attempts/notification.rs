//! The notification of an attempt: recipient, title and body.

use super::due::PlannedAttempt;
use crate::OnCall;
use crate::maintenance;
use crate::notice::{DRAFTED, MISSED, OPENED, is_hourly};
use crate::page::Page;
use crate::promise::is_update_due;
use crate::queue::{QueueKey, Recipient};
use crate::text;
use types::{Context, Incident, IncidentId, Notification, NotificationKey, Urgency};

impl OnCall {
    pub(super) fn notification(
        &self,
        context: &Context<'_>,
        planned: &PlannedAttempt,
        key: NotificationKey,
    ) -> Option<Notification> {
        let incidents = context.incidents;
        let (page, incident, urgency) = match &planned.queue {
            QueueKey::Page { page, .. } => {
                let page = self.state.pages.get(page)?;
                (Some(page), Some(page.incident), Urgency::Page)
            }
            QueueKey::Notice { incident, recipient: Recipient::Team, .. } => {
                (None, Some(*incident), Urgency::Quiet)
            }
            QueueKey::Notice { incident, .. } => (None, Some(*incident), Urgency::Notice),
            QueueKey::Maintenance { .. } => (None, None, Urgency::Notice),
            QueueKey::Team { .. } => (None, None, Urgency::Quiet),
        };
        let (title, body) = match &planned.queue {
            QueueKey::Page { .. } => page_text(context, page?, incidents.get(&incident?)?),
            QueueKey::Notice { occasion, incident, .. } => {
                self.notice_text(context, occasion, (*incident, incidents.get(incident)))?
            }
            QueueKey::Maintenance { maintenance, occasion, .. } => {
                maintenance::notice_text(context, *maintenance, occasion)?
            }
            QueueKey::Team { occasion } => self.team_text(context, occasion)?,
        };
        Some(Notification {
            key,
            page: page.map(|page| page.id),
            incident,
            person: planned.queue.recipient().person().cloned(),
            contact: planned.contact.clone(),
            urgency,
            title,
            body,
        })
    }

    /// Title and body of a notice. A resolved or missed incident may be unknown by now.
    fn notice_text(
        &self,
        context: &Context<'_>,
        occasion: &str,
        (id, incident): (IncidentId, Option<&Incident>),
    ) -> Option<(String, String)> {
        let Context { config, now, .. } = *context;
        let record = self.state.incidents.get(&id);
        Some(match (occasion, incident) {
            (OPENED, Some(incident)) => text::opened(config, incident, now),
            (hour, Some(incident)) if is_hourly(hour) => text::hourly(context, incident),
            (due, Some(incident)) if is_update_due(due) => {
                text::update_due(config, incident, record?.next_update_by?)
            }
            (DRAFTED, Some(incident)) => text::drafted(incident, record?.draft.as_ref()?),
            (MISSED, incident) => text::missed(&text::resolved(id, incident, record), &self.missed_with(id)),
            (_, incident) => text::resolved(id, incident, record),
        })
    }

    /// Summaries of the other incidents that ended without a delivered page since this notice was queued.
    fn missed_with(&self, incident: IncidentId) -> Vec<String> {
        let notice = self.state.incidents.get(&incident).and_then(|record| record.notices.get(MISSED));
        let Some(queued) = notice.map(|notice| notice.queued) else { return Vec::new() };
        let pages = self.state.pages.values().filter(|page| page.incident != incident);
        let missed =
            pages.filter(|page| page.closed.is_some_and(|at| at >= queued) && page.accepted.is_none());
        missed.filter_map(|page| self.state.incidents.get(&page.incident)?.summary.clone()).collect()
    }
}

fn page_text(context: &Context<'_>, page: &Page, incident: &Incident) -> (String, String) {
    let now = context.now;
    let next_step = page.current().map(|step| step.until).filter(|until| *until > now);
    let undelivered_since = Some(page.run_start).filter(|_| page.is_unreached());
    text::page(context, incident, (next_step, undelivered_since))
}
