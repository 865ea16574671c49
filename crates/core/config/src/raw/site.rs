//! `[site]`, `[status_page]`, `[probe_defaults]`, `[dns]` and `[registry]` as written.

use crate::diagnostics::Diagnostics;
use crate::parse::address::{cidr, listen};
use crate::parse::host::{Host, dns_name};
use crate::parse::scalar;
use crate::parse::url::Url;
use crate::reader::table::TableReader;
use crate::reader::value::At;
use crate::suggest::shown;
use crate::value_error::ValueError;
use jiff::tz::TimeZone;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use types::config::{Dns, Publish, Registry, Site, StatusPage};

pub(crate) const NO_NAME: &str = "Status";
/// The default data folder.
pub(crate) const DATA: &str = "mainstay-data";

/// `[probe_defaults]` as written.
#[derive(Clone, Debug)]
pub(crate) struct ProbeDefaults {
    pub(crate) http: Duration,
    pub(crate) tls: Duration,
    pub(crate) dns: Duration,
    pub(crate) domain: Duration,
    pub(crate) timeout: Duration,
    pub(crate) failure_threshold: u32,
    pub(crate) success_threshold: u32,
    pub(crate) failing_for: Duration,
}

pub(crate) fn site(
    table: &mut TableReader<'_>,
    folder: &Path,
    diagnostics: &mut Diagnostics,
) -> (Site, Option<At<Url>>) {
    let name =
        table.string(diagnostics, "name", scalar::text).map_or_else(|| NO_NAME.to_owned(), |at| at.value);
    let timezone =
        table.string(diagnostics, "timezone", scalar::timezone).map_or(TimeZone::UTC, |at| at.value);
    let data = table.string(diagnostics, "data", |text| scalar::path(text, folder));
    let listen = table.string(diagnostics, "listen", listen);
    let url = table.string(diagnostics, "url", |text| {
        let url = Url::read(text)?;
        if url.rest.contains('?') {
            Err(ValueError::new("the URL of the status page has a query"))
        } else if !url.rest.trim_matches('/').is_empty() {
            // Pages, feeds and links in notifications use absolute paths.
            Err(ValueError::new("the status page cannot be below a path")
                .hint("use a host name of its own: \"https://status.acme.net\""))
        } else {
            Ok(url)
        }
    });
    let extra_ca_files = table.strings(diagnostics, "extra_ca_files", |text| scalar::path(text, folder));
    let allow_private = table.strings(diagnostics, "allow_private", cidr);
    let listen = listen.map_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)), |at| at.value);
    let reachable = if listen.ip().is_unspecified() {
        format!("localhost:{}", listen.port())
    } else {
        listen.to_string()
    };
    let site = Site {
        name,
        timezone,
        data: data.map_or_else(|| folder.join(DATA), |at| at.value),
        listen,
        url: url.as_ref().map_or_else(
            || format!("http://{reachable}"),
            |at| at.value.text().trim_end_matches('/').to_owned(),
        ),
        extra_ca_files: extra_ca_files.into_iter().map(|at| at.value).collect(),
        allow_private: allow_private.into_iter().map(|at| at.value).collect(),
    };
    (site, url)
}

pub(crate) fn dns(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> Dns {
    let resolvers = table.strings(diagnostics, "resolvers", |text| {
        let bare = || text.trim().parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53));
        text.trim().parse().ok().or_else(bare).filter(|at: &SocketAddr| at.port() > 0).ok_or_else(|| {
            ValueError::new(format!("`{}` is not an address with a port", shown(text)))
                .hint("resolvers are addresses, not names: \"9.9.9.9:53\"")
        })
    });
    let roots = table.strings(diagnostics, "roots", |text| {
        text.trim().parse::<IpAddr>().map_err(|_| {
            ValueError::new(format!("`{}` is not an address", shown(text)))
                .hint("an address without a port; the port is `port`")
        })
    });
    let port = table.integer(diagnostics, "port");
    Dns {
        resolvers: resolvers.into_iter().map(|at| at.value).collect(),
        roots: roots.into_iter().map(|at| at.value).collect(),
        port: port.unwrap_or(53),
    }
}

pub(crate) fn registry(
    table: &mut TableReader<'_>,
    folder: &Path,
    diagnostics: &mut Diagnostics,
) -> Registry {
    let suffix = |text: &str| dns_name(text.strip_prefix('.').unwrap_or(text));
    Registry {
        bootstrap: table
            .string(diagnostics, "bootstrap", |text| scalar::path(text, folder))
            .map(|at| at.value),
        rdap: table.map(diagnostics, "rdap", suffix, |text| Url::read(text).map(|url| url.text())),
        whois: table.map(diagnostics, "whois", suffix, |text| Host::read(text).map(|host| host.text(43))),
        suffixes: table.strings(diagnostics, "suffixes", suffix).into_iter().map(|at| at.value).collect(),
    }
}

/// A restart of four seconds, as in a deployment, is not an outage.
const FAILING_FOR: Duration = Duration::from_secs(5);

pub(crate) fn probe_defaults(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> ProbeDefaults {
    let mut interval = |name, secs| table.duration(diagnostics, name).unwrap_or(Duration::from_secs(secs));
    ProbeDefaults {
        http: interval("http", 30),
        tls: interval("tls", 3_600),
        dns: interval("dns", 60),
        domain: interval("domain", 86_400),
        timeout: interval("timeout", 10),
        failure_threshold: table.integer(diagnostics, "failure_threshold").unwrap_or(3),
        success_threshold: table.integer(diagnostics, "success_threshold").unwrap_or(2),
        failing_for: table.duration(diagnostics, "failing_for").unwrap_or(FAILING_FOR),
    }
}

pub(crate) fn status_page(
    table: &mut TableReader<'_>,
    title: String,
    diagnostics: &mut Diagnostics,
) -> StatusPage {
    let title = table.string(diagnostics, "title", scalar::text).map_or(title, |at| at.value);
    let history = table.duration(diagnostics, "history").unwrap_or(Duration::from_secs(90 * 86_400));
    let publish = table.string(diagnostics, "publish", |text| match text {
        "automatic" => Ok(Publish::Automatic),
        "approve" => Ok(Publish::Approve),
        "manual" => Ok(Publish::Manual),
        _ => Err(ValueError::new(format!("`{}` is not a value of `publish`", shown(text)))
            .hint("\"automatic\", \"approve\" or \"manual\"")),
    });
    StatusPage {
        title,
        history_days: u16::try_from(history.as_secs().div_ceil(86_400)).unwrap_or(90),
        publish: publish.map_or(Publish::Automatic, |at| at.value),
        order: Vec::new(),
    }
}
