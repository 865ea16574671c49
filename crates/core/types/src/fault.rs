//! Faults. Each has a code for machines and a text for people.

use crate::Time;
use crate::shown::clean;
use crate::time::spoken;
use crate::trace::duration_text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use text::list;
use text::number::grouped;
use thiserror::Error;

mod crash_loop;
mod creeping;
mod database;
mod dns;
mod domain;
mod external;
mod heartbeat;
mod http;
pub mod pool;
mod tls;
mod ups;

pub use crash_loop::CrashLoop;
pub use creeping::{Creeping, Level};
pub use database::{DatabaseFault, Promotion};
pub use dns::DnsFault;
pub use domain::DomainFault;
pub use external::{ExternalAlert, SourceSilent};
pub use heartbeat::HeartbeatFault;
pub use http::HttpFault;
pub use pool::Starving;
pub use tls::TlsFault;
pub use ups::UpsFault;

/// A fault. `Display` is the predicate of a sentence about the resource: "auth.acme.com" + "refuses connections".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// The name does not exist or has no address.
    #[error("does not resolve: no such name or no address")]
    NameNotFound,
    /// The resolver failed. For one name a fault of the name, for all names a fault of mainstay's resolver.
    #[error("cannot be resolved: {why}")]
    NameUnanswered {
        /// Answer or failure of the resolver.
        why: String,
    },
    /// The name resolves to a private address that `site.allow_private` does not include.
    #[error("resolves to the private address {address}, which `site.allow_private` does not include")]
    PrivateAddress {
        /// The address.
        address: IpAddr,
    },
    /// The connection was refused.
    #[error("refuses connections")]
    Refused,
    /// No route, or the connection was cut.
    #[error("cannot be reached: {why}")]
    Unreachable {
        /// Error of the operating system.
        why: String,
    },
    /// A phase took longer than the probe's timeout.
    #[error("times out ({phase})")]
    TimedOut {
        /// The phase.
        phase: Phase,
    },
    /// A certificate that a browser would refuse.
    #[error(transparent)]
    Tls {
        /// The fault.
        tls: TlsFault,
    },
    /// The TLS handshake failed.
    #[error("fails the TLS handshake: {why}")]
    Handshake {
        /// Error of the TLS library.
        why: String,
    },
    /// The server's TLS is not supported by mainstay's library: a limit of mainstay, not an outage.
    #[error("cannot negotiate TLS with mainstay: {what}")]
    TlsUnsupported {
        /// What is not supported: an old version, a cipher suite, a group, a type of key.
        what: String,
    },
    /// Unexpected status code.
    #[error("answers with status {got}")]
    Status {
        /// The status code.
        got: u16,
    },
    /// The body lacks the expected text.
    #[error("answers without the expected text")]
    BodyLacks,
    /// The expected text is not in the body up to the size limit; it may follow later.
    #[error("answers without the expected text within the size limit")]
    TextNotReached,
    /// The body ended before its declared length.
    #[error("closes the connection before the end of the response")]
    Truncated,
    /// A redirect loop.
    #[error("redirects in a loop")]
    RedirectLoop,
    /// More redirects than allowed.
    #[error("redirects more than {limit} times")]
    TooManyRedirects {
        /// The limit.
        limit: u32,
    },
    /// A redirect to something other than an http(s) URL.
    #[error("redirects to an invalid URL")]
    BadRedirect,
    /// Part of the answer exceeds the size limit.
    #[error("exceeds the size limit ({what})")]
    TooLarge {
        /// The part: `headers`, `certificate chain`, ...
        what: String,
    },
    /// The answer violates the protocol.
    #[error("violates the protocol: {why}")]
    Garbage {
        /// The violation.
        why: String,
    },
    /// A good answer that took longer than `expect.max_latency`.
    #[error("answers too slowly (over {} ms)", limit.as_millis())]
    Slow {
        /// The configured limit.
        limit: Duration,
    },
    /// Some of the addresses behind a name fail.
    #[error("fails at {} of {of} addresses: {how}", bad.len())]
    SomeAddresses {
        /// The failing addresses.
        bad: BTreeSet<IpAddr>,
        /// Number of addresses.
        of: u32,
        /// Each failing address with its fault, for display.
        how: String,
        /// Whether a failing address answers at all. Clients skip an address that does not answer, but not one that
        /// answers.
        #[serde(default)]
        answers: bool,
    },
    /// A share of the answers is bad, but not enough in a row.
    #[error("fails intermittently: {bad} of the last {of} answers (last: {last})")]
    Intermittent {
        /// Number of bad answers.
        bad: u32,
        /// Number of answers.
        of: u32,
        /// The last bad answer.
        last: String,
    },
    /// Repeated failures and recoveries (flapping).
    #[error("is flapping: {times} failures within {} (last: {last})", spoken(*within))]
    Unstable {
        /// Number of failures.
        times: u32,
        /// Time within which they happened.
        within: Duration,
        /// The last fault.
        last: Box<Fault>,
    },
    /// A fault of DNS.
    #[error(transparent)]
    Dns {
        /// The fault.
        dns: DnsFault,
    },
    /// A fault of a database.
    #[error(transparent)]
    Database {
        /// The fault.
        database: DatabaseFault,
    },
    /// A fault of the registration.
    #[error(transparent)]
    Domain {
        /// The fault.
        domain: DomainFault,
    },
    /// The registry did not answer, or its answer was not usable. The last known date stays valid.
    #[error("could not be looked up at its registry: {why}")]
    Lookup {
        /// The reason.
        why: String,
        /// Delay that the registry asked for.
        retry_after: Option<Duration>,
    },
    /// Far more traffic than usual reaches a service.
    #[error("receives {}{}", rate(*times, *per_sec), sources(*share_percent, networks))]
    Surge {
        /// Factor over the usual rate; `None` while that is unknown.
        times: Option<u32>,
        /// Requests per second.
        per_sec: u32,
        /// Share of the named networks, in per cent.
        share_percent: u8,
        /// Networks that send most, at most five.
        networks: Vec<String>,
    },
    /// A service rate-limits one of its own callers: two limits are in conflict.
    #[error("rate-limits its own caller {caller}: {percent} % of its 429 responses{}", example(trace.as_deref(), limits))]
    LimitConflict {
        /// The caller.
        caller: String,
        /// Its share of the 429 responses, in per cent.
        percent: u8,
        /// Trace id of an example.
        trace: Option<String>,
        /// The limits that refused the example, outermost first.
        limits: Vec<String>,
    },
    /// Fewer healthy servers than `min_healthy`.
    #[error(
        "has {healthy} of {declared} servers healthy (minimum {min_healthy}){}{}",
        pool::refuses(*refuses), pool::who(*healthy, serving, out)
    )]
    PoolBelowMinimum {
        /// Number of healthy servers.
        healthy: u32,
        /// Number of servers.
        declared: u32,
        /// Configured minimum.
        min_healthy: u32,
        /// Unhealthy servers, with since when and why.
        out: Vec<String>,
        /// Healthy servers, at most five.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        serving: Vec<String>,
        /// Backup servers that answer instead.
        #[serde(default, skip_serializing_if = "is_zero")]
        backups: u32,
        /// The load balancer that says so; `None` for mainstay's own edge.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        balancer: Option<String>,
        /// Whether the edge refuses requests, or they fail, at the same time.
        #[serde(default, skip_serializing_if = "is_false")]
        refuses: bool,
    },
    /// The servers of a pool present a certificate for other names, or an untrusted one.
    #[error("presents a certificate that is not for {expected}: {why}")]
    ServerCertificate {
        /// The expected name.
        expected: String,
        /// The fault, with the presented names.
        why: String,
    },
    /// The edge sends no roll-ups, so its open alerts may be outdated.
    #[error("has reported no traffic since {since}")]
    EdgeSilent {
        /// Time of the last roll-up, or since when one is expected.
        since: Time,
    },
    /// A host that clients request and that is not configured.
    #[error("is requested by clients, but not configured")]
    Unmonitored,
    /// mainstay itself has no connectivity, so failed probes say nothing about their resources.
    #[error("is isolated (mainstay cannot see out): {why}")]
    Isolated {
        /// The reason.
        why: String,
    },
    /// Far more WebSockets and event streams are opened than usual, and servers do not keep up.
    #[error("receives {}", reconnects(*times, *per_sec))]
    ReconnectStorm {
        /// Factor over the usual rate; `None` while that is unknown.
        times: Option<u32>,
        /// WebSockets and event streams that clients open in a second.
        per_sec: u32,
    },
    /// The median of a latency has risen and stays high.
    #[error("is slower than usual: {} -> {}", latency(*usual), latency(*level))]
    SlowerThanUsual {
        /// Time of the first slow answer.
        since: Time,
        /// Usual median before it.
        usual: Duration,
        /// Median of the last slow answers.
        level: Duration,
    },
    /// Far fewer servers than before, without a configured minimum.
    #[error("has {healthy} servers healthy, {peak} before{}{}", pool::refuses(*refuses), pool::who(*healthy, serving, out))]
    PoolShrunken {
        /// Number of healthy servers.
        healthy: u32,
        /// The most that served together in the last 7 days and are still meant to serve.
        peak: u32,
        /// Unhealthy servers, with since when and why.
        out: Vec<String>,
        /// Healthy servers, at most five.
        serving: Vec<String>,
        /// The load balancer that says so; `None` for mainstay's own edge.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        balancer: Option<String>,
        /// Whether the edge refuses requests, or they fail, at the same time.
        #[serde(default, skip_serializing_if = "is_false")]
        refuses: bool,
    },
    /// The load balancer of a pool gives no usable answer, so that its members are not known.
    #[error("cannot be seen: {why}; whether its servers serve is not known")]
    PoolUnseen {
        /// What the load balancer answers, and the next step.
        why: String,
    },
    /// Members of a pool get no work while the others have too much.
    #[error("has servers without work: {} while {others}; {}", text::list::and(idle), pool::starved(starved_by.as_deref()))]
    PoolMemberIdle {
        /// The members, each with since when.
        idle: Vec<String>,
        /// What shows that the others have too much.
        others: String,
        /// The layer that starves them, if one is short.
        #[serde(default)]
        starved_by: Option<Box<Starving>>,
    },
    /// Requests fail, and the usual clients send far more of them.
    #[error(
        "receives {} times its usual requests from the usual number of clients ({}, usually {}), {} requests/s: clients \
         retry what fails",
        tenths(*times_tenths), grouped(u64::from(*clients)), grouped(u64::from(*usual_clients)),
        grouped(u64::from(*per_sec))
    )]
    RetryStorm {
        /// Factor over the usual rate, in tenths.
        times_tenths: u32,
        /// Requests per second.
        per_sec: u32,
        /// Different clients of the last five minutes.
        clients: u32,
        /// The same in quiet times.
        usual_clients: u32,
    },
    /// Servers end and are started again, and again (a crash loop).
    #[error(transparent)]
    CrashLoop {
        /// What was seen.
        crash_loop: CrashLoop,
    },
    /// A level has risen for hours, and will meet its limit.
    #[error(transparent)]
    Creeping {
        /// What was measured.
        creeping: Box<Creeping>,
    },
    /// A fault of an uninterruptible power supply.
    #[error(transparent)]
    Ups {
        /// The fault.
        ups: UpsFault,
    },
    /// A job did not report, or reported that it failed.
    #[error(transparent)]
    Heartbeat {
        /// The fault.
        heartbeat: HeartbeatFault,
    },
    /// The content of an HTTP response is not as expected.
    #[error(transparent)]
    Http {
        /// The fault.
        http: HttpFault,
    },
    /// An alert that another system reported.
    #[error(transparent)]
    External {
        /// The alert.
        external: Box<ExternalAlert>,
    },
    /// Another system reports nothing although it should.
    #[error(transparent)]
    SourceSilent {
        /// What is known of it.
        silence: SourceSilent,
    },
}

