//! The configuration as it was written: every word read, nothing yet compared with anything else.

use crate::address::{listen, network};
use crate::domain::{Declared, may_be_declared};
use crate::edge::{self, EdgeDraft};
use crate::form::{At, Form};
use crate::host::{Host, Pattern, dns_name};
use crate::marks::{Marks, Place};
use crate::people::{self, ChannelDraft, EscalationDraft, PersonDraft, ScheduleDraft};
use crate::pool::{self, CallerDraft, PoolDraft};
use crate::probe::{self, ProbeDraft};
use crate::root::Root;
use crate::traffic::{self, TrafficDraft};
use crate::url::Url;
use crate::web::{self, WebDraft};
use crate::word;
use crate::wrong::Wrong;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use types::config::{Dns, Publish, Registry, Site, StatusPage};
use types::{Resource, Time};

/// Everything that was written.
pub(crate) struct Draft {
    pub(crate) site: Site,
    /// Where `site.url` stands, when it was written.
    pub(crate) url: Option<At<Url>>,
    pub(crate) dns: Dns,
    pub(crate) registry: Registry,
    pub(crate) watch: Watch,
    pub(crate) services: BTreeMap<String, ServiceDraft>,
    pub(crate) probes: BTreeMap<String, ProbeDraft>,
    pub(crate) domains: BTreeMap<String, DomainDraft>,
    /// Where registrations begin, by the configuration's own word.
    pub(crate) declared: Declared,
    pub(crate) people: BTreeMap<String, PersonDraft>,
    pub(crate) schedules: BTreeMap<String, ScheduleDraft>,
    pub(crate) escalations: BTreeMap<String, EscalationDraft>,
    pub(crate) channels: BTreeMap<String, ChannelDraft>,
    pub(crate) edge: Option<EdgeDraft>,
    pub(crate) pools: BTreeMap<String, PoolDraft>,
    pub(crate) callers: BTreeMap<String, CallerDraft>,
    pub(crate) status_page: StatusPage,
}

/// How often and how patiently probes ask.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
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
pub(crate) struct ServiceDraft {
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
    pub(crate) guard: Option<TrafficDraft>,
    pub(crate) http: Option<At<WebDraft>>,
}

/// A declared date.
#[derive(Debug)]
pub(crate) struct DomainDraft {
    pub(crate) place: Place,
    pub(crate) expires: Option<Time>,
}

/// Reads every section.
pub(crate) fn read(root: &Root<'_>, folder: &Path, marks: &mut Marks) -> Draft {
    let (site, url) = root.one(marks, "site", |form, marks| site(form, folder, marks));
    let zone = site.timezone.clone();
    let title = if site.name == NO_NAME { site.name.clone() } else { format!("{} status", site.name) };
    let mut registry = root.one(marks, "registry", |form, marks| registry(form, folder, marks));
    let declared = declared(root, &registry);
    let domains = domains(root, &declared, marks);
    registry.suffixes.extend(declared.registrations.iter().filter_map(|zone| declared.suffix_of(zone)));
    Draft {
        dns: root.one(marks, "dns", dns),
        registry,
        watch: root.one(marks, "probe_defaults", watch),
        services: root.each(marks, "service", service),
        probes: root.each(marks, "probe", |_, form, marks| probe::read(form, &declared, marks)),
        domains,
        people: root.each(marks, "person", |name, form, marks| people::person(name, form, &zone, marks)),
        schedules: root.each(marks, "schedule", |_, form, marks| people::schedule(form, &zone, marks)),
        escalations: root.each(marks, "escalation", |_, form, marks| people::escalation(form, marks)),
        channels: root.each(marks, "channel", |_, form, marks| people::channel(form, folder, marks)),
        edge: root.maybe(marks, "edge", |form, marks| edge::read(form, folder, site.listen, marks)),
        pools: root.each(marks, "pool", pool::pool),
        callers: root.each(marks, "caller", |name, form, marks| pool::caller(name, form, folder, marks)),
        status_page: root.one(marks, "status_page", |form, marks| status_page(form, title, marks)),
        site,
        url,
        declared,
    }
}

/// A name for people, made from a name in the configuration: `sign-in` becomes `Sign in`.
pub(crate) fn titled(name: &str) -> String {
    let mut title: String = name.chars().map(|c| if c == '-' || c == '_' { ' ' } else { c }).collect();
    if let Some(first) = title.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    title
}

const NO_NAME: &str = "Status";
/// The data folder of a configuration that names none.
pub(crate) const DATA: &str = "mainstay-data";

