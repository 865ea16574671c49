//! What holds for opens whatever happens: random histories of opens, answers, failures, ends and configurations.

use crate::fixture::pool;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use traffic::{
    Admission, Arrival, Class, Failure, LoadBalancer, Open, Opening, Outcome, Permit, Tick, Ticket, Woken,
};
use types::config::{Health, Pool};

#[derive(Clone, Debug)]
enum Step {
    Passes(u64),
    Opens(u8, u64, bool),
    Answers(usize, u8),
    Retries(usize),
    Closes(usize),
    GivesUp(usize),
    Checked(u8, bool),
    Reshaped(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u64..400_000).prop_map(Step::Passes),
        12 => (0_u8..4, 0_u64..50, any::<bool>()).prop_map(|(class, client, socket)| Step::Opens(class, client, socket)),
        9 => (0_usize..64, 0_u8..9).prop_map(|(which, how)| Step::Answers(which, how)),
        1 => (0_usize..64).prop_map(Step::Retries),
        3 => (0_usize..64).prop_map(Step::Closes),
        1 => (0_usize..64).prop_map(Step::GivesUp),
        1 => (1_u8..4, any::<bool>()).prop_map(|(which, well)| Step::Checked(which, well)),
        1 => (0_u8..8, 0_u8..8).prop_map(|(which, drain)| Step::Reshaped(which, drain)),
    ]
}

const SERVERS: [&str; 3] = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"];
/// The longest that an open is held, and the time between looks.
const HELD: u64 = 2_000_000 + 10_000;

struct History {
    balancer: LoadBalancer,
    config: Pool,
    most: u32,
    now: u64,
    sent: Vec<Permit>,
    open: Vec<Open>,
    waiting: BTreeMap<Ticket, u64>,
}

impl History {
    fn new(each: u32, most: u32, seed: u64) -> Self {
        let second = Duration::from_secs(1);
        let health =
            Some(Health { path: "/".to_owned(), interval: second, timeout: second, fall: 1, rise: 1 });
        let config = Pool { max_concurrency: each, max_connections: Some(most), health, ..pool(&SERVERS, 8) };
        let balancer = LoadBalancer::new(&config, Tick(0), seed);
        Self { balancer, config, most, now: 0, sent: Vec::new(), open: Vec::new(), waiting: BTreeMap::new() }
    }

    fn step(&mut self, step: Step) {
        let now = Tick(self.now);
        match step {
            Step::Passes(micros) => self.passes(micros),
            Step::Opens(class, client, socket) => {
                let (class, deadline) = (Class::ALL[usize::from(class)], Duration::from_secs(30));
                let kind = if socket { Opening::WebSocket } else { Opening::EventStream };
                match self.balancer.open(
                    now,
                    Arrival { class, client, subnet: client, own: false, deadline },
                    kind,
                ) {
                    Admission::Go(permit) => self.sent.push(permit),
                    Admission::Wait(ticket) => {
                        assert!(self.waiting.insert(ticket, self.now + HELD).is_none())
                    }
                    Admission::Shed(shed) => assert!(shed.retry_after >= Duration::from_secs(1)),
                }
            }
            Step::Answers(which, how) => self.answers(which, how),
            Step::Retries(which) => {
                let Some(permit) = take(&mut self.sent, which) else { return };
                let before = permit.server();
                if let Some(again) = self.balancer.retry(now, permit, Outcome::Failed(Failure::Reset)) {
                    assert_ne!(again.server(), before);
                    self.sent.push(again);
                }
            }
            Step::Closes(which) => {
                if let Some(open) = take(&mut self.open, which) {
                    self.balancer.closed(now, open);
                }
            }
            Step::GivesUp(which) => {
                let ticket = self.waiting.keys().nth(which % self.waiting.len().max(1)).copied();
                if let Some(ticket) = ticket {
                    self.waiting.remove(&ticket);
                    self.balancer.gave_up(now, ticket);
                }
            }
            Step::Checked(last, well) => {
                let found = if well { Ok(()) } else { Err(Failure::Status(500)) };
                self.balancer.health(now, SocketAddr::from(([10, 0, 0, last], 80)), found);
            }
            Step::Reshaped(which, drain) => {
                let mut config = self.config.clone();
                let servers =
                    config.servers.into_iter().zip(0..).filter(|(_, index)| which & 1 << index == 0);
                config.servers = servers
                    .map(|(mut server, index)| {
                        server.drain = drain & 1 << index != 0;
                        server
                    })
                    .collect();
                self.balancer.reshape(&config, now);
            }
        }
        self.look();
    }

