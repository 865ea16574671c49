//! The record of one request.
//!
//! Plain bytes of fixed size, filled along the request's path and copied into a ring at its end: nothing is allocated,
//! so that a flood leaves no heap behind. Times are microseconds since the process began.

use super::id::Ids;
use super::limit::Limit;
use super::names::{Caller, RouteKey};
use super::text::Text;
use http::{HeaderMap, Method, StatusCode, Version};
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};
use traffic::{Class, Refusal, Shed, ShedWhy};
use types::trace::Verdict;

/// A milestone of a request, in the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its head was received completely. Latency counts from here: the time before depends on the client's
    /// connection.
    Head,
    /// It had its verdict.
    Judged,
    /// It left the queue, or never had to wait.
    Admitted,
    /// A connection to the server was ready, idle or new.
    Connected,
    /// Its head was sent to the server.
    Sent,
    /// The head of the response was received, or the edge's own response was ready.
    Answered,
    /// The last byte of the response went out, or the client left.
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

/// The reason why a server gave no complete response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No connection.
    Connect,
    /// The connection ended too early.
    Reset,
    /// Timeout.
    Timeout,
    /// Not HTTP.
    Garbage,
    /// The server's certificate is not the one expected.
    Certificate,
    /// No server was left to try.
    NoServer,
    /// The client disconnected: no failure of the edge or a server, counted separately.
    ClientClosed,
    /// A 5xx, in place of which a stored response was served.
    Status,
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
            Self::ClientClosed => "client_closed",
            Self::Status => "status",
        }
    }

    /// Returns a description.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::Connect => "no connection",
            Self::Reset => "the connection broke",
            Self::Timeout => "timeout",
            Self::Garbage => "the response is not valid HTTP",
            Self::Certificate => "the certificate is not the one expected",
            Self::NoServer => "no server available",
            Self::ClientClosed => "the client disconnected",
            Self::Status => "answered with a server error",
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

/// What the response cache did with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheOutcome {
    /// Answered with a fresh response.
    Hit,
    /// Answered by a server.
    Miss,
    /// Answered with a stale response.
    Stale,
    /// Answered with a stored response that a server confirmed.
    Revalidated,
    /// Answered with the response that another request was just fetching.
    Coalesced,
}

impl CacheOutcome {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 5] = [Self::Hit, Self::Miss, Self::Stale, Self::Revalidated, Self::Coalesced];

    /// The label in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
            Self::Revalidated => "revalidated",
            Self::Coalesced => "coalesced",
        }
    }
}

/// A failed attempt at a server before another one.
#[derive(Clone, Copy, Debug)]
pub struct Tried {
    /// Which.
    pub server: SocketAddr,
    /// The failure.
    pub failure: Failure,
    /// Start and end, in microseconds after the request began.
    pub span: (u32, u32),
}

/// Failed attempts in a record; further ones are only counted.
pub const TRIED_MAX: usize = 2;

const UNREACHED: u32 = u32::MAX;

/// The record of one request.
#[derive(Clone, Copy, Debug)]
pub struct RequestRecord {
    /// Its trace ids.
    pub ids: Ids,
    /// Start: the connection was accepted, or the first byte of its head arrived on a kept one.
    pub began: u64,
    phases: [u32; Phase::ALL.len()],
    /// The service and the pool that it belongs to.
    pub route: RouteKey,
    /// The declared caller that sent it.
    pub caller: Option<Caller>,
    /// The address of the client (behind trusted proxies and callers: the real one).
    pub client: IpAddr,
    /// The number of a recognized client; `None` for a first-time one.
    pub recognized: Option<u64>,
    /// The country of the client: two capital letters of ISO 3166-1.
    pub country: Option<[u8; 2]>,
    /// The autonomous system of the client.
    pub asn: Option<u32>,
    /// Its class.
    pub class: Class,
    /// Whether its host is of no service.
    pub unknown_host: bool,
    /// Whether it begins a WebSocket or an event stream.
    pub opens: bool,
    /// The verdict; `Malformed` until a better one is known.
    pub verdict: Verdict,
    /// The failure, where there is no complete response.
    pub failure: Option<Failure>,
    /// The status of the response; 0 while there is none.
    pub status: u16,
    /// The limit that gave the verdict, or the server's 429 or 503, with the numbers of the response.
    pub limit: Option<Limit>,
    /// The server that answered, or was tried last.
    pub server: Option<SocketAddr>,
    /// Number of retries at another server.
    pub retries: u8,
    /// The first failed attempts.
    pub tried: [Option<Tried>; TRIED_MAX],
    /// What the response cache did, where its path is cached.
    pub cache: Option<CacheOutcome>,
    /// Bytes of the request's body.
    pub received: u64,
    /// Bytes of the response's body.
    pub sent: u64,
    /// `HTTP/1.1`.
    pub version: Version,
    /// `GET`.
    pub method: Text<12>,
    /// `acme.com`.
    pub host: Text<48>,
    /// Without the query: it may hold secrets.
    pub path: Text<96>,
    /// The reason of a failure or a refusal.
    pub why: Text<96>,
}