/// `4.1`.
fn tenths(tenths: u32) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Whether a field has its default, which is not written.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Whether a field has its default, which is not written.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Fault {
    /// Escapes external text in it.
    pub(crate) fn clean(&mut self) {
        match self {
            Self::NameUnanswered { why }
            | Self::Unreachable { why }
            | Self::Handshake { why }
            | Self::Garbage { why }
            | Self::Lookup { why, .. }
            | Self::Isolated { why } => clean(why),
            Self::TooLarge { what } => clean(what),
            Self::Tls { tls } => tls.clean(),
            Self::Dns { dns } => dns.clean(),
            Self::Domain { domain } => domain.clean(),
            Self::Database { database } => database.clean(),
            Self::ServerCertificate { expected, why } => {
                clean(expected);
                clean(why);
            }
            Self::PoolBelowMinimum { out, serving, .. } | Self::PoolShrunken { out, serving, .. } => {
                out.iter_mut().chain(serving).for_each(clean);
            }
            Self::PoolUnseen { why } => clean(why),
            Self::PoolMemberIdle { idle, others, starved_by } => {
                idle.iter_mut().for_each(clean);
                clean(others);
                starved_by.iter_mut().for_each(|by| by.clean());
            }
            Self::LimitConflict { limits, .. } => limits.iter_mut().for_each(clean),
            Self::CrashLoop { crash_loop } => crash_loop.clean(),
            Self::Ups { ups } => ups.clean(),
            Self::Heartbeat { heartbeat } => heartbeat.clean(),
            Self::Http { http } => http.clean(),
            Self::External { external } => external.clean(),
            _ => {}
        }
    }

    /// The code for machines. At most one alert per resource and code is open, of those of other systems one per key.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NameNotFound => "name-not-found",
            Self::NameUnanswered { .. } => "name-unanswered",
            Self::PrivateAddress { .. } => "private-address",
            Self::Refused => "refused",
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timed-out",
            Self::Tls { tls } => tls.as_str(),
            Self::Handshake { .. } => "tls-handshake",
            Self::TlsUnsupported { .. } => "tls-unsupported",
            Self::Status { .. } => "status",
            Self::BodyLacks => "body-lacks",
            Self::TextNotReached => "text-not-reached",
            Self::Truncated => "truncated",
            Self::RedirectLoop => "redirect-loop",
            Self::TooManyRedirects { .. } => "too-many-redirects",
            Self::BadRedirect => "bad-redirect",
            Self::TooLarge { .. } => "too-large",
            Self::Garbage { .. } => "garbage",
            Self::Slow { .. } => "slow",
            Self::SomeAddresses { .. } => "some-addresses",
            Self::Intermittent { .. } => "intermittent",
            Self::Unstable { .. } => "unstable",
            Self::Dns { dns } => dns.as_str(),
            Self::Domain { domain } => domain.as_str(),
            Self::Database { database } => database.as_str(),
            Self::Lookup { .. } => "lookup-failed",
            Self::Surge { .. } => "surge",
            Self::LimitConflict { .. } => "limit-conflict",
            Self::PoolBelowMinimum { .. } => "pool-below-minimum",
            Self::ServerCertificate { .. } => "server-certificate",
            Self::EdgeSilent { .. } => "edge-silent",
            Self::Unmonitored => "unmonitored",
            Self::Isolated { .. } => "isolated",
            Self::ReconnectStorm { .. } => "reconnect-storm",
            Self::SlowerThanUsual { .. } => "slower-than-usual",
            Self::PoolShrunken { .. } => "pool-shrunken",
            Self::PoolUnseen { .. } => "pool-unseen",
            Self::PoolMemberIdle { .. } => "pool-member-idle",
            Self::RetryStorm { .. } => "retry-storm",
            Self::CrashLoop { .. } => "crash-loop",
            Self::Creeping { creeping } => creeping.level.as_str(),
            Self::Ups { ups } => ups.as_str(),
            Self::Heartbeat { heartbeat } => heartbeat.as_str(),
            Self::Http { http } => http.as_str(),
            Self::External { .. } => "external-alert",
            Self::SourceSilent { .. } => "source-silent",
        }
    }
}

