//! Keys of what is monitored: services, probes, registered domains.

use super::{FAILING_FOR, HOST, INTERVAL, THRESHOLD, TIMEOUT, URL, edge, later, optional, string};
use crate::kind::{Field, Kind};
use std::time::Duration;

const LATENCY: Kind = Kind::Duration { min: Duration::from_millis(1), max: Duration::from_secs(120) };
const DOMAIN_NAME: Kind = string("a registrable domain such as \"acme.app\"");
const DEPENDENCY: Kind = Kind::String {
    what: "a service or pool: \"service.NAME\"",
    pattern: Some("^(service|pool)\\.[A-Za-z0-9]"),
};

const HTTP: &[Field] = &[
    optional(
        "path",
        Kind::String { what: "a path that begins with /", pattern: Some("^/") },
        "/",
        "Request path.",
        "\"/health\"",
    ),
    optional(
        "expect",
        Kind::Table(EXPECT),
        "any 2xx; for `/` the status code of the first answer, if below 500",
        "Which responses are successful.",
        "{ status = [200, 401] }",
    ),
    optional(
        "failing_for",
        FAILING_FOR,
        "as in [probe_defaults]",
        "How long it must fail before an alert fires.",
        "\"30s\"",
    ),
];

pub(super) const SERVICE: &[Field] = &[
    optional("title", Kind::Text, "the name", "Name of its component on the status page.", "\"Sign-in\""),
    optional("group", Kind::Text, "none", "Component group of the status page.", "\"Customer-facing\""),
    optional(
        "hosts",
        Kind::List { of: &HOST, min: 0 },
        "none",
        "Public host names, with a port if it is not 443. `http`, `tls`, `dns` and `domain` probes are derived from each. `*.acme.app` is probed by the names in `wildcard_samples`; `*` alone matches every host of the edge that no other service has.",
        "[\"auth.acme.com\", \"*.acme.app\"]",
    ),
    optional(
        "wildcard_samples",
        Kind::List { of: &HOST, min: 0 },
        "none",
        "Existing names to probe below each wildcard of `hosts`.",
        "[\"demo.acme.app\"]",
    ),
    optional(
        "depends_on",
        Kind::List { of: &DEPENDENCY, min: 0 },
        "none",
        "Services and pools that it depends on. A failure there explains a failure here, and pages once.",
        "[\"service.mail\"]",
    ),
    optional(
        "schedule",
        Kind::Name("schedule"),
        "the schedules of the escalation",
        "On-call schedule of this service.",
        "\"platform\"",
    ),
    optional(
        "escalation",
        Kind::Name("escalation"),
        "default",
        "Escalation policy of this service.",
        "\"default\"",
    ),
    optional("public", Kind::Boolean, "true", "Shows the service on the status page.", "false"),
    optional(
        "traffic",
        Kind::Table(edge::TRAFFIC),
        "not served by the edge",
        "How the edge serves its hosts: pool, limits, denials. Requires `[edge]`.",
        "{ pool = \"auth\" }",
    ),
    optional(
        "http",
        Kind::Optional(HTTP),
        "{ path = \"/\" }",
        "Request of the derived `http` probes; `false` derives none. A `[probe.NAME]` that requests the same host and port by https for this service replaces the derived one.",
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
    optional("body_contains", Kind::Text, "nothing", "Text that the response body must contain.", "\"ok\""),
    optional("max_latency", LATENCY, "the timeout", "A slower response is a fault.", "\"2s\""),
    later("json", "checks of a JSON body"),
];

pub(super) const PROBE: &[Field] = &[
    optional(
        "http",
        URL,
        "",
        "Requests this URL and follows redirects. A probe has exactly one of `http`, `tcp`, `dns`, `tls`, `domain`.",
        "\"https://shop.acme.com/health\"",
    ),
    optional(
        "tcp",
        string("a host with a port: \"mail.acme.com:25\""),
        "",
        "Opens a TCP connection.",
        "\"mail.acme.com:25\"",
    ),
    optional(
        "dns",
        DOMAIN_NAME,
        "",
        "Queries the parent zone, the name servers and the resolvers of a domain.",
        "\"acme.app\"",
    ),
    optional(
        "tls",
        HOST,
        "",
        "Fetches the certificate of a host, with a port if it is not 443.",
        "\"mail.acme.com:993\"",
    ),
    optional("domain", DOMAIN_NAME, "", "Queries the registry of a domain.", "\"acme.app\""),
    optional("interval", INTERVAL, "as in [probe_defaults]", "Time between probes.", "\"30s\""),
    optional("timeout", TIMEOUT, "as in [probe_defaults]", "Timeout of one probe.", "\"5s\""),
    optional(
        "failure_threshold",
        THRESHOLD,
        "as in [probe_defaults]",
        "Consecutive failures before an alert fires.",
        "3",
    ),
    optional(
        "success_threshold",
        THRESHOLD,
        "as in [probe_defaults]",
        "Consecutive successes before an alert resolves.",
        "2",
    ),
    optional(
        "failing_for",
        FAILING_FOR,
        "as in [probe_defaults]",
        "How long it must fail before an alert fires.",
        "\"30s\"",
    ),
    optional(
        "expect",
        Kind::Table(EXPECT),
        "any 2xx",
        "Which responses to `http` are successful.",
        "{ status = [200], body_contains = \"ok\", max_latency = \"2s\" }",
    ),
    optional("service", Kind::Name("service"), "none", "The service that it monitors.", "\"auth\""),
    later("postgres", "queries to a database"),
    later("plugin", "Nagios plugins as probes"),
];

pub(super) const DOMAIN: &[Field] = &[optional(
    "expires",
    Kind::Date,
    "as published by the registry",
    "Expiry of the registration, for registries that do not publish it. A date means its first moment in UTC.",
    "2027-03-01",
)];
