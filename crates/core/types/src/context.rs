//! Context of a reaction: the one value that every core crate reacts to.
//!
//! Each core crate that decides has the same shape:
//!
//! ```text
//! apply(&mut self, &Event)                        the fold: takes a fact over and decides nothing
//! react(&mut self, &Context, &mut Events)         what follows now; nothing, once its events are applied
//! next_deadline(&self, &Context) -> Option<Time>  when it must react again if nothing else happens
//! ```

use crate::audit::Criterion;
use crate::held::HeldBy;
use crate::maintenance::{Reasons, Recovery};
use crate::{
    Alert, AlertId, ChangeId, Config, Incident, IncidentId, KnownSilence, LastResult, MaintenanceId,
    RecordedChange, Resource, ScheduledMaintenance, SeenAt, SilenceId, Time,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a core crate reacts to, all of it borrowed.
///
/// The crates react in one order - detection, diagnosis, paging, status page - and each sees what those before it have
/// decided in the same round. So a context lives for one reaction, not for a batch: it borrows the crates upstream, and
/// their events are applied before the next crate reacts. What is not decided yet at a crate's place in the order is
/// empty; a crate has its own facts in its state.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The configuration in force.
    pub config: &'a Config,
    /// Engine time.
    pub now: Time,
    /// Open alerts. Decided by detection.
    pub alerts: &'a BTreeMap<AlertId, Alert>,
    /// Observations of detection since boot.
    pub observed: &'a dyn Observed,
    /// Open incidents, and those that ended recently. Decided by diagnosis.
    pub incidents: &'a BTreeMap<IncidentId, Incident>,
    /// Changes of the last days.
    pub changes: &'a BTreeMap<ChangeId, RecordedChange>,
    /// Maintenances: scheduled, going on, and those that ended recently.
    pub maintenances: &'a BTreeMap<MaintenanceId, ScheduledMaintenance>,
    /// Failures that were repaired during a maintenance.
    pub recoveries: &'a BTreeMap<AlertId, Recovery>,
    /// Silences: pending, active, and those that ended recently.
    pub silences: &'a BTreeMap<SilenceId, KnownSilence>,
    /// Criteria that fail the audit.
    pub musts: &'a BTreeSet<Criterion>,
}

/// Observations since boot, as the core crates after detection need them.
pub trait Observed {
    /// Last result of a resource.
    fn last_result(&self, resource: &Resource) -> Option<LastResult>;

    /// Resources that are measured at the addresses or behind the alias of an alert; at most `most`.
    fn colocated(&self, config: &Config, place: &SeenAt, most: usize) -> BTreeSet<Resource>;

    /// Whether mainstay itself has no connectivity.
    fn is_isolated(&self) -> bool;
}

/// Observations of a process that has not observed anything.
struct Nothing;

impl Observed for Nothing {
    fn last_result(&self, _: &Resource) -> Option<LastResult> {
        None
    }

    fn colocated(&self, _: &Config, _: &SeenAt, _: usize) -> BTreeSet<Resource> {
        BTreeSet::new()
    }

    fn is_isolated(&self) -> bool {
        false
    }
}

impl<'a> Context<'a> {
    /// Context of the first crate, detection: nothing is decided before it.
    #[must_use]
    pub fn new(config: &'a Config, now: Time) -> Self {
        static ALERTS: BTreeMap<AlertId, Alert> = BTreeMap::new();
        static INCIDENTS: BTreeMap<IncidentId, Incident> = BTreeMap::new();
        static CHANGES: BTreeMap<ChangeId, RecordedChange> = BTreeMap::new();
        static MAINTENANCES: BTreeMap<MaintenanceId, ScheduledMaintenance> = BTreeMap::new();
        static RECOVERIES: BTreeMap<AlertId, Recovery> = BTreeMap::new();
        static SILENCES: BTreeMap<SilenceId, KnownSilence> = BTreeMap::new();
        static MUSTS: BTreeSet<Criterion> = BTreeSet::new();
        Self {
            config,
            now,
            alerts: &ALERTS,
            observed: &Nothing,
            incidents: &INCIDENTS,
            changes: &CHANGES,
            maintenances: &MAINTENANCES,
            recoveries: &RECOVERIES,
            silences: &SILENCES,
            musts: &MUSTS,
        }
    }

