//! Fixed views of the edge: a surge on Sign-in, an API that refuses its own caller, a pool below its minimum; and
//! normal traffic.

use crate::fixed_time::{NOW, at};
use engine::views::Traffic;
use engine::views::scaling::{Scaling, Signal};
use engine::views::traffic::{POINT, POINTS_MAX, Point, PoolNow, ServiceNow};
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt;
use std::time::Duration;
use testkit::time::secs;
use types::headroom::Unknown;
use types::time::{earlier, later};
use types::trace::{Attempt, Hop, Phase, Trace, Verdict};
use types::traffic::{Asked, OpensStatus, PoolStatus, ServerState, ServerStatus, ServiceTraffic};
use types::{Alert, AlertId, Denial, DenialId, Fault, ProbeId, ServiceId, Severity};

/// Trace of a request that failed because its upstream call was refused.
pub(crate) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Points of 15 minutes: the usual rate, and at the end a multiple of it, mostly refused.
fn series(usual: u64, times: u64, failed: bool) -> Vec<Point> {
    let now = at(NOW);
    let count = u64::try_from(POINTS_MAX).unwrap();
    (0..count)
        .map(|n| {
            // Varies, but is the same in every run.
            let wave = usual * 5 + (n * 7_919 % 13) * usual / 6;
            let surge = times > 1 && n >= count - 40;
            let requests = if surge { wave * times } else { wave };
            Point {
                at: earlier(now, POINT * u32::try_from(count - n).unwrap()),
                window: POINT,
                requests,
                refused: if surge { requests * 8 / 10 } else { 0 },
                failed: if surge && failed { requests / 10 } else { 0 },
                p99: millis(180),
            }
        })
        .filter(|point| times > 1 || point.at != earlier(now, POINT * 60))
        .collect()
}

fn shares(of: &[(&str, u8)]) -> Vec<(String, u8)> {
    of.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect()
}

fn alert(id: u64, about: &str, fault: Fault) -> Alert {
    Alert {
        id: AlertId(id),
        about: about.parse().unwrap(),
        fault,
        severity: Severity::Critical,
        probe: ProbeId::from("edge"),
        since: at(NOW),
        evidence: "figures of the last ten seconds".to_owned(),
        seen_at: types::SeenAt::default(),
    }
}

fn signin(surge: bool) -> ServiceNow {
    let calm = ServiceTraffic {
        requests: 41,
        passed: 41,
        recognized: Asked { asked: 30, served: 30 },
        first: Asked { asked: 11, served: 11 },
        p50: millis(48),
        p99: millis(180),
        subnets: shares(&[("AS3249 Telia Eesti", 31), ("AS1257 Tele2", 12)]),
        clients: shares(&[("recognized:4f2a9c", 7)]),
        paths: shares(&[("/login", 61), ("/", 22), ("/static/<app>.js", 9)]),
        ..ServiceTraffic::default()
    };
    let hot = ServiceTraffic {
        requests: 5_412,
        passed: 388,
        recognized: Asked { asked: 31, served: 31 },
        first: Asked { asked: 5_381, served: 352 },
        denied: 812,
        limited: [("subnet".to_owned(), 3_611), ("client".to_owned(), 207)].into(),
        shed: 394,
        failed: 5,
        p50: millis(61),
        p99: millis(244),
        subnets: shares(&[
            ("AS64500 Example Hosting", 52),
            ("AS64501 Cheap Boxes & <Sons>", 27),
            ("203.0.113.0/24", 13),
            ("AS3249 Telia Eesti", 1),
        ]),
        clients: shares(&[("203.0.113.9", 3), ("2001:db8:1:2::/64", 2), ("recognized:4f2a9c", 1)]),
        paths: shares(&[("/login", 97), ("/", 2)]),
        ..ServiceTraffic::default()
    };
    ServiceNow {
        valve: None,
        is_cached: true,
        id: "auth".to_owned(),
        title: "Sign-in".to_owned(),
        pool: "auth".to_owned(),
        now: Some(if surge { hot } else { calm }),
        window: secs(1),
        usual_milli: Some(38_500),
        series: series(38, if surge { 140 } else { 1 }, surge),
        alerts: if surge {
            vec![alert(
                21,
                "service.auth",
                Fault::Surge {
                    times: Some(140),
                    per_sec: 5_412,
                    share_percent: 92,
                    networks: ["AS64500", "AS64501", "203.0.113.0/24"].map(str::to_owned).to_vec(),
                },
            )]
        } else {
            vec![]
        },
    }
}

