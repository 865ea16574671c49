//! Likely causes through the engine: from an incident about slowness and stored samples to a hint in the summary.

use crate::Bench;
use engine::causes::{caller_subject, server_subject};
use engine::effects::edge_subject;
use engine::effects::{Point, Read};
use engine::views::TimelineFact;
use std::time::Duration;
use testkit::config::read;
use testkit::probe::{http, result};
use types::time::{between, earlier, later};
use types::traffic::{CallSide, CallTraffic, Rollup};
use types::{Answer, Event, EventKind, Fault, LikelyCause, Observation, Time};

const CONFIG: &str = r#"
[site]
name = "Acme"

[edge]
listen = ["127.0.0.1:18080"]

[service.shop]
title = "Shop"
hosts = ["shop.acme.com"]
depends_on = ["service.api", "database.main"]
traffic = { pool = "shop" }

[service.api]
title = "API"
depends_on = ["database.stock"]
hosts = ["api.acme.com"]
traffic = { pool = "api" }

[service.blog]
title = "Blog"
depends_on = ["database.blog"]

[pool.shop]
servers = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]

[pool.api]
servers = ["10.0.1.1:80"]

[caller.shop-web]
service = "shop"
cidrs = ["10.0.0.0/24"]

[database.main]
url = "env:MAIN_DB_URL"

[database.stock]
url = "env:STOCK_DB_URL"

[database.blog]
url = "env:BLOG_DB_URL"

[probe.front]
http = "https://shop.acme.com/"
interval = "10s"
failure_threshold = 2
failing_for = "0s"
service = "shop"
expect = { max_latency = "1s" }

[person.ana]
contacts = ["hook:ana"]

[channel.hook]
webhook = "https://hook.acme.net/"
"#;

/// The usual value of a series; `None` for those that do not exist.
fn usual(subject: &str, metric: &str) -> Option<f64> {
    Some(match (subject, metric) {
        (_, "failed" | "edge_failed" | "lock_queue") => 0.0,
        (_, "edge_requests") => 40.0,
        ("front", "latency") => 0.08,
        ("database.main" | "database.stock", "latency") => 0.003,
        ("database.main" | "database.stock", "longest_statement_seconds") => 0.0,
        ("database.main" | "database.stock", "sessions_inflight") => 2.0,
        ("database.main" | "database.stock", "connections_percent") => 20.0,
        (subject, "edge_latency") if subject.starts_with("service.shop") => 0.05,
        (subject, "edge_latency") if subject.starts_with("service.api") => 0.02,
        _ => return None,
    })
}

/// What moves during an incident: subject, metric, value.
type Moves<'a> = &'a [(&'a str, &'a str, f64)];

struct World<'a> {
    bench: Bench,
    onset: Time,
    moves: Moves<'a>,
}

impl<'a> World<'a> {
    /// Four minutes into an incident in which the shop answers too slowly.
    fn slow(moves: Moves<'a>) -> Self {
        let mut world = Self::failing(moves, None);
        world.pass(230);
        world
    }

    /// The front page answers too slowly, or with a fault.
    fn failing(moves: Moves<'a>, fault: Option<Fault>) -> Self {
        let mut bench = Bench::with(read(CONFIG));
        bench.later(10);
        bench.input(result("front", 80, http(200))).unwrap();
        let onset = later(bench.now, Duration::from_secs(10));
        let mut world = Self { bench, onset, moves };
        for _ in 0..3 {
            world.pass(10);
            let answer = fault.clone().map_or_else(|| http(200), Answer::Failed);
            world.bench.input(result("front", 2_500, answer)).unwrap();
        }
        world.pass(20);
        world
    }

    fn pass(&mut self, secs: u64) {
        self.bench.later(secs);
        self.bench.input(rollup()).unwrap();
    }

    /// The stored samples of a series: one every ten seconds, with a noise of 10 %.
    fn points(&self, Read { subject, metric, range }: &Read) -> Vec<Point> {
        let Some(usual) = usual(subject, metric) else { return Vec::new() };
        let step = |at: Time| i64::try_from(between(Time::UNIX_EPOCH, at).as_secs() / 10).unwrap();
        let moved = self.moves.iter().find(|(of, what, _)| of == subject && what == metric);
        (step(range.start)..=step(range.end))
            .map(|step| (step, Time::from_second(step * 10 + 5).unwrap()))
            .filter(|(_, at)| range.contains(at) && *at <= self.bench.now)
            .map(|(step, at)| {
                let value = moved.filter(|_| at >= self.onset).map_or(usual, |(_, _, value)| *value);
                let noise = 1.0
                    + 0.1 * ((step * 7_919 + 31 * subject.len() as i64).rem_euclid(101) as f64 / 50.0 - 1.0);
                Point { at, value: value * noise, ok: true }
            })
            .collect()
    }