impl RequestRecord {
    /// A request that began at `began`.
    #[must_use]
    pub fn new(began: u64, client: IpAddr, ids: Ids) -> Self {
        Self {
            ids,
            began,
            phases: [UNREACHED; Phase::ALL.len()],
            route: RouteKey::NONE,
            caller: None,
            client,
            recognized: None,
            country: None,
            asn: None,
            class: Class::FirstTime,
            unknown_host: false,
            opens: false,
            verdict: Verdict::Malformed,
            failure: None,
            status: 0,
            limit: None,
            server: None,
            retries: 0,
            tried: [None; TRIED_MAX],
            cache: None,
            received: 0,
            sent: 0,
            version: Version::HTTP_11,
            method: Text::EMPTY,
            host: Text::EMPTY,
            path: Text::EMPTY,
            why: Text::EMPTY,
        }
    }

    /// Sets what it asks for. `path` may still have its query.
    pub fn asks(&mut self, version: Version, method: &Method, host: &str, path: &str) {
        self.version = version;
        self.method = method.as_str().into();
        self.host = host.into();
        let path = path.as_bytes();
        self.path = Text::new(memchr::memchr2(b'?', b'#', path).map_or(path, |end| &path[..end]));
    }

    /// Sets the time of a milestone. A later call replaces an earlier one, so that after a retry the times are
    /// those of the server that answered.
    pub fn stamp(&mut self, phase: Phase, tick: u64) {
        self.phases[phase as usize] = self.after(tick);
    }

    /// Returns the time of a milestone, in microseconds after the request began.
    #[must_use]
    pub fn at(&self, phase: Phase) -> Option<u32> {
        Some(self.phases[phase as usize]).filter(|at| *at != UNREACHED)
    }

    /// Adds a failed attempt before another server is tried.
    pub fn retry(&mut self, server: SocketAddr, failure: Failure, tick: u64) {
        self.retries = self.retries.saturating_add(1);
        self.attempted(server, failure, tick);
    }

    /// Adds a failed attempt at a server.
    pub fn attempted(&mut self, server: SocketAddr, failure: Failure, tick: u64) {
        let span = (self.asked_from(), self.after(tick));
        if let Some(place) = self.tried.iter_mut().find(|place| place.is_none()) {
            *place = Some(Tried { server, failure, span });
        }
    }

    /// Returns the start of the last attempt: the request left the queue, or the server before had failed.
    #[must_use]
    pub fn asked_from(&self) -> u32 {
        let before = self.tried.iter().flatten().last().map(|tried| tried.span.1);
        before.or_else(|| self.at(Phase::Admitted)).or_else(|| self.at(Phase::Judged)).unwrap_or(0)
    }

    fn after(&self, tick: u64) -> u32 {
        u32::try_from(tick.saturating_sub(self.began)).unwrap_or(UNREACHED).min(UNREACHED - 1)
    }

