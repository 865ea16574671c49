//! Checks targets of load tests: their services exist, and none of them is production.

use crate::diagnostics::Diagnostics;
use crate::parse::host::{Host, Name, Pattern};
use crate::raw::RawConfig;
use crate::raw::edge::RawEdge;
use crate::suggest::shown;
use std::net::{IpAddr, SocketAddr};

/// Reports services that do not exist, and targets that are production.
pub(crate) fn check(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    for (name, load) in &raw.loads {
        if let Some(service) = load.service.as_ref().filter(|at| !raw.services.contains_key(&at.value)) {
            let known = raw.services.keys().map(String::as_str);
            diagnostics.unknown(service.place.clone(), "service", &service.value, known);
        }
        let Some(target) = &load.target else { continue };
        let host = target.value.target();
        if let Some(whose) = production(raw, &host) {
            diagnostics.conflict(
                target.place.clone(),
                format!("the target of load.{} is production: `{}` is {whose}", shown(name), shown(&host.text(0))),
                "a load test runs against a copy of the service, on other servers: target = \"https://staging.acme.com/\"",
            );
        }
    }
}

/// What of production a host with its port is; `None` when it is nothing that the configuration knows.
fn production(raw: &RawConfig, host: &Host) -> Option<String> {
    let of_service = raw
        .services
        .iter()
        .find(|(_, service)| service.hosts.named.iter().any(|at| matches(&at.value, host)));
    if let Some((service, _)) = of_service {
        return Some(format!("a host of service `{}`", shown(service)));
    }
    let servers = raw.pools.iter().flat_map(|(pool, raw)| {
        let own = raw.servers.iter().map(|server| server.value.at.as_str());
        own.chain(raw.members.iter().map(String::as_str)).map(move |at| (pool, at))
    });
    for (pool, at) in servers {
        if Host::read(at).is_ok_and(|server| is_same(&server, host)) {
            return Some(format!("a server of pool `{}`", shown(pool)));
        }
    }
    if raw.url.as_ref().is_some_and(|url| is_same(&url.value.target(), host))
        || is_listener(raw.site.listen, host)
    {
        return Some("the status page of this installation".to_owned());
    }
    let mut edge = raw.edge.iter().flat_map(RawEdge::listeners);
    edge.any(|at| is_listener(at, host)).then(|| "a listener of the edge".to_owned())
}

/// Whether a host of a service, or a wildcard, is this host.
fn matches(pattern: &Pattern, host: &Host) -> bool {
    if !pattern.is_wildcard {
        return is_same(&pattern.host, host);
    }
    let there = Host { name: host.name.clone(), port: pattern.host.port };
    pattern.covers(&there) && is_same(&there, host)
}

/// Whether two hosts are the same. Ports 80 and 443 of one host, and no port, are one web server.
fn is_same(a: &Host, b: &Host) -> bool {
    a.name == b.name && (a.port == b.port || web_port(a) && web_port(b))
}

fn web_port(host: &Host) -> bool {
    host.port.is_none_or(|port| port == 80 || port == 443)
}

/// Whether a host, as far as it is an address of this machine by its text, is this listener.
fn is_listener(listener: SocketAddr, host: &Host) -> bool {
    let is_local = match &host.name {
        Name::Dns(name) => {
            name == "localhost" && (listener.ip().is_loopback() || listener.ip().is_unspecified())
        }
        Name::Ip(ip) => *ip == listener.ip() || listener.ip().is_unspecified() && is_loopback(*ip),
    };
    listener.port() > 0 && is_local && host.port == Some(listener.port())
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}
