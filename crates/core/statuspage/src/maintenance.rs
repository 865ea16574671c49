//! Maintenances as the public sees them, with the updates that follow from their course.

use crate::status_page::{MaintenanceUpdate, StatusPageMaintenance};
use std::time::Duration;
use text::escape::replace_unsafe;
use types::maintenance::{MaintenanceState, ScheduledMaintenance};
use types::time::{clock, earlier};
use types::{Config, Context, ServiceId};

/// How long a maintenance that ended stays on the page and in the calendar: a calendar that removes it learns of its
/// end within this time.
const SHOWN_FOR: Duration = Duration::from_secs(7 * 86_400);

/// The maintenances of public services, by their start.
pub(crate) fn maintenances(context: &Context<'_>) -> Vec<StatusPageMaintenance> {
    let Context { config, now, maintenances, .. } = *context;
    let oldest = earlier(now, SHOWN_FOR);
    let shown = maintenances.values().filter(|one| one.ended.is_none_or(|ended| oldest < ended));
    let mut shown: Vec<StatusPageMaintenance> = shown.filter_map(|one| view(config, one)).collect();
    shown.sort_by_key(|one| (one.from, one.id));
    shown
}

/// `None` when no public service is concerned.
fn view(config: &Config, one: &ScheduledMaintenance) -> Option<StatusPageMaintenance> {
    let noticed = one.planned.noticed_at(&config.graph);
    let public = noticed.into_iter().filter_map(|id| config.services.get(&id)).filter(|it| it.public);
    let services: Vec<(ServiceId, String)> =
        public.map(|service| (service.id.clone(), replace_unsafe(&service.title))).collect();
    (!services.is_empty()).then(|| StatusPageMaintenance {
        id: one.planned.id,
        title: replace_unsafe(&one.planned.title),
        text: one.planned.text.as_deref().map(replace_unsafe),
        state: one.state(),
        from: one.planned.from,
        to: one.planned.to,
        services,
        updates: updates(config, one),
        added: one.added,
        changed: one.changed,
        revision: one.revision,
        started: one.started,
        ended: one.ended,
    })
}

/// What was published about a maintenance, newest first.
fn updates(config: &Config, one: &ScheduledMaintenance) -> Vec<MaintenanceUpdate> {
    let timezone = &config.site.timezone;
    let (from, to) = (one.planned.from, one.planned.to);
    let day = timezone.to_datetime(from).strftime("%-d %B %Y");
    let planned = format!("Planned for {day}, {} to {}.", clock(from, timezone), clock(to, timezone));
    let planned = match &one.planned.text {
        Some(text) => format!("{} {planned}", replace_unsafe(text)),
        None => planned,
    };
    let course = [
        (Some(one.added), MaintenanceState::Scheduled, planned),
        (one.started, MaintenanceState::InProgress, "The maintenance has started.".to_owned()),
        (
            one.overran,
            MaintenanceState::Overrun,
            "The maintenance takes longer than planned: not everything works again yet.".to_owned(),
        ),
        match one.state() {
            MaintenanceState::Cancelled => {
                (one.ended, MaintenanceState::Cancelled, "The maintenance was cancelled.".to_owned())
            }
            _ => (one.ended, MaintenanceState::Completed, "The maintenance has ended.".to_owned()),
        },
    ];
    let dated =
        course.into_iter().filter_map(|(at, state, body)| Some(MaintenanceUpdate { at: at?, state, body }));
    let mut updates: Vec<MaintenanceUpdate> = dated.collect();
    updates.reverse();
    updates
}
