//! A small edge: sign-in and its API behind a pool each, and seconds of their traffic.

use crate::fixture::*;
pub use testkit::edge::server;
use testkit::edge::{add_caller, add_pool, rollup, traffic as policy};
use types::config::{Config, Service};
use types::traffic::{CallerRefused, Rollup, ServerState, ServiceTraffic};
use types::{CallerId, EventKind, Resource, ServiceId};

pub const HOST: &str = "auth.acme.com";

/// Adds an edge to a configuration.
pub fn with_edge(mut config: Config) -> Config {
    config.edge = Some(testkit::edge::edge());
    for (name, host, depends_on) in [("auth", Some(HOST), Some("api")), ("api", None, None)] {
        let hosts: Vec<String> = host.iter().map(|host| (*host).to_owned()).collect();
        let service = Service {
            hosts: hosts.clone(),
            declared_hosts: hosts,
            depends_on: depends_on.iter().map(|other| Resource::service(*other)).collect(),
            ..testkit::config::service(name)
        };
        config.services.insert(service.id.clone(), service);
        add_pool(&mut config, name, policy(name));
    }
    add_caller(&mut config, "auth-web", Some("auth"));
    add_caller(&mut config, "nightly", None);
    config
}

pub fn world() -> Fixture {
    let mut world = Fixture::new(&[(HOST, "acme.com")]);
    world.config = with_edge(world.config);
    world
}

pub fn traffic(requests: u64, shed: u64) -> ServiceTraffic {
    ServiceTraffic { requests, shed, passed: requests - shed, ..ServiceTraffic::default() }
}

/// A second in which sign-in was asked like this, and all else went well.
pub fn second(auth: ServiceTraffic) -> Rollup {
    let servers = [server("10.0.0.1:80", ServerState::Serving), server("10.0.0.2:80", ServerState::Warming)];
    rollup(&[("auth", auth), ("api", traffic(10, 0))], &servers)
}

pub fn quiet() -> Rollup {
    second(traffic(10, 0))
}

/// A second in which the API answered `count` 429s to the caller, and `others` to others.
pub fn refused(caller: &str, count: u64, others: u64) -> Rollup {
    let mut rollup = quiet();
    let api = rollup.services.get_mut(&ServiceId("api".into())).unwrap();
    api.server_429 = count + others;
    let limits = vec!["api-client of auth-web".to_owned(), "per-address of api".to_owned()];
    let trace = (count > 0).then(|| "4bf92f35".to_owned());
    api.callers_refused.insert(CallerId(caller.into()), CallerRefused { count, trace, limits });
    rollup
}

impl Fixture {
    pub fn rolls(&mut self, count: usize, rollup: &Rollup) -> String {
        (0..count).map(|_| self.roll(rollup)).collect()
    }

    /// How many roll-ups it takes until something with this word is open; at most `most`.
    pub fn named(&mut self, word: &str, rollup: &Rollup, most: usize) -> Option<usize> {
        (1..=most).find(|_| {
            self.roll(rollup);
            self.is_open(word)
        })
    }

    pub fn is_open(&self, word: &str) -> bool {
        self.detect.alerts().values().any(|alert| alert.fault.as_str() == word)
    }

    pub fn closed(&mut self, word: &str, rollup: &Rollup, most: usize) -> Option<usize> {
        (1..=most).find(|_| {
            self.roll(rollup);
            !self.is_open(word)
        })
    }

    pub fn learned(&self) -> usize {
        self.journal
            .events
            .iter()
            .filter(|event| matches!(event.kind, EventKind::TrafficLearned { .. }))
            .count()
    }
}
