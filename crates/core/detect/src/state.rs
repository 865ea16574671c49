//! State of detection: a fold of the journal and nothing else.

use crate::heartbeat::{Gaps, Job};
use crate::pool::peak;
use std::collections::{BTreeMap, BTreeSet};
use types::database::KnownPrimary;
use types::event::Event;
use types::fault::DomainFault;
use types::probe_result::DomainSeen;
use types::{Alert, AlertId, EventKind, Fault, PoolId, ProbeId, Resource, ServiceId, Time};

/// A registration by the last answer of the registry.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// The answer.
    pub seen: DomainSeen,
    /// Time of the first answer with this content.
    pub at: Time,
}

/// Name servers that count as intended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delegation {
    pub(crate) servers: BTreeSet<String>,
    pub(crate) at: Time,
}

/// An expiry that an open alert reports as past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expired {
    pub(crate) at: Option<Time>,
    pub(crate) parked: bool,
}

/// Everything folded from events. Two folds of one journal are equal.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) alerts: BTreeMap<AlertId, Alert>,
    pub(crate) last_alert: u64,
    pub(crate) delegations: BTreeMap<String, Delegation>,
    pub(crate) registrations: BTreeMap<String, Registration>,
    /// The last registration of each domain without a passed date or a status of trouble.
    pub(crate) settled: BTreeMap<String, DomainSeen>,
    /// Usual requests per second of a service, in thousandths, and when they were recorded.
    pub(crate) usual: BTreeMap<ServiceId, (u64, Time)>,
    /// Learned status code of each web address without a declared one.
    pub(crate) baselines: BTreeMap<ProbeId, u16>,
    /// Recorded peaks of each pool behind another load balancer.
    pub(crate) peaks: BTreeMap<PoolId, peak::Records>,
    /// The last known primary of each database, by its name.
    pub(crate) primaries: BTreeMap<String, KnownPrimary>,
    /// Jobs that report by heartbeats, by name.
    pub(crate) jobs: BTreeMap<String, Job>,
    /// Times without monitoring.
    pub(crate) gaps: Gaps,
    /// Start of uninterrupted monitoring with this configuration.
    pub(crate) monitored_since: Option<Time>,
}

impl State {
    pub(crate) fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Booted { unmonitored_since: Some(since) } | EventKind::Unmonitored { since } => {
                self.gaps.add(*since, event.at);
                self.monitored_since = Some(event.at);
            }
            EventKind::Booted { unmonitored_since: None } | EventKind::ConfigAdopted { .. } => {
                self.monitored_since = Some(event.at);
            }
            EventKind::HeartbeatDeclared { heartbeat } => {
                self.jobs.insert(heartbeat.clone(), Job::declared(event.at));
            }
            EventKind::HeartbeatRemoved { heartbeat } => {
                self.jobs.remove(heartbeat);
            }
            EventKind::HeartbeatPinged { heartbeat, ping, .. } => {
                let job = self.jobs.entry(heartbeat.clone());
                job.or_insert_with(|| Job::declared(event.at)).pinged(event.at, ping);
            }
            EventKind::AlertOpened { alert } => {
                self.last_alert = self.last_alert.max(alert.id.0);
                self.alerts.insert(alert.id, alert.clone());
            }
            EventKind::AlertChanged { alert, fault, severity, evidence } => {
                if let Some(open) = self.alerts.get_mut(alert) {
                    open.fault = fault.clone();
                    open.severity = *severity;
                    open.evidence.clone_from(evidence);
                }
            }
            EventKind::AlertClosed { alert } => {
                self.alerts.remove(alert);
            }
            EventKind::DelegationLearned { zone, servers } => {
                let learned = Delegation { servers: servers.clone(), at: event.at };
                self.delegations.insert(zone.clone(), learned);
            }
            EventKind::BaselineLearned { probe, status } => {
                self.baselines.insert(probe.clone(), *status);
            }
            EventKind::TrafficLearned { service, usual_milli } => {
                self.usual.insert(service.clone(), (*usual_milli, event.at));
            }
            EventKind::PoolPeakLearned { pool, serving } => {
                peak::record(self.peaks.entry(pool.clone()).or_default(), event.at, *serving);
            }
            EventKind::PrimaryLearned { database, primary } => {
                self.primaries.insert(database.clone(), primary.clone());
            }
            EventKind::RegistrationLearned { seen } => {
                if is_untroubled(seen, event.at) {
                    self.settled.insert(seen.domain.clone(), seen.clone());
                }
                let learned = Registration { seen: seen.clone(), at: event.at };
                self.registrations.insert(seen.domain.clone(), learned);
            }
            _ => {}
        }
    }
}

