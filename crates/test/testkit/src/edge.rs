//! The edge: its configuration, pools, traffic policies, and what it measures in a second.

use crate::time::secs;
use std::time::Duration;
use types::config::{CACHE_SIZE, Caller, Config, Edge, EdgeLimits, Pool, PoolServer, Protocol, Traffic};
use types::traffic::{PoolStatus, Rollup, ServerState, ServerStatus, ServiceTraffic};
use types::{CallerId, Resource, ServiceId};

/// An edge that listens nowhere.
#[must_use]
pub fn edge() -> Edge {
    Edge {
        listen: Vec::new(),
        listen_tls: Vec::new(),
        redirect_to_https: false,
        https_port: None,
        health_path: None,
        certificates: Vec::new(),
        trusted_proxies: Vec::new(),
        proxy_protocol: Vec::new(),
        threads: None,
        limits: EdgeLimits::default(),
        geoip_country: None,
        geoip_asn: None,
        access_log: false,
        otlp: None,
        cache_size: CACHE_SIZE,
    }
}

/// A pool of these servers without health checks: 100 requests at most, 8 at first.
#[must_use]
pub fn pool(id: &str, servers: &[&str]) -> Pool {
    let server = |at: &&str| PoolServer { at: (*at).to_owned(), weight: 1, drain: false };
    Pool {
        id: id.into(),
        servers: servers.iter().map(server).collect(),
        min_healthy: None,
        protocol: Protocol::Http1,
        tls: None,
        health: None,
        max_concurrency: 100,
        initial_concurrency: 8,
        is_initial_declared: false,
        max_connections: None,
    }
}

/// A policy without limits.
#[must_use]
pub fn traffic(pool: &str) -> Traffic {
    Traffic {
        pool: pool.into(),
        client: None,
        subnet: None,
        asn: None,
        caller: None,
        service: None,
        deny: Vec::new(),
        allow: Vec::new(),
        recognize: None,
        priority_paths: Vec::new(),
        response_timeout: secs(10),
        cache: Vec::new(),
        offline: None,
    }
}

/// Puts a service behind a pool of one server, with a minimum of two, that has its name.
pub fn add_pool(config: &mut Config, service: &str, traffic: Traffic) {
    let pool = Pool { min_healthy: Some(2), ..pool(service, &["10.0.0.1:80"]) };
    config.pools.insert(pool.id.clone(), pool);
    config.graph.add_dependency(Resource::service(service), Resource::pool(service));
    if let Some(service) = config.services.get_mut(&ServiceId::from(service)) {
        service.traffic = Some(traffic);
    }
}

/// Adds a caller without a token.
pub fn add_caller(config: &mut Config, id: &str, service: Option<&str>) {
    let id = CallerId::from(id);
    let service = service.map(ServiceId::from);
    config.callers.insert(id.clone(), Caller { id, service, token: None, cidrs: Vec::new() });
}

/// A server in this state for 4 s; one that gets no requests refuses connections.
#[must_use]
pub fn server(address: &str, state: ServerState) -> ServerStatus {
    ServerStatus {
        address: address.to_owned(),
        state,
        since: secs(4),
        why: (!state.serves()).then(|| "connection refused".to_owned()),
        inflight: 0,
        connections: 0,
        answered: 5,
        failed: 0,
        connects: Default::default(),
        latency: Duration::ZERO,
    }
}

/// One second of these services, each behind a pool of its own with these servers.
#[must_use]
pub fn rollup(services: &[(&str, ServiceTraffic)], servers: &[ServerStatus]) -> Rollup {
    let pool = || PoolStatus { servers: servers.to_vec(), ..PoolStatus::default() };
    Rollup {
        interval: secs(1),
        services: services.iter().map(|(id, traffic)| ((*id).into(), traffic.clone())).collect(),
        pools: services.iter().map(|(id, _)| ((*id).into(), pool())).collect(),
        unknown_hosts: Default::default(),
        connections: 1,
        calls: Vec::new(),
    }
}
