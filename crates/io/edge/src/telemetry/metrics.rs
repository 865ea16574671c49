//! Counters since the process began, for `/metrics`.

use super::counters::{Counters, RouteCounters, VERDICTS};
use super::histogram::Histogram;
use super::names::Names;
use super::record::CacheOutcome;
use super::rollup::named;
use super::{Kind, Telemetry, lock};
use crate::idempotency::Usage;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::collections::BTreeMap;
use std::fmt;
use types::traffic::{OpensStatus, PoolStatus, ServerState};
use types::{PoolId, ServiceId, Time};

/// The most certificates that are listed.
const CERTIFICATES_MAX: usize = 1_000;

/// Bounds of the buckets on /metrics: 2^n microseconds, which our own buckets meet exactly; 0.5 ms to 33 s.
const BOUNDS_LOG2: std::ops::RangeInclusive<u32> = 9..=25;

/// A metric's name, its help, and its value.
type Single<T, N> = (&'static str, &'static str, fn(&T) -> N);

/// A label and its value.
type Label<'a> = (&'a str, &'a str);

/// Routes with requests, by service and pool.
type Routes<'a> = [(ServiceId, PoolId, &'a RouteCounters)];

const STATES: [ServerState; 5] = [
    ServerState::Serving,
    ServerState::Warming,
    ServerState::Ejected,
    ServerState::Down,
    ServerState::Draining,
];

impl Telemetry {
    /// Encodes all that was counted since the process began. As new as the last roll-up.
    ///
    /// # Errors
    /// When the encoder cannot write.
    pub fn metrics(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let totals = &*lock(&self.totals);
        let names = &self.shared.names;
        let routes: Vec<_> = named(&totals.all, names).collect();
        verdicts(encoder, &routes)?;
        clients(encoder, &routes)?;
        route_totals(encoder, &routes)?;
        servers(encoder, &totals.all, names)?;
        pools(encoder, &totals.pools)?;
        opens(encoder, &totals.opens)?;
        let mut family = gauges(encoder, "mainstay_edge_connections", "Open connections.")?;
        gauge(&mut family, &[], totals.connections)?;
        self.records(encoder)
    }

    /// Encodes until when the certificates for these names are good.
    ///
    /// # Errors
    /// When the encoder cannot write.
    pub fn certificate_metrics(
        &self,
        ends: &[(String, Time)],
        encoder: &mut DescriptorEncoder<'_>,
    ) -> fmt::Result {
        let name = "mainstay_edge_certificate_expiry_timestamp_seconds";
        let mut family = gauges(encoder, name, "Expiry of the certificate that is presented for a name.")?;
        for (of, end) in ends.iter().take(CERTIFICATES_MAX) {
            gauge(&mut family, &[("name", of)], end.as_second())?;
        }
        Ok(())
    }

    /// Encodes the position of the valve of each service, and whether it is in limited mode.
    ///
    /// # Errors
    /// When the encoder cannot write.
    pub fn valve_metrics<'a>(
        &self,
        valves: impl Iterator<Item = (&'a ServiceId, Option<(u8, bool)>)> + Clone,
        encoder: &mut DescriptorEncoder<'_>,
    ) -> fmt::Result {
        let help = "Share of clients that the valve lets in: 1 when it is fully open.";
        let mut family = gauges(encoder, "mainstay_edge_valve_position_ratio", help)?;
        for (service, valve) in valves.clone() {
            let position = valve.map_or(1.0, |(percent, _)| f64::from(percent) / 100.0);
            gauge(&mut family, &[("service", &service.0)], position)?;
        }
        let help = "1 in limited mode: only priority paths are served.";
        let mut family = gauges(encoder, "mainstay_edge_valve_limited", help)?;
        for (service, valve) in valves {
            let is_limited = valve.is_some_and(|(_, limited)| limited);
            gauge(&mut family, &[("service", &service.0)], u64::from(is_limited))?;
        }
        Ok(())
    }

