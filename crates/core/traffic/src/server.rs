//! One server of a pool: its state and measurements, and whether it gets requests.

use crate::admission::Failure;
use crate::open_rate::OpenRate;
use crate::tick::{Tick, micros};
use std::net::SocketAddr;
use std::time::Duration;
use types::traffic::{ConnectsStatus, ServerState, ServerStatus};

/// Duration of slow start.
const WARMING: Duration = Duration::from_secs(10);
/// The share that it begins with.
const WARMING_FROM: f64 = 0.1;
/// Failures in a row that eject a server; without a connection it takes fewer.
const FAILURES: u32 = 5;
const FAILURES_TO_CONNECT: u32 = 3;
const EJECTED_FIRST: Duration = Duration::from_secs(5);
const EJECTED_LONGEST: Duration = Duration::from_secs(300);
/// After this duration without trouble one ejection is forgiven.
const FORGIVEN: Duration = Duration::from_secs(60);
/// How slowly a latency peak is forgotten.
const PEAK: Duration = Duration::from_secs(10);

/// Why a server does not serve, the least bad first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Bad {
    /// It is slower than the others.
    Slow,
    /// It has more errors than the others.
    Errors,
    /// Its health check is answered with an error.
    Unwell,
    /// It does not answer.
    Silent,
    /// Its certificate is for another name.
    Certificate,
    /// It cannot be reached.
    Unreachable,
}

/// One server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) serial: u64,
    /// As the configuration writes it.
    pub(crate) at: String,
    pub(crate) address: SocketAddr,
    pub(crate) weight: u16,
    pub(crate) drain: bool,
    /// No longer in the configuration or in DNS; kept until its last request ended.
    pub(crate) gone: bool,
    pub(crate) inflight: u32,
    /// Long-lived connections, those included that are being opened.
    pub(crate) connections: u32,
    /// Opens that it has not answered.
    pub(crate) opening: u32,
    pub(crate) open_rate: OpenRate,
    /// Whether it served at the last look.
    pub(crate) served: bool,
    /// Whether the configuration has it no more.
    pub(crate) removed: bool,
    /// Whether it gets no requests because it is down or ejected; its requests in flight hold no places.
    pub(crate) is_stuck: bool,
    since: Tick,
    warm_from: Option<Tick>,
    ejected: Option<Ejected>,
    down: Option<(Bad, String)>,
    /// Consecutive health checks that contradict its current state.
    contrary: u32,
    failures: u32,
    unconnected: u32,
    ejections: u32,
    /// Start of the time without failures.
    calm: Tick,
    /// Peak-sensitive moving average of latency, in microseconds.
    latency: f64,
    sampled: Tick,
    pub(crate) lately: Lately,
    /// Seconds in a row in which it was much slower than the others.
    pub(crate) slow_secs: u32,
    answered: u64,
    failed: u64,
    /// Attempts to connect since the last status; its `listens` is the last attempt's result, also of an earlier interval.
    connects: ConnectsStatus,
    /// When its certificate was last found wrong, and when last right.
    pub(crate) certificate_wrong: Option<Tick>,
    pub(crate) certificate_right: Option<Tick>,
}

#[derive(Clone, Debug)]
struct Ejected {
    until: Tick,
    bad: Bad,
    why: String,
}

/// Recent results; older counts fade.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lately {
    pub(crate) good: f64,
    pub(crate) bad: f64,
    /// Sum of the latencies of the good ones, in microseconds.
    pub(crate) micros: f64,
}

impl Lately {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { good: self.good + other.good, bad: self.bad + other.bad, micros: self.micros + other.micros }
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self { good: self.good - other.good, bad: self.bad - other.bad, micros: self.micros - other.micros }
    }
}

impl Server {
    pub(crate) fn new(serial: u64, at: &str, address: SocketAddr, now: Tick, warm: bool) -> Self {
        Self {
            serial,
            at: at.to_owned(),
            address,
            weight: 1,
            drain: false,
            gone: false,
            inflight: 0,
            connections: 0,
            opening: 0,
            open_rate: OpenRate::new(now),
            served: warm,
            removed: false,
            is_stuck: false,
            since: now,
            warm_from: (!warm).then_some(now),
            ejected: None,
            down: None,
            contrary: 0,
            failures: 0,
            unconnected: 0,
            ejections: 0,
            calm: now,
            latency: 0.0,
            sampled: now,
            lately: Lately::default(),
            slow_secs: 0,
            answered: 0,
            failed: 0,
            connects: ConnectsStatus { listens: true, ..ConnectsStatus::default() },
            certificate_wrong: None,
            certificate_right: None,
        }
    }

