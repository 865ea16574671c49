//! What may stand in a configuration about what is watched: services, probes by hand, registrations.

use super::{EVERY, FAILING_FOR, HOST, IN_A_ROW, TIMEOUT, URL, edge, later, optional, string};
use crate::kind::{Field, Kind};
use std::time::Duration;

const WITHIN: Kind = Kind::Duration { min: Duration::from_millis(1), max: Duration::from_secs(120) };
const ZONE_NAME: Kind = string("a registrable domain such as \"acme.app\"");
const NEED: Kind = Kind::String {
    what: "a service or a pool, written \"service.NAME\"",
    pattern: Some("^(service|pool)\\.[A-Za-z0-9]"),
};

const WEB: &[Field] = &[
    optional(
        "path",
        Kind::String { what: "a path that begins with /", pattern: Some("^/") },
        "/",
        "The path that is asked.",
        "\"/health\"",
    ),
    optional(
        "expect",
        Kind::Table(EXPECT),
        "any 2xx; for / whatever below 500 it answers from the first look on",
        "What a good answer looks like.",
        "{ status = [200, 401] }",
    ),
    optional(
        "failing_for",
        FAILING_FOR,
        "as in [probe_defaults]",
        "How long it must fail before an alert opens.",
        "\"30s\"",
    ),
];

pub(super) const SERVICE: &[Field] = &[
    optional(
        "title",
        Kind::Text,
        "the name",
        "Its name for visitors: a component of the status page.",
        "\"Sign-in\"",
    ),
    optional(
        "group",
        Kind::Text,
        "none",
        "The group of the status page that it stands in.",
        "\"Customer-facing\"",
    ),
    optional(
        "hosts",
        Kind::List { of: &HOST, min: 0 },
        "none",
        "Public names, with a port where that is not 443. From each follow probes of its web address, certificate, name servers and registration. `*.acme.app` stands for the names in `wildcard_samples`; `*` alone for every host that the edge is asked for and no other service has.",
        "[\"auth.acme.com\", \"*.acme.app\"]",
    ),
    optional(
        "wildcard_samples",
        Kind::List { of: &HOST, min: 0 },
        "none",
        "Concrete names to ask under each wildcard of `hosts`.",
        "[\"demo.acme.app\"]",
    ),
    optional(
        "depends_on",
        Kind::List { of: &NEED, min: 0 },
        "none",
        "Other services and pools that it cannot work without. A failure there explains a failure here, and wakes people once.",
        "[\"service.mail\"]",
    ),
    optional(
        "schedule",
        Kind::Name("schedule"),
        "those of the escalation",
        "Who is responsible for it.",
        "\"platform\"",
    ),
    optional("escalation", Kind::Name("escalation"), "default", "Whom to wake for it.", "\"default\""),
    optional("public", Kind::Boolean, "true", "Whether visitors see it on the status page.", "false"),
    optional(
        "traffic",
        Kind::Table(edge::GUARD),
        "served by somebody else",
        "How mainstay's own edge serves its hosts. Needs `[edge]`.",
        "{ pool = \"auth\" }",
    ),
    optional(
        "http",
        Kind::Optional(WEB),
        "{ path = \"/\" }",
        "How the web address of each of its hosts is asked; `false` asks none. A probe written by hand that asks the same host and port by https for this service takes the place of the derived one.",
        "{ path = \"/health\", expect = { status = [200, 401] } }",
    ),
];

const EXPECT: &[Field] = &[
    optional(
        "status",
        Kind::List { of: &Kind::Integer { min: 100, max: 599 }, min: 1 },
        "any 2xx",
        "Accepted status codes.",
        "[200, 204]",
    ),
    optional("body_contains", Kind::Text, "nothing", "Text that the body must contain.", "\"ok\""),
    optional("max_latency", WITHIN, "the timeout", "A slower answer is a fault, though it came.", "\"2s\""),
    later("json", "values inside a JSON body"),
];

pub(super) const PROBE: &[Field] = &[
    optional(
        "http",
        URL,
        "",
        "Asks this web address and follows redirects. Each probe has exactly one of http, tcp, dns, tls, domain.",
        "\"https://shop.acme.com/health\"",
    ),
    optional(
        "tcp",
        string("a name and a port: \"mail.acme.com:25\""),
        "",
        "Opens a connection.",
        "\"mail.acme.com:25\"",
    ),
    optional("dns", ZONE_NAME, "", "Asks parent, name servers and resolvers about a domain.", "\"acme.app\""),
    optional(
        "tls",
        HOST,
        "",
        "Fetches the certificate, with a port where that is not 443.",
        "\"mail.acme.com:993\"",
    ),
    optional("domain", ZONE_NAME, "", "Asks the registry about a domain.", "\"acme.app\""),
    optional("interval", EVERY, "as in [probe_defaults]", "How often.", "\"30s\""),
    optional("timeout", TIMEOUT, "as in [probe_defaults]", "How long one answer may take.", "\"5s\""),
    optional(
        "failure_threshold",
        IN_A_ROW,
        "as in [probe_defaults]",
        "How many bad answers in a row make an alert.",
        "3",
    ),
    optional(
        "success_threshold",
        IN_A_ROW,
        "as in [probe_defaults]",
        "How many good answers in a row end an alert.",
        "2",
    ),
    optional(
        "failing_for",
        FAILING_FOR,
        "as in [probe_defaults]",
        "How long it must fail before an alert opens.",
        "\"30s\"",
    ),
    optional(
        "expect",
        Kind::Table(EXPECT),
        "any 2xx",
        "What a good answer to `http` looks like.",
        "{ status = [200], body_contains = \"ok\", max_latency = \"2s\" }",
    ),
    optional("service", Kind::Name("service"), "none", "The service that it speaks for.", "\"auth\""),
    later("postgres", "questions to a database"),
    later("plugin", "Nagios plugins as probes"),
];

pub(super) const DOMAIN: &[Field] = &[optional(
    "expires",
    Kind::Date,
    "what the registry tells",
    "When the registration ends; only where the registry hides it. A date means its first moment in UTC.",
    "2027-03-01",
)];
