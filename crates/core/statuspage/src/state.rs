//! The state of a service as clients experience it, from alerts and incidents.

use crate::Facts;
use crate::felt::{self, Felt};
use std::collections::BTreeSet;
use types::config::Service;
use types::event::ServiceState;
use types::{Alert, Config, Kind, Resource};

/// What matters for states, gathered once for all services.
pub(crate) struct Sight<'a> {
    config: &'a Config,
    facts: &'a Facts<'a>,
    /// Services that fail for some through what they stand on: a name that leads elsewhere, requests that the edge turns
    /// away.
    affected: BTreeSet<&'a Resource>,
    /// Services that an incident with a failure of any kind lists as affected.
    above: BTreeSet<&'a Resource>,
    /// Services that a probe by hand speaks for directly.
    asked: BTreeSet<&'a Resource>,
    /// Things that fail, fail at times, or are slow, for clients. A certificate counts as the host that serves it.
    failing: BTreeSet<Resource>,
    at_times: BTreeSet<Resource>,
    slow: BTreeSet<Resource>,
}

impl<'a> Sight<'a> {
    pub(crate) fn new(config: &'a Config, facts: &'a Facts<'a>) -> Self {
        let parts = |alert: &Alert| {
            let host = (alert.about.kind == Kind::Tls).then(|| Resource::host(&alert.about.name));
            host.into_iter().chain([alert.about.clone()])
        };
        let felt_as = |wanted| {
            facts.alerts.values().filter(move |alert| felt::felt(alert) == wanted).flat_map(parts).collect()
        };
        let asked: BTreeSet<&Resource> = config
            .probes
            .values()
            .map(|probe| &probe.about)
            .filter(|about| about.kind == Kind::Service)
            .collect();
        let (mut affected, mut above) = (BTreeSet::new(), BTreeSet::new());
        for incident in facts.incidents.values().filter(|incident| incident.is_open()) {
            let mut failing = felt::failing(incident, facts.alerts).peekable();
            if failing.peek().is_some() {
                above.extend(&incident.diagnosis.affected);
            }
            if failing.any(|alert| !felt::is_met(alert.about.kind) && !asked.contains(&alert.about)) {
                affected.extend(&incident.diagnosis.affected);
            }
        }
        Self {
            config,
            facts,
            affected,
            above,
            asked,
            failing: felt_as(Felt::Failing),
            at_times: felt_as(Felt::AtTimes),
            slow: felt_as(Felt::Slow),
        }
    }

    /// The state of a service, and whether only an event can change it: otherwise a sample may, and we must look again.
    pub(crate) fn judge(&self, service: &Service, last: Option<ServiceState>) -> (ServiceState, bool) {
        if self.facts.blind {
            return (ServiceState::Unknown, true);
        }
        let node = Resource::service(&service.id.0);
        let parts = self.parts(service, &node);
        let failing = parts.iter().filter(|part| self.failing.contains(*part)).count();
        let well = |part: &Resource| (self.facts.looked)(part).is_some_and(|looked| looked.healthy);
        if failing > 0 && failing == parts.len() {
            (ServiceState::MajorOutage, true)
        } else if failing > 0
            || parts.iter().any(|part| self.at_times.contains(part))
            || self.affected.contains(&node)
            || (parts.is_empty() && self.above.contains(&node))
        {
            (ServiceState::PartialOutage, true)
        } else if parts.iter().any(|part| self.slow.contains(part)) {
            (ServiceState::Degraded, true)
        } else if !parts.is_empty() && parts.iter().all(well) {
            (ServiceState::Operational, true)
        } else {
            // Not everything was looked at since boot, or a bad answer is being followed up: what we knew stands until then.
            // Of a service that nothing asks an outage is known only while something else says so.
            let stands = last.filter(|state| !parts.is_empty() || *state <= ServiceState::Unknown);
            (stands.unwrap_or(ServiceState::Unknown), parts.is_empty())
        }
    }

    /// What a client meets of a service: its hosts and whatever probes by hand speak for it. A certificate that a probe by
    /// hand asks for is a part of its own where it is not that of a host, such as on another port.
    fn parts(&self, service: &Service, node: &Resource) -> BTreeSet<Resource> {
        let mut parts: BTreeSet<Resource> = service.hosts.iter().map(Resource::host).collect();
        let needs = self.config.graph.needs(node);
        let is_met = |resource: &&Resource| match resource.kind {
            Kind::Host | Kind::Probe => true,
            Kind::Tls => !parts.contains(&Resource::host(&resource.name)),
            _ => false,
        };
        let met: Vec<Resource> = needs.filter(is_met).cloned().collect();
        parts.extend(met);
        if self.asked.contains(node) {
            parts.insert(node.clone());
        }
        parts
    }
}
