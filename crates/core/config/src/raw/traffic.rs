//! `[service.NAME.traffic]` as written: how the edge serves a service.

use crate::diagnostics::{Diagnostics, Place};
use crate::raw::name_of;
use crate::reader::table::TableReader;
use crate::reader::value::At;
use crate::suggest::shown;
use crate::value_error::ValueError;
use std::time::Duration;
use types::PoolId;
use types::config::{Rate, Recognize, Traffic};
use types::traffic::{DenyWhat, is_everybody};

/// How long a request may take until its answer begins, unless told.
const DEADLINE: Duration = Duration::from_secs(10);
/// For how long a known visitor stays known, unless told.
const KNOWN: Duration = Duration::from_secs(30 * 86_400);

/// A guard as written.
#[derive(Debug)]
pub(crate) struct RawTraffic {
    pub(crate) place: Place,
    pub(crate) pool: Option<At<String>>,
    /// Where countries and autonomous systems are named: files must tell them.
    pub(crate) countries: Vec<Place>,
    pub(crate) networks: Vec<Place>,
    /// Where the limit of autonomous systems stands.
    pub(crate) asn: Option<Place>,
    /// Complete where nothing is marked.
    pub(crate) guard: Traffic,
}

pub(crate) fn read(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> RawTraffic {
    let pool = table.string(diagnostics, "pool", name_of);
    let limits = table.subtable(diagnostics, "limit", |table, diagnostics| {
        ["client", "subnet", "asn", "caller", "service"]
            .map(|name| table.string_or_table(diagnostics, name, rate, rate_and_burst))
    });
    let limits = limits.unwrap_or_default();
    let (mut countries, mut networks) = (Vec::new(), Vec::new());
    let asn_place = limits[2].as_ref().map(|at| at.place.clone());
    networks.extend(asn_place.clone());
    let [visitor, network, asn, caller, service] = limits.map(|at| at.map(|at| at.value));
    let mut whom = |table: &mut TableReader<'_>, diagnostics: &mut Diagnostics| {
        let whom = origins(table, diagnostics);
        countries.extend(
            whom.iter().find(|at| matches!(at.value, DenyWhat::Country(_))).map(|at| at.place.clone()),
        );
        networks
            .extend(whom.iter().find(|at| matches!(at.value, DenyWhat::Asn(_))).map(|at| at.place.clone()));
        whom.into_iter().map(|at| at.value).collect::<Vec<_>>()
    };
    let has_allow = table.has("allow");
    let deny = table.subtable(diagnostics, "deny", |table, diagnostics| {
        let denied = whom(table, diagnostics);
        if !has_allow {
            warn_of_everybody(table, &denied, diagnostics);
        }
        denied
    });
    let deny = deny.unwrap_or_default();
    let allow = table.subtable(diagnostics, "allow", &mut whom).unwrap_or_default();
    let known = table.subtable(diagnostics, "recognize", known).flatten();
    let urgent = table.strings(diagnostics, "priority_paths", route).into_iter().map(|at| at.value).collect();
    let deadline = table.duration(diagnostics, "response_timeout").unwrap_or(DEADLINE);
    RawTraffic {
        place: table.place.clone(),
        countries,
        networks,
        asn: asn_place,
        guard: Traffic {
            pool: PoolId(pool.as_ref().map_or_else(String::new, |at| at.value.clone())),
            client: visitor,
            subnet: network,
            asn,
            caller,
            service,
            deny,
            allow,
            recognize: known,
            priority_paths: urgent,
            response_timeout: deadline,
        },
        pool,
    }
}

/// Warns of a service that answers hardly anybody: a large part of all addresses is denied, and none is allowed.
fn warn_of_everybody(table: &TableReader<'_>, denied: &[DenyWhat], diagnostics: &mut Diagnostics) {
    let everybody = denied.iter().find(|what| matches!(what, DenyWhat::Net(net) if is_everybody(*net)));
    if let Some(everybody) = everybody {
        let message =
            format!("{everybody} is everybody, or a large part of it, and nobody is allowed in spite of it");
        let hint = "name who may ask: allow = { addresses = [\"192.0.2.0/24\"] }";
        diagnostics.warn(table.key_place("cidrs"), message, hint);
    }
}

