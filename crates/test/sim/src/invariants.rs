//! Invariants that hold at every step, whatever fails (the promises P1-P5, P8 and P10 of docs/concepts/promises.md).

use crate::disk::Disk;
use engine::Engine;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use types::event::{Event, EventKind};
use types::fault::{DomainFault, TlsFault};
use types::{
    Alert, AlertId, Config, Fault, IncidentId, Notification, NotificationKey, PageId, Severity, Time, time,
};

/// The longest that an unacknowledged page may be silent: the fallback is tried every five minutes, a
/// provider's outcome may be lost for half a minute, and a restart takes five seconds.
const SILENT_MAX: Duration = Duration::from_secs(300 + 30 + 30);
/// The same when no one has answered for three hours: redials are rarer then, within what a provider carries in a day.
const SILENT_MAX_LATER: Duration = Duration::from_secs(600 + 30 + 30);
const LATER: Duration = Duration::from_secs(3 * 3_600);
/// First attempt after a page opens (P2), and after a restart.
const FIRST_WITHIN: Duration = Duration::from_secs(10);
const FIRST_WITHIN_AFTER_RESTART: Duration = Duration::from_secs(30);

/// An acknowledgement holds for half an hour; engine time runs faster by a tenth at most while it follows a wall clock.
const ACKNOWLEDGED_MIN: Duration = Duration::from_secs(27 * 60);

/// The public page shows incidents of seven days; a confirmed clock may be half a day ahead.
const SHOWN_FOR: Duration = Duration::from_secs(5 * 86_400);

/// How far the watched time may be off at all, and by each confirmed step of the clock.
const SLACK: Duration = Duration::from_secs(60);

/// Longest debounce of an alert.
const HEARD_WITHIN: Duration = Duration::from_secs(15);

/// An invariant that broke.
#[derive(Clone, Debug)]
pub struct Broken {
    /// When.
    pub at: Time,
    /// Which, in words.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}: {}", self.at, self.what)
    }
}

/// Observes the engine from outside; a crash of the engine does not reset it.
#[derive(Debug, Default)]
pub struct Observer {
    sends: BTreeMap<NotificationKey, u32>,
    /// How often an attempt was said to have failed: its retry has the same key.
    failures: BTreeMap<NotificationKey, u32>,
    crashes: u32,
    restarted: Option<Time>,
    opened: BTreeMap<PageId, Time>,
    spoke: BTreeMap<PageId, Time>,
    steps: BTreeMap<PageId, (u32, u32)>,
    /// What the last events broke.
    broken: Option<String>,
    /// Outcomes may be lost in this run: a message is owed once more then.
    outcomes_get_lost: bool,
    accepted: BTreeSet<IncidentId>,
    /// When each acknowledgement was accepted, by true time.
    accepted_at: BTreeMap<IncidentId, Time>,
    begun: Option<Time>,
    /// Time in which the machine was suspended.
    asleep: Duration,
    /// Confirmed steps of the clock.
    clock_sets: u32,
    /// Incidents of which the public page has spoken.
    public: BTreeSet<IncidentId>,
    /// Since when alerts that hurt are in no open incident.
    unheard: BTreeMap<AlertId, Time>,
}

impl Observer {
    /// An observer of a run in which outcomes may be lost, or not.
    #[must_use]
    pub fn new(outcomes_get_lost: bool, begun: Time) -> Self {
        Self { outcomes_get_lost, begun: Some(begun), ..Self::default() }
    }

    /// Acknowledgements that were answered with "written down".
    pub fn accepted(&mut self, incidents: &[IncidentId], now: Time) {
        self.accepted.extend(incidents);
        self.accepted_at.extend(incidents.iter().map(|incident| (*incident, now)));
    }

    /// What the engine decided.
    pub fn saw(&mut self, events: &[Event], now: Time) {
        for event in events {
            match &event.kind {
                EventKind::PageOpened { page, .. } => {
                    self.opened.insert(*page, now);
                    self.spoke.insert(*page, now);
                    self.steps.remove(page);
                }
                EventKind::PageClosed { page } => {
                    self.opened.remove(page);
                    self.spoke.remove(page);
                }
                EventKind::PageStep { page, round, step, people, .. } => {
                    self.climbed(*page, (*round, *step), people.is_empty());
                }
                EventKind::AttemptEnded { delivery, .. } if delivery.result.is_err() => {
                    *self.failures.entry(delivery.key.clone()).or_default() += 1;
                }
                EventKind::AcknowledgementExpired { incident } => {
                    self.accepted.remove(incident);
                    let held = self.accepted_at.get(incident).map(|at| time::between(*at, now));
                    if let Some(held) = held.filter(|held| *held < ACKNOWLEDGED_MIN) {
                        let held = time::spoken(held);
                        self.broken = Some(format!("the acknowledgement of {incident} ended after {held}"));
                    }
                }
                EventKind::UpdatePublished { incident, .. } => {
                    self.public.insert(*incident);
                }
                _ => {}
            }
        }
    }