fn api(surge: bool) -> ServiceNow {
    let now = ServiceTraffic {
        requests: 120,
        passed: if surge { 64 } else { 120 },
        callers: Asked { asked: 118, served: if surge { 62 } else { 118 } },
        first: Asked { asked: 2, served: 2 },
        limited: if surge { [("caller".to_owned(), 56)].into() } else { [].into() },
        server_429: if surge { 12 } else { 0 },
        p50: millis(6),
        p99: Duration::from_micros(21_400),
        paths: shares(&[("/v1/session", 88)]),
        ..ServiceTraffic::default()
    };
    ServiceNow {
        valve: None,
        is_cached: false,
        id: "api".to_owned(),
        title: "Public API".to_owned(),
        pool: "api".to_owned(),
        now: Some(now),
        window: secs(1),
        usual_milli: Some(115_000),
        series: series(115, 1, false),
        alerts: if surge {
            vec![alert(
                22,
                "service.api",
                Fault::LimitConflict {
                    caller: "auth-web".to_owned(),
                    percent: 93,
                    trace: Some(TRACE.to_owned()),
                    limits: vec!["api-client of auth-web".to_owned(), "per-address of api".to_owned()],
                },
            )]
        } else {
            vec![]
        },
    }
}

fn server(address: &str, state: ServerState, since: u64, why: Option<&str>) -> ServerStatus {
    let serves = state.serves();
    ServerStatus {
        address: address.to_owned(),
        state,
        since: secs(since),
        why: why.map(str::to_owned),
        inflight: if serves { 7 } else { 0 },
        connections: 0,
        answered: if serves { 97 } else { 0 },
        failed: u64::from(state == ServerState::Ejected),
        connects: Default::default(),
        latency: if serves { millis(61) } else { Duration::ZERO },
    }
}

fn pools(surge: bool) -> Vec<PoolNow> {
    let first = |address: &str| server(address, ServerState::Serving, 86_400, None);
    let auth = if surge {
        vec![
            first("10.0.0.11:8080"),
            server("10.0.0.12:8080", ServerState::Warming, 21, None),
            server("10.0.0.13:8080", ServerState::Ejected, 94, Some("7 failures in a row: connection reset")),
            server(
                "10.0.0.14:8080",
                ServerState::Down,
                400,
                Some("GET /health took longer than 1 s, 3 times"),
            ),
            server("10.0.0.15:8080", ServerState::Draining, 3_600, Some("the configuration says drain")),
        ]
    } else {
        vec![first("10.0.0.11:8080"), first("10.0.0.12:8080")]
    };
    vec![
        PoolNow {
            id: "auth".to_owned(),
            min_healthy: Some(3),
            services: vec!["Sign-in".to_owned()],
            seen: Some(PoolStatus {
                servers: auth,
                limit: 24,
                inflight: 21,
                waiting: if surge { 38 } else { 0 },
                panic_mode: surge,
                throttled: false,
                certificate: None,
                opens: OpensStatus::default(),
            }),
            scaling: Some(Scaling::Signal(Signal {
                desired_servers: if surge { 8 } else { 4 },
                working_servers: 4,
                utilization_ratio: Some(if surge { 1.9 } else { 0.5 }),
                target_ratio: 0.7,
                demand_per_second: if surge { 950.0 } else { 250.0 },
                knee_per_server: 125.0,
                is_estimate: false,
                is_restricted: surge,
            })),
            alerts: vec![],
        },
        PoolNow {
            id: "api".to_owned(),
            min_healthy: None,
            services: vec!["Public API".to_owned()],
            seen: Some(PoolStatus {
                servers: vec![first("[2001:db8::21]:8443")],
                limit: 100,
                inflight: 4,
                waiting: 0,
                panic_mode: false,
                throttled: false,
                certificate: surge.then(|| {
                    ("api.internal".to_owned(), "presented old-api.internal and api.test".to_owned())
                }),
                opens: OpensStatus::default(),
            }),
            scaling: Some(Scaling::Unknown(Unknown::NoLoadTest)),
            alerts: vec![],
        },
    ]
}

fn denials() -> Vec<Denial> {
    let denial = |id, what: &str, service: Option<&str>, lasting, by: &str| Denial {
        id: DenialId(id),
        what: what.parse().unwrap(),
        service: service.map(Into::into),
        from: at(NOW),
        until: later(at(NOW), secs(lasting)),
        by: by.to_owned(),
    };
    vec![
        denial(3, "AS64500", Some("auth"), 3_600, "Ana"),
        denial(4, "198.51.100.0/24", None, 90_000, "Bo & <Cy>"),
    ]
}

