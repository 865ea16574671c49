//! The incidents that are ranked: open ones about slowness whose cause is not certain.

use super::world::{Builder, World};
use crate::Engine;
use std::collections::BTreeSet;
use std::time::Duration;
use types::incident::Stage;
use types::time::{between, earlier};
use types::{Alert, Fault, Incident, IncidentId, Kind, Resource, Severity, Time};

/// Maximum of incidents that are ranked at the same time, the oldest.
const TASKS_MAX: usize = 4;
/// Time after the opening of an incident for which it is ranked.
const RANKED_FOR: Duration = Duration::from_secs(3_600);
/// Maximum of affected services that are entrances.
const SERVICES_MAX: usize = 16;
/// Slowness that began earlier than this before the incident is not its beginning.
const BEFORE: Duration = Duration::from_secs(3_600);
/// Shortest and longest step of the ranking: the interval of the samples that it compares.
const STEPS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30));

/// One incident that is to be ranked, with everything that the ranking needs except samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The incident.
    pub(super) incident: IncidentId,
    /// Start of the disturbance.
    pub(super) onset: Time,
    /// Nodes and calls.
    pub(super) world: World,
    /// Names of the nodes at which it shows, which are not its cause; the first is the target.
    pub(super) entrances: Vec<String>,
    /// Interval of the compared values.
    pub(super) step: Duration,
}

impl Task {
    /// The incident.
    #[must_use]
    pub fn incident(&self) -> IncidentId {
        self.incident
    }
}

/// Everything that is to be ranked now.
pub(crate) fn tasks(engine: &Engine) -> Vec<Task> {
    let open = engine.diagnose.incidents().values().filter(|incident| is_ranked(engine, incident));
    open.take(TASKS_MAX).filter_map(|incident| task(engine, incident)).collect()
}

/// Whether an incident is ranked now: it is about slowness, and its cause is not certain.
pub(crate) fn is_ranked(engine: &Engine, incident: &Incident) -> bool {
    let diagnosis = &incident.diagnosis;
    if !incident.is_open() || diagnosis.calm || between(incident.opened, engine.clock) > RANKED_FOR {
        return false;
    }
    let alerts = || diagnosis.alerts.iter().filter_map(|id| engine.detect.alerts().get(id));
    let is_possible = matches!(diagnosis.cause.kind, Kind::Service | Kind::Host | Kind::Probe | Kind::Pool);
    let is_certain = |alert: &Alert| {
        alert.about == diagnosis.cause && alert.severity == Severity::Critical && is_own_fault(&alert.fault)
    };
    // Several names that fail in different ways have no common cause yet.
    let is_unknown = diagnosis.stage == Stage::Investigating && alerts().any(|alert| is_answer(&alert.fault));
    let is_slow = is_unknown || !diagnosis.symptoms.is_empty() || alerts().any(|alert| is_slow(&alert.fault));
    is_possible && is_slow && !alerts().any(is_certain)
}

/// Whether a fault is slowness, or what becomes of it: answers that are late or missing for part of the requests.
fn is_slow(fault: &Fault) -> bool {
    match fault {
        Fault::Slow { .. }
        | Fault::SlowerThanUsual { .. }
        | Fault::TimedOut { .. }
        | Fault::Intermittent { .. } => true,
        Fault::Status { got } => matches!(got, 408 | 429 | 503 | 504),
        Fault::Unstable { last, .. } => is_slow(last),
        _ => false,
    }
}

/// Whether a resource answers, but not as it should.
fn is_answer(fault: &Fault) -> bool {
    matches!(fault, Fault::Status { .. } | Fault::BodyLacks | Fault::Http { .. } | Fault::Truncated)
        || is_slow(fault)
}

/// Whether a fault is a cause by itself, whatever measurements say. Pools lose servers also because those wait for something.
fn is_own_fault(fault: &Fault) -> bool {
    let of_pool = matches!(fault, Fault::PoolBelowMinimum { .. } | Fault::PoolShrunken { .. });
    !of_pool && !is_answer(fault)
}

fn task(engine: &Engine, incident: &Incident) -> Option<Task> {
    let config = &engine.config;
    let cause = &incident.diagnosis.cause;
    let is_service = |resource: &&Resource| resource.kind == Kind::Service;
    let mut services: BTreeSet<Resource> = incident.diagnosis.affected.clone();
    if services.is_empty() {
        let above = config.graph.above(cause);
        services = above.iter().chain([cause]).filter(is_service).cloned().collect();
    }
    let services: BTreeSet<Resource> = services.into_iter().take(SERVICES_MAX).collect();
    let world = Builder::new(config, engine.shown.calls()).build(&services);
    // A service that another one of them depends on may be the cause of the other.
    let beneath: BTreeSet<Resource> =
        services.iter().flat_map(|service| config.graph.beneath(service)).collect();
    let mut entrances: Vec<&Resource> = services.iter().filter(|one| !beneath.contains(one)).collect();
    if entrances.is_empty() {
        // They depend on each other: all of them are.
        entrances = services.iter().collect();
    }
    let alerts = incident.diagnosis.alerts.iter().chain(&incident.diagnosis.symptoms);
    let alerts: Vec<&Alert> = alerts.filter_map(|id| engine.detect.alerts().get(id)).collect();
    let has_alert = |service: &Resource| {
        let concerns =
            |about: &Resource| about == service || config.graph.depends_directly_on(service, about);
        alerts.iter().any(|alert| concerns(&alert.about))
    };
    entrances.sort_by_key(|service| !has_alert(service));
    let since = alerts.iter().map(|alert| alert.since).filter(|at| *at >= earlier(incident.since, BEFORE));
    let onset = since.chain([incident.since]).min()?;
    let calls = world.calls.iter().filter_map(|call| call.latency.as_ref());
    let intervals = world.nodes.iter().flat_map(|node| &node.series).chain(calls);
    let step = intervals.map(|series| series.interval).max()?.clamp(STEPS.0, STEPS.1);
    // The pool of an entrance is the entrance itself: that it is slow is known.
    let pools = entrances.iter().filter_map(|service| config.traffic_of(&service.name.as_str().into()));
    let pools: Vec<String> = pools.map(|traffic| Resource::pool(&traffic.pool.0).to_string()).collect();
    let entrances: Vec<String> = entrances.into_iter().map(ToString::to_string).chain(pools).collect();
    // Without anything beneath the entrances there is nothing to point at.
    let others = world.nodes.iter().any(|node| !entrances.contains(&node.name()));
    others.then_some(Task { incident: incident.id, onset, world, entrances, step })
}
