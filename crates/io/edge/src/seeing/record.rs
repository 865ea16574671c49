//! What one request leaves behind.
//!
//! Plain bytes of fixed size, filled along the request's path and copied into a ring at its end: nothing is allocated,
//! so that a flood leaves no heap behind. Times are microseconds since the process began.

use super::id::Ids;
use super::limit::Limit;
use super::names::{Caller, Lane};
use super::text::Text;
use http::{HeaderMap, Method, StatusCode, Version};
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};
use traffic::{Class, Refusal, Shed, ShedWhy};
use types::trace::Verdict;

/// A place on a request's way. The order is the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its head was read whole. Latency counts from here: what comes before is the visitor's own line.
    Head,
    /// It had its verdict.
    Judged,
    /// It left the queue, or never had to wait.
    Admitted,
    /// A connection to the server was in hand, kept or new.
    Connected,
    /// Its head went out to the server.
    Sent,
    /// The head of the answer came from the server, or the edge's own answer was ready.
    Answered,
    /// The last byte of the answer went out, or the visitor left.
    End,
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; 7] =
        [Self::Head, Self::Judged, Self::Admitted, Self::Connected, Self::Sent, Self::Answered, Self::End];

    /// The label in spans.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head read",
            Self::Judged => "judged",
            Self::Admitted => "admitted",
            Self::Connected => "connected",
            Self::Sent => "head sent",
            Self::Answered => "first byte",
            Self::End => "end",
        }
    }
}

/// Why there is no whole answer from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No connection.
    Connect,
    /// The connection ended too early.
    Reset,
    /// It took too long.
    Timeout,
    /// Not HTTP.
    Garbage,
    /// The server's certificate is not the one expected.
    Certificate,
    /// No server was left to ask.
    NoServer,
    /// The visitor left: nobody's fault, counted apart.
    Left,
}

impl Failure {
    /// The label in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Garbage => "garbage",
            Self::Certificate => "certificate",
            Self::NoServer => "no_server",
            Self::Left => "left",
        }
    }

    /// What happened, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Connect => "no connection",
            Self::Reset => "the connection broke",
            Self::Timeout => "it took too long",
            Self::Garbage => "not an answer in HTTP",
            Self::Certificate => "the certificate is not the one expected",
            Self::NoServer => "no server to ask",
            Self::Left => "the visitor left",
        }
    }
}

impl From<&traffic::Failure> for Failure {
    fn from(failure: &traffic::Failure) -> Self {
        match failure {
            traffic::Failure::Connect(_) => Self::Connect,
            traffic::Failure::Reset => Self::Reset,
            traffic::Failure::Timeout => Self::Timeout,
            traffic::Failure::Garbage | traffic::Failure::Status(_) => Self::Garbage,
            traffic::Failure::Certificate { .. } => Self::Certificate,
        }
    }
}

/// A server that was asked in vain before another one.
#[derive(Clone, Copy, Debug)]
pub struct Tried {
    /// Which.
    pub server: SocketAddr,
    /// What went wrong with it.
    pub failure: Failure,
    /// From when until when, in microseconds after the request began.
    pub span: (u32, u32),
}

/// Servers asked in vain that a record names; further ones are only counted.
pub const TRIED_MAX: usize = 2;

const UNREACHED: u32 = u32::MAX;

/// What one request leaves behind.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Who it is in its trace.
    pub ids: Ids,
    /// When it began: the connection was accepted, or the first byte of its head came on a kept one.
    pub began: u64,
    phases: [u32; Phase::ALL.len()],
    /// The service and the pool that it belongs to.
    pub lane: Lane,
    /// The program of our own that asks, if it is one.
    pub caller: Option<Caller>,
    /// The address of the visitor (behind declared hops and callers: the real one).
    pub client: IpAddr,
    /// The number of a known visitor; `None` for a first-time one.
    pub visitor: Option<u64>,
    /// Where it comes from: two capital letters of ISO 3166-1.
    pub country: Option<[u8; 2]>,
    /// The autonomous system that it comes from.
    pub asn: Option<u32>,
    /// Its rank.
    pub class: Class,
    /// Whether its host is of no service.
    pub stranger: bool,
    /// What became of it; malformed until something better is known.
    pub verdict: Verdict,
    /// Why there is no whole answer.
    pub failure: Option<Failure>,
    /// The status of the answer; 0 while there is none.
    pub status: u16,
    /// The limit that gave the verdict, or the server's 429 or 503, with the numbers of the answer.
    pub limit: Option<Limit>,
    /// The server that answered, or was asked last.
    pub server: Option<SocketAddr>,
    /// How often it was asked again at another server.
    pub retries: u8,
    /// The first servers that were asked in vain.
    pub tried: [Option<Tried>; TRIED_MAX],
    /// Bytes of the request's body.
    pub received: u64,
    /// Bytes of the answer's body.
    pub sent: u64,
    /// `HTTP/1.1`.
    pub version: Version,
    /// `GET`.
    pub method: Text<12>,
    /// `acme.com`.
    pub host: Text<48>,
    /// Without the query: it may hold secrets.
    pub path: Text<96>,
    /// More about a failure or a refusal, in words.
    pub why: Text<96>,
}