fn site(form: &mut Form<'_>, folder: &Path, marks: &mut Marks) -> (Site, Option<At<Url>>) {
    let name = form.word(marks, "name", word::text).map_or_else(|| NO_NAME.to_owned(), |at| at.value);
    let zone = form.word(marks, "timezone", word::zone).map_or(TimeZone::UTC, |at| at.value);
    let data = form.word(marks, "data", |text| word::path(text, folder));
    let listen = form.word(marks, "listen", listen);
    let url = form.word(marks, "url", |text| {
        let url = Url::read(text)?;
        if url.rest.contains('?') {
            Err(Wrong::new("the status page's address has a question mark"))
        } else if !url.rest.trim_matches('/').is_empty() {
            // Pages, feeds and links in messages name paths from the root.
            Err(Wrong::new("the status page cannot stand below a path")
                .hint("give it a name of its own: \"https://status.acme.net\""))
        } else {
            Ok(url)
        }
    });
    let trust = form.words(marks, "extra_ca_files", |text| word::path(text, folder));
    let inner = form.words(marks, "allow_private", network);
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

fn dns(form: &mut Form<'_>, marks: &mut Marks) -> Dns {
    let resolvers = form.words(marks, "resolvers", |text| {
        let bare = || text.trim().parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53));
        text.trim().parse().ok().or_else(bare).filter(|at: &SocketAddr| at.port() > 0).ok_or_else(|| {
            Wrong::new(format!("`{}` is not an address with a port", crate::near::shown(text)))
                .hint("resolvers are named by address, not by name: \"9.9.9.9:53\"")
        })
    });
    let roots = form.words(marks, "roots", |text| {
        text.trim().parse::<IpAddr>().map_err(|_| {
            Wrong::new(format!("`{}` is not an address", crate::near::shown(text)))
                .hint("an address alone; the port is `port`")
        })
    });
    let port = form.count(marks, "port");
    Dns {
        resolvers: resolvers.into_iter().map(|at| at.value).collect(),
        roots: roots.into_iter().map(|at| at.value).collect(),
        port: port.unwrap_or(53),
    }
}

fn registry(form: &mut Form<'_>, folder: &Path, marks: &mut Marks) -> Registry {
    let suffix = |text: &str| dns_name(text.strip_prefix('.').unwrap_or(text));
    Registry {
        bootstrap: form.word(marks, "bootstrap", |text| word::path(text, folder)).map(|at| at.value),
        rdap: form.map(marks, "rdap", suffix, |text| Url::read(text).map(|url| url.text())),
        whois: form.map(marks, "whois", suffix, |text| Host::read(text).map(|host| host.text(43))),
        suffixes: form.words(marks, "suffixes", suffix).into_iter().map(|at| at.value).collect(),
    }
}

/// Where registrations begin by the configuration's own word: below each suffix that it names a registry for, and at each domain
/// that has a section of its own.
fn declared(root: &Root<'_>, registry: &Registry) -> Declared {
    let named = registry.rdap.keys().chain(registry.whois.keys()).filter(|suffix| suffix.contains('.'));
    let suffixes = registry.suffixes.iter().chain(named).cloned().collect();
    let names = root.names("domain").filter_map(|name| dns_name(name.trim()).ok());
    Declared { suffixes, registrations: names.filter(|name| may_be_declared(name)).collect() }
}
/// A restart of four seconds, as each deploy has one, is no outage yet.
const FAILING_FOR: Duration = Duration::from_secs(5);

fn watch(form: &mut Form<'_>, marks: &mut Marks) -> Watch {
    let mut every = |name, secs| form.span(marks, name).unwrap_or(Duration::from_secs(secs));
    Watch {
        http: every("http", 30),
        tls: every("tls", 3_600),
        dns: every("dns", 60),
        domain: every("domain", 86_400),
        timeout: every("timeout", 10),
        failure_threshold: form.count(marks, "failure_threshold").unwrap_or(3),
        success_threshold: form.count(marks, "success_threshold").unwrap_or(2),
        failing_for: form.span(marks, "failing_for").unwrap_or(FAILING_FOR),
    }
}

/// The star that stands for every host, and the others.
fn hosts(form: &mut Form<'_>, marks: &mut Marks) -> (Option<Place>, Vec<At<Pattern>>) {
    let read = |text: &str| if text.trim() == "*" { Ok(None) } else { Pattern::read(text).map(Some) };
    let listed = form.words(marks, "hosts", read);
    let every_host = listed.iter().find(|at| at.value.is_none()).map(|at| at.place.clone());
    let hosts = listed.into_iter().filter_map(|At { value, place }| Some(At { value: value?, place }));
    (every_host, hosts.collect())
}

