//! Checks what the edge serves against the rest of the configuration: pools exist, no host is served twice, each caller is
//! identified by a token or an address of its own.

use crate::diagnostics::Diagnostics;
use crate::kind::value::At;
use crate::parse::address::written;
use crate::parse::host::{self, Pattern};
use crate::raw::pool::RawPool;
use crate::raw::service::RawService;
use crate::raw::traffic::RawTraffic;
use crate::raw::{RawConfig, cache, offline};
use crate::suggest::shown;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use types::config::{Rate, SecretRef};

/// Reports contradictions between traffic policies, pools and callers.
pub(crate) fn check(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    let mut served: BTreeMap<String, &str> = BTreeMap::new();
    for (name, service, traffic) in edge_services(raw) {
        check_traffic(raw, name, traffic, diagnostics);
        if !service.written.is_filled("hosts") {
            diagnostics.missing(
                traffic.written.place.clone(),
                format!("service `{}` has `traffic`, but no hosts", shown(name)),
                "the edge routes by host name: hosts = [\"auth.acme.com\"]",
            );
        }
        check_depth(service, diagnostics);
        for host in &service.hosts.named {
            let route = route(&host.value);
            match served.get(&route) {
                Some(other) if *other != name => {
                    let message =
                        format!("the edge serves `{}` for service `{}` already", shown(&route), shown(other));
                    let hint = "remove the host or `traffic` from one of them; the edge routes by name, whatever the port";
                    diagnostics.conflict(host.place.clone(), message, hint);
                }
                Some(_) => {}
                None => {
                    served.insert(route, name);
                }
            }
        }
    }
    for (name, service) in &raw.services {
        check_offline(name, service, diagnostics);
    }
    check_all_hosts(raw, diagnostics);
    check_callers(raw, diagnostics);
}

/// Checks that a service with an offline kit is served by the edge.
fn check_offline(name: &str, service: &RawService, diagnostics: &mut Diagnostics) {
    let Some(kit) = &service.offline else { return };
    if service.traffic.is_none() {
        let message = format!("service `{}` has `offline`, but no `traffic`", shown(name));
        let hint = format!("the edge serves the kit: add [service.{}.traffic] with a pool", shown(name));
        diagnostics.conflict(kit.place.clone(), message, hint);
    }
    offline::check(kit, diagnostics);
}

/// Checks that `*` is declared by one service only, and that the edge serves it.
fn check_all_hosts(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    let mut first: Option<&str> = None;
    for (name, service) in &raw.services {
        let Some(place) = &service.hosts.all else { continue };
        if service.traffic.is_none() {
            let message = format!("service `{}` has the host `*`, but no `traffic`", shown(name));
            diagnostics.conflict(
                place.clone(),
                message,
                format!("add [service.{}.traffic] with a pool", shown(name)),
            );
        } else if let Some(first) = first {
            let message = format!("the edge serves `*` for service `{}` already", shown(first));
            diagnostics.conflict(place.clone(), message, "only one service can have `*`");
        } else {
            first = Some(name.as_str());
        }
    }
}

/// Reports samples more than one label below a wildcard: for the edge, as in certificates, `*` is one label.
fn check_depth(service: &RawService, diagnostics: &mut Diagnostics) {
    let wildcards = service.hosts.named.iter().map(|host| &host.value).filter(|pattern| pattern.is_wildcard);
    let wildcards: BTreeSet<&str> = wildcards.filter_map(|wildcard| wildcard.host.dns()).collect();
    for sample in &service.wildcard_samples {
        let Some((_, above)) = sample.value.dns().and_then(|name| name.split_once('.')) else { continue };
        if !wildcards.contains(above) && host::above(above).any(|higher| wildcards.contains(higher)) {
            diagnostics.conflict(
                sample.place.clone(),
                format!("`{}` is too deep: for the edge `*` is one label", shown(&sample.value.bare())),
                format!(
                    "as in certificates; add a wildcard right above it: hosts = [\"*.{}\"]",
                    shown(above)
                ),
            );
        }
    }
}

