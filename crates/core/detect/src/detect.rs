//! Entry points of detection, and the views of its state.

use crate::alert::AlertEvents;
use crate::aspect::is_edge_fault;
use crate::slowness::CODE;
use crate::state::{OpenAlerts, Registration, State};
use crate::traffic;
use crate::volatile::Volatile;
use std::collections::{BTreeMap, BTreeSet};
use types::config::Probe;
use types::event::{Event, Events};
use types::{
    Alert, AlertId, Config, Context, EventKind, Fault, Kind, LastResult, Observed, ProbeId, ProbeResult,
    Resource, SeenAt, ServiceId, Time,
};

mod backups;
mod capacity;
mod counting;
mod creeping;
mod dates;
mod early;
mod edge;
mod externals;
mod heartbeats;
mod isolation;
mod judging;
mod slowness;
mod zones;

/// Turns measurements into alerts.
#[derive(Debug, Default)]
pub struct Detect {
    state: State,
    open: OpenAlerts,
    volatile: Volatile,
}

impl Detect {
    /// Folds one event. Events about unknown resources change nothing.
    pub fn apply(&mut self, event: &Event) {
        self.open.follow(&self.state, event);
        self.state.apply(event);
        self.follow_external(event);
        match &event.kind {
            EventKind::ConfigAdopted { .. } => self.volatile.index = None,
            EventKind::HeartbeatPinged { heartbeat, .. } => {
                self.volatile.heartbeats_asked.insert(heartbeat.clone());
            }
            _ => {}
        }
    }

    /// Judges one answer that arrived at `context.now`, and adds the events that follow.
    pub fn judge(&mut self, context: &Context<'_>, result: &ProbeResult, events: &mut Events) {
        let Context { config, now, .. } = *context;
        let mut new = self.events();
        self.follow_config(config, now, &mut new);
        if let Some(probe) = config.probes.get(&result.probe) {
            self.volatile.places.note(result);
            let verdict = self.verdict(config, probe, result, now, &mut new);
            let is_good = verdict.healthy;
            self.record(config, probe, verdict, now, &mut new);
            // A bad answer may be quick, and must not become usual.
            if is_good {
                self.judge_latency(probe, result, now, &mut new);
            }
        }
        events.extend(self.with_places(new));
    }

    /// Adds the events that follow from the passing of time: expiry dates, connectivity checks, a silent edge, removed
    /// probes.
    pub fn react(&mut self, context: &Context<'_>, events: &mut Events) {
        let Context { config, now, .. } = *context;
        let mut new = self.events();
        self.follow_config(config, now, &mut new);
        self.check_connectivity(now, &mut new);
        self.check_edge_silence(config, now, &mut new);
        self.judge_heartbeats(config, now, &mut new);
        self.judge_sources(config, now, &mut new);
        while let Some((at, id)) = self.volatile.dates_due.first().cloned().filter(|(at, _)| *at <= now) {
            self.volatile.dates_due.remove(&(at, id.clone()));
            if let Some(probe) = config.probes.get(&id) {
                self.judge_dates(config, probe, now, &mut new);
            }
        }
        events.extend(self.with_places(new));
    }

    /// Time of the next reaction if nothing else happens.
    #[must_use]
    pub fn next_deadline(&self, context: &Context<'_>) -> Option<Time> {
        let Context { config, now, .. } = *context;
        let changed = !self.volatile.fits(config) || self.volatile.close_removed;
        let due = self.volatile.dates_due.first().map(|(at, _)| *at);
        let others = [
            due,
            self.volatile.connectivity.deadline(now),
            self.edge_silence_deadline(config, now),
            self.heartbeat_deadline(now),
            self.source_deadline(now),
        ];
        others.into_iter().chain([changed.then_some(now)]).flatten().min()
    }

    /// Open alerts.
    #[must_use]
    pub fn alerts(&self) -> &BTreeMap<AlertId, Alert> {
        &self.state.alerts
    }

    /// Registrations by the last answers of the registries.
    #[must_use]
    pub fn registrations(&self) -> &BTreeMap<String, Registration> {
        &self.state.registrations
    }

    /// Intended name servers of a zone, and since when.
    #[must_use]
    pub fn delegation(&self, zone: &str) -> Option<(&BTreeSet<String>, Time)> {
        self.state.delegations.get(zone).map(|known| (&known.servers, known.at))
    }

    /// Usual requests per second of a service behind the edge, in thousandths; `None` while unknown.
    #[must_use]
    pub fn usual_milli(&self, service: &ServiceId) -> Option<u64> {
        self.state.usual.get(service).map(|(usual, _)| *usual)
    }

