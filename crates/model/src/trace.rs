//! What the edge remembers of one request: what became of it, which limit or server decided that, and what took how long.
//!
//! A request that calls further services through the edge passes it several times under one id (W3C trace id); each
//! passage is a [`Hop`].

use crate::{CallerId, PoolId, ServiceId, Time};
use serde::{Deserialize, Serialize};

/// One request with all its passages through this edge that are still remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The id that visitors see: 32 hexadecimal digits.
    pub id: String,
    /// Its passages, earliest first. Never empty.
    pub hops: Vec<Hop>,
}

/// One passage through the edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hop {
    /// This passage: 16 hexadecimal digits.
    pub span: String,
    /// The span that asked, where `traceparent` told one.
    pub parent: Option<String>,
    /// When its head was read.
    pub at: Time,
    /// The service that was asked; `None` when no service has this host.
    pub service: Option<ServiceId>,
    /// Its servers.
    pub pool: Option<PoolId>,
    /// `GET`.
    pub method: String,
    /// The name that was asked for.
    pub host: String,
    /// Without the query, which may hold what is nobody's business.
    pub path: String,
    /// `HTTP/1.1`, `HTTP/2`.
    pub protocol: String,
    /// The client's address, behind declared hops.
    pub client: String,
    /// Where the address is from, as far as is known: `EE`, `AS64500`.
    pub from: Option<String>,
    /// `known`, `first`; what the visitor is to us.
    pub visitor: String,
    /// The program of ours that asked.
    pub caller: Option<CallerId>,
    /// What became of it.
    pub verdict: Verdict,
    /// The limit or rule that decided, in words: `visitor limit of auth, 20/s`.
    pub limit: Option<String>,
    /// The status that went out; 0 when the client was gone before.
    pub status: u16,
    /// Why it failed, where it did.
    pub why: Option<String>,
    /// Its parts in order, as far as they came.
    pub phases: Vec<Phase>,
    /// Every server that was tried, in order.
    pub attempts: Vec<Attempt>,
    /// Bytes of body from the client.
    pub received_bytes: u64,
    /// Bytes of body to the client.
    pub sent_bytes: u64,
    /// From the head until the last byte, in microseconds.
    pub took_us: u64,
}

/// A part of a passage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// `judged`, `waited for its turn`, `connected`, `server thought`, `answer sent`.
    pub name: String,
    /// When it began, in microseconds after the head was read.
    pub began_us: u64,
    /// How long it took, in microseconds.
    pub took_us: u64,
}

/// A server that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its address.
    pub server: String,
    /// When, in microseconds after the head was read.
    pub began_us: u64,
    /// Until its answer's head or its failure, in microseconds.
    pub took_us: u64,
    /// Its status, where it answered.
    pub status: Option<u16>,
    /// Why it did not.
    pub why: Option<String>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A server answered it.
    Passed,
    /// A rule of denial refused it.
    Denied,
    /// A limit refused it.
    Limited,
    /// The servers are at their limit.
    Shed,
    /// No server gave an answer.
    Failed,
    /// It was not a request that two programs read alike, or no service has its host.
    Malformed,
}

impl Verdict {
    /// The word for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Denied => "denied",
            Self::Limited => "limited",
            Self::Shed => "shed",
            Self::Failed => "failed",
            Self::Malformed => "malformed",
        }
    }
}
