//! What can be wrong with an answer. Each fault has a word for machines and a sentence for people.

use crate::Time;
use crate::shown::clean;
use crate::time::spoken;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use text::list;
use text::number::grouped;
use thiserror::Error;

mod dns;
mod domain;
mod tls;

pub use dns::DnsFault;
pub use domain::DomainFault;
pub use tls::TlsFault;

/// What is wrong. `Display` is the middle of a sentence that begins with the thing: "auth.acme.com" + "refuses connections".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// The name does not exist (NXDOMAIN, or no address).
    #[error("has no address: the name does not exist")]
    NameNotFound,
    /// Our resolver failed to look the name up; alone a fault of the name, everywhere at once a fault of ours.
    #[error("cannot be looked up: {why}")]
    NameUnanswered {
        /// What the resolver said or did.
        why: String,
    },
    /// The name leads to an inner address that the configuration did not allow (`site.allow_private`).
    #[error("leads to the inner address {address}, which the configuration does not allow")]
    InnerAddress {
        /// The address it led to.
        address: IpAddr,
    },
    /// The connection was refused.
    #[error("refuses connections")]
    Refused,
    /// No route, or the connection was cut.
    #[error("cannot be reached: {why}")]
    Unreachable {
        /// The system's word for it.
        why: String,
    },
    /// A phase took longer than the probe's timeout.
    #[error("does not answer within the time limit ({phase})")]
    TimedOut {
        /// The phase that did not end.
        phase: Phase,
    },
    /// A certificate that a browser would refuse.
    #[error(transparent)]
    Tls {
        /// What is wrong with it.
        tls: TlsFault,
    },
    /// The TLS handshake itself failed.
    #[error("fails the TLS handshake: {why}")]
    Handshake {
        /// The library's word for it.
        why: String,
    },
    /// A TLS server that others can talk to and our TLS library cannot: a limit of ours, not an outage.
    #[error("speaks TLS only in a way that our TLS library cannot: {what}")]
    TlsUnsupported {
        /// What it wants: an old version, a cipher suite, a group, a kind of key.
        what: String,
    },
    /// A status code other than those expected.
    #[error("answers with status {got}")]
    Status {
        /// The status code.
        got: u16,
    },
    /// The body lacks the expected text.
    #[error("answers without the expected text")]
    BodyLacks,
    /// The expected text did not come in the part of the body that was read; it may be in the rest.
    #[error("answers more than we read, and the expected text is not in what we read")]
    TextNotReached,
    /// The body ended before its declared length.
    #[error("breaks off in the middle of its answer")]
    Truncated,
    /// A redirect leads back to where we have been.
    #[error("redirects in a circle")]
    RedirectLoop,
    /// More redirects than allowed.
    #[error("redirects more than {limit} times")]
    TooManyRedirects {
        /// How many were followed.
        limit: u32,
    },
    /// A redirect that is not a usable http(s) URL.
    #[error("redirects to something that is not a web address")]
    BadRedirect,
    /// Something was larger than we are willing to read.
    #[error("sends more than we read ({what})")]
    TooLarge {
        /// What was too large: `headers`, `certificate chain`, ...
        what: String,
    },
    /// The bytes were not the protocol asked for.
    #[error("does not speak the protocol: {why}")]
    Garbage {
        /// Where it went wrong.
        why: String,
    },
    /// A right answer, but later than the configuration allows.
    #[error("answers, but takes longer than {} ms", limit.as_millis())]
    Slow {
        /// What the configuration allows.
        limit: Duration,
    },
    /// Some of the addresses behind a name answer badly, others as expected.
    #[error("fails at {} of {of} addresses: {how}", bad.len())]
    SomeAddresses {
        /// The addresses that answer badly.
        bad: BTreeSet<IpAddr>,
        /// How many were asked.
        of: u32,
        /// Each of them with its fault, for people.
        how: String,
        /// Whether one of them answers, and badly: clients meet that, where they pass by an address that is silent.
        #[serde(default)]
        answers: bool,
    },
    /// A share of the answers is bad, without enough of them in a row.
    #[error("fails intermittently: {bad} of the last {of} answers, the last bad one: {last}")]
    Intermittent {
        /// How many of them were bad.
        bad: u32,
        /// Among how many answers.
        of: u32,
        /// What the last bad answer was.
        last: String,
    },
    /// It failed and recovered several times: neither "fails" nor "is well" stays true for long.
    #[error("comes and goes: {times} failures within {} ({last})", spoken(*within))]
    Unstable {
        /// How often it failed.
        times: u32,
        /// Within which duration.
        within: Duration,
        /// What it does when it fails.
        last: Box<Fault>,
    },
    /// Name servers disagree, are lame, or were changed.
    #[error(transparent)]
    Dns {
        /// What is wrong.
        dns: DnsFault,
    },
    /// The registration has run out, is about to, or is held back.
    #[error(transparent)]
    Domain {
        /// What is wrong.
        domain: DomainFault,
    },
    /// The registry could not be asked, or gave nothing usable. Keeps the last known date; never an expiry.
    #[error("could not be looked up at its registry: {why}")]
    Lookup {
        /// What went wrong.
        why: String,
        /// Whether the registry asked us to slow down, and for how long.
        retry_after: Option<Duration>,
    },
    /// Far more traffic than usual reaches a service.
    #[error("gets {}{}", flood(*times, *per_sec), sources(*share_percent, networks))]
    Surge {
        /// How many times the usual rate; `None` while nothing usual is known, as for a service that is new.
        times: Option<u32>,
        /// Requests a second.
        per_sec: u32,
        /// The share of the networks named, in per cent.
        share_percent: u8,
        /// The networks that send most, at most five.
        networks: Vec<String>,
    },
    /// A service refuses what our own front end asks for: two limits fight.
    #[error("refuses its own caller {caller}: {percent} % of its 429s hit it{}", proof(trace.as_deref(), limits))]
    LimitConflict {
        /// The caller.
        caller: String,
        /// Its share of the refusals, in per cent.
        percent: u8,
        /// A traced request that shows it.
        trace: Option<String>,
        /// The limits that refused, outermost first.
        limits: Vec<String>,
    },
    /// Fewer servers serve than the configuration wants.
    #[error("serves from {serving} of {declared} servers, {floor} are wanted{}", out_of(out))]
    PoolBelowFloor {
        /// How many serve.
        serving: u32,
        /// How many there should be.
        declared: u32,
        /// How many are wanted at least.
        floor: u32,
        /// Those that do not serve, each with its reason.
        out: Vec<String>,
    },
    /// The servers of a pool present a certificate for other names, or one that cannot be trusted.
    #[error("presents a certificate that is not for {expected}: {why}")]
    ServerCertificate {
        /// The name that the edge asked for.
        expected: String,
        /// What is wrong with it, with the names presented.
        why: String,
    },
    /// The edge has told nothing of its traffic for a while: what it said before may no longer be so.
    #[error("has told nothing of its traffic since {since}")]
    EdgeSilent {
        /// When it last did, or when it was first expected to.
        since: Time,
    },
    /// A name that visitors ask for and that the configuration does not watch.
    #[error("is asked for by visitors, but the configuration does not watch it")]
    Unwatched,
    /// Trouble of our own: we cannot see out, so nothing we do not see may be called down.
    #[error("mainstay is blind here: {why}")]
    Blind {
        /// What of ours is broken.
        why: String,
    },
}

