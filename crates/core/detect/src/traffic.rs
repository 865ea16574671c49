//! Judges what the edge counted: one roll-up in, what changed out.
//!
//! | module | holds |
//! |---|---|
//! | `flow` | the last seconds of a service's traffic |
//! | `usual` | what traffic is usual for a service |
//! | `surge` | far more than that, and whether it hurts |
//! | `conflict` | a service that refuses one of our own callers |
//! | `pool` | too few servers, wrong certificates |
//! | `stranger` | names that visitors ask for and that the configuration does not watch |
//!
//! When the edge falls silent, what it found stays open: nobody has said that it is over. After ten minutes of silence the
//! probes speak in its place: an alert closes once every name that it concerns was seen well since.

mod conflict;
mod flow;
mod pool;
mod stranger;
mod surge;
mod usual;

use crate::detect::{Detect, Out};
use crate::tally::Opening;
use std::collections::BTreeMap;
use std::time::Duration;
use stranger::{Known, Strangers};
use types::time::{between, later};
use types::traffic::ServiceTraffic;
use types::{
    Alert, AlertId, Config, EventKind, Fault, Kind, LastResult, PoolId, ProbeId, Resource, Rollup, ServiceId,
    Severity, Time,
};

/// The edge tells of its traffic once a second; after so long without a word it is silent.
const SILENT_AFTER: Duration = Duration::from_secs(30);
/// After so long without a word the probes speak in its place.
const REPLACED_AFTER: Duration = Duration::from_secs(600);
/// Seconds that lie so far apart tell nothing together.
const GAP: Duration = Duration::from_secs(5);
/// An open alert is told anew at most this often, unless its weight changed.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// What one roll-up says about one thing and one word.
pub(crate) enum Says {
    /// It is not as it should be.
    Wrong(Opening),
    /// It is, and has been for long enough to believe it.
    Right,
    /// What was said before stands.
    Unsure,
}

/// What the edge told since boot.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Since when the edge is expected to tell.
    expected: Option<Time>,
    heard: Option<Time>,
    services: BTreeMap<ServiceId, Service>,
    pools: BTreeMap<PoolId, pool::Pool>,
    strangers: Strangers,
    /// When each open alert was last told anew.
    told: BTreeMap<AlertId, Time>,
}

#[derive(Debug, Default)]
struct Service {
    flow: flow::Flow,
    usual: usual::Usual,
    surge: surge::Surge,
    conflict: conflict::Conflict,
}

impl Traffic {
    /// Follows a changed configuration.
    pub(crate) fn fit(&mut self, config: &Config, now: Time) {
        self.expected = config.edge.as_ref().map(|_| self.expected.unwrap_or(now));
        self.services.retain(|id, _| is_served(config, &id.0));
        self.pools.retain(|id, _| config.pools.contains_key(id));
    }

    /// When the edge was last heard of, or when it should have begun to tell.
    fn last_word(&self) -> Option<Time> {
        self.heard.max(self.expected)
    }
}

/// Where the edge itself is spoken of.
pub(crate) fn the_edge() -> Resource {
    Resource::new(Kind::Mainstay, "edge")
}

fn is_served(config: &Config, service: &str) -> bool {
    let service = config.services.get(&ServiceId(service.to_owned()));
    config.edge.is_some() && service.is_some_and(|service| service.traffic.is_some())
}

/// Whether a fault is one that only the edge can see.
pub(crate) fn is_of_the_edge(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Surge { .. }
            | Fault::LimitConflict { .. }
            | Fault::PoolBelowFloor { .. }
            | Fault::ServerCertificate { .. }
            | Fault::EdgeSilent { .. }
            | Fault::Unwatched
    )
}

/// Whether the configuration still holds what an alert of the edge is about.
pub(crate) fn is_still_planned(config: &Config, alert: &Alert) -> bool {
    let name = &alert.about.name;
    let of_the_config = match &alert.fault {
        Fault::Surge { .. } => is_served(config, name),
        Fault::LimitConflict { caller, .. } => {
            is_served(config, name) && config.callers.contains_key(&types::CallerId(caller.clone()))
        }
        Fault::PoolBelowFloor { .. } => config.pools.contains_key(&PoolId(name.clone())),
        Fault::ServerCertificate { expected, .. } => config
            .pools
            .get(&PoolId(name.clone()))
            .is_some_and(|pool| pool.tls.as_ref().is_none_or(|tls| tls == expected)),
        Fault::Unwatched => !config.graph.contains(&alert.about),
        _ => true,
    };
    config.edge.is_some() && of_the_config
}

pub(crate) fn bounded_u32(number: f64) -> u32 {
    // `as` saturates, which is what a number that only people read wants.
    number.max(0.0) as u32
}

