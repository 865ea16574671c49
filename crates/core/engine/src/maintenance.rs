//! Maintenances: a fold of the journal, those of the configuration, their start and end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::config::PlannedMaintenance;
use types::event::{Event, EventKind, Events};
use types::input::Refused;
use types::maintenance::{GRACE, LASTING_MAX, NewMaintenance, Recovery, ScheduledMaintenance};
use types::time::{between, earlier, later};
use types::{Actor, Alert, AlertId, Config, Context, Maintenance, MaintenanceId, Resource, Severity, Time};

/// Maximum of maintenances that have not ended.
const OPEN_MAX: usize = 200;
/// Maximum of ended ones that are kept.
const ENDED_MAX: usize = 300;
/// Age from which an ended one is forgotten: longer than the status page shows any.
const KEPT_FOR: Duration = Duration::from_secs(100 * 86_400);
/// The shortest maintenance.
const LASTING_MIN: Duration = Duration::from_secs(60);
/// How far away the start of a maintenance may be.
const AHEAD_DAYS: u64 = 400;
/// Those of the configuration are scheduled this long before they start, and the next one always.
const SCHEDULED_AHEAD: Duration = Duration::from_secs(14 * 86_400);
/// Maximum of scheduled ones for one section of the configuration.
const SCHEDULED_MAX: usize = 14;
/// Maximum of failures during maintenances that are kept: of more, dependants page when their cause has recovered.
const FAILURES_MAX: usize = 5_000;
/// How often the configuration is compared with what is scheduled, if it does not change.
const COMPARED_EVERY: Duration = Duration::from_secs(900);

/// Maintenances by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Maintenances {
    state: State,
    /// Digest and time of the last comparison with the configuration.
    compared: Option<(String, Time)>,
}

#[derive(Debug, Default)]
struct State {
    by_id: BTreeMap<MaintenanceId, ScheduledMaintenance>,
    last: u64,
    /// Open alerts that began while one went on.
    failures: BTreeMap<AlertId, (Resource, Time)>,
    /// Failures that were repaired while one went on.
    recoveries: BTreeMap<AlertId, Recovery>,
    /// Those that were cancelled because the configuration no longer had them. It may get them back.
    withdrawn: BTreeSet<MaintenanceId>,
}

impl Maintenances {
    pub(crate) fn apply(&mut self, event: &Event) {
        let at = event.at;
        match &event.kind {
            EventKind::MaintenanceScheduled { maintenance, by } => {
                self.state.schedule(at, maintenance, by);
            }
            EventKind::MaintenanceStarted { maintenance } => self.state.change(at, *maintenance, |one| {
                one.started = Some(at);
            }),
            EventKind::MaintenanceOverran { maintenance } => self.state.change(at, *maintenance, |one| {
                one.overran = Some(at);
            }),
            EventKind::MaintenanceEnded { maintenance, by } => {
                self.state.change(at, *maintenance, |one| one.ended = Some(at));
                if *by == Some(Actor::mainstay()) {
                    self.state.withdrawn.insert(*maintenance);
                }
                self.state.forget(at);
            }
            EventKind::AlertOpened { alert } => return self.state.failed(alert),
            EventKind::AlertClosed { alert } => return self.state.recovered(at, *alert),
            _ => return,
        }
        self.compared = None;
    }

    pub(crate) fn all(&self) -> &BTreeMap<MaintenanceId, ScheduledMaintenance> {
        &self.state.by_id
    }

    pub(crate) fn recoveries(&self) -> &BTreeMap<AlertId, Recovery> {
        &self.state.recoveries
    }

    /// The event of a maintenance that a person or a program adds.
    pub(crate) fn add(
        &self,
        config: &Config,
        now: Time,
        new: &NewMaintenance,
        by: Actor,
    ) -> Result<EventKind, Refused> {
        if let Some(unknown) = new.services.iter().find(|service| !config.services.contains_key(*service)) {
            return Err(Refused::UnknownService(unknown.clone()));
        }
        if let Some(unknown) = new.resources.iter().find(|resource| !config.graph.contains(resource)) {
            return Err(Refused::UnknownResource(unknown.clone()));
        }
        if new.services.is_empty() && new.resources.is_empty() {
            return Err(Refused::MaintenanceOfNothing);
        }
        if !(LASTING_MIN..=LASTING_MAX).contains(&new.lasting) {
            return Err(Refused::MaintenanceLength);
        }
        let from = new.from.unwrap_or(now);
        let to = later(from, new.lasting);
        if to <= now || later(now, Duration::from_secs(AHEAD_DAYS * 86_400)) < from {
            return Err(Refused::MaintenanceDate(AHEAD_DAYS));
        }
        if self.state.by_id.values().filter(|one| one.ended.is_none()).count() >= OPEN_MAX {
            return Err(Refused::TooManyMaintenances(OPEN_MAX));
        }
        let maintenance = Maintenance {
            id: MaintenanceId(self.state.last + 1),
            title: new.title.clone(),
            text: new.text.clone(),
            services: new.services.clone(),
            resources: new.resources.clone(),
            // What failed before it was known stays unexplained.
            from: from.max(now),
            to,
            section: None,
        };
        Ok(EventKind::MaintenanceScheduled { maintenance, by })
    }

