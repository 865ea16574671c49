//! Conversion of a record to one hop of a trace, with its phases, its verdict and the limit that decided it.

use super::Zero;
use super::limit::{By, Limit};
use super::names::Names;
use super::record::{Phase, RequestRecord};
use http::Version;
use std::fmt::Write as _;
use types::trace::{self, Attempt, Hop, Verdict};

/// Hops of one trace that are shown at most.
pub(super) const HOPS_MAX: usize = 64;

/// A record as one passage.
pub(super) fn hop(record: &RequestRecord, names: &Names, zero: Zero) -> Hop {
    let (service, pool) = names.of_route(record.route).unzip();
    let head = record.at(Phase::Head).unwrap_or(0);
    let service_name = service.as_ref().map(|service| service.0.as_str());
    let limit = limit(record, service_name);
    let end = Phase::ALL.iter().filter_map(|phase| record.at(*phase)).max().unwrap_or(0);
    Hop {
        span: record.ids.span.to_string(),
        parent: record.ids.parent.map(|parent| parent.to_string()),
        at: zero.time(record.began.saturating_add(head.into())),
        limit,
        service,
        pool,
        method: record.method.to_string(),
        host: record.host.to_string(),
        path: record.path.to_string(),
        protocol: protocol(record).to_owned(),
        client: record.client.to_string(),
        country: country(record),
        asn: record.asn,
        client_kind: client_kind(record).to_owned(),
        caller: record.caller.and_then(|caller| names.of_caller(caller)),
        verdict: record.verdict,
        status: record.status,
        why: why(record),
        phases: phases(record, head),
        attempts: attempts(record, head, end),
        received_bytes: record.received,
        sent_bytes: record.sent,
        took_us: u64::from(end.saturating_sub(head)),
    }
}

/// The limit or rule that decided, with its numbers.
pub(super) fn limit(record: &RequestRecord, service: Option<&str>) -> Option<String> {
    record.limit.map(|limit| rule(record, &limit, service) + &numbers(&limit))
}

/// `HTTP/1.1`.
pub(super) fn protocol(record: &RequestRecord) -> &'static str {
    match record.version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

/// `recognized` or `first-time`.
pub(super) fn client_kind(record: &RequestRecord) -> &'static str {
    if record.recognized.is_some() { "recognized" } else { "first-time" }
}

/// `EE`.
pub(super) fn country(record: &RequestRecord) -> Option<String> {
    record.country.map(|code| code.iter().copied().map(char::from).collect::<String>())
}

/// `EE, AS64500`.
fn source(record: &RequestRecord) -> Option<String> {
    match (country(record), record.asn) {
        (Some(country), Some(asn)) => Some(format!("{country}, AS{asn}")),
        (Some(country), None) => Some(country),
        (None, asn) => asn.map(|asn| format!("AS{asn}")),
    }
}

pub(super) fn why(record: &RequestRecord) -> Option<String> {
    match (record.failure.map(super::Failure::message), record.why.as_str()) {
        (None, "") => None,
        (None, why) => Some(why.to_owned()),
        (Some(words), "") => Some(words.to_owned()),
        (Some(words), why) => Some(format!("{words}: {why}")),
    }
}

/// Returns the phases between the milestones. A missing milestone extends the next phase.
fn phases(record: &RequestRecord, head: u32) -> Vec<trace::Phase> {
    let parts = [
        (Phase::Judged, "policy check"),
        (Phase::Admitted, "queued"),
        (Phase::Connected, "connect"),
        (Phase::Sent, "send request"),
        (Phase::Answered, if record.let_through() { "wait for first byte" } else { "build response" }),
        (Phase::End, "send response"),
    ];
    let mut from = head;
    let mut phases = Vec::with_capacity(parts.len());
    for (until, name) in parts {
        if let Some(at) = record.at(until) {
            let (began, took) = (from.saturating_sub(head), at.saturating_sub(from));
            phases.push(trace::Phase { name: name.to_owned(), began_us: began.into(), took_us: took.into() });
            from = from.max(at);
        }
    }
    phases
}

fn attempts(record: &RequestRecord, head: u32, end: u32) -> Vec<Attempt> {
    let mut all: Vec<Attempt> = record
        .tried
        .iter()
        .flatten()
        .map(|tried| Attempt {
            server: tried.server.to_string(),
            began_us: tried.span.0.saturating_sub(head).into(),
            took_us: tried.span.1.saturating_sub(tried.span.0).into(),
            status: None,
            why: Some(tried.failure.message().to_owned()),
        })
        .collect();
    if let Some(server) = record.server.filter(|_| record.let_through()) {
        let from = record.asked_from();
        let answered = record.at(Phase::Answered).unwrap_or(end);
        all.push(Attempt {
            server: server.to_string(),
            began_us: from.saturating_sub(head).into(),
            took_us: answered.saturating_sub(from).into(),
            status: Some(record.status).filter(|status| record.verdict == Verdict::Passed && *status != 0),
            why: record.failure.map(|failure| failure.message().to_owned()),
        });
    }
    all
}

/// Describes the limit that refused: its name and its owner.
pub(super) fn rule(record: &RequestRecord, limit: &Limit, service: Option<&str>) -> String {
    let service = service.unwrap_or("no service");
    match (limit.by, limit.name.as_str()) {
        (By::Edge, _) if record.verdict == Verdict::Denied => {
            let from = source(record).unwrap_or_else(|| record.client.to_string());
            match limit.name.as_str() {
                "denied-country" | "denied-asn" => format!("deny rule for {from}"),
                _ => format!("deny rule for {}", record.client),
            }
        }
        (By::Edge, name) => format!("{name} limit of {service}"),
        (By::Server, "") => format!("unnamed limit of {service}"),
        (By::Server, name) => format!("{name} of {service}"),
    }
}

/// Describes its numbers as in the response: `, 20 in 1 s, none left, again in 3 s`.
fn numbers(limit: &Limit) -> String {
    let mut out = String::new();
    match (limit.quota, limit.window) {
        (Some(quota), Some(window)) => drop(write!(out, ", {quota} in {window} s")),
        (Some(quota), None) => drop(write!(out, ", {quota}")),
        (None, _) => {}
    }
    match limit.remaining {
        Some(0) => out.push_str(", none left"),
        Some(left) => drop(write!(out, ", {left} left")),
        None => {}
    }
    if let Some(again) = limit.retry_after.or(limit.reset) {
        let _ = write!(out, ", again in {again} s");
    }
    out
}
