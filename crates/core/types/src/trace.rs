//! Trace of one request: its verdict, the limit or server that decided it, and the duration of each phase.
//!
//! A request whose service calls further services through the edge passes the edge several times under one W3C trace
//! id; each pass is a [`Hop`].

use crate::time::later;
use crate::{CallerId, PoolId, ServiceId, Time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A request with all of its hops that the edge still stores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The trace id that clients see: 32 hexadecimal digits.
    pub id: String,
    /// Its hops, earliest first. Never empty.
    pub hops: Vec<Hop>,
}

/// One pass through the edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hop {
    /// The span id of this hop: 16 hexadecimal digits.
    pub span: String,
    /// The parent span id, from `traceparent`.
    pub parent: Option<String>,
    /// Time at which the request's head was complete.
    pub at: Time,
    /// The service; `None` when no service has this host.
    pub service: Option<ServiceId>,
    /// The pool of its servers.
    pub pool: Option<PoolId>,
    /// The method: `GET`.
    pub method: String,
    /// The requested host name.
    pub host: String,
    /// The path without the query, which may hold secrets.
    pub path: String,
    /// The protocol version: `HTTP/1.1`, `HTTP/2`.
    pub protocol: String,
    /// The client's address, behind trusted proxies.
    pub client: String,
    /// The country of the client's address: `EE`.
    pub country: Option<String>,
    /// The autonomous system of the client's address.
    pub asn: Option<u32>,
    /// `recognized` or `first-time`.
    pub client_kind: String,
    /// The declared caller that sent it.
    pub caller: Option<CallerId>,
    /// The verdict.
    pub verdict: Verdict,
    /// Description of the limit or rule that decided: `client limit of auth, 20/s`.
    pub limit: Option<String>,
    /// The status code of the response; 0 when the client disconnected before it.
    pub status: u16,
    /// The reason of a failure or refusal.
    pub why: Option<String>,
    /// Its phases in order, as far as it got.
    pub phases: Vec<Phase>,
    /// The attempts at servers, in order.
    pub attempts: Vec<Attempt>,
    /// Bytes of the request's body.
    pub received_bytes: u64,
    /// Bytes of the response's body.
    pub sent_bytes: u64,
    /// Duration from the request's head to the last byte of the response, in microseconds.
    pub took_us: u64,
}

/// A phase of a hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// `policy check`, `queued`, `connect`, `send request`, `wait for first byte`, `send response`.
    pub name: String,
    /// Start, in microseconds after the head.
    pub began_us: u64,
    /// Duration in microseconds.
    pub took_us: u64,
}

/// An attempt at one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The server's address.
    pub server: String,
    /// Start, in microseconds after the head.
    pub began_us: u64,
    /// Duration until the response's head or the failure, in microseconds.
    pub took_us: u64,
    /// The status code, when it answered.
    pub status: Option<u16>,
    /// The reason, when it failed.
    pub why: Option<String>,
}

/// Verdict on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Answered by a server.
    Passed,
    /// Refused by a deny rule.
    Denied,
    /// Refused by a rate limit.
    Limited,
    /// Refused because the pool is overloaded or has no server.
    Shed,
    /// No server answered.
    Failed,
    /// Malformed or ambiguous, or no service has its host.
    Malformed,
    /// Redirected from HTTP to HTTPS.
    Redirected,
    /// Held out by the valve of the service.
    Held,
    /// Answered from the response cache.
    Cached,
    /// Refused because a request with its idempotency key is being forwarded.
    Duplicate,
}

