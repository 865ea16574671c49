//! What may stand in a configuration about this installation: the site, its status page, how it looks things up, how often it asks.

use super::{DAY, EVERY, FAILING_FOR, IN_A_ROW, PATH, TIMEOUT, URL, ZONE, optional, string};
use crate::kind::{Field, Kind};
use std::time::Duration;

const HISTORY: Kind = Kind::Duration { min: DAY, max: Duration::from_secs(730 * 86_400) };

pub(super) const SITE: &[Field] = &[
    optional(
        "name",
        Kind::Text,
        "Status",
        "The company's or team's name, for status page and messages.",
        "\"Acme\"",
    ),
    optional(
        "timezone",
        ZONE,
        "UTC",
        "Time zone of texts. Everything is stored in UTC.",
        "\"Europe/Tallinn\"",
    ),
    optional(
        "data",
        PATH,
        "./mainstay-data",
        "Folder of the journal, the samples and the keys.",
        "\"/var/lib/mainstay\"",
    ),
    optional(
        "listen",
        string("an address and a port: \"127.0.0.1:8080\""),
        "127.0.0.1:8080",
        "Where status page, console and API listen.",
        "\"127.0.0.1:8080\"",
    ),
    optional(
        "url",
        URL,
        "the address of `listen`",
        "Where people find the status page, without a path. Should not share a registrable domain with what is watched: it would fall with it.",
        "\"https://status.acme.net\"",
    ),
    optional(
        "extra_ca_files",
        Kind::List { of: &PATH, min: 0 },
        "none",
        "PEM files with further trusted roots, for inner certificate authorities.",
        "[\"/etc/ssl/acme-root.pem\"]",
    ),
    optional(
        "allow_private",
        Kind::List { of: &string("a network such as \"10.0.0.0/8\""), min: 0 },
        "none",
        "Inner networks that probes and webhooks may reach. A watched name that leads to any other inner address is a fault.",
        "[\"10.0.0.0/8\"]",
    ),
];

pub(super) const DNS: &[Field] = &[
    optional(
        "resolvers",
        Kind::List { of: &string("an address and a port: \"9.9.9.9:53\""), min: 0 },
        "those of the system",
        "Resolvers to ask, all of them.",
        "[\"9.9.9.9:53\", \"1.1.1.1:53\"]",
    ),
    optional(
        "roots",
        Kind::List { of: &string("an address such as \"198.41.0.4\""), min: 0 },
        "the real ones",
        "Root servers to start from when delegations are followed.",
        "[\"127.0.0.53\"]",
    ),
    optional(
        "port",
        Kind::Integer { min: 1, max: 65_535 },
        "53",
        "Port of authoritative servers; another one only in a laboratory.",
        "53",
    ),
];

pub(super) const REGISTRY: &[Field] = &[
    optional(
        "bootstrap",
        PATH,
        "the copy inside mainstay",
        "A newer copy of IANA's RDAP bootstrap file (dns.json).",
        "\"rdap-dns.json\"",
    ),
    optional(
        "rdap",
        Kind::Map { key: "top-level domain", of: &URL },
        "the bootstrap file",
        "RDAP base address by top-level domain, asked before the bootstrap file.",
        "{ io = \"https://rdap.identitydigital.services/rdap/\" }",
    ),
    optional(
        "whois",
        Kind::Map { key: "top-level domain", of: &string("a host, with a port where that is not 43") },
        "none",
        "WHOIS server by top-level domain, for registries without RDAP.",
        "{ gg = \"whois.gg\" }",
    ),
    optional(
        "suffixes",
        Kind::List { of: &string("a suffix such as \"uk.com\""), min: 0 },
        "those that mainstay knows",
        "Suffixes of no ICANN registry below which names are registrations of their own, with a date and somebody to ask.",
        "[\"uk.com\"]",
    ),
];

pub(super) const WATCH: &[Field] = &[
    optional(
        "http",
        EVERY,
        "30s",
        "How often the web address of each host is asked; hand-written `http` and `tcp` probes too.",
        "\"30s\"",
    ),
    optional("tls", EVERY, "1h", "How often the certificate of each host is fetched.", "\"1h\""),
    optional(
        "dns",
        EVERY,
        "60s",
        "How often parent, name servers and resolvers are asked about each domain.",
        "\"60s\"",
    ),
    optional(
        "domain",
        EVERY,
        "1d",
        "How often the registry is asked about each domain. It is asked sooner when DNS or TLS changes.",
        "\"1d\"",
    ),
    optional(
        "timeout",
        TIMEOUT,
        "10s",
        "How long one answer may take, all phases and redirects together.",
        "\"10s\"",
    ),
    optional(
        "failure_threshold",
        IN_A_ROW,
        "3",
        "How many bad answers in a row make an alert. After a first bad answer the next question comes at once, not after the usual pause. A registry's answer counts at once.",
        "3",
    ),
    optional(
        "success_threshold",
        IN_A_ROW,
        "2",
        "How many good answers in a row end an alert. A registry's answer counts at once.",
        "2",
    ),
    optional(
        "failing_for",
        FAILING_FOR,
        "5s",
        "How long a probe must fail without a good answer between before an alert opens, beside `failure_threshold`. A restart that takes less wakes nobody. A registry's answer counts at once.",
        "\"30s\"",
    ),
];

pub(super) const STATUS_PAGE: &[Field] = &[
    optional("title", Kind::Text, "the site's name and \"status\"", "Its title.", "\"Acme status\""),
    optional("history", HISTORY, "90d", "How far back it looks.", "\"90d\""),
    optional(
        "publish",
        Kind::Choice(&["automatic", "approve", "manual"]),
        "automatic",
        "Who publishes updates. `automatic`: mainstay, once clients have been failing for a minute. `approve`: mainstay writes a draft that a person publishes. `manual`: people only. The states of services are always shown.",
        "\"approve\"",
    ),
];
