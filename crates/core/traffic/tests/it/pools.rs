//! Servers: which one gets a request, which one none, and why.

use crate::fixture::{SEC, pool};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use traffic::{Admission, Arrival, Class, Failure, LoadBalancer, Outcome, Permit, ShedWhy, Tick};
use types::config::{self, Health};
use types::traffic::{PoolStatus, ServerState};

struct Asked {
    balancer: LoadBalancer,
    now: u64,
    client: u64,
}

fn at(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 80))
}

fn connect() -> Failure {
    Failure::Connect("connection refused".to_owned())
}

fn certificate() -> Failure {
    Failure::Certificate { expected: "auth.internal".to_owned(), why: "it is for parked.example".to_owned() }
}

fn servers(count: u8) -> config::Pool {
    let addresses: Vec<String> = (1..=count).map(|last| at(last).to_string()).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    pool(&addresses, 100)
}

impl Asked {
    fn new(pool: &config::Pool) -> Self {
        Self { balancer: LoadBalancer::new(pool, Tick(0), 5), now: 0, client: 0 }
    }

    fn go(&mut self) -> Option<Permit> {
        self.client += 1;
        let arrival = Arrival {
            class: Class::Recognized,
            client: self.client,
            subnet: self.client,
            own: false,
            deadline: Duration::from_secs(1),
        };
        match self.balancer.arrive(Tick(self.now), arrival) {
            Admission::Go(permit) => Some(permit),
            Admission::Wait(ticket) => {
                self.balancer.gave_up(Tick(self.now), ticket);
                None
            }
            Admission::Shed(_) => None,
        }
    }

    fn wait(&mut self, micros: u64) {
        let end = self.now + micros;
        while self.now < end {
            self.now = (self.now + 50_000).min(end);
            self.balancer.tick(Tick(self.now));
        }
    }

    fn answer(&mut self, permit: Permit, millis: u64, status: u16) {
        let latency = Duration::from_millis(millis);
        self.balancer.done(Tick(self.now), permit, Outcome::Answered { latency, status });
    }

    /// Sends a number of requests, one after the other, a millisecond apart; who got how many.
    fn each(&mut self, requests: u32, how: impl Fn(SocketAddr) -> Outcome) -> BTreeMap<SocketAddr, u32> {
        let mut got = BTreeMap::new();
        for _ in 0..requests {
            self.now += 1_000;
            if let Some(permit) = self.go() {
                *got.entry(permit.server()).or_insert(0) += 1;
                let outcome = how(permit.server());
                self.balancer.done(Tick(self.now), permit, outcome);
            }
        }
        got
    }

    fn well(&mut self, requests: u32) -> BTreeMap<SocketAddr, u32> {
        self.each(requests, |_| ok(10))
    }

    fn fail(&mut self, which: impl Fn(SocketAddr) -> bool, failure: &Failure, requests: u32) {
        self.each(requests, |server| if which(server) { Outcome::Failed(failure.clone()) } else { ok(10) });
    }

    fn seen(&mut self) -> PoolStatus {
        self.balancer.seen(Tick(self.now))
    }

    fn states(&mut self) -> Vec<ServerState> {
        self.seen().servers.into_iter().map(|server| server.state).collect()
    }
}

fn ok(millis: u64) -> Outcome {
    Outcome::Answered { latency: Duration::from_millis(millis), status: 200 }
}

#[test]
fn equal_servers_get_equal_shares_and_others_by_their_weight() {
    let mut asked = Asked::new(&servers(4));
    for (server, got) in asked.well(8_000) {
        assert!((1_800..2_200).contains(&got), "{server} {got}");
    }
    let mut weighed = servers(2);
    weighed.servers[1].weight = 3;
    let mut asked = Asked::new(&weighed);
    let got = asked.well(8_000);
    assert!((1_800..2_200).contains(&got[&at(1)]), "{got:?}");
    // And when they are full of work: those at work follow the weights too.
    let held: Vec<Permit> = (0..80).filter_map(|_| asked.go()).collect();
    let light = held.iter().filter(|permit| permit.server() == at(1)).count();
    assert!((15..=25).contains(&light), "{light}");
    for permit in held {
        asked.answer(permit, 10, 200);
    }
}

