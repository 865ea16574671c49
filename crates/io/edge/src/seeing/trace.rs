//! A record in words: one hop of a trace, with its phases, its verdict and the limit that gave it.

use super::Zero;
use super::limit::{By, Limit};
use super::names::Names;
use super::record::{Phase, Seen};
use http::Version;
use std::fmt::Write as _;
use types::trace::{self, Attempt, Hop, Verdict};

/// Hops of one trace that are shown at most.
pub(super) const HOPS_MAX: usize = 64;

/// A record as one passage.
pub(super) fn hop(seen: &Seen, names: &Names, zero: Zero) -> Hop {
    let (service, pool) = names.of_lane(seen.lane).unzip();
    let head = seen.at(Phase::Head).unwrap_or(0);
    let service_name = service.as_ref().map(|service| service.0.as_str());
    let limit = limit(seen, service_name);
    let end = Phase::ALL.iter().filter_map(|phase| seen.at(*phase)).max().unwrap_or(0);
    Hop {
        span: seen.ids.span.to_string(),
        parent: seen.ids.parent.map(|parent| parent.to_string()),
        at: zero.time(seen.began.saturating_add(head.into())),
        limit,
        service,
        pool,
        method: seen.method.to_string(),
        host: seen.host.to_string(),
        path: seen.path.to_string(),
        protocol: protocol(seen).to_owned(),
        client: seen.client.to_string(),
        from: origin(seen),
        visitor: visitor(seen).to_owned(),
        caller: seen.caller.and_then(|caller| names.of_caller(caller)),
        verdict: seen.verdict,
        status: seen.status,
        why: why(seen),
        phases: phases(seen, head),
        attempts: attempts(seen, head, end),
        received_bytes: seen.received,
        sent_bytes: seen.sent,
        took_us: u64::from(end.saturating_sub(head)),
    }
}

/// The limit or rule that decided, with its numbers.
pub(super) fn limit(seen: &Seen, service: Option<&str>) -> Option<String> {
    seen.limit.map(|limit| rule(seen, &limit, service) + &numbers(&limit))
}

/// `HTTP/1.1`.
pub(super) fn protocol(seen: &Seen) -> &'static str {
    match seen.version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

/// What the visitor is to us.
pub(super) fn visitor(seen: &Seen) -> &'static str {
    if seen.visitor.is_some() { "known" } else { "first" }
}

/// `EE, AS64500`.
pub(super) fn origin(seen: &Seen) -> Option<String> {
    let country = seen.country.map(|code| code.iter().copied().map(char::from).collect::<String>());
    match (country, seen.asn) {
        (Some(country), Some(asn)) => Some(format!("{country}, AS{asn}")),
        (Some(country), None) => Some(country),
        (None, asn) => asn.map(|asn| format!("AS{asn}")),
    }
}

pub(super) fn why(seen: &Seen) -> Option<String> {
    match (seen.failure.map(super::Failure::words), seen.why.as_str()) {
        (None, "") => None,
        (None, why) => Some(why.to_owned()),
        (Some(words), "") => Some(words.to_owned()),
        (Some(words), why) => Some(format!("{words}: {why}")),
    }
}

/// What lies between two stamps, in words. A stamp that was not reached hands its beginning on.
fn phases(seen: &Seen, head: u32) -> Vec<trace::Phase> {
    let parts = [
        (Phase::Judged, "judged"),
        (Phase::Admitted, "waited for its turn"),
        (Phase::Connected, "connected"),
        (Phase::Sent, "request sent"),
        (Phase::Answered, if seen.let_through() { "server thought" } else { "answer made" }),
        (Phase::End, "answer sent"),
    ];
    let mut from = head;
    let mut phases = Vec::with_capacity(parts.len());
    for (until, name) in parts {
        if let Some(at) = seen.at(until) {
            let (began, took) = (from.saturating_sub(head), at.saturating_sub(from));
            phases.push(trace::Phase { name: name.to_owned(), began_us: began.into(), took_us: took.into() });
            from = from.max(at);
        }
    }
    phases
}

fn attempts(seen: &Seen, head: u32, end: u32) -> Vec<Attempt> {
    let mut all: Vec<Attempt> = seen
        .tried
        .iter()
        .flatten()
        .map(|tried| Attempt {
            server: tried.server.to_string(),
            began_us: tried.span.0.saturating_sub(head).into(),
            took_us: tried.span.1.saturating_sub(tried.span.0).into(),
            status: None,
            why: Some(tried.failure.words().to_owned()),
        })
        .collect();
    if let Some(server) = seen.server.filter(|_| seen.let_through()) {
        let from = seen.asked_from();
        let answered = seen.at(Phase::Answered).unwrap_or(end);
        all.push(Attempt {
            server: server.to_string(),
            began_us: from.saturating_sub(head).into(),
            took_us: answered.saturating_sub(from).into(),
            status: Some(seen.status).filter(|status| seen.verdict == Verdict::Passed && *status != 0),
            why: seen.failure.map(|failure| failure.words().to_owned()),
        });
    }
    all
}

/// The rule that refused, in words: whose it is and what it is called.
pub(super) fn rule(seen: &Seen, limit: &Limit, service: Option<&str>) -> String {
    let service = service.unwrap_or("no service");
    match (limit.by, limit.name.as_str()) {
        (By::Edge, _) if seen.verdict == Verdict::Denied => {
            let from = origin(seen).unwrap_or_else(|| seen.client.to_string());
            match limit.name.as_str() {
                "denied-country" | "denied-network" => format!("denial of where it comes from ({from})"),
                _ => format!("denial of its address ({})", seen.client),
            }
        }
        (By::Edge, name) => format!("{name} limit of {service}"),
        (By::Server, "") => format!("unnamed limit of {service}"),
        (By::Server, name) => format!("{name} of {service}"),
    }
}

/// Its numbers, as the answer told them: `, 20 in 1 s, none left, again in 3 s`.
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