    /// Ranks as the binary does, and reports the result.
    fn rank(&mut self) -> (Option<Vec<LikelyCause>>, Vec<Event>) {
        let tasks = self.bench.engine.ranking_tasks();
        let [task] = tasks.as_slice() else { panic!("{} tasks", tasks.len()) };
        let samples: Vec<Vec<Point>> =
            task.reads(self.bench.now).iter().map(|read| self.points(read)).collect();
        let Some(result) = task.rank(self.bench.now, &samples) else { return (None, Vec::new()) };
        let Observation::CausesRanked { likely, .. } = &result else { panic!("{result:?}") };
        let likely = likely.clone();
        (Some(likely), self.bench.input(result).unwrap())
    }

    fn summary(&self) -> String {
        self.bench.engine.views().now.open[0].incident.diagnosis.summary.clone()
    }
}

fn rollup() -> Rollup {
    let call = |service: &str, side| CallTraffic {
        service: service.into(),
        side,
        requests: 10,
        failed: 0,
        p50: Duration::from_millis(50),
    };
    let server = |n: u8| call("shop", CallSide::Server(format!("10.0.0.{n}:80")));
    let calls = vec![call("api", CallSide::Caller("shop-web".into())), server(1), server(2), server(3)];
    Rollup { interval: Duration::from_secs(1), calls, ..Rollup::default() }
}

const SLOW_SHOP: [(&str, &str, f64); 5] = [
    ("front", "latency", 2.5),
    ("service.shop", "edge_latency", 2.2),
    ("service.shop", "edge_failed", 0.3),
    ("front", "failed", 1.0),
    ("service.shop", "edge_requests", 40.0),
];

#[test]
fn what_moved_beneath_the_slow_service_is_the_likely_cause() {
    let server = server_subject(&"shop".into(), "10.0.0.2:80");
    let caller = caller_subject(&"api".into(), &"shop-web".into());
    let api = edge_subject(&"api".into());
    let all_servers =
        ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"].map(|at| server_subject(&"shop".into(), at));
    let equally: Vec<(&str, &str, f64)> =
        all_servers.iter().map(|server| (server.as_str(), "edge_latency", 2.2)).collect();
    let statement =
        |database| [(database, "longest_statement_seconds", 41.0), (database, "sessions_inflight", 30.0)];
    type Case<'a> = (&'a str, Vec<(&'a str, &'a str, f64)>, &'a [&'a str]);
    let shop = || [&SLOW_SHOP[..], &equally].concat();
    let cases: [Case<'_>; 9] = [
        ("nothing else moves", shop(), &[]),
        (
            "a slow statement",
            [&shop()[..], &statement("database.main")].concat(),
            &["database.main: longest statement 20 ms -> 41 s"],
        ),
        (
            "one of three servers",
            [&SLOW_SHOP[..1], &[(&server, "edge_latency", 2.2)]].concat(),
            &["server 10.0.0.2:80 of pool.shop: latency for its callers 50 ms -> 2.2 s"],
        ),
        (
            "a service that it calls",
            [
                &shop()[..],
                &[(&caller, "edge_latency", 1.8), (&api, "edge_latency", 1.8), (&api, "edge_failed", 0.2)],
            ]
            .concat(),
            &["pool.api: latency for its callers 20 ms -> 1.8 s"],
        ),
        (
            "the database of a service that it calls",
            [
                &shop()[..],
                &[(&caller, "edge_latency", 1.8), (&api, "edge_latency", 1.8)],
                &statement("database.stock"),
            ]
            .concat(),
            &["database.stock: longest statement 20 ms -> 41 s"],
        ),
        (
            "the network between two services",
            [&shop()[..], &[(&caller, "edge_latency", 1.8)]].concat(),
            &["service.api: latency for its callers 20 ms -> 1.8 s"],
        ),
        ("another database", [&shop()[..], &statement("database.blog")].concat(), &[]),
        (
            "a database that is slower by what no one notices",
            [&shop()[..], &[("database.main", "latency", 0.012)]].concat(),
            &[],
        ),
        ("traffic only", [&shop()[..], &[("service.shop", "edge_requests", 60.0)]].concat(), &[]),
    ];
    for (why, moves, expected) in cases {
        let mut world = World::slow(&moves);
        let (likely, _) = world.rank();
        let likely: Vec<String> = likely.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(likely.first().into_iter().collect::<Vec<_>>(), expected, "{why}: {likely:?}");
    }
}

