//! Keys of the edge: listeners, traffic policies of services, pools, callers.

use super::{HOST, PATH, SECRET, THRESHOLD, URL, later, optional, required, string};
use crate::kind::{Field, Kind};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const BRIEF: Duration = Duration::from_millis(100);

const LISTEN: Kind = string("an address with a port: \"127.0.0.1:8000\"");
const CIDR: Kind = string("a CIDR range or an address: \"10.0.0.0/8\", \"10.1.2.3\"");
const COUNTRY: Kind =
    Kind::String { what: "an ISO 3166 country code: \"EE\"", pattern: Some("^[A-Za-z]{2}$") };
const ASN: Kind = Kind::String { what: "an AS number: \"AS64500\"", pattern: Some("^[Aa][Ss][0-9]{1,10}$") };
const RATE: Kind = Kind::String {
    what: "a rate: \"20/s\", \"600/m\", \"1000/h\"",
    pattern: Some("^[1-9][0-9]{0,6}/[smh]$"),
};
const PATH_PATTERN: Kind =
    Kind::String { what: "a path: \"/login\", or \"/pay/*\" for all below it", pattern: Some("^/") };
const SERVER: Kind = string("a host with a port: \"10.0.0.11:8080\"");
/// Timeout of a client's connection.
const CLIENT_TIMEOUT: Kind = Kind::Duration { min: BRIEF, max: HOUR };
const CONNECTIONS: Kind = Kind::Integer { min: 1, max: 10_000_000 };
/// Concurrent requests.
const CONCURRENCY: Kind = Kind::Integer { min: 1, max: 100_000 };

pub(super) const EDGE: &[Field] = &[
    optional(
        "listen",
        Kind::List { of: &LISTEN, min: 0 },
        "none",
        "Listen addresses for HTTP.",
        "[\"127.0.0.1:8000\"]",
    ),
    optional(
        "listen_tls",
        Kind::List { of: &LISTEN, min: 0 },
        "none",
        "Listen addresses for HTTPS (HTTP/1.1 and HTTP/2). Requires `certificate`.",
        "[\"127.0.0.1:8443\"]",
    ),
    optional("redirect_to_https", Kind::Boolean, "false", "Redirects HTTP requests to HTTPS (308).", "true"),
    optional(
        "https_port",
        Kind::Integer { min: 1, max: 65_535 },
        "443, or the port of `listen_tls`",
        "HTTPS port as clients see it, for redirects. The default is the port of `listen_tls` when the client's Host header names the port of `listen`, which means that no port mapping is in between; otherwise 443.",
        "8443",
    ),
    optional(
        "health_path",
        Kind::String { what: "a path: \"/edge-health\"", pattern: Some("^/") },
        "none",
        "Health check path of the edge itself, for load balancers in front of it. Answered for any host: 200, or 503 while shutting down. Not counted as traffic.",
        "\"/edge-health\"",
    ),
    optional(
        "certificate",
        Kind::Tables { of: CERTIFICATE, min: 1 },
        "none",
        "Certificate files, each in a `[[edge.certificate]]`. Selected by SNI; reloaded when they change.",
        "[{ chain = \"auth.pem\", key = \"auth.key\" }]",
    ),
    optional(
        "trusted_proxies",
        Kind::List { of: &CIDR, min: 0 },
        "none",
        "CIDR ranges of load balancers in front of the edge. `Forwarded` and `X-Forwarded-For` are accepted from these only.",
        "[\"10.0.0.0/8\"]",
    ),
    optional(
        "proxy_protocol",
        Kind::List { of: &CIDR, min: 0 },
        "none",
        "CIDR ranges whose connections begin with the PROXY protocol, v1 or v2. A connection from these without it is closed.",
        "[\"10.1.0.0/16\"]",
    ),
    optional("threads", Kind::Integer { min: 1, max: 256 }, "number of cores", "Worker threads.", "2"),
    optional(
        "geoip",
        Kind::Table(GEOIP),
        "none",
        "MMDB files (MaxMind format) with the country and the autonomous system of an address.",
        "{ country = \"GeoLite2-Country.mmdb\", asn = \"GeoLite2-ASN.mmdb\" }",
    ),
    optional(
        "access_log",
        Kind::Boolean,
        "false",
        "Writes each request to standard output as one line of JSON.",
        "true",
    ),
    optional(
        "otlp",
        URL,
        "none",
        "OTLP/HTTP endpoint for traces, with its path.",
        "\"http://127.0.0.1:4318/v1/traces\"",
    ),
    optional(
        "limits",
        Kind::Table(LIMITS),
        "see below",
        "Limits of one request and one connection.",
        "{ body_bytes = 10485760, keepalive_timeout = \"30s\" }",
    ),
];

