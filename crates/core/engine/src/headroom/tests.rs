//! Headroom and the scaling signal of a pool of four servers whose knee is known by a load test.

use super::*;
use crate::effects::{Point, Read};
use testkit::config;
use testkit::edge::server;
use testkit::time::at;
use types::headroom::Trend;
use types::load_test::{Knee, LoadEnd};
use types::time::{earlier, later};
use types::traffic::{PoolStatus, ServerState, ServiceTraffic};
use types::{Event, EventKind, Input, Observation};

const COMPANY: &str = r#"
[site]
name = "Acme"
[edge]
listen = ["127.0.0.1:8000"]
[service.auth]
hosts = ["auth.acme.com"]
traffic = { pool = "auth" }
[pool.auth]
servers = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"]
min_healthy = 2
[database.main]
url = "env:MAIN"
[pool.unused]
servers = ["10.0.0.9:80"]
"#;

fn start() -> Time {
    at("2026-12-01T12:00:00Z")
}

/// A load test with a knee of this rate of the two servers of its target.
fn test_of(target: &str, knee: Option<u64>) -> LoadTest {
    LoadTest {
        target: target.to_owned(),
        service: Some("auth".into()),
        at: earlier(start(), Duration::from_secs(86_400)),
        secs: 60,
        servers: 2,
        steps: Vec::new(),
        ended: LoadEnd::Complete,
        knee: knee.map(|rate| Knee {
            rate_milli: rate * 1_000,
            beyond_milli: Some(rate * 1_100),
            p99_doubles_milli: None,
            p50_us: 80_000,
        }),
    }
}

/// An engine whose pool `auth` has a knee of 100 requests a second and server.
fn tested() -> Engine {
    let mut engine = Engine::new(Arc::new(config::read(COMPANY)));
    let by = types::Actor::mainstay();
    let kind = EventKind::LoadTested { test: test_of("auth", Some(200)), by };
    engine.apply(&Event { seq: 1, at: start(), kind });
    engine
}

#[derive(Clone, Copy, Default)]
struct Second {
    passed: u64,
    shed: u64,
    held: u64,
    down: usize,
}

fn rollup(second: Second) -> Rollup {
    let auth = ServiceTraffic {
        requests: second.passed + second.shed + second.held,
        passed: second.passed,
        shed: second.shed,
        held: second.held,
        ..ServiceTraffic::default()
    };
    let state = |number| if number < second.down { ServerState::Down } else { ServerState::Serving };
    let servers: Vec<_> =
        (0..4).map(|number| server(&format!("10.0.0.{number}:80"), state(number))).collect();
    let pool = PoolStatus { limit: 100 * (4 - second.down) as u32, servers, ..PoolStatus::default() };
    Rollup {
        interval: Duration::from_secs(1),
        services: [("auth".into(), auth)].into(),
        pools: [("auth".into(), pool)].into(),
        ..Rollup::default()
    }
}

/// Lets seconds pass; returns the time after them.
fn seconds(engine: &mut Engine, from: Time, count: u64, second: impl Fn(u64) -> Second) -> Time {
    for number in 0..count {
        let input = Input::Observation(Observation::Rollup(rollup(second(number))));
        engine.observe(later(from, Duration::from_secs(number)), &input).unwrap();
    }
    later(from, Duration::from_secs(count))
}

fn steady(passed: u64) -> impl Fn(u64) -> Second {
    move |_| Second { passed, ..Second::default() }
}

fn signal(engine: &Engine) -> Signal {
    match scaling(engine, &"auth".into()) {
        Some(Scaling::Signal(signal)) => signal,
        other => unreachable!("{other:?}"),
    }
}

fn wanted(engine: &Engine) -> u32 {
    signal(engine).desired_servers
}

fn pool(engine: &Engine) -> Headroom {
    figures(engine).into_iter().find(|it| it.resource == Resource::pool("auth")).unwrap()
}

use crate::views::scaling::Signal;

