//! Roll-ups of the edge, and its silence.
//!
//! When the edge is silent its alerts stay open: nothing shows that they are over. After ten minutes of silence the
//! probes take over: an alert closes once every host that it concerns has had a healthy result since.

use super::Detect;
use crate::alert::{AlertEvents, Decision, NewAlert};
use crate::aspect::is_edge_fault;
use crate::traffic::unknown_host::{self, Owner};
use crate::traffic::{edge_resource, flow, is_news, latency, retries};
use std::time::Duration;
use types::time::{between, later};
use types::traffic::ServiceTraffic;
use types::{
    Alert, CallerId, Config, Context, EventKind, Events, Fault, Kind, LastResult, PoolId, ProbeId, Resource,
    Rollup, ServiceId, Severity, Time,
};

/// The edge reports once a second; after this long without a roll-up it is silent.
const SILENT_AFTER: Duration = Duration::from_secs(30);
/// After this long without a roll-up the probes take over.
const REPLACED_AFTER: Duration = Duration::from_secs(600);
/// Roll-ups this far apart are not added up.
const GAP: Duration = Duration::from_secs(5);
/// Shortest time between two updates of an alert with the same severity.
const CHANGE_INTERVAL: Duration = Duration::from_secs(5);

impl Detect {
    /// Judges a roll-up that arrived at `context.now`, and adds the events that follow.
    pub fn judge_rollup(&mut self, context: &Context<'_>, rollup: &Rollup, events: &mut Events) {
        let mut new = self.events();
        self.follow_config(context.config, context.now, &mut new);
        if context.config.edge.is_some() {
            self.judge_traffic(context.config, context.now, rollup, &mut new);
        }
        events.extend(new.kinds);
    }

    fn judge_traffic(&mut self, config: &Config, now: Time, rollup: &Rollup, events: &mut AlertEvents) {
        let gap = self.volatile.traffic.last_rollup.is_none_or(|last| between(last, now) > GAP);
        self.volatile.traffic.last_rollup = Some(now);
        let served = || rollup.services.iter().filter(|(id, _)| config.traffic_of(id).is_some());
        let judged: Vec<(&ServiceId, [Decision; 2])> = served()
            .map(|(id, traffic)| (id, self.judge_surge(id, rollup.interval, traffic, gap, now, events)))
            .collect();
        for (id, [surge, retries]) in judged {
            if !self.waits_for_caller(config, id, &surge) && !self.database_explains(config, id, &surge) {
                self.apply_decision(&Resource::service(&id.0), "surge", surge, now, events);
            }
            self.apply_decision(&Resource::service(&id.0), "retry-storm", retries, now, events);
        }
        for (id, traffic) in served() {
            let service = self.volatile.traffic.services.entry(id.clone()).or_default();
            if let Some(latency) = service.latency.note(rollup.interval, traffic) {
                self.judge_edge_latency(id, latency, now, events);
            }
        }
        // Surges come first: they explain limit conflicts.
        for (id, _) in served() {
            let throttled = self.is_caller_throttled(config, id, rollup);
            let Some(service) = self.volatile.traffic.services.get_mut(id) else { continue };
            let decision = service.conflict.judge(config, &service.flow, throttled, now);
            self.apply_decision(&Resource::service(&id.0), "limit-conflict", decision, now, events);
        }
        for (id, seen) in &rollup.pools {
            let Some(pool) = config.pools.get(id) else { continue };
            let about = Resource::pool(&id.0);
            let refuses = self.volatile.traffic.refuses(config, id);
            let counts = self.volatile.traffic.pools.entry(id.clone()).or_default();
            let at = (now, &config.site.timezone);
            let decisions = counts.judge(seen, pool.min_healthy, refuses, at);
            let storm = counts.storm.judge(&seen.opens, rollup.interval, now);
            for (code, decision) in decisions.into_iter().chain([("reconnect-storm", storm)]) {
                self.apply_decision(&about, code, decision, now, events);
            }
        }
        self.close_starved(None, events);
        self.judge_unknown_hosts(config, rollup, now, events);
        if let Some(silent) = self.open.with_fault(&edge_resource(), "edge-silent") {
            events.close(silent);
        }
    }

    /// Whether the edge throttles the service of the caller that the open alert about a limit conflict names.
    fn is_caller_throttled(&self, config: &Config, id: &ServiceId, rollup: &Rollup) -> bool {
        let about = Resource::service(&id.0);
        let open = self.open.with_fault(&about, "limit-conflict").and_then(|id| self.state.alerts.get(&id));
        let Some(Fault::LimitConflict { caller, .. }) = open.map(|open| &open.fault) else { return false };
        let caller = config.callers.get(&CallerId(caller.clone()));
        caller.and_then(|caller| caller.service.as_ref()).is_some_and(|id| is_throttled(config, id, rollup))
    }

