//! Builds the dependency graph below hosts and probes, and adds pools below what they serve.

use crate::parse::domain::Registration;
use crate::parse::host::Host;
use crate::raw::RawConfig;
use crate::raw::pool::RawPool;
use crate::raw::probe::RawAsk;
use crate::resolve::serving;
use std::collections::{BTreeMap, BTreeSet};
use types::config::Service;
use types::{Graph, Kind, Resource, ServiceId};

/// Adds the dependencies of hosts and probes, as far as those are monitored.
pub(crate) fn add_dependencies(
    raw: &RawConfig,
    hosts: &BTreeMap<String, Host>,
    watched: &BTreeSet<String>,
    graph: &mut Graph,
) {
    for zone in watched {
        graph.add_dependency(Resource::dns(zone), Resource::domain(zone));
    }
    for (text, host) in hosts {
        if let Some(zone) = raw.zone_behind(host) {
            graph.add_dependency(Resource::host(text), Resource::dns(&zone));
            graph.add_dependency(Resource::tls(text), Resource::dns(&zone));
        }
    }
    for (name, probe) in &raw.probes {
        match probe.ask() {
            Some(RawAsk::Dns(zone)) => add_existing(Resource::dns(&zone), [Resource::domain(&zone)], graph),
            Some(RawAsk::Domain(_)) | None => {}
            Some(ask) => {
                let Some((host, is_web)) = ask.host() else { continue };
                let text = host.text(443);
                let above = match ask {
                    RawAsk::Tls(_) => Resource::tls(&text),
                    _ => Resource::new(Kind::Probe, name),
                };
                // It replaces the derived probe of a host, and has the dependencies of the host.
                if !graph.contains(&above) {
                    continue;
                }
                if is_web {
                    add_existing(above.clone(), [Resource::host(&text), Resource::tls(&text)], graph);
                }
                let registration = host.dns().map(|name| Registration::of(name, &raw.declared));
                if let Some(zone) = registration.as_ref().and_then(Registration::zone) {
                    // The domain is below its name servers; it is added here only when those are not probed.
                    let nearest = [Resource::dns(zone), Resource::domain(zone)]
                        .into_iter()
                        .find(|below| graph.contains(below));
                    nearest.into_iter().for_each(|below| graph.add_dependency(above.clone(), below));
                }
            }
        }
    }
}

/// Adds the pools below the services and hosts that they serve.
pub(crate) fn add_pools(
    raw: &RawConfig,
    services: &BTreeMap<ServiceId, Service>,
    hosts: &BTreeMap<String, Host>,
    graph: &mut Graph,
) {
    raw.pools.keys().for_each(|name| graph.add(Resource::pool(name)));
    let exact: BTreeMap<String, &str> = serving::edge_services(raw)
        .filter_map(|(_, service, traffic)| Some((service, traffic.pool.as_ref()?)))
        .flat_map(|(service, pool)| service.hosts.named.iter().map(|host| (&host.value, pool.value.as_str())))
        .filter(|(pattern, _)| !pattern.is_wildcard)
        .map(|(pattern, pool)| (serving::route(pattern), pool))
        .collect();
    for service in services.values() {
        let Some(traffic) = &service.traffic else {
            // Another load balancer serves the hosts of the service from its pool.
            let is_external = |need: &&Resource| {
                need.kind == Kind::Pool && raw.pools.get(&need.name).is_some_and(RawPool::is_external)
            };
            for pool in service.depends_on.iter().filter(is_external) {
                service
                    .hosts
                    .iter()
                    .for_each(|host| graph.add_dependency(Resource::host(host), pool.clone()));
            }
            continue;
        };
        graph.add_dependency(Resource::service(&service.id.0), Resource::pool(&traffic.pool.0));
        for text in &service.hosts {
            // A sample below a wildcard may be a declared host of another service, which serves it.
            let own = hosts.get(text).and_then(|host| exact.get(&host.bare()));
            graph.add_dependency(
                Resource::host(text),
                Resource::pool(own.copied().unwrap_or(&traffic.pool.0)),
            );
        }
    }
}

fn add_existing<const N: usize>(above: Resource, below: [Resource; N], graph: &mut Graph) {
    for resource in below {
        if graph.contains(&resource) {
            graph.add_dependency(above.clone(), resource);
        }
    }
}

impl RawAsk {
    /// The host that is probed, with its port, and whether by https.
    pub(crate) fn host(&self) -> Option<(Host, bool)> {
        match self {
            Self::Http(url, _, _) => Some((url.target(), url.is_https)),
            Self::Tcp(host, port) => Some((Host { name: host.name.clone(), port: Some(*port) }, false)),
            Self::Tls(host) => Some((host.clone(), false)),
            // The machine beside the UPS is no host of a service, and its name no part of one.
            Self::Dns(_) | Self::Domain(_) | Self::Nut { .. } => None,
        }
    }
}