#[test]
fn headroom_of_a_known_knee_is_said_and_more_servers_lower_it() {
    let mut engine = tested();
    seconds(&mut engine, start(), 30, steady(248));
    let headroom = pool(&engine);
    assert_eq!(headroom.knee, Some(400.0));
    assert_eq!(
        headroom.to_string(),
        "62 % of its knee at the daily peak (248 of 400 requests/s); 1 more server lowers it to 50 %"
    );
    assert_eq!(types::headroom::percent(headroom.with(2).unwrap().utilization), "41 %");
    assert_eq!(headroom.trend, Trend::TooShort { days: 0, needed: 14 });
    let names: Vec<String> = figures(&engine).iter().map(|it| it.resource.to_string()).collect();
    assert_eq!(names, ["pool.auth", "database.main"], "no service leads to the other pool");
}

#[test]
fn without_load_test_or_report_nothing_is_claimed() {
    let mut engine = Engine::new(Arc::new(config::read(COMPANY)));
    seconds(&mut engine, start(), 30, steady(300));
    assert_eq!(pool(&engine).unknown(), Some(Unknown::NoLoadTest));
    assert_eq!(scaling(&engine, &"auth".into()), Some(Scaling::Unknown(Unknown::NoLoadTest)));
    assert_eq!(scaling(&engine, &"unused".into()), None);

    let mut engine = tested();
    seconds(&mut engine, start(), 9, steady(300));
    assert_eq!(scaling(&engine, &"auth".into()), Some(Scaling::Unknown(Unknown::NoReport)), "a moment");
    let after = seconds(&mut engine, start(), 20, steady(300));
    assert_eq!(wanted(&engine), 5);
    engine.handle(later(after, Duration::from_secs(10)), &types::System::Tick.into()).unwrap();
    assert_eq!(scaling(&engine, &"auth".into()), Some(Scaling::Unknown(Unknown::NoReport)), "silence");
    let text = figures(&engine)[1].to_string();
    assert_eq!(text, "headroom unknown: nothing was measured yet");
}

#[test]
fn quiet_pool_keeps_its_servers_and_lowers_them_after_calm_minutes_only() {
    let mut engine = tested();
    let after = seconds(&mut engine, start(), 200, steady(150));
    assert_eq!(wanted(&engine), 4, "what is there is kept until five calm minutes are over");
    let after = seconds(&mut engine, after, 200, steady(150));
    assert_eq!(wanted(&engine), 3, "150 of 60 each");
    let after = seconds(&mut engine, after, 400, steady(0));
    assert_eq!(wanted(&engine), 2, "never fewer than min_healthy");
    let more = seconds(&mut engine, after, 30, steady(300));
    assert_eq!(wanted(&engine), 5, "more immediately");
    seconds(&mut engine, more, 200, steady(150));
    assert_eq!(wanted(&engine), 5);
}

/// Demand that swings by a tenth around a boundary changes nothing.
#[test]
fn swinging_demand_does_not_flap() {
    let mut engine = tested();
    let after = seconds(&mut engine, start(), 60, steady(275));
    assert_eq!(wanted(&engine), 4);
    for minute in 0..30 {
        let passed = if minute % 2 == 0 { 252 } else { 280 };
        seconds(&mut engine, later(after, Duration::from_secs(minute * 60)), 60, steady(passed));
        assert_eq!(wanted(&engine), 4, "minute {minute}");
    }
}

/// In an outage less arrives than clients want: what they ask counts, and the number never falls.
#[test]
fn shed_and_held_requests_are_demand() {
    let mut engine = tested();
    let after = seconds(&mut engine, start(), 400, steady(250));
    assert_eq!(wanted(&engine), 4);
    let overload = |_| Second { passed: 250, shed: 250, ..Second::default() };
    let after = seconds(&mut engine, after, 60, overload);
    assert_eq!(wanted(&engine), 8, "500 of 70 each");
    assert!(signal(&engine).utilization_ratio.unwrap() > 1.2 && signal(&engine).is_restricted);
    // The valve is closed to 10 %, and clients give up.
    let valve = |_| Second { passed: 25, held: 10, ..Second::default() };
    let after = seconds(&mut engine, after, 900, valve);
    assert_eq!(wanted(&engine), 8, "held out");
    let after = seconds(&mut engine, after, 290, steady(200));
    assert_eq!(wanted(&engine), 8, "until five minutes after it");
    seconds(&mut engine, after, 60, steady(200));
    assert_eq!(wanted(&engine), 4, "200 of 60 each");
}