    /// Sets the head of a server's response. On a 429 or 503 its limit is read from the usual headers; `unix` is
    /// the time of day in seconds, since some servers name a point in time.
    pub fn answered(&mut self, status: StatusCode, headers: &HeaderMap, tick: u64, unix: u64) {
        self.verdict = Verdict::Passed;
        self.status = status.as_u16();
        self.stamp(Phase::Answered, tick);
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            self.limit = Limit::of_response(headers, unix);
        }
    }

    /// The traffic policy refuses it: by a denial or by a limit.
    pub fn refused(&mut self, refusal: &Refusal, tick: u64) {
        self.verdict = if refusal.limit.denies() { Verdict::Denied } else { Verdict::Limited };
        self.status = refusal.status;
        self.limit = Some(Limit::of(refusal));
        self.stamp(Phase::Answered, tick);
    }

    /// Sets a refusal because no server is available or the pool is overloaded.
    pub fn shed(&mut self, shed: &Shed, status: u16, tick: u64) {
        self.verdict = Verdict::Shed;
        self.status = status;
        let why = match shed.why {
            ShedWhy::Overload => "overloaded",
            ShedWhy::Waited => "queue timeout",
            ShedWhy::NoServer => "no server available",
        };
        self.why = why.into();
        self.stamp(Phase::Answered, tick);
    }

    /// Sets a request for a host that no service declares.
    pub fn unknown_host(&mut self, status: u16, tick: u64) {
        self.unknown_host = true;
        self.answered_here(Verdict::Malformed, status, "no service has this host", tick);
    }

    /// Sets a request that no server answered. `status` is the edge's response.
    pub fn failed(&mut self, failure: Failure, status: u16, why: &str, tick: u64) {
        self.verdict = Verdict::Failed;
        self.failure = Some(failure);
        self.status = status;
        self.why = why.into();
        self.stamp(Phase::Answered, tick);
    }

    /// The response broke off after its head had gone out.
    pub fn broke_off(&mut self, failure: Failure, why: &str) {
        self.failure = Some(failure);
        self.why = why.into();
    }

    /// Sets a response of the edge itself: malformed, unknown host, or redirected to https.
    pub fn answered_here(&mut self, verdict: Verdict, status: u16, why: &str, tick: u64) {
        self.verdict = verdict;
        self.status = status;
        self.why = why.into();
        self.stamp(Phase::Answered, tick);
    }

    /// Time from the whole head to the head of the response; `None` while there is none.
    #[must_use]
    pub fn latency(&self) -> Option<u32> {
        let answered = self.at(Phase::Answered)?;
        Some(answered.saturating_sub(self.at(Phase::Head).unwrap_or(0)))
    }

    /// Whether it was forwarded to a server.
    #[must_use]
    pub fn let_through(&self) -> bool {
        matches!(self.verdict, Verdict::Passed | Verdict::Failed)
    }

    /// Whether it was answered with less than 500 and other than 429, by a server or from the cache.
    #[must_use]
    pub fn served(&self) -> bool {
        matches!(self.verdict, Verdict::Passed | Verdict::Cached)
            && !self.broke()
            && self.status != 429
            && self.status != 0
    }

    /// Whether a server failed it: a 5xx, or no complete response.
    #[must_use]
    pub fn broke(&self) -> bool {
        let failed = self.failure.is_some_and(|failure| failure != Failure::ClientClosed);
        self.let_through() && (failed || self.status >= 500)
    }

    /// Whether it was refused: by a rule of the edge, or by a server with a 429.
    #[must_use]
    pub fn turned_away(&self) -> bool {
        matches!(self.verdict, Verdict::Denied | Verdict::Limited | Verdict::Shed | Verdict::Held)
            || (self.let_through() && self.status == 429)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn record() -> RequestRecord {
        RequestRecord::new(1_000, Ipv4Addr::LOCALHOST.into(), Ids::fresh())
    }

    #[test]
    fn keeps_no_query() {
        let mut record = record();
        record.asks(Version::HTTP_2, &Method::POST, "acme.com", "/login?password=hunter2");
        assert_eq!((record.method.as_str(), record.path.as_str()), ("POST", "/login"));
    }

    #[test]
    fn stamps_are_after_the_beginning_and_never_wrap() {
        let mut record = record();
        record.stamp(Phase::Head, 1_250);
        record.stamp(Phase::Judged, 900);
        record.stamp(Phase::End, u64::MAX);
        assert_eq!(record.at(Phase::Head), Some(250));
        assert_eq!(record.at(Phase::Judged), Some(0), "a clock that went backwards");
        assert_eq!(record.at(Phase::End), Some(u32::MAX - 1));
        assert_eq!(record.at(Phase::Sent), None);
    }

    #[test]
    fn outcome_is_served_failed_or_refused() {
        let case = |verdict, status, failure| {
            let record = RequestRecord { verdict, status, failure, ..record() };
            (record.served(), record.broke(), record.turned_away())
        };
        assert_eq!(case(Verdict::Passed, 200, None), (true, false, false));
        assert_eq!(case(Verdict::Passed, 404, None), (true, false, false));
        assert_eq!(case(Verdict::Passed, 200, Some(Failure::ClientClosed)), (true, false, false));
        assert_eq!(case(Verdict::Passed, 0, Some(Failure::ClientClosed)), (false, false, false));
        assert_eq!(case(Verdict::Passed, 429, None), (false, false, true));
        assert_eq!(case(Verdict::Passed, 503, None), (false, true, false));
        assert_eq!(case(Verdict::Failed, 502, Some(Failure::Connect)), (false, true, false));
        assert_eq!(case(Verdict::Failed, 0, Some(Failure::ClientClosed)), (false, false, false));
        assert_eq!(case(Verdict::Passed, 200, Some(Failure::Reset)), (false, true, false));
        assert_eq!(case(Verdict::Limited, 429, None), (false, false, true));
        assert_eq!(case(Verdict::Shed, 503, None), (false, false, true));
        assert_eq!(case(Verdict::Held, 503, None), (false, false, true));
        assert_eq!(case(Verdict::Cached, 200, None), (true, false, false));
        assert_eq!(case(Verdict::Malformed, 400, None), (false, false, false));
        assert_eq!(case(Verdict::Duplicate, 409, None), (false, false, false));
    }

    #[test]
    fn record_names_failed_attempts() {
        let mut record = record();
        record.stamp(Phase::Admitted, 1_100);
        for (port, tick) in [(1, 1_400), (2, 1_900), (3, 2_000)] {
            record.retry((Ipv4Addr::LOCALHOST, port).into(), Failure::Connect, tick);
        }
        let spans: Vec<_> =
            record.tried.iter().flatten().map(|tried| (tried.server.port(), tried.span)).collect();
        assert_eq!((spans, record.retries), (vec![(1, (100, 400)), (2, (400, 900))], 3));
    }

    #[test]
    fn is_small() {
        assert!(size_of::<RequestRecord>() <= 704, "{}", size_of::<RequestRecord>());
    }
}