    /// Encodes how full the response cache is: bytes stored, bytes allowed, URLs.
    ///
    /// # Errors
    /// When the encoder cannot write.
    pub fn cache_metrics(&self, usage: [u64; 3], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let all = [
            ("mainstay_edge_cache_bytes", "Bytes of stored responses with their keys."),
            ("mainstay_edge_cache_max_bytes", "Maximum of the same: edge.cache_size."),
            ("mainstay_edge_cache_urls", "URLs in the response cache."),
        ];
        for ((name, help), value) in all.into_iter().zip(usage) {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            gauge(&mut gauges(encoder, name, help)?, &[], value)?;
        }
        Ok(())
    }

    /// Encodes how full the store of idempotency keys is, and what came of requests with one.
    ///
    /// # Errors
    /// When the encoder cannot write.
    pub(crate) fn key_metrics(&self, usage: &Usage, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let all = [
            ("mainstay_edge_key_bytes", "Bytes of the idempotency keys on disk.", usage.bytes),
            (
                "mainstay_edge_key_max_bytes",
                "Maximum of the same: beyond it new keys are refused.",
                usage.max_bytes,
            ),
        ];
        for (name, help, value) in all {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            gauge(&mut gauges(encoder, name, help)?, &[], value)?;
        }
        let mut family =
            counters(encoder, "mainstay_edge_key_requests", "Requests with an idempotency key by outcome.")?;
        for (outcome, count) in usage.outcomes {
            counter(&mut family, &[("outcome", outcome)], count)?;
        }
        Ok(())
    }

    fn records(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Request records by kind, and how many of them were kept as traces.";
        let mut family = counters(encoder, "mainstay_edge_records", help)?;
        for kind in Kind::ALL {
            let taken = self.threads.iter().map(|recorder| recorder.open().rings.taken(kind));
            let (came, kept) = taken.fold((0, 0), |sum, taken| (sum.0 + taken.0, sum.1 + taken.1));
            counter(&mut family, &[("kind", kind.as_str()), ("kept", "no")], came - kept)?;
            counter(&mut family, &[("kind", kind.as_str()), ("kept", "yes")], kept)?;
        }
        let help = "Records exported as access log lines and spans, and records dropped because the queue was full or the receiver failed.";
        let mut family = counters(encoder, "mainstay_edge_exported_records", help)?;
        for (kind, counts) in self.shared.exported() {
            counter(&mut family, &[("kind", kind), ("outcome", "sent")], counts.sent())?;
            counter(&mut family, &[("kind", kind), ("outcome", "dropped")], counts.dropped())?;
        }
        Ok(())
    }
}

fn verdicts(encoder: &mut DescriptorEncoder<'_>, routes: &Routes<'_>) -> fmt::Result {
    let mut family = counters(encoder, "mainstay_edge_requests", "Requests by verdict.")?;
    for (service, pool, route) in routes {
        for verdict in VERDICTS {
            let labels = [("service", &*service.0), ("pool", &*pool.0), ("verdict", verdict.as_str())];
            counter(&mut family, &labels, route.verdicts[verdict as usize])?;
        }
    }
    let help = "Responses by class of status code; none when the client disconnected before.";
    let mut family = counters(encoder, "mainstay_edge_responses", help)?;
    for (service, pool, route) in routes {
        for (code, count) in ["none", "1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(route.codes) {
            let labels = [("service", &*service.0), ("pool", &*pool.0), ("code", code)];
            counter(&mut family, &labels, count)?;
        }
    }
    let help = "Requests for cached paths, by what the response cache did.";
    let mut family = counters(encoder, "mainstay_edge_cache_requests", help)?;
    for (service, pool, route) in
        routes.iter().filter(|(_, _, route)| route.cache.iter().any(|count| *count > 0))
    {
        for (outcome, count) in CacheOutcome::ALL.into_iter().zip(route.cache) {
            let labels = [("service", &*service.0), ("pool", &*pool.0), ("outcome", outcome.as_str())];
            counter(&mut family, &labels, count)?;
        }
    }
    let help = "Requests refused by a limit of the configuration.";
    let mut family = counters(encoder, "mainstay_edge_limited", help)?;
    for (service, pool, route) in routes {
        for (limit, count) in &route.limited {
            let labels = [("service", &*service.0), ("pool", &*pool.0), ("limit", limit.as_str())];
            counter(&mut family, &labels, *count)?;
        }
    }
    Ok(())
}

