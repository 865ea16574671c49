//! What may stand in a configuration about mainstay's own edge: where it listens, what it guards, the servers behind it.

use super::{HOST, IN_A_ROW, PATH, SECRET, URL, later, optional, required, string};
use crate::kind::{Field, Kind};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const BRIEF: Duration = Duration::from_millis(100);

const AT: Kind = string("an address and a port: \"127.0.0.1:8000\"");
const NETWORK: Kind = string("a network or an address: \"10.0.0.0/8\", \"10.1.2.3\"");
const COUNTRY: Kind =
    Kind::String { what: "a country's two letters: \"EE\"", pattern: Some("^[A-Za-z]{2}$") };
const ASN: Kind = Kind::String {
    what: "the number of an autonomous system: \"AS64500\"",
    pattern: Some("^[Aa][Ss][0-9]{1,10}$"),
};
const RATE: Kind = Kind::String {
    what: "a rate: \"20/s\", \"600/m\", \"1000/h\"",
    pattern: Some("^[1-9][0-9]{0,6}/[smh]$"),
};
const ROUTE: Kind =
    Kind::String { what: "a path: \"/login\", or \"/pay/*\" for everything below it", pattern: Some("^/") };
const SERVER: Kind = string("a server's name or address with its port: \"10.0.0.11:8080\"");
/// How long somebody may keep a connection waiting.
const PATIENCE: Kind = Kind::Duration { min: BRIEF, max: HOUR };
const CONNECTIONS: Kind = Kind::Integer { min: 1, max: 10_000_000 };
/// Requests at once.
const AT_ONCE: Kind = Kind::Integer { min: 1, max: 100_000 };

pub(super) const EDGE: &[Field] = &[
    optional(
        "listen",
        Kind::List { of: &AT, min: 0 },
        "none",
        "Where it listens for plain HTTP.",
        "[\"127.0.0.1:8000\"]",
    ),
    optional(
        "listen_tls",
        Kind::List { of: &AT, min: 0 },
        "none",
        "Where it listens for HTTPS, HTTP/1.1 and HTTP/2. Needs a certificate.",
        "[\"127.0.0.1:8443\"]",
    ),
    optional(
        "redirect_to_https",
        Kind::Boolean,
        "false",
        "Whether plain HTTP is only told to come back by HTTPS.",
        "true",
    ),
    optional(
        "https_port",
        Kind::Integer { min: 1, max: 65_535 },
        "443",
        "The port of HTTPS as clients see it, for redirects. Unless told it is 443, or that of `listen_tls` where a client names the very port of `listen` that it came to, so that nothing maps ports in between.",
        "8443",
    ),
    optional(
        "health_path",
        Kind::String { what: "a path: \"/edge-health\"", pattern: Some("^/") },
        "none",
        "The path by which a load balancer in front asks whether the edge itself serves: answered by the edge for any host, with 200, and with 503 once it is being stopped. Not counted as traffic.",
        "\"/edge-health\"",
    ),
    optional(
        "certificate",
        Kind::Tables { of: CERTIFICATE, min: 1 },
        "none",
        "Certificates by file, each written `[[edge.certificate]]`. Chosen by the names in them; read again when they change.",
        "[{ chain = \"auth.pem\", key = \"auth.key\" }]",
    ),
    optional(
        "trusted_proxies",
        Kind::List { of: &NETWORK, min: 0 },
        "none",
        "Networks of load balancers before the edge: their `Forwarded` and `X-Forwarded-For` are believed, nobody else's.",
        "[\"10.0.0.0/8\"]",
    ),
    optional(
        "proxy_protocol",
        Kind::List { of: &NETWORK, min: 0 },
        "none",
        "Networks that begin each connection with the PROXY protocol, v1 or v2. One from there that does not is closed.",
        "[\"10.1.0.0/16\"]",
    ),
    optional("threads", Kind::Integer { min: 1, max: 256 }, "one a core", "Threads that serve.", "2"),
    optional(
        "geoip",
        Kind::Table(GEOIP),
        "none",
        "MMDB files (MaxMind's format) that tell the country and the autonomous system of an address.",
        "{ country = \"GeoLite2-Country.mmdb\", asn = \"GeoLite2-ASN.mmdb\" }",
    ),
    optional(
        "access_log",
        Kind::Boolean,
        "false",
        "Whether each request is written to standard output as a line of JSON.",
        "true",
    ),
    optional(
        "otlp",
        URL,
        "nowhere",
        "Where spans go by OTLP over HTTP, with its path.",
        "\"http://127.0.0.1:4318/v1/traces\"",
    ),
    optional(
        "limits",
        Kind::Table(LIMITS),
        "as below",
        "What one request or connection may take.",
        "{ body_bytes = 10485760, keepalive_timeout = \"30s\" }",
    ),
];