impl Trace {
    /// Returns the hops with their depth: a request that a service made while it answered follows one level deeper.
    ///
    /// The parent is found by `traceparent` when it names a span of the edge; otherwise by time: the innermost
    /// earlier hop that was still in progress.
    #[must_use]
    pub fn nested(&self) -> Vec<(usize, &Hop)> {
        let mut hops: Vec<&Hop> = self.hops.iter().collect();
        hops.sort_by_key(|hop| hop.at);
        let mut nested: Vec<(usize, &Hop)> = Vec::new();
        for hop in hops {
            let is_parent = |(_, above): &(usize, &Hop)| Some(&above.span) == hop.parent.as_ref();
            let under_way = |(_, above): &(usize, &Hop)| above.at < hop.at && hop.at <= above.ended();
            let above = nested.iter().rposition(is_parent).or_else(|| nested.iter().rposition(under_way));
            let Some(above) = above else {
                nested.push((0, hop));
                continue;
            };
            let depth = nested[above].0 + 1;
            let beneath = nested[above + 1..].iter().take_while(|(other, _)| *other >= depth).count();
            nested.insert(above + 1 + beneath, (depth, hop));
        }
        nested
    }
}

impl Hop {
    /// Returns the time of its end.
    #[must_use]
    pub fn ended(&self) -> Time {
        later(self.at, Duration::from_micros(self.took_us))
    }

    /// Whether the client got the response that it asked for, as far as the edge can see.
    #[must_use]
    pub fn went_well(&self) -> bool {
        matches!(self.verdict, Verdict::Passed | Verdict::Redirected | Verdict::Cached)
            && self.status < 500
            && self.status != 429
    }

    /// Returns "EE, AS64500": country and autonomous system of the client, as far as they are known.
    #[must_use]
    pub fn source(&self) -> Option<String> {
        let asn = self.asn.map(|asn| format!("AS{asn}"));
        match (&self.country, asn) {
            (Some(country), Some(asn)) => Some(format!("{country}, {asn}")),
            (Some(country), None) => Some(country.clone()),
            (None, asn) => asn,
        }
    }

    /// Returns the outcome in a few words; a 429 or 5xx of the server is named as such instead of "passed".
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self.verdict {
            Verdict::Passed if self.status == 429 => "limited by the server",
            Verdict::Passed if self.status >= 500 => "failed at the server",
            verdict => verdict.as_str(),
        }
    }

    /// Returns the outcome and its reason as one sentence without a full stop.
    #[must_use]
    pub fn message(&self) -> String {
        let by = |limit: &Option<String>| {
            limit.as_ref().map_or_else(String::new, |limit| format!(" by the {limit}"))
        };
        let because = self.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        let status = self.status;
        match self.verdict {
            Verdict::Passed => match self.attempts.last() {
                Some(last) => {
                    let after = duration_text(last.took_us);
                    format!("{} answered {status} after {after}{}", last.server, by(&self.limit))
                }
                None => format!("answered {status}{}", by(&self.limit)),
            },
            Verdict::Denied => format!("refused with {status}{}{because}", by(&self.limit)),
            Verdict::Limited => format!("refused with {status}{}{because}", by(&self.limit)),
            Verdict::Shed => {
                let pool = self.pool.as_ref().map_or_else(String::new, |pool| format!(" by pool {pool}"));
                format!("refused with {status}{pool}{because}")
            }
            Verdict::Failed if status == 0 => format!("the client disconnected before a response{because}"),
            Verdict::Failed => format!("no server answered, responded with {status}{because}"),
            Verdict::Malformed | Verdict::Duplicate => format!("refused with {status}{because}"),
            Verdict::Redirected => format!("redirected to https with {status}"),
            Verdict::Held => format!("held out with {status}{because}"),
            Verdict::Cached => format!("answered {status} from the cache{because}"),
        }
    }
}

/// Formats a duration with two or three digits: `240 µs`, `3.1 ms`, `182 ms`, `1.24 s`.
#[must_use]
pub fn duration_text(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..10_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
    }
}

