//! A small edge: sign-in and its API behind a pool each, and seconds of their traffic.

use crate::fixture::*;
use std::collections::BTreeMap;
use types::config::{Caller, Config, Edge, EdgeLimits, Pool, PoolServer, Protocol, Service, Traffic};
use types::traffic::{CallerRefused, PoolStatus, Rollup, ServerState, ServerStatus, ServiceTraffic};
use types::{CallerId, EscalationId, EventKind, PoolId, Resource, ServiceId};

pub const HOST: &str = "auth.acme.com";

/// Adds an edge to a configuration.
pub fn with_edge(mut config: Config) -> Config {
    config.edge = Some(Edge {
        listen: vec![],
        listen_tls: vec![],
        redirect_to_https: false,
        https_port: None,
        health_path: None,
        certificates: vec![],
        trusted_proxies: vec![],
        proxy_protocol: vec![],
        threads: None,
        limits: EdgeLimits::default(),
        geoip_country: None,
        geoip_asn: None,
        access_log: false,
        otlp: None,
    });
    for (name, host, needs) in [("auth", Some(HOST), Some("api")), ("api", None, None)] {
        let pool = Pool {
            id: PoolId(name.into()),
            servers: vec![PoolServer { at: "10.0.0.1:80".into(), weight: 1, drain: false }],
            min_healthy: Some(2),
            protocol: Protocol::Http1,
            tls: None,
            health: None,
            max_concurrency: 100,
            initial_concurrency: 8,
        };
        config.pools.insert(pool.id.clone(), pool);
        let guard = Traffic {
            pool: PoolId(name.into()),
            client: None,
            subnet: None,
            asn: None,
            caller: None,
            service: None,
            deny: vec![],
            allow: vec![],
            recognize: None,
            priority_paths: vec![],
            response_timeout: secs(10),
        };
        let hosts: Vec<String> = host.iter().map(|host| (*host).to_owned()).collect();
        let service = Service {
            id: ServiceId(name.into()),
            title: name.into(),
            group: None,
            hosts: hosts.clone(),
            declared_hosts: hosts,
            depends_on: needs.iter().map(|need| Resource::service(*need)).collect(),
            schedule: None,
            escalation: EscalationId("default".into()),
            public: true,
            traffic: Some(guard),
        };
        config.services.insert(service.id.clone(), service);
        config.graph.add_dependency(Resource::service(name), Resource::pool(name));
    }
    for (id, service) in [("auth-web", Some("auth")), ("nightly", None)] {
        let id = CallerId(id.into());
        let service = service.map(|service| ServiceId(service.into()));
        config.callers.insert(id.clone(), Caller { id, service, token: None, cidrs: vec![] });
    }
    config
}

pub fn world() -> Fixture {
    let mut world = Fixture::new(&[(HOST, "acme.com")]);
    world.config = with_edge(world.config);
    world
}

pub fn server(address: &str, state: ServerState) -> ServerStatus {
    let why = (!state.serves()).then(|| "connection refused".to_owned());
    ServerStatus {
        address: address.into(),
        state,
        since: secs(4),
        why,
        inflight: 0,
        answered: 5,
        failed: 0,
        latency: secs(0),
    }
}

pub fn traffic(requests: u64, shed: u64) -> ServiceTraffic {
    ServiceTraffic { requests, shed, passed: requests - shed, ..ServiceTraffic::default() }
}

/// A second in which sign-in was asked like this, and all else went well.
pub fn second(auth: ServiceTraffic) -> Rollup {
    let well = || PoolStatus {
        servers: vec![
            server("10.0.0.1:80", ServerState::Serving),
            server("10.0.0.2:80", ServerState::Warming),
        ],
        ..PoolStatus::default()
    };
    Rollup {
        interval: secs(1),
        services: [(ServiceId("auth".into()), auth), (ServiceId("api".into()), traffic(10, 0))].into(),
        pools: [(PoolId("auth".into()), well()), (PoolId("api".into()), well())].into(),
        unknown_hosts: BTreeMap::new(),
        connections: 1,
    }
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
        self.journal.iter().filter(|event| matches!(event.kind, EventKind::TrafficLearned { .. })).count()
    }
}