    /// The event that moves the end of one.
    pub(crate) fn extend(
        &self,
        now: Time,
        id: MaintenanceId,
        longer: Duration,
        by: Actor,
    ) -> Result<EventKind, Refused> {
        let one = self.state.by_id.get(&id).ok_or(Refused::NoSuchMaintenance(id))?;
        if one.ended.is_some() {
            return Err(Refused::MaintenanceOver(id));
        }
        let to = later(one.planned.to.max(now), longer);
        let lasting = between(one.planned.from, to);
        if longer < LASTING_MIN || lasting > LASTING_MAX {
            return Err(Refused::MaintenanceLength);
        }
        let maintenance = Maintenance { to, ..one.planned.clone() };
        Ok(EventKind::MaintenanceScheduled { maintenance, by })
    }

    /// The event that ends one early.
    pub(crate) fn end(&self, id: MaintenanceId, by: Actor) -> Result<EventKind, Refused> {
        let one = self.state.by_id.get(&id).ok_or(Refused::NoSuchMaintenance(id))?;
        if one.ended.is_some() {
            return Err(Refused::MaintenanceOver(id));
        }
        Ok(EventKind::MaintenanceEnded { maintenance: id, by: Some(by) })
    }

    /// Schedules those of the configuration; starts and ends those whose time has come. `context` has the alerts.
    pub(crate) fn react(&mut self, context: &Context<'_>, events: &mut Events) {
        let Context { config, now, .. } = *context;
        let is_compared = self
            .compared
            .as_ref()
            .is_some_and(|(digest, at)| *digest == config.digest && between(*at, now) < COMPARED_EVERY);
        if !is_compared {
            self.compare(config, now, events);
            self.compared = Some((config.digest.clone(), now));
        }
        for one in self.state.by_id.values().filter(|one| one.ended.is_none()) {
            let maintenance = one.planned.id;
            if one.started.is_none() {
                if one.planned.from <= now {
                    events.push(EventKind::MaintenanceStarted { maintenance });
                }
            } else if now < one.planned.from {
                // It started on a clock that was ahead: the same plan again, and it starts when its time comes.
                let (maintenance, by) = (one.planned.clone(), one.by.clone());
                events.push(EventKind::MaintenanceScheduled { maintenance, by });
            } else if one.planned.to <= now {
                let fails = still_fails(context, one);
                if !fails || later(one.planned.to, GRACE) <= now {
                    events.push(EventKind::MaintenanceEnded { maintenance, by: None });
                } else if one.overran.is_none() {
                    events.push(EventKind::MaintenanceOverran { maintenance });
                }
            }
        }
    }

    /// The next start, planned end, or end of the time during which pages are held.
    pub(crate) fn next_deadline(&self, context: &Context<'_>) -> Option<Time> {
        let deadline = |one: &ScheduledMaintenance| match (one.started, one.ended) {
            (None, None) => Some(one.planned.from),
            (None, Some(_)) => None,
            (Some(_), None) if one.overran.is_none() => Some(one.planned.to),
            (Some(_), _) => one.holds_until().filter(|until| one.ended.is_none() || context.now < *until),
        };
        let recovered = self.state.recoveries.values().map(|recovery| later(recovery.closed, GRACE));
        let pending = recovered.filter(|until| context.now < *until);
        self.state.by_id.values().filter_map(deadline).chain(pending).min()
    }

    /// Schedules and cancels until the maintenances are those of the configuration.
    fn compare(&self, config: &Config, now: Time, events: &mut Events) {
        let mut kept: BTreeSet<MaintenanceId> = BTreeSet::new();
        let mut last = self.state.last;
        for (section, planned) in &config.maintenances {
            for (from, to) in occurrences(config, planned, now) {
                let known = self.state.of_section(section, from);
                let id = known.map_or_else(
                    || {
                        last += 1;
                        MaintenanceId(last)
                    },
                    |known| known.planned.id,
                );
                kept.insert(id);
                // A person may have extended one that goes on.
                let extended = known.filter(|known| known.is_active()).map(|known| known.planned.to);
                let to = extended.map_or(to, |extended| extended.max(to));
                let maintenance = wanted(id, section, planned, (from, to));
                if known.is_none_or(|known| known.ended.is_none() && known.planned != maintenance) {
                    events.push(EventKind::MaintenanceScheduled { maintenance, by: Actor::mainstay() });
                }
            }
        }
        let is_gone = |one: &&ScheduledMaintenance| {
            let Some(section) = &one.planned.section else { return false };
            // One that goes on may have been extended beyond what the section says.
            let is_planned = match one.is_active() {
                true => config.maintenances.contains_key(section),
                false => kept.contains(&one.planned.id),
            };
            one.ended.is_none() && now < one.planned.to && !is_planned
        };
        let gone = self.state.by_id.values().filter(is_gone);
        events.extend(gone.map(|one| EventKind::MaintenanceEnded {
            maintenance: one.planned.id,
            by: Some(Actor::mainstay()),
        }));
    }

