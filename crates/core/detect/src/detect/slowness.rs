//! Slowness: the series of each probe and of each service behind the edge, and their alerts.

use super::Detect;
use super::edge::edge_probe_id;
use crate::alert::AlertEvents;
use crate::slowness::{self, Pace, Series};
use std::time::Duration;
use types::config::{Probe, ProbeKind};
use types::{Alert, Answer, Config, ProbeId, ProbeResult, Resource, ServiceId, Time};

/// Interval of the latencies of a service behind the edge.
const EDGE_INTERVAL: Duration = Duration::from_secs(10);

/// A series as its alert names it.
struct Measured<'a> {
    id: &'a ProbeId,
    about: &'a Resource,
    interval: Duration,
    /// Which latency it is, for the evidence.
    of: &'a str,
}

impl Detect {
    /// Judges the latency of a good answer.
    pub(super) fn judge_latency(
        &mut self,
        probe: &Probe,
        result: &ProbeResult,
        now: Time,
        events: &mut AlertEvents,
    ) {
        if !has_series(probe) || matches!(result.answer, Answer::Failed(_)) {
            return;
        }
        let (id, about, interval) = (&probe.id, &probe.about, probe.interval);
        self.observe_latency(&Measured { id, about, interval, of: &id.0 }, result.phases.total, now, events);
    }

    /// Judges the time to the first byte of a service behind the edge: the median of ten seconds.
    pub(super) fn judge_edge_latency(
        &mut self,
        service: &ServiceId,
        latency: Duration,
        now: Time,
        events: &mut AlertEvents,
    ) {
        let about = Resource::service(&service.0);
        let id = edge_probe_id(&about);
        let of = "time to the first byte at the edge";
        let measured = Measured { id: &id, about: &about, interval: EDGE_INTERVAL, of };
        self.observe_latency(&measured, latency, now, events);
    }

    /// Learns what is usual for a probe from stored latencies of good answers, oldest first, before its first answer since
    /// boot. An open alert continues without them.
    pub fn learn_latencies(
        &mut self,
        config: &Config,
        probe: &ProbeId,
        latencies: impl IntoIterator<Item = (Time, Duration)>,
    ) {
        let Some(probe) = config.probes.get(probe).filter(|probe| has_series(probe)) else { return };
        if self.volatile.latencies.contains_key(&probe.id)
            || self.slow_alert(&probe.about).is_some_and(|alert| alert.probe == probe.id)
        {
            return;
        }
        let mut series = Series::new(probe.interval, None, Time::MIN);
        for (at, latency) in latencies {
            series.observe(at, latency);
        }
        self.volatile.latencies.insert(probe.id.clone(), series);
    }

    fn observe_latency(
        &mut self,
        measured: &Measured<'_>,
        latency: Duration,
        now: Time,
        events: &mut AlertEvents,
    ) {
        let Measured { id, about, interval, of } = *measured;
        if !self.volatile.latencies.get(id).is_some_and(|series| series.fits(interval)) {
            let open = self.slow_alert(about).filter(|alert| alert.probe == *id);
            let series = Series::new(interval, open, now);
            self.volatile.latencies.insert(id.clone(), series);
        }
        let Some(series) = self.volatile.latencies.get_mut(id) else { return };
        let pace = series.observe(now, latency);
        if pace == Pace::Usual {
            return;
        }
        let new = series.alert(of);
        let open = self.open.with_fault(about, slowness::CODE).and_then(|id| self.state.alerts.get(&id));
        match (open, new) {
            (Some(open), None) if pace == Pace::UsualAgain && open.probe == *id => events.close(open.id),
            (Some(open), Some(new)) if open.probe == *id && series.has_news(&open.fault, &new.fault, now) => {
                events.change(open.id, new);
            }
            // Another series of the same resource is slow too, or nothing has changed.
            (Some(_), _) | (None, None) => {}
            (None, Some(new)) => {
                let slow = |alert: &&Alert| alert.fault.as_str() == slowness::CODE;
                if self.state.alerts.values().filter(slow).count() < slowness::OPEN_MAX {
                    events.open(about, id, new);
                }
            }
        }
    }

    fn slow_alert(&self, about: &Resource) -> Option<&Alert> {
        self.open.with_fault(about, slowness::CODE).and_then(|id| self.state.alerts.get(&id))
    }
}

/// Whether the latency of a probe is judged: not that of registries, and not at intervals that are not calibrated.
pub(super) fn has_series(probe: &Probe) -> bool {
    probe.interval <= slowness::INTERVAL_MAX && !matches!(probe.kind, ProbeKind::Domain { .. })
}