fn clients(encoder: &mut DescriptorEncoder<'_>, routes: &Routes<'_>) -> fmt::Result {
    let help = "Requests by kind of client: recognized, first_time, caller.";
    let mut family = counters(encoder, "mainstay_edge_client_requests", help)?;
    for (service, pool, route) in routes {
        for (client, (asked, served)) in ["recognized", "first_time", "caller"].into_iter().zip(route.asked) {
            for (is_served, count) in [("yes", served), ("no", asked.saturating_sub(served))] {
                let labels =
                    [("service", &*service.0), ("pool", &*pool.0), ("client", client), ("served", is_served)];
                counter(&mut family, &labels, count)?;
            }
        }
    }
    Ok(())
}

fn route_totals(encoder: &mut DescriptorEncoder<'_>, routes: &Routes<'_>) -> fmt::Result {
    let single: [Single<RouteCounters, u64>; 6] = [
        ("mainstay_edge_server_429", "Responses 429 of servers.", |route| route.server_429),
        (
            "mainstay_edge_failed",
            "Responses 5xx of servers, and requests without a complete response.",
            |route| route.failed,
        ),
        ("mainstay_edge_client_closed", "Requests whose client disconnected before the end.", |route| {
            route.client_closed
        }),
        ("mainstay_edge_retries", "Requests retried at another server.", |route| route.retries),
        ("mainstay_edge_received_bytes", "Bytes of request bodies.", |route| route.received),
        ("mainstay_edge_sent_bytes", "Bytes of response bodies.", |route| route.sent),
    ];
    for (name, help, count) in single {
        let mut family = counters(encoder, name, help)?;
        for (service, pool, route) in routes {
            counter(&mut family, &[("service", &service.0), ("pool", &pool.0)], count(route))?;
        }
    }
    let name = "mainstay_edge_request_duration_seconds";
    let mut family = histograms(encoder, name, "Time to first byte of forwarded requests.")?;
    for (service, pool, route) in routes {
        histogram(&mut family, &[("service", &service.0), ("pool", &pool.0)], &route.latency)?;
    }
    Ok(())
}

fn servers(encoder: &mut DescriptorEncoder<'_>, all: &Counters, names: &Names) -> fmt::Result {
    let mut each: Vec<_> = all
        .servers
        .iter()
        .filter_map(|((route, server), counters)| {
            let (service, pool) = names.of_route(*route)?;
            Some((service.0, pool.0, server.to_string(), counters))
        })
        .collect();
    each.sort_by(|left, right| (&left.0, &left.1, &left.2).cmp(&(&right.0, &right.1, &right.2)));
    let mut family = counters(encoder, "mainstay_edge_server_requests", "Requests by server and outcome.")?;
    for (service, pool, server, of) in &each {
        for (outcome, count) in [("answered", of.answered), ("failed", of.failed)] {
            let labels = [("service", &**service), ("pool", pool), ("server", server), ("outcome", outcome)];
            counter(&mut family, &labels, count)?;
        }
    }
    let name = "mainstay_edge_server_duration_seconds";
    let mut family = histograms(encoder, name, "Time to first byte by server.")?;
    for (service, pool, server, of) in &each {
        histogram(&mut family, &[("service", service), ("pool", pool), ("server", server)], &of.latency)?;
    }
    Ok(())
}

