//! The configuration as it is written: every value parsed, no reference checked yet.

pub(crate) mod edge;
pub(crate) mod http;
pub(crate) mod people;
pub(crate) mod pool;
pub(crate) mod probe;
pub(crate) mod traffic;

use self::edge::RawEdge;
use self::http::RawHttp;
use self::people::{RawChannel, RawEscalation, RawPerson, RawSchedule};
use self::pool::{RawCaller, RawPool};
use self::probe::RawProbe;
use self::traffic::RawTraffic;
use crate::diagnostics::{Diagnostics, Place};
use crate::parse::address::{listen, network};
use crate::parse::domain::{Declared, Registration, may_be_declared};
use crate::parse::host::{Host, Pattern, dns_name};
use crate::parse::scalar;
use crate::parse::url::Url;
use crate::reader::document::DocumentReader;
use crate::reader::table::TableReader;
use crate::reader::value::At;
use crate::value_error::ValueError;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use types::config::{Dns, Publish, Registry, Site, StatusPage};
use types::{Resource, Time};

/// Everything that was written.
pub(crate) struct RawConfig {
    pub(crate) site: Site,
    /// Where `site.url` stands, when it was written.
    pub(crate) url: Option<At<Url>>,
    pub(crate) dns: Dns,
    pub(crate) registry: Registry,
    pub(crate) watch: ProbeDefaults,
    pub(crate) services: BTreeMap<String, RawService>,
    pub(crate) probes: BTreeMap<String, RawProbe>,
    pub(crate) domains: BTreeMap<String, RawDomain>,
    /// Where registrations begin, by the configuration's own word.
    pub(crate) declared: Declared,
    pub(crate) people: BTreeMap<String, RawPerson>,
    pub(crate) schedules: BTreeMap<String, RawSchedule>,
    pub(crate) escalations: BTreeMap<String, RawEscalation>,
    pub(crate) channels: BTreeMap<String, RawChannel>,
    pub(crate) edge: Option<RawEdge>,
    pub(crate) pools: BTreeMap<String, RawPool>,
    pub(crate) callers: BTreeMap<String, RawCaller>,
    pub(crate) status_page: StatusPage,
}

impl RawConfig {
    /// Returns the registrable domain behind a host whose name servers and registry can be queried: below a suffix of the
    /// public suffix list, or below a top-level domain that only this configuration declares (a test network with its own
    /// root servers or registry).
    pub(crate) fn zone_behind(&self, host: &Host) -> Option<String> {
        match Registration::of(host.dns()?, &self.declared) {
            Registration::Known(zone) => Some(zone),
            Registration::Unlisted(zone) if self.is_own_suffix(&zone) => Some(zone),
            Registration::Unlisted(_) | Registration::None => None,
        }
    }

    /// Whether the configuration declares where the suffix of a domain, which is not on the public suffix list, is served.
    pub(crate) fn is_own_suffix(&self, zone: &str) -> bool {
        let suffix = zone.split_once('.').map_or(zone, |(_, suffix)| suffix);
        let registry = &self.registry;
        !self.dns.roots.is_empty()
            || registry.rdap.contains_key(suffix)
            || registry.whois.contains_key(suffix)
    }
}

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

/// A service as written.
#[derive(Debug)]
pub(crate) struct RawService {
    pub(crate) place: Place,
    pub(crate) title: String,
    pub(crate) group: Option<String>,
    pub(crate) hosts: Vec<At<Pattern>>,
    /// Where `*` stands among them: every host that no other service has.
    pub(crate) every_host: Option<Place>,
    /// Whether `hosts` names any, right or wrong.
    pub(crate) has_hosts: bool,
    pub(crate) samples: Vec<At<Host>>,
    /// Whether `wildcard_samples` names any, right or wrong.
    pub(crate) has_samples: bool,
    /// Services and pools.
    pub(crate) needs: Vec<At<Resource>>,
    pub(crate) schedule: Option<At<String>>,
    pub(crate) escalation: Option<At<String>>,
    pub(crate) public: bool,
    pub(crate) guard: Option<RawTraffic>,
    pub(crate) http: Option<At<RawHttp>>,
}

