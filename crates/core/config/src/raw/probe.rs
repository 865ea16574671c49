//! `[probe.NAME]` as written.

use crate::diagnostics::{Diagnostics, Place};
use crate::parse::domain::{Declared, Registration, may_be_declared};
use crate::parse::host::{Host, dns_name};
use crate::parse::scalar;
use crate::parse::url::Url;
use crate::raw::name_of;
use crate::reader::table::TableReader;
use crate::reader::value::At;
use crate::suggest::shown;
use crate::value_error::ValueError;
use std::time::Duration;
use types::config::Expect;

/// A probe as written.
#[derive(Debug)]
pub(crate) struct RawProbe {
    pub(crate) place: Place,
    /// `None` when it is invalid, which was reported already.
    pub(crate) ask: Option<RawAsk>,
    pub(crate) interval: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) failure_threshold: Option<u32>,
    pub(crate) success_threshold: Option<u32>,
    pub(crate) failing_for: Option<Duration>,
    pub(crate) service: Option<At<String>>,
}

/// The target of a probe as written.
#[derive(Debug)]
pub(crate) enum RawAsk {
    Http(Url, Expect),
    Tcp(Host, u16),
    Dns(String),
    Tls(Host),
    Domain(String),
}

const PROBE_KINDS: [&str; 5] = ["http", "tcp", "dns", "tls", "domain"];

pub(crate) fn read(
    table: &mut TableReader<'_>,
    declared: &Declared,
    diagnostics: &mut Diagnostics,
) -> RawProbe {
    let http = table.string(diagnostics, "http", Url::read).map(|at| at.value);
    let tcp = table.string(diagnostics, "tcp", with_port).map(|at| at.value);
    let dns = table.string(diagnostics, "dns", |text| zone(text, declared)).map(|at| at.value);
    let tls = table.string(diagnostics, "tls", Host::read).map(|at| at.value);
    let domain = table.string(diagnostics, "domain", |text| zone(text, declared)).map(|at| at.value);
    let expect = table.subtable(diagnostics, "expect", expect);

    let given: Vec<&str> = PROBE_KINDS.into_iter().filter(|name| table.has(name)).collect();
    match given.as_slice() {
        [] => diagnostics.missing(
            table.place.clone(),
            format!("{} has no target", shown(&table.path)),
            "add one of http, tcp, dns, tls, domain: http = \"https://shop.acme.com/health\"",
        ),
        [_] => {}
        [first, second, ..] => diagnostics.error(
            table.key_place(second),
            format!("{} has both `{first}` and `{second}`", shown(&table.path)),
            "a probe has one target: declare two probes",
        ),
    }
    if table.has("expect") && !table.has("http") && !given.is_empty() {
        diagnostics.error(
            table.key_place("expect"),
            "`expect` belongs to `http` only",
            "remove it, or use `http`",
        );
    }

    let ask = http
        .map(|url| RawAsk::Http(url, expect.unwrap_or_default()))
        .or_else(|| tcp.map(|(host, port)| RawAsk::Tcp(host, port)))
        .or_else(|| dns.map(RawAsk::Dns))
        .or_else(|| tls.map(RawAsk::Tls))
        .or_else(|| domain.map(RawAsk::Domain));
    RawProbe {
        place: table.place.clone(),
        ask,
        interval: table.duration(diagnostics, "interval"),
        timeout: table.duration(diagnostics, "timeout"),
        failure_threshold: table.integer(diagnostics, "failure_threshold"),
        success_threshold: table.integer(diagnostics, "success_threshold"),
        failing_for: table.duration(diagnostics, "failing_for"),
        service: table.string(diagnostics, "service", name_of),
    }
}

pub(crate) fn expect(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> Expect {
    Expect {
        status: table.integers(diagnostics, "status"),
        body_contains: table.string(diagnostics, "body_contains", scalar::text).map(|at| at.value),
        max_latency: table.duration(diagnostics, "max_latency"),
        learns: false,
    }
}

fn with_port(text: &str) -> Result<(Host, u16), ValueError> {
    let host = Host::read(text)?;
    match host.port {
        Some(port) => Ok((host, port)),
        None => Err(ValueError::new(format!("`{}` has no port", shown(text)))
            .hint(format!("for example: tcp = \"{}:25\"", shown(&host.text(0))))),
    }
}

/// Parses a registrable domain, by the public suffix list and the declarations of the configuration.
pub(crate) fn zone(text: &str, declared: &Declared) -> Result<String, ValueError> {
    let name = dns_name(text.trim())?;
    match Registration::of(&name, declared) {
        Registration::Known(zone) | Registration::Unlisted(zone) if zone == name => Ok(zone),
        Registration::Known(zone) | Registration::Unlisted(zone) => {
            let hint = if may_be_declared(&name) {
                format!(
                    "the registered domain is \"{zone}\"; where \"{name}\" is a registration of its \
                     own, declare it: [domain.\"{name}\"]"
                )
            } else {
                format!("the registered domain is \"{zone}\"")
            };
            Err(ValueError::new(format!("`{}` is below a registered domain, not one itself", shown(text)))
                .hint(hint))
        }
        Registration::None => Err(ValueError::new(format!("`{}` cannot be registered", shown(text)))
            .hint("one label below a public suffix: \"acme.app\"")),
    }
}