#[test]
fn hint_is_said_when_it_repeats_and_pages_nobody() {
    let moves = [&SLOW_SHOP[..], &[("database.main", "longest_statement_seconds", 41.0)]].concat();
    let mut world = World::slow(&moves);
    let pages = world.bench.count(|kind| matches!(kind, EventKind::PageOpened { .. }));
    assert_eq!(world.rank().1, [], "once is chance");
    world.pass(20);
    let events = world.rank().1;
    assert!(matches!(events[0].kind, EventKind::CausesRanked { .. }), "{events:?}");
    world.pass(10);
    let since = world.onset.strftime("%H:%M").to_string();
    let hint = format!(
        "; the measurements point at database main: longest statement 20 ms -> 41 s since {since} UTC (a hint, not a proven cause)"
    );
    assert!(world.summary().ends_with(&hint), "{}", world.summary());
    assert!(world.summary().contains("answers too slowly"), "{}", world.summary());
    let views = world.bench.engine.views();
    let incident = &views.now.open[0].incident;
    assert_eq!(incident.diagnosis.cause.to_string(), "host.shop.acme.com", "it overrules nothing");
    assert_eq!(incident.likely_causes[0].resource.to_string(), "database.main");
    let is_said = |fact: &TimelineFact| matches!(fact, TimelineFact::CausesRanked { .. });
    assert!(views.now.open[0].timeline.iter().any(|entry| is_said(&entry.fact)));
    world.pass(20);
    assert_eq!(world.rank().1, [], "it was said");
    assert_eq!(world.bench.count(|kind| matches!(kind, EventKind::PageOpened { .. })), pages);
    world.bench.same_after_replay();
}

#[test]
fn certain_causes_young_incidents_and_ordinary_days_are_not_ranked() {
    let certain =
        [Fault::Refused, Fault::NameNotFound, Fault::Tls { tls: types::fault::TlsFault::SelfSigned }];
    for fault in certain {
        let mut world = World::failing(&SLOW_SHOP, Some(fault.clone()));
        world.pass(230);
        assert_eq!(world.bench.engine.views().now.open.len(), 1, "{fault}");
        assert!(world.bench.engine.ranking_tasks().is_empty(), "{fault}");
    }
    let world = World::failing(&SLOW_SHOP, None);
    let tasks = world.bench.engine.ranking_tasks();
    assert!(tasks[0].reads(earlier(world.bench.now, Duration::from_secs(30))).is_empty(), "too young");
    let mut quiet = World { bench: Bench::with(read(CONFIG)), onset: Time::MAX, moves: &[] };
    for _ in 0..100 {
        quiet.pass(10);
        quiet.bench.input(result("front", 80, http(200))).unwrap();
        assert!(quiet.bench.engine.ranking_tasks().is_empty());
    }
    let mut old = World::slow(&SLOW_SHOP);
    old.pass(3_700);
    assert!(old.bench.engine.ranking_tasks().is_empty(), "an hour is enough");
}

#[test]
fn without_history_or_samples_nothing_is_said() {
    let mut world = World::slow(&SLOW_SHOP);
    let task = world.bench.engine.ranking_tasks().remove(0);
    assert_eq!(task.rank(world.bench.now, &[]).map(|_| ()), None);
    let recent = earlier(world.onset, Duration::from_secs(120));
    let young = |read: &Read| {
        let points = world.points(read).into_iter();
        points.filter(|point| point.at >= recent).collect::<Vec<_>>()
    };
    let samples: Vec<Vec<Point>> = task.reads(world.bench.now).iter().map(young).collect();
    assert!(task.rank(world.bench.now, &samples).is_none(), "12 samples are no baseline");
    assert_eq!(world.rank().0, Some(vec![]));
}
