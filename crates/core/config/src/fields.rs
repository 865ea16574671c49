//! The one table of everything that may stand in a configuration: it drives reading, hints, the JSON Schema and the reference.

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

/// How often something is asked. The lower end is for laboratories; nobody should be asked that often in earnest.
const EVERY: Kind = Kind::Duration { min: Duration::from_millis(50), max: Duration::from_secs(7 * 86_400) };
const TIMEOUT: Kind = Kind::Duration { min: Duration::from_millis(50), max: Duration::from_secs(120) };
/// How long something must fail before anybody is told.
const FAILING_FOR: Kind = Kind::Duration { min: Duration::ZERO, max: Duration::from_secs(3_600) };
const IN_A_ROW: Kind = Kind::Integer { min: 1, max: 100 };

const ZONE: Kind = string("a time zone such as \"Europe/Tallinn\"");
const URL: Kind = Kind::String { what: "a web address (http or https)", pattern: Some("^https?://") };
const PATH: Kind = string("the path of a file");
const HOST: Kind = string("a name such as \"auth.acme.com\"");
const SECRET: Kind =
    Kind::String { what: "where a secret is: \"env:NAME\" or \"file:PATH\"", pattern: Some("^(env|file):.") };

const NAMED: Option<Key> = Some(Key::Name);

/// Every section, in the order in which a configuration is best read.
pub(crate) const SECTIONS: &[Section] = &[
    Section { name: "site", key: None, doc: "This installation.", fields: site::SITE },
    Section {
        name: "service",
        key: NAMED,
        doc: "What people rely on. Needs nothing but `hosts`: the rest is derived.",
        fields: service::SERVICE,
    },
    Section {
        name: "probe",
        key: NAMED,
        doc: "A question written by hand, beside those derived from `hosts`.",
        fields: service::PROBE,
    },
    Section {
        name: "domain",
        key: Some(Key::Domain),
        doc: "What the configuration knows better than the registry tells. A name below a suffix that sells names without an ICANN registry is a registration of its own with this section.",
        fields: service::DOMAIN,
    },
    Section { name: "person", key: NAMED, doc: "A team member.", fields: team::PERSON },
    Section { name: "schedule", key: NAMED, doc: "Who is on call when.", fields: team::SCHEDULE },
    Section {
        name: "escalation",
        key: NAMED,
        doc: "Whom to wake, and whom next. Without `default` one is made: one step with all schedules (all people when there is no schedule), 5 minutes, repeated 3 times.",
        fields: team::ESCALATION,
    },
    Section { name: "channel", key: NAMED, doc: "A way to reach people.", fields: team::CHANNEL },
    Section { name: "status_page", key: None, doc: "The public status page.", fields: site::STATUS_PAGE },
    Section {
        name: "edge",
        key: None,
        doc: "mainstay's own edge: what visitors reach before your servers. Nothing of it runs without this section.",
        fields: edge::EDGE,
    },
    Section {
        name: "pool",
        key: NAMED,
        doc: "Servers behind the edge that are able to answer alike.",
        fields: edge::POOL,
    },
    Section {
        name: "caller",
        key: NAMED,
        doc: "A program of your own that asks your own services through the edge. It is not a visitor; the one for whom it asks is.",
        fields: edge::CALLER,
    },
    Section {
        name: "probe_defaults",
        key: None,
        doc: "How often and how patiently derived probes ask; defaults of hand-written ones.",
        fields: site::WATCH,
    },
    Section { name: "dns", key: None, doc: "How names are looked up.", fields: site::DNS },
    Section { name: "registry", key: None, doc: "How registrations are looked up.", fields: site::REGISTRY },
    later_section("database", NAMED, "databases with replicas and backups"),
    later_section("heartbeat", NAMED, "signs of life of scheduled jobs"),
];

/// The section of this name.
pub(crate) fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}