fn service(name: &str, form: &mut Form<'_>, marks: &mut Marks) -> ServiceDraft {
    let (every_host, hosts) = hosts(form, marks);
    ServiceDraft {
        place: form.place.clone(),
        title: form.word(marks, "title", word::text).map_or_else(|| titled(name), |at| at.value),
        group: form.word(marks, "group", word::text).map(|at| at.value),
        hosts,
        every_host,
        has_hosts: form.is_filled("hosts"),
        samples: form.words(marks, "wildcard_samples", |text| {
            if text.contains('*') {
                Err(Wrong::new("a sample is a concrete name, without a star"))
            } else {
                Host::read(text)
            }
        }),
        has_samples: form.is_filled("wildcard_samples"),
        needs: form.words(marks, "depends_on", need),
        schedule: form.word(marks, "schedule", name_of),
        escalation: form.word(marks, "escalation", name_of),
        public: form.flag(marks, "public").unwrap_or(true),
        guard: form.table(marks, "traffic", traffic::read),
        http: web::read(form, marks),
    }
}

/// A name of something else; whether it exists is judged later.
pub(crate) fn name_of(text: &str) -> Result<String, Wrong> {
    Ok(text.to_owned())
}

/// `service.NAME` or `pool.NAME`; other kinds of things are not served yet, and said so.
fn need(text: &str) -> Result<Resource, Wrong> {
    let shown = crate::near::shown(text);
    match text.split_once('.') {
        Some(("service", name)) if !name.is_empty() => Ok(Resource::service(name)),
        Some(("pool", name)) if !name.is_empty() => Ok(Resource::pool(name)),
        Some((kind @ ("database" | "heartbeat"), _)) => {
            Err(Wrong::new(format!("`{shown}`: {kind}s are not served by this version"))
                .hint("take it out for now; nothing is ignored silently"))
        }
        Some((kind @ ("host" | "tls" | "dns" | "domain" | "probe"), _)) => {
            Err(Wrong::new(format!("`{shown}`: a service cannot need a {kind} by name"))
                .hint("name the service that it belongs to: depends_on = [\"service.mail\"]"))
        }
        _ => Err(Wrong::new(format!("`{shown}` does not say what kind of thing it is"))
            .hint(format!("write \"service.{shown}\""))),
    }
}

fn domains(root: &Root<'_>, declared: &Declared, marks: &mut Marks) -> BTreeMap<String, DomainDraft> {
    let written = root.each(marks, "domain", |name, form, marks| {
        let place = form.place.clone();
        let zone = probe::zone(name, declared);
        if let Err(wrong) = &zone {
            let hint = wrong.hint.clone().told(|| "for example: [domain.\"acme.app\"]".to_owned());
            marks.wrong(place.clone(), wrong.message.clone(), hint);
        }
        let expires = form.day(marks, "expires").map(|at| at.value);
        zone.ok().map(|zone| (zone, DomainDraft { place, expires }))
    });
    let mut out: BTreeMap<String, DomainDraft> = BTreeMap::new();
    for (zone, domain) in written.into_values().flatten() {
        if out.contains_key(&zone) {
            marks.wrong(domain.place.clone(), format!("`{zone}` is declared twice"), "keep one of them");
        }
        out.insert(zone, domain);
    }
    out
}

fn status_page(form: &mut Form<'_>, title: String, marks: &mut Marks) -> StatusPage {
    let title = form.word(marks, "title", word::text).map_or(title, |at| at.value);
    let history = form.span(marks, "history").unwrap_or(Duration::from_secs(90 * 86_400));
    let publish = form.word(marks, "publish", |text| match text {
        "automatic" => Ok(Publish::Automatic),
        "approve" => Ok(Publish::Approve),
        "manual" => Ok(Publish::Manual),
        _ => Err(Wrong::new(format!("`{}` is not a way to publish", crate::near::shown(text)))
            .hint("\"automatic\", \"approve\" or \"manual\"")),
    });
    StatusPage {
        title,
        history_days: u16::try_from(history.as_secs().div_ceil(86_400)).unwrap_or(90),
        publish: publish.map_or(Publish::Automatic, |at| at.value),
        order: Vec::new(),
    }
}
