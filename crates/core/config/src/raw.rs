//! The configuration as it is written: every value parsed, no reference checked yet. Each section is declared once, in its
//! module here.

pub(crate) mod audit;
pub(crate) mod cache;
pub(crate) mod channel;
pub(crate) mod database;
pub(crate) mod edge;
pub(crate) mod expect;
pub(crate) mod external_pool;
pub(crate) mod heartbeat;
pub(crate) mod http;
pub(crate) mod load;
pub(crate) mod lookups;
pub(crate) mod maintenance;
pub(crate) mod notices;
pub(crate) mod offline;
pub(crate) mod people;
pub(crate) mod pool;
pub(crate) mod probe;
pub(crate) mod request;
pub(crate) mod schedule;
pub(crate) mod service;
pub(crate) mod site;
pub(crate) mod source;
pub(crate) mod traffic;

use self::audit::RawAudit;
use self::channel::RawChannel;
use self::database::RawDatabase;
use self::edge::RawEdge;
use self::heartbeat::RawHeartbeat;
use self::load::RawLoad;
use self::maintenance::RawMaintenance;
use self::notices::RawNotices;
use self::people::{RawEscalation, RawPerson};
use self::pool::{RawCaller, RawPool};
use self::probe::{ProbeDefaults, RawProbe};
use self::schedule::RawSchedule;
use self::service::RawService;
use self::site::{RawSite, RawStatusPage};
use self::source::RawSource;
use crate::document::DocumentReader;
use crate::kind::value::At;
use crate::kind::{Context, Section, Sectional};
use crate::parse::domain::{Declared, Registration};
use crate::parse::host::Host;
use crate::parse::url::Url;
use std::collections::BTreeMap;
use types::config::{Dns, Domain, Registry, Site, StatusPage};

/// All sections, in the order of the reference page.
pub(crate) const SECTIONS: &[Section] = &[
    RawSite::SECTION,
    RawService::SECTION,
    RawProbe::SECTION,
    RawHeartbeat::SECTION,
    Domain::SECTION,
    RawPerson::SECTION,
    RawSchedule::SECTION,
    RawEscalation::SECTION,
    RawChannel::SECTION,
    RawNotices::SECTION,
    RawStatusPage::SECTION,
    RawAudit::SECTION,
    RawEdge::SECTION,
    RawPool::SECTION,
    RawDatabase::SECTION,
    RawCaller::SECTION,
    RawSource::SECTION,
    RawLoad::SECTION,
    RawMaintenance::SECTION,
    ProbeDefaults::SECTION,
    Dns::SECTION,
    Registry::SECTION,
];

/// The configuration as it is written.
pub(crate) struct RawConfig {
    pub(crate) site: Site,
    /// `site.url`, if it is written.
    pub(crate) url: Option<At<Url>>,
    pub(crate) dns: Dns,
    pub(crate) registry: Registry,
    pub(crate) probe_defaults: ProbeDefaults,
    pub(crate) services: BTreeMap<String, RawService>,
    pub(crate) probes: BTreeMap<String, RawProbe>,
    pub(crate) domains: BTreeMap<String, At<Domain>>,
    /// Suffixes and registrations that the configuration declares.
    pub(crate) declared: Declared,
    pub(crate) databases: BTreeMap<String, RawDatabase>,
    pub(crate) people: BTreeMap<String, RawPerson>,
    pub(crate) schedules: BTreeMap<String, RawSchedule>,
    pub(crate) escalations: BTreeMap<String, RawEscalation>,
    pub(crate) channels: BTreeMap<String, RawChannel>,
    pub(crate) notices: Option<RawNotices>,
    pub(crate) edge: Option<RawEdge>,
    pub(crate) pools: BTreeMap<String, RawPool>,
    pub(crate) callers: BTreeMap<String, RawCaller>,
    pub(crate) sources: BTreeMap<String, RawSource>,
    pub(crate) loads: BTreeMap<String, RawLoad>,
    pub(crate) heartbeats: BTreeMap<String, RawHeartbeat>,
    pub(crate) maintenances: BTreeMap<String, RawMaintenance>,
    pub(crate) status_page: StatusPage,
    /// `status_page.subscribers.mail`, if it is written.
    pub(crate) mail_channel: Option<At<String>>,
    pub(crate) audit: RawAudit,
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

/// Reads every section.
pub(crate) fn read(root: &DocumentReader<'_>, context: &mut Context<'_>) -> RawConfig {
    let site: RawSite = root.one(context);
    let title = site.page_title();
    let url = site.url.clone();
    let site = site.resolve(context.folder);
    let mut registry: Registry = root.one(context);
    context.declared = lookups::declared(root, &registry);
    let domains = lookups::domains(root, context);
    let declared = context.declared.clone();
    registry.suffixes.extend(declared.registrations.iter().filter_map(|zone| declared.suffix_of(zone)));
    let edge: Option<RawEdge> = root.maybe(context);
    if let Some(edge) = &edge {
        edge.check(site.listen, context.diagnostics);
    }
    let status_page: RawStatusPage = root.one(context);
    RawConfig {
        mail_channel: status_page.subscribers.as_ref().and_then(|subscribers| subscribers.mail.clone()),
        status_page: status_page.resolve(title),
        dns: root.one(context),
        registry,
        probe_defaults: root.one(context),
        services: root.each(context, |_, service, _, _| service),
        probes: root.each(context, |_, probe: RawProbe, _, context| probe.check(context.diagnostics)),
        domains,
        databases: root
            .each(context, |_, database: RawDatabase, _, context| database.check(context.diagnostics)),
        people: root.each(context, |_, person, _, _| person),
        schedules: root.each(context, |_, schedule, _, _| schedule),
        escalations: root.each(context, |_, escalation, _, _| escalation),
        channels: root
            .each(context, |name, channel: RawChannel, _, context| channel.check(name, context.diagnostics)),
        notices: root.maybe(context).map(|notices: RawNotices| notices.check(context.diagnostics)),
        edge,
        pools: root.each(context, |_, pool: RawPool, _, context| pool.check(context.diagnostics)),
        callers: root.each(context, |_, caller: RawCaller, _, context| caller.check(context.diagnostics)),
        sources: root.each(context, |_, source: RawSource, _, context| source.check(context.diagnostics)),
        loads: root.each(context, |_, load, _, _| load),
        heartbeats: root
            .each(context, |_, heartbeat: RawHeartbeat, _, context| heartbeat.check(context.diagnostics)),
        maintenances: root
            .each(context, |_, planned: RawMaintenance, _, context| planned.check(context.diagnostics)),
        audit: root.one(context),
        site,
        url,
        declared,
    }
}

/// Makes a display name from a name in the configuration: `sign-in` becomes `Sign in`.
pub(crate) fn title_of(name: &str) -> String {
    let mut title: String = name.chars().map(|c| if c == '-' || c == '_' { ' ' } else { c }).collect();
    if let Some(first) = title.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    title
}

#[cfg(test)]
mod tests {
    use super::SECTIONS;
    use crate::kind::{Absent, Key};

    /// A type without a short form needs its default in words: `default VALUE => "in words"`.
    #[test]
    fn every_default_is_shown() {
        fn check(path: &str, keys: &[Key]) {
            for key in keys {
                let path = format!("{path}.{}", key.name);
                assert!(!matches!(key.absent, Absent::Default(show) if show().is_empty()), "{path}");
                check(&path, key.kind.keys().unwrap_or_default());
            }
        }
        for section in SECTIONS {
            check(section.name, section.keys);
        }
    }
}
