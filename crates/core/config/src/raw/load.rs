//! `[load.NAME]` as written: targets of load tests.

use crate::formats::{MINUTE, URL};
use crate::keys::keys;
use crate::kind::list::{filled_list, map};
use crate::kind::scalar::{Integer, Span, duration, integer};
use crate::kind::string::{Format, NameOf, format};
use crate::kind::table::{Table, made};
use crate::kind::value::At;
use crate::parse::url::Url;
use crate::raw::request::{self, HEADER, HEADERS_MAX, METHOD};
use crate::suggest::shown;
use crate::value_error::ValueError;
use std::collections::BTreeMap;
use std::time::Duration;
use types::ServiceId;
use types::config::{LoadBounds, LoadTarget, TextOrSecret};

/// Highest rate that may be allowed: more than one machine sends.
const RATE_MAX: u32 = 100_000;
const LASTING: Duration = Duration::from_secs(600);
const CONNECTIONS: u32 = 1_000;
const MAX_LATENCY: Duration = Duration::from_secs(1);
const ERROR_BUDGET: f64 = 0.05;
const RATE: Format<u32> =
    format("a rate per second: \"500/s\"", Some("^[1-9][0-9]{0,5}/s$"), |text, _| rate(text));
const SHARE: Format<f64> =
    format("a share in percent: \"5%\"", Some("^[0-9]+([.][0-9]+)?%$"), |text, _| share(text));
const BODY: Format<String> = format("a string", None, |text, _| request::body(text));
const LATENCY: Span = duration(Duration::from_millis(1), MINUTE);
const SERVERS: Integer<u32> = integer(1, 100_000);
const BOUNDS: Table<RawBounds, LoadBounds> = made(|bounds: RawBounds, _, _| {
    Some(LoadBounds { rate: bounds.rate?, lasting: bounds.lasting, connections: bounds.connections })
});

keys! {
    /// A target of load tests: a copy of a service, outside production. `mainstay load NAME` increases the rate of requests until
    /// the target no longer keeps up. Targets that are not declared are refused, and so are those that are production.
    [load.NAME]
    struct RawLoad {
        /// The URL that is requested.
        target: Option<At<Url>> = URL, required, example r#""https://staging.acme.com/login""#;
        /// The service whose capacity it measures.
        service: Option<At<String>> = NameOf("service"), otherwise "none; the audit does not see the test", example r#""auth""#;
        /// Servers behind the target: capacity is counted for each of them.
        servers: u32 = SERVERS, default 1, example "2";
        /// Bounds that no test exceeds.
        allow: Option<LoadBounds> = BOUNDS, required, example r#"{ rate = "500/s", lasting = "10m", connections = 1000 }"#;
        /// Method of the requests.
        method: Option<String> = METHOD, otherwise "GET", example r#""POST""#;
        /// Headers of the requests, each with its text; `env:NAME` and `file:PATH` are secrets that are read when a test starts.
        headers: BTreeMap<String, TextOrSecret> = map("header", header_name, HEADER), otherwise "none",
            example r#"{ accept = "application/json", authorization = "env:STAGING_AUTHORIZATION" }"#;
        /// Body of the requests.
        body: Option<String> = BODY, otherwise "none", example r#"'{"user": "load-test"}'"#;
        /// Status codes of good answers. Redirects are not followed.
        status: Vec<u16> = filled_list(integer::<u16>(100, 599)), otherwise "200 to 399", example "[200, 401]";
        /// p99 above it means that the target does not keep up.
        max_latency: Duration = LATENCY, default MAX_LATENCY, example r#""300ms""#;
        /// Share of failed requests from which on a rate is too much, and, over the whole test, from which on it is aborted.
        error_budget: f64 = SHARE, default ERROR_BUDGET => "5%", example r#""1%""#;
    }
}

keys! {
    /// Bounds of load tests.
    struct RawBounds {
        /// Highest rate of requests. In no second are more requests sent.
        rate: Option<u32> = RATE, required, example r#""500/s""#;
        /// Longest duration of one test.
        lasting: Duration = duration(Duration::from_secs(1), Duration::from_secs(6 * 3_600)), default LASTING,
            example r#""10m""#;
        /// Maximum open connections. A request that finds none free waits, and its wait counts.
        connections: u32 = integer::<u32>(1, 50_000), default CONNECTIONS, example "1000";
    }
}

fn header_name(text: &str) -> Result<String, ValueError> {
    let name = request::header_name(text)?;
    // It names the tool in the target's log.
    if name == "user-agent" { Err(request::reserved(&name)) } else { Ok(name) }
}

impl RawLoad {
    /// The target; `None` when it is invalid, which was reported already.
    pub(crate) fn resolve(self, name: &str) -> Option<LoadTarget> {
        let url = self.target?.value;
        let rest = if url.rest.is_empty() { "/" } else { "" };
        Some(LoadTarget {
            name: name.to_owned(),
            url: format!("{}{rest}", url.text()),
            service: self.service.map(|at| ServiceId(at.value)),
            servers: self.servers,
            allow: self.allow?,
            method: self.method.unwrap_or_else(|| "GET".to_owned()),
            headers: self.headers.into_iter().take(HEADERS_MAX).collect(),
            body: self.body,
            status: self.status,
            max_latency: self.max_latency,
            error_budget: self.error_budget,
        })
    }
}

fn rate(text: &str) -> Result<u32, ValueError> {
    let count = text.trim().strip_suffix("/s").map(str::trim);
    let count = count.filter(|count| count.bytes().all(|byte| byte.is_ascii_digit()));
    let count = count.and_then(|count| count.parse().ok());
    count.filter(|count| (1..=RATE_MAX).contains(count)).ok_or_else(|| {
        ValueError::new(format!("`{}` is not a rate of requests", shown(text)))
            .hint(format!("a number from 1 to {RATE_MAX} per second: \"500/s\""))
    })
}

fn share(text: &str) -> Result<f64, ValueError> {
    let percent = text.trim().strip_suffix('%').map(str::trim).and_then(|number| number.parse::<f64>().ok());
    percent.filter(|percent| (0.01..=50.0).contains(percent)).map(|percent| percent / 100.0).ok_or_else(
        || {
            ValueError::new(format!("`{}` is not a share of requests", shown(text)))
                .hint("from 0.01% to 50%: \"5%\"")
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_shares() {
        for (text, value) in [
            ("500/s", Some(500)),
            (" 1/s ", Some(1)),
            ("100001/s", None),
            ("0/s", None),
            ("600/m", None),
            ("500", None),
            ("+5/s", None),
        ] {
            assert_eq!(rate(text).ok(), value, "{text:?}");
        }
        for (text, value) in [
            ("5%", Some(0.05)),
            ("0.5 %", Some(0.005)),
            ("0%", None),
            ("51%", None),
            ("0.05", None),
            ("nan%", None),
        ] {
            assert_eq!(share(text).ok(), value, "{text:?}");
        }
    }
}
