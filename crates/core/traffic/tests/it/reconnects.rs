//! Clients that reconnect: all in the same second after an outage, and on an ordinary day.

use crate::fixture::{SEC, pool};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::time::Duration;
use traffic::{
    Admission, Arrival, Class, Failure, LoadBalancer, Open, Opening, Outcome, Permit, Shed, Tick, Ticket,
    Woken,
};
use types::config::{Health, Pool};

const MS: u64 = 1_000;

/// When a client that was refused comes again.
#[derive(Clone, Copy, Debug)]
enum Retry {
    /// Always after this, as phoenix.js does first.
    Fixed(u64),
    /// A second, doubled each time up to half a minute, of which a random part is waited.
    Backoff,
    /// When it was asked to.
    Obeys,
}

/// A server: opens that it does a second, one after the other, or all concurrently in that time each.
#[derive(Clone, Copy, Debug)]
enum Works {
    OneByOne(u64),
    Concurrently(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    Ticks,
    Comes(u32),
    Answers(u32),
}

#[derive(Debug, Default)]
struct Server {
    up: bool,
    busy_until: u64,
    open: u32,
    highest: u32,
    /// Opens that it had in progress.
    opening: u32,
    crowd: u32,
    /// Opens in each second.
    seconds: BTreeMap<u64, u32>,
}

struct World {
    balancer: LoadBalancer,
    now: u64,
    order: u64,
    heap: BinaryHeap<Reverse<(u64, u64, Happens)>>,
    servers: BTreeMap<SocketAddr, Server>,
    works: Works,
    retry: Retry,
    tries: Vec<u32>,
    waiting: BTreeMap<Ticket, (u32, u64)>,
    sent: BTreeMap<u32, (Permit, u64)>,
    open: BTreeMap<u32, Open>,
    dice: u64,
    longest: u64,
    refused: u32,
    attempts: u32,
}

fn at(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 80))
}

fn servers(count: u8, most: Option<u32>) -> Pool {
    let addresses: Vec<String> = (1..=count).map(|last| at(last).to_string()).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let second = Duration::from_secs(1);
    let health = Some(Health { path: "/".to_owned(), interval: second, timeout: second, fall: 1, rise: 1 });
    Pool { max_concurrency: 100, max_connections: most, health, ..pool(&addresses, 8) }
}

impl World {
    fn new(config: &Pool, works: Works, retry: Retry) -> Self {
        let up = || Server { up: true, ..Server::default() };
        let servers = config.servers.iter().map(|server| (server.at.parse().unwrap(), up())).collect();
        let mut world = Self {
            balancer: LoadBalancer::new(config, Tick(0), 5),
            now: 0,
            order: 0,
            heap: BinaryHeap::new(),
            servers,
            works,
            retry,
            tries: Vec::new(),
            waiting: BTreeMap::new(),
            sent: BTreeMap::new(),
            open: BTreeMap::new(),
            dice: 7,
            longest: 0,
            refused: 0,
            attempts: 0,
        };
        world.at(0, Happens::Ticks);
        world
    }

    fn at(&mut self, at: u64, happens: Happens) {
        self.order += 1;
        self.heap.push(Reverse((at, self.order, happens)));
    }

    fn roll(&mut self) -> f64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Clients that come within this time.
    fn come(&mut self, count: u32, within: u64) {
        for _ in 0..count {
            let client = u32::try_from(self.tries.len()).unwrap();
            self.tries.push(0);
            let at = self.now + (self.roll() * within as f64) as u64;
            self.at(at, Happens::Comes(client));
        }
    }

    /// Servers go away with all that is open there, or come back.
    fn turn(&mut self, which: impl Fn(u8) -> bool, up: bool) {
        for (last, address) in (1..).map(|last| (last, at(last))).take(self.servers.len()) {
            if !which(last) {
                continue;
            }
            let server = self.servers.get_mut(&address).unwrap();
            server.up = up;
            server.open = 0;
            let found = if up { Ok(()) } else { Err(refused()) };
            self.balancer.health(Tick(self.now), address, found);
        }
        self.wake();
    }

    fn until(&mut self, end: u64) {
        while self.heap.peek().is_some_and(|Reverse((at, ..))| *at <= end) {
            let Some(Reverse((at, _, happens))) = self.heap.pop() else { break };
            self.now = at;
            match happens {
                Happens::Ticks => {
                    self.balancer.tick(Tick(at));
                    self.at(at + 10 * MS, Happens::Ticks);
                }
                Happens::Comes(client) => self.comes(client),
                Happens::Answers(client) => self.answers(client),
            }
            self.wake();
        }
        self.now = end;
    }