    /// No step is skipped (P4): each is the next one, the fallback (which names no person), or the first of a new
    /// round.
    fn climbed(&mut self, page: PageId, to: (u32, u32), fallback: bool) {
        let fine = match self.steps.insert(page, to) {
            None => to.1 == 0 || fallback,
            Some(from) => {
                let next = to.0 == from.0 && to.1 == from.1 + 1;
                next || fallback || (to.0 == from.0 + 1 && to.1 == 0)
            }
        };
        if !fine {
            self.broken = Some(format!("{page} came to round {}, step {} out of turn", to.0, to.1));
        }
    }

    /// What went out to people.
    pub fn sent(&mut self, notifications: &[Notification], now: Time) {
        for notification in notifications {
            *self.sends.entry(notification.key.clone()).or_default() += 1;
            if let Some(page) = notification.page {
                self.spoke.insert(page, now);
                self.opened.remove(&page);
            }
        }
    }

    /// The process died and is back.
    pub fn crashed(&mut self, now: Time) {
        self.crashes += 1;
        self.restarted = Some(now);
    }

    /// A step of the clock was confirmed, and the journal folded again.
    pub fn clock_set(&mut self, now: Time) {
        self.clock_sets += 1;
        self.crashed(now);
    }

    /// The machine was suspended: no one could be called.
    pub fn slept(&mut self, span: Duration) {
        self.asleep += span;
        let times = self.opened.values_mut().chain(self.spoke.values_mut()).chain(self.restarted.as_mut());
        times.for_each(|at| *at = time::later(*at, span));
    }

    /// Everything that must hold between two steps. `now` is true time.
    ///
    /// # Errors
    /// What does not.
    pub fn check(&mut self, engine: &Engine, now: Time) -> Result<(), Broken> {
        let broken = |what: String| Err(Broken { at: now, what });
        let Some(engine_time) = engine.last() else { return Ok(()) };
        if let Some(incident) = engine.incidents().values().find(|incident| incident.opened > engine_time) {
            return broken(format!("{} opened in the future", incident.id));
        }
        if let Some(what) = self.broken.take() {
            return broken(what);
        }
        for incident in engine.incidents().values().filter(|incident| incident.is_open()) {
            let page = engine.pages().values().find(|page| page.incident == incident.id && page.is_open());
            let Some(page) = page else {
                let is_held = engine.held_by(incident).is_some();
                let waits = incident.diagnosis.calm || incident.diagnosis.ahead.is_some() || is_held;
                if incident.diagnosis.wakes
                    && !waits
                    && !incident.is_acknowledged(engine_time)
                    && !self.just_restarted(now)
                {
                    return broken(format!("{} wakes somebody, but has no page", incident.id));
                }
                continue;
            };
            if self.opened.get(&page.id) == Some(&now) && engine.held_by(incident).is_some() {
                return broken(format!("{} was paged although a maintenance explains it", incident.id));
            }
            // Nothing fails any more, or it waits for the morning: no one needs to be called.
            let quiet = incident.diagnosis.calm || incident.diagnosis.ahead.is_some();
            if incident.is_acknowledged(engine_time) || quiet {
                self.spoke.insert(page.id, now);
                self.opened.remove(&page.id);
                continue;
            }
            let spoke = *self.spoke.entry(page.id).or_insert(now);
            let silent = time::between(spoke, now);
            let limit = if time::between(page.run_start, engine_time) < LATER {
                SILENT_MAX
            } else {
                SILENT_MAX_LATER
            };
            if silent > limit {
                return broken(format!("{} was silent for {}", page.id, time::spoken(silent)));
            }
            let limit = if self.just_restarted(now) { FIRST_WITHIN_AFTER_RESTART } else { FIRST_WITHIN };
            if let Some(opened) = self.opened.get(&page.id)
                && time::between(*opened, now) > limit
            {
                return broken(format!(
                    "{} opened, and nothing went out within {}",
                    page.id,
                    time::spoken(limit)
                ));
            }
        }
        self.one_page_a_cause(engine, now)?;
        self.nothing_hurts_unheard(engine, now)?;
        for incident in &self.accepted {
            let Some(incident) = engine.incidents().get(incident) else { continue };
            if incident.is_open() && incident.acknowledged.is_none() {
                return broken(format!("{} was acknowledged, and that was forgotten", incident.id));
            }
        }
        for incident in engine.incidents().values().filter(|incident| incident.resolved.is_some()) {
            let open = incident.diagnosis.alerts.iter().find(|id| engine.alerts().contains_key(id));
            if let Some(alert) = open {
                return broken(format!("{} is over while {alert} is open", incident.id));
            }
        }
        Ok(())
    }

