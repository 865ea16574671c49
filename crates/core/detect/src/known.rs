//! What the journal told us: the fold, and nothing else.

use crate::registration::Expired;
use types::event::Event;
use types::fault::DomainFault;
use types::sample::DomainSeen;
use types::{Fault, Finding, FindingId, Happened, ProbeId, ServiceId, Thing, Time};
use std::collections::{BTreeMap, BTreeSet};

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
    pub(crate) findings: BTreeMap<FindingId, Finding>,
    pub(crate) last_finding: u64,
    pub(crate) delegations: BTreeMap<String, Delegation>,
    pub(crate) registrations: BTreeMap<String, Registration>,
    /// The last registration of each domain that had nothing against it: what it was like before the trouble.
    pub(crate) settled: BTreeMap<String, DomainSeen>,
    /// Requests a second that are usual for a service, in thousandths, and when that was written down.
    pub(crate) usual: BTreeMap<ServiceId, (u64, Time)>,
    /// The status code that each web address answers from the first look on, where nobody declared the right one.
    pub(crate) baselines: BTreeMap<ProbeId, u16>,
    /// Since when this plan is looked after without a break.
    pub(crate) begun: Option<Time>,
}

impl Known {
    pub(crate) fn apply(&mut self, event: &Event) {
        match &event.happened {
            Happened::Booted { .. } | Happened::NotWatched { .. } | Happened::PlanAdopted { .. } => {
                self.begun = Some(event.at);
            }
            Happened::FindingOpened { finding } => {
                self.last_finding = self.last_finding.max(finding.id.0);
                self.findings.insert(finding.id, finding.clone());
            }
            Happened::FindingChanged { finding, fault, weight, evidence } => {
                if let Some(open) = self.findings.get_mut(finding) {
                    open.fault = fault.clone();
                    open.weight = *weight;
                    open.evidence.clone_from(evidence);
                }
            }
            Happened::FindingClosed { finding } => {
                self.findings.remove(finding);
            }
            Happened::DelegationLearned { zone, servers } => {
                let learned = Delegation { servers: servers.clone(), at: event.at };
                self.delegations.insert(zone.clone(), learned);
            }
            Happened::BaselineLearned { probe, status } => {
                self.baselines.insert(probe.clone(), *status);
            }
            Happened::TrafficLearned { service, usual_milli } => {
                self.usual.insert(service.clone(), (*usual_milli, event.at));
            }
            Happened::RegistrationLearned { seen } => {
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

/// The open findings by what they are about; derived from [`Known::findings`] only.
#[derive(Debug, Default)]
pub(crate) struct Open {
    by_word: BTreeMap<(Thing, &'static str), FindingId>,
    by_thing: BTreeMap<Thing, BTreeSet<FindingId>>,
}

impl Open {
    /// Follows one event, which must not have been applied to `known` yet.
    pub(crate) fn follow(&mut self, known: &Known, event: &Event) {
        match &event.happened {
            Happened::FindingOpened { finding } => {
                self.forget(known.findings.get(&finding.id));
                self.by_word.insert((finding.about.clone(), finding.fault.word()), finding.id);
                self.by_thing.entry(finding.about.clone()).or_default().insert(finding.id);
            }
            Happened::FindingChanged { finding, fault, .. } => {
                if let Some(was) = known.findings.get(finding)
                    && was.fault.word() != fault.word()
                {
                    self.by_word.remove(&(was.about.clone(), was.fault.word()));
                    self.by_word.insert((was.about.clone(), fault.word()), *finding);
                }
            }
            Happened::FindingClosed { finding } => self.forget(known.findings.get(finding)),
            _ => {}
        }
    }

    fn forget(&mut self, finding: Option<&Finding>) {
        let Some(finding) = finding else { return };
        self.by_word.remove(&(finding.about.clone(), finding.fault.word()));
        if let Some(all) = self.by_thing.get_mut(&finding.about) {
            all.remove(&finding.id);
            if all.is_empty() {
                self.by_thing.remove(&finding.about);
            }
        }
    }

    /// The open finding about a thing with a word.
    pub(crate) fn worded(&self, about: &Thing, word: &'static str) -> Option<FindingId> {
        self.by_word.get(&(about.clone(), word)).copied()
    }

    /// Every open finding about a thing.
    pub(crate) fn about<'a>(
        &'a self,
        known: &'a Known,
        thing: &Thing,
    ) -> impl Iterator<Item = &'a Finding> + 'a {
        self.by_thing.get(thing).into_iter().flatten().filter_map(|id| known.findings.get(id))
    }

    /// The expiry that an open finding says has passed.
    pub(crate) fn expired(&self, known: &Known, domain: &str) -> Option<Expired> {
        self.about(known, &Thing::domain(domain)).find_map(|finding| match &finding.fault {
            Fault::Domain { domain: DomainFault::Expired { at, parked_on } } => {
                Some(Expired { at: *at, parked: parked_on.is_some() })
            }
            _ => None,
        })
    }
}
