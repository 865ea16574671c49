//! `[service.NAME.traffic]` as written: how the edge serves a service.

use crate::diagnostics::Place;
use crate::formats::{BRIEF, DAY, HOUR, MINUTE, PATH_PATTERN};
use crate::keys::keys;
use crate::kind::Context;
use crate::kind::list::{filled_list, list};
use crate::kind::reader::Written;
use crate::kind::scalar::{duration, integer};
use crate::kind::string::{Format, NameOf, format};
use crate::kind::table::{Either, Tables, made, table};
use crate::kind::value::At;
use crate::raw::cache;
use crate::suggest::shown;
use crate::value_error::ValueError;
use std::time::Duration;
use types::DenyTarget;
use types::PoolId;
use types::config::{CacheRule, Offline, Rate, Recognize, Traffic};
use types::traffic::is_everybody;

const RATE: Format<Rate> =
    format("a rate: \"20/s\", \"600/m\", \"1000/h\"", Some("^[1-9][0-9]{0,6}/[smh]$"), |text, _| rate(text));
const COUNTRY: Format<DenyTarget> =
    format("an ISO 3166 country code: \"EE\"", Some("^[A-Za-z]{2}$"), |text, _| origin(text, "countries"));
const ASN: Format<DenyTarget> =
    format("an AS number: \"AS64500\"", Some("^[Aa][Ss][0-9]{1,10}$"), |text, _| origin(text, "asns"));
const RANGE: Format<DenyTarget> =
    format("a CIDR range or an address: \"10.0.0.0/8\", \"10.1.2.3\"", None, |text, _| origin(text, "cidrs"));
const METHOD: Format<String> = format("an HTTP method: \"POST\"", None, |text, _| method(text));

keys! {
    /// How the edge serves a service.
    struct RawTraffic {
        /// The pool that serves its hosts.
        pool: Option<At<String>> = NameOf("pool"), required, example r#""auth""#;
        /// Rate limits. Requests beyond them are answered 429 with `Retry-After`.
        limit: Option<RawLimits> = table::<RawLimits>(),
            otherwise "none", example r#"{ client = { rate = "20/s", burst = 40 } }"#;
        /// Origins whose requests are always answered 403. For a limited time: `mainstay deny country XX --for 2h`.
        deny: Option<RawOrigins> = table::<RawOrigins>(), otherwise "none", example r#"{ cidrs = ["192.0.2.0/24"] }"#;
        /// Origins that `deny` does not apply to; the same keys.
        allow: Option<RawOrigins> = table::<RawOrigins>(), otherwise "none", example r#"{ cidrs = ["198.51.100.7"] }"#;
        /// The successful request after which a client is recognized by a cookie. Recognized clients are served first under
        /// overload.
        recognize: Option<Recognize> = table::<Recognize>(), otherwise "none",
            example r#"{ method = "POST", path = "/login", status = [200, 303], for = "30d" }"#;
        /// Paths that are served before all others under overload.
        priority_paths: Vec<String> = list(PATH_PATTERN), otherwise "none", example r#"["/health", "/pay/*"]"#;
        /// Timeout from the request to the first byte of the response.
        response_timeout: Duration = duration(BRIEF, HOUR), default Duration::from_secs(10), example r#""10s""#;
        /// Paths whose responses are cached, each in a `[[service.NAME.traffic.cache]]`. Without any nothing is cached.
        cache: Vec<At<CacheRule>> = Tables(made(|rule: CacheRule, written, _| {
            Some(cache::placed(rule, written.key_place("path")))
        })), otherwise "none", example r#"[{ path = "/.well-known/*", stale_if_error = "24h" }]"#;
    }
}

const A_RATE: Either<Format<Rate>, RawRate, Rate> = Either { string: RATE, table: made(RawRate::rate) };