/// The id under which an alert of the edge names its witness: no probe of the configuration bears such a one.
fn witness(about: &Resource) -> ProbeId {
    match about.kind {
        Kind::Service => ProbeId(format!("edge.{}", about.name)),
        _ => ProbeId(format!("edge.{about}")),
    }
}

impl Detect {
    /// Judges what the edge counted; the roll-up came in at `now`.
    pub fn roll_up(&mut self, config: &Config, now: Time, rollup: &Rollup) -> Vec<EventKind> {
        let mut out = self.out();
        self.settle_in(config, now, &mut out);
        if config.edge.is_none() {
            return out.events;
        }
        let gap = self.fresh.traffic.heard.is_none_or(|heard| between(heard, now) > GAP);
        self.fresh.traffic.heard = Some(now);
        let served = || rollup.services.iter().filter(|(id, _)| is_served(config, &id.0));
        let judged: Vec<(&ServiceId, Says)> = served()
            .map(|(id, traffic)| (id, self.asked(id, rollup.interval, traffic, gap, now, &mut out)))
            .collect();
        for (id, says) in judged {
            if !self.waits_for_another(config, id, &says) {
                self.say(&Resource::service(&id.0), "surge", says, now, &mut out);
            }
        }
        // Surges first: what fights because of one comes after it.
        for (id, _) in served() {
            let Some(service) = self.fresh.traffic.services.get_mut(id) else { continue };
            let conflict = service.conflict.judge(config, &service.flow, now);
            self.say(&Resource::service(&id.0), "limit-conflict", conflict, now, &mut out);
        }
        for (id, seen) in &rollup.pools {
            let Some(pool) = config.pools.get(id) else { continue };
            let about = Resource::pool(&id.0);
            let fresh = self.fresh.traffic.pools.entry(id.clone()).or_default();
            let floor = fresh.judge_floor(seen, pool.min_healthy, now, &config.site.timezone);
            let certificate = fresh.judge_certificate(seen, now);
            self.say(&about, "pool-below-floor", floor, now, &mut out);
            self.say(&about, "server-certificate", certificate, now, &mut out);
        }
        self.strangers(config, rollup, now, &mut out);
        if let Some(silent) = self.open.worded(&the_edge(), "edge-silent") {
            out.close(silent);
        }
        out.events
    }

    /// Takes note of what was asked of a service, learns what is usual, and judges whether it is a surge.
    fn asked(
        &mut self,
        id: &ServiceId,
        span: Duration,
        traffic: &ServiceTraffic,
        gap: bool,
        now: Time,
        out: &mut Out,
    ) -> Says {
        let about = Resource::service(&id.0);
        let written = self.known.usual.get(id).copied();
        let open = self.open.worded(&about, "surge").and_then(|id| self.known.alerts.get(&id));
        let service = self.fresh.traffic.services.entry(id.clone()).or_default();
        if gap {
            service.flow = flow::Flow::default();
        }
        service.flow.note(now, span, traffic);
        let usual = service.usual.rate(written);
        let young = service.usual.is_young(written, now);
        let surge = service.surge.judge(&service.flow, usual, young, open, now);
        let unusual = service.surge.is_unusual(open.is_some(), now);
        service.usual.note(span, traffic.requests, unusual);
        if let Some(usual_milli) = service.usual.news(written, now) {
            out.events.push(EventKind::TrafficLearned { service: id.clone(), usual_milli });
        }
        surge
    }

    /// Whether a surge is not called yet because a service that passes its visitors on is about to be called one: requests are
    /// counted when they end, and what a service asks of another ends first. The other's next roll-up decides.
    fn waits_for_another(&self, config: &Config, id: &ServiceId, says: &Says) -> bool {
        let about = Resource::service(&id.0);
        let is_open = |about: &Resource| self.open.worded(about, "surge").is_some();
        matches!(says, Says::Wrong(_))
            && !is_open(&about)
            && self.fresh.traffic.services.iter().any(|(other, service)| {
                let over = Resource::service(&other.0);
                service.surge.is_suspected()
                    && !is_open(&over)
                    && config.graph.beneath(&over).contains(&about)
            })
    }

    /// Opens, tells anew, or closes the alert about a thing with a word.
    fn say(&mut self, about: &Resource, word: &'static str, says: Says, now: Time, out: &mut Out) {
        let open = self.open.worded(about, word);
        match (says, open.and_then(|id| self.known.alerts.get(&id))) {
            (Says::Wrong(opening), None) => out.open(about, &witness(about), opening),
            (Says::Wrong(opening), Some(open)) => {
                let heavier = opening.severity != open.severity;
                let told = self.fresh.traffic.told.get(&open.id).copied();
                let due = told.is_none_or(|told| between(told, now) >= TOLD_EVERY)
                    && between(open.since, now) >= TOLD_EVERY;
                if heavier || (due && is_news(&open.fault, &opening.fault)) {
                    self.fresh.traffic.told.insert(open.id, now);
                    let Opening { fault, severity, evidence, .. } = opening;
                    out.events.push(EventKind::AlertChanged { alert: open.id, fault, severity, evidence });
                }
            }
            (Says::Right, Some(open)) => {
                self.fresh.traffic.told.remove(&open.id);
                out.close(open.id);
            }
            (Says::Right | Says::Unsure, _) => {}
        }
    }

