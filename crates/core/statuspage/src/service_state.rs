//! State of a service as clients experience it, computed from alerts and incidents.

use crate::impact::{self, Impact};
use crate::status_page::Access;
use std::collections::{BTreeMap, BTreeSet};
use types::config::Service;
use types::event::ServiceState;
use types::{Alert, Context, Kind, Resource, ServiceId};

/// Inputs of the evaluation, gathered once for all services.
pub(crate) struct StateEvaluator<'a> {
    context: &'a Context<'a>,
    /// Services whose valve is not fully open.
    access: &'a BTreeMap<ServiceId, Access>,
    isolated: bool,
    /// Services that fail for some clients because of a dependency: a name that resolves elsewhere, requests that the
    /// edge refuses.
    affected: BTreeSet<&'a Resource>,
    /// Services that an incident with any published alert lists as affected.
    above: BTreeSet<&'a Resource>,
    /// Services with a declared probe of their own.
    probed: BTreeSet<&'a Resource>,
    /// Resources by impact. A certificate counts as the host that serves it.
    failing: BTreeSet<Resource>,
    intermittent: BTreeSet<Resource>,
    slow: BTreeSet<Resource>,
}

impl<'a> StateEvaluator<'a> {
    pub(crate) fn new(context: &'a Context<'a>, access: &'a BTreeMap<ServiceId, Access>) -> Self {
        let parts = |alert: &Alert| {
            let host = (alert.about.kind == Kind::Tls).then(|| Resource::host(&alert.about.name));
            host.into_iter().chain([alert.about.clone()])
        };
        let with_impact = |wanted| {
            let alerts = context.alerts.values().filter(move |alert| impact::of_alert(alert) == wanted);
            alerts.flat_map(parts).collect()
        };
        let probed: BTreeSet<&Resource> = context
            .config
            .probes
            .values()
            .map(|probe| &probe.about)
            .filter(|about| about.kind == Kind::Service)
            .collect();
        let (mut affected, mut above) = (BTreeSet::new(), BTreeSet::new());
        for incident in context.incidents.values().filter(|incident| incident.is_open()) {
            let mut failing = impact::failing(incident, context.alerts).peekable();
            if failing.peek().is_some() {
                above.extend(&incident.diagnosis.affected);
            }
            if failing
                .any(|alert| !impact::is_client_facing(alert.about.kind) && !probed.contains(&alert.about))
            {
                affected.extend(&incident.diagnosis.affected);
            }
        }
        Self {
            context,
            access,
            isolated: context.observed.is_isolated(),
            affected,
            above,
            probed,
            failing: with_impact(Impact::Failing),
            intermittent: with_impact(Impact::Intermittent),
            slow: with_impact(Impact::Slow),
        }
    }

    /// Returns the state of a service, and whether only an event can change it. If not, the next probe result may
    /// change it, and it must be evaluated again.
    pub(crate) fn evaluate(&self, service: &Service, last: Option<ServiceState>) -> (ServiceState, bool) {
        if self.isolated {
            return (ServiceState::Unknown, true);
        }
        let (state, certain) = self.by_health(service, last);
        if self.is_maintained(service, state) {
            return (ServiceState::UnderMaintenance, true);
        }
        // A service that works for those who are let in does not work for those who wait.
        match self.access.get(&service.id) {
            Some(access) => (state.max(access.state()), certain),
            None => (state, certain),
        }
    }

    /// Whether a maintenance of the service goes on, or it fails because of one, and each failure that visitors notice is
    /// explained.
    fn is_maintained(&self, service: &Service, state: ServiceState) -> bool {
        let Context { config, maintenances, alerts, incidents, now, .. } = *self.context;
        let (graph, reasons) = (&config.graph, self.context.reasons());
        let active = || maintenances.values().filter(|one| one.is_active());
        let is_named = active().any(|one| one.planned.services.contains(&service.id));
        if !is_named && (state <= ServiceState::Unknown || active().next().is_none()) {
            return false;
        }
        let node = Resource::service(&service.id.0);
        let beneath = graph.beneath(&node);
        let noticed = || {
            alerts.values().filter(|alert| {
                impact::of_alert(alert) != Impact::None
                    && (alert.about == node || beneath.contains(&alert.about))
            })
        };
        let is_about = |alert: &Alert| active().any(|one| one.explains(graph, alert));
        // What fails beneath it, or failed there until recently, or is worked on there and may not have been asked yet.
        let recovered = || reasons.recoveries.values().any(|recovery| beneath.contains(&recovery.about));
        let needs_it = || active().any(|one| !one.planned.resources.is_disjoint(&beneath));
        let has_reason = is_named || noticed().any(is_about) || recovered() || needs_it();
        has_reason
            && noticed().all(|alert| {
                let mut open = incidents.values().filter(|incident| incident.is_open());
                match open.find(|incident| incident.diagnosis.alerts.contains(&alert.id)) {
                    Some(incident) => {
                        let mut ends = active().filter_map(|one| reasons.until(one, incident, alert));
                        ends.any(|until| now < until)
                    }
                    // Until its incident is opened, what fails beneath it is the likely cause.
                    None => is_about(alert) || active().any(|one| one.covers(alert.since)),
                }
            })
    }

    fn by_health(&self, service: &Service, last: Option<ServiceState>) -> (ServiceState, bool) {
        let node = Resource::service(&service.id.0);
        let parts = self.parts(service, &node);
        let failing = parts.iter().filter(|part| self.failing.contains(*part)).count();
        let well = |part: &Resource| self.context.last_result(part).is_some_and(|result| result.healthy);
        if failing > 0 && failing == parts.len() {
            (ServiceState::MajorOutage, true)
        } else if failing > 0
            || parts.iter().any(|part| self.intermittent.contains(part))
            || self.affected.contains(&node)
            || (parts.is_empty() && self.above.contains(&node))
        {
            (ServiceState::PartialOutage, true)
        } else if parts.iter().any(|part| self.slow.contains(part)) {
            (ServiceState::Degraded, true)
        } else if !parts.is_empty() && parts.iter().all(well) {
            (ServiceState::Operational, true)
        } else {
            // Not every part has a result since boot, or a bad result is being followed up: the last state holds until
            // then. A service without probes keeps an outage only while an incident lists it.
            let last = last.filter(|state| *state != ServiceState::UnderMaintenance);
            let kept = last.filter(|state| !parts.is_empty() || *state <= ServiceState::Unknown);
            (kept.unwrap_or(ServiceState::Unknown), parts.is_empty())
        }
    }

    /// Client-facing parts of a service: its hosts and its declared probes. The certificate of a declared probe is a
    /// part of its own unless it is that of a host, for example on another port.
    fn parts(&self, service: &Service, node: &Resource) -> BTreeSet<Resource> {
        let mut parts: BTreeSet<Resource> = service.hosts.iter().map(Resource::host).collect();
        let dependencies = self.context.config.graph.depends_on(node);
        let is_client_facing = |resource: &&Resource| match resource.kind {
            Kind::Host | Kind::Probe => true,
            Kind::Tls => !parts.contains(&Resource::host(&resource.name)),
            _ => false,
        };
        let used: Vec<Resource> = dependencies.filter(is_client_facing).cloned().collect();
        parts.extend(used);
        if self.probed.contains(node) {
            parts.insert(node.clone());
        }
        parts
    }
}
