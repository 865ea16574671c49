//! Scenarios: the answers of [`Telemetry`] after a series of requests.

use super::*;
use http::{HeaderMap, Method, StatusCode, Version};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use traffic::facts::{Limit as Rule, Quota};
use traffic::{Refusal, Shed, ShedWhy};
use types::traffic::{Asked, CallSide, ConnectsStatus, PoolStatus, ServerState, ServerStatus};
use types::{PoolId, Rollup, ServiceId};

const SECOND: Duration = Duration::from_secs(1);

fn telemetry(threads: usize) -> Arc<Telemetry> {
    Arc::new(Telemetry::new(Settings::new(threads, Instant::now())).unwrap())
}

#[derive(Debug)]
struct Metrics(Arc<Telemetry>);

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        self.0.metrics(&mut encoder)
    }
}

/// The metrics in the OpenMetrics text format, without the closing `# EOF`.
pub(super) fn openmetrics(telemetry: &Arc<Telemetry>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics(Arc::clone(telemetry))));
    let mut text = String::new();
    encode_registry(&mut text, &registry).unwrap();
    text
}

fn server() -> SocketAddr {
    (Ipv4Addr::new(10, 0, 0, 11), 8080).into()
}

/// A request to `service`, with its verdict, ready to be answered.
fn asked(recorder: &Recorder, service: &str, ids: Ids, tick: u64) -> Box<OpenRecord> {
    let mut open = recorder.open(tick, Ipv4Addr::new(192, 0, 2, 7).into(), ids);
    open.route = recorder.route(&service.into(), &service.into());
    open.asks(Version::HTTP_11, &Method::GET, &format!("{service}.acme.com"), "/login?token=1");
    open.stamp(Phase::Head, tick + 100);
    open.stamp(Phase::Judged, tick + 110);
    open
}

fn answered(mut open: Box<OpenRecord>, status: u16, after: u64) {
    let began = open.began;
    open.server.get_or_insert_with(server);
    for (phase, tick) in [(Phase::Admitted, 130), (Phase::Connected, 200), (Phase::Sent, 220)] {
        open.stamp(phase, began + tick);
    }
    let head = began + 100 + after;
    open.answered(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), head, 0);
    open.sent = 512;
    open.close(head + 50);
}

fn roll_up(telemetry: &Telemetry) -> Rollup {
    telemetry.roll_up(SECOND, [&ServiceId::from("auth"), &ServiceId::from("quiet")], BTreeMap::new(), 3)
}

fn child_of(ids: &Ids) -> Ids {
    Ids::read(&ids.outward()).unwrap()
}

fn refusal(limit: Rule, status: u16) -> Refusal {
    let quota =
        (status == 429).then_some(Quota { limit, burst: 40, window_secs: 2, remaining: 0, reset_secs: 2 });
    Refusal { status, limit, retry_after: quota.map(|_| Duration::from_millis(1_200)), quota, denial: None }
}

#[test]
fn calls_are_counted_by_server_and_by_caller_and_clients_once() {
    let telemetry = telemetry(2);
    let servers = [server(), SocketAddr::from((Ipv4Addr::new(10, 0, 0, 2), 80))];
    for (thread, number) in [(0, 0), (1, 1), (0, 2), (1, 3)] {
        let recorder = telemetry.recorder(thread);
        let mut open = asked(&recorder, "auth", Ids::fresh(), 1_000);
        open.server = Some(servers[number % 2]);
        open.caller = recorder.caller(&"shop-web".into()).filter(|_| number < 2);
        answered(open, if number == 3 { 503 } else { 200 }, 4_000);
    }
    let status = |address: &SocketAddr| ServerStatus {
        address: address.to_string(),
        state: ServerState::Serving,
        since: SECOND,
        why: None,
        inflight: 0,
        connections: 0,
        connects: ConnectsStatus::default(),
        answered: 0,
        failed: 0,
        latency: Duration::ZERO,
    };
    let pool = PoolStatus { servers: servers.iter().map(status).collect(), ..PoolStatus::default() };
    let pools = BTreeMap::from([(PoolId::from("auth"), pool)]);
    let rollup = telemetry.roll_up(SECOND, [&ServiceId::from("auth")], pools, 3);
    let calls: Vec<_> =
        rollup.calls.iter().map(|call| (call.side.clone(), call.requests, call.failed)).collect();
    let server = |at: usize| CallSide::Server(servers[at].to_string());
    let mut expected =
        vec![(CallSide::Caller("shop-web".into()), 2, 0), (server(0), 2, 0), (server(1), 2, 1)];
    expected[1..].sort_by_key(|(side, ..)| match side {
        CallSide::Server(at) => at.parse::<SocketAddr>().ok(),
        CallSide::Caller(_) => None,
    });
    assert_eq!(calls, expected);
    assert!(rollup.calls.iter().all(|call| call.service.0 == "auth" && !call.p50.is_zero()), "{rollup:?}");
    assert_eq!(rollup.services[&"auth".into()].distinct_clients, 1, "four requests of one client");
    let quiet = telemetry.roll_up(SECOND, [&ServiceId::from("auth")], BTreeMap::new(), 3);
    assert_eq!((quiet.calls.len(), quiet.services[&"auth".into()].distinct_clients), (0, 1));
}