#[test]
fn a_slower_server_gets_less() {
    let mut asked = Asked::new(&servers(2));
    let got = asked.each(2_000, |server| ok(if server == at(1) { 30 } else { 10 }));
    assert!(got[&at(1)] < 500, "{got:?}");
}

#[test]
fn no_server_gets_more_concurrent_requests_than_allowed() {
    let mut pool = servers(3);
    pool.max_concurrency = 4;
    let mut asked = Asked::new(&pool);
    let held: Vec<Permit> = (0..40).filter_map(|_| asked.go()).collect();
    assert_eq!(held.len(), 12);
    for last in 1..=3 {
        assert_eq!(held.iter().filter(|permit| permit.server() == at(last)).count(), 4);
    }
    assert_eq!(asked.seen().inflight, 12);
    for permit in held {
        asked.answer(permit, 10, 200);
    }
    assert_eq!(asked.seen().inflight, 0);
}

#[test]
fn server_that_fails_is_ejected_immediately_and_returns_gradually() {
    let mut asked = Asked::new(&servers(4));
    asked.well(400);
    asked.fail(|server| server == at(2), &connect(), 60);
    let seen = asked.seen();
    assert_eq!(seen.servers[1].state, ServerState::Ejected);
    let why = seen.servers[1].why.clone().unwrap();
    assert_eq!(why, "failed several consecutive times: no connection: connection refused");
    assert!(!seen.panic_mode);
    assert!(!asked.well(1_000).contains_key(&at(2)));
    asked.wait(5 * SEC);
    assert_eq!(asked.states()[1], ServerState::Warming);
    let warming = asked.well(1_000)[&at(2)];
    assert!((10..150).contains(&warming), "{warming}");
    asked.wait(10 * SEC);
    assert_eq!(asked.states()[1], ServerState::Serving);
    let warm = asked.well(1_000)[&at(2)];
    assert!((180..330).contains(&warm), "{warm}");
}