    fn wake(&mut self) {
        let woken: Vec<(Ticket, Woken)> = self.balancer.woken().collect();
        for (ticket, woken) in woken {
            let (client, since) = self.waiting.remove(&ticket).unwrap();
            self.longest = self.longest.max(self.now - since);
            match woken {
                Woken::Go(permit) => self.sends(client, permit),
                Woken::Shed(shed) => self.refused(client, &shed),
            }
        }
    }

    fn comes(&mut self, client: u32) {
        self.attempts += 1;
        let arrival = Arrival {
            class: Class::FirstTime,
            client: u64::from(client),
            subnet: u64::from(client),
            own: false,
            deadline: Duration::from_secs(30),
        };
        match self.balancer.open(Tick(self.now), arrival, Opening::WebSocket) {
            Admission::Go(permit) => self.sends(client, permit),
            Admission::Wait(ticket) => _ = self.waiting.insert(ticket, (client, self.now)),
            Admission::Shed(shed) => self.refused(client, &shed),
        }
    }

    fn sends(&mut self, client: u32, permit: Permit) {
        let server = self.servers.get_mut(&permit.server()).unwrap();
        let answer = match self.works {
            _ if !server.up => self.now + MS,
            Works::OneByOne(rate) => {
                server.busy_until = server.busy_until.max(self.now) + SEC / rate;
                server.busy_until
            }
            Works::Concurrently(takes) => self.now + takes,
        };
        server.opening += 1;
        server.crowd = server.crowd.max(server.opening);
        *server.seconds.entry(self.now / SEC).or_insert(0) += 1;
        self.sent.insert(client, (permit, self.now));
        self.at(answer, Happens::Answers(client));
    }

    fn answers(&mut self, client: u32) {
        let (permit, since) = self.sent.remove(&client).unwrap();
        let server = self.servers.get_mut(&permit.server()).unwrap();
        server.opening -= 1;
        if !server.up {
            self.balancer.done(Tick(self.now), permit, Outcome::Failed(refused()));
            let shed = Shed { retry_after: Duration::from_secs(5), why: traffic::ShedWhy::NoServer };
            return self.refused(client, &shed);
        }
        server.open += 1;
        server.highest = server.highest.max(server.open);
        let latency = Duration::from_micros(self.now - since);
        let open = self.balancer.opened(Tick(self.now), permit, &Outcome::Answered { latency, status: 101 });
        self.open.insert(client, open.unwrap());
    }

    fn refused(&mut self, client: u32, shed: &Shed) {
        self.refused += 1;
        let tries = self.tries[client as usize];
        self.tries[client as usize] += 1;
        let wait = match self.retry {
            Retry::Fixed(wait) => wait,
            Retry::Backoff => ((SEC << tries.min(5)).min(30 * SEC) as f64 * (0.1 + 0.9 * self.roll())) as u64,
            Retry::Obeys => u64::try_from(shed.retry_after.as_micros()).unwrap(),
        };
        self.at(self.now + wait, Happens::Comes(client));
    }

    /// Closes all that is open, and has the clients come again within this time.
    fn lose(&mut self, within: u64) {
        for (client, open) in std::mem::take(&mut self.open) {
            self.balancer.closed(Tick(self.now), open);
            let at = self.now + (self.roll() * within as f64) as u64;
            self.at(at, Happens::Comes(client));
        }
        self.wake();
    }

    /// Runs until all are back. Returns how long that took.
    fn until_back(&mut self, most: u64) -> f64 {
        let (from, all) = (self.now, self.tries.len());
        while self.open.len() < all {
            assert!(self.now < from + most, "{} of {all} back, {:?}", self.open.len(), self.retry);
            self.until(self.now + 100 * MS);
        }
        (self.now - from) as f64 / 1e6
    }
}

fn refused() -> Failure {
    Failure::Connect("connection refused".to_owned())
}