    pub(crate) fn state(&self) -> ServerState {
        if self.drain {
            ServerState::Draining
        } else if self.down.is_some() {
            ServerState::Down
        } else if self.ejected.is_some() {
            ServerState::Ejected
        } else if self.warm_from.is_some() {
            ServerState::Warming
        } else {
            ServerState::Serving
        }
    }

    pub(crate) fn serves(&self) -> bool {
        !self.gone && self.state().serves()
    }

    /// Returns why it does not serve; `None` when it serves, drains or is gone.
    pub(crate) fn bad(&self) -> Option<Bad> {
        if self.gone || self.drain {
            return None;
        }
        let down = self.down.as_ref().map(|(bad, _)| *bad);
        down.max(self.ejected.as_ref().map(|ejected| ejected.bad))
    }

    /// Returns its current share, relative to the others.
    pub(crate) fn share(&self, now: Tick) -> f64 {
        let warm = self.warm_from.map_or(1.0, |from| {
            (now.since(from).as_secs_f64() / WARMING.as_secs_f64()).clamp(WARMING_FROM, 1.0)
        });
        f64::from(self.weight.max(1)) * warm
    }

    /// Returns the cost of one more request, relative to the others; `usual` replaces a latency that is not known
    /// yet.
    pub(crate) fn cost(&self, now: Tick, usual: f64) -> f64 {
        let latency = if self.latency > 0.0 { self.latency } else { usual };
        latency.max(1.0) * (1.0 + f64::from(self.inflight) / self.share(now))
    }

    /// Returns the load that one more long-lived connection would bring, relative to the others.
    pub(crate) fn open_cost(&self, now: Tick) -> f64 {
        (1.0 + f64::from(self.connections) + f64::from(self.inflight)) / self.share(now)
    }

    /// Whether it has a place for one more open: `each` requests at most, half of them opens.
    pub(crate) fn has_open_room(&mut self, each: u32) -> bool {
        let has_room = self.opening < each.div_ceil(2) && self.opening + self.inflight < each;
        if !has_room {
            self.open_rate.want();
        }
        has_room
    }

    /// Whether its connections are to go elsewhere: drained or removed by the configuration.
    pub(crate) fn is_leaving(&self) -> bool {
        self.drain || self.removed
    }

    /// Whether nothing of it is left but its entry.
    pub(crate) fn is_over(&self) -> bool {
        self.gone && self.inflight == 0 && self.opening == 0 && self.connections == 0
    }

    pub(crate) fn latency(&self) -> f64 {
        self.latency
    }

    /// Counts a response; its latency is `None` where that says nothing about work. Returns whether its state changed:
    /// it was out because it did not answer, and was tried in panic mode.
    pub(crate) fn answered(&mut self, latency: Option<Duration>, status: u16, now: Tick) -> bool {
        self.answered += 1;
        self.failures = 0;
        self.unconnected = 0;
        self.certificate_right = Some(now);
        if status >= 500 {
            self.failed += 1;
            self.lately.bad += 1.0;
            return false;
        }
        if let Some(latency) = latency {
            let took = micros(latency) as f64;
            self.lately.good += 1.0;
            self.lately.micros += took;
            let fade = (-now.since(self.sampled).as_secs_f64() / PEAK.as_secs_f64()).exp();
            self.latency = if took > self.latency { took } else { took + fade * (self.latency - took) };
            self.sampled = now;
        }
        if self.ejected.take_if(|ejected| ejected.bad >= Bad::Silent).is_none() {
            return false;
        }
        self.warm_from = Some(now);
        self.since = now;
        true
    }

    /// Counts a failed request. Returns whether it is to be ejected.
    pub(crate) fn failed(&mut self, failure: &Failure, now: Tick) -> bool {
        self.failed += 1;
        self.lately.bad += 1.0;
        match failure {
            Failure::Certificate { .. } => {
                self.certificate_wrong = Some(now);
                return false;
            }
            Failure::Connect(_) => self.unconnected += 1,
            _ => self.unconnected = 0,
        }
        self.failures += 1;
        self.failures >= FAILURES || self.unconnected >= FAILURES_TO_CONNECT
    }

    /// Takes it out for a while, longer each time. What is out already stays out as it is.
    pub(crate) fn eject(&mut self, bad: Bad, why: String, now: Tick) {
        if self.ejected.is_some() {
            return;
        }
        let span = EJECTED_FIRST.saturating_mul(1 << self.ejections.min(10)).min(EJECTED_LONGEST);
        self.ejections += 1;
        self.ejected = Some(Ejected { until: now.after(span), bad, why });
        self.lately = Lately::default();
        self.slow_secs = 0;
        self.since = now;
    }