const CERTIFICATE: &[Field] = &[
    required("chain", PATH, "PEM file with the certificate, followed by its intermediates.", "\"auth.pem\""),
    required("key", PATH, "PEM file with the private key.", "\"auth.key\""),
];

const LIMITS: &[Field] = &[
    optional(
        "head_bytes",
        Kind::Integer { min: 1_024, max: 1 << 20 },
        "16384",
        "Maximum size of request line and headers, in bytes.",
        "16384",
    ),
    optional(
        "headers",
        Kind::Integer { min: 8, max: 1_000 },
        "100",
        "Maximum number of request headers.",
        "100",
    ),
    optional(
        "body_bytes",
        Kind::Integer { min: 0, max: 1 << 40 },
        "67108864",
        "Maximum size of a request body, in bytes. Bodies are streamed, not buffered.",
        "67108864",
    ),
    optional(
        "header_timeout",
        CLIENT_TIMEOUT,
        "10s",
        "Timeout for receiving all headers of a request.",
        "\"10s\"",
    ),
    optional(
        "body_timeout",
        CLIENT_TIMEOUT,
        "30s",
        "Timeout between two reads or writes of a body.",
        "\"30s\"",
    ),
    optional(
        "keepalive_timeout",
        CLIENT_TIMEOUT,
        "75s",
        "Idle timeout of a connection between requests.",
        "\"75s\"",
    ),
    optional("max_connections", CONNECTIONS, "20000", "Maximum concurrent connections.", "20000"),
    optional(
        "max_connections_per_ip",
        CONNECTIONS,
        "2000",
        "Maximum concurrent connections from one IPv4 address or one IPv6 /64. `trusted_proxies` are exempt.",
        "2000",
    ),
];

pub(super) const TRAFFIC: &[Field] = &[
    required("pool", Kind::Name("pool"), "The pool that serves its hosts.", "\"auth\""),
    optional(
        "limit",
        Kind::Table(LIMIT),
        "none",
        "Rate limits. Requests beyond them are answered 429 with `Retry-After`.",
        "{ client = { rate = \"20/s\", burst = 40 } }",
    ),
    optional(
        "deny",
        Kind::Table(ORIGINS),
        "none",
        "Origins whose requests are always answered 403. For a limited time: `mainstay deny country XX --for 2h`.",
        "{ cidrs = [\"192.0.2.0/24\"] }",
    ),
    optional(
        "allow",
        Kind::Table(ORIGINS),
        "none",
        "Origins that `deny` does not apply to; the same keys.",
        "{ cidrs = [\"198.51.100.7\"] }",
    ),
    optional(
        "recognize",
        Kind::Table(RECOGNIZE),
        "none",
        "The successful request after which a client is recognized by a cookie. Recognized clients are served first under overload.",
        "{ method = \"POST\", path = \"/login\", status = [200, 303], for = \"30d\" }",
    ),
    optional(
        "priority_paths",
        Kind::List { of: &PATH_PATTERN, min: 0 },
        "none",
        "Paths that are served before all others under overload.",
        "[\"/health\", \"/pay/*\"]",
    ),
    optional(
        "response_timeout",
        Kind::Duration { min: BRIEF, max: HOUR },
        "10s",
        "Timeout from the request to the first byte of the response.",
        "\"10s\"",
    ),
];

const LIMIT: &[Field] = &[
    optional("client", A_RATE, "none", "Limit of one client.", "{ rate = \"20/s\", burst = 40 }"),
    optional("subnet", A_RATE, "none", "Limit of one subnet: an IPv4 /24 or an IPv6 /48.", "\"200/s\""),
    optional(
        "asn",
        A_RATE,
        "none",
        "Limit of one autonomous system, all its subnets together; should be many times `subnet`. Requires `edge.geoip.asn`.",
        "\"5000/s\"",
    ),
    optional(
        "caller",
        A_RATE,
        "none",
        "Limit of one `[caller.NAME]` for requests of its own. Requests that it makes for a client count as that client's.",
        "\"500/s\"",
    ),
    optional("service", A_RATE, "none", "Limit of all requests together.", "\"2000/s\""),
];

const A_RATE: Kind = Kind::Either { string: &RATE, table: RATE_FIELDS };

const RATE_FIELDS: &[Field] = &[
    required("rate", RATE, "Requests per second, minute or hour.", "\"20/s\""),
    optional(
        "burst",
        Kind::Integer { min: 1, max: 1_000_000 },
        "the number in `rate`",
        "Burst size: requests accepted immediately after a pause.",
        "40",
    ),
];

const GEOIP: &[Field] = &[
    optional(
        "country",
        PATH,
        "none",
        "MMDB file with countries; required to deny by country.",
        "\"GeoLite2-Country.mmdb\"",
    ),
    optional(
        "asn",
        PATH,
        "none",
        "MMDB file with autonomous systems; required to deny or limit by them.",
        "\"GeoLite2-ASN.mmdb\"",
    ),
];