const CERTIFICATE: &[Field] = &[
    required(
        "chain",
        PATH,
        "A PEM file: its own certificate first, then those that vouch for it.",
        "\"auth.pem\"",
    ),
    required("key", PATH, "A PEM file with its key.", "\"auth.key\""),
];

const LIMITS: &[Field] = &[
    optional(
        "head_bytes",
        Kind::Integer { min: 1_024, max: 1 << 20 },
        "16384",
        "Bytes of a request's head.",
        "16384",
    ),
    optional("headers", Kind::Integer { min: 8, max: 1_000 }, "100", "Header fields of a request.", "100"),
    optional(
        "body_bytes",
        Kind::Integer { min: 0, max: 1 << 40 },
        "67108864",
        "Bytes of a request's body. Bodies are passed on as they come, never gathered.",
        "67108864",
    ),
    optional("header_timeout", PATIENCE, "10s", "How long a whole head may take.", "\"10s\""),
    optional(
        "body_timeout",
        PATIENCE,
        "30s",
        "How long a body may stand still, in either direction.",
        "\"30s\"",
    ),
    optional(
        "keepalive_timeout",
        PATIENCE,
        "75s",
        "How long a connection may do nothing between requests.",
        "\"75s\"",
    ),
    optional("max_connections", CONNECTIONS, "20000", "Connections at once.", "20000"),
    optional(
        "max_connections_per_ip",
        CONNECTIONS,
        "2000",
        "Connections at once from one address; from one /64 in IPv6. `trusted_proxies` are exempt.",
        "2000",
    ),
];

pub(super) const GUARD: &[Field] = &[
    required("pool", Kind::Name("pool"), "The servers that its hosts are served from.", "\"auth\""),
    optional(
        "limit",
        Kind::Table(LIMIT),
        "none",
        "How much may be asked. Beyond it the answer is 429 with the time to wait.",
        "{ visitor = { rate = \"20/s\", burst = 40 } }",
    ),
    optional(
        "deny",
        Kind::Table(ORIGINS),
        "nobody",
        "Who is always refused, with 403. For a while only: `mainstay deny country XX --for 2h`.",
        "{ addresses = [\"192.0.2.0/24\"] }",
    ),
    optional(
        "allow",
        Kind::Table(ORIGINS),
        "nobody",
        "Who is never refused by `deny`; the same keys.",
        "{ addresses = [\"198.51.100.7\"] }",
    ),
    optional(
        "recognize",
        Kind::Table(KNOWN),
        "nobody is known",
        "Which success shows a visitor to be one of yours. Known visitors come first when there is too much to do.",
        "{ method = \"POST\", path = \"/login\", status = [200, 303], for = \"30d\" }",
    ),
    optional(
        "priority_paths",
        Kind::List { of: &ROUTE, min: 0 },
        "none",
        "Paths that outrank all others: health, payments.",
        "[\"/health\", \"/pay/*\"]",
    ),
    optional(
        "response_timeout",
        Kind::Duration { min: BRIEF, max: HOUR },
        "10s",
        "How long a request may take until its answer begins.",
        "\"10s\"",
    ),
];

const LIMIT: &[Field] = &[
    optional("client", A_RATE, "none", "What one visitor may ask for.", "{ rate = \"20/s\", burst = 40 }"),
    optional("subnet", A_RATE, "none", "What one network may: an IPv4 /24, an IPv6 /48.", "\"200/s\""),
    optional(
        "asn",
        A_RATE,
        "none",
        "What one autonomous system may, all its networks together: many times `subnet`. Needs `edge.geoip.asn`.",
        "\"5000/s\"",
    ),
    optional(
        "caller",
        A_RATE,
        "none",
        "What one of your own callers may, for itself. What it asks for a visitor counts as that visitor's.",
        "\"500/s\"",
    ),
    optional("service", A_RATE, "none", "What all together may.", "\"2000/s\""),
];

const A_RATE: Kind = Kind::Either { string: &RATE, table: RATE_FIELDS };

const RATE_FIELDS: &[Field] = &[
    required("rate", RATE, "So many in a second, minute or hour.", "\"20/s\""),
    optional(
        "burst",
        Kind::Integer { min: 1, max: 1_000_000 },
        "as many as `rate` counts",
        "So many at once, when nothing was asked for a while.",
        "40",
    ),
];

const GEOIP: &[Field] = &[
    optional(
        "country",
        PATH,
        "none",
        "An MMDB file with countries; needed to deny by country.",
        "\"GeoLite2-Country.mmdb\"",
    ),
    optional(
        "asn",
        PATH,
        "none",
        "An MMDB file with autonomous systems; needed to deny or limit by them.",
        "\"GeoLite2-ASN.mmdb\"",
    ),
];