    fn strangers(&mut self, config: &Config, rollup: &Rollup, now: Time, out: &mut Out) {
        let open = || self.known.alerts.values().filter(|alert| alert.fault == Fault::Unwatched);
        let mut all = open().count();
        let mut foreign = open().filter(|alert| !stranger::is_ours(config, &alert.about.name)).count();
        for (name, requests) in &rollup.unknown_hosts {
            let Some(known) = self.fresh.traffic.strangers.note(config, name, *requests, now) else {
                continue;
            };
            let about = Resource::host(name);
            let room =
                all < stranger::OPEN_MAX && (known == Known::Ours || foreign < stranger::OPEN_FOREIGN_MAX);
            if !room || self.open.worded(&about, "unwatched").is_some() {
                continue;
            }
            all += 1;
            foreign += usize::from(known == Known::Foreign);
            let whose = match known {
                Known::Ours => "it lies under a domain that the configuration watches",
                Known::Foreign => "no domain that the configuration watches is above it",
            };
            let evidence = format!("visitors ask for it again and again; {whose}");
            let opening = Opening { fault: Fault::Unwatched, severity: Severity::Info, since: now, evidence };
            out.open(&about, &witness(&about), opening);
        }
        let since = self.fresh.traffic.expected.unwrap_or(now);
        for alert in open() {
            if self.fresh.traffic.strangers.is_gone(&alert.about.name, since.max(alert.since), now) {
                out.close(alert.id);
            }
        }
    }

    /// Notices when the edge falls silent, and lets the probes speak in its place when it stays so.
    pub(crate) fn listen(&mut self, config: &Config, now: Time, out: &mut Out) {
        let Some(last) = self.fresh.traffic.last_word() else { return };
        if config.edge.is_none() || between(last, now) < SILENT_AFTER {
            return;
        }
        if self.open.worded(&the_edge(), "edge-silent").is_none() {
            let fault = Fault::EdgeSilent { since: last };
            let evidence =
                "it tells of its traffic once a second; what it found before stays open".to_owned();
            let opening = Opening { fault, severity: Severity::Warning, since: last, evidence };
            out.open(&the_edge(), &witness(&the_edge()), opening);
        }
        let replaced = later(last, REPLACED_AFTER);
        if now < replaced {
            return;
        }
        for alert in self.known.alerts.values().filter(|alert| is_of_the_edge(&alert.fault)) {
            let well = |host: &Resource| {
                self.looked(host).is_some_and(|looked| looked.well && looked.at >= replaced)
            };
            if alert.about.kind != Kind::Mainstay && names_of(config, &alert.about).iter().all(well) {
                out.close(alert.id);
            }
        }
    }

    /// When to listen if nothing else happens.
    pub(crate) fn listen_at(&self, config: &Config, now: Time) -> Option<Time> {
        config.edge.as_ref()?;
        let last = self.fresh.traffic.last_word()?;
        let silent = self.open.worded(&the_edge(), "edge-silent").is_some();
        let at = later(last, if silent { REPLACED_AFTER } else { SILENT_AFTER });
        (!silent || at > now).then_some(at)
    }

    /// How the edge sees a thing: a service or a pool that it serves.
    pub(crate) fn looked_by_the_edge(&self, resource: &Resource) -> Option<LastResult> {
        let served = match resource.kind {
            Kind::Service => self.fresh.traffic.services.contains_key(&ServiceId(resource.name.clone())),
            Kind::Pool => self.fresh.traffic.pools.contains_key(&PoolId(resource.name.clone())),
            _ => false,
        };
        let at = self.fresh.traffic.heard.filter(|_| served)?;
        let broken = self
            .open
            .about(&self.known, resource)
            .any(|alert| alert.severity == Severity::Critical && is_of_the_edge(&alert.fault));
        Some(LastResult { at, well: !broken })
    }
}

/// The names behind a service, or behind every service that a pool serves.
fn names_of(config: &Config, about: &Resource) -> Vec<Resource> {
    let services = config.services.values().filter(|service| match about.kind {
        Kind::Service => service.id.0 == about.name,
        Kind::Pool => service.traffic.as_ref().is_some_and(|guard| guard.pool.0 == about.name),
        _ => false,
    });
    services.flat_map(|service| &service.hosts).map(Resource::host).collect()
}

fn is_news(was: &Fault, now: &Fault) -> bool {
    match now {
        Fault::Surge { .. } => surge::is_news(was, now),
        Fault::LimitConflict { .. } => conflict::is_news(was, now),
        _ => pool::is_news(was, now),
    }
}