/// 9,500 clients of 20 servers, which all fail. Two come back after five seconds, the others after a minute more.
#[test]
fn pool_that_comes_back_gets_no_more_opens_than_it_takes() {
    for retry in [Retry::Fixed(10 * MS), Retry::Backoff, Retry::Obeys] {
        let (each, most) = (100, 600);
        let mut world = World::new(&servers(20, Some(most)), Works::OneByOne(each), retry);
        world.come(9_500, 60 * SEC);
        world.until_back(90 * SEC);
        assert_eq!(world.refused, 0, "spread over a minute they fit");
        world.turn(|_| true, false);
        world.lose(SEC);
        world.until(world.now + 5 * SEC);
        world.turn(|last| last <= 2, true);
        let from = world.now;
        world.servers.values_mut().for_each(|server| server.crowd = 0);
        world.until(from + 60 * SEC);
        let two = world.open.len();
        assert!((1_100..=1_200).contains(&two), "{retry:?}: two servers have {two}");
        for last in [1, 2] {
            let server = &world.servers[&at(last)];
            assert!(server.crowd <= 50, "{retry:?}: {} opens at the same time", server.crowd);
            let busiest = server.seconds.range(from / SEC..).map(|(_, count)| *count).max().unwrap();
            assert!(u64::from(busiest) <= 2 * each, "{retry:?}: {busiest} opens in a second");
        }
        world.turn(|last| last > 2, true);
        let took = world.until_back(120 * SEC);
        let highest = world.servers.values().map(|server| server.highest).max().unwrap();
        assert!(highest <= most, "{retry:?}: {highest} at one server");
        // 1,800 opens a second are possible: 5 seconds, and the slow start.
        assert!(took < 75.0, "{retry:?}: {took} s");
        println!(
            "{retry:?}: all back {took:.1} s after the pool, at most {highest} at a server, {} attempts",
            world.attempts
        );
    }
}

/// Two of twenty servers without a limit of connections take everything at their own rate.
#[test]
fn two_servers_take_all_at_their_own_rate() {
    for (retry, most) in [(Retry::Fixed(10 * MS), 90.0), (Retry::Backoff, 120.0), (Retry::Obeys, 120.0)] {
        let mut world = World::new(&servers(20, None), Works::OneByOne(100), retry);
        world.come(9_500, 60 * SEC);
        world.until_back(90 * SEC);
        world.turn(|_| true, false);
        world.lose(SEC);
        world.until(world.now + 5 * SEC);
        world.turn(|last| last <= 2, true);
        // 47.5 seconds at the least.
        let took = world.until_back(300 * SEC);
        println!("{retry:?}: {took:.1} s, {} attempts", world.attempts);
        assert!(took < most, "{retry:?}: {took} s");
        let open: Vec<u32> =
            world.servers.values().map(|server| server.open).filter(|open| *open > 0).collect();
        assert!(open.len() == 2 && open[0].abs_diff(open[1]) < 200, "{open:?}");
    }
}

#[test]
fn ordinary_day_holds_no_open() {
    let day = |count: u8, works: Works| World::new(&servers(count, None), works, Retry::Obeys);
    // Pages that open six streams each; deploys after which all reconnect; servers of some speeds.
    let table = [
        (1, Works::Concurrently(5 * MS), 6, 0, 0),
        (1, Works::Concurrently(5 * MS), 200, 0, 100 * MS),
        (2, Works::Concurrently(80 * MS), 200, 0, 300 * MS),
        (4, Works::OneByOne(400), 200, 0, 300 * MS),
        (20, Works::Concurrently(20 * MS), 2_000, SEC, 50 * MS),
        (3, Works::Concurrently(50 * MS), 2_000, 30 * SEC, 50 * MS),
    ];
    for (count, works, clients, within, most) in table {
        let mut world = day(count, works);
        for _ in 0..3 {
            if world.open.is_empty() {
                world.come(clients, within);
            } else {
                world.lose(within);
            }
            world.until_back(within + 5 * SEC);
            assert_eq!(world.refused, 0, "{count} servers, {works:?}, {clients} clients");
            assert!(
                world.longest <= most,
                "{count} servers, {works:?}, {clients} clients: {}",
                world.longest
            );
            world.until(world.now + 20 * SEC);
        }
    }
}

