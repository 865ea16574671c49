//! `[pool.NAME]` and `[caller.NAME]` as written. What a pool behind another load balancer has instead is in `external_pool`.

use crate::diagnostics::Diagnostics;
use crate::formats::{BRIEF, CIDR, FILE, HOUR, INTERVAL, MINUTE, SECRET, THRESHOLD};
use crate::keys::keys;
use crate::kind::list::{filled_list, list};
use crate::kind::scalar::{Boolean, Integer, duration, integer};
use crate::kind::string::{Choice, Format, NameOf, Text, format};
use crate::kind::table::{Either, made, table};
use crate::kind::value::At;
use crate::parse::address::server;
use crate::parse::balancer;
use crate::parse::host::Host;
use crate::parse::path;
use crate::suggest::shown;
use crate::value_error::ValueError;
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use types::config::{
    BalancerAddress, BalancerKind, Caller, Health, Pool, PoolServer, Protocol, SecretRef, Series,
};
use types::{CallerId, PoolId, ServiceId};

/// Default of `initial_concurrency`, per server.
const INITIAL_CONCURRENCY: u32 = 8;

const SERVER: &str = "a host with a port: \"10.0.0.11:8080\"";
const SERVER_AT: Format<String> = format(SERVER, None, |text, _| server(text).map(|host| host.text(0)));
const SERVER_ALONE: Format<PoolServer> = format(SERVER, None, |text, _| {
    server(text).map(|host| PoolServer { at: host.text(0), weight: 1, drain: false })
});
const TLS_NAME: Format<String> =
    format("a host name such as \"auth.acme.com\"", None, |text, _| tls_name(text));
const HEALTH_PATH: Format<String> = format("a path: \"/health\"", None, |text, _| path::path(text));
const SOURCE: Format<(BalancerKind, BalancerAddress)> = format(
    "a load balancer with its address: \"haproxy:http://10.0.0.2:8404/stats;csv\"",
    Some("^(haproxy|nginx-plus|caddy|envoy|traefik|prometheus|kubernetes):."),
    |text, context| balancer::source(text, context.folder),
);
const SERIES: Format<Series> =
    format("series of Prometheus: 'up{job=\"api\"}'", None, |text, _| balancer::series(text));
const LABEL: Format<String> =
    format("a label of Prometheus: \"instance\"", None, |text, _| match balancer::is_name(text, false) {
        true => Ok(text.to_owned()),
        false => Err(ValueError::new(format!("`{}` is not the name of a label", shown(text)))),
    });
/// Concurrent requests.
const CONCURRENCY: Integer<u32> = integer(1, 100_000);