impl Fault {
    /// Makes what outsiders wrote in it safe to show.
    pub(crate) fn clean(&mut self) {
        match self {
            Self::NameUnanswered { why }
            | Self::Unreachable { why }
            | Self::Handshake { why }
            | Self::Garbage { why }
            | Self::Lookup { why, .. }
            | Self::Blind { why } => clean(why),
            Self::TooLarge { what } => clean(what),
            Self::Tls { tls } => tls.clean(),
            Self::Dns { dns } => dns.clean(),
            Self::Domain { domain } => domain.clean(),
            Self::ServerCertificate { expected, why } => {
                clean(expected);
                clean(why);
            }
            Self::PoolBelowFloor { out, .. } => out.iter_mut().for_each(clean),
            Self::LimitConflict { limits, .. } => limits.iter_mut().for_each(clean),
            _ => {}
        }
    }

    /// The machine word. One alert a thing and word is open at a time.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::NameNotFound => "name-not-found",
            Self::NameUnanswered { .. } => "name-unanswered",
            Self::InnerAddress { .. } => "inner-address",
            Self::Refused => "refused",
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timed-out",
            Self::Tls { tls } => tls.word(),
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
            Self::Dns { dns } => dns.word(),
            Self::Domain { domain } => domain.word(),
            Self::Lookup { .. } => "lookup-failed",
            Self::Surge { .. } => "surge",
            Self::LimitConflict { .. } => "limit-conflict",
            Self::PoolBelowFloor { .. } => "pool-below-floor",
            Self::ServerCertificate { .. } => "server-certificate",
            Self::EdgeSilent { .. } => "edge-silent",
            Self::Unwatched => "unwatched",
            Self::Blind { .. } => "blind",
        }
    }
}

