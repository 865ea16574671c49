//! Counters since the process began as OpenMetrics text.

use super::counters::{Counters, RouteCounters, VERDICTS};
use super::histogram::Histogram;
use super::names::Names;
use super::rollup::named;
use super::{Kind, Telemetry, lock};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use types::PoolId;
use types::traffic::{PoolStatus, ServerState};

/// The most certificates that are listed.
const CERTIFICATES_MAX: usize = 1_000;

impl Telemetry {
    /// Appends all that was counted since the process began as OpenMetrics text, without the closing `# EOF`. As new
    /// as the last roll-up.
    pub fn metrics(&self, out: &mut String) {
        let totals = &*lock(&self.totals);
        let kept = Kind::ALL.map(|kind| {
            let taken = self.threads.iter().map(|recorder| recorder.open().rings.taken(kind));
            (kind, taken.fold((0, 0), |sum, taken| (sum.0 + taken.0, sum.1 + taken.1)))
        });
        let mut page = Page { out, names: &self.shared.names };
        page.routes(&totals.all);
        page.servers(&totals.all);
        page.pools(&totals.pools);
        page.head("connections", "gauge", "Open connections.");
        page.line("connections", &[], totals.connections);
        page.head("records", "counter", "Request records by kind, and how many of them were kept as traces.");
        for (kind, (came, kept)) in kept {
            page.line("records_total", &[("kind", kind.as_str()), ("kept", "no")], came - kept);
            page.line("records_total", &[("kind", kind.as_str()), ("kept", "yes")], kept);
        }
        page.head(
            "exported_records",
            "counter",
            "Records exported as access log lines and spans, and records dropped because the queue was full or the receiver failed.",
        );
        for (kind, counts) in self.shared.exported() {
            page.line("exported_records_total", &[("kind", kind), ("outcome", "sent")], counts.sent());
            page.line("exported_records_total", &[("kind", kind), ("outcome", "dropped")], counts.dropped());
        }
    }

    /// Appends until when the certificates for these names are good.
    pub fn certificate_metrics(&self, ends: &[(String, types::Time)], out: &mut String) {
        let mut page = Page { out, names: &self.shared.names };
        let name = "certificate_expiry_timestamp_seconds";
        page.head(name, "gauge", "Expiry of the certificate that is presented for a name.");
        for (of, end) in ends.iter().take(CERTIFICATES_MAX) {
            page.line(name, &[("name", of)], end.as_second());
        }
    }
}

/// Bounds of the buckets on /metrics: 2^n microseconds, which our own buckets meet exactly; 0.5 ms to 33 s.
const BOUNDS_LOG2: std::ops::RangeInclusive<u32> = 9..=25;

/// A metric's name, its help, and its value.
type Single<T, N> = (&'static str, &'static str, fn(&T) -> N);

const STATES: [ServerState; 5] = [
    ServerState::Serving,
    ServerState::Warming,
    ServerState::Ejected,
    ServerState::Down,
    ServerState::Draining,
];

struct Page<'a> {
    out: &'a mut String,
    names: &'a Names,
}