keys! {
    /// A group of interchangeable servers: behind the edge with `servers`, or behind another load balancer with `from`, which
    /// mainstay asks for its members.
    [pool.NAME]
    struct RawPool {
        /// The servers. A host name may resolve to several addresses, and is resolved again regularly.
        servers: Vec<At<PoolServer>> = filled_list(Either {
            string: SERVER_ALONE,
            table: made(|server: PoolServer, _, _| (!server.at.is_empty()).then_some(server)),
        }), otherwise "required, unless `from` is given", example r#"["10.0.0.11:8080", { at = "10.0.0.12:8080", weight = 2 }, "app.internal:8080"]"#;
        /// Minimum number of healthy servers; an alert fires below it. Without it, one fires when none is healthy; when fewer
        /// than half of those that should be are, it is a warning after 5 minutes, and pages immediately while clients are refused.
        min_healthy: Option<u32> = integer::<u32>(1, 1_000), otherwise "none", example "2";
        /// Protocol of the servers; `"http2"` for gRPC.
        protocol: Protocol = Choice(&[("http1", Protocol::Http1), ("http2", Protocol::Http2)]),
            default Protocol::Http1, example r#""http1""#;
        /// Uses TLS to the servers, with this name for SNI and certificate verification.
        tls: Option<String> = TLS_NAME, otherwise "plain HTTP", example r#""auth.internal""#;
        /// Active health check of each server. Without it servers are judged by their responses only.
        health: Option<Health> = table::<Health>(), otherwise "none",
            example r#"{ path = "/health", interval = "2s" }"#;
        /// Maximum concurrent requests to one server.
        max_concurrency: u32 = CONCURRENCY, default 100, example "100";
        /// Initial limit of concurrent requests to the whole pool; further requests are queued. The limit adapts to the
        /// response times.
        initial_concurrency: Option<u32> = CONCURRENCY, otherwise "8 per server, or the concurrent requests at the knee of a load test", example "8";
        /// Maximum open WebSockets and event streams (`Accept: text/event-stream`) of one server. Without it only the rate
        /// at which they are opened is limited, by what the servers complete.
        max_connections: Option<u32> = integer::<u32>(1, 10_000_000), otherwise "no limit", example "5000";
        /// The load balancer that has the servers, and its address: `haproxy:` (statistics as CSV, or `haproxy:unix:` and its
        /// runtime socket), `nginx-plus:`, `caddy:`, `envoy:`, `traefik:`, `kubernetes:` or `prometheus:`. Never with a secret.
        from: Option<(BalancerKind, BalancerAddress)> = SOURCE, otherwise "none: the edge has the servers",
            example r#""haproxy:http://10.0.0.2:8404/stats;csv""#;
        /// Name of the pool at that load balancer: backend, upstream, cluster or service; for Kubernetes `"NAMESPACE/SERVICE"`.
        backend: Option<String> = Text, otherwise "the name of this pool, or the only one there is", example r#""api""#;
        /// Servers that must be there, as the load balancer names them; others do not count. For load balancers that forget
        /// servers, and for those that list the servers of several pools together.
        members: BTreeSet<String> = list(Text), otherwise "all that it lists", example r#"["10.0.0.11:8080"]"#;
        /// The series that are servers, for `prometheus:`; one with a value above 0 is healthy.
        metric: Option<Series> = SERIES, otherwise "none", example r#"'up{job="api"}'"#;
        /// The label that names the server, for `prometheus:`.
        member_label: Option<String> = LABEL, otherwise "server, instance or another usual one", example r#""instance""#;
        /// Token for the load balancer, sent as `Authorization: Bearer`.
        token: Option<SecretRef> = SECRET, otherwise "none", example r#""env:BALANCER_TOKEN""#;
        /// Login for the load balancer, `USER:PASSWORD`, sent as `Authorization: Basic`.
        login: Option<SecretRef> = SECRET, otherwise "none", example r#""env:HAPROXY_STATS_LOGIN""#;
        /// Root certificates for the certificate of the load balancer, as PEM, in addition to those of the site.
        ca_file: Option<PathBuf> = FILE, otherwise "none", example r#""./kubernetes-ca.pem""#;
        /// Time between two looks at that load balancer.
        interval: Duration = INTERVAL, default Duration::from_secs(2), example r#""2s""#;
    }
}

keys! {
    for PoolServer {
        /// Host and port.
        at: String = SERVER_AT, required, example r#""10.0.0.12:8080""#;
        /// Relative share of requests.
        weight: u16 = integer::<u16>(1, 1_000), default 1, example "2";
        /// Sends no new requests to this server.
        drain: bool = Boolean, default false, example "true";
    }
}

keys! {
    for Health {
        /// Requested by GET; any 2xx or 3xx is healthy.
        path: String = HEALTH_PATH, required, example r#""/health""#;
        /// Time between checks.
        interval: Duration = duration(BRIEF, HOUR), default Duration::from_secs(2), example r#""2s""#;
        /// Timeout of one check.
        timeout: Duration = duration(BRIEF, MINUTE), default Duration::from_secs(1), example r#""1s""#;
        /// Consecutive failures before a server is unhealthy.
        fall: u32 = THRESHOLD, default 2, example "2";
        /// Consecutive successes before a server is healthy again.
        rise: u32 = THRESHOLD, default 2, example "2";
    }
}

keys! {
    /// A program of your own that calls your services through the edge. Requests that it makes for a client count as that
    /// client's.
    [caller.NAME]
    struct RawCaller {
        /// The service that it belongs to.
        service: Option<At<String>> = NameOf("service"), otherwise "none", example r#""auth""#;
        /// Token that it sends as `mainstay-caller: TOKEN`: the name of an environment variable or a file, never the token
        /// itself. A caller has `token`, `cidrs` or both; either identifies it.
        token: Option<At<SecretRef>> = SECRET, otherwise "none", example r#""env:AUTH_WEB_TOKEN""#;
        /// CIDR ranges and addresses of the caller.
        cidrs: Vec<At<IpNet>> = list(CIDR), otherwise "none", example r#"["10.0.0.21"]"#;
    }
}