fn origins(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> Vec<At<DenyWhat>> {
    let mut out = Vec::new();
    for key in ["countries", "asns", "cidrs"] {
        out.extend(table.strings(diagnostics, key, |text| origin(text, key)));
    }
    out
}

/// One origin of traffic, which must be of the sort that its list holds.
fn origin(text: &str, key: &str) -> Result<DenyWhat, ValueError> {
    let what: Option<DenyWhat> = text.parse().ok();
    let home = what.as_ref().map(|what| match what {
        DenyWhat::Country(_) => "countries",
        DenyWhat::Asn(_) => "asns",
        DenyWhat::Net(_) => "cidrs",
    });
    if let Some(what) = what.filter(|_| home == Some(key)) {
        return Ok(what);
    }
    let wanted = match key {
        "countries" => "a country's two letters",
        "asns" => "the number of an autonomous system",
        _ => "a network or an address",
    };
    let error = ValueError::new(format!("`{}` is not {wanted}", shown(text)));
    Err(match home {
        Some(home) => error.hint(format!("it belongs into {home} = [\"{}\"]", shown(text.trim()))),
        None => error,
    })
}

/// `20/s`: so many, and as many at once.
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

fn known(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> Option<Recognize> {
    let method = table.string(diagnostics, "method", method).map(|at| at.value);
    let path = table.string(diagnostics, "path", route).map(|at| at.value);
    let status = table.integers(diagnostics, "status");
    let duration = table.duration(diagnostics, "for").unwrap_or(KNOWN);
    Some(Recognize { method, path: path?, status, duration })
}

fn method(text: &str) -> Result<String, ValueError> {
    let method = text.trim();
    if method.is_empty() || method.len() > 32 || !method.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(ValueError::new(format!("`{}` is not a method", shown(text))));
    }
    Ok(method.to_ascii_uppercase())
}

/// A path as it is asked for, or everything below one: `/pay/*`.
fn route(text: &str) -> Result<String, ValueError> {
    let path = path(text)?;
    let error = |why: &str, hint: &str| Err(ValueError::new(format!("`{}` {why}", shown(text))).hint(hint));
    match path.strip_suffix("/*") {
        Some("") => error("means everything, and sets nothing apart", "name what is special: \"/pay/*\""),
        Some(above) if above.contains('*') => {
            error("has a star in its middle", "a star stands at the end, for everything below: \"/pay/*\"")
        }
        None if path.contains('*') => error(
            "has a star where none can be",
            "a star stands at the end, for everything below: \"/pay/*\"",
        ),
        _ => Ok(path),
    }
}

/// A path without a query.
pub(crate) fn path(text: &str) -> Result<String, ValueError> {
    let path = text.trim();
    let error = |why: &str| ValueError::new(format!("`{}` is not a path: {why}", shown(text)));
    if !path.starts_with('/') {
        let bare = path.split_once("://").and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)));
        let meant = bare.map_or_else(|| format!("/{path}"), str::to_owned);
        return Err(error("it does not begin with /").hint(format!("write \"{}\"", shown(&meant))));
    }
    if path.contains(['?', '#']) {
        return Err(error("what follows ? or # is no part of it"));
    }
    if path.len() > 500 {
        return Err(error("it is too long"));
    }
    if path.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(error("spaces and special characters are written %20 and so on"));
    }
    if path.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(error("nobody asks for `.` or `..`"));
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
    fn paths_and_what_is_below_them() {
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
            assert_eq!(route(text).ok().as_deref(), read, "{text:?}");
        }
        let error = route("https://auth.acme.com/login").unwrap_err();
        assert!(format!("{wrong:?}").contains("write \\\"/login\\\""), "{wrong:?}");
    }
}