fn pools(encoder: &mut DescriptorEncoder<'_>, pools: &BTreeMap<PoolId, PoolStatus>) -> fmt::Result {
    let mut family = gauges(encoder, "mainstay_edge_pool_servers", "Servers of a pool by their state.")?;
    for (pool, status) in pools {
        for state in STATES {
            let count = status.servers.iter().filter(|server| server.state == state).count();
            let word = state.as_str().replace(' ', "_");
            gauge(&mut family, &[("pool", &pool.0), ("state", &word)], count)?;
        }
    }
    let name = "mainstay_edge_server_connections";
    let mut family = gauges(encoder, name, "Open WebSockets and event streams of a server.")?;
    for (pool, status) in pools {
        for server in &status.servers {
            gauge(&mut family, &[("pool", &pool.0), ("server", &server.address)], server.connections)?;
        }
    }
    let single: [Single<PoolStatus, u32>; 8] = [
        ("mainstay_edge_pool_concurrency_limit", "Current limit of concurrent requests of a pool.", |pool| {
            pool.limit
        }),
        ("mainstay_edge_pool_inflight", "Concurrent requests of a pool.", |pool| pool.inflight),
        ("mainstay_edge_pool_queued", "Requests in the queue of a pool.", |pool| pool.waiting),
        ("mainstay_edge_pool_opens_queued", "Opens of WebSockets and event streams that are held.", |pool| {
            pool.opens.waiting
        }),
        ("mainstay_edge_pool_open_rate", "Opens a second that the servers of a pool complete.", |pool| {
            pool.opens.per_sec
        }),
        (
            "mainstay_edge_pool_open_rate_limit",
            "Opens a second that the servers of a pool are given at most; it follows what they complete.",
            |pool| pool.opens.limit_per_sec,
        ),
        (
            "mainstay_edge_pool_panic",
            "1 in panic mode: too few servers are healthy, so all servers except draining ones get requests.",
            |pool| pool.panic_mode.into(),
        ),
        (
            "mainstay_edge_pool_certificate_mismatch",
            "1 when servers present a certificate for another name.",
            |pool| pool.certificate.is_some().into(),
        ),
    ];
    for (name, help, value) in single {
        let mut family = gauges(encoder, name, help)?;
        for (pool, status) in pools {
            gauge(&mut family, &[("pool", &pool.0)], value(status))?;
        }
    }
    Ok(())
}

fn opens(encoder: &mut DescriptorEncoder<'_>, pools: &BTreeMap<PoolId, OpensStatus>) -> fmt::Result {
    let help = "Opens of WebSockets and event streams: sent to a server, or refused.";
    let mut family = counters(encoder, "mainstay_edge_opens", help)?;
    for (pool, opens) in pools {
        for (outcome, count) in [("admitted", opens.admitted), ("refused", opens.refused)] {
            counter(&mut family, &[("pool", &pool.0), ("outcome", outcome)], count)?;
        }
    }
    let help = "Opens that were held before they were sent or refused.";
    let mut family = counters(encoder, "mainstay_edge_held_opens", help)?;
    for (pool, opens) in pools {
        counter(&mut family, &[("pool", &pool.0)], opens.held)?;
    }
    Ok(())
}

fn counters<'e>(
    encoder: &'e mut DescriptorEncoder<'_>,
    name: &'e str,
    help: &str,
) -> Result<MetricEncoder<'e>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Counter)
}

fn gauges<'e>(
    encoder: &'e mut DescriptorEncoder<'_>,
    name: &'e str,
    help: &str,
) -> Result<MetricEncoder<'e>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)
}

fn histograms<'e>(
    encoder: &'e mut DescriptorEncoder<'_>,
    name: &'e str,
    help: &str,
) -> Result<MetricEncoder<'e>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Histogram)
}

fn counter(family: &mut MetricEncoder<'_>, labels: &[Label<'_>], value: u64) -> fmt::Result {
    family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
}

fn gauge(family: &mut MetricEncoder<'_>, labels: &[Label<'_>], value: impl EncodeGaugeValue) -> fmt::Result {
    family.encode_family(&labels)?.encode_gauge(&value)
}

fn histogram(family: &mut MetricEncoder<'_>, labels: &[Label<'_>], all: &Histogram) -> fmt::Result {
    let mut from = 0;
    let mut buckets: Vec<(f64, u64)> = BOUNDS_LOG2
        .map(|log2| {
            let to = 1u64 << log2;
            let count = all.between(from, to);
            from = to;
            (to as f64 / 1e6, count)
        })
        .collect();
    let below: u64 = buckets.iter().map(|(_, count)| count).sum();
    buckets.push((f64::INFINITY, all.count() - below));
    family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
        all.sum().as_secs_f64(),
        all.count(),
        &buckets,
        None,
    )
}
