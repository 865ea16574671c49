//! The state of a service as visitors notice it, from findings and incidents.

use crate::Facts;
use model::event::ServiceState;
use model::fault::{Fault, TlsFault};
use model::plan::Service;
use model::{Finding, Kind, Plan, Thing, Weight};
use std::collections::BTreeSet;

/// What matters for states, gathered once for all services.
pub(crate) struct Sight<'a> {
    plan: &'a Plan,
    facts: &'a Facts<'a>,
    /// Services that an open incident which wakes somebody lists as affected.
    affected: BTreeSet<&'a Thing>,
    /// Services that a probe by hand speaks for directly.
    asked: BTreeSet<&'a Thing>,
    /// Things that break, and things that visitors notice otherwise. A certificate counts as the host that serves it.
    breaks: BTreeSet<Thing>,
    degraded: BTreeSet<Thing>,
}

impl<'a> Sight<'a> {
    pub(crate) fn new(plan: &'a Plan, facts: &'a Facts<'a>) -> Self {
        let open = facts.incidents.values().filter(|incident| incident.is_open() && incident.diagnosis.wakes);
        let part = |finding: &Finding| match finding.about.kind {
            Kind::Tls => Thing::host(&finding.about.name),
            _ => finding.about.clone(),
        };
        let findings = || facts.findings.values();
        Self {
            plan,
            facts,
            affected: open.flat_map(|incident| &incident.diagnosis.affected).collect(),
            asked: plan
                .probes
                .values()
                .map(|probe| &probe.about)
                .filter(|about| about.kind == Kind::Service)
                .collect(),
            breaks: findings().filter(|finding| finding.weight == Weight::Breaks).map(part).collect(),
            degraded: findings().filter(|finding| is_noticed(finding)).map(part).collect(),
        }
    }

    /// The state of a service, and whether only an event can change it: otherwise a sample may, and we must look again.
    pub(crate) fn judge(&self, service: &Service, last: Option<ServiceState>) -> (ServiceState, bool) {
        if self.facts.blind {
            return (ServiceState::Unknown, true);
        }
        let node = Thing::service(&service.id.0);
        let parts = self.parts(service, &node);
        let failing = parts.iter().filter(|part| self.breaks.contains(*part)).count();
        let well = |part: &Thing| (self.facts.looked)(part).is_some_and(|looked| looked.well);
        if failing > 0 && failing == parts.len() {
            (ServiceState::MajorOutage, true)
        } else if failing > 0 || self.affected.contains(&node) {
            (ServiceState::PartialOutage, true)
        } else if parts.iter().any(|part| self.degraded.contains(part)) {
            (ServiceState::Degraded, true)
        } else if !parts.is_empty() && parts.iter().all(well) {
            (ServiceState::Operational, true)
        } else {
            // Not everything was looked at since boot, or a bad answer is being followed up: what we knew stands until then.
            (last.unwrap_or(ServiceState::Unknown), parts.is_empty())
        }
    }

    /// What a visitor meets of a service: its hosts and whatever probes by hand speak for it.
    fn parts(&self, service: &Service, node: &Thing) -> BTreeSet<Thing> {
        let mut parts: BTreeSet<Thing> = service.hosts.iter().map(Thing::host).collect();
        let needs = self.plan.graph.needs(node);
        parts.extend(needs.filter(|thing| matches!(thing.kind, Kind::Host | Kind::Probe)).cloned());
        if self.asked.contains(node) {
            parts.insert(node.clone());
        }
        parts
    }
}

/// Whether visitors notice a warning: slowness, yes; that something will run out in three weeks, no.
fn is_noticed(finding: &Finding) -> bool {
    let runs_out =
        matches!(finding.fault, Fault::Tls { tls: TlsFault::Expiring { .. } } | Fault::Domain { .. });
    finding.weight == Weight::Warns && finding.about.kind != Kind::Tls && !runs_out
}