impl Fault {
    /// The layer that starves idle capacity, if one is short.
    #[must_use]
    pub fn starved_by(&self) -> Option<&Starving> {
        match self {
            Self::PoolMemberIdle { starved_by, .. }
            | Self::Database { database: DatabaseFault::ReplicaIdle { starved_by, .. } } => {
                starved_by.as_deref()
            }
            _ => None,
        }
    }

    /// Whether capacity gets no work: replicas of a database, members of a pool.
    #[must_use]
    pub fn is_idle_capacity(&self) -> bool {
        matches!(
            self,
            Self::PoolMemberIdle { .. } | Self::Database { database: DatabaseFault::ReplicaIdle { .. } }
        )
    }

    /// Whether nothing is known about the content of an answer, because it could not be searched.
    #[must_use]
    pub fn is_unsearched(&self) -> bool {
        matches!(self, Self::TextNotReached | Self::Http { http: HttpFault::Unsearchable { .. } })
    }

    /// Whether part of the requests still succeed: the resource is degraded, not down.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        matches!(
            self,
            Self::Slow { .. }
                | Self::SlowerThanUsual { .. }
                | Self::Creeping { .. }
                | Self::SomeAddresses { .. }
                | Self::Intermittent { .. }
                | Self::Unstable { .. }
        ) || matches!(self, Self::CrashLoop { crash_loop } if crash_loop.steady() == 0)
    }
}