/// View of the edge.
pub(crate) fn traffic(surge: bool) -> Traffic {
    Traffic {
        at: at(NOW),
        reported: Some(at(NOW)),
        silent: false,
        connections: if surge { 9_511 } else { 213 },
        services: vec![signin(surge), api(surge)],
        pools: pools(surge),
        unknown_hosts: if surge { vec![("old-shop.acme.com".to_owned(), 12)] } else { vec![] },
        denials: if surge { denials() } else { vec![] },
    }
}

fn hop(span: &str, parent: Option<&str>, after_us: u64, took_us: u64) -> Hop {
    Hop {
        span: span.to_owned(),
        parent: parent.map(str::to_owned),
        at: later(at("2026-11-22T04:20:58.120Z"), Duration::from_micros(after_us)),
        service: Some("auth".into()),
        pool: Some("auth".into()),
        method: "POST".to_owned(),
        host: "auth.acme.com".to_owned(),
        path: "/login".to_owned(),
        protocol: "HTTP/2".to_owned(),
        client: "198.51.100.7".to_owned(),
        country: Some("EE".to_owned()),
        asn: Some(3249),
        client_kind: "recognized".to_owned(),
        caller: None,
        verdict: Verdict::Passed,
        limit: None,
        status: 503,
        why: None,
        phases: vec![],
        attempts: vec![],
        received_bytes: 41,
        sent_bytes: 1_024,
        took_us,
    }
}

fn part(name: &str, began_us: u64, took_us: u64) -> Phase {
    Phase { name: name.to_owned(), began_us, took_us }
}

/// Trace of a sign-in that failed because the API refused its own front end.
pub(crate) fn trace() -> Trace {
    let mut outer = hop("00f067aa0ba902b7", None, 0, 182_000);
    outer.phases = vec![
        part("policy check", 0, 20),
        part("queued", 20, 12_000),
        part("wait for first byte", 12_400, 161_000),
        part("send response", 173_400, 8_600),
    ];
    let attempt = |server: &str, began_us, took_us, status, why: Option<&str>| Attempt {
        server: server.to_owned(),
        began_us,
        took_us,
        status,
        why: why.map(str::to_owned),
    };
    outer.attempts = vec![
        attempt("10.0.0.13:8080", 12_020, 300, None, Some("connection refused")),
        attempt("10.0.0.11:8080", 12_400, 161_000, Some(503), None),
    ];
    let mut inner = hop("53ce929d0e0e4736", Some("00f067aa0ba902b7"), 150_000, 90);
    inner.service = Some("api".into());
    inner.pool = Some("api".into());
    inner.host = "api.acme.com".to_owned();
    inner.path = "/v1/session/of/a/visitor/with/a/long/name/4f2a9c0e4f2a9c0e4f2a9c0e".to_owned();
    inner.protocol = "HTTP/1.1".to_owned();
    inner.caller = Some("auth-web".into());
    inner.verdict = Verdict::Limited;
    inner.status = 429;
    inner.limit = Some("limit of the caller auth-web at api, 50/s".to_owned());
    inner.phases = vec![part("policy check", 0, 90)];
    Trace { id: TRACE.to_owned(), hops: vec![outer, inner] }
}

/// Edge with a few recent requests.
#[derive(Debug)]
pub(crate) struct StubEdge;

impl web::Edge for StubEdge {
    fn purge(&self, service: &ServiceId, path: Option<&str>) -> Option<u64> {
        (service.0 == "auth").then(|| if path.is_some() { 2 } else { 5 })
    }

    fn trace(&self, id: &str) -> Option<Trace> {
        (id == TRACE).then(trace)
    }

    fn recent(&self, most: usize) -> Vec<Trace> {
        let mut denied = trace();
        denied.id = "a3ce929d0e0e47364bf92f3577b34da6".to_owned();
        denied.hops.truncate(1);
        denied.hops[0].verdict = Verdict::Denied;
        denied.hops[0].status = 403;
        denied.hops[0].limit = Some("denial-3 of AS64500".to_owned());
        let alike = |n: u32| Trace { id: format!("{n:032x}"), ..denied.clone() };
        [trace(), denied.clone(), alike(1), alike(2)].into_iter().take(most).collect()
    }

    fn metrics(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let requests = MetricType::Counter;
        let mut family = encoder.encode_descriptor("mainstay_edge_requests", "Requests.", None, requests)?;
        family.encode_family(&[("service", "auth")])?.encode_counter::<NoLabelSet, _, u64>(&7u64, None)
    }
}