    /// What hurts is part of an open incident, as soon as its alerts settled.
    fn nothing_hurts_unheard(&mut self, engine: &Engine, now: Time) -> Result<(), Broken> {
        let open = engine.incidents().values().filter(|incident| incident.is_open());
        let heard: BTreeSet<AlertId> =
            open.flat_map(|incident| incident.diagnosis.alerts.iter().copied()).collect();
        let hurts = |alert: &&Alert| {
            let is_ahead = matches!(
                alert.fault,
                Fault::Tls { tls: TlsFault::Expiring { .. } }
                    | Fault::Domain { domain: DomainFault::Expires { .. } }
            );
            alert.severity == Severity::Critical && !is_ahead && !heard.contains(&alert.id)
        };
        let unheard: BTreeSet<AlertId> =
            engine.alerts().values().filter(hurts).map(|alert| alert.id).collect();
        self.unheard.retain(|id, _| unheard.contains(id));
        for id in unheard {
            let since = *self.unheard.entry(id).or_insert(now);
            if time::between(since, now) > HEARD_WITHIN && !self.just_restarted(now) {
                let what = format!("{id} hurts, and no open incident knows of it");
                return Err(Broken { at: now, what });
            }
        }
        Ok(())
    }

    fn one_page_a_cause(&self, engine: &Engine, now: Time) -> Result<(), Broken> {
        let mut causes = BTreeSet::new();
        for page in engine.pages().values().filter(|page| page.is_open()) {
            if let Some(incident) = engine.incidents().get(&page.incident)
                && !causes.insert(&incident.diagnosis.cause)
            {
                let what = format!("two pages are open for {}", incident.diagnosis.cause);
                return Err(Broken { at: now, what });
            }
        }
        Ok(())
    }

    fn just_restarted(&self, now: Time) -> bool {
        self.restarted.is_some_and(|at| time::between(at, now) < FIRST_WITHIN_AFTER_RESTART)
    }

    /// The fold of what is on disk equals the live state.
    ///
    /// # Errors
    /// The first line in which they differ.
    pub fn same_after_replay(
        &self,
        live: &Engine,
        disk: &Disk,
        config: &Arc<Config>,
        now: Time,
    ) -> Result<(), Broken> {
        let mut read = |after, _| -> Result<_, std::convert::Infallible> {
            Ok(if after == 0 { disk.all() } else { Vec::new() })
        };
        let Ok(replayed) = Engine::fold(config, &mut read);
        let (live, replayed) = (live.state_text(), replayed.state_text());
        if live == replayed {
            return Ok(());
        }
        let differing = live.lines().zip(replayed.lines()).find(|(a, b)| a != b);
        Err(Broken { at: now, what: format!("replay differs from the live state: {differing:?}") })
    }

    /// Whatever the clock showed meanwhile, no incident of the last days is gone from the public page.
    ///
    /// # Errors
    /// The first that is.
    pub fn nothing_is_forgotten(&self, engine: &Engine, now: Time) -> Result<(), Broken> {
        if self.public.is_empty() || self.begun.is_none_or(|begun| time::between(begun, now) > SHOWN_FOR) {
            return Ok(());
        }
        let status_page = engine.views().status_page;
        let past = status_page.past.iter().flat_map(|day| &day.incidents);
        let shown: BTreeSet<IncidentId> =
            status_page.open.iter().chain(past).map(|incident| incident.id).collect();
        let merged = |id: &&IncidentId| {
            engine.incidents().get(*id).is_some_and(|incident| incident.merged_into.is_some())
        };
        match self.public.difference(&shown).find(|id| !merged(id)) {
            Some(id) => Err(Broken { at: now, what: format!("{id} was public, and the page forgot it") }),
            None => Ok(()),
        }
    }

    /// No service counts as watched for longer than the machine was awake.
    fn only_the_watched_counts(&self, engine: &Engine, config: &Config, now: Time) -> Result<(), Broken> {
        let Some(begun) = self.begun else { return Ok(()) };
        let awake = time::between(begun, now).saturating_sub(self.asleep);
        let most = awake + SLACK + SLACK * self.clock_sets;
        for service in config.services.keys() {
            let watched = engine.watched(service, 10);
            if watched > most {
                let (watched, awake) = (time::spoken(watched), time::spoken(awake));
                let what = format!("{service} counts as watched for {watched} of {awake} awake");
                return Err(Broken { at: now, what });
            }
        }
        Ok(())
    }

    /// What must hold when the world has been well for an hour.
    ///
    /// # Errors
    /// What does not.
    pub fn at_the_end(
        &self,
        engine: &Engine,
        disk: &Disk,
        config: &Arc<Config>,
        now: Time,
    ) -> Result<(), Broken> {
        self.same_after_replay(engine, disk, config, now)?;
        if let Some(incident) = engine.incidents().values().find(|incident| incident.is_open()) {
            let what = format!(
                "the world is well, but {} is still open: {}",
                incident.id, incident.diagnosis.summary
            );
            return Err(Broken { at: now, what });
        }
        self.nothing_is_forgotten(engine, now)?;
        self.only_the_watched_counts(engine, config, now)?;
        // Once and once after each failure; once more for each crash (P3); and twice where outcomes get lost, for it is
        // owed again.
        let tries = |key: &NotificationKey| 1 + self.failures.get(key).copied().unwrap_or_default();
        let allowed =
            |key: &NotificationKey| tries(key) * (1 + u32::from(self.outcomes_get_lost)) + self.crashes;
        if let Some((key, count)) = self.sends.iter().find(|(key, count)| **count > allowed(key)) {
            return Err(Broken { at: now, what: format!("{key} went out {count} times") });
        }
        Ok(())
    }
}