    /// Reason why mainstay is isolated; `None` when it is not.
    #[must_use]
    pub fn isolated(&self) -> Option<&str> {
        self.open.about(&self.state, &Resource::here()).find_map(|alert| match &alert.fault {
            Fault::Isolated { why } => Some(why.as_str()),
            _ => None,
        })
    }

    /// Last result of a resource since boot, by probes and by the edge.
    #[must_use]
    pub fn last_result(&self, resource: &Resource) -> Option<LastResult> {
        match (self.last_probe_result(resource), self.last_edge_result(resource)) {
            (Some(one), Some(other)) => {
                Some(LastResult { at: one.at.max(other.at), healthy: one.healthy && other.healthy })
            }
            (one, other) => one.or(other),
        }
    }

    /// Whether the last result of a probe was no failure; true before the first.
    #[must_use]
    pub fn is_healthy(&self, probe: &ProbeId) -> bool {
        self.volatile.is_healthy(probe)
    }

    fn last_probe_result(&self, resource: &Resource) -> Option<LastResult> {
        let about = &self.volatile.index.as_ref()?.about;
        // A host without an HTTP probe is known by its certificate alone.
        let certificate =
            || (resource.kind == Kind::Host).then(|| about.get(&Resource::tls(resource.name.clone())));
        let probes = about.get(resource).or_else(|| certificate().flatten())?;
        let histories = || probes.iter().filter_map(|probe| self.volatile.probes.get(probe));
        let at = histories().map(|history| history.last).max()?;
        Some(LastResult { at, healthy: histories().all(|history| history.healthy) })
    }

    /// Everything folded from events, as text: equal for two folds of one journal.
    #[must_use]
    pub fn state_text(&self) -> String {
        format!("{:#?}", self.state)
    }
}

impl Observed for Detect {
    fn last_result(&self, resource: &Resource) -> Option<LastResult> {
        self.last_result(resource)
    }

    fn colocated(&self, config: &Config, place: &SeenAt, most: usize) -> BTreeSet<Resource> {
        let mut resources = BTreeSet::new();
        for probe in self.volatile.places.at(place) {
            if resources.len() >= most {
                break;
            }
            resources.extend(config.probes.get(probe).map(|probe| probe.about.clone()));
        }
        resources
    }

    fn is_isolated(&self) -> bool {
        self.isolated().is_some()
    }
}

impl Detect {
    fn events(&self) -> AlertEvents {
        AlertEvents::new(self.state.last_alert)
    }

    /// The events of a call, with the place of the failure in each new alert.
    fn with_places(&self, mut events: AlertEvents) -> Vec<EventKind> {
        for kind in &mut events.kinds {
            if let EventKind::AlertOpened { alert } = kind
                && alert.about.kind != Kind::Mainstay
            {
                alert.seen_at = self.volatile.places.failed(&alert.probe);
            }
        }
        events.kinds
    }

    /// Follows a changed configuration.
    fn follow_config(&mut self, config: &Config, now: Time, events: &mut AlertEvents) {
        if !self.volatile.fits(config) {
            self.volatile.follow(config, now);
        }
        if std::mem::take(&mut self.volatile.close_removed) {
            let gone = self.state.jobs.keys().filter(|name| !config.heartbeats.contains_key(*name));
            for heartbeat in gone {
                events.push(EventKind::HeartbeatRemoved { heartbeat: heartbeat.clone() });
            }
            let removed = |alert: &&Alert| {
                if alert.about.kind == Kind::Heartbeat {
                    return !config.heartbeats.contains_key(&alert.about.name);
                }
                if alert.about.kind == Kind::Source || matches!(alert.fault, Fault::External { .. }) {
                    let source = alert.probe.0.strip_prefix("source.").unwrap_or_default();
                    return externals::alert_source(config, source).is_none();
                }
                if is_edge_fault(&alert.fault) || alert.probe == edge::edge_probe_id(&alert.about) {
                    return !traffic::is_still_configured(config, alert);
                }
                let measures = |probe: &Probe| {
                    probe.about == alert.about
                        && (alert.fault.as_str() != CODE || self::slowness::has_series(probe))
                };
                alert.about.kind != Kind::Mainstay && !config.probes.get(&alert.probe).is_some_and(measures)
            };
            for alert in self.state.alerts.values().filter(removed) {
                events.close(alert.id);
            }
        }
    }

    fn zone_of(&self, config: &Config, probe: &ProbeId) -> Option<String> {
        let probe: &Probe = config.probes.get(probe)?;
        self.volatile.index.as_ref()?.zone_of(&probe.kind, &probe.about)
    }
}