impl Seen {
    /// A request that began at `began`.
    #[must_use]
    pub fn new(began: u64, client: IpAddr, ids: Ids) -> Self {
        Self {
            ids,
            began,
            phases: [UNREACHED; Phase::ALL.len()],
            lane: Lane::NONE,
            caller: None,
            client,
            visitor: None,
            country: None,
            asn: None,
            class: Class::First,
            stranger: false,
            verdict: Verdict::Malformed,
            failure: None,
            status: 0,
            limit: None,
            server: None,
            retries: 0,
            tried: [None; TRIED_MAX],
            received: 0,
            sent: 0,
            version: Version::HTTP_11,
            method: Text::EMPTY,
            host: Text::EMPTY,
            path: Text::EMPTY,
            why: Text::EMPTY,
        }
    }

    /// What it asks for. `path` may still have its query.
    pub fn asks(&mut self, version: Version, method: &Method, host: &str, path: &str) {
        self.version = version;
        self.method = method.as_str().into();
        self.host = host.into();
        let path = path.as_bytes();
        self.path = Text::new(memchr::memchr2(b'?', b'#', path).map_or(path, |end| &path[..end]));
    }

    /// A phase was reached at `tick`. The last word counts, so that after a retry the stamps are those of the server
    /// that answered.
    pub fn stamp(&mut self, phase: Phase, tick: u64) {
        self.phases[phase as usize] = self.after(tick);
    }

    /// When a phase was reached, in microseconds after the request began.
    #[must_use]
    pub fn at(&self, phase: Phase) -> Option<u32> {
        Some(self.phases[phase as usize]).filter(|at| *at != UNREACHED)
    }

    /// A server failed it, and another one will be asked.
    pub fn retry(&mut self, server: SocketAddr, failure: Failure, tick: u64) {
        let span = (self.asked_from(), self.after(tick));
        self.retries = self.retries.saturating_add(1);
        if let Some(place) = self.tried.iter_mut().find(|place| place.is_none()) {
            *place = Some(Tried { server, failure, span });
        }
    }

    /// From when on the last server was asked: it left the queue, or the server before had failed.
    #[must_use]
    pub fn asked_from(&self) -> u32 {
        let before = self.tried.iter().flatten().last().map(|tried| tried.span.1);
        before.or_else(|| self.at(Phase::Admitted)).or_else(|| self.at(Phase::Judged)).unwrap_or(0)
    }

    fn after(&self, tick: u64) -> u32 {
        u32::try_from(tick.saturating_sub(self.began)).unwrap_or(UNREACHED).min(UNREACHED - 1)
    }