#[test]
fn flood_orders_twice_the_known_servers_at_most() {
    let mut engine = tested();
    seconds(&mut engine, start(), 60, |_| Second { passed: 300, shed: 1_000_000, ..Second::default() });
    assert_eq!(wanted(&engine), 8);
    // No server is known yet, as before the first answer of the resolver.
    let mut engine = tested();
    for second in 0..20 {
        let mut rollup = rollup(Second::default());
        rollup.pools.values_mut().for_each(|pool| pool.servers.clear());
        let input = Input::Observation(Observation::Rollup(rollup));
        engine.observe(later(start(), Duration::from_secs(second)), &input).unwrap();
    }
    assert_eq!(scaling(&engine, &"auth".into()), Some(Scaling::Unknown(Unknown::NoReport)));
    // No server works: utilization is unknown, and no server is taken away.
    let mut engine = tested();
    seconds(&mut engine, start(), 600, |_| Second { down: 4, ..Second::default() });
    let signal = signal(&engine);
    assert_eq!((signal.desired_servers, signal.working_servers, signal.utilization_ratio), (4, 0, None));
    assert_eq!(pool(&engine).unknown(), Some(Unknown::NoServer));
}

/// Feeds a task with samples of ten seconds.
fn feed(engine: &mut Engine, now: Time, resource: &Resource, value: impl Fn(Time, &Read) -> Option<f64>) {
    let task = tasks(engine).into_iter().find(|task| task.resource() == resource).unwrap();
    let samples = |read: Read| {
        let count = between(read.range.start, read.range.end).as_secs() / 10;
        let times = (0..count).map(|step| later(read.range.start, Duration::from_secs(step * 10)));
        times.filter_map(|at| Some(Point { at, value: value(at, &read)?, ok: true })).collect()
    };
    let samples: Vec<Vec<Point>> = task.reads(now).into_iter().map(samples).collect();
    assert!(samples.iter().all(|read| read.len() <= 80_000), "more than one read returns");
    engine.handle(now, &Input::Observation(task.peaks(&samples))).unwrap();
}

/// Whole days since the start of the company, minus 30.
fn day(at: Time) -> f64 {
    (at.as_second() - start().as_second()).div_euclid(86_400) as f64
}

#[test]
fn stored_peaks_grow_to_the_knee() {
    let mut engine = tested();
    let now = seconds(&mut engine, start(), 60, steady(100));
    // Busy at noon, half of it at night; 300 today, 5 more each day: 400 in 20 days.
    let level = |at: Time, read: &Read| {
        let noon = if (11..13).contains(&(at.as_second().div_euclid(3_600) % 24)) { 1.0 } else { 0.5 };
        (read.metric == POOL_SERVED).then_some((300.0 + 5.0 * day(at)) * noon)
    };
    feed(&mut engine, now, &Resource::pool("auth"), level);
    let headroom = pool(&engine);
    let Trend::Grows { meets: Some(date), .. } = headroom.trend else { unreachable!("{headroom:?}") };
    let days = (date - start().to_zoned_datetime(jiff::tz::TimeZone::UTC).date()).get_days();
    assert!((18..=22).contains(&days), "{date}");
    assert!(
        headroom.is_low() && headroom.to_string().contains("its trend meets the knee on 2026-12-2"),
        "{headroom}"
    );
    assert!((0.72..=0.76).contains(&headroom.utilization.day.unwrap()), "{:?}", headroom.utilization);
    assert_eq!(headroom.peaks.day, headroom.peaks.month);
    // The next read is short, and repeating it changes nothing.
    let again = tasks(&engine).into_iter().find(|task| task.resource() == &Resource::pool("auth")).unwrap();
    assert_eq!(again.reads(now).len(), 2);
    feed(&mut engine, now, &Resource::pool("auth"), level);
    assert_eq!(pool(&engine), headroom);
}

#[test]
fn peak_of_a_database_is_that_of_its_connection_slots() {
    let mut engine = tested();
    let now = seconds(&mut engine, start(), 60, steady(100));
    feed(&mut engine, now, &Resource::database("main"), |at, _| {
        Some(if at.as_second() % 86_400 < 10 { 85.0 } else { 20.0 })
    });
    let main = figures(&engine).pop().unwrap();
    assert_eq!(main.to_string(), "85 % of its connection slots in use at the daily peak");
    assert_eq!(main.trend, Trend::Level);
    assert!(main.is_low());
}