/// Servers that send the head of a stream with its first event, after up to 15 seconds.
#[test]
fn streams_whose_head_comes_late_are_not_refused() {
    let mut balancer = LoadBalancer::new(&servers(1, None), Tick(0), 5);
    let arrival = |client| Arrival {
        class: Class::FirstTime,
        client,
        subnet: client,
        own: false,
        deadline: Duration::from_secs(30),
    };
    let (mut waiting, mut sent, mut refused) = (0, Vec::new(), 0);
    for client in 0..300 {
        match balancer.open(Tick(0), arrival(client), Opening::EventStream) {
            Admission::Go(permit) => sent.push((permit, 0)),
            Admission::Wait(_) => waiting += 1,
            Admission::Shed(_) => refused += 1,
        }
    }
    assert!(waiting > 0);
    let mut open = Vec::new();
    for now in (0..20_000).step_by(10).map(|ms| ms * MS) {
        balancer.tick(Tick(now));
        for (_, woken) in balancer.woken() {
            match woken {
                Woken::Go(permit) => sent.push((permit, now)),
                Woken::Shed(_) => refused += 1,
            }
        }
        if now >= 15 * SEC {
            for (permit, since) in sent.drain(..) {
                let outcome = Outcome::Answered { latency: Duration::from_micros(now - since), status: 200 };
                open.extend(balancer.opened(Tick(now), permit, &outcome));
            }
        }
    }
    assert_eq!((open.len(), refused), (300, 0));
    assert_eq!(balancer.seen(Tick(20 * SEC)).servers[0].connections, 300);
    open.into_iter().for_each(|open| balancer.closed(Tick(20 * SEC), open));
    assert_eq!(balancer.seen(Tick(20 * SEC)).servers[0].connections, 0);
}

#[test]
fn refused_clients_are_spread_over_the_time_that_they_take() {
    let mut balancer = LoadBalancer::new(&servers(1, Some(10)), Tick(0), 5);
    let arrival = |client| Arrival {
        class: Class::FirstTime,
        client,
        subnet: client,
        own: false,
        deadline: Duration::from_secs(1),
    };
    let mut permits = Vec::new();
    for client in 0..3_010 {
        if let Admission::Go(permit) = balancer.open(Tick(0), arrival(client), Opening::WebSocket) {
            permits.push(permit);
        }
    }
    assert_eq!(permits.len(), 10, "no more than its limit");
    balancer.tick(Tick(2 * SEC));
    let waits: Vec<f64> = balancer
        .woken()
        .map(|(_, woken)| match woken {
            Woken::Shed(shed) => shed.retry_after.as_secs_f64(),
            Woken::Go(_) => panic!("the server is full"),
        })
        .collect();
    assert_eq!(waits.len(), 3_000);
    let mut seconds: BTreeMap<u64, u32> = BTreeMap::new();
    waits.iter().for_each(|wait| *seconds.entry(*wait as u64).or_insert(0) += 1);
    assert!(seconds.len() > 20, "{seconds:?}");
    for permit in permits {
        balancer.done(Tick(2 * SEC), permit, Outcome::Left);
    }
    assert_eq!(balancer.seen(Tick(2 * SEC)).opens.refused, 3_000);
}

#[test]
fn drained_and_removed_servers_are_leaving_and_those_that_dns_lost_are_not() {
    let config = servers(3, None);
    let mut balancer = LoadBalancer::new(&config, Tick(0), 5);
    let leaving = |balancer: &LoadBalancer| balancer.leaving().count();
    let mut open = Vec::new();
    for client in 0..9 {
        let arrival = Arrival {
            class: Class::FirstTime,
            client,
            subnet: client,
            own: false,
            deadline: Duration::from_secs(1),
        };
        let Admission::Go(permit) = balancer.open(Tick(0), arrival, Opening::WebSocket) else {
            panic!("it fits")
        };
        let outcome = Outcome::Answered { latency: Duration::from_millis(1), status: 101 };
        open.extend(balancer.opened(Tick(0), permit, &outcome));
    }
    let connections = |balancer: &mut LoadBalancer| -> Vec<u32> {
        balancer.seen(Tick(0)).servers.iter().map(|server| server.connections).collect()
    };
    assert_eq!(connections(&mut balancer), [3, 3, 3], "the least loaded gets the next");
    balancer.reshape(&config, Tick(0));
    assert_eq!(leaving(&balancer), 0, "a reload that touches no server");
    let mut drained = config.clone();
    drained.servers[0].drain = true;
    drained.servers.remove(2);
    balancer.reshape(&drained, Tick(0));
    assert_eq!(balancer.leaving().map(|(_, count)| count).collect::<Vec<_>>(), [3, 3]);
    balancer.reshape(&config, Tick(0));
    assert_eq!((leaving(&balancer), connections(&mut balancer)), (0, vec![3, 3, 3]), "they stay after all");
    balancer.abandon(|at| at.starts_with("10.0.0.1:"));
    assert_eq!(leaving(&balancer), 2);
    open.into_iter().for_each(|open| balancer.closed(Tick(0), open));
    assert_eq!(connections(&mut balancer), [0, 0, 0]);
}
