//! The one table of everything that may stand in a plan: it drives reading, hints, the JSON Schema and the reference.

mod edge;

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

const fn word(what: &'static str) -> Kind {
    Kind::Word { what, pattern: None }
}

const DAY: Duration = Duration::from_secs(86_400);

/// How often something is asked. The lower end is for laboratories; nobody should be asked that often in earnest.
const EVERY: Kind = Kind::Span { least: Duration::from_millis(50), most: Duration::from_secs(7 * 86_400) };
const TIMEOUT: Kind = Kind::Span { least: Duration::from_millis(50), most: Duration::from_secs(120) };
const WITHIN: Kind = Kind::Span { least: Duration::from_millis(1), most: Duration::from_secs(120) };
const WAIT: Kind = Kind::Span { least: Duration::from_millis(100), most: DAY };
const HISTORY: Kind = Kind::Span { least: DAY, most: Duration::from_secs(730 * 86_400) };
const IN_A_ROW: Kind = Kind::Count { least: 1, most: 100 };

const ZONE: Kind = word("a time zone such as \"Europe/Tallinn\"");
const URL: Kind = Kind::Word { what: "a web address (http or https)", pattern: Some("^https?://") };
const PATH: Kind = word("the path of a file");
const HOST: Kind = word("a name such as \"auth.acme.com\"");
const SECRET: Kind =
    Kind::Word { what: "where a secret is: \"env:NAME\" or \"file:PATH\"", pattern: Some("^(env|file):.") };
const REACH: Kind = Kind::Word {
    what: "a channel and an address on it: \"ntfy:ana\"",
    pattern: Some("^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(:.*)?$"),
};
const ZONE_NAME: Kind = word("a registrable domain such as \"acme.app\"");
const TURN: Kind = Kind::Word {
    what: "the length of a shift: \"1 week\", \"8 hours\"",
    pattern: Some("^[1-9][0-9]{0,3} (hour|day|week|month)s?$"),
};
const AWAKE: Kind = Kind::Word {
    what: "two times of day: \"07:30-23:00\"",
    pattern: Some("^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$"),
};
const NEED: Kind = Kind::Word {
    what: "a service or a pool, written \"service.NAME\"",
    pattern: Some("^(service|pool)\\.[A-Za-z0-9]"),
};

const SITE: &[Field] = &[
    optional(
        "name",
        Kind::Text,
        "Status",
        "The company's or team's name, for board and messages.",
        "\"Acme\"",
    ),
    optional("zone", ZONE, "UTC", "Time zone of texts. Everything is stored in UTC.", "\"Europe/Tallinn\""),
    optional(
        "data",
        PATH,
        "./mainstay-data",
        "Folder of the journal, the samples and the keys.",
        "\"/var/lib/mainstay\"",
    ),
    optional(
        "listen",
        word("an address and a port: \"127.0.0.1:8080\""),
        "127.0.0.1:8080",
        "Where board, console and API listen.",
        "\"127.0.0.1:8080\"",
    ),
    optional(
        "url",
        URL,
        "the address of `listen`",
        "Where people find the board. Should not share a registrable domain with what is watched: it would fall with it.",
        "\"https://status.acme.net\"",
    ),
    optional(
        "trust",
        Kind::List { of: &PATH, least: 0 },
        "none",
        "PEM files with further trusted roots, for inner certificate authorities.",
        "[\"/etc/ssl/acme-root.pem\"]",
    ),
    optional(
        "inner",
        Kind::List { of: &word("a network such as \"10.0.0.0/8\""), least: 0 },
        "none",
        "Inner networks that probes and webhooks may reach. A watched name that leads to any other inner address is a fault.",
        "[\"10.0.0.0/8\"]",
    ),
];

const DNS: &[Field] = &[
    optional(
        "resolvers",
        Kind::List { of: &word("an address and a port: \"9.9.9.9:53\""), least: 0 },
        "those of the system",
        "Resolvers to ask, all of them.",
        "[\"9.9.9.9:53\", \"1.1.1.1:53\"]",
    ),
    optional(
        "roots",
        Kind::List { of: &word("an address such as \"198.41.0.4\""), least: 0 },
        "the real ones",
        "Root servers to start from when delegations are followed.",
        "[\"127.0.0.53\"]",
    ),
    optional(
        "port",
        Kind::Count { least: 1, most: 65_535 },
        "53",
        "Port of authoritative servers; another one only in a laboratory.",
        "53",
    ),
];

const REGISTRY: &[Field] = &[
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
        Kind::Map { key: "top-level domain", of: &word("a host, with a port where that is not 43") },
        "none",
        "WHOIS server by top-level domain, for registries without RDAP.",
        "{ gg = \"whois.gg\" }",
    ),
];

