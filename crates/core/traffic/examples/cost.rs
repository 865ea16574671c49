//! The cost of a judgement, of an arrival with its end, and of a token: `cargo run --release -p mainstay-traffic
//! --example cost`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "an example for people; it may fail aloud")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use traffic::{
    Admission, Arrival, Class, Facts, Identity, LoadBalancer, Meters, Outcome, Policy, Tick, TopK,
};
use types::Time;
use types::config::Pool;

const ROUNDS: u32 = 2_000_000;

const CONFIG: &str = r#"
    [site]
    name = "Acme"
    [channel.ntfy]
    ntfy = "http://127.0.0.1:2586"
    [person.ana]
    contacts = ["ntfy:ana"]
    [escalation.default]
    steps = [{ people = ["ana"], escalate_after = "5m" }]
    fallback = ["ntfy:everybody"]
    [edge]
    listen = ["127.0.0.1:8000"]
    geoip.country = "countries.mmdb"
    geoip.asn = "networks.mmdb"
    [service.auth]
    hosts = ["auth.acme.example"]
    [service.auth.traffic]
    pool = "auth"
    limit.client = "20/s"
    limit.subnet = "2000/s"
    limit.service = "1000000/s"
    deny = { countries = ["XX", "YY"], asns = ["AS64500"], cidrs = ["192.0.2.0/24", "198.51.100.0/24"] }
    priority_paths = ["/health", "/pay/*"]
    [pool.auth]
    servers = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"]
    initial_concurrency = 100
    [caller.batch]
    cidrs = ["10.0.0.0/8"]
"#;

fn time(what: &str, mut each: impl FnMut(u32)) {
    for round in 0..ROUNDS / 10 {
        each(round);
    }
    let began = spent();
    for round in 0..ROUNDS {
        each(round);
    }
    println!("{:>6.0} ns  {what}", (spent() - began) as f64 / f64::from(ROUNDS));
}

/// Nanoseconds that this process had a processor: other programs that run meanwhile do not count.
fn spent() -> u64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn main() {
    let now: Time = "2026-11-22T04:00:00Z".parse().unwrap();
    let config = testkit::config::read(CONFIG);
    let pool = config.pools.values().next().unwrap().clone();
    let mut policy = types::Policy {
        config: Arc::new(config),
        denials: BTreeMap::new(),
        valves: BTreeMap::new(),
        initial_concurrency: BTreeMap::new(),
    };
    time_judgements(&Policy::new(&policy, &BTreeMap::new(), now, Tick(0)));
    let valve = types::Valve {
        number: 1,
        service: "auth".into(),
        percent: 0,
        limited: false,
        ramp_from: None,
        since: now,
        changed: now,
        by: "ana".to_owned(),
        usual: None,
    };
    policy.valves.insert("auth".into(), valve);
    let closed = Policy::new(&policy, &BTreeMap::new(), now, Tick(0));
    time_valve(&closed.with_valves(&policy, now, Tick(0), |_| 7));
    time_requests(&pool);
    let mut top: TopK<u32> = TopK::new(128);
    time("count in a sketch of 128, half of it new each time", |round| {
        top.add(&if round % 2 == 0 { round } else { round % 50 });
    });
}

fn client(round: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(round.wrapping_mul(0x9e37_79b9)))
}

fn time_judgements(policy: &Policy) {
    let meters = Meters::new(Meters::USUAL, 7);
    let route = policy.route("auth.acme.example").unwrap();
    let facts = Facts {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        country: Some(*b"NL"),
        asn: Some(1_234),
        identity: Identity::FirstTime,
        forwarded_class: None,
        path: "/login",
        agent: Some(b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"),
        is_probe: false,
    };

    time("find the route", |_| {
        black_box(policy.route(black_box("auth.acme.example")));
    });
    time("judge: another client each time, all limits, country and system denials", |round| {
        let facts = Facts { address: client(round), asn: Some(round % 50_000), ..facts };
        black_box(route.judge(&facts, &meters, Tick(u64::from(round) * 10), 5));
    });
    time("judge: a thousand clients, their cells in the cache", |round| {
        let facts = Facts { address: client(round % 1_000), asn: None, ..facts };
        black_box(route.judge(&facts, &meters, Tick(30_000_000 + u64::from(round) * 100), 5));
    });
    time("judge: a known client", |round| {
        let facts = Facts { identity: Identity::Recognized(u64::from(round % 1_000)), ..facts };
        black_box(route.judge(&facts, &meters, Tick(300_000_000 + u64::from(round) * 100), 5));
    });
    time("judge: one client far over its limit (a refusal)", |_| {
        let facts = Facts { address: client(1), asn: None, ..facts };
        black_box(route.judge(&facts, &meters, Tick(900_000_000), 5));
    });
    time("judge: denied by address", |_| {
        let facts = Facts { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), ..facts };
        black_box(route.judge(&facts, &meters, Tick(900_000_000), 5));
    });
}

fn time_valve(policy: &Policy) {
    let meters = Meters::new(Meters::USUAL, 7);
    let route = policy.route("auth.acme.example").unwrap();
    let facts = Facts {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        country: None,
        asn: None,
        identity: Identity::FirstTime,
        forwarded_class: None,
        path: "/login",
        agent: Some(b"Mozilla/5.0"),
        is_probe: false,
    };
    time("judge: held out by the valve, another client each time", |round| {
        let facts = Facts { address: client(round), ..facts };
        black_box(route.judge(&facts, &meters, Tick(900_000_000), 5));
    });
}

fn time_requests(pool: &Pool) {
    let mut balancer = LoadBalancer::new(pool, Tick(0), 7);
    let arrival = |round: u32| Arrival {
        class: Class::FirstTime,
        client: u64::from(round),
        subnet: u64::from(round),
        own: false,
        deadline: Duration::from_secs(1),
    };
    let mut tick = 0;
    time("arrive and done, four servers", |round| {
        tick += 10;
        if let Admission::Go(permit) = balancer.arrive(Tick(tick), arrival(round)) {
            let latency = Duration::from_millis(5);
            balancer.done(Tick(tick), permit, Outcome::Answered { latency, status: 200 });
        }
    });
    // Filled to its limit and queue, so that all others are turned away.
    let mut full = LoadBalancer::new(pool, Tick(0), 7);
    let held: Vec<Admission> = (0..100_000).map(|round| full.arrive(Tick(0), arrival(round))).collect();
    time("arrive, turned away", |round| {
        black_box(full.arrive(Tick(50_000), arrival(round)));
    });
    drop(held);
}