fn reconnects(times: Option<u32>, per_sec: u32) -> String {
    let per_sec = grouped(u64::from(per_sec));
    match times {
        Some(times) => {
            let times = grouped(u64::from(times));
            format!("{times} times its usual reconnects ({per_sec} WebSockets and event streams opened/s)")
        }
        None => format!("{per_sec} reconnects/s of WebSockets and event streams, more than its servers take"),
    }
}

/// `240 ms`.
fn latency(latency: Duration) -> String {
    duration_text(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX))
}

fn rate(times: Option<u32>, per_sec: u32) -> String {
    let per_sec = grouped(u64::from(per_sec));
    match times {
        Some(times) => {
            format!("{} times its usual traffic ({per_sec} requests/s)", grouped(u64::from(times)))
        }
        None => format!("{per_sec} requests/s, more than it can serve"),
    }
}

fn sources(share_percent: u8, networks: &[String]) -> String {
    match networks.len() {
        0 => String::new(),
        1 => format!(", {share_percent} % of it from {}", networks[0]),
        many => format!(", {share_percent} % of it from {many} networks: {}", networks.join(", ")),
    }
}

fn example(trace: Option<&str>, limits: &[String]) -> String {
    let limits = if limits.is_empty() { String::new() } else { format!(" ({})", limits.join(", then ")) };
    match trace {
        Some(trace) => format!("{limits}; see `mainstay trace {trace}`"),
        None => limits,
    }
}

