//! Keys of this installation: the site, its status page, lookups, defaults of probes.

use super::{DAY, FAILING_FOR, INTERVAL, PATH, THRESHOLD, TIMEOUT, TIMEZONE, URL, optional, string};
use crate::kind::{Field, Kind};
use std::time::Duration;

const HISTORY: Kind = Kind::Duration { min: DAY, max: Duration::from_secs(730 * 86_400) };

pub(super) const SITE: &[Field] = &[
    optional(
        "name",
        Kind::Text,
        "Status",
        "Name of the company or team, for the status page and notifications.",
        "\"Acme\"",
    ),
    optional(
        "timezone",
        TIMEZONE,
        "UTC",
        "Timezone of texts, and of people and schedules that name none. Everything is stored in UTC.",
        "\"Europe/Tallinn\"",
    ),
    optional(
        "data",
        PATH,
        "./mainstay-data",
        "Data folder: journal, time series, keys.",
        "\"/var/lib/mainstay\"",
    ),
    optional(
        "listen",
        string("an address with a port: \"127.0.0.1:8080\""),
        "127.0.0.1:8080",
        "Listen address of status page, console and API.",
        "\"127.0.0.1:8080\"",
    ),
    optional(
        "url",
        URL,
        "the address of `listen`",
        "Public URL of the status page, without a path. It should not share a registrable domain with a monitored service, or it fails together with it.",
        "\"https://status.acme.net\"",
    ),
    optional(
        "extra_ca_files",
        Kind::List { of: &PATH, min: 0 },
        "none",
        "PEM files with additional trusted root certificates, for private certificate authorities.",
        "[\"/etc/ssl/acme-root.pem\"]",
    ),
    optional(
        "allow_private",
        Kind::List { of: &string("a CIDR range such as \"10.0.0.0/8\""), min: 0 },
        "none",
        "Private address ranges that probes and webhooks may connect to. A monitored name that resolves to any other private address is a fault.",
        "[\"10.0.0.0/8\"]",
    ),
];

pub(super) const DNS: &[Field] = &[
    optional(
        "resolvers",
        Kind::List { of: &string("an address with a port: \"9.9.9.9:53\""), min: 0 },
        "those of the system",
        "Resolvers to query; each probe queries all of them.",
        "[\"9.9.9.9:53\", \"1.1.1.1:53\"]",
    ),
    optional(
        "roots",
        Kind::List { of: &string("an address such as \"198.41.0.4\""), min: 0 },
        "the root servers of the Internet",
        "Root servers from which delegations are followed.",
        "[\"127.0.0.53\"]",
    ),
    optional(
        "port",
        Kind::Integer { min: 1, max: 65_535 },
        "53",
        "Port of authoritative servers; another one only in test networks.",
        "53",
    ),
];

pub(super) const REGISTRY: &[Field] = &[
    optional(
        "bootstrap",
        PATH,
        "the built-in copy",
        "A newer copy of IANA's RDAP bootstrap file (`dns.json`).",
        "\"rdap-dns.json\"",
    ),
    optional(
        "rdap",
        Kind::Map { key: "top-level domain", of: &URL },
        "the bootstrap file",
        "RDAP base URL by top-level domain; takes precedence over the bootstrap file.",
        "{ io = \"https://rdap.identitydigital.services/rdap/\" }",
    ),
    optional(
        "whois",
        Kind::Map { key: "top-level domain", of: &string("a host, with a port if it is not 43") },
        "none",
        "WHOIS server by top-level domain, for registries without RDAP.",
        "{ gg = \"whois.gg\" }",
    ),
    optional(
        "suffixes",
        Kind::List { of: &string("a suffix such as \"uk.com\""), min: 0 },
        "a built-in list",
        "Suffixes without an ICANN registry below which each name is a registration of its own, with an expiry date and a registry to query.",
        "[\"uk.com\"]",
    ),
];

pub(super) const PROBE_DEFAULTS: &[Field] = &[
    optional("http", INTERVAL, "30s", "Interval of `http` and `tcp` probes.", "\"30s\""),
    optional(
        "tls",
        INTERVAL,
        "1h",
        "Interval of `tls` probes, which fetch the certificate of a host.",
        "\"1h\"",
    ),
    optional(
        "dns",
        INTERVAL,
        "60s",
        "Interval of `dns` probes, which query the parent zone, the name servers and the resolvers of a domain.",
        "\"60s\"",
    ),
    optional(
        "domain",
        INTERVAL,
        "1d",
        "Interval of `domain` probes, which query the registry. A change of DNS or TLS triggers one earlier.",
        "\"1d\"",
    ),
    optional(
        "timeout",
        TIMEOUT,
        "10s",
        "Timeout of one probe, all phases and redirects together.",
        "\"10s\"",
    ),
    optional(
        "failure_threshold",
        THRESHOLD,
        "3",
        "Consecutive failures before an alert fires. A first failure is followed up immediately, not after `interval`. `domain` probes need 1.",
        "3",
    ),
    optional(
        "success_threshold",
        THRESHOLD,
        "2",
        "Consecutive successes before an alert resolves. `domain` probes need 1.",
        "2",
    ),
    optional(
        "failing_for",
        FAILING_FOR,
        "5s",
        "How long a probe must fail without a success before an alert fires, in addition to `failure_threshold`. A restart that takes less pages nobody. Does not apply to `domain` probes.",
        "\"30s\"",
    ),
];

pub(super) const STATUS_PAGE: &[Field] = &[
    optional("title", Kind::Text, "the site's name and \"status\"", "Title of the page.", "\"Acme status\""),
    optional("history", HISTORY, "90d", "Period of uptime and past incidents.", "\"90d\""),
    optional(
        "publish",
        Kind::Choice(&["automatic", "approve", "manual"]),
        "automatic",
        "Who publishes updates. `automatic`: mainstay, once a service has been failing for a minute. `approve`: mainstay drafts an update that a person publishes. `manual`: people only. Component states are always shown.",
        "\"approve\"",
    ),
];