keys! {
    /// Rate limits of a service.
    struct RawLimits {
        /// Limit of one client.
        client: Option<Rate> = A_RATE, otherwise "none", example r#"{ rate = "20/s", burst = 40 }"#;
        /// Limit of one subnet: an IPv4 /24 or an IPv6 /48.
        subnet: Option<Rate> = A_RATE, otherwise "none", example r#""200/s""#;
        /// Limit of one autonomous system, all its subnets together; should be many times `subnet`. Requires
        /// `edge.geoip.asn`.
        asn: Option<At<Rate>> = A_RATE, otherwise "none", example r#""5000/s""#;
        /// Limit of one `[caller.NAME]` for requests of its own. Requests that it makes for a client count as that client's.
        caller: Option<Rate> = A_RATE, otherwise "none", example r#""500/s""#;
        /// Limit of all requests together.
        service: Option<Rate> = A_RATE, otherwise "none", example r#""2000/s""#;
    }
}

keys! {
    /// A rate limit with its burst.
    struct RawRate {
        /// Requests per second, minute or hour.
        rate: Option<Rate> = RATE, required, example r#""20/s""#;
        /// Burst size: requests accepted immediately after a pause.
        burst: Option<u32> = integer::<u32>(1, 1_000_000), otherwise "the number in `rate`", example "40";
    }
}

keys! {
    /// Origins of requests.
    struct RawOrigins {
        /// ISO 3166 country codes. Requires `edge.geoip.country`.
        countries: Vec<At<DenyTarget>> = list(COUNTRY), otherwise "none", example r#"["XX"]"#;
        /// AS numbers. Requires `edge.geoip.asn`.
        asns: Vec<At<DenyTarget>> = list(ASN), otherwise "none", example r#"["AS64500"]"#;
        /// CIDR ranges and single addresses.
        cidrs: Vec<At<DenyTarget>> = list(RANGE), otherwise "none", example r#"["192.0.2.0/24"]"#;
    }
}

keys! {
    for Recognize {
        /// Request method.
        method: Option<String> = METHOD, otherwise "any", example r#""POST""#;
        /// Request path.
        path: String = PATH_PATTERN, required, example r#""/login""#;
        /// Status codes that only a success has. Check first: many sign-in pages answer a wrong password with 200 too.
        status: Vec<u16> = filled_list(integer::<u16>(200, 399)), required, example "[200, 303]";
        /// How long a client stays recognized. The signing keys are kept for 35 days at most.
        duration as "for": Duration = duration(MINUTE, Duration::from_secs(35 * 86_400)),
            default DAY * 30, example r#""30d""#;
    }
}

impl RawRate {
    fn rate(self, _: &Written, _: &mut Context<'_>) -> Option<Rate> {
        self.rate.map(|rate| Rate { burst: self.burst.unwrap_or(rate.burst), ..rate })
    }
}

impl RawOrigins {
    fn targets(&self) -> Vec<DenyTarget> {
        let all = self.countries.iter().chain(&self.asns).chain(&self.cidrs);
        all.map(|at| at.value.clone()).collect()
    }
}

impl RawTraffic {
    /// Positions of the first country of each list, which require a `geoip` file.
    pub(crate) fn countries(&self) -> impl Iterator<Item = &Place> {
        self.origins().filter_map(|origins| origins.countries.first()).map(|at| &at.place)
    }

    /// Positions of the limit per autonomous system and of the first AS number of each list, for the same.
    pub(crate) fn asns(&self) -> impl Iterator<Item = &Place> {
        let limit = self.limit.iter().filter_map(|limit| limit.asn.as_ref()).map(|at| &at.place);
        limit.chain(self.origins().filter_map(|origins| origins.asns.first()).map(|at| &at.place))
    }

    fn origins(&self) -> impl Iterator<Item = &RawOrigins> {
        self.deny.iter().chain(&self.allow)
    }