/// Phases of a request, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// DNS lookup.
    Dns,
    /// Connect.
    Connect,
    /// TLS handshake.
    Tls,
    /// Time to the first byte.
    FirstByte,
    /// Rest of the body.
    Body,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Dns => "DNS lookup",
            Self::Connect => "connect",
            Self::Tls => "TLS handshake",
            Self::FirstByte => "first byte",
            Self::Body => "body",
        })
    }
}

/// `a, b and 3 more`.
fn listed<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    match list::commas_or_more(names, 3) {
        none if none.is_empty() => "nobody".to_owned(),
        names => names,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surge_text_has_known_facts_only() {
        let surge = |times, networks: &[&str]| Fault::Surge {
            times,
            per_sec: 1_080_000,
            share_percent: 92,
            networks: networks.iter().map(|net| (*net).to_owned()).collect(),
        };
        for (fault, words) in [
            (surge(Some(5_400), &[]), "receives 5,400 times its usual traffic (1,080,000 requests/s)"),
            (
                surge(None, &["AS64500"]),
                "receives 1,080,000 requests/s, more than it can serve, 92 % of it from AS64500",
            ),
            (
                surge(Some(7), &["AS64500", "AS64501"]),
                "receives 7 times its usual traffic (1,080,000 requests/s), 92 % of it from 2 networks: AS64500, \
                 AS64501",
            ),
        ] {
            assert_eq!(fault.to_string(), words);
        }
    }
}
