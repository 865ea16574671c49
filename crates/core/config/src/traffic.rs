//! `[service.NAME.traffic]` as written: how the edge serves a service.

use crate::draft::name_of;
use crate::form::{At, Form};
use crate::marks::{Marks, Place};
use crate::near::shown;
use crate::wrong::Wrong;
use std::time::Duration;
use types::PoolId;
use types::config::{Guard, Known, Rate};
use types::traffic::{DenyTarget, is_everybody};

/// How long a request may take until its answer begins, unless told.
const DEADLINE: Duration = Duration::from_secs(10);
/// For how long a known visitor stays known, unless told.
const KNOWN: Duration = Duration::from_secs(30 * 86_400);

/// A guard as written.
#[derive(Debug)]
pub(crate) struct TrafficDraft {
    pub(crate) place: Place,
    pub(crate) pool: Option<At<String>>,
    /// Where countries and autonomous systems are named: files must tell them.
    pub(crate) countries: Vec<Place>,
    pub(crate) networks: Vec<Place>,
    /// Where the limit of autonomous systems stands.
    pub(crate) asn: Option<Place>,
    /// Complete where nothing is marked.
    pub(crate) guard: Guard,
}

pub(crate) fn read(form: &mut Form<'_>, marks: &mut Marks) -> TrafficDraft {
    let pool = form.word(marks, "pool", name_of);
    let limits = form.table(marks, "limit", |form, marks| {
        ["client", "subnet", "asn", "caller", "service"]
            .map(|name| form.either(marks, name, rate, rate_and_burst))
    });
    let limits = limits.unwrap_or_default();
    let (mut countries, mut networks) = (Vec::new(), Vec::new());
    let asn_place = limits[2].as_ref().map(|at| at.place.clone());
    networks.extend(asn_place.clone());
    let [visitor, network, asn, caller, service] = limits.map(|at| at.map(|at| at.value));
    let mut whom = |form: &mut Form<'_>, marks: &mut Marks| {
        let whom = origins(form, marks);
        countries.extend(
            whom.iter().find(|at| matches!(at.value, DenyTarget::Country(_))).map(|at| at.place.clone()),
        );
        networks
            .extend(whom.iter().find(|at| matches!(at.value, DenyTarget::Asn(_))).map(|at| at.place.clone()));
        whom.into_iter().map(|at| at.value).collect::<Vec<_>>()
    };
    let has_allow = form.has("allow");
    let deny = form.table(marks, "deny", |form, marks| {
        let denied = whom(form, marks);
        if !has_allow {
            warn_of_everybody(form, &denied, marks);
        }
        denied
    });
    let deny = deny.unwrap_or_default();
    let allow = form.table(marks, "allow", &mut whom).unwrap_or_default();
    let known = form.table(marks, "recognize", known).flatten();
    let urgent = form.words(marks, "priority_paths", route).into_iter().map(|at| at.value).collect();
    let deadline = form.span(marks, "response_timeout").unwrap_or(DEADLINE);
    TrafficDraft {
        place: form.place.clone(),
        countries,
        networks,
        asn: asn_place,
        guard: Guard {
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
fn warn_of_everybody(form: &Form<'_>, denied: &[DenyTarget], marks: &mut Marks) {
    let everybody = denied.iter().find(|what| matches!(what, DenyTarget::Cidr(net) if is_everybody(*net)));
    if let Some(everybody) = everybody {
        let message =
            format!("{everybody} is everybody, or a large part of it, and nobody is allowed in spite of it");
        let hint = "name who may ask: allow = { addresses = [\"192.0.2.0/24\"] }";
        marks.warn(form.key_place("cidrs"), message, hint);
    }
}

fn origins(form: &mut Form<'_>, marks: &mut Marks) -> Vec<At<DenyTarget>> {
    let mut out = Vec::new();
    for key in ["countries", "asns", "cidrs"] {
        out.extend(form.words(marks, key, |text| origin(text, key)));
    }
    out
}

/// One origin of traffic, which must be of the sort that its list holds.
fn origin(text: &str, key: &str) -> Result<DenyTarget, Wrong> {
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
        "countries" => "a country's two letters",
        "asns" => "the number of an autonomous system",
        _ => "a network or an address",
    };
    let wrong = Wrong::new(format!("`{}` is not {wanted}", shown(text)));
    Err(match home {
        Some(home) => wrong.hint(format!("it belongs into {home} = [\"{}\"]", shown(text.trim()))),
        None => wrong,
    })
}

/// `20/s`: so many, and as many at once.
fn rate(text: &str) -> Result<Rate, Wrong> {
    let wrong = || {
        Wrong::new(format!("`{}` is not a rate", shown(text)))
            .hint("a number from 1 to 1000000, a slash, and s, m or h: \"20/s\", \"600/m\"")
    };
    let (count, unit) = text.trim().split_once('/').ok_or_else(wrong)?;
    let count = count.trim();
    let is_number = count.bytes().all(|byte| byte.is_ascii_digit());
    let count: u32 = if is_number { count.parse().ok() } else { None }.ok_or_else(wrong)?;
    let secs = match unit.trim() {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        _ => return Err(wrong()),
    };
    if !(1..=1_000_000).contains(&count) {
        return Err(wrong());
    }
    Ok(Rate { count, per: Duration::from_secs(secs), burst: count })
}

fn rate_and_burst(form: &mut Form<'_>, marks: &mut Marks) -> Option<Rate> {
    let rate = form.word(marks, "rate", rate);
    let burst = form.count(marks, "burst");
    rate.map(|at| Rate { burst: burst.unwrap_or(at.value.burst), ..at.value })
}

fn known(form: &mut Form<'_>, marks: &mut Marks) -> Option<Known> {
    let method = form.word(marks, "method", method).map(|at| at.value);
    let path = form.word(marks, "path", route).map(|at| at.value);
    let status = form.counts(marks, "status");
    let lasting = form.span(marks, "for").unwrap_or(KNOWN);
    Some(Known { method, path: path?, status, lasting })
}

fn method(text: &str) -> Result<String, Wrong> {
    let method = text.trim();
    if method.is_empty() || method.len() > 32 || !method.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(Wrong::new(format!("`{}` is not a method", shown(text))));
    }
    Ok(method.to_ascii_uppercase())
}