#[test]
fn front_end_and_its_api_are_one_trace() {
    let telemetry = telemetry(2);
    let (front, back) = (telemetry.recorder(0), telemetry.recorder(1));
    let outer = asked(&front, "auth", Ids::fresh(), 1_000);
    let ids = outer.ids;
    let mut inner = asked(&back, "api", child_of(&ids), 2_000);
    inner.caller = back.caller(&"auth-web".into());
    let mut headers = HeaderMap::new();
    headers.insert("ratelimit", "\"per-address\";r=0;t=30".parse().unwrap());
    headers.insert("ratelimit-policy", "\"per-address\";q=100;w=60".parse().unwrap());
    inner.server = Some(server());
    inner.answered(StatusCode::TOO_MANY_REQUESTS, &headers, 4_000, 0);
    inner.close(4_100);
    // The front end makes a page of it: nothing special by itself, yet it belongs to the trace.
    answered(outer, 200, 4_000);

    let trace = telemetry.trace(ids.trace).unwrap();
    assert_eq!(trace.id, ids.trace.to_string());
    let services: Vec<_> = trace.hops.iter().map(|hop| hop.service.as_ref().unwrap().0.as_str()).collect();
    assert_eq!(services, ["auth", "api"]);
    let [outer, inner] = &trace.hops[..] else { panic!() };
    assert_eq!((inner.parent.as_ref(), outer.parent.as_ref()), (Some(&outer.span), None));
    assert_eq!(inner.limit.as_deref(), Some("per-address of api, 100 in 60 s, none left, again in 30 s"));
    assert_eq!(inner.caller, Some("auth-web".into()));
    assert_eq!((outer.path.as_str(), outer.status, outer.took_us), ("/login", 200, 4_050));
    let phases: Vec<_> =
        outer.phases.iter().map(|phase| (phase.name.as_str(), phase.began_us, phase.took_us)).collect();
    assert_eq!(
        phases,
        [
            ("policy check", 0, 10),
            ("queued", 10, 20),
            ("connect", 30, 70),
            ("send request", 100, 20),
            ("wait for first byte", 120, 3_880),
            ("send response", 4_000, 50),
        ]
    );
    assert_eq!(trace.nested().iter().map(|(depth, _)| *depth).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_limit_conflict_is_rolled_up_with_the_trace_that_shows_both_limits() {
    let telemetry = telemetry(1);
    let recorder = telemetry.recorder(0);
    let both = Ids::fresh();
    for (number, ids) in [Ids::fresh(), both, Ids::fresh()].into_iter().enumerate() {
        let at = 10_000 * number as u64;
        let outer = asked(&recorder, "auth", ids, at);
        let mut inner = asked(&recorder, "api", child_of(&ids), at + 500);
        inner.caller = recorder.caller(&"auth-web".into());
        inner.refused(&refusal(Rule::Caller, 429), at + 700);
        inner.close(at + 800);
        if ids == both {
            let mut headers = HeaderMap::new();
            headers.insert("ratelimit", "\"api-client\";r=0;t=3".parse().unwrap());
            let mut outer = outer;
            outer.answered(StatusCode::TOO_MANY_REQUESTS, &headers, at + 900, 0);
            outer.close(at + 950);
        } else {
            answered(outer, 200, 900);
        }
    }
    let rollup = roll_up(&telemetry);
    let api = &rollup.services[&"api".into()];
    assert_eq!((api.requests, api.passed, api.limited["caller"]), (3, 0, 3));
    assert_eq!(api.callers, Asked { asked: 3, served: 0 });
    let refused = &api.callers_refused[&"auth-web".into()];
    assert_eq!(refused.count, 3);
    assert_eq!(refused.trace.as_ref(), Some(&both.trace.to_string()));
    assert_eq!(refused.limits, ["api-client of auth", "caller limit of api"]);
    let auth = &rollup.services[&"auth".into()];
    assert_eq!((auth.requests, auth.passed, auth.server_429), (3, 3, 1));
    assert_eq!(auth.first, Asked { asked: 3, served: 2 });
    assert_eq!(auth.subnets, [("192.0.2.0/24".to_owned(), 100)]);
    assert_eq!(auth.paths, [("/login".to_owned(), 100)]);
    assert_eq!(rollup.services[&"quiet".into()].requests, 0, "those without a request are there");
    assert_eq!((rollup.interval, rollup.connections), (SECOND, 3));
    assert_eq!(roll_up(&telemetry).services[&"auth".into()].requests, 0, "the next second begins at zero");
}

/// Traces of the requests of [`one_of_each`].
struct Traces {
    retried: TraceId,
    failed: TraceId,
    denied: TraceId,
    shed: TraceId,
    left: TraceId,
    cut: TraceId,
}

/// Records one request for each outcome.
fn one_of_each(recorder: &Recorder) -> Traces {
    let mut known = asked(recorder, "auth", Ids::fresh(), 0);
    known.recognized = Some(7);
    answered(known, 200, 2_000);

    let mut retried = asked(recorder, "auth", Ids::fresh(), 0);
    let bad = (Ipv4Addr::new(10, 0, 0, 12), 8080).into();
    retried.retry(bad, Failure::Connect, 400);
    let retried_id = retried.ids.trace;
    answered(retried, 500, 2_000);

    let mut failed = asked(recorder, "auth", Ids::fresh(), 0);
    failed.server = Some(server());
    failed.failed(Failure::Certificate, 502, "presented b.example, expected auth.internal", 900);
    let failed_id = failed.ids.trace;
    failed.close(950);

    let mut denied = asked(recorder, "auth", Ids::fresh(), 0);
    denied.country = Some(*b"XX");
    denied.refused(&refusal(Rule::DeniedCountry, 403), 120);
    let denied_id = denied.ids.trace;
    denied.close(130);

    let mut shed = asked(recorder, "auth", Ids::fresh(), 0);
    shed.shed(&Shed { retry_after: SECOND, why: ShedWhy::Waited }, 503, 800_000);
    shed.opens = true;
    let shed_id = shed.ids.trace;
    shed.close(800_100);

    // Its client disconnects before a response, and hyper drops everything.
    let unmarked = std::iter::repeat_with(Ids::fresh).find(|ids| !ids.sampled()).unwrap();
    let left = asked(recorder, "auth", unmarked, 0);
    let left_id = left.ids.trace;
    drop(left);

    // The response breaks off after it was counted as a success.
    let mut cut = asked(recorder, "auth", Ids::fresh(), 0);
    cut.server = Some(server());
    cut.answered(StatusCode::OK, &HeaderMap::new(), 600, 0);
    cut.count();
    cut.broke_off(Failure::Reset, "");
    let cut_id = cut.ids.trace;
    cut.close(700);

    let mut strange = recorder.open(0, Ipv4Addr::LOCALHOST.into(), Ids::fresh());
    strange.asks(Version::HTTP_11, &Method::GET, "old.acme.com", "/");
    strange.unknown_host(421, 50);
    strange.close(60);
    Traces {
        retried: retried_id,
        failed: failed_id,
        denied: denied_id,
        shed: shed_id,
        left: left_id,
        cut: cut_id,
    }
}

#[test]
fn every_outcome_is_counted_and_has_a_trace() {
    let telemetry = telemetry(1);
    let traces = one_of_each(&telemetry.recorder(0));

    let rollup = roll_up(&telemetry);
    let auth = &rollup.services[&"auth".into()];
    assert_eq!((auth.requests, auth.passed, auth.denied, auth.shed), (7, 5, 1, 1));
    assert_eq!(auth.failed, 3, "500, certificate, broke off");
    assert_eq!((auth.opens, auth.opens_refused), (1, 1), "the one that was shed");
    assert_eq!(auth.recognized, Asked { asked: 1, served: 1 });
    assert_eq!(
        auth.first,
        Asked { asked: 6, served: 1 },
        "the one that broke off was counted as served at its head"
    );
    assert_eq!(rollup.unknown_hosts, BTreeMap::from([("old.acme.com".to_owned(), 1)]));

    let message = |id| telemetry.trace(id).map(|trace| trace.hops[0].message()).unwrap_or_default();
    assert_eq!(message(traces.retried), "10.0.0.11:8080 answered 500 after 1.7 ms");
    let attempts = &telemetry.trace(traces.retried).unwrap().hops[0].attempts;
    assert_eq!(
        (attempts[0].server.as_str(), attempts[0].why.as_deref()),
        ("10.0.0.12:8080", Some("no connection"))
    );
    assert_eq!(
        message(traces.failed),
        "no server answered, responded with 502: the certificate is not the one expected: \
         presented b.example, expected auth.internal"
    );
    assert_eq!(message(traces.denied), "refused with 403 by the deny rule for XX");
    assert_eq!(message(traces.shed), "refused with 503 by pool auth: queue timeout");
    assert_eq!(telemetry.trace(traces.left), None, "nobody's fault, and not in the sample");
    assert!(message(traces.cut).starts_with("10.0.0.11:8080 answered 200"));
    assert_eq!(telemetry.trace(traces.cut).unwrap().hops[0].why.as_deref(), Some("the connection broke"));

    let recent = telemetry.recent(3);
    assert_eq!(recent.len(), 3);
    assert!(recent.iter().all(|trace| trace.hops.len() == 1));
}

#[test]
fn slow_threshold_follows_the_service() {
    let telemetry = telemetry(1);
    let recorder = telemetry.recorder(0);
    for _ in 0..100 {
        answered(asked(&recorder, "auth", Ids::fresh(), 0), 200, 4_000);
    }
    let _ = (roll_up(&telemetry), roll_up(&telemetry));
    let (usual, slow) = (Ids::fresh(), Ids::fresh());
    answered(asked(&recorder, "auth", usual, 2_000_000), 200, 11_000);
    answered(asked(&recorder, "auth", slow, 2_000_000), 200, 14_000);
    assert!(telemetry.trace(slow.trace).is_some(), "more than three times what is usual");
    assert!(telemetry.recent(10).iter().all(|trace| trace.id != usual.trace.to_string()));
}

#[test]
fn a_flood_of_refusals_hides_neither_failures_nor_own_callers() {
    let telemetry =
        Telemetry::new(Settings { ring_bytes: 1 << 20, ..Settings::new(1, Instant::now()) }).unwrap();
    let recorder = telemetry.recorder(0);
    let mut dear = Vec::new();
    for second in 0..10u64 {
        for number in 0..5_000 {
            let mut open = asked(&recorder, "auth", Ids::fresh(), second * 1_000_000 + number * 200);
            let tick = open.began + 300;
            let own = number == 2_500;
            open.caller = own.then(|| recorder.caller(&"auth-web".into())).flatten();
            if own {
                dear.push(open.ids.trace);
            }
            open.refused(&refusal(Rule::Client, 429), tick);
            open.close(tick);
        }
        let failed = asked(&recorder, "auth", Ids::fresh(), second * 1_000_000);
        dear.push(failed.ids.trace);
        answered(failed, 500, 100);
    }
    assert!(dear.iter().all(|id| telemetry.trace(*id).is_some()));
    let kept = telemetry.recent(100_000).len() - dear.len();
    assert!((100..1_000).contains(&kept), "a fair part of the flood: {kept}");
}

#[test]
fn however_often_a_caller_is_refused_the_trace_that_is_named_can_be_shown() {
    let telemetry =
        Telemetry::new(Settings { ring_bytes: 1 << 20, ..Settings::new(1, Instant::now()) }).unwrap();
    let recorder = telemetry.recorder(0);
    for second in 0..3u64 {
        for number in 0..2_000 {
            let began = second * 1_000_000 + number * 500;
            let mut outer = asked(&recorder, "auth", Ids::fresh(), began);
            let mut inner = asked(&recorder, "api", child_of(&outer.ids), began + 10);
            inner.caller = recorder.caller(&"auth-web".into());
            inner.refused(&refusal(Rule::Caller, 429), began + 200);
            inner.close(began + 200);
            let mut headers = HeaderMap::new();
            headers.insert("ratelimit", "\"api-client\";r=0;t=3".parse().unwrap());
            outer.answered(StatusCode::TOO_MANY_REQUESTS, &headers, began + 400, 0);
            outer.close(began + 400);
        }
        let refused = &roll_up(&telemetry).services[&"api".into()].callers_refused[&"auth-web".into()];
        assert_eq!((refused.count, refused.limits.len()), (2_000, 2), "second {second}");
        let id = TraceId::read(refused.trace.as_ref().unwrap().as_bytes()).unwrap();
        assert_eq!(telemetry.trace(id).unwrap().hops.len(), 2);
    }
}

#[test]
fn ordinary_requests_are_sampled_with_all_hops() {
    let telemetry = telemetry(2);
    let (front, back) = (telemetry.recorder(0), telemetry.recorder(1));
    fastrand::seed(23);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for number in 0..6_400u64 {
        let at = number * 10_000;
        let outer = asked(&front, "auth", Ids::fresh(), at);
        ours.push(outer.ids);
        let mut inner = asked(&back, "api", child_of(&outer.ids), at + 10);
        inner.caller = back.caller(&"auth-web".into());
        answered(inner, 200, 100);
        answered(outer, 200, 300);
        // Of a first-time client that asks for all of its requests to be sampled.
        let wanted = format!("00-{number:032x}-00f067aa0ba902b7-01").replace("00-0000", "00-abcd");
        let strange = asked(&front, "auth", Ids::read(wanted.as_bytes()).unwrap(), at);
        theirs.push(strange.ids);
        answered(strange, 200, 300);
    }
    let hops = |ids: &Ids| telemetry.trace(ids.trace).map_or(0, |trace| trace.hops.len());
    let kept = ours.iter().filter(|ids| hops(ids) == 2).count();
    assert!((60..150).contains(&kept), "{kept}");
    assert!(ours.iter().all(|ids| hops(ids) == if ids.sampled() { 2 } else { 0 }));
    let strange = theirs.iter().filter(|ids| hops(ids) == 1).count();
    assert!((50..160).contains(&strange), "{strange}");
}

#[test]
fn metrics_are_openmetrics() {
    let telemetry = telemetry(1);
    let recorder = telemetry.recorder(0);
    answered(asked(&recorder, "auth", Ids::fresh(), 0), 200, 2_000);
    let down = ServerStatus {
        address: "10.0.0.11:8080".to_owned(),
        state: ServerState::Warming,
        since: SECOND,
        why: None,
        inflight: 0,
        connections: 0,
        answered: 0,
        failed: 0,
        connects: Default::default(),
        latency: SECOND,
    };
    let pools = BTreeMap::from([(
        PoolId::from("au\"th"),
        PoolStatus { servers: vec![down], ..PoolStatus::default() },
    )]);
    let _ = telemetry.roll_up(SECOND, [], pools, 3);
    let text = openmetrics(&telemetry);
    for line in [
        "mainstay_edge_requests_total{service=\"auth\",pool=\"auth\",verdict=\"passed\"} 1",
        "mainstay_edge_responses_total{service=\"auth\",pool=\"auth\",code=\"2xx\"} 1",
        "mainstay_edge_sent_bytes_total{service=\"auth\",pool=\"auth\"} 512",
        "mainstay_edge_request_duration_seconds_bucket{le=\"0.001024\",service=\"auth\",pool=\"auth\"} 0",
        "mainstay_edge_request_duration_seconds_bucket{le=\"0.002048\",service=\"auth\",pool=\"auth\"} 1",
        "mainstay_edge_request_duration_seconds_bucket{le=\"+Inf\",service=\"auth\",pool=\"auth\"} 1",
        "mainstay_edge_request_duration_seconds_sum{service=\"auth\",pool=\"auth\"} 0.002",
        "mainstay_edge_server_requests_total{service=\"auth\",pool=\"auth\",server=\"10.0.0.11:8080\",outcome=\"answered\"} 1",
        "mainstay_edge_pool_servers{pool=\"au\\\"th\",state=\"warming_up\"} 1",
        "mainstay_edge_connections 3",
    ] {
        assert!(text.lines().any(|each| each == line), "{line}\n{text}");
    }
    let mut family = "";
    let mut families = BTreeSet::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("# TYPE ") {
            family = head.split(' ').next().unwrap();
            assert!(families.insert(family), "twice: {family}");
        } else if !line.starts_with("# HELP ") {
            let name = line.split(['{', ' ']).next().unwrap();
            let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("{name} is not of {family}"));
            assert!(["", "_total", "_bucket", "_sum", "_count"].contains(&suffix), "{line}");
            assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
        }
    }
    let _ = roll_up(&telemetry);
    let later = openmetrics(&telemetry);
    assert!(
        later.contains("mainstay_edge_requests_total{service=\"auth\",pool=\"auth\",verdict=\"passed\"} 1\n"),
        "totals stay"
    );
}

#[test]
fn threads_are_added_up() {
    let telemetry = telemetry(4);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let recorder = telemetry.recorder(thread);
            scope.spawn(move || {
                for number in 0..1_000 {
                    answered(asked(&recorder, "auth", Ids::fresh(), number * 10), 200, 1_000);
                }
            });
        }
        let mut all = 0;
        let deadline = Instant::now() + Duration::from_secs(20);
        while all < 4_000 {
            assert!(Instant::now() < deadline);
            all += roll_up(&telemetry).services[&"auth".into()].requests;
        }
        assert_eq!(all, 4_000, "none lost, none twice");
    });
}
