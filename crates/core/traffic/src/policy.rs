//! The configuration and the denials, compiled for fast lookup.

use crate::caller::{Caller, Callers};
use crate::route::Route;
use crate::source_rules::SourceRules;
use crate::tick::Tick;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::net::IpAddr;
use types::{CallerId, Denial, Time, time};

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