const ORIGINS: &[Field] = &[
    optional(
        "countries",
        Kind::List { of: &COUNTRY, min: 0 },
        "none",
        "Countries by the two letters of ISO 3166. Needs `edge.geoip.country`.",
        "[\"XX\"]",
    ),
    optional(
        "asns",
        Kind::List { of: &ASN, min: 0 },
        "none",
        "Autonomous systems by number. Needs `edge.geoip.asn`.",
        "[\"AS64500\"]",
    ),
    optional(
        "cidrs",
        Kind::List { of: &NETWORK, min: 0 },
        "none",
        "Networks and single addresses.",
        "[\"192.0.2.0/24\"]",
    ),
];

const KNOWN: &[Field] = &[
    optional("method", string("a method: \"POST\""), "any", "The method of the request.", "\"POST\""),
    required("path", ROUTE, "Its path.", "\"/login\""),
    required(
        "status",
        Kind::List { of: &Kind::Integer { min: 200, max: 399 }, min: 1 },
        "The status that only a success has. Many sign-ins answer a wrong password with 200 too: look first.",
        "[200, 303]",
    ),
    optional(
        "for",
        Kind::Duration { min: MINUTE, max: Duration::from_secs(35 * 86_400) },
        "30d",
        "For how long they stay known. The keys that sign it last no longer than 35 days.",
        "\"30d\"",
    ),
];

pub(super) const POOL: &[Field] = &[
    required(
        "servers",
        Kind::List { of: &Kind::Either { string: &SERVER, table: SERVER_FIELDS }, min: 1 },
        "The servers, all able to answer alike. A name may lead to several; it is looked up again and again.",
        "[\"10.0.0.11:8080\", { at = \"10.0.0.12:8080\", weight = 2 }, \"app.internal:8080\"]",
    ),
    optional("min_healthy", Kind::Integer { min: 1, max: 1_000 }, "none", "An alert when fewer serve.", "2"),
    optional(
        "protocol",
        Kind::Choice(&["http1", "http2"]),
        "http1",
        "How they are spoken to; \"http2\" for gRPC.",
        "\"http1\"",
    ),
    optional(
        "tls",
        HOST,
        "plain HTTP",
        "Servers speak TLS, and are certified for this name.",
        "\"auth.internal\"",
    ),
    optional(
        "health",
        Kind::Table(HEALTH),
        "they are judged by their answers alone",
        "How each server is asked whether it is well.",
        "{ path = \"/health\", every = \"2s\" }",
    ),
    optional("max_concurrency", AT_ONCE, "100", "Requests at once to one server, at most.", "100"),
    optional(
        "initial_concurrency",
        AT_ONCE,
        "8 for each server",
        "Clients at once that the whole pool is given before it is known what it bears; more wait. It grows with each answer that is as quick as usual.",
        "8",
    ),
    later("from", "somebody else's balancer"),
];

const SERVER_FIELDS: &[Field] = &[
    required("at", SERVER, "Its name or address with its port.", "\"10.0.0.12:8080\""),
    optional("weight", Kind::Integer { min: 1, max: 1_000 }, "1", "Its share beside the others.", "2"),
    optional("drain", Kind::Boolean, "false", "Whether it gets nothing new.", "true"),
];

const HEALTH: &[Field] = &[
    required("path", string("a path: \"/health\""), "Asked by GET; any 2xx or 3xx is well.", "\"/health\""),
    optional("interval", Kind::Duration { min: BRIEF, max: HOUR }, "2s", "How often.", "\"2s\""),
    optional(
        "timeout",
        Kind::Duration { min: BRIEF, max: MINUTE },
        "1s",
        "How long an answer may take.",
        "\"1s\"",
    ),
    optional("fall", IN_A_ROW, "2", "So many bad answers in a row take it out.", "2"),
    optional("rise", IN_A_ROW, "2", "So many good ones in a row bring it back.", "2"),
];

pub(super) const CALLER: &[Field] = &[
    optional("service", Kind::Name("service"), "none", "The service that it is a part of.", "\"auth\""),
    optional(
        "token",
        SECRET,
        "none",
        "Where the token is that it shows as `mainstay-caller: TOKEN`: an environment variable or a file, never the token itself. Each caller has a token, addresses or both; either is enough.",
        "\"env:AUTH_WEB_TOKEN\"",
    ),
    optional(
        "cidrs",
        Kind::List { of: &NETWORK, min: 0 },
        "none",
        "The addresses that it asks from.",
        "[\"10.0.0.21\"]",
    ),
];