const ORIGINS: &[Field] = &[
    optional(
        "countries",
        Kind::List { of: &COUNTRY, min: 0 },
        "none",
        "ISO 3166 country codes. Requires `edge.geoip.country`.",
        "[\"XX\"]",
    ),
    optional(
        "asns",
        Kind::List { of: &ASN, min: 0 },
        "none",
        "AS numbers. Requires `edge.geoip.asn`.",
        "[\"AS64500\"]",
    ),
    optional(
        "cidrs",
        Kind::List { of: &CIDR, min: 0 },
        "none",
        "CIDR ranges and single addresses.",
        "[\"192.0.2.0/24\"]",
    ),
];

const RECOGNIZE: &[Field] = &[
    optional("method", string("an HTTP method: \"POST\""), "any", "Request method.", "\"POST\""),
    required("path", PATH_PATTERN, "Request path.", "\"/login\""),
    required(
        "status",
        Kind::List { of: &Kind::Integer { min: 200, max: 399 }, min: 1 },
        "Status codes that only a success has. Check first: many sign-in pages answer a wrong password with 200 too.",
        "[200, 303]",
    ),
    optional(
        "for",
        Kind::Duration { min: MINUTE, max: Duration::from_secs(35 * 86_400) },
        "30d",
        "How long a client stays recognized. The signing keys are kept for 35 days at most.",
        "\"30d\"",
    ),
];

pub(super) const POOL: &[Field] = &[
    required(
        "servers",
        Kind::List { of: &Kind::Either { string: &SERVER, table: SERVER_FIELDS }, min: 1 },
        "The servers. A host name may resolve to several addresses, and is resolved again regularly.",
        "[\"10.0.0.11:8080\", { at = \"10.0.0.12:8080\", weight = 2 }, \"app.internal:8080\"]",
    ),
    optional(
        "min_healthy",
        Kind::Integer { min: 1, max: 1_000 },
        "none",
        "Minimum number of healthy servers; an alert fires below it.",
        "2",
    ),
    optional(
        "protocol",
        Kind::Choice(&["http1", "http2"]),
        "http1",
        "Protocol of the servers; `\"http2\"` for gRPC.",
        "\"http1\"",
    ),
    optional(
        "tls",
        HOST,
        "plain HTTP",
        "Uses TLS to the servers, with this name for SNI and certificate verification.",
        "\"auth.internal\"",
    ),
    optional(
        "health",
        Kind::Table(HEALTH),
        "none",
        "Active health check of each server. Without it servers are judged by their responses only.",
        "{ path = \"/health\", interval = \"2s\" }",
    ),
    optional("max_concurrency", CONCURRENCY, "100", "Maximum concurrent requests to one server.", "100"),
    optional(
        "initial_concurrency",
        CONCURRENCY,
        "8 per server",
        "Initial limit of concurrent requests to the whole pool; further requests are queued. The limit adapts to the response times.",
        "8",
    ),
    later("from", "pools of another load balancer"),
];

const SERVER_FIELDS: &[Field] = &[
    required("at", SERVER, "Host and port.", "\"10.0.0.12:8080\""),
    optional("weight", Kind::Integer { min: 1, max: 1_000 }, "1", "Relative share of requests.", "2"),
    optional("drain", Kind::Boolean, "false", "Sends no new requests to this server.", "true"),
];

const HEALTH: &[Field] = &[
    required(
        "path",
        string("a path: \"/health\""),
        "Requested by GET; any 2xx or 3xx is healthy.",
        "\"/health\"",
    ),
    optional("interval", Kind::Duration { min: BRIEF, max: HOUR }, "2s", "Time between checks.", "\"2s\""),
    optional("timeout", Kind::Duration { min: BRIEF, max: MINUTE }, "1s", "Timeout of one check.", "\"1s\""),
    optional("fall", THRESHOLD, "2", "Consecutive failures before a server is unhealthy.", "2"),
    optional("rise", THRESHOLD, "2", "Consecutive successes before a server is healthy again.", "2"),
];

pub(super) const CALLER: &[Field] = &[
    optional("service", Kind::Name("service"), "none", "The service that it belongs to.", "\"auth\""),
    optional(
        "token",
        SECRET,
        "none",
        "Token that it sends as `mainstay-caller: TOKEN`: the name of an environment variable or a file, never the token itself. A caller has `token`, `cidrs` or both; either identifies it.",
        "\"env:AUTH_WEB_TOKEN\"",
    ),
    optional(
        "cidrs",
        Kind::List { of: &CIDR, min: 0 },
        "none",
        "CIDR ranges and addresses of the caller.",
        "[\"10.0.0.21\"]",
    ),
];
