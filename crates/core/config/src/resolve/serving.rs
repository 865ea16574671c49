//! What the edge is to serve, compared with the rest of the configuration: pools exist, nobody serves the same host twice, every
//! caller is one.

use crate::diagnostics::Diagnostics;
use crate::parse::address::written;
use crate::parse::host::{self, Pattern};
use crate::raw::traffic::RawTraffic;
use crate::raw::{RawConfig, RawService};
use crate::reader::value::At;
use crate::suggest::shown;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use types::config::{Rate, SecretRef};

/// Marks everything about guards, pools and callers that does not fit together.
pub(crate) fn check(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    let mut served: BTreeMap<String, &str> = BTreeMap::new();
    for (name, service, guard) in edge_services(raw) {
        judge_traffic(raw, name, guard, diagnostics);
        if !service.has_hosts {
            diagnostics.missing(
                guard.place.clone(),
                format!("service `{}` has a guard, but no host that leads to it", shown(name)),
                "the edge tells services by the host that is asked for: hosts = [\"auth.acme.com\"]",
            );
        }
        too_deep(service, diagnostics);
        for host in &service.hosts {
            let route = route(&host.value);
            match served.get(&route) {
                Some(other) if *other != name => {
                    let message =
                        format!("`{}` is served by the guard of `{}` already", shown(&route), shown(other));
                    let hint = "take the host or the guard out of one; the edge does not tell ports apart";
                    diagnostics.conflict(host.place.clone(), message, hint);
                }
                Some(_) => {}
                None => {
                    served.insert(route, name);
                }
            }
        }
    }
    every_host(raw, diagnostics);
    judge_callers(raw, diagnostics);
}

/// One service has all hosts that no other one has, and only an edge can serve them.
fn every_host(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    let mut first: Option<&str> = None;
    for (name, service) in &raw.services {
        let Some(place) = &service.every_host else { continue };
        if service.guard.is_none() {
            let message = format!("service `{}` has every host, but no guard that serves them", shown(name));
            diagnostics.conflict(
                place.clone(),
                message,
                format!("add [service.{}.traffic] with a pool", shown(name)),
            );
        } else if let Some(first) = first {
            let message = format!("`*` is served by the guard of `{}` already", shown(first));
            diagnostics.conflict(place.clone(), message, "one service alone can have every other host");
        } else {
            first = Some(name.as_str());
        }
    }
}

/// The edge takes a star for one label, as certificates do; a sample further down would not reach its service.
fn too_deep(service: &RawService, diagnostics: &mut Diagnostics) {
    let stars = service.hosts.iter().map(|host| &host.value).filter(|pattern| pattern.is_wildcard);
    let stars: BTreeSet<&str> = stars.filter_map(|star| star.host.dns()).collect();
    for sample in &service.samples {
        let Some((_, above)) = sample.value.dns().and_then(|name| name.split_once('.')) else { continue };
        if !stars.contains(above) && host::above(above).any(|higher| stars.contains(higher)) {
            diagnostics.conflict(
                sample.place.clone(),
                format!(
                    "`{}` lies too deep: the edge takes a star for one label",
                    shown(&sample.value.bare())
                ),
                format!("certificates do too; name what is right above it: hosts = [\"*.{}\"]", shown(above)),
            );
        }
    }
}

/// Services with a guard, each with its name.
pub(crate) fn edge_services(raw: &RawConfig) -> impl Iterator<Item = (&str, &RawService, &RawTraffic)> {
    raw.services.iter().filter_map(|(name, service)| Some((name.as_str(), service, service.guard.as_ref()?)))
}

/// What the edge tells services by: the name that is asked for, whatever the port.
pub(crate) fn route(pattern: &Pattern) -> String {
    format!("{}{}", if pattern.is_wildcard { "*." } else { "" }, pattern.host.bare())
}

fn judge_traffic(raw: &RawConfig, name: &str, guard: &RawTraffic, diagnostics: &mut Diagnostics) {
    if let Some(pool) = guard.pool.as_ref().filter(|pool| !raw.pools.contains_key(&pool.value)) {
        diagnostics.unknown(pool.place.clone(), "pool", &pool.value, raw.pools.keys().map(String::as_str));
    }
    let Some(edge) = &raw.edge else {
        diagnostics.undeclared(
            guard.place.clone(),
            "edge",
            format!("service `{}` has a guard, but the configuration has no edge to serve it", shown(name)),
            "say where it listens: [edge] listen = [\"127.0.0.1:8000\"]",
        );
        return;
    };
    for (places, has_file, message, hint) in [
        (
            &guard.countries,
            edge.has_geoip_country,
            "nothing tells the edge countries",
            "name a file that does: [edge] geoip.country = \"GeoLite2-Country.mmdb\"",
        ),
        (
            &guard.networks,
            edge.has_geoip_asn,
            "nothing tells the edge autonomous systems",
            "name a file that does: [edge] geoip.asn = \"GeoLite2-ASN.mmdb\"",
        ),
    ] {
        for place in places.iter().filter(|_| !has_file) {
            diagnostics.conflict(place.clone(), message, hint);
        }
    }
    if let (Some(place), Some(asn), Some(network)) = (&guard.asn, guard.guard.asn, guard.guard.subnet)
        && per_hour(asn) < per_hour(network)
    {
        let message = "`asn` grants less than `subnet`, of which an autonomous system has many";
        let hint = "many times `subnet`, or none: without `asn` each network has its own limit alone";
        diagnostics.warn(place.clone(), message, hint);
    }
}

fn per_hour(rate: Rate) -> u64 {
    u64::from(rate.count) * 3_600 / rate.per.as_secs().max(1)
}

/// A token or an address is one caller's, else nobody could say who asks.
fn judge_callers(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    let mut tokens: BTreeMap<String, &str> = BTreeMap::new();
    let mut addresses: BTreeMap<IpNet, &str> = BTreeMap::new();
    for (name, caller) in &raw.callers {
        if let Some(service) = caller.service.as_ref().filter(|at| !raw.services.contains_key(&at.value)) {
            let known = raw.services.keys().map(String::as_str);
            diagnostics.unknown(service.place.clone(), "service", &service.value, known);
        }
        if let (Some(place), Some(token)) = (&caller.token, &caller.caller.token) {
            let token = match token {
                SecretRef::Env(name) => format!("env:{name}"),
                SecretRef::File(path) => format!("file:{}", path.display()),
            };
            if let Some(other) = tokens.insert(token, name) {
                let message = format!("caller `{}` has the same token", shown(other));
                diagnostics.conflict(place.clone(), message, "one token a caller");
            }
        }
        for At { value, place } in &caller.addresses {
            if let Some(other) = addresses.insert(*value, name) {
                let message =
                    format!("{} is the address of caller `{}` already", written(*value), shown(other));
                diagnostics.conflict(
                    place.clone(),
                    message,
                    "tell them apart by tokens: token = \"env:AUTH_WEB_TOKEN\"",
                );
            }
        }
    }
}