/// A path as it is asked for, or everything below one: `/pay/*`.
fn route(text: &str) -> Result<String, Wrong> {
    let path = path(text)?;
    let wrong = |why: &str, hint: &str| Err(Wrong::new(format!("`{}` {why}", shown(text))).hint(hint));
    match path.strip_suffix("/*") {
        Some("") => wrong("means everything, and sets nothing apart", "name what is special: \"/pay/*\""),
        Some(above) if above.contains('*') => {
            wrong("has a star in its middle", "a star stands at the end, for everything below: \"/pay/*\"")
        }
        None if path.contains('*') => wrong(
            "has a star where none can be",
            "a star stands at the end, for everything below: \"/pay/*\"",
        ),
        _ => Ok(path),
    }
}

/// A path without a query.
pub(crate) fn path(text: &str) -> Result<String, Wrong> {
    let path = text.trim();
    let wrong = |why: &str| Wrong::new(format!("`{}` is not a path: {why}", shown(text)));
    if !path.starts_with('/') {
        let bare = path.split_once("://").and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)));
        let meant = bare.map_or_else(|| format!("/{path}"), str::to_owned);
        return Err(wrong("it does not begin with /").hint(format!("write \"{}\"", shown(&meant))));
    }
    if path.contains(['?', '#']) {
        return Err(wrong("what follows ? or # is no part of it"));
    }
    if path.len() > 500 {
        return Err(wrong("it is too long"));
    }
    if path.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(wrong("spaces and special characters are written %20 and so on"));
    }
    if path.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(wrong("nobody asks for `.` or `..`"));
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
        let wrong = route("https://auth.acme.com/login").unwrap_err();
        assert!(format!("{wrong:?}").contains("write \\\"/login\\\""), "{wrong:?}");
    }
}
