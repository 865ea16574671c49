//! Maintenances as the public sees them, with the updates that follow from their course.

use crate::status_page::{MaintenanceUpdate, StatusPageMaintenance};
use std::collections::BTreeMap;
use std::time::Duration;
use text::escape::replace_unsafe;
use types::maintenance::{MaintenanceState, ScheduledMaintenance};
use types::time::{clock, earlier};
use types::{Config, Context, Event, EventKind, Maintenance, MaintenanceId, ServiceId, Time, UpdateId};

/// How long a maintenance that ended stays on the page and in the calendar: a calendar that removes it learns of its
/// end within this time.
const SHOWN_FOR: Duration = Duration::from_secs(7 * 86_400);

/// Maximum of maintenances that ended and whose updates are kept.
const ENDED_MAX: usize = 200;

/// Maximum of updates that are kept per maintenance. The oldest are dropped first, except the very first.
const UPDATES_MAX: usize = 100;

/// The maintenances of public services, by their start.
pub(crate) fn maintenances(context: &Context<'_>, published: &Published) -> Vec<StatusPageMaintenance> {
    let Context { config, now, maintenances, .. } = *context;
    let oldest = earlier(now, SHOWN_FOR);
    let shown = maintenances.values().filter(|one| one.ended.is_none_or(|ended| oldest < ended));
    let mut shown: Vec<StatusPageMaintenance> =
        shown.filter_map(|one| view(config, published, one)).collect();
    shown.sort_by_key(|one| (one.from, one.id));
    shown
}

/// `None` when no public service is concerned.
fn view(config: &Config, published: &Published, one: &ScheduledMaintenance) -> Option<StatusPageMaintenance> {
    let section = one.planned.section.as_ref().and_then(|section| config.maintenances.get(section));
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
        updates: published.of(config, one.planned.id),
        repeats: section.is_some_and(|planned| planned.repeat.is_some()),
        added: one.added,
        changed: one.changed,
        revision: one.revision,
        started: one.started,
        ended: one.ended,
    })
}

/// A change of a maintenance that is published.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recorded {
    id: UpdateId,
    at: Time,
    state: MaintenanceState,
    /// What is planned, where that is new.
    planned: Option<Planned>,
}

/// What the public reads of what is planned.
#[derive(Clone, Debug, PartialEq)]
struct Planned {
    text: Option<String>,
    from: Time,
    to: Time,
}

/// What was published about maintenances, oldest first. Folded from the journal.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Published(BTreeMap<MaintenanceId, Vec<Recorded>>);

impl Published {
    /// Records what an event publishes, with the number that comes next; `None` when that is nothing.
    pub(crate) fn apply(&mut self, event: &Event, next: UpdateId) -> Option<UpdateId> {
        let (id, state, planned) = match &event.kind {
            EventKind::MaintenanceScheduled { maintenance, .. } => {
                let Maintenance { id, text, from, to, .. } = maintenance.clone();
                // One that goes on and gets more time has not ended.
                let goes_on = self.state(id).is_some_and(MaintenanceState::is_active) && from <= event.at;
                let state = if goes_on { MaintenanceState::InProgress } else { MaintenanceState::Scheduled };
                (id, state, Some(Planned { text, from, to }))
            }
            EventKind::MaintenanceStarted { maintenance } => {
                (*maintenance, MaintenanceState::InProgress, None)
            }
            EventKind::MaintenanceOverran { maintenance } => (*maintenance, MaintenanceState::Overrun, None),
            EventKind::MaintenanceEnded { maintenance, .. } => {
                let has_started = self.state(*maintenance).is_some_and(MaintenanceState::is_active);
                let state =
                    if has_started { MaintenanceState::Completed } else { MaintenanceState::Cancelled };
                (*maintenance, state, None)
            }
            _ => return None,
        };
        let updates = self.0.entry(id).or_default();
        if updates.len() >= UPDATES_MAX {
            updates.remove(1);
        }
        updates.push(Recorded { id: next, at: event.at, state, planned });
        self.forget();
        Some(next)
    }

    fn state(&self, id: MaintenanceId) -> Option<MaintenanceState> {
        self.0.get(&id)?.last().map(|update| update.state)
    }

    /// Drops those that ended beyond the maximum, oldest first.
    fn forget(&mut self) {
        let is_over = |updates: &Vec<Recorded>| {
            let last = updates.last().map(|update| update.state);
            matches!(last, Some(MaintenanceState::Completed | MaintenanceState::Cancelled))
        };
        let over: Vec<MaintenanceId> =
            self.0.iter().filter(|(_, updates)| is_over(updates)).map(|(id, _)| *id).collect();
        for id in over.iter().take(over.len().saturating_sub(ENDED_MAX)) {
            self.0.remove(id);
        }
    }

    /// What was published about a maintenance, newest first.
    fn of(&self, config: &Config, id: MaintenanceId) -> Vec<MaintenanceUpdate> {
        let updates = self.0.get(&id).map_or(&[][..], Vec::as_slice);
        let text = |n: usize| {
            let Recorded { id, at, state, .. } = updates[n];
            MaintenanceUpdate { id, at, state, body: body(config, &updates[..=n]) }
        };
        (0..updates.len()).rev().map(text).collect()
    }
}

/// The text of the last one of these updates about a maintenance.
fn body(config: &Config, updates: &[Recorded]) -> String {
    let Some((update, earlier)) = updates.split_last() else { return String::new() };
    let timezone = &config.site.timezone;
    let planned = updates.iter().rev().find_map(|update| update.planned.as_ref());
    let text = planned.and_then(|planned| planned.text.as_deref());
    let text = text.map(|text| format!("{} ", replace_unsafe(text))).unwrap_or_default();
    let end = planned.map(|planned| clock(planned.to, timezone));
    match (update.state, planned, end) {
        (MaintenanceState::Scheduled, Some(Planned { from, .. }), Some(end)) => {
            let day = timezone.to_datetime(*from).strftime("%-d %B %Y");
            let word = if earlier.is_empty() { "Planned" } else { "Now planned" };
            format!("{text}{word} for {day}, {} to {end}.", clock(*from, timezone))
        }
        (MaintenanceState::InProgress, _, Some(end)) if update.planned.is_some() => {
            format!("The maintenance goes on. Its end is now planned for {end}.")
        }
        (MaintenanceState::InProgress, _, Some(end)) => {
            // One that is added and started at once has its details here.
            let text = if earlier.last().is_some_and(|before| before.at == update.at) {
                text
            } else {
                String::new()
            };
            format!("{text}The maintenance has started. Its end is planned for {end}.")
        }
        (MaintenanceState::Scheduled, ..) => "The maintenance is planned.".to_owned(),
        (MaintenanceState::InProgress, ..) => "The maintenance has started.".to_owned(),
        (MaintenanceState::Overrun, ..) => {
            "The maintenance takes longer than planned: not everything works again yet.".to_owned()
        }
        (MaintenanceState::Completed, ..) => "The maintenance has ended.".to_owned(),
        (MaintenanceState::Cancelled, ..) => "The maintenance was cancelled.".to_owned(),
    }
}