/// A declared date.
#[derive(Debug)]
pub(crate) struct RawDomain {
    pub(crate) place: Place,
    pub(crate) expires: Option<Time>,
}

/// Reads every section.
pub(crate) fn read(root: &DocumentReader<'_>, folder: &Path, diagnostics: &mut Diagnostics) -> RawConfig {
    let (site, url) = root.one(diagnostics, "site", |table, diagnostics| site(table, folder, diagnostics));
    let zone = site.timezone.clone();
    let title = if site.name == NO_NAME { site.name.clone() } else { format!("{} status", site.name) };
    let mut registry =
        root.one(diagnostics, "registry", |table, diagnostics| registry(table, folder, diagnostics));
    let declared = declared(root, &registry);
    let domains = domains(root, &declared, diagnostics);
    registry.suffixes.extend(declared.registrations.iter().filter_map(|zone| declared.suffix_of(zone)));
    RawConfig {
        dns: root.one(diagnostics, "dns", dns),
        registry,
        watch: root.one(diagnostics, "probe_defaults", watch),
        services: root.each(diagnostics, "service", service),
        probes: root
            .each(diagnostics, "probe", |_, table, diagnostics| probe::read(table, &declared, diagnostics)),
        domains,
        people: root.each(diagnostics, "person", |name, table, diagnostics| {
            people::person(name, table, &zone, diagnostics)
        }),
        schedules: root.each(diagnostics, "schedule", |_, table, diagnostics| {
            people::schedule(table, &zone, diagnostics)
        }),
        escalations: root
            .each(diagnostics, "escalation", |_, table, diagnostics| people::escalation(table, diagnostics)),
        channels: root.each(diagnostics, "channel", |_, table, diagnostics| {
            people::channel(table, folder, diagnostics)
        }),
        edge: root.maybe(diagnostics, "edge", |table, diagnostics| {
            edge::read(table, folder, site.listen, diagnostics)
        }),
        pools: root.each(diagnostics, "pool", pool::pool),
        callers: root.each(diagnostics, "caller", |name, table, diagnostics| {
            pool::caller(name, table, folder, diagnostics)
        }),
        status_page: root
            .one(diagnostics, "status_page", |table, diagnostics| status_page(table, title, diagnostics)),
        site,
        url,
        declared,
    }
}

/// A name for people, made from a name in the configuration: `sign-in` becomes `Sign in`.
pub(crate) fn title_of(name: &str) -> String {
    let mut title: String = name.chars().map(|c| if c == '-' || c == '_' { ' ' } else { c }).collect();
    if let Some(first) = title.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    title
}

const NO_NAME: &str = "Status";
/// The data folder of a configuration that names none.
pub(crate) const DATA: &str = "mainstay-data";

fn site(
    table: &mut TableReader<'_>,
    folder: &Path,
    diagnostics: &mut Diagnostics,
) -> (Site, Option<At<Url>>) {
    let name =
        table.string(diagnostics, "name", scalar::text).map_or_else(|| NO_NAME.to_owned(), |at| at.value);
    let zone = table.string(diagnostics, "timezone", scalar::timezone).map_or(TimeZone::UTC, |at| at.value);
    let data = table.string(diagnostics, "data", |text| scalar::path(text, folder));
    let listen = table.string(diagnostics, "listen", listen);
    let url = table.string(diagnostics, "url", |text| {
        let url = Url::read(text)?;
        if url.rest.contains('?') {
            Err(ValueError::new("the status page's address has a question mark"))
        } else if !url.rest.trim_matches('/').is_empty() {
            // Pages, feeds and links in messages name paths from the root.
            Err(ValueError::new("the status page cannot stand below a path")
                .hint("give it a name of its own: \"https://status.acme.net\""))
        } else {
            Ok(url)
        }
    });
    let trust = table.strings(diagnostics, "extra_ca_files", |text| scalar::path(text, folder));
    let inner = table.strings(diagnostics, "allow_private", network);
    let listen = listen.map_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)), |at| at.value);
    let reachable = if listen.ip().is_unspecified() {
        format!("localhost:{}", listen.port())
    } else {
        listen.to_string()
    };
    let site = Site {
        name,
        timezone: zone,
        data: data.map_or_else(|| folder.join(DATA), |at| at.value),
        listen,
        url: url.as_ref().map_or_else(
            || format!("http://{reachable}"),
            |at| at.value.text().trim_end_matches('/').to_owned(),
        ),
        extra_ca_files: trust.into_iter().map(|at| at.value).collect(),
        allow_private: inner.into_iter().map(|at| at.value).collect(),
    };
    (site, url)
}