const WATCH: &[Field] = &[
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
        "fail_after",
        IN_A_ROW,
        "3",
        "How many bad answers in a row make a finding. After a first bad answer the next question comes at once, not after the usual pause. A registry's answer counts at once.",
        "3",
    ),
    optional(
        "recover_after",
        IN_A_ROW,
        "2",
        "How many good answers in a row end a finding. A registry's answer counts at once.",
        "2",
    ),
];

const SERVICE: &[Field] = &[
    optional(
        "title",
        Kind::Text,
        "the name",
        "Its name for visitors: a component of the board.",
        "\"Sign-in\"",
    ),
    optional("group", Kind::Text, "none", "The group of the board that it stands in.", "\"Customer-facing\""),
    optional(
        "hosts",
        Kind::List { of: &HOST, least: 0 },
        "none",
        "Public names, with a port where that is not 443. From each follow probes of its web address, certificate, name servers and registration. `*.acme.app` stands for the names in `samples`.",
        "[\"auth.acme.com\", \"*.acme.app\"]",
    ),
    optional(
        "samples",
        Kind::List { of: &HOST, least: 0 },
        "none",
        "Concrete names to ask under each wildcard of `hosts`.",
        "[\"demo.acme.app\"]",
    ),
    optional(
        "needs",
        Kind::List { of: &NEED, least: 0 },
        "none",
        "Other services and pools that it cannot work without. A failure there explains a failure here, and wakes people once.",
        "[\"service.mail\"]",
    ),
    optional("rota", Kind::Name("rota"), "those of the ladder", "Who is responsible for it.", "\"platform\""),
    optional("ladder", Kind::Name("ladder"), "default", "Whom to wake for it.", "\"default\""),
    optional("public", Kind::Flag, "true", "Whether visitors see it on the board.", "false"),
    optional(
        "guard",
        Kind::Table(edge::GUARD),
        "served by somebody else",
        "How mainstay's own edge serves its hosts. Needs `[edge]`.",
        "{ pool = \"auth\" }",
    ),
];

const EXPECT: &[Field] = &[
    optional(
        "status",
        Kind::List { of: &Kind::Count { least: 100, most: 599 }, least: 1 },
        "any 2xx",
        "Accepted status codes.",
        "[200, 204]",
    ),
    optional("body_contains", Kind::Text, "nothing", "Text that the body must contain.", "\"ok\""),
    optional("within", WITHIN, "the timeout", "A slower answer is a fault, though it came.", "\"2s\""),
    later("json", "values inside a JSON body"),
];