impl RawPool {
    /// Checks numbers against the servers.
    pub(crate) fn check(self, diagnostics: &mut Diagnostics) -> Self {
        self.check_source(diagnostics);
        let written = &self.written;
        report_repeated(&self.servers, diagnostics);
        // A host name may resolve to any number of servers; only addresses are counted.
        let are_counted = !self.servers.is_empty()
            && self.servers.len() == written.len("servers")
            && self.servers.iter().all(|at| at.value.at.parse::<SocketAddr>().is_ok());
        let (count, most) = (self.count(), self.most());
        if let Some(min) = self.min_healthy.filter(|min| are_counted && *min > count) {
            let message =
                format!("`min_healthy` is {min}, but the pool has {count} servers: it can never be reached");
            let hint = format!("{count} at most, or add servers");
            diagnostics.error(written.key_place("min_healthy"), message, hint);
        }
        if let Some(initial) = self.initial_concurrency.filter(|initial| are_counted && *initial > most) {
            let message = format!(
                "`initial_concurrency` is {initial}, but its servers accept {most} concurrent requests"
            );
            let hint = "decrease it, or increase `max_concurrency`";
            diagnostics.error(written.key_place("initial_concurrency"), message, hint);
        }
        if !self.servers.is_empty() && self.servers.iter().all(|at| at.value.drain) {
            diagnostics.warn(
                written.key_place("servers"),
                "every server has `drain`: no request is served",
                "remove `drain` from one of them",
            );
        }
        self
    }

    fn count(&self) -> u32 {
        u32::try_from(self.servers.len()).unwrap_or(u32::MAX)
    }

    /// Concurrent requests to all servers.
    fn most(&self) -> u32 {
        self.max_concurrency.saturating_mul(self.count())
    }

    /// The pool; complete when no problem is reported.
    pub(crate) fn resolve(self, name: String) -> Pool {
        let usual = INITIAL_CONCURRENCY.saturating_mul(self.count().max(1)).min(self.most().max(1));
        Pool {
            id: PoolId(name),
            min_healthy: self.min_healthy,
            protocol: self.protocol,
            tls: self.tls,
            health: self.health,
            max_concurrency: self.max_concurrency,
            initial_concurrency: self.initial_concurrency.unwrap_or(usual),
            is_initial_declared: self.initial_concurrency.is_some(),
            max_connections: self.max_connections,
            servers: self.servers.into_iter().map(|at| at.value).collect(),
        }
    }
}

fn report_repeated(servers: &[At<PoolServer>], diagnostics: &mut Diagnostics) {
    let mut seen = BTreeSet::new();
    for at in servers.iter().filter(|at| !seen.insert(&at.value.at)) {
        let name = shown(&at.value.at);
        let hint = format!("for a larger share: {{ at = \"{name}\", weight = 2 }}");
        diagnostics.error(at.place.clone(), format!("`{name}` is listed twice"), hint);
    }
}

fn tls_name(text: &str) -> Result<String, ValueError> {
    let host = Host::read(text)?;
    match host.port {
        Some(_) => Err(ValueError::new(format!("`{}` has a port; a certificate name has none", shown(text)))
            .hint(format!("write \"{}\"", shown(&host.bare())))),
        None => Ok(host.bare()),
    }
}

impl RawCaller {
    /// Checks that something identifies it.
    pub(crate) fn check(self, diagnostics: &mut Diagnostics) -> Self {
        let written = &self.written;
        if !written.has("token") && !written.is_filled("cidrs") {
            diagnostics.missing(
                written.place.clone(),
                format!("{} has neither token nor addresses", shown(&written.path)),
                "add token = \"env:AUTH_WEB_TOKEN\", or cidrs = [\"10.0.0.21\"]",
            );
        }
        self
    }

    pub(crate) fn resolve(self, name: String) -> Caller {
        Caller {
            id: CallerId(name),
            service: self.service.map(|at| ServiceId(at.value)),
            token: self.token.map(|at| at.value),
            cidrs: self.cidrs.into_iter().map(|at| at.value).collect(),
        }
    }
}
