//! Everything counted since boot. Losing it costs a few answers, never an alert.

use crate::aspect::Aspect;
use crate::aspects::database::{NodeMemory, PrimaryMemory};
use crate::aspects::delegation::Zone;
use crate::aspects::intermittent::ResultWindow;
use crate::aspects::restarts::NodeRestarts;
use crate::connectivity::Connectivity;
use crate::creeping::Levels;
use crate::external::Heard;
use crate::index::Index;
use crate::lookup::{Lookup, Troubles};
use crate::places::Places;
use crate::pool::memory::PoolMemory;
use crate::restarts::Restarts;
use crate::slowness::Latencies;
use crate::streak::Streak;
use crate::traffic::Traffic;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::database::DatabaseSeen;
use types::time::later;
use types::{Config, PoolId, ProbeId, Resource, Time};

/// When an expiry date comes close, the registry has this long to confirm it before an alert opens ...
pub(crate) const STEP_GRACE: Duration = Duration::from_secs(60);
/// ... and this long when the date has passed and the registry does not answer.
pub(crate) const EXPIRY_GRACE: Duration = Duration::from_secs(6 * 3600);

/// Counters and caches since boot.
#[derive(Debug, Default)]
pub(crate) struct Volatile {
    pub(crate) index: Option<Index>,
    /// Whether the configuration has changed, so that alerts of removed probes must close.
    pub(crate) close_removed: bool,
    pub(crate) probes: BTreeMap<ProbeId, ProbeHistory>,
    /// Probes whose next answer decides about an alert.
    pub(crate) undecided: BTreeSet<ProbeId>,
    pub(crate) zones: BTreeMap<String, Zone>,
    /// Start of uninterrupted good answers of a moved delegation.
    pub(crate) moved_healthy_since: BTreeMap<String, Time>,
    pub(crate) lookups: BTreeMap<ProbeId, Lookup>,
    /// Registry lookups that are wanted whatever else happens.
    pub(crate) urgent_lookups: BTreeSet<ProbeId>,
    pub(crate) troubles: Troubles,
    /// Times at which the dates of a registration must be judged again without an answer.
    pub(crate) dates_due: BTreeSet<(Time, ProbeId)>,
    /// Jobs that must be judged now.
    pub(crate) heartbeats_asked: BTreeSet<String>,
    /// Times at which a job must be judged again if it reports nothing.
    pub(crate) heartbeats_due: BTreeSet<(Time, String)>,
    /// What other systems report since boot.
    pub(crate) heard: Heard,
    /// Whether the silence of sources must be judged now, and when otherwise.
    pub(crate) sources_asked: bool,
    pub(crate) sources_due: Option<Time>,
    pub(crate) connectivity: Connectivity,
    /// Probes whose newest alert is held back for a connectivity check, with their resource.
    pub(crate) held_back: BTreeMap<ProbeId, Resource>,
    pub(crate) traffic: Traffic,
    pub(crate) places: Places,
    /// The newest round of each database.
    pub(crate) databases: BTreeMap<ProbeId, DatabaseSeen>,
    /// What is usual of each latency.
    pub(crate) latencies: Latencies,
    /// Medians of each level that has a limit.
    pub(crate) levels: Levels,
    /// What is remembered of the nodes of each database.
    pub(crate) nodes: BTreeMap<ProbeId, NodeMemory>,
    /// What is remembered of the primary of each database.
    pub(crate) primaries: BTreeMap<ProbeId, PrimaryMemory>,
    /// Ends and starts of each host, by probe, and of the nodes of each database.
    pub(crate) restarts: BTreeMap<ProbeId, Restarts>,
    pub(crate) node_restarts: BTreeMap<ProbeId, NodeRestarts>,
    /// What is remembered of each pool behind another load balancer.
    pub(crate) pools: BTreeMap<PoolId, PoolMemory>,
}

/// Counters of one probe.
#[derive(Debug)]
pub(crate) struct ProbeHistory {
    pub(crate) last: Time,
    pub(crate) healthy: bool,
    pub(crate) streaks: BTreeMap<Aspect, Streak>,
    pub(crate) window: ResultWindow,
}

impl ProbeHistory {
    fn new(now: Time, healthy: bool) -> Self {
        Self { last: now, healthy, streaks: BTreeMap::new(), window: ResultWindow::default() }
    }
}

impl Volatile {
    /// Whether the tables fit the configuration in force.
    pub(crate) fn fits(&self, config: &Config) -> bool {
        self.index.as_ref().is_some_and(|index| index.fits(config))
    }

    /// The counters of a probe, created with the first answer.
    pub(crate) fn history(&mut self, probe: &ProbeId, now: Time, healthy: bool) -> &mut ProbeHistory {
        self.probes.entry(probe.clone()).or_insert_with(|| ProbeHistory::new(now, healthy))
    }

    /// Whether the newest answer of a probe was healthy; true before the first.
    pub(crate) fn is_healthy(&self, probe: &ProbeId) -> bool {
        self.probes.get(probe).is_none_or(|history| history.healthy)
    }

    /// Adapts everything to a changed configuration.
    pub(crate) fn follow(&mut self, config: &Config, now: Time) {
        let index = Index::new(config);
        self.dates_due = index.domain_probe.values().map(|id| (later(now, STEP_GRACE), id.clone())).collect();
        self.heartbeats_due.clear();
        self.heartbeats_asked = config.heartbeats.keys().cloned().collect();
        self.heard.retain(|source| config.sources.contains_key(source));
        self.sources_asked = true;
        self.index = Some(index);
        self.close_removed = true;
        let stays = |id: &ProbeId| config.probes.contains_key(id);
        self.probes.retain(|id, _| stays(id));
        self.undecided.retain(stays);
        self.lookups.retain(|id, _| stays(id));
        self.urgent_lookups.retain(stays);
        self.places.retain(stays);
        self.databases.retain(|id, _| stays(id));
        self.nodes.retain(|id, _| stays(id));
        self.primaries.retain(|id, _| stays(id));
        self.restarts.retain(|id, _| stays(id));
        self.node_restarts.retain(|id, _| stays(id));
        self.pools.retain(|id, _| config.external_pools.contains_key(id));
        // The next answers hold their alerts back again.
        self.held_back.clear();
        for trouble in self.troubles.values_mut() {
            trouble.seen_by.retain(stays);
        }
        self.troubles.retain(|_, trouble| !trouble.seen_by.is_empty());
        self.traffic.follow(config, now);
        self.latencies.retain(|id, _| stays(id) || self.traffic.serves(id));
        self.levels.retain(|(id, _), _| stays(id) || self.traffic.serves(id));
    }
}