    /// Records the traffic of a service, learns what is usual, and judges whether it is a surge, or a retry storm.
    fn judge_surge(
        &mut self,
        id: &ServiceId,
        span: Duration,
        traffic: &ServiceTraffic,
        gap: bool,
        now: Time,
        events: &mut AlertEvents,
    ) -> [Decision; 2] {
        let about = Resource::service(&id.0);
        let recorded = self.state.usual.get(id).copied();
        let open = self.open.with_fault(&about, "surge").and_then(|id| self.state.alerts.get(&id));
        let service = self.volatile.traffic.services.entry(id.clone()).or_default();
        if gap {
            service.flow = flow::Flow::default();
            service.latency = latency::Latency::default();
        }
        service.flow.note(now, span, traffic);
        let usual = service.usual.rate(recorded);
        let young = service.usual.is_young(recorded, now);
        let compared = retries::Usual { rate_milli: usual, is_surge: open.is_some() };
        let retries = service.retries.judge(&service.flow, traffic, span, &compared, now);
        let mut surge = service.surge.judge(&service.flow, usual, young, open, now);
        if service.retries.is_storm() && open.is_none() {
            surge = Decision::Keep;
        }
        // While the valve holds clients out, the traffic is not the usual one.
        let unusual =
            service.surge.is_unusual(open.is_some(), now) || service.retries.is_storm() || traffic.held > 0;
        service.usual.note(span, flow::usual_requests(traffic), unusual);
        if let Some(usual_milli) = service.usual.news(recorded, now) {
            events.push(EventKind::TrafficLearned { service: id.clone(), usual_milli });
        }
        [surge, retries]
    }

    /// Whether the alert about a surge waits because a service that calls this one may be in a surge too. Requests are
    /// counted at their end, so those of the called service come first; the caller's next roll-up decides.
    fn waits_for_caller(&self, config: &Config, id: &ServiceId, decision: &Decision) -> bool {
        let about = Resource::service(&id.0);
        let is_open = |about: &Resource| self.open.with_fault(about, "surge").is_some();
        matches!(decision, Decision::Raise(_))
            && !is_open(&about)
            && self.volatile.traffic.services.iter().any(|(other, service)| {
                let caller = Resource::service(&other.0);
                service.surge.is_suspected()
                    && !is_open(&caller)
                    && config.graph.beneath(&caller).contains(&about)
            })
    }

    /// Whether a new alert about a surge has no usual rate to compare with, while a database beneath the service fails or
    /// has just begun to: requests that are refused then speak of the database, not of too many clients.
    fn database_explains(&self, config: &Config, id: &ServiceId, decision: &Decision) -> bool {
        let Decision::Raise(NewAlert { fault: Fault::Surge { times: None, .. }, .. }) = decision else {
            return false;
        };
        let about = Resource::service(&id.0);
        let fails = |database: &Resource| {
            let mut open = self.open.about(&self.state, database);
            let probes = self.volatile.index.as_ref().and_then(|index| index.about.get(database));
            open.any(|alert| alert.severity == Severity::Critical)
                || probes.is_some_and(|probes| !probes.is_disjoint(&self.volatile.undecided))
        };
        let is_database = |beneath: &&Resource| beneath.kind == Kind::Database;
        self.open.with_fault(&about, "surge").is_none()
            && config.graph.beneath(&about).iter().filter(is_database).any(fails)
    }

    /// Opens, updates or closes the alert about a resource with a fault of this code.
    fn apply_decision(
        &mut self,
        about: &Resource,
        code: &'static str,
        decision: Decision,
        now: Time,
        events: &mut AlertEvents,
    ) {
        let open = self.open.with_fault(about, code).and_then(|id| self.state.alerts.get(&id));
        match (decision, open) {
            (Decision::Raise(new), None) => events.open(about, &edge_probe_id(about), new),
            (Decision::Raise(new), Some(open)) => {
                let changed_at = self.volatile.traffic.changed_at.get(&open.id).copied();
                let due = changed_at.is_none_or(|at| between(at, now) >= CHANGE_INTERVAL)
                    && between(open.since, now) >= CHANGE_INTERVAL;
                if new.severity != open.severity || (due && is_news(&open.fault, &new.fault)) {
                    self.volatile.traffic.changed_at.insert(open.id, now);
                    events.change(open.id, new);
                }
            }
            (Decision::Resolve, Some(open)) => {
                self.volatile.traffic.changed_at.remove(&open.id);
                events.close(open.id);
            }
            (Decision::Resolve | Decision::Keep, _) => {}
        }
    }