impl Verdict {
    /// Returns the display text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Denied => "denied",
            Self::Limited => "limited",
            Self::Shed => "shed",
            Self::Failed => "failed",
            Self::Malformed => "malformed",
            Self::Redirected => "redirected",
            Self::Held => "held",
            Self::Cached => "cached",
            Self::Duplicate => "duplicate",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(span: &str, parent: Option<&str>, at: &str, took_us: u64) -> Hop {
        Hop {
            span: span.to_owned(),
            parent: parent.map(str::to_owned),
            at: format!("2026-11-22T04:16:{at}Z").parse().unwrap(),
            service: Some("auth".into()),
            pool: Some("auth".into()),
            method: "GET".to_owned(),
            host: "auth.acme.com".to_owned(),
            path: "/".to_owned(),
            protocol: "HTTP/1.1".to_owned(),
            client: "198.51.100.7".to_owned(),
            country: None,
            asn: None,
            client_kind: "first-time".to_owned(),
            caller: None,
            verdict: Verdict::Passed,
            limit: None,
            status: 200,
            why: None,
            phases: Vec::new(),
            attempts: Vec::new(),
            received_bytes: 0,
            sent_bytes: 0,
            took_us,
        }
    }

    #[test]
    fn nested_request_of_a_service_follows_one_level_deeper() {
        let hops = vec![
            hop("d", None, "09.5", 1_000),
            hop("b", Some("a"), "09.1", 100_000),
            hop("a", Some("from outside"), "09.0", 400_000),
            // Its parent is a span of the service itself: nested by time.
            hop("c", Some("inside"), "09.15", 10_000),
        ];
        let trace = Trace { id: "4bf9".to_owned(), hops };
        let nested: Vec<(usize, &str)> =
            trace.nested().into_iter().map(|(depth, hop)| (depth, hop.span.as_str())).collect();
        assert_eq!(nested, [(0, "a"), (1, "b"), (2, "c"), (0, "d")]);
    }

    #[test]
    fn message_names_the_limit_or_failure() {
        let message = |change: fn(&mut Hop)| {
            let mut hop = hop("a", None, "09.0", 0);
            change(&mut hop);
            hop.message()
        };
        let limited = message(|hop| {
            hop.verdict = Verdict::Limited;
            hop.status = 429;
            hop.limit = Some("client limit of auth, 20/s".to_owned());
        });
        assert_eq!(limited, "refused with 429 by the client limit of auth, 20/s");
        let failed = message(|hop| {
            hop.verdict = Verdict::Failed;
            hop.status = 502;
            hop.why = Some("presented b.example, expected auth.internal".to_owned());
        });
        assert_eq!(
            failed,
            "no server answered, responded with 502: presented b.example, expected auth.internal"
        );
        let passed = message(|hop| {
            let attempt = Attempt {
                server: "10.0.0.11:80".to_owned(),
                began_us: 10,
                took_us: 161_200,
                status: Some(200),
                why: None,
            };
            hop.attempts = vec![attempt];
        });
        assert_eq!(passed, "10.0.0.11:80 answered 200 after 161 ms");
    }

    #[test]
    fn server_429_or_5xx_did_not_go_well() {
        for (verdict, status, word, well) in [
            (Verdict::Passed, 200, "passed", true),
            (Verdict::Passed, 404, "passed", true),
            (Verdict::Passed, 429, "limited by the server", false),
            (Verdict::Passed, 503, "failed at the server", false),
            (Verdict::Redirected, 308, "redirected", true),
            (Verdict::Shed, 503, "shed", false),
            (Verdict::Limited, 429, "limited", false),
            (Verdict::Held, 503, "held", false),
            (Verdict::Duplicate, 409, "duplicate", false),
        ] {
            let hop = Hop { verdict, status, ..hop("a", None, "09.0", 0) };
            assert_eq!((hop.outcome(), hop.went_well()), (word, well), "{verdict:?} {status}");
        }
    }

    #[test]
    fn duration_text_has_three_digits() {
        for (us, words) in
            [(0, "0 µs"), (240, "240 µs"), (3_140, "3.1 ms"), (182_400, "182 ms"), (1_240_000, "1.24 s")]
        {
            assert_eq!(duration_text(us), words);
        }
    }
}
