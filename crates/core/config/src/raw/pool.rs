//! `[pool.NAME]` and `[caller.NAME]` as written.

use crate::diagnostics::{Diagnostics, Place};
use crate::parse::address::{cidr, server};
use crate::parse::host::{Host, Name};
use crate::parse::scalar;
use crate::raw::name_of;
use crate::raw::traffic;
use crate::reader::table::TableReader;
use crate::reader::value::At;
use crate::suggest::shown;
use crate::value_error::ValueError;
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use types::config::{Caller, Health, Pool, PoolServer, Protocol};
use types::{CallerId, PoolId, ServiceId};

/// Default of `max_concurrency`.
const MAX_CONCURRENCY: u32 = 100;
/// Default of `initial_concurrency`, per server.
const INITIAL_CONCURRENCY: u32 = 8;

/// A pool as written.
#[derive(Debug)]
pub(crate) struct RawPool {
    pub(crate) place: Place,
    /// Complete when no problem is reported.
    pub(crate) pool: Pool,
}

/// A caller as written.
#[derive(Debug)]
pub(crate) struct RawCaller {
    pub(crate) place: Place,
    pub(crate) service: Option<At<String>>,
    pub(crate) token: Option<Place>,
    pub(crate) cidrs: Vec<At<IpNet>>,
    pub(crate) caller: Caller,
}

pub(crate) fn pool(name: &str, table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> RawPool {
    let servers = table.strings_or_tables(diagnostics, "servers", |text| server(text).map(alone), weighted);
    once_each(&servers, diagnostics);
    let min_healthy: Option<u32> = table.integer(diagnostics, "min_healthy");
    let max_concurrency: Option<u32> = table.integer(diagnostics, "max_concurrency");
    let initial: Option<u32> = table.integer(diagnostics, "initial_concurrency");
    // A host name may resolve to any number of servers; only addresses are counted.
    let are_counted = !servers.is_empty()
        && servers.len() == table.len("servers")
        && servers.iter().all(|at| at.value.is_address);
    let count = u32::try_from(servers.len()).unwrap_or(u32::MAX);
    if let Some(min) = min_healthy.filter(|min| are_counted && *min > count) {
        let message =
            format!("`min_healthy` is {min}, but the pool has {count} servers: it can never be reached");
        diagnostics.error(
            table.key_place("min_healthy"),
            message,
            format!("{count} at most, or add servers"),
        );
    }
    let most = max_concurrency.unwrap_or(MAX_CONCURRENCY).saturating_mul(count);
    if let Some(initial) = initial.filter(|initial| are_counted && *initial > most) {
        let message =
            format!("`initial_concurrency` is {initial}, but its servers accept {most} concurrent requests");
        diagnostics.error(
            table.key_place("initial_concurrency"),
            message,
            "decrease it, or increase `max_concurrency`",
        );
    }
    if !servers.is_empty() && servers.iter().all(|at| at.value.server.drain) {
        diagnostics.warn(
            table.key_place("servers"),
            "every server has `drain`: no request is served",
            "remove `drain` from one of them",
        );
    }
    let protocol = table.string(diagnostics, "protocol", |text| match text {
        "http1" => Ok(Protocol::Http1),
        "http2" => Ok(Protocol::Http2),
        _ => Err(ValueError::new(format!("`{}` is not a value of `protocol`", shown(text)))
            .hint("\"http1\", or \"http2\" for gRPC")),
    });
    let tls = table.string(diagnostics, "tls", |text| {
        let host = Host::read(text)?;
        match host.port {
            Some(_) => {
                Err(ValueError::new(format!("`{}` has a port; a certificate name has none", shown(text)))
                    .hint(format!("write \"{}\"", shown(&host.bare()))))
            }
            None => Ok(host.bare()),
        }
    });
    RawPool {
        place: table.place.clone(),
        pool: Pool {
            id: PoolId(name.to_owned()),
            servers: servers.into_iter().map(|at| at.value.server).collect(),
            min_healthy,
            protocol: protocol.map_or(Protocol::Http1, |at| at.value),
            tls: tls.map(|at| at.value),
            health: table.subtable(diagnostics, "health", health).flatten(),
            max_concurrency: max_concurrency.unwrap_or(MAX_CONCURRENCY),
            initial_concurrency: initial
                .unwrap_or_else(|| INITIAL_CONCURRENCY.saturating_mul(count.max(1)).min(most.max(1))),
        },
    }
}

#[derive(Debug)]
struct RawServer {
    server: PoolServer,
    is_address: bool,
}

fn alone(host: Host) -> RawServer {
    let is_address = matches!(host.name, Name::Ip(_));
    RawServer { server: PoolServer { at: host.text(0), weight: 1, drain: false }, is_address }
}

fn weighted(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> Option<RawServer> {
    let at = table.string(diagnostics, "at", server);
    let weight = table.integer(diagnostics, "weight").unwrap_or(1);
    let drain = table.boolean(diagnostics, "drain").unwrap_or(false);
    let mut raw = alone(at?.value);
    (raw.server.weight, raw.server.drain) = (weight, drain);
    Some(raw)
}

fn once_each(servers: &[At<RawServer>], diagnostics: &mut Diagnostics) {
    let mut seen = BTreeSet::new();
    for at in servers.iter().filter(|at| !seen.insert(&at.value.server.at)) {
        let name = shown(&at.value.server.at);
        let hint = format!("for a larger share: {{ at = \"{name}\", weight = 2 }}");
        diagnostics.error(at.place.clone(), format!("`{name}` is listed twice"), hint);
    }
}

fn health(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> Option<Health> {
    let path = table.string(diagnostics, "path", traffic::path);
    let interval = table.duration(diagnostics, "interval").unwrap_or(Duration::from_secs(2));
    let timeout = table.duration(diagnostics, "timeout").unwrap_or(Duration::from_secs(1));
    let fall = table.integer(diagnostics, "fall").unwrap_or(2);
    let rise = table.integer(diagnostics, "rise").unwrap_or(2);
    Some(Health { path: path?.value, interval, timeout, fall, rise })
}

pub(crate) fn caller(
    name: &str,
    table: &mut TableReader<'_>,
    folder: &Path,
    diagnostics: &mut Diagnostics,
) -> RawCaller {
    let service = table.string(diagnostics, "service", name_of);
    let token = table.string(diagnostics, "token", |text| scalar::secret(text, folder));
    let cidrs = table.strings(diagnostics, "cidrs", cidr);
    if !table.has("token") && !table.is_filled("cidrs") {
        diagnostics.missing(
            table.place.clone(),
            format!("{} has neither token nor addresses", shown(&table.path)),
            "add token = \"env:AUTH_WEB_TOKEN\", or cidrs = [\"10.0.0.21\"]",
        );
    }
    RawCaller {
        place: table.place.clone(),
        token: token.as_ref().map(|at| at.place.clone()),
        caller: Caller {
            id: CallerId(name.to_owned()),
            service: service.as_ref().map(|at| ServiceId(at.value.clone())),
            token: token.map(|at| at.value),
            cidrs: cidrs.iter().map(|at| at.value).collect(),
        },
        service,
        cidrs,
    }
}