    /// The policy; complete when no problem is reported.
    pub(crate) fn policy(&self, offline: Option<&At<Offline>>) -> Traffic {
        let limit = self.limit.as_ref();
        let targets =
            |origins: &Option<RawOrigins>| origins.as_ref().map_or_else(Vec::new, RawOrigins::targets);
        Traffic {
            pool: PoolId(self.pool.as_ref().map_or_else(String::new, |at| at.value.clone())),
            client: limit.and_then(|limit| limit.client),
            subnet: limit.and_then(|limit| limit.subnet),
            asn: limit.and_then(|limit| limit.asn.as_ref()).map(|at| at.value),
            caller: limit.and_then(|limit| limit.caller),
            service: limit.and_then(|limit| limit.service),
            deny: targets(&self.deny),
            allow: targets(&self.allow),
            recognize: self.recognize.clone(),
            priority_paths: self.priority_paths.clone(),
            response_timeout: self.response_timeout,
            cache: self.cache.iter().map(|at| at.value.clone()).collect(),
            offline: offline.map(|at| at.value.clone()),
        }
    }
}

/// Warns of a service that denies a large part of all addresses and allows none.
pub(crate) fn check(traffic: RawTraffic, written: &Written, context: &mut Context<'_>) -> Option<RawTraffic> {
    if let Some(deny) = traffic.deny.as_ref().filter(|_| !written.has("allow")) {
        let is_broad = |at: &&At<DenyTarget>| matches!(at.value, DenyTarget::Cidr(net) if is_everybody(net));
        if let Some(At { value: range, .. }) = deny.cidrs.iter().find(is_broad) {
            let message =
                format!("{range} denies a large part of all addresses, and `allow` has no exception");
            let hint = "add exceptions: allow = { cidrs = [\"192.0.2.0/24\"] }";
            context.diagnostics.warn(deny.written.key_place("cidrs"), message, hint);
        }
    }
    Some(traffic)
}

/// Parses an origin, which must be of the kind of its list.
fn origin(text: &str, key: &str) -> Result<DenyTarget, ValueError> {
    let what: Option<DenyTarget> = text.parse().ok();
    let home = what.as_ref().map(|what| match what {
        DenyTarget::Country(_) => "countries",
        DenyTarget::Asn(_) => "asns",
        DenyTarget::Cidr(_) => "cidrs",
    });
    if let Some(what) = what.filter(|_| home == Some(key)) {
        return Ok(what);
    }
    let wanted = match key {
        "countries" => "a country code",
        "asns" => "an AS number",
        _ => "a CIDR range or an address",
    };
    let error = ValueError::new(format!("`{}` is not {wanted}", shown(text)));
    Err(match home {
        Some(home) => error.hint(format!("it belongs in {home} = [\"{}\"]", shown(text.trim()))),
        None => error,
    })
}

/// Parses a rate, `20/s`; the burst is the same number.
fn rate(text: &str) -> Result<Rate, ValueError> {
    let error = || {
        ValueError::new(format!("`{}` is not a rate", shown(text)))
            .hint("a number from 1 to 1000000, a slash, and s, m or h: \"20/s\", \"600/m\"")
    };
    let (count, unit) = text.trim().split_once('/').ok_or_else(error)?;
    let count = count.trim();
    let is_number = count.bytes().all(|byte| byte.is_ascii_digit());
    let count: u32 = if is_number { count.parse().ok() } else { None }.ok_or_else(error)?;
    let secs = match unit.trim() {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        _ => return Err(error()),
    };
    if !(1..=1_000_000).contains(&count) {
        return Err(error());
    }
    Ok(Rate { count, per: Duration::from_secs(secs), burst: count })
}

/// Parses a method of HTTP.
pub(crate) fn method(text: &str) -> Result<String, ValueError> {
    let method = text.trim();
    if method.is_empty() || method.len() > 32 || !method.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(ValueError::new(format!("`{}` is not an HTTP method", shown(text))));
    }
    Ok(method.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        for (text, read) in [
            ("20/s", Some((20, 1))),
            (" 600 / m ", Some((600, 60))),
            ("1000/h", Some((1_000, 3_600))),
            ("1000000/s", Some((1_000_000, 1))),
            ("1000001/s", None),
            ("0/s", None),
            ("-1/s", None),
            ("+1/s", None),
            ("20", None),
            ("20/d", None),
            ("20 per second", None),
            ("/s", None),
            ("99999999999999/s", None),
            ("", None),
        ] {
            let made = rate(text).ok().map(|rate| (rate.count, rate.per.as_secs()));
            assert_eq!(made, read, "{text:?}");
        }
    }
}
