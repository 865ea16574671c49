//! What the configuration and the team's denials say, made ready for a hundred thousand questions a second.

use crate::caller::{Caller, Callers};
use crate::route::Route;
use crate::source_rules::SourceRules;
use crate::tick::Tick;
use std::collections::BTreeMap;
use std::net::IpAddr;
use types::{CallerId, Denial, Time, time};

/// What the edge serves by: immutable, shared by all threads, replaced as a whole.
#[derive(Clone, Debug)]
pub struct Policy {
    routes: Vec<Route>,
    exact: BTreeMap<Box<str>, usize>,
    /// By what follows the first dot: `*.acme.app` under `acme.app`.
    below: BTreeMap<Box<str>, usize>,
    /// The service of all other hosts.
    any: Option<usize>,
    callers: Callers,
}

impl Policy {
    /// From the policy of the engine and the callers' tokens. `now` and `tick` are the same instant: a denial ends by itself, also
    /// when the engine is gone.
    #[must_use]
    pub fn new(policy: &types::Policy, tokens: &BTreeMap<CallerId, Vec<u8>>, now: Time, tick: Tick) -> Self {
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
                guard.deny.iter().map(|what| format!("{what}, denied in the configuration").into());
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

    /// The service that a host belongs to: its name in lower case, without a port. An exact name before a wildcard, which stands
    /// for one label, as in certificates; the service of `*` after both.
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

    /// Every service that the edge serves; a route's [`Route::index`] is its place here.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Which of declared callers asks: by the token that it shows, in a time that tells nothing, else by its address (after
    /// trusted proxies).
    #[must_use]
    pub fn caller(&self, peer: IpAddr, token: Option<&[u8]>) -> Option<&Caller> {
        self.callers.find(peer, token)
    }
}

/// `denial-7: 192.0.2.0/24 until 2026-11-22 06:00:00 UTC, by ana`. Names come last: where there is no room they are cut.
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
