//! What the journal told us: the fold, and nothing else.

use crate::registration::Expired;
use std::collections::{BTreeMap, BTreeSet};
use types::event::Event;
use types::fault::DomainFault;
use types::probe_result::DomainSeen;
use types::{Alert, AlertId, EventKind, Fault, ProbeId, Resource, ServiceId, Time};

/// A registration as the registry last told it.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// What it told.
    pub seen: DomainSeen,
    /// When it told so for the first time.
    pub at: Time,
}

/// Name servers that we hold to be meant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delegation {
    pub(crate) servers: BTreeSet<String>,
    pub(crate) at: Time,
}

/// Everything folded from events. Two folds of one journal are equal.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) alerts: BTreeMap<AlertId, Alert>,
    pub(crate) last_alert: u64,
    pub(crate) delegations: BTreeMap<String, Delegation>,
    pub(crate) registrations: BTreeMap<String, Registration>,
    /// The last registration of each domain that had nothing against it: what it was like before the trouble.
    pub(crate) settled: BTreeMap<String, DomainSeen>,
    /// Requests a second that are usual for a service, in thousandths, and when that was written down.
    pub(crate) usual: BTreeMap<ServiceId, (u64, Time)>,
    /// The status code that each web address answers from the first look on, where nobody declared the right one.
    pub(crate) baselines: BTreeMap<ProbeId, u16>,
    /// Since when this configuration is looked after without a break.
    pub(crate) begun: Option<Time>,
}

impl Known {
    pub(crate) fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Booted { .. } | EventKind::NotWatched { .. } | EventKind::ConfigAdopted { .. } => {
                self.begun = Some(event.at);
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
            EventKind::RegistrationLearned { seen } => {
                if crate::registration::nothing_against(seen, event.at) {
                    self.settled.insert(seen.domain.clone(), seen.clone());
                }
                let learned = Registration { seen: seen.clone(), at: event.at };
                self.registrations.insert(seen.domain.clone(), learned);
            }
            _ => {}
        }
    }
}

/// The open alerts by what they are about; derived from [`Known::alerts`] only.
#[derive(Debug, Default)]
pub(crate) struct Open {
    by_word: BTreeMap<(Resource, &'static str), AlertId>,
    by_resource: BTreeMap<Resource, BTreeSet<AlertId>>,
}

impl Open {
    /// Follows one event, which must not have been applied to `known` yet.
    pub(crate) fn follow(&mut self, known: &Known, event: &Event) {
        match &event.kind {
            EventKind::AlertOpened { alert } => {
                self.forget(known.alerts.get(&alert.id));
                self.by_word.insert((alert.about.clone(), alert.fault.word()), alert.id);
                self.by_resource.entry(alert.about.clone()).or_default().insert(alert.id);
            }
            EventKind::AlertChanged { alert, fault, .. } => {
                if let Some(was) = known.alerts.get(alert)
                    && was.fault.word() != fault.word()
                {
                    self.by_word.remove(&(was.about.clone(), was.fault.word()));
                    self.by_word.insert((was.about.clone(), fault.word()), *alert);
                }
            }
            EventKind::AlertClosed { alert } => self.forget(known.alerts.get(alert)),
            _ => {}
        }
    }

    fn forget(&mut self, alert: Option<&Alert>) {
        let Some(alert) = alert else { return };
        self.by_word.remove(&(alert.about.clone(), alert.fault.word()));
        if let Some(all) = self.by_resource.get_mut(&alert.about) {
            all.remove(&alert.id);
            if all.is_empty() {
                self.by_resource.remove(&alert.about);
            }
        }
    }

    /// The open alert about a thing with a word.
    pub(crate) fn worded(&self, about: &Resource, word: &'static str) -> Option<AlertId> {
        self.by_word.get(&(about.clone(), word)).copied()
    }

    /// Every open alert about a thing.
    pub(crate) fn about<'a>(
        &'a self,
        known: &'a Known,
        resource: &Resource,
    ) -> impl Iterator<Item = &'a Alert> + 'a {
        self.by_resource.get(resource).into_iter().flatten().filter_map(|id| known.alerts.get(id))
    }

    /// The expiry that an open alert says has passed.
    pub(crate) fn expired(&self, known: &Known, domain: &str) -> Option<Expired> {
        self.about(known, &Resource::domain(domain)).find_map(|alert| match &alert.fault {
            Fault::Domain { domain: DomainFault::Expired { at, parked_on } } => {
                Some(Expired { at: *at, parked: parked_on.is_some() })
            }
            _ => None,
        })
    }
}
