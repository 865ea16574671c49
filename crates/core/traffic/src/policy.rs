//! The configuration and the denials, compiled for fast lookup.

use crate::caller::{Caller, Callers};
use crate::route::Route;
use crate::source_rules::SourceRules;
use crate::tick::Tick;
use crate::valve::Valve;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::net::IpAddr;
use types::config::{Config, ProbeKind, Service};
use types::{CallerId, Denial, Resource, Time, time};

/// The compiled policy: immutable, shared by all threads, replaced as a whole.
#[derive(Clone, Debug)]
pub struct Policy {
    routes: Vec<Route>,
    exact: BTreeMap<Box<str>, usize>,
    /// Wildcards by the part after the first dot: `*.acme.app` under `acme.app`.
    below: BTreeMap<Box<str>, usize>,
    /// The service of all other hosts.
    any: Option<usize>,
    callers: Callers,
}

impl Policy {
    /// Compiles the engine's policy and the callers' tokens. `now` and `tick` are the same instant: a denial
    /// expires by itself, also when the engine is gone.
    #[must_use]
    pub fn new(
        policy: &types::Policy,
        tokens: &BTreeMap<CallerId, SecretString>,
        now: Time,
        tick: Tick,
    ) -> Self {
        let config = &policy.config;
        let mut built = Self {
            routes: Vec::new(),
            exact: BTreeMap::new(),
            below: BTreeMap::new(),
            any: None,
            callers: Callers::new(&config.callers, tokens),
        };
        for service in config.services.values() {
            let Some(guard) = &service.traffic else { continue };
            let denials: Vec<&Denial> = policy
                .denials
                .values()
                .filter(|denial| {
                    denial.until > now && denial.service.as_ref().is_none_or(|only| *only == service.id)
                })
                .collect();
            let of_config = guard.deny.iter().map(|what| (what, Tick::NEVER));
            let of_team =
                denials.iter().map(|denial| (&denial.what, tick.after(time::between(now, denial.until))));
            let places = SourceRules::new(of_config.chain(of_team));
            let of_config =
                guard.deny.iter().map(|what| format!("{what}, denied by the configuration").into());
            let texts = of_config.chain(denials.iter().map(|denial| in_words(denial))).collect();
            let allow = SourceRules::new(guard.allow.iter().map(|what| (what, Tick::NEVER)));
            let index = built.routes.len();
            for host in &service.declared_hosts {
                if host == "*" {
                    built.any = built.any.or(Some(index));
                    continue;
                }
                let name = name(host);
                match name.strip_prefix("*.") {
                    Some(above) => built.below.entry(above.into()).or_insert(index),
                    None => built.exact.entry(name.into()).or_insert(index),
                };
            }
            built.routes.push(Route::new(index, service.id.clone(), guard, (places, texts), allow));
        }
        built
    }

    /// Applies the valves that are not fully open. `seed` returns a secret number for a valve, the same as long as the
    /// valve has its number: the order in which clients are let in follows from it.
    #[must_use]
    pub fn with_valves(
        mut self,
        policy: &types::Policy,
        now: Time,
        tick: Tick,
        seed: impl Fn(&types::Valve) -> u64,
    ) -> Self {
        let config = &policy.config;
        let recognizes =
            |service: &Service| service.traffic.as_ref().is_some_and(|traffic| traffic.recognize.is_some());
        let forwards = !config.callers.is_empty() && config.services.values().any(recognizes);
        for route in &mut self.routes {
            let (Some(valve), Some(service)) =
                (policy.valves.get(&route.service), config.services.get(&route.service))
            else {
                continue;
            };
            if !valve.is_open() {
                let since = (time::between(valve.changed, now), tick);
                let order = (seed(valve), recognizes(service) || forwards);
                route.set_valve(Valve::new(valve, since, order, health_paths(config, service)));
            }
        }
        self
    }

    /// Returns the service of a host, given in lower case and without a port. An exact name takes precedence over a
    /// wildcard, which matches one label, as in certificates; the service of `*` comes last.
    #[must_use]
    pub fn route(&self, host: &str) -> Option<&Route> {
        let index = self
            .exact
            .get(host)
            .or_else(|| host.split_once('.').and_then(|(_, above)| self.below.get(above)))
            .copied()
            .or(self.any)?;
        self.routes.get(index)
    }

    /// Returns all services that the edge serves; a route's [`Route::index`] is its index here.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Returns the declared caller of a request: by its token, compared in constant time, otherwise by its address
    /// (after trusted proxies).
    #[must_use]
    pub fn caller(&self, peer: IpAddr, token: Option<&[u8]>) -> Option<&Caller> {
        self.callers.find(peer, token)
    }
}

/// The paths by which the health of a service is checked: by its pool, and by probes of its hosts.
fn health_paths(config: &Config, service: &Service) -> Vec<Box<str>> {
    let pool = service.traffic.as_ref().and_then(|traffic| config.pools.get(&traffic.pool));
    let of_pool = pool.and_then(|pool| pool.health.as_ref()).map(|health| health.path.as_str());
    let is_about = |about: &Resource| {
        *about == Resource::service(&service.id.0)
            || service.hosts.iter().any(|host| *about == Resource::host(host))
    };
    let of_probes = config.probes.values().filter(|probe| is_about(&probe.about)).filter_map(|probe| {
        let ProbeKind::Http { url, .. } = &probe.kind else { return None };
        let (_, rest) = url.split_once("://")?;
        let path = rest.get(rest.find('/')?..)?;
        path.split(['?', '#']).next()
    });
    of_pool.into_iter().chain(of_probes).map(Into::into).collect()
}

/// `denial-7: 192.0.2.0/24 until 2026-11-22 06:00:00 UTC, by ana`. Names come last: where there is no room they are
/// cut.
fn in_words(denial: &Denial) -> Box<str> {
    let until = denial.until.strftime("%Y-%m-%d %H:%M:%S UTC");
    format!("{}: {} until {until}, by {}", denial.id, denial.what, denial.by).into()
}

/// A declared host without its port, in lower case.
fn name(host: &str) -> String {
    let bare = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    bare.to_ascii_lowercase()
}