    /// The head of a server's answer came. On a 429 or 503 its limit is read from the usual headers; `unix` is the
    /// time of day in seconds, since some servers say until when rather than for how long.
    pub fn answered(&mut self, status: StatusCode, headers: &HeaderMap, tick: u64, unix: u64) {
        self.verdict = Verdict::Passed;
        self.status = status.as_u16();
        self.stamp(Phase::Answered, tick);
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            self.limit = Limit::told(headers, unix);
        }
    }

    /// The guard refuses it: by a denial or by a limit.
    pub fn refused(&mut self, refusal: &Refusal, tick: u64) {
        self.verdict = if refusal.limit.denies() { Verdict::Denied } else { Verdict::Limited };
        self.status = refusal.status;
        self.limit = Some(Limit::of(refusal));
        self.stamp(Phase::Answered, tick);
    }

    /// The guard refuses it for want of servers.
    pub fn shed(&mut self, shed: &Shed, status: u16, tick: u64) {
        self.verdict = Verdict::Shed;
        self.status = status;
        let why = match shed.why {
            ShedWhy::Overload => "others went first",
            ShedWhy::Waited => "it waited as long as it may",
            ShedWhy::NoServer => "there is no server to ask",
        };
        self.why = why.into();
        self.stamp(Phase::Answered, tick);
    }

    /// It asks for a host that no service declares.
    pub fn unknown_host(&mut self, status: u16, tick: u64) {
        self.stranger = true;
        self.answered_here(Verdict::Malformed, status, "no service has this host", tick);
    }

    /// No server answered it. The status is what the edge tells the visitor.
    pub fn failed(&mut self, failure: Failure, status: u16, why: &str, tick: u64) {
        self.verdict = Verdict::Failed;
        self.failure = Some(failure);
        self.status = status;
        self.why = why.into();
        self.stamp(Phase::Answered, tick);
    }

    /// The answer broke off after its head had gone out.
    pub fn broke_off(&mut self, failure: Failure, why: &str) {
        self.failure = Some(failure);
        self.why = why.into();
    }

    /// The edge answers it by itself: malformed, no such host, or told to use https.
    pub fn answered_here(&mut self, verdict: Verdict, status: u16, why: &str, tick: u64) {
        self.verdict = verdict;
        self.status = status;
        self.why = why.into();
        self.stamp(Phase::Answered, tick);
    }

    /// Time from the whole head to the head of the answer; `None` while there is none.
    #[must_use]
    pub fn latency(&self) -> Option<u32> {
        let answered = self.at(Phase::Answered)?;
        Some(answered.saturating_sub(self.at(Phase::Head).unwrap_or(0)))
    }

    /// Whether it was let through to a server, whatever came of that.
    #[must_use]
    pub fn let_through(&self) -> bool {
        matches!(self.verdict, Verdict::Passed | Verdict::Failed)
    }

    /// Whether a server answered with less than 500 and other than 429.
    #[must_use]
    pub fn served(&self) -> bool {
        self.verdict == Verdict::Passed && !self.broke() && self.status != 429 && self.status != 0
    }

    /// Whether a server failed it: a 5xx, or no whole answer at all.
    #[must_use]
    pub fn broke(&self) -> bool {
        let failed = self.failure.is_some_and(|failure| failure != Failure::Left);
        self.let_through() && (failed || self.status >= 500)
    }

    /// Whether somebody told it to come back later or not at all: the edge by a rule, or a server with a 429.
    #[must_use]
    pub fn turned_away(&self) -> bool {
        matches!(self.verdict, Verdict::Denied | Verdict::Limited | Verdict::Shed)
            || (self.let_through() && self.status == 429)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn seen() -> Seen {
        Seen::new(1_000, Ipv4Addr::LOCALHOST.into(), Ids::fresh())
    }

    #[test]
    fn keeps_no_query() {
        let mut seen = seen();
        seen.asks(Version::HTTP_2, &Method::POST, "acme.com", "/login?password=hunter2");
        assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/login"));
    }

    #[test]
    fn stamps_are_after_the_beginning_and_never_wrap() {
        let mut seen = seen();
        seen.stamp(Phase::Head, 1_250);
        seen.stamp(Phase::Judged, 900);
        seen.stamp(Phase::End, u64::MAX);
        assert_eq!(seen.at(Phase::Head), Some(250));
        assert_eq!(seen.at(Phase::Judged), Some(0), "a clock that went backwards");
        assert_eq!(seen.at(Phase::End), Some(u32::MAX - 1));
        assert_eq!(seen.at(Phase::Sent), None);
    }

    #[test]
    fn what_counts_as_served_broken_and_turned_away() {
        let case = |verdict, status, failure| {
            let seen = Seen { verdict, status, failure, ..seen() };
            (seen.served(), seen.broke(), seen.turned_away())
        };
        assert_eq!(case(Verdict::Passed, 200, None), (true, false, false));
        assert_eq!(case(Verdict::Passed, 404, None), (true, false, false));
        assert_eq!(case(Verdict::Passed, 200, Some(Failure::Left)), (true, false, false));
        assert_eq!(case(Verdict::Passed, 0, Some(Failure::Left)), (false, false, false));
        assert_eq!(case(Verdict::Passed, 429, None), (false, false, true));
        assert_eq!(case(Verdict::Passed, 503, None), (false, true, false));
        assert_eq!(case(Verdict::Failed, 502, Some(Failure::Connect)), (false, true, false));
        assert_eq!(case(Verdict::Failed, 0, Some(Failure::Left)), (false, false, false));
        assert_eq!(case(Verdict::Passed, 200, Some(Failure::Reset)), (false, true, false));
        assert_eq!(case(Verdict::Limited, 429, None), (false, false, true));
        assert_eq!(case(Verdict::Shed, 503, None), (false, false, true));
        assert_eq!(case(Verdict::Malformed, 400, None), (false, false, false));
    }

    #[test]
    fn names_the_servers_that_were_asked_in_vain() {
        let mut seen = seen();
        seen.stamp(Phase::Admitted, 1_100);
        for (port, tick) in [(1, 1_400), (2, 1_900), (3, 2_000)] {
            seen.retry((Ipv4Addr::LOCALHOST, port).into(), Failure::Connect, tick);
        }
        let spans: Vec<_> =
            seen.tried.iter().flatten().map(|tried| (tried.server.port(), tried.span)).collect();
        assert_eq!((spans, seen.retries), (vec![(1, (100, 400)), (2, (400, 900))], 3));
    }

    #[test]
    fn is_small() {
        assert!(size_of::<Seen>() <= 704, "{}", size_of::<Seen>());
    }
}