    /// Applies the result of a health check. Returns whether its state changed.
    pub(crate) fn checked(&mut self, found: Result<(), Failure>, fall: u32, rise: u32, now: Tick) -> bool {
        match (&found, &self.down) {
            (Ok(()), None) => self.contrary = 0,
            (Err(failure), Some(_)) => {
                self.contrary = 0;
                self.down = Some((of(failure), failure.to_string()));
            }
            (Ok(()), Some(_)) | (Err(_), None) => self.contrary += 1,
        }
        match &found {
            Ok(()) => self.certificate_right = Some(now),
            Err(Failure::Certificate { .. }) => self.certificate_wrong = Some(now),
            Err(_) => {}
        }
        let changes = match (found, self.down.is_some()) {
            (Err(failure), false) if self.contrary >= fall.max(1) => {
                self.down = Some((of(&failure), failure.to_string()));
                true
            }
            (Ok(()), true) if self.contrary >= rise.max(1) => {
                self.down = None;
                self.warm_from = Some(now);
                true
            }
            _ => false,
        };
        if changes {
            self.contrary = 0;
            self.since = now;
        }
        changes
    }

    /// Health checks are no longer configured.
    pub(crate) fn unchecked(&mut self, now: Tick) {
        self.contrary = 0;
        if self.down.take().is_some() {
            self.since = now;
            self.warm_from = Some(now);
        }
    }

    pub(crate) fn set_drain(&mut self, drain: bool, now: Tick) {
        if self.drain != drain {
            self.drain = drain;
            self.since = now;
            self.warm_from = (!drain).then_some(now);
        }
    }

    /// Time went by. Whether its state changed.
    pub(crate) fn turn(&mut self, now: Tick) -> bool {
        let before = self.state();
        if self.ejected.as_ref().is_some_and(|ejected| ejected.until <= now) {
            self.ejected = None;
            self.failures = 0;
            self.unconnected = 0;
            self.warm_from = Some(now);
        }
        if self.warm_from.is_some_and(|from| now.since(from) >= WARMING) {
            self.warm_from = None;
        }
        let after = self.state();
        if before != after {
            self.since = now;
        }
        if !after.serves() {
            self.calm = now;
        } else if self.ejections > 0 && now.since(self.calm) >= FORGIVEN {
            self.ejections -= 1;
            self.calm = now;
        }
        before != after
    }

    /// A second went by: older counts fade, and a peak that nothing confirmed.
    pub(crate) fn fade(&mut self) {
        self.lately.good *= 0.8;
        self.lately.bad *= 0.8;
        self.lately.micros *= 0.8;
        self.latency *= 0.98;
    }

    /// Returns its status. Counters are reset.
    pub(crate) fn seen(&mut self, now: Tick) -> ServerStatus {
        let down = self.down.as_ref().map(|(_, why)| why);
        let why = down.or(self.ejected.as_ref().map(|ejected| &ejected.why)).cloned();
        let next = ConnectsStatus { listens: self.connects.listens, ..ConnectsStatus::default() };
        ServerStatus {
            address: self.address.to_string(),
            state: self.state(),
            since: now.since(self.since),
            why: if self.drain { Some("the configuration drains it".to_owned()) } else { why },
            inflight: self.inflight + self.opening,
            connections: self.connections,
            answered: std::mem::take(&mut self.answered),
            failed: std::mem::take(&mut self.failed),
            latency: Duration::from_micros(self.latency as u64),
            connects: std::mem::replace(&mut self.connects, next),
        }
    }

    /// Counts an attempt to connect: accepted, or refused because no process listens.
    pub(crate) fn connected(&mut self, accepted: bool) {
        let connects = &mut self.connects;
        let count = if accepted { &mut connects.accepted } else { &mut connects.refused };
        *count = count.saturating_add(1);
        if connects.listens != accepted {
            connects.listens = accepted;
            connects.changes = connects.changes.saturating_add(1);
        }
    }

    /// Counts a request whose connection broke before a response.
    pub(crate) fn broke(&mut self, request: String) {
        self.connects.broken = self.connects.broken.saturating_add(1);
        self.connects.request = Some(request);
    }
}

/// Classifies a failure.
pub(crate) fn of(failure: &Failure) -> Bad {
    match failure {
        Failure::Connect(_) => Bad::Unreachable,
        Failure::Reset | Failure::Timeout | Failure::Garbage => Bad::Silent,
        Failure::Certificate { .. } => Bad::Certificate,
        Failure::Status(_) => Bad::Unwell,
    }
}