    /// Adds what detection has decided and observed.
    #[must_use]
    pub fn detected(self, alerts: &'a BTreeMap<AlertId, Alert>, observed: &'a dyn Observed) -> Self {
        Self { alerts, observed, ..self }
    }

    /// Adds what diagnosis has decided.
    #[must_use]
    pub fn diagnosed(self, incidents: &'a BTreeMap<IncidentId, Incident>) -> Self {
        Self { incidents, ..self }
    }

    /// Adds the changes of the last days.
    #[must_use]
    pub fn changed(self, changes: &'a BTreeMap<ChangeId, RecordedChange>) -> Self {
        Self { changes, ..self }
    }

    /// Adds the maintenances, and the failures that were repaired during one.
    #[must_use]
    pub fn maintained(
        self,
        maintenances: &'a BTreeMap<MaintenanceId, ScheduledMaintenance>,
        recoveries: &'a BTreeMap<AlertId, Recovery>,
    ) -> Self {
        Self { maintenances, recoveries, ..self }
    }

    /// Adds the silences.
    #[must_use]
    pub fn silenced(self, silences: &'a BTreeMap<SilenceId, KnownSilence>) -> Self {
        Self { silences, ..self }
    }

    /// Adds the criteria that fail the audit.
    #[must_use]
    pub fn audited(self, musts: &'a BTreeSet<Criterion>) -> Self {
        Self { musts, ..self }
    }

    /// What decides whether a failure is explained by a maintenance.
    #[must_use]
    pub fn reasons(&self) -> Reasons<'a> {
        Reasons { all: self.maintenances, recoveries: self.recoveries, graph: &self.config.graph }
    }

    /// The active silence of an alert that ends last.
    #[must_use]
    pub fn silence_of(&self, alert: &Alert) -> Option<&'a KnownSilence> {
        let active = self.silences.values().filter(|one| one.is_active(self.now));
        active.filter(|one| one.silence.is_about(alert)).max_by_key(|one| one.end())
    }

    /// The maintenance or silence that holds the page of an incident, and until when: each of its open alerts is explained or
    /// silenced.
    #[must_use]
    pub fn held_by(&self, incident: &Incident) -> Option<(HeldBy<'a>, Time)> {
        // The usual case, in which there is none, costs next to nothing.
        let holds = |one: &ScheduledMaintenance| one.holds_until().is_some_and(|until| self.now < until);
        let is_maintained = self.maintenances.values().any(holds);
        if !is_maintained && !self.silences.values().any(|one| one.is_active(self.now)) {
            return None;
        }
        let open = || incident.diagnosis.alerts.iter().filter_map(|id| self.alerts.get(id));
        let silenced = |alert: &Alert| {
            let silence = self.silence_of(alert)?;
            Some((HeldBy::Silence(silence), silence.end()))
        };
        if !open().any(|alert| silenced(alert).is_some()) {
            let (one, until) = self.reasons().of_incident(incident, self.alerts)?;
            return (self.now < until).then_some((HeldBy::Maintenance(one), until));
        }
        let explained = |alert: &Alert| {
            let (one, until) = self.reasons().of_alert(incident, alert)?;
            (self.now < until).then_some((HeldBy::Maintenance(one), until))
        };
        let held: Option<Vec<_>> = open()
            .map(|alert| silenced(alert).into_iter().chain(explained(alert)).max_by_key(|held| held.1))
            .collect();
        held?.into_iter().min_by_key(|(_, until)| *until)
    }

    /// Last result of a resource since boot.
    #[must_use]
    pub fn last_result(&self, resource: &Resource) -> Option<LastResult> {
        self.observed.last_result(resource)
    }

    /// Resources that are measured at the addresses or behind the alias of an alert; at most `most`.
    #[must_use]
    pub fn colocated(&self, place: &SeenAt, most: usize) -> BTreeSet<Resource> {
        self.observed.colocated(self.config, place, most)
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("now", &self.now).field("alerts", self.alerts).finish_non_exhaustive()
    }
}
