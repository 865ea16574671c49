//! `[pool.NAME]` and `[caller.NAME]` as written: the servers behind the edge, and our own programs before it.

use crate::address::{network, server};
use crate::draft::name_of;
use crate::form::{At, Form};
use crate::host::{Host, Name};
use crate::marks::{Marks, Place};
use crate::near::shown;
use crate::traffic;
use crate::word;
use crate::wrong::Wrong;
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use types::config::{Caller, Health, Pool, Protocol, ServerAt};
use types::{CallerId, PoolId, ServiceId};

/// Requests at once to one server, and clients at once of each server before more is known of it, unless told.
const EACH: u32 = 100;
const BEGIN: u32 = 8;

/// A pool as written.
#[derive(Debug)]
pub(crate) struct PoolDraft {
    pub(crate) place: Place,
    /// Complete where nothing is marked.
    pub(crate) pool: Pool,
}

/// A caller as written.
#[derive(Debug)]
pub(crate) struct CallerDraft {
    pub(crate) place: Place,
    pub(crate) service: Option<At<String>>,
    pub(crate) token: Option<Place>,
    pub(crate) addresses: Vec<At<IpNet>>,
    pub(crate) caller: Caller,
}

pub(crate) fn pool(name: &str, form: &mut Form<'_>, marks: &mut Marks) -> PoolDraft {
    let servers = form.eithers(marks, "servers", |text| server(text).map(alone), weighted);
    once_each(&servers, marks);
    let floor: Option<u32> = form.count(marks, "min_healthy");
    let each: Option<u32> = form.count(marks, "max_concurrency");
    let begin: Option<u32> = form.count(marks, "initial_concurrency");
    // A name may lead to any number of servers; only addresses can be counted.
    let are_counted = !servers.is_empty()
        && servers.len() == form.len("servers")
        && servers.iter().all(|at| at.value.is_address);
    let count = u32::try_from(servers.len()).unwrap_or(u32::MAX);
    if let Some(floor) = floor.filter(|floor| are_counted && *floor > count) {
        let message =
            format!("`min_healthy` is {floor}, but the pool has {count} servers: it would always be below");
        marks.wrong(form.key_place("min_healthy"), message, format!("{count} at most, or name more servers"));
    }
    let most = each.unwrap_or(EACH).saturating_mul(count);
    if let Some(begin) = begin.filter(|begin| are_counted && *begin > most) {
        let message =
            format!("`initial_concurrency` is {begin}, but its servers take {most} requests at once");
        marks.wrong(
            form.key_place("initial_concurrency"),
            message,
            "less here, or more in `max_concurrency`",
        );
    }
    if !servers.is_empty() && servers.iter().all(|at| at.value.server.drain) {
        marks.warn(
            form.key_place("servers"),
            "every server drains: nobody is served",
            "let one of them serve",
        );
    }
    let protocol = form.word(marks, "protocol", |text| match text {
        "http1" => Ok(Protocol::Http1),
        "http2" => Ok(Protocol::Http2),
        _ => Err(Wrong::new(format!("`{}` is not a protocol that servers are spoken to", shown(text)))
            .hint("\"http1\", or \"http2\" for gRPC")),
    });
    let tls = form.word(marks, "tls", |text| {
        let host = Host::read(text)?;
        match host.port {
            Some(_) => Err(Wrong::new(format!("`{}` has a port; a certificate has none", shown(text)))
                .hint(format!("write \"{}\"", shown(&host.bare())))),
            None => Ok(host.bare()),
        }
    });
    PoolDraft {
        place: form.place.clone(),
        pool: Pool {
            id: PoolId(name.to_owned()),
            servers: servers.into_iter().map(|at| at.value.server).collect(),
            min_healthy: floor,
            protocol: protocol.map_or(Protocol::Http1, |at| at.value),
            tls: tls.map(|at| at.value),
            health: form.table(marks, "health", health).flatten(),
            max_concurrency: each.unwrap_or(EACH),
            initial_concurrency: begin.unwrap_or_else(|| BEGIN.saturating_mul(count.max(1)).min(most.max(1))),
        },
    }
}

#[derive(Debug)]
struct ServerDraft {
    server: ServerAt,
    is_address: bool,
}

fn alone(host: Host) -> ServerDraft {
    let is_address = matches!(host.name, Name::Ip(_));
    ServerDraft { server: ServerAt { at: host.text(0), weight: 1, drain: false }, is_address }
}

fn weighted(form: &mut Form<'_>, marks: &mut Marks) -> Option<ServerDraft> {
    let at = form.word(marks, "at", server);
    let weight = form.count(marks, "weight").unwrap_or(1);
    let drain = form.flag(marks, "drain").unwrap_or(false);
    let mut draft = alone(at?.value);
    (draft.server.weight, draft.server.drain) = (weight, drain);
    Some(draft)
}

fn once_each(servers: &[At<ServerDraft>], marks: &mut Marks) {
    let mut seen = BTreeSet::new();
    for at in servers.iter().filter(|at| !seen.insert(&at.value.server.at)) {
        let name = shown(&at.value.server.at);
        let hint = format!("for a larger share: {{ at = \"{name}\", weight = 2 }}");
        marks.wrong(at.place.clone(), format!("`{name}` stands here twice"), hint);
    }
}

fn health(form: &mut Form<'_>, marks: &mut Marks) -> Option<Health> {
    let path = form.word(marks, "path", traffic::path);
    let every = form.span(marks, "interval").unwrap_or(Duration::from_secs(2));
    let timeout = form.span(marks, "timeout").unwrap_or(Duration::from_secs(1));
    let fall = form.count(marks, "fall").unwrap_or(2);
    let rise = form.count(marks, "rise").unwrap_or(2);
    Some(Health { path: path?.value, interval: every, timeout, fall, rise })
}

pub(crate) fn caller(name: &str, form: &mut Form<'_>, folder: &Path, marks: &mut Marks) -> CallerDraft {
    let service = form.word(marks, "service", name_of);
    let token = form.word(marks, "token", |text| word::secret(text, folder));
    let addresses = form.words(marks, "cidrs", network);
    if !form.has("token") && !form.is_filled("cidrs") {
        marks.lacking(
            form.place.clone(),
            format!("{} cannot be told from a visitor", shown(&form.path)),
            "give it token = \"env:AUTH_WEB_TOKEN\", or addresses = [\"10.0.0.21\"]",
        );
    }
    CallerDraft {
        place: form.place.clone(),
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