    fn judge_unknown_hosts(&mut self, config: &Config, rollup: &Rollup, now: Time, events: &mut AlertEvents) {
        let open = || self.state.alerts.values().filter(|alert| alert.fault == Fault::Unmonitored);
        let mut all = open().count();
        let is_foreign = |name: &str| !unknown_host::is_known_domain(config, name);
        let mut foreign = open().filter(|alert| is_foreign(&alert.about.name)).count();
        for (name, requests) in &rollup.unknown_hosts {
            let hosts = &mut self.volatile.traffic.unknown_hosts;
            let Some(owner) = hosts.note(config, name, *requests, now) else { continue };
            let about = Resource::host(name);
            let room = all < unknown_host::OPEN_MAX
                && (owner == Owner::Configured || foreign < unknown_host::OPEN_FOREIGN_MAX);
            if !room || self.open.with_fault(&about, "unmonitored").is_some() {
                continue;
            }
            all += 1;
            foreign += usize::from(owner == Owner::Foreign);
            let domain = match owner {
                Owner::Configured => "it belongs to a configured domain",
                Owner::Foreign => "it belongs to no configured domain",
            };
            let evidence = format!("clients have requested it repeatedly; {domain}");
            let new = NewAlert { fault: Fault::Unmonitored, severity: Severity::Info, since: now, evidence };
            events.open(&about, &edge_probe_id(&about), new);
        }
        let since = self.volatile.traffic.expected_since.unwrap_or(now);
        for alert in open() {
            let hosts = &self.volatile.traffic.unknown_hosts;
            if hosts.is_gone(&alert.about.name, since.max(alert.since), now) {
                events.close(alert.id);
            }
        }
    }

    /// Detects a silent edge, and lets the probes take over when it stays silent.
    pub(super) fn check_edge_silence(&mut self, config: &Config, now: Time, events: &mut AlertEvents) {
        let Some(since) = self.volatile.traffic.silent_since() else { return };
        if config.edge.is_none() || between(since, now) < SILENT_AFTER {
            return;
        }
        if self.open.with_fault(&edge_resource(), "edge-silent").is_none() {
            let fault = Fault::EdgeSilent { since };
            let evidence = "a roll-up is expected every second; alerts of the edge stay open".to_owned();
            let new = NewAlert { fault, severity: Severity::Warning, since, evidence };
            events.open(&edge_resource(), &edge_probe_id(&edge_resource()), new);
        }
        let replaced = later(since, REPLACED_AFTER);
        if now < replaced {
            return;
        }
        for alert in self.state.alerts.values().filter(|alert| is_of_edge(alert)) {
            let is_healthy = |host: &Resource| {
                self.last_result(host).is_some_and(|last| last.healthy && last.at >= replaced)
            };
            if alert.about.kind != Kind::Mainstay && hosts_of(config, &alert.about).iter().all(is_healthy) {
                events.close(alert.id);
            }
        }
    }

    /// Next time at which [`Self::check_edge_silence`] may have an effect.
    pub(super) fn edge_silence_deadline(&self, config: &Config, now: Time) -> Option<Time> {
        config.edge.as_ref()?;
        let since = self.volatile.traffic.silent_since()?;
        let is_open = self.open.with_fault(&edge_resource(), "edge-silent").is_some();
        let at = later(since, if is_open { REPLACED_AFTER } else { SILENT_AFTER });
        (!is_open || at > now).then_some(at)
    }

    /// Last result of a service or a pool by the edge's roll-ups.
    pub(super) fn last_edge_result(&self, resource: &Resource) -> Option<LastResult> {
        let traffic = &self.volatile.traffic;
        let served = match resource.kind {
            Kind::Service => traffic.services.contains_key(&ServiceId(resource.name.clone())),
            Kind::Pool => traffic.pools.contains_key(&PoolId(resource.name.clone())),
            _ => false,
        };
        let at = traffic.last_rollup.filter(|_| served)?;
        let mut alerts = self.open.about(&self.state, resource);
        let failing = alerts.any(|alert| alert.severity == Severity::Critical && is_of_edge(alert));
        Some(LastResult { at, healthy: !failing })
    }
}

/// Hosts of a service, or of every service that a pool serves.
fn hosts_of(config: &Config, about: &Resource) -> Vec<Resource> {
    let services = config.services.values().filter(|service| match about.kind {
        Kind::Service => service.id.0 == about.name,
        Kind::Pool => service.traffic.as_ref().is_some_and(|traffic| traffic.pool.0 == about.name),
        _ => false,
    });
    services.flat_map(|service| &service.hosts).map(Resource::host).collect()
}

/// Whether the edge forwards less to a service than its clients ask.
fn is_throttled(config: &Config, id: &ServiceId, rollup: &Rollup) -> bool {
    config
        .traffic_of(id)
        .and_then(|traffic| rollup.pools.get(&traffic.pool))
        .is_some_and(|seen| seen.throttled)
}

/// Whether the edge measured the fault of an alert, so that its silence says nothing about the end.
fn is_of_edge(alert: &Alert) -> bool {
    let is_crash_loop = matches!(alert.fault, Fault::CrashLoop { .. });
    is_edge_fault(&alert.fault) || (is_crash_loop && alert.probe == edge_probe_id(&alert.about))
}

/// The probe id in alerts of the edge. No configured probe has such an id.
pub(super) fn edge_probe_id(about: &Resource) -> ProbeId {
    match about.kind {
        Kind::Service => ProbeId(format!("edge.{}", about.name)),
        _ => ProbeId(format!("edge.{about}")),
    }
}
