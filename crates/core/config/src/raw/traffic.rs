//! `[service.NAME.traffic]` as written: how the edge serves a service.

use crate::diagnostics::{Diagnostics, Place};
use crate::raw::name_of;
use crate::reader::table::TableReader;
use crate::reader::value::At;
use crate::suggest::shown;
use crate::value_error::ValueError;
use std::time::Duration;
use types::DenyTarget;
use types::PoolId;
use types::config::{Rate, Recognize, Traffic};
use types::traffic::is_everybody;

/// Default of `response_timeout`.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Default of `recognize.for`.
const RECOGNIZED_FOR: Duration = Duration::from_secs(30 * 86_400);

/// The traffic policy of a service as written.
#[derive(Debug)]
pub(crate) struct RawTraffic {
    pub(crate) place: Place,
    pub(crate) pool: Option<At<String>>,
    /// Positions of countries and AS numbers, which require the `geoip` files.
    pub(crate) countries: Vec<Place>,
    pub(crate) asns: Vec<Place>,
    /// Position of the limit per autonomous system.
    pub(crate) asn: Option<Place>,
    /// Complete when no problem is reported.
    pub(crate) policy: Traffic,
}

pub(crate) fn read(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> RawTraffic {
    let pool = table.string(diagnostics, "pool", name_of);
    let limits = table.subtable(diagnostics, "limit", |table, diagnostics| {
        ["client", "subnet", "asn", "caller", "service"]
            .map(|name| table.string_or_table(diagnostics, name, rate, rate_and_burst))
    });
    let limits = limits.unwrap_or_default();
    let (mut countries, mut asns) = (Vec::new(), Vec::new());
    let asn_place = limits[2].as_ref().map(|at| at.place.clone());
    asns.extend(asn_place.clone());
    let [client, subnet, asn, caller, service] = limits.map(|at| at.map(|at| at.value));
    let mut whom = |table: &mut TableReader<'_>, diagnostics: &mut Diagnostics| {
        let whom = origins(table, diagnostics);
        countries.extend(
            whom.iter().find(|at| matches!(at.value, DenyTarget::Country(_))).map(|at| at.place.clone()),
        );
        asns.extend(whom.iter().find(|at| matches!(at.value, DenyTarget::Asn(_))).map(|at| at.place.clone()));
        whom.into_iter().map(|at| at.value).collect::<Vec<_>>()
    };
    let has_allow = table.has("allow");
    let deny = table.subtable(diagnostics, "deny", |table, diagnostics| {
        let denied = whom(table, diagnostics);
        if !has_allow {
            warn_of_broad_denial(table, &denied, diagnostics);
        }
        denied
    });
    let deny = deny.unwrap_or_default();
    let allow = table.subtable(diagnostics, "allow", &mut whom).unwrap_or_default();
    let recognize = table.subtable(diagnostics, "recognize", recognize).flatten();
    let priority_paths =
        table.strings(diagnostics, "priority_paths", path_pattern).into_iter().map(|at| at.value).collect();
    let response_timeout = table.duration(diagnostics, "response_timeout").unwrap_or(RESPONSE_TIMEOUT);
    RawTraffic {
        place: table.place.clone(),
        countries,
        asns,
        asn: asn_place,
        policy: Traffic {
            pool: PoolId(pool.as_ref().map_or_else(String::new, |at| at.value.clone())),
            client,
            subnet,
            asn,
            caller,
            service,
            deny,
            allow,
            recognize,
            priority_paths,
            response_timeout,
        },
        pool,
    }
}

/// Warns of a service that denies a large part of all addresses and allows none.
fn warn_of_broad_denial(table: &TableReader<'_>, denied: &[DenyTarget], diagnostics: &mut Diagnostics) {
    let range = denied.iter().find(|what| matches!(what, DenyTarget::Cidr(net) if is_everybody(*net)));
    if let Some(range) = range {
        let message = format!("{range} denies a large part of all addresses, and `allow` has no exception");
        let hint = "add exceptions: allow = { cidrs = [\"192.0.2.0/24\"] }";
        diagnostics.warn(table.key_place("cidrs"), message, hint);
    }
}

fn origins(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> Vec<At<DenyTarget>> {
    let mut out = Vec::new();
    for key in ["countries", "asns", "cidrs"] {
        out.extend(table.strings(diagnostics, key, |text| origin(text, key)));
    }
    out
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

fn rate_and_burst(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> Option<Rate> {
    let rate = table.string(diagnostics, "rate", rate);
    let burst = table.integer(diagnostics, "burst");
    rate.map(|at| Rate { burst: burst.unwrap_or(at.value.burst), ..at.value })
}

fn recognize(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> Option<Recognize> {
    let method = table.string(diagnostics, "method", method).map(|at| at.value);
    let path = table.string(diagnostics, "path", path_pattern).map(|at| at.value);
    let status = table.integers(diagnostics, "status");
    let duration = table.duration(diagnostics, "for").unwrap_or(RECOGNIZED_FOR);
    Some(Recognize { method, path: path?, status, duration })
}

fn method(text: &str) -> Result<String, ValueError> {
    let method = text.trim();
    if method.is_empty() || method.len() > 32 || !method.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(ValueError::new(format!("`{}` is not an HTTP method", shown(text))));
    }
    Ok(method.to_ascii_uppercase())
}

/// Parses a path, or a path pattern that matches everything below: `/pay/*`.
fn path_pattern(text: &str) -> Result<String, ValueError> {
    let path = path(text)?;
    let error = |why: &str, hint: &str| Err(ValueError::new(format!("`{}` {why}", shown(text))).hint(hint));
    match path.strip_suffix("/*") {
        Some("") => error("matches every path", "use a more specific one: \"/pay/*\""),
        Some(above) if above.contains('*') => {
            error("has a `*` in the middle", "`*` is only allowed at the end: \"/pay/*\"")
        }
        None if path.contains('*') => {
            error("has a `*` in the wrong place", "`*` is only allowed at the end: \"/pay/*\"")
        }
        _ => Ok(path),
    }
}

/// Parses a path without a query.
pub(crate) fn path(text: &str) -> Result<String, ValueError> {
    let path = text.trim();
    let error = |why: &str| ValueError::new(format!("`{}` is not a path: {why}", shown(text)));
    if !path.starts_with('/') {
        let bare = path.split_once("://").and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)));
        let meant = bare.map_or_else(|| format!("/{path}"), str::to_owned);
        return Err(error("it does not begin with /").hint(format!("write \"{}\"", shown(&meant))));
    }
    if path.contains(['?', '#']) {
        return Err(error("it has a query or a fragment"));
    }
    if path.len() > 500 {
        return Err(error("it is too long"));
    }
    if path.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(error("spaces and special characters must be percent-encoded"));
    }
    if path.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(error("it has `.` or `..`"));
    }
    Ok(path.to_owned())
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

    #[test]
    fn paths_and_patterns() {
        for (text, read) in [
            ("/login", Some("/login")),
            ("/pay/*", Some("/pay/*")),
            (" /a/b/* ", Some("/a/b/*")),
            ("/", Some("/")),
            ("/*", None),
            ("*", None),
            ("login", None),
            ("/pay*", None),
            ("/*/x", None),
            ("/*/*", None),
            ("/login?x=1", None),
            ("/a b", None),
            ("/ü", None),
            ("/a/../b", None),
            ("", None),
        ] {
            assert_eq!(path_pattern(text).ok().as_deref(), read, "{text:?}");
        }
        let error = path_pattern("https://auth.acme.com/login").unwrap_err();
        assert!(format!("{error:?}").contains("write \\\"/login\\\""), "{error:?}");
    }
}
