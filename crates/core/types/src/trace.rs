//! What the edge remembers of one request: what became of it, which limit or server decided that, and what took how long.
//!
//! A request that calls further services through the edge passes it several times under one id (W3C trace id); each
//! passage is a [`Hop`].

use crate::time::later;
use crate::{CallerId, PoolId, ServiceId, Time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

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
    /// It came by plain HTTP and was told to come back by HTTPS.
    Redirected,
}

impl Trace {
    /// Its passages with their depth: what a service asked for while it answered stands one deeper, right after it.
    ///
    /// By `traceparent` where the asking span is one of ours; by time where it is a service's own: the innermost earlier
    /// passage that was still under way.
    #[must_use]
    pub fn nested(&self) -> Vec<(usize, &Hop)> {
        let mut hops: Vec<&Hop> = self.hops.iter().collect();
        hops.sort_by_key(|hop| hop.at);
        let mut told: Vec<(usize, &Hop)> = Vec::new();
        for hop in hops {
            let asked_by = |(_, above): &(usize, &Hop)| Some(&above.span) == hop.parent.as_ref();
            let under_way = |(_, above): &(usize, &Hop)| above.at < hop.at && hop.at <= above.ended();
            let above = told.iter().rposition(asked_by).or_else(|| told.iter().rposition(under_way));
            let Some(above) = above else {
                told.push((0, hop));
                continue;
            };
            let depth = told[above].0 + 1;
            let beneath = told[above + 1..].iter().take_while(|(other, _)| *other >= depth).count();
            told.insert(above + 1 + beneath, (depth, hop));
        }
        told
    }
}

impl Hop {
    /// When it was over.
    #[must_use]
    pub fn ended(&self) -> Time {
        later(self.at, Duration::from_micros(self.took_us))
    }

    /// Whether somebody who waited for it got what they came for, as far as the edge can tell.
    #[must_use]
    pub fn went_well(&self) -> bool {
        matches!(self.verdict, Verdict::Passed | Verdict::Redirected)
            && self.status < 500
            && self.status != 429
    }

    /// What became of it, in a word or a few: a 429 or a failure of the server's own is not simply "passed".
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self.verdict {
            Verdict::Passed if self.status == 429 => "limited by the server",
            Verdict::Passed if self.status >= 500 => "failed at the server",
            verdict => verdict.as_str(),
        }
    }

    /// What became of it and what decided that, in one sentence without its full stop.
    #[must_use]
    pub fn told(&self) -> String {
        let by = |limit: &Option<String>| {
            limit.as_ref().map_or_else(String::new, |limit| format!(" by the {limit}"))
        };
        let because = self.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        let status = self.status;
        match self.verdict {
            Verdict::Passed => match self.attempts.last() {
                Some(last) => {
                    let after = took(last.took_us);
                    format!("{} answered {status} after {after}{}", last.server, by(&self.limit))
                }
                None => format!("answered {status}{}", by(&self.limit)),
            },
            Verdict::Denied => format!("refused with {status}{}{because}", by(&self.limit)),
            Verdict::Limited => format!("refused with {status}{}{because}", by(&self.limit)),
            Verdict::Shed => {
                let whose = self.pool.as_ref().map_or_else(String::new, |pool| format!(" of {pool}"));
                format!("refused with {status}: the servers{whose} are at their limit{because}")
            }
            Verdict::Failed if status == 0 => format!("the client left before there was an answer{because}"),
            Verdict::Failed => format!("no server gave an answer, {status} went out{because}"),
            Verdict::Malformed => format!("refused with {status}{because}"),
            Verdict::Redirected => format!("told with {status} to come back by https"),
        }
    }
}

/// A span as people compare it: `240 µs`, `3.1 ms`, `182 ms`, `1.24 s`.
#[must_use]
pub fn took(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..10_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
    }
}

impl Verdict {
    /// The word for people.
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
            from: None,
            visitor: "first".to_owned(),
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
    fn what_a_service_asked_for_stands_beneath_what_it_was_asked() {
        let hops = vec![
            hop("d", None, "09.5", 1_000),
            hop("b", Some("a"), "09.1", 100_000),
            hop("a", Some("from outside"), "09.0", 400_000),
            // Its parent is a span of the service's own: time tells.
            hop("c", Some("inside"), "09.15", 10_000),
        ];
        let trace = Trace { id: "4bf9".to_owned(), hops };
        let told: Vec<(usize, &str)> =
            trace.nested().into_iter().map(|(depth, hop)| (depth, hop.span.as_str())).collect();
        assert_eq!(told, [(0, "a"), (1, "b"), (2, "c"), (0, "d")]);
    }

    #[test]
    fn a_passage_is_told_with_what_decided_it() {
        let told = |change: fn(&mut Hop)| {
            let mut hop = hop("a", None, "09.0", 0);
            change(&mut hop);
            hop.told()
        };
        let limited = told(|hop| {
            hop.verdict = Verdict::Limited;
            hop.status = 429;
            hop.limit = Some("visitor limit of auth, 20/s".to_owned());
        });
        assert_eq!(limited, "refused with 429 by the visitor limit of auth, 20/s");
        let failed = told(|hop| {
            hop.verdict = Verdict::Failed;
            hop.status = 502;
            hop.why = Some("presented b.example, expected auth.internal".to_owned());
        });
        assert_eq!(
            failed,
            "no server gave an answer, 502 went out: presented b.example, expected auth.internal"
        );
        let passed = told(|hop| {
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
    fn what_a_server_refuses_or_fails_did_not_go_well() {
        for (verdict, status, word, well) in [
            (Verdict::Passed, 200, "passed", true),
            (Verdict::Passed, 404, "passed", true),
            (Verdict::Passed, 429, "limited by the server", false),
            (Verdict::Passed, 503, "failed at the server", false),
            (Verdict::Redirected, 308, "redirected", true),
            (Verdict::Shed, 503, "shed", false),
            (Verdict::Limited, 429, "limited", false),
        ] {
            let hop = Hop { verdict, status, ..hop("a", None, "09.0", 0) };
            assert_eq!((hop.as_str(), hop.went_well()), (word, well), "{verdict:?} {status}");
        }
    }

    #[test]
    fn spans_are_told_in_three_digits() {
        for (us, words) in
            [(0, "0 µs"), (240, "240 µs"), (3_140, "3.1 ms"), (182_400, "182 ms"), (1_240_000, "1.24 s")]
        {
            assert_eq!(took(us), words);
        }
    }
}
