//! Notices to the team about maintenances: a reminder before the start, and that one takes longer than planned.

use crate::OnCall;
use crate::escalation::{has_usable_contact, people_of};
use crate::notice::{Notice, OVERRAN, REMINDER, is_overrun};
use crate::text::{TITLE_MAX, body, names};
use std::collections::BTreeSet;
use std::time::Duration;
use text::truncate;
use types::maintenance::{GRACE, MaintenanceState, ScheduledMaintenance};
use types::time::{clock, earlier, later, spoken};
use types::{Config, Context, EventKind, MaintenanceId, PersonId, ServiceId, Time};

/// Time before the start at which the team is reminded. One that was scheduled later than that needs no reminder.
const REMINDED_AHEAD: Duration = Duration::from_secs(3_600);

/// The occasion of the notice about a state at present. It has the planned time: when that changes, there is another
/// notice.
fn occasion(one: &ScheduledMaintenance) -> Option<String> {
    match one.state() {
        MaintenanceState::Scheduled => Some(format!("{REMINDER}{}", one.planned.from.as_second())),
        MaintenanceState::Overrun => Some(format!("{OVERRAN}{}", one.planned.to.as_second())),
        _ => None,
    }
}

/// When the team is reminded of a maintenance, unless that is too late.
fn reminder_at(one: &ScheduledMaintenance) -> Option<Time> {
    let at = earlier(one.planned.from, REMINDED_AHEAD);
    (one.state() == MaintenanceState::Scheduled && one.added < at).then_some(at)
}

impl OnCall {
    /// The notices about maintenances that are due: each once.
    pub(crate) fn maintenance_reminders(&self, context: &Context<'_>) -> Vec<EventKind> {
        let Context { config, now, maintenances, .. } = *context;
        let mut events = Vec::new();
        for one in maintenances.values() {
            let maintenance = one.planned.id;
            let is_due =
                one.state() != MaintenanceState::Scheduled || reminder_at(one).is_some_and(|at| at <= now);
            let Some(occasion) = occasion(one).filter(|_| is_due) else { continue };
            if self.has_maintenance_notice(maintenance, &occasion) {
                continue;
            }
            let people = recipients(config, one, now);
            if !people.is_empty() {
                events.push(EventKind::MaintenanceNoticeQueued { maintenance, occasion, people });
            }
        }
        events
    }

    fn has_maintenance_notice(&self, maintenance: MaintenanceId, occasion: &str) -> bool {
        self.state.maintenances.get(&maintenance).is_some_and(|notices| notices.contains_key(occasion))
    }

    /// When the next reminder is due.
    pub(crate) fn next_reminder(&self, context: &Context<'_>) -> Option<Time> {
        let ahead = context.maintenances.values().filter_map(reminder_at);
        ahead.filter(|at| context.now < *at).min()
    }

    /// Notices about maintenances.
    pub(crate) fn maintenance_notices(&self) -> impl Iterator<Item = (&MaintenanceId, &String, &Notice)> {
        self.state.maintenances.iter().flat_map(|(maintenance, notices)| {
            notices.iter().map(move |(occasion, notice)| (maintenance, occasion, notice))
        })
    }
}

/// Who is on call for its services, and who scheduled it.
fn recipients(config: &Config, one: &ScheduledMaintenance, now: Time) -> Vec<PersonId> {
    let services = one.planned.noticed_at(&config.graph);
    let services = services.iter().filter_map(|id: &ServiceId| config.services.get(id));
    let mut people: BTreeSet<PersonId> =
        services.flat_map(|service| people_of(config, service, now)).collect();
    let author = config.people.get(&PersonId::from(one.by.id.as_str()));
    people.extend(author.filter(|person| has_usable_contact(config, person)).map(|person| person.id.clone()));
    people.into_iter().collect()
}

/// Title and body of a notice about a maintenance; `None` when it is outdated.
pub(crate) fn notice_text(
    context: &Context<'_>,
    maintenance: MaintenanceId,
    queued: &str,
) -> Option<(String, String)> {
    let Context { config, maintenances, .. } = *context;
    let timezone = &config.site.timezone;
    let one = maintenances.get(&maintenance).filter(|one| occasion(one).as_deref() == Some(queued))?;
    let (from, to) = (one.planned.from, one.planned.to);
    let services = one.planned.noticed_at(&config.graph);
    let names = names(config, services.iter().map(|service| service.0.as_str()));
    let number = one.planned.id.0;
    let (title, lines) = match is_overrun(queued) {
        false => (
            format!("Maintenance at {}: {}", clock(from, timezone), one.planned.title),
            vec![
                format!("From {} to {}: {names}.", clock(from, timezone), clock(to, timezone)),
                "It starts by itself. Until its end no one is paged for what it explains.".to_owned(),
                format!("If it does not take place: mainstay maintenance cancel {number}"),
            ],
        ),
        true => (
            format!("Maintenance takes longer than planned: {}", one.planned.title),
            vec![
                format!(
                    "Its planned end was {}, and not everything works again: {names}.",
                    clock(to, timezone)
                ),
                format!(
                    "What still fails pages at {}, {} after the planned end.",
                    clock(later(to, GRACE), timezone),
                    spoken(GRACE)
                ),
                format!("If it needs more time: mainstay maintenance extend {number} --for 30m"),
            ],
        ),
    };
    Some((truncate::bytes(&title, TITLE_MAX), body(&lines)))
}