#[test]
fn knee_is_the_lowest_of_those_known_and_an_estimate_comes_last() {
    let services: BTreeSet<ServiceId> = ["auth".into(), "shop".into()].into();
    let tests = |all: &[LoadTest]| all.iter().map(|test| (test.target.clone(), test.clone())).collect();
    let of = |all: &[LoadTest], at_limit: Vec<f64>| capacity::of(&services, &tests(all), at_limit);
    assert_eq!(of(&[], vec![]).per_server(), None);
    let shop = LoadTest { service: Some("shop".into()), ..test_of("shop", Some(50)) };
    assert_eq!(of(&[test_of("auth", Some(200)), shop.clone()], vec![9.0; 9]).per_server(), Some(25.0));
    let stopped = LoadTest { at: start(), ..test_of("newer", None) };
    assert_eq!(of(&[test_of("auth", Some(200)), stopped.clone()], vec![]).per_server(), Some(100.0));
    let unknown = Capacity::Unknown { why: Unknown::NoKnee { target: "newer".to_owned() } };
    assert_eq!(of(std::slice::from_ref(&stopped), vec![7.0, 8.0]), unknown);
    let estimate = Capacity::Estimate { per_server: 8.0, samples: 3 };
    assert_eq!(of(&[stopped], vec![9.0, 7.0, 8.0]), estimate);
    let other = LoadTest { service: Some("blog".into()), ..shop };
    assert_eq!(of(&[other], vec![]).per_server(), None);
}

#[test]
fn initial_limit_is_the_concurrency_at_the_knee() {
    let engine = tested();
    // 100 requests a second, 4 servers, 80 ms.
    let version = engine.policy_version();
    assert_eq!(
        engine.policy().initial_concurrency.get(&"auth".into()),
        None,
        "32 is the default of four servers"
    );
    let mut engine = engine;
    let test = LoadTest { at: start(), ..test_of("auth", Some(1_000)) };
    engine.apply(&Event {
        seq: 2,
        at: start(),
        kind: EventKind::LoadTested { test: test.clone(), by: types::Actor::mainstay() },
    });
    assert_ne!(engine.policy_version(), version, "the edge must learn of it");
    assert_eq!(engine.policy().initial_concurrency.get(&"auth".into()), Some(&160));
    let with = |pool: &str| {
        let text = COMPANY.replace("min_healthy = 2", pool);
        let tests = [("auth".to_owned(), test.clone())].into();
        initial_concurrency(&Arc::new(config::read(&text)), &tests).get(&"auth".into()).copied()
    };
    assert_eq!(with("max_concurrency = 30"), Some(120), "never more than the servers may have");
    assert_eq!(with("initial_concurrency = 20"), None, "declared");
}

#[test]
fn servers_at_their_limit_give_an_estimate() {
    let mut engine = Engine::new(Arc::new(config::read(COMPANY)));
    let now = seconds(&mut engine, start(), 30, steady(200));
    feed(&mut engine, now, &Resource::pool("auth"), |at, read| match read.metric {
        POOL_AT_LIMIT => (day(at) == -3.0 && at.as_second() % 86_400 < 60).then_some(80.0),
        _ => Some(200.0),
    });
    seconds(&mut engine, now, 1, steady(200));
    let headroom = pool(&engine);
    assert_eq!(headroom.capacity, Capacity::Estimate { per_server: 80.0, samples: 6 });
    assert!(headroom.to_string().starts_with("about 62 % of its knee"), "{headroom}");
    assert!(signal(&engine).is_estimate);
}

#[test]
fn works_say_what_is_asked_and_when_servers_are_at_their_limit() {
    let config = config::read(COMPANY);
    let mut seen = rollup(Second { passed: 10, shed: 5, held: 2, down: 1 });
    let auth = PoolId::from("auth");
    let work = works(&config, &seen)[&auth];
    assert_eq!((work.served, work.asked, work.working, work.all), (10, 17, 3, 4));
    assert!(work.is_restricted && !work.is_at_limit, "the limit is that of the configuration");
    seen.pools.get_mut(&auth).unwrap().limit = 40;
    assert!(works(&config, &seen)[&auth].is_at_limit);
    let calm = works(&config, &rollup(Second { passed: 10, ..Second::default() }))[&auth];
    assert!(!calm.is_restricted && !calm.is_at_limit);
}
