//! `[pool.NAME]` and `[caller.NAME]` as written: the servers behind the edge, and our own programs before it.

use crate::diagnostics::{Diagnostics, Place};
use crate::parse::address::{network, server};
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

/// Requests at once to one server, and clients at once of each server before more is known of it, unless told.
const EACH: u32 = 100;
const BEGIN: u32 = 8;

/// A pool as written.
#[derive(Debug)]
pub(crate) struct RawPool {
    pub(crate) place: Place,
    /// Complete where nothing is marked.
    pub(crate) pool: Pool,
}

/// A caller as written.
#[derive(Debug)]
pub(crate) struct RawCaller {
    pub(crate) place: Place,
    pub(crate) service: Option<At<String>>,
    pub(crate) token: Option<Place>,
    pub(crate) addresses: Vec<At<IpNet>>,
    pub(crate) caller: Caller,
}

pub(crate) fn pool(name: &str, table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> RawPool {
    let servers = table.strings_or_tables(diagnostics, "servers", |text| server(text).map(alone), weighted);
    once_each(&servers, diagnostics);
    let floor: Option<u32> = table.integer(diagnostics, "min_healthy");
    let each: Option<u32> = table.integer(diagnostics, "max_concurrency");
    let begin: Option<u32> = table.integer(diagnostics, "initial_concurrency");
    // A name may lead to any number of servers; only addresses can be counted.
    let are_counted = !servers.is_empty()
        && servers.len() == table.len("servers")
        && servers.iter().all(|at| at.value.is_address);
    let count = u32::try_from(servers.len()).unwrap_or(u32::MAX);
    if let Some(floor) = floor.filter(|floor| are_counted && *floor > count) {
        let message =
            format!("`min_healthy` is {floor}, but the pool has {count} servers: it would always be below");
        diagnostics.error(
            table.key_place("min_healthy"),
            message,
            format!("{count} at most, or name more servers"),
        );
    }
    let most = each.unwrap_or(EACH).saturating_mul(count);
    if let Some(begin) = begin.filter(|begin| are_counted && *begin > most) {
        let message =
            format!("`initial_concurrency` is {begin}, but its servers take {most} requests at once");
        diagnostics.error(
            table.key_place("initial_concurrency"),
            message,
            "less here, or more in `max_concurrency`",
        );
    }
    if !servers.is_empty() && servers.iter().all(|at| at.value.server.drain) {
        diagnostics.warn(
            table.key_place("servers"),
            "every server drains: nobody is served",
            "let one of them serve",
        );
    }
    let protocol = table.string(diagnostics, "protocol", |text| match text {
        "http1" => Ok(Protocol::Http1),
        "http2" => Ok(Protocol::Http2),
        _ => Err(ValueError::new(format!("`{}` is not a protocol that servers are spoken to", shown(text)))
            .hint("\"http1\", or \"http2\" for gRPC")),
    });
    let tls = table.string(diagnostics, "tls", |text| {
        let host = Host::read(text)?;
        match host.port {
            Some(_) => Err(ValueError::new(format!("`{}` has a port; a certificate has none", shown(text)))
                .hint(format!("write \"{}\"", shown(&host.bare())))),
            None => Ok(host.bare()),
        }
    });
    RawPool {
        place: table.place.clone(),
        pool: Pool {
            id: PoolId(name.to_owned()),
            servers: servers.into_iter().map(|at| at.value.server).collect(),
            min_healthy: floor,
            protocol: protocol.map_or(Protocol::Http1, |at| at.value),
            tls: tls.map(|at| at.value),
            health: table.subtable(diagnostics, "health", health).flatten(),
            max_concurrency: each.unwrap_or(EACH),
            initial_concurrency: begin.unwrap_or_else(|| BEGIN.saturating_mul(count.max(1)).min(most.max(1))),
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
        diagnostics.error(at.place.clone(), format!("`{name}` stands here twice"), hint);
    }
}

fn health(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> Option<Health> {
    let path = table.string(diagnostics, "path", traffic::path);
    let every = table.duration(diagnostics, "interval").unwrap_or(Duration::from_secs(2));
    let timeout = table.duration(diagnostics, "timeout").unwrap_or(Duration::from_secs(1));
    let fall = table.integer(diagnostics, "fall").unwrap_or(2);
    let rise = table.integer(diagnostics, "rise").unwrap_or(2);
    Some(Health { path: path?.value, interval: every, timeout, fall, rise })
}

pub(crate) fn caller(
    name: &str,
    table: &mut TableReader<'_>,
    folder: &Path,
    diagnostics: &mut Diagnostics,
) -> RawCaller {
    let service = table.string(diagnostics, "service", name_of);
    let token = table.string(diagnostics, "token", |text| scalar::secret(text, folder));
    let addresses = table.strings(diagnostics, "cidrs", network);
    if !table.has("token") && !table.is_filled("cidrs") {
        diagnostics.missing(
            table.place.clone(),
            format!("{} cannot be told from a visitor", shown(&table.path)),
            "give it token = \"env:AUTH_WEB_TOKEN\", or addresses = [\"10.0.0.21\"]",
        );
    }
    RawCaller {
        place: table.place.clone(),
        token: token.as_ref().map(|at| at.place.clone()),
        caller: Caller {
            id: CallerId(name.to_owned()),
            service: service.as_ref().map(|at| ServiceId(at.value.clone())),
            token: token.map(|at| at.value),
            cidrs: addresses.iter().map(|at| at.value).collect(),
        },
        service,
        addresses,
    }
}