/// Services that the edge serves.
pub(crate) fn edge_services(raw: &RawConfig) -> impl Iterator<Item = (&str, &RawService, &RawTraffic)> {
    raw.services
        .iter()
        .filter_map(|(name, service)| Some((name.as_str(), service, service.traffic.as_ref()?)))
}

/// The route of a host at the edge: its name, without the port.
pub(crate) fn route(pattern: &Pattern) -> String {
    format!("{}{}", if pattern.is_wildcard { "*." } else { "" }, pattern.host.bare())
}

fn check_traffic(raw: &RawConfig, name: &str, traffic: &RawTraffic, diagnostics: &mut Diagnostics) {
    if let Some(pool) = traffic.pool.as_ref().filter(|pool| !raw.pools.contains_key(&pool.value)) {
        diagnostics.unknown(pool.place.clone(), "pool", &pool.value, raw.pools.keys().map(String::as_str));
    }
    if let Some(pool) = &traffic.pool
        && raw.pools.get(&pool.value).is_some_and(RawPool::is_external)
    {
        let message = format!(
            "pool `{}` is behind another load balancer: the edge cannot serve it",
            shown(&pool.value)
        );
        let hint = format!(
            "depend on it instead: [service.{}] depends_on = [\"pool.{}\"]",
            shown(name),
            shown(&pool.value)
        );
        diagnostics.conflict(pool.place.clone(), message, hint);
    }
    let Some(edge) = &raw.edge else {
        diagnostics.undeclared(
            traffic.written.place.clone(),
            "edge",
            format!("service `{}` has `traffic`, but there is no [edge]", shown(name)),
            "declare it: [edge] listen = [\"127.0.0.1:8000\"]",
        );
        return;
    };
    cache::check(&traffic.cache, edge.cache_size, diagnostics);
    if !edge.has_geoip_country() {
        let hint = "add it: [edge] geoip.country = \"GeoLite2-Country.mmdb\"";
        for place in traffic.countries() {
            diagnostics.conflict(place.clone(), "countries require a `geoip` file", hint);
        }
    }
    if !edge.has_geoip_asn() {
        let hint = "add it: [edge] geoip.asn = \"GeoLite2-ASN.mmdb\"";
        for place in traffic.asns() {
            diagnostics.conflict(place.clone(), "autonomous systems require a `geoip` file", hint);
        }
    }
    if let Some(limit) = &traffic.limit
        && let (Some(asn), Some(subnet)) = (&limit.asn, limit.subnet)
        && per_hour(asn.value) < per_hour(subnet)
    {
        let message = "`asn` is lower than `subnet`, although an autonomous system has many subnets";
        let hint = "use many times `subnet`, or remove `asn`";
        diagnostics.warn(asn.place.clone(), message, hint);
    }
}

fn per_hour(rate: Rate) -> u64 {
    u64::from(rate.count) * 3_600 / rate.per.as_secs().max(1)
}

/// Checks that no two callers share a token or an address.
fn check_callers(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    let mut tokens: BTreeMap<String, &str> = BTreeMap::new();
    let mut addresses: BTreeMap<IpNet, &str> = BTreeMap::new();
    for (name, caller) in &raw.callers {
        if let Some(service) = caller.service.as_ref().filter(|at| !raw.services.contains_key(&at.value)) {
            let known = raw.services.keys().map(String::as_str);
            diagnostics.unknown(service.place.clone(), "service", &service.value, known);
        }
        if let Some(At { value, place }) = &caller.token {
            let token = match value {
                SecretRef::Env(name) => format!("env:{name}"),
                SecretRef::File(path) => format!("file:{}", path.display()),
            };
            if let Some(other) = tokens.insert(token, name) {
                let message = format!("caller `{}` has the same token", shown(other));
                diagnostics.conflict(place.clone(), message, "use one token per caller");
            }
        }
        for At { value, place } in &caller.cidrs {
            if let Some(other) = addresses.insert(*value, name) {
                let message =
                    format!("{} is the address of caller `{}` already", written(*value), shown(other));
                diagnostics.conflict(
                    place.clone(),
                    message,
                    "use a token instead: token = \"env:AUTH_WEB_TOKEN\"",
                );
            }
        }
    }
}