    fn answers(&mut self, which: usize, how: u8) {
        let Some(permit) = take(&mut self.sent, which) else { return };
        let latency = Duration::from_micros(self.now - permit.since().0);
        let outcome = match how {
            0 => Outcome::Left,
            1 => Outcome::Failed(Failure::Timeout),
            2 => Outcome::Answered { latency, status: 503 },
            3 => Outcome::Answered { latency, status: 401 },
            4 => Outcome::Unsent,
            _ => {
                let outcome = Outcome::Answered { latency, status: 101 };
                self.open.extend(self.balancer.opened(Tick(self.now), permit, &outcome));
                return;
            }
        };
        self.balancer.done(Tick(self.now), permit, outcome);
    }

    fn passes(&mut self, micros: u64) {
        let end = self.now + micros;
        while self.now < end {
            let next = self.balancer.next().0.clamp(self.now + 1, self.now + 10_000);
            self.now = next.min(end);
            self.balancer.tick(Tick(self.now));
            self.look();
        }
    }

    fn look(&mut self) {
        let woken: Vec<(Ticket, Woken)> = self.balancer.woken().collect();
        for (ticket, woken) in woken {
            assert!(self.waiting.remove(&ticket).is_some(), "woken twice, or who had given up");
            match woken {
                Woken::Go(permit) => self.sent.push(permit),
                Woken::Shed(shed) => assert!(shed.retry_after >= Duration::from_secs(1)),
            }
        }
        assert!(self.waiting.values().all(|until| *until >= self.now), "one is held for too long");
        let seen = self.balancer.seen(Tick(self.now));
        assert_eq!(seen.opens.waiting as usize, self.waiting.len());
        assert_eq!(seen.inflight, 0, "opens are no ordinary requests");
        let connections = seen.servers.iter().map(|server| server.connections);
        assert!(connections.clone().all(|connections| connections <= self.most));
        assert!(connections.sum::<u32>() as usize <= self.sent.len() + self.open.len());
    }

    fn ends(mut self) {
        self.balancer.reshape(&self.config.clone(), Tick(self.now));
        let connections = |balancer: &mut LoadBalancer, now| -> u32 {
            balancer.seen(Tick(now)).servers.iter().map(|server| server.connections).sum()
        };
        self.look();
        let all = self.sent.len() + self.open.len();
        assert_eq!(connections(&mut self.balancer, self.now) as usize, all, "all are counted at a server");
        self.passes(2_100_000);
        assert!(self.waiting.is_empty());
        while let Some(permit) = take(&mut self.sent, 0) {
            self.balancer.done(Tick(self.now), permit, Outcome::Left);
        }
        while let Some(open) = take(&mut self.open, 0) {
            self.balancer.closed(Tick(self.now), open);
        }
        assert_eq!(connections(&mut self.balancer, self.now), 0);
    }
}

fn take<T>(from: &mut Vec<T>, which: usize) -> Option<T> {
    (!from.is_empty()).then(|| from.swap_remove(which % from.len()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(
        each in 1_u32..6,
        most in 1_u32..8,
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 1..300),
    ) {
        let mut history = History::new(each, most, seed);
        for step in steps {
            history.step(step);
        }
        history.ends();
    }
}