const PROBE: &[Field] = &[
    optional(
        "http",
        URL,
        "",
        "Asks this web address and follows redirects. Each probe has exactly one of http, tcp, dns, tls, domain.",
        "\"https://shop.acme.com/health\"",
    ),
    optional(
        "tcp",
        word("a name and a port: \"mail.acme.com:25\""),
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
    optional("every", EVERY, "as in [watch]", "How often.", "\"30s\""),
    optional("timeout", TIMEOUT, "as in [watch]", "How long one answer may take.", "\"5s\""),
    optional("fail_after", IN_A_ROW, "as in [watch]", "How many bad answers in a row make a finding.", "3"),
    optional(
        "recover_after",
        IN_A_ROW,
        "as in [watch]",
        "How many good answers in a row end a finding.",
        "2",
    ),
    optional(
        "expect",
        Kind::Table(EXPECT),
        "any 2xx",
        "What a good answer to `http` looks like.",
        "{ status = [200], body_contains = \"ok\", within = \"2s\" }",
    ),
    optional("service", Kind::Name("service"), "none", "The service that it speaks for.", "\"auth\""),
    later("postgres", "questions to a database"),
    later("plugin", "Nagios plugins as probes"),
];

const DOMAIN: &[Field] = &[required(
    "expires",
    Kind::Day,
    "When the registration ends; only where the registry hides it. A date means its first moment in UTC.",
    "2027-03-01",
)];

const PERSON: &[Field] = &[
    optional("name", Kind::Text, "the name in the plan", "Their name for people.", "\"Ana\""),
    optional("zone", ZONE, "that of the site", "Where they live.", "\"Europe/Tallinn\""),
    optional(
        "awake",
        AWAKE,
        "unknown",
        "When they are awake, by their own clock; may run over midnight.",
        "\"07:30-23:00\"",
    ),
    required(
        "reach",
        Kind::List { of: &REACH, least: 1 },
        "How they are reached, in this order: a channel of the plan and an address on it.",
        "[\"ntfy:ana\"]",
    ),
];

const LAYER: &[Field] = &[
    required(
        "people",
        Kind::List { of: &Kind::Name("person"), least: 1 },
        "Who take turns; the first holds the shift that begins at `start`.",
        "[\"ana\", \"bo\"]",
    ),
    required(
        "start",
        Kind::Moment,
        "When the first shift begins, local time of the rota.",
        "2026-10-26T09:00:00",
    ),
    required("every", TURN, "How long a shift is, by the clock on the wall.", "\"1 week\""),
    optional(
        "until",
        Kind::Moment,
        "never",
        "When the layer ends, local time of the rota.",
        "2027-01-01T00:00:00",
    ),
    later("only", "hours of the week within a layer"),
];

const ROTA: &[Field] = &[
    optional("zone", ZONE, "that of the site", "The zone of all its local times.", "\"Europe/Tallinn\""),
    required(
        "layer",
        Kind::Tables { of: LAYER, least: 1 },
        "People who take turns. The last layer that has somebody on duty wins.",
        "[{ people = [\"ana\", \"bo\"], start = 2026-10-26T09:00:00, every = \"1 week\" }]",
    ),
    later("override", "exchanges of single shifts in the plan"),
];

const RUNG: &[Field] = &[
    optional(
        "rotas",
        Kind::List { of: &Kind::Name("rota"), least: 0 },
        "none",
        "Whoever is on call in these, added up.",
        "[\"platform\"]",
    ),
    optional(
        "people",
        Kind::List { of: &Kind::Name("person"), least: 0 },
        "none",
        "And these people, always.",
        "[\"cto\"]",
    ),
    optional(
        "prefer",
        Kind::Choice(&["awake"]),
        "everybody at once",
        "\"awake\": those who are awake now come first, the sleeping only when nobody is.",
        "\"awake\"",
    ),
    optional("wait", WAIT, "5m", "How long until the next rung.", "\"5m\""),
];

const LADDER: &[Field] = &[
    required(
        "rungs",
        Kind::Tables { of: RUNG, least: 1 },
        "Whom, then whom next. Each names somebody.",
        "[{ rotas = [\"platform\"], wait = \"5m\" }]",
    ),
    optional(
        "repeat",
        Kind::Count { least: 0, most: 100 },
        "3",
        "How often the whole ladder is climbed again before the last resort.",
        "3",
    ),
    optional(
        "last_resort",
        Kind::List { of: &REACH, least: 0 },
        "none",
        "What is tried when all else was silent, and again and again from then on.",
        "[\"ntfy:everybody\"]",
    ),
];

const CHANNEL: &[Field] = &[
    optional(
        "ntfy",
        URL,
        "",
        "An ntfy server; addresses on it are topics. Each channel has exactly one of ntfy, webhook.",
        "\"https://ntfy.sh\"",
    ),
    optional(
        "webhook",
        URL,
        "",
        "Where a signed POST goes; addresses on it may be empty.",
        "\"https://hooks.acme.net/mainstay\"",
    ),
    optional(
        "secret",
        SECRET,
        "none",
        "Where its token or signing key is: an environment variable or a file, never the secret itself.",
        "\"env:NTFY_TOKEN\"",
    ),
    later("twilio", "calls and short messages through Twilio"),
    later("account", "accounts of telephone channels"),
    later("from", "numbers of telephone channels"),
];

const BOARD: &[Field] = &[
    optional("title", Kind::Text, "the site's name and \"status\"", "Its title.", "\"Acme status\""),
    optional("history", HISTORY, "90d", "How far back it looks.", "\"90d\""),
];

const NAMED: Option<Key> = Some(Key::Name);

/// Every section, in the order in which a plan is best read.
pub(crate) const SECTIONS: &[Section] = &[
    Section { name: "site", key: None, doc: "This installation.", fields: SITE },
    Section {
        name: "service",
        key: NAMED,
        doc: "What people rely on. Needs nothing but `hosts`: the rest is derived.",
        fields: SERVICE,
    },
    Section {
        name: "probe",
        key: NAMED,
        doc: "A question written by hand, beside those derived from `hosts`.",
        fields: PROBE,
    },
    Section {
        name: "domain",
        key: Some(Key::Domain),
        doc: "What the plan knows better than the registry tells.",
        fields: DOMAIN,
    },
    Section { name: "person", key: NAMED, doc: "A team member.", fields: PERSON },
    Section { name: "rota", key: NAMED, doc: "Who is on call when.", fields: ROTA },
    Section {
        name: "ladder",
        key: NAMED,
        doc: "Whom to wake, and whom next. Without `default` one is made: one rung with all rotas (all people when there is no rota), 5 minutes, repeated 3 times.",
        fields: LADDER,
    },
    Section { name: "channel", key: NAMED, doc: "A way to reach people.", fields: CHANNEL },
    Section { name: "board", key: None, doc: "The public board.", fields: BOARD },
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
        name: "watch",
        key: None,
        doc: "How often and how patiently derived probes ask; defaults of hand-written ones.",
        fields: WATCH,
    },
    Section { name: "dns", key: None, doc: "How names are looked up.", fields: DNS },
    Section { name: "registry", key: None, doc: "How registrations are looked up.", fields: REGISTRY },
    later_section("database", NAMED, "databases with replicas and backups"),
    later_section("heartbeat", NAMED, "signs of life of scheduled jobs"),
];

/// The section of this name.
pub(crate) fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}