fn dns(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> Dns {
    let resolvers = table.strings(diagnostics, "resolvers", |text| {
        let bare = || text.trim().parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53));
        text.trim().parse().ok().or_else(bare).filter(|at: &SocketAddr| at.port() > 0).ok_or_else(|| {
            ValueError::new(format!("`{}` is not an address with a port", crate::suggest::shown(text)))
                .hint("resolvers are named by address, not by name: \"9.9.9.9:53\"")
        })
    });
    let roots = table.strings(diagnostics, "roots", |text| {
        text.trim().parse::<IpAddr>().map_err(|_| {
            ValueError::new(format!("`{}` is not an address", crate::suggest::shown(text)))
                .hint("an address alone; the port is `port`")
        })
    });
    let port = table.integer(diagnostics, "port");
    Dns {
        resolvers: resolvers.into_iter().map(|at| at.value).collect(),
        roots: roots.into_iter().map(|at| at.value).collect(),
        port: port.unwrap_or(53),
    }
}

fn registry(table: &mut TableReader<'_>, folder: &Path, diagnostics: &mut Diagnostics) -> Registry {
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

/// Where registrations begin by the configuration's own word: below each suffix that it names a registry for, and at each domain
/// that has a section of its own.
fn declared(root: &DocumentReader<'_>, registry: &Registry) -> Declared {
    let named = registry.rdap.keys().chain(registry.whois.keys()).filter(|suffix| suffix.contains('.'));
    let suffixes = registry.suffixes.iter().chain(named).cloned().collect();
    let names = root.names("domain").filter_map(|name| dns_name(name.trim()).ok());
    Declared { suffixes, registrations: names.filter(|name| may_be_declared(name)).collect() }
}
/// A restart of four seconds, as each deploy has one, is no outage yet.
const FAILING_FOR: Duration = Duration::from_secs(5);

fn watch(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> ProbeDefaults {
    let mut every = |name, secs| table.duration(diagnostics, name).unwrap_or(Duration::from_secs(secs));
    ProbeDefaults {
        http: every("http", 30),
        tls: every("tls", 3_600),
        dns: every("dns", 60),
        domain: every("domain", 86_400),
        timeout: every("timeout", 10),
        failure_threshold: table.integer(diagnostics, "failure_threshold").unwrap_or(3),
        success_threshold: table.integer(diagnostics, "success_threshold").unwrap_or(2),
        failing_for: table.duration(diagnostics, "failing_for").unwrap_or(FAILING_FOR),
    }
}

/// The star that stands for every host, and the others.
fn hosts(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> (Option<Place>, Vec<At<Pattern>>) {
    let read = |text: &str| if text.trim() == "*" { Ok(None) } else { Pattern::read(text).map(Some) };
    let listed = table.strings(diagnostics, "hosts", read);
    let every_host = listed.iter().find(|at| at.value.is_none()).map(|at| at.place.clone());
    let hosts = listed.into_iter().filter_map(|At { value, place }| Some(At { value: value?, place }));
    (every_host, hosts.collect())
}

fn service(name: &str, table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> RawService {
    let (every_host, hosts) = hosts(table, diagnostics);
    RawService {
        place: table.place.clone(),
        title: table.string(diagnostics, "title", scalar::text).map_or_else(|| title_of(name), |at| at.value),
        group: table.string(diagnostics, "group", scalar::text).map(|at| at.value),
        hosts,
        every_host,
        has_hosts: table.is_filled("hosts"),
        samples: table.strings(diagnostics, "wildcard_samples", |text| {
            if text.contains('*') {
                Err(ValueError::new("a sample is a concrete name, without a star"))
            } else {
                Host::read(text)
            }
        }),
        has_samples: table.is_filled("wildcard_samples"),
        needs: table.strings(diagnostics, "depends_on", need),
        schedule: table.string(diagnostics, "schedule", name_of),
        escalation: table.string(diagnostics, "escalation", name_of),
        public: table.boolean(diagnostics, "public").unwrap_or(true),
        guard: table.subtable(diagnostics, "traffic", traffic::read),
        http: http::read(table, diagnostics),
    }
}

/// A name of something else; whether it exists is judged later.
pub(crate) fn name_of(text: &str) -> Result<String, ValueError> {
    Ok(text.to_owned())
}

/// `service.NAME` or `pool.NAME`; other kinds of things are not served yet, and said so.
fn need(text: &str) -> Result<Resource, ValueError> {
    let shown = crate::suggest::shown(text);
    match text.split_once('.') {
        Some(("service", name)) if !name.is_empty() => Ok(Resource::service(name)),
        Some(("pool", name)) if !name.is_empty() => Ok(Resource::pool(name)),
        Some((kind @ ("database" | "heartbeat"), _)) => {
            Err(ValueError::new(format!("`{shown}`: {kind}s are not served by this version"))
                .hint("take it out for now; nothing is ignored silently"))
        }
        Some((kind @ ("host" | "tls" | "dns" | "domain" | "probe"), _)) => {
            Err(ValueError::new(format!("`{shown}`: a service cannot need a {kind} by name"))
                .hint("name the service that it belongs to: depends_on = [\"service.mail\"]"))
        }
        _ => Err(ValueError::new(format!("`{shown}` does not say what kind of thing it is"))
            .hint(format!("write \"service.{shown}\""))),
    }
}

fn domains(
    root: &DocumentReader<'_>,
    declared: &Declared,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<String, RawDomain> {
    let written = root.each(diagnostics, "domain", |name, table, diagnostics| {
        let place = table.place.clone();
        let zone = probe::zone(name, declared);
        if let Err(error) = &zone {
            let hint = error.hint.clone().text_or(|| "for example: [domain.\"acme.app\"]".to_owned());
            diagnostics.error(place.clone(), error.message.clone(), hint);
        }
        let expires = table.date(diagnostics, "expires").map(|at| at.value);
        zone.ok().map(|zone| (zone, RawDomain { place, expires }))
    });
    let mut out: BTreeMap<String, RawDomain> = BTreeMap::new();
    for (zone, domain) in written.into_values().flatten() {
        if out.contains_key(&zone) {
            diagnostics.error(
                domain.place.clone(),
                format!("`{zone}` is declared twice"),
                "keep one of them",
            );
        }
        out.insert(zone, domain);
    }
    out
}

fn status_page(table: &mut TableReader<'_>, title: String, diagnostics: &mut Diagnostics) -> StatusPage {
    let title = table.string(diagnostics, "title", scalar::text).map_or(title, |at| at.value);
    let history = table.duration(diagnostics, "history").unwrap_or(Duration::from_secs(90 * 86_400));
    let publish = table.string(diagnostics, "publish", |text| match text {
        "automatic" => Ok(Publish::Automatic),
        "approve" => Ok(Publish::Approve),
        "manual" => Ok(Publish::Manual),
        _ => Err(ValueError::new(format!("`{}` is not a way to publish", crate::suggest::shown(text)))
            .hint("\"automatic\", \"approve\" or \"manual\"")),
    });
    StatusPage {
        title,
        history_days: u16::try_from(history.as_secs().div_ceil(86_400)).unwrap_or(90),
        publish: publish.map_or(Publish::Automatic, |at| at.value),
        order: Vec::new(),
    }
}