impl Fault {
    /// Whether part of the requests is still served well: the thing is degraded, not down.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        matches!(
            self,
            Self::Slow { .. }
                | Self::SomeAddresses { .. }
                | Self::Intermittent { .. }
                | Self::Unstable { .. }
        )
    }
}

fn flood(times: Option<u32>, per_sec: u32) -> String {
    let per_sec = grouped(u64::from(per_sec));
    match times {
        Some(times) => {
            format!("{} times its usual traffic ({per_sec} requests a second)", grouped(u64::from(times)))
        }
        None => format!("{per_sec} requests a second, more than it can serve"),
    }
}

fn sources(share_percent: u8, networks: &[String]) -> String {
    match networks.len() {
        0 => String::new(),
        1 => format!(", {share_percent} % of it from {}", networks[0]),
        many => format!(", {share_percent} % of it from {many} networks: {}", networks.join(", ")),
    }
}

fn proof(trace: Option<&str>, limits: &[String]) -> String {
    let limits = if limits.is_empty() { String::new() } else { format!(" ({})", limits.join(", then ")) };
    match trace {
        Some(trace) => format!("{limits}; the proof: mainstay trace {trace}"),
        None => limits,
    }
}

fn out_of(out: &[String]) -> String {
    if out.is_empty() { String::new() } else { format!(": {}", out.join("; ")) }
}

/// Parts of an exchange, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Looking the name up.
    Dns,
    /// Opening the connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Waiting for the first byte.
    FirstByte,
    /// Reading the rest.
    Body,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Dns => "looking the name up",
            Self::Connect => "connecting",
            Self::Tls => "TLS handshake",
            Self::FirstByte => "waiting for the first byte",
            Self::Body => "reading the body",
        })
    }
}

/// At most three names; `nobody` for none.
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
    fn a_surge_is_told_with_what_is_known_of_it() {
        let surge = |times, networks: &[&str]| Fault::Surge {
            times,
            per_sec: 1_080_000,
            share_percent: 92,
            networks: networks.iter().map(|net| (*net).to_owned()).collect(),
        };
        for (fault, words) in [
            (surge(Some(5_400), &[]), "gets 5,400 times its usual traffic (1,080,000 requests a second)"),
            (
                surge(None, &["AS64500"]),
                "gets 1,080,000 requests a second, more than it can serve, 92 % of it from AS64500",
            ),
            (
                surge(Some(7), &["AS64500", "AS64501"]),
                "gets 7 times its usual traffic (1,080,000 requests a second), 92 % of it from 2 networks: AS64500, \
                 AS64501",
            ),
        ] {
            assert_eq!(fault.to_string(), words);
        }
    }
}
