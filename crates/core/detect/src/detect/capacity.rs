//! Databases and pools behind other load balancers, judged together where one starves the other.

use super::Detect;
use crate::alert::AlertEvents;
use crate::aspects::database::{self, Capacity, ClientServices, PrimaryMemory};
use crate::aspects::pool::{self, Look};
use crate::aspects::restarts;
use crate::pool::memory::Numbers;
use crate::pool::{peak, starved};
use crate::violation::Verdict;
use types::config::Probe;
use types::database::{DatabaseSeen, DatabaseThresholds};
use types::pool::PoolCounts;
use types::probe_result::Answer;
use types::{Config, EventKind, Fault, Kind, PoolId, Resource, Time};

impl Detect {
    /// Judges a round of a database, and keeps it for the next one.
    pub(super) fn judge_database(
        &mut self,
        config: &Config,
        probe: &Probe,
        seen: &DatabaseSeen,
        now: Time,
        events: &mut AlertEvents,
    ) -> Verdict {
        let before = self.volatile.databases.insert(probe.id.clone(), seen.clone());
        let default = DatabaseThresholds::default();
        let declared = config.databases.get(&probe.about.name).map(|database| &database.thresholds);
        let starved_by = starved::layer(&config.graph, &probe.about, |layer| self.shortage(layer));
        let short_since = starved_by.as_ref().and_then(|by| self.short_since(&by.layer));
        let nodes = self.volatile.nodes.entry(probe.id.clone()).or_default();
        nodes.follow(seen, before.as_ref(), now);
        let database = &probe.about.name;
        let known = self.state.primaries.get(database);
        let primary =
            self.volatile.primaries.entry(probe.id.clone()).or_insert_with(|| PrimaryMemory::of(known));
        primary.follow(seen, now);
        if let Some(primary) = primary.news(known) {
            events.push(EventKind::PrimaryLearned { database: database.clone(), primary });
        }
        let (services, zone) = (&ClientServices::of(config), &config.site.timezone);
        let capacity = Capacity { nodes, primary, services, starved_by, short_since, zone, now };
        let verdict = database::judge(seen, before.as_ref(), declared.unwrap_or(&default), &capacity);
        let restarts = self.volatile.node_restarts.entry(probe.id.clone()).or_default();
        restarts.judge(verdict, seen, &config.site.timezone, now)
    }

    /// Judges a look at a pool behind another load balancer, and remembers its members and its peak.
    pub(super) fn judge_pool(
        &mut self,
        config: &Config,
        probe: &Probe,
        id: &PoolId,
        answer: &Answer,
        now: Time,
        events: &mut AlertEvents,
    ) -> Verdict {
        let Some(pool) = config.external_pools.get(id) else { return Verdict::default() };
        let seen = match answer {
            Answer::Pool(seen) => seen,
            Answer::Failed(fault) => return pool::unseen(pool, fault, self.volatile.is_healthy(&probe.id)),
            _ => return Verdict::default(),
        };
        let records = self.state.peaks.get(id).map_or(&[][..], Vec::as_slice);
        let memory = self.volatile.pools.entry(id.clone()).or_default();
        memory.follow(seen, now);
        let counts = pool::count_members(pool, seen, memory);
        memory.counts = Some((now, counts));
        memory.peak.note(counts.serving, now);
        let peak = memory.peak.peak(records, now);
        let is_short = pool::is_short(pool, &counts, peak);
        memory.set_numbers(counts.serving, counts.declared.max(peak), is_short, now);
        if let Some(serving) = memory.peak.news(records, now) {
            events.push(EventKind::PoolPeakLearned { pool: id.clone(), serving });
        }
        self.close_starved(Some(&probe.about), events);
        let Some(memory) = self.volatile.pools.get(id) else { return Verdict::default() };
        let look = Look { pool, seen, memory, counts, peak, zone: &config.site.timezone, now };
        let verdict =
            pool::judge(&look, || starved::layer(&config.graph, &probe.about, |layer| self.shortage(layer)));
        restarts::of_members(verdict, seen, memory, pool.min_healthy, now)
    }

    /// The newest counts of a pool behind another load balancer since boot, with the time of the look.
    #[must_use]
    pub fn pool_counts(&self, id: &PoolId) -> Option<(Time, PoolCounts)> {
        self.volatile.pools.get(id)?.counts
    }

    /// The remembered peak of a pool behind another load balancer; 0 when none is known.
    #[must_use]
    pub fn pool_peak(&self, id: &PoolId, now: Time) -> u32 {
        peak::remembered(self.state.peaks.get(id).map_or(&[][..], Vec::as_slice), now)
    }

    /// Closes the alerts about idle capacity, except that of `judged`, whose starving layer is no longer short.
    pub(super) fn close_starved(&self, judged: Option<&Resource>, events: &mut AlertEvents) {
        let is_over = |layer: &Resource| match layer.kind {
            Kind::Pool => self.numbers(layer).is_some_and(|numbers| numbers.short_since.is_none()),
            _ => self.shortage(layer).is_none(),
        };
        for alert in self.state.alerts.values().filter(|alert| Some(&alert.about) != judged) {
            if alert.fault.starved_by().is_some_and(|by| is_over(&by.layer)) {
                events.close(alert.id);
            }
        }
    }

    /// What a pool or a service is short of, so that it sends little to what is beneath it.
    fn shortage(&self, layer: &Resource) -> Option<String> {
        match layer.kind {
            Kind::Pool => {
                let numbers = self.numbers(layer)?;
                numbers.short_since?;
                Some(format!("has only {} of {} servers serving", numbers.serving, numbers.of))
            }
            Kind::Service => self.open.about(&self.state, layer).find_map(|alert| match &alert.fault {
                Fault::LimitConflict { caller, .. } => Some(format!("rate-limits its own caller {caller}")),
                _ => None,
            }),
            _ => None,
        }
    }

    /// Since when a layer has been short.
    fn short_since(&self, layer: &Resource) -> Option<Time> {
        match layer.kind {
            Kind::Pool => self.numbers(layer)?.short_since,
            _ => self.open.about(&self.state, layer).map(|alert| alert.since).min(),
        }
    }

    /// The newest numbers of a pool, of another load balancer or of the edge.
    fn numbers(&self, pool: &Resource) -> Option<Numbers> {
        let id = PoolId(pool.name.clone());
        let external = self.volatile.pools.get(&id).and_then(|memory| memory.newest);
        external.or_else(|| self.volatile.traffic.pools.get(&id)?.newest)
    }
}