/// Index of the open alerts by resource; derived from [`State::alerts`] only.
#[derive(Debug, Default)]
pub(crate) struct OpenAlerts {
    by_fault: BTreeMap<(Resource, &'static str), AlertId>,
    by_resource: BTreeMap<Resource, BTreeSet<AlertId>>,
    /// Alerts of other systems by their key, by source.
    by_key: BTreeMap<String, BTreeMap<String, AlertId>>,
}

impl OpenAlerts {
    /// Follows one event, which must not have been applied to `state` yet.
    pub(crate) fn follow(&mut self, state: &State, event: &Event) {
        match &event.kind {
            EventKind::AlertOpened { alert } => {
                self.forget(state.alerts.get(&alert.id));
                self.by_fault.insert((alert.about.clone(), alert.fault.as_str()), alert.id);
                self.by_resource.entry(alert.about.clone()).or_default().insert(alert.id);
                if let Fault::External { external } = &alert.fault {
                    let of_source = self.by_key.entry(external.reporter.clone()).or_default();
                    of_source.insert(external.key.clone(), alert.id);
                }
            }
            EventKind::AlertChanged { alert, fault, .. } => {
                if let Some(was) = state.alerts.get(alert)
                    && was.fault.as_str() != fault.as_str()
                {
                    self.by_fault.remove(&(was.about.clone(), was.fault.as_str()));
                    self.by_fault.insert((was.about.clone(), fault.as_str()), *alert);
                }
            }
            EventKind::AlertClosed { alert } => self.forget(state.alerts.get(alert)),
            _ => {}
        }
    }

    fn forget(&mut self, alert: Option<&Alert>) {
        let Some(alert) = alert else { return };
        if let Fault::External { external } = &alert.fault
            && let Some(of_source) = self.by_key.get_mut(&external.reporter)
        {
            of_source.remove(&external.key);
        }
        self.by_fault.remove(&(alert.about.clone(), alert.fault.as_str()));
        if let Some(all) = self.by_resource.get_mut(&alert.about) {
            all.remove(&alert.id);
            if all.is_empty() {
                self.by_resource.remove(&alert.about);
            }
        }
    }

    /// The open alert about a resource with a fault of this code.
    pub(crate) fn with_fault(&self, about: &Resource, code: &'static str) -> Option<AlertId> {
        self.by_fault.get(&(about.clone(), code)).copied()
    }

    /// The open alert with a key of another system.
    pub(crate) fn external(&self, source: &str, key: &str) -> Option<AlertId> {
        self.by_key.get(source)?.get(key).copied()
    }

    /// The open alerts of another system.
    pub(crate) fn of_source(&self, source: &str) -> impl ExactSizeIterator<Item = AlertId> + '_ {
        static NONE: BTreeMap<String, AlertId> = BTreeMap::new();
        self.by_key.get(source).unwrap_or(&NONE).values().copied()
    }

    /// Every open alert about a resource.
    pub(crate) fn about<'a>(
        &'a self,
        state: &'a State,
        resource: &Resource,
    ) -> impl Iterator<Item = &'a Alert> + 'a {
        self.by_resource.get(resource).into_iter().flatten().filter_map(|id| state.alerts.get(id))
    }

    /// The expiry that an open alert reports as past.
    pub(crate) fn expired(&self, state: &State, domain: &str) -> Option<Expired> {
        self.about(state, &Resource::domain(domain)).find_map(|alert| match &alert.fault {
            Fault::Domain { domain: DomainFault::Expired { at, parked_on } } => {
                Some(Expired { at: *at, parked: parked_on.is_some() })
            }
            _ => None,
        })
    }
}

/// Whether a registration has no passed date and no status of trouble.
fn is_untroubled(seen: &DomainSeen, now: Time) -> bool {
    const TROUBLE: [&str; 7] = [
        "auto renew period",
        "redemption period",
        "pending delete",
        "pending restore",
        "client hold",
        "server hold",
        "inactive",
    ];
    let passed = |date: Option<Time>| date.is_some_and(|date| date <= now);
    !TROUBLE.iter().any(|status| seen.statuses.contains(*status))
        && !passed(seen.registry_expires)
        && !passed(seen.registrar_expires)
}