    pub(crate) fn state_text(&self) -> String {
        format!("{:#?}", self.state)
    }
}

impl State {
    fn schedule(&mut self, at: Time, planned: &Maintenance, by: &Actor) {
        self.last = self.last.max(planned.id.0);
        if let Some(known) = self.by_id.get_mut(&planned.id) {
            known.planned.clone_from(planned);
            known.by.clone_from(by);
            known.changed = at;
            known.revision = known.revision.saturating_add(1);
            known.started = known.started.filter(|_| planned.from <= at);
            known.overran = known.overran.filter(|_| planned.to <= at);
            return;
        }
        let one = ScheduledMaintenance {
            planned: planned.clone(),
            by: by.clone(),
            added: at,
            changed: at,
            revision: 0,
            started: None,
            overran: None,
            ended: None,
        };
        self.by_id.insert(planned.id, one);
    }

    fn change(&mut self, at: Time, id: MaintenanceId, change: impl FnOnce(&mut ScheduledMaintenance)) {
        if let Some(one) = self.by_id.get_mut(&id) {
            change(one);
            one.changed = at;
            one.revision = one.revision.saturating_add(1);
        }
    }

    fn failed(&mut self, alert: &Alert) {
        if self.by_id.values().any(ScheduledMaintenance::is_active) && self.failures.len() < FAILURES_MAX {
            self.failures.insert(alert.id, (alert.about.clone(), alert.since));
        }
    }

    fn recovered(&mut self, at: Time, alert: AlertId) {
        self.recoveries.retain(|_, recovery| between(recovery.closed, at) < GRACE);
        if let Some((about, since)) = self.failures.remove(&alert)
            && self.recoveries.len() < FAILURES_MAX
        {
            self.recoveries.insert(alert, Recovery { about, since, closed: at });
        }
    }

    fn of_section(&self, section: &str, from: Time) -> Option<&ScheduledMaintenance> {
        let mut all = self.by_id.values().filter(|one| !self.withdrawn.contains(&one.planned.id));
        all.find(|one| one.planned.section.as_deref() == Some(section) && one.planned.from == from)
    }

    fn forget(&mut self, now: Time) {
        let oldest = earlier(now, KEPT_FOR);
        self.by_id.retain(|_, one| one.ended.is_none_or(|ended| oldest < ended));
        let ended: Vec<MaintenanceId> =
            self.by_id.values().filter(|one| one.ended.is_some()).map(|one| one.planned.id).collect();
        for id in ended.iter().take(ended.len().saturating_sub(ENDED_MAX)) {
            self.by_id.remove(id);
        }
        self.withdrawn.retain(|id| self.by_id.contains_key(id));
    }
}

/// The next maintenances of a section that have not ended.
fn occurrences(config: &Config, planned: &PlannedMaintenance, now: Time) -> Vec<(Time, Time)> {
    let timezone = &config.site.timezone;
    let starts = oncall::schedule::starts(timezone, planned.start, planned.repeat, now);
    // Two starts in one gap of the wall clock, of a repetition by hours, are one instant.
    let mut last = None;
    let starts = starts.filter(move |(_, at)| last.replace(*at) != Some(*at));
    let before_end =
        starts.take_while(|(local, at)| planned.until.is_none_or(|until| *local < until) && *at < Time::MAX);
    let not_over =
        before_end.map(|(_, from)| (from, later(from, planned.duration))).filter(|(_, to)| now < *to);
    let horizon = later(now, SCHEDULED_AHEAD);
    let near = not_over.enumerate().take_while(|(n, (from, _))| *n == 0 || *from <= horizon);
    // The first is the one that goes on, if any: over already, it is left out.
    near.map(|(_, times)| times).take(SCHEDULED_MAX).collect()
}

fn wanted(
    id: MaintenanceId,
    section: &str,
    planned: &PlannedMaintenance,
    (from, to): (Time, Time),
) -> Maintenance {
    let PlannedMaintenance { title, text, services, resources, .. } = planned.clone();
    Maintenance { id, title, text, services, resources, from, to, section: Some(section.to_owned()) }
}

/// Whether an alert that a maintenance explains is open.
fn still_fails(context: &Context<'_>, one: &ScheduledMaintenance) -> bool {
    let mut alerts = context.alerts.values().filter(|alert| alert.severity > Severity::Info);
    alerts.any(|alert| one.explains(&context.config.graph, alert))
}
