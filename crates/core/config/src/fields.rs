//! The one table of all configuration keys. Reader, hints, JSON Schema and reference page are driven by it.

mod edge;
mod service;
mod site;
mod team;

use crate::kind::{Field, Key, Kind, Section};
use std::time::Duration;

const fn optional(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
    example: &'static str,
) -> Field {
    Field { name, kind, required: false, default, doc, example }
}

const fn required(name: &'static str, kind: Kind, doc: &'static str, example: &'static str) -> Field {
    Field { name, kind, required: true, default: "", doc, example }
}

const fn later(name: &'static str, doc: &'static str) -> Field {
    Field { name, kind: Kind::Later, required: false, default: "", doc, example: "" }
}

const fn later_section(name: &'static str, key: Option<Key>, doc: &'static str) -> Section {
    Section { name, key, doc, fields: &[] }
}

const fn string(what: &'static str) -> Kind {
    Kind::String { what, pattern: None }
}

const DAY: Duration = Duration::from_secs(86_400);

/// Interval of a probe. The minimum is for test networks; it is too short for servers in production.
const INTERVAL: Kind =
    Kind::Duration { min: Duration::from_millis(50), max: Duration::from_secs(7 * 86_400) };
const TIMEOUT: Kind = Kind::Duration { min: Duration::from_millis(50), max: Duration::from_secs(120) };
/// How long a probe must fail before an alert fires.
const FAILING_FOR: Kind = Kind::Duration { min: Duration::ZERO, max: Duration::from_secs(3_600) };
const THRESHOLD: Kind = Kind::Integer { min: 1, max: 100 };

const TIMEZONE: Kind = string("a timezone such as \"Europe/Tallinn\"");
const URL: Kind = Kind::String { what: "a URL (http or https)", pattern: Some("^https?://") };
const PATH: Kind = string("a file path");
const HOST: Kind = string("a host name such as \"auth.acme.com\"");
const SECRET: Kind =
    Kind::String { what: "a secret: \"env:NAME\" or \"file:PATH\"", pattern: Some("^(env|file):.") };

const NAMED: Option<Key> = Some(Key::Name);

/// All sections, in the order of the reference page.
pub(crate) const SECTIONS: &[Section] = &[
    Section { name: "site", key: None, doc: "This installation.", fields: site::SITE },
    Section {
        name: "service",
        key: NAMED,
        doc: "A service that users depend on. `hosts` is enough: its probes are derived.",
        fields: service::SERVICE,
    },
    Section {
        name: "probe",
        key: NAMED,
        doc: "A probe in addition to those derived from `hosts`.",
        fields: service::PROBE,
    },
    Section {
        name: "domain",
        key: Some(Key::Domain),
        doc: "Facts about a registered domain that its registry does not publish. Below a suffix that sells names without an ICANN registry, this section declares a name as a registration of its own.",
        fields: service::DOMAIN,
    },
    Section { name: "person", key: NAMED, doc: "A team member.", fields: team::PERSON },
    Section { name: "schedule", key: NAMED, doc: "An on-call schedule.", fields: team::SCHEDULE },
    Section {
        name: "escalation",
        key: NAMED,
        doc: "An escalation policy: who is paged, and who next. When `default` is not declared it is one step with all schedules (all people when there is no schedule), 5 minutes, repeated 3 times.",
        fields: team::ESCALATION,
    },
    Section { name: "channel", key: NAMED, doc: "A notification channel.", fields: team::CHANNEL },
    Section { name: "status_page", key: None, doc: "The public status page.", fields: site::STATUS_PAGE },
    Section {
        name: "edge",
        key: None,
        doc: "The edge: mainstay's reverse proxy in front of your servers. It runs only when this section is there.",
        fields: edge::EDGE,
    },
    Section {
        name: "pool",
        key: NAMED,
        doc: "A group of interchangeable servers behind the edge.",
        fields: edge::POOL,
    },
    Section {
        name: "caller",
        key: NAMED,
        doc: "A program of your own that calls your services through the edge. Requests that it makes for a client count as that client's.",
        fields: edge::CALLER,
    },
    Section {
        name: "probe_defaults",
        key: None,
        doc: "Intervals, timeouts and thresholds of derived probes; defaults of `[probe.NAME]`.",
        fields: site::PROBE_DEFAULTS,
    },
    Section { name: "dns", key: None, doc: "DNS lookups.", fields: site::DNS },
    Section {
        name: "registry",
        key: None,
        doc: "Lookups of domain registrations (RDAP and WHOIS).",
        fields: site::REGISTRY,
    },
    later_section("database", NAMED, "databases with replicas and backups"),
    later_section("heartbeat", NAMED, "heartbeats of scheduled jobs"),
];

/// Returns the section of this name.
pub(crate) fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}