#[test]
fn it_stays_out_longer_each_time_but_not_for_ever() {
    let mut asked = Asked::new(&servers(4));
    let mut spans = Vec::new();
    for _ in 0..9 {
        asked.fail(|server| server == at(2), &Failure::Timeout, 4_000);
        assert_eq!(asked.states()[1], ServerState::Ejected);
        let from = asked.now - asked.seen().servers[1].since.as_micros() as u64;
        while asked.states()[1] == ServerState::Ejected {
            asked.wait(SEC / 10);
        }
        spans.push((asked.now - from) / SEC);
    }
    assert_eq!(spans, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
}

#[test]
fn errors_count_beside_those_of_the_others() {
    let failing = Outcome::Answered { latency: Duration::from_millis(5), status: 500 };
    let mut asked = Asked::new(&servers(4));
    asked.each(3_000, |server| if server == at(3) { failing.clone() } else { ok(10) });
    let seen = asked.seen();
    assert_eq!(seen.servers[2].state, ServerState::Ejected);
    assert!(seen.servers[2].why.clone().unwrap().contains("the others 0 %"), "{:?}", seen.servers[2].why);
    // When all do, it is the program and not a server.
    let mut asked = Asked::new(&servers(4));
    asked.each(3_000, |_| failing.clone());
    assert!(asked.states().iter().all(|state| *state == ServerState::Serving));
}

#[test]
fn one_that_is_far_slower_is_taken_out() {
    let mut asked = Asked::new(&servers(4));
    let mut held: Vec<(u64, Permit, u64)> = Vec::new();
    // Many concurrently, so that the slow one gets its part too.
    for _ in 0..5_000 {
        asked.now += 1_000;
        if let Some(permit) = asked.go() {
            let millis = if permit.server() == at(4) { 400 } else { 20 };
            held.push((asked.now + millis * 1_000, permit, millis));
        }
        let (over, still) = held.into_iter().partition(|(until, ..)| *until <= asked.now);
        held = still;
        for (_, permit, millis) in over {
            asked.answer(permit, millis, 200);
        }
    }
    let seen = asked.seen();
    assert_eq!(seen.servers[3].state, ServerState::Ejected, "{:?}", seen.servers);
    assert!(seen.servers[3].why.clone().unwrap().starts_with("takes 400 ms"), "{:?}", seen.servers[3].why);
}

#[test]
fn in_a_panic_the_least_bad_help_and_the_draining_never() {
    let mut pool = servers(6);
    pool.servers[5].drain = true;
    let mut asked = Asked::new(&pool);
    asked.well(100);
    // One in a row of failures after the other: 1 and 2 cannot be reached, 3 and 4 do not answer.
    asked.fail(|server| server == at(1) || server == at(2), &connect(), 200);
    assert!(!asked.seen().panic_mode);
    asked.fail(|server| server == at(3) || server == at(4), &Failure::Reset, 400);
    let seen = asked.seen();
    assert!(seen.panic_mode);
    // Half of five is three: the one that serves, and the two that may still be alive.
    let got =
        asked.each(3_000, |server| if server == at(5) { ok(10) } else { Outcome::Failed(Failure::Reset) });
    let who: Vec<SocketAddr> = got.keys().copied().collect();
    assert_eq!(who, [at(3), at(4), at(5)]);
    // A response in the panic brings back who had gone silent.
    asked.well(100);
    let states = asked.states();
    assert_eq!(states[2], ServerState::Warming);
    assert_eq!(states[0], ServerState::Ejected);
    assert_eq!(states[5], ServerState::Draining);
    assert!(!asked.seen().panic_mode);
}

#[test]
fn all_servers_are_tried_when_none_is_reachable() {
    let mut pool = servers(3);
    pool.servers[2].drain = true;
    let mut asked = Asked::new(&pool);
    asked.fail(|_| true, &connect(), 200);
    let got = asked.each(200, |_| Outcome::Failed(connect()));
    assert_eq!(got.keys().copied().collect::<Vec<_>>(), [at(1), at(2)]);
    let got = asked.each(2_000, |server| if server == at(2) { ok(10) } else { Outcome::Failed(connect()) });
    assert!(got[&at(2)] > 1_900, "{got:?}");
}

#[test]
fn only_draining_servers_are_no_servers() {
    let mut pool = servers(2);
    pool.servers[0].drain = true;
    pool.servers[1].drain = true;
    let mut asked = Asked::new(&pool);
    let arrival = Arrival {
        class: Class::Priority,
        client: 1,
        subnet: 1,
        own: false,
        deadline: Duration::from_secs(1),
    };
    let Admission::Shed(shed) = asked.balancer.arrive(Tick(0), arrival) else { panic!() };
    assert_eq!(shed.why, ShedWhy::NoServer);
}

#[test]
fn wrong_certificate_ejects_one_server_but_never_all() {
    let mut asked = Asked::new(&servers(3));
    asked.fail(|_| true, &certificate(), 100);
    let seen = asked.seen();
    assert!(seen.servers.iter().all(|server| server.state == ServerState::Serving));
    assert!(!seen.panic_mode);
    let wrong = ("auth.internal".to_owned(), "it is for parked.example".to_owned());
    assert_eq!(seen.certificate, Some(wrong));
    // Nor is it sent to another one, which would present the same.
    let permit = asked.go().unwrap();
    assert!(asked.balancer.retry(Tick(asked.now), permit, Outcome::Failed(certificate())).is_none());
    // Fixed.
    asked.well(100);
    asked.wait(2 * SEC);
    assert_eq!(asked.seen().certificate, None);
    // One alone is out, and its requests go to the others.
    let mut retried = 0;
    for _ in 0..50 {
        let Some(permit) = asked.go() else { continue };
        if permit.server() != at(2) {
            asked.answer(permit, 10, 200);
        } else if let Some(other) =
            asked.balancer.retry(Tick(asked.now), permit, Outcome::Failed(certificate()))
        {
            assert_ne!(other.server(), at(2));
            retried += 1;
            asked.answer(other, 10, 200);
        }
    }
    assert_eq!(retried, 1);
    assert_eq!(asked.states(), [ServerState::Serving, ServerState::Ejected, ServerState::Serving]);
    assert!(asked.seen().certificate.is_some());
}

#[test]
fn health_checks_take_out_and_bring_back() {
    let mut pool = servers(3);
    let every = Duration::from_secs(2);
    pool.health =
        Some(Health { path: "/health".to_owned(), interval: every, timeout: every, fall: 2, rise: 3 });
    let mut asked = Asked::new(&pool);
    asked.well(100);
    let check = |asked: &mut Asked, found: Result<(), Failure>| {
        asked.wait(2 * SEC);
        asked.balancer.health(Tick(asked.now), at(1), found);
        asked.seen().servers[0].clone()
    };
    assert_eq!(check(&mut asked, Err(Failure::Status(503))).state, ServerState::Serving);
    assert_eq!(check(&mut asked, Ok(())).state, ServerState::Serving);
    assert_eq!(check(&mut asked, Err(Failure::Status(503))).state, ServerState::Serving);
    let down = check(&mut asked, Err(Failure::Status(503)));
    assert_eq!(down.state, ServerState::Down);
    assert_eq!(down.why.as_deref(), Some("the health check was answered with 503"));
    assert!(!asked.well(500).contains_key(&at(1)));
    assert_eq!(check(&mut asked, Err(connect())).why.as_deref(), Some("no connection: connection refused"));
    for state in [ServerState::Down, ServerState::Down, ServerState::Warming] {
        assert_eq!(check(&mut asked, Ok(())).state, state);
    }
    // Without checks no server is down any more.
    for _ in 0..2 {
        check(&mut asked, Err(connect()));
    }
    pool.health = None;
    asked.balancer.reshape(&pool, Tick(asked.now));
    assert_eq!(asked.states()[0], ServerState::Warming);
}

#[test]
fn names_lead_to_servers_that_come_and_go() {
    let mut asked = Asked::new(&pool(&["app.internal:80"], 100));
    assert_eq!(asked.balancer.names().collect::<Vec<_>>(), ["app.internal:80"]);
    assert!(asked.go().is_none());
    assert_eq!(asked.seen().servers[0].why.as_deref(), Some("the name leads to no address"));
    let resolve = |asked: &mut Asked, found: &[SocketAddr]| {
        asked.balancer.resolved(Tick(asked.now), "app.internal:80", found);
    };
    let all: Vec<SocketAddr> = (1..=6).map(at).collect();
    resolve(&mut asked, &all);
    assert_eq!(asked.well(600).len(), 6);
    let held = asked.go().unwrap();
    let stays = held.server();
    // Four go; the pool is still one of six, so two of them are too few.
    let left: Vec<SocketAddr> = all.iter().copied().filter(|address| *address != stays).take(2).collect();
    resolve(&mut asked, &left);
    let seen = asked.seen();
    assert!(seen.panic_mode);
    assert_eq!(seen.servers.len(), 6);
    assert_eq!(seen.servers.iter().filter(|server| server.state == ServerState::Down).count(), 4);
    assert_eq!(asked.well(100).keys().copied().collect::<Vec<_>>(), left);
    assert_eq!(seen.inflight, 1);
    asked.answer(held, 10, 200);
    assert_eq!(asked.seen().inflight, 0);
    // An empty answer is no news.
    resolve(&mut asked, &[]);
    assert_eq!(asked.well(100).len(), 2);
    resolve(&mut asked, &all);
    assert!(!asked.seen().panic_mode);
    assert_eq!(asked.states().iter().filter(|state| **state == ServerState::Warming).count(), 4);
    // After a day the smaller size is the usual one.
    resolve(&mut asked, &left);
    asked.now += 86_401 * SEC;
    resolve(&mut asked, &left);
    assert!(!asked.seen().panic_mode);
    assert_eq!(asked.seen().servers.len(), 2);
}

#[test]
fn a_shrinking_pool_is_not_given_the_load_of_all() {
    let mut asked = Asked::new(&servers(20));
    asked.well(1_000);
    let before = asked.seen().limit;
    asked.fail(|server| server != at(1) && server != at(2), &connect(), 3_000);
    let seen = asked.seen();
    assert!(seen.limit <= before / 5, "{before} {}", seen.limit);
    assert!(seen.panic_mode);
}

#[test]
fn reload_keeps_state_of_servers() {
    let mut asked = Asked::new(&servers(4));
    asked.fail(|server| server == at(2), &connect(), 100);
    let held: Vec<Permit> = (0..8).filter_map(|_| asked.go()).collect();
    let mut pool = servers(5);
    pool.servers.remove(0);
    pool.servers[1].drain = true;
    asked.balancer.reshape(&pool, Tick(asked.now));
    let states: Vec<(String, ServerState)> =
        asked.seen().servers.into_iter().map(|server| (server.address, server.state)).collect();
    let state = |last: u8| {
        states.iter().find(|(address, _)| *address == at(last).to_string()).map(|(_, state)| *state)
    };
    assert_eq!(state(1), None);
    assert_eq!(state(2), Some(ServerState::Ejected));
    assert_eq!(state(3), Some(ServerState::Draining));
    assert_eq!(state(4), Some(ServerState::Serving));
    assert_eq!(state(5), Some(ServerState::Warming));
    assert!(asked.well(400).keys().all(|server| [at(4), at(5)].contains(server)));
    for permit in held {
        asked.answer(permit, 10, 200);
    }
    assert_eq!(asked.seen().inflight, 0);
}

#[test]
fn retries_stay_within_a_tenth_and_stop_under_overload() {
    let mut asked = Asked::new(&servers(4));
    let mut retried = 0;
    // Fifty are there from the beginning.
    for _ in 0..1_000 {
        asked.now += 10_000;
        let Some(permit) = asked.go() else { continue };
        let first = permit.server();
        if let Some(again) = asked.balancer.retry(Tick(asked.now), permit, Outcome::Failed(Failure::Reset)) {
            assert_ne!(again.server(), first);
            retried += 1;
            asked.answer(again, 10, 200);
        }
    }
    assert!((130..=150).contains(&retried), "{retried}");
    // Every place is taken.
    let mut pool = servers(2);
    pool.max_concurrency = 1;
    let mut asked = Asked::new(&pool);
    let (one, other) = (asked.go().unwrap(), asked.go().unwrap());
    let arrival = Arrival {
        class: Class::Recognized,
        client: 9,
        subnet: 9,
        own: false,
        deadline: Duration::from_secs(1),
    };
    let Admission::Wait(_) = asked.balancer.arrive(Tick(asked.now), arrival) else { panic!() };
    assert!(!asked.balancer.may_retry(&one));
    assert!(asked.balancer.retry(Tick(asked.now), one, Outcome::Failed(Failure::Reset)).is_none());
    assert_eq!(asked.balancer.woken().count(), 1);
    asked.answer(other, 10, 200);
}

/// One of three servers stops answering. Until that is found out it holds places, after it none, and the others serve
/// everybody.
#[test]
fn requests_stuck_at_a_server_that_is_down_hold_no_places() {
    let mut pool = servers(3);
    pool.max_concurrency = 4;
    let second = Duration::from_secs(1);
    pool.health = Some(Health { path: "/".to_owned(), interval: second, timeout: second, fall: 1, rise: 1 });
    let mut asked = Asked::new(&pool);
    let mut stuck = Vec::new();
    while let Some(permit) = asked.go() {
        stuck.push(permit);
    }
    assert_eq!(stuck.len(), 12);
    let (held, free): (Vec<Permit>, Vec<Permit>) =
        stuck.into_iter().partition(|permit| permit.server() == at(1));
    free.into_iter().for_each(|permit| asked.answer(permit, 10, 200));
    asked.balancer.health(Tick(asked.now), at(1), Err(Failure::Timeout));
    let again: Vec<Permit> = (0..20).filter_map(|_| asked.go()).collect();
    assert_eq!(again.len(), 8);
    assert_eq!(asked.seen().inflight, 12);
    // They come back in the end, or are asked again elsewhere.
    let mut again = again.into_iter();
    asked.answer(again.next().unwrap(), 10, 200);
    let mut held = held.into_iter();
    let moved = asked
        .balancer
        .retry(Tick(asked.now), held.next().unwrap(), Outcome::Failed(Failure::Timeout))
        .unwrap();
    assert_ne!(moved.server(), at(1));
    for permit in held.chain(again).chain([moved]) {
        asked.answer(permit, 10, 200);
    }
    assert_eq!(asked.seen().inflight, 0);
}

#[test]
fn no_request_is_refused_while_there_is_room() {
    let mut pool = servers(2);
    pool.initial_concurrency = 8;
    let mut asked = Asked::new(&pool);
    let mut slow: Vec<Permit> = Vec::new();
    // A few requests take seconds, so that the average says "four a second"; forty come, and there is room for them.
    for round in 0..4_000_u64 {
        asked.now += 25_000;
        if round % 100 < 6
            && let Some(permit) = asked.go()
        {
            slow.push(permit);
        } else if round % 100 == 80 {
            for permit in slow.drain(..) {
                asked.answer(permit, 1_900, 200);
            }
        } else {
            let permit = asked.go().unwrap();
            asked.answer(permit, 5, 200);
        }
    }
}

#[test]
fn a_server_without_a_latency_gets_its_share_beside_quick_ones() {
    for micros in [50, 400, 5_000, 200_000] {
        let quick = |_| Outcome::Answered { latency: Duration::from_micros(micros), status: 200 };
        let mut asked = Asked::new(&servers(2));
        asked.each(200, quick);
        asked.balancer.reshape(&servers(3), Tick(asked.now));
        // Warmed by then, though it has not answered anything.
        asked.wait(11 * SEC);
        let got = asked.each(900, quick);
        let fresh = got.get(&at(3)).copied().unwrap_or(0);
        assert!((200..400).contains(&fresh), "{micros} us: {got:?}");
    }
}

#[test]
fn yielded_permit_holds_no_place_and_still_reports_its_outcome() {
    let mut asked = Asked::new(&pool(&[&at(1).to_string()], 2));
    let (mut first, second) = (asked.go().unwrap(), asked.go().unwrap());
    assert!(asked.go().is_none(), "both places are taken");
    asked.balancer.yields(Tick(asked.now), &mut first);
    asked.balancer.yields(Tick(asked.now), &mut first);
    assert!(first.yielded() && asked.seen().inflight == 1);
    let third = asked.go().unwrap();
    assert!(asked.go().is_none(), "only one place was free");
    asked.answer(first, 3, 200);
    let seen = asked.seen();
    assert_eq!((seen.inflight, seen.servers[0].inflight, seen.servers[0].answered), (2, 2, 1));
    asked.answer(second, 3, 200);
    asked.answer(third, 3, 200);
    assert_eq!(asked.seen().inflight, 0);
}

#[test]
fn there_is_plenty_until_half_of_the_places_are_taken() {
    let mut asked = Asked::new(&pool(&[&at(1).to_string()], 4));
    assert!(asked.balancer.has_plenty(Tick(asked.now)));
    let first = asked.go().unwrap();
    assert!(asked.balancer.has_plenty(Tick(asked.now)));
    let second = asked.go().unwrap();
    assert!(!asked.balancer.has_plenty(Tick(asked.now)));
    asked.answer(first, 3, 200);
    asked.answer(second, 3, 200);
}

#[test]
fn a_yielded_request_may_be_asked_again_elsewhere() {
    let mut asked = Asked::new(&servers(2));
    asked.well(100);
    let mut permit = asked.go().unwrap();
    let first = permit.server();
    asked.balancer.yields(Tick(asked.now), &mut permit);
    let again = asked.balancer.retry(Tick(asked.now), permit, Outcome::Failed(Failure::Reset)).unwrap();
    assert_ne!(again.server(), first);
    assert_eq!(asked.seen().inflight, 1);
    asked.answer(again, 3, 200);
    assert_eq!(asked.seen().inflight, 0);
}