impl Page<'_> {
    fn routes(&mut self, all: &Counters) {
        self.verdicts(all);
        self.clients(all);
        self.totals(all);
    }

    fn verdicts(&mut self, all: &Counters) {
        let names = self.names;
        let each = || named(all, names);
        self.head("requests", "counter", "Requests by verdict.");
        for (service, pool, counters) in each() {
            for verdict in VERDICTS {
                let count = counters.verdicts[verdict as usize];
                self.line(
                    "requests_total",
                    &[("service", &service.0), ("pool", &pool.0), ("verdict", verdict.as_str())],
                    count,
                );
            }
        }
        self.head(
            "responses",
            "counter",
            "Responses by class of status code; none when the client disconnected before.",
        );
        for (service, pool, counters) in each() {
            for (code, count) in ["none", "1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(counters.codes) {
                self.line(
                    "responses_total",
                    &[("service", &service.0), ("pool", &pool.0), ("code", code)],
                    count,
                );
            }
        }
        self.head("limited", "counter", "Requests refused by a limit of the configuration.");
        for (service, pool, counters) in each() {
            for (limit, count) in &counters.limited {
                self.line(
                    "limited_total",
                    &[("service", &service.0), ("pool", &pool.0), ("limit", limit.as_str())],
                    count,
                );
            }
        }
    }

    fn clients(&mut self, all: &Counters) {
        let names = self.names;
        self.head(
            "client_requests",
            "counter",
            "Requests by kind of client: recognized, first_time, caller.",
        );
        for (service, pool, counters) in named(all, names) {
            for (client, (asked, served)) in
                ["recognized", "first_time", "caller"].into_iter().zip(counters.asked)
            {
                let labels = |yes| {
                    [
                        ("service", service.0.as_str()),
                        ("pool", pool.0.as_str()),
                        ("client", client),
                        ("served", yes),
                    ]
                };
                self.line("client_requests_total", &labels("yes"), served);
                self.line("client_requests_total", &labels("no"), asked.saturating_sub(served));
            }
        }
    }

    fn totals(&mut self, all: &Counters) {
        let names = self.names;
        let each = || named(all, names);
        let single: [Single<RouteCounters, u64>; 6] = [
            ("server_429", "Responses 429 of servers.", |counters| counters.server_429),
            ("failed", "Responses 5xx of servers, and requests without a complete response.", |counters| {
                counters.failed
            }),
            ("client_closed", "Requests whose client disconnected before the end.", |counters| {
                counters.client_closed
            }),
            ("retries", "Requests retried at another server.", |counters| counters.retries),
            ("received_bytes", "Bytes of request bodies.", |counters| counters.received),
            ("sent_bytes", "Bytes of response bodies.", |counters| counters.sent),
        ];
        for (name, help, count) in single {
            self.head(name, "counter", help);
            for (service, pool, counters) in each() {
                let labels = [("service", service.0.as_str()), ("pool", pool.0.as_str())];
                self.line(&format!("{name}_total"), &labels, count(counters));
            }
        }
        self.head("request_duration_seconds", "histogram", "Time to first byte of forwarded requests.");
        for (service, pool, counters) in each() {
            self.histogram(
                "request_duration_seconds",
                &[("service", &service.0), ("pool", &pool.0)],
                &counters.latency,
            );
        }
    }

    fn servers(&mut self, all: &Counters) {
        let mut each: Vec<_> = all
            .servers
            .iter()
            .filter_map(|((route, server), counters)| {
                let (service, pool) = self.names.of_route(*route)?;
                Some((service.0, pool.0, server.to_string(), counters))
            })
            .collect();
        each.sort_by(|left, right| (&left.0, &left.1, &left.2).cmp(&(&right.0, &right.1, &right.2)));
        self.head("server_requests", "counter", "Requests by server and outcome.");
        for (service, pool, server, counters) in &each {
            let labels = |outcome| {
                [("service", service.as_str()), ("pool", pool), ("server", server), ("outcome", outcome)]
            };
            self.line("server_requests_total", &labels("answered"), counters.answered);
            self.line("server_requests_total", &labels("failed"), counters.failed);
        }
        self.head("server_duration_seconds", "histogram", "Time to first byte by server.");
        for (service, pool, server, counters) in &each {
            let labels = [("service", service.as_str()), ("pool", pool), ("server", server)];
            self.histogram("server_duration_seconds", &labels, &counters.latency);
        }
    }

    fn pools(&mut self, pools: &BTreeMap<PoolId, PoolStatus>) {
        self.head("pool_servers", "gauge", "Servers of a pool by their state.");
        for (pool, seen) in pools {
            for state in STATES {
                let count = seen.servers.iter().filter(|server| server.state == state).count();
                let word = state.as_str().replace(' ', "_");
                self.line("pool_servers", &[("pool", &pool.0), ("state", &word)], count);
            }
        }
        let single: [Single<PoolStatus, u32>; 5] = [
            ("pool_concurrency_limit", "Current limit of concurrent requests of a pool.", |pool| pool.limit),
            ("pool_inflight", "Concurrent requests of a pool.", |pool| pool.inflight),
            ("pool_queued", "Requests in the queue of a pool.", |pool| pool.waiting),
            (
                "pool_panic",
                "1 in panic mode: too few servers are healthy, so all servers except draining ones get requests.",
                |pool| pool.panic_mode.into(),
            ),
            ("pool_certificate_mismatch", "1 when servers present a certificate for another name.", |pool| {
                pool.certificate.is_some().into()
            }),
        ];
        for (name, help, value) in single {
            self.head(name, "gauge", help);
            for (pool, seen) in pools {
                self.line(name, &[("pool", &pool.0)], value(seen));
            }
        }
    }

    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], all: &Histogram) {
        let bucket = format!("{name}_bucket");
        for log2 in BOUNDS_LOG2 {
            let bound = (f64::from(1u32 << log2) / 1e6).to_string();
            self.line(&bucket, &[labels, &[("le", bound.as_str())]].concat(), all.between(0, 1 << log2));
        }
        self.line(&bucket, &[labels, &[("le", "+Inf")]].concat(), all.count());
        self.line(&format!("{name}_sum"), labels, all.sum().as_secs_f64());
        self.line(&format!("{name}_count"), labels, all.count());
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.out, "# TYPE mainstay_edge_{name} {kind}\n# HELP mainstay_edge_{name} {help}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let _ = write!(self.out, "mainstay_edge_{name}");
        for (at, (label, text)) in labels.iter().enumerate() {
            self.out.push_str(if at == 0 { "{" } else { "," });
            let _ = write!(self.out, "{label}=\"");
            for each in text.chars() {
                match each {
                    '"' => self.out.push_str("\\\""),
                    '\\' => self.out.push_str("\\\\"),
                    '\n' => self.out.push_str("\\n"),
                    each => self.out.push(each),
                }
            }
            self.out.push('"');
        }
        let _ = writeln!(self.out, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}
