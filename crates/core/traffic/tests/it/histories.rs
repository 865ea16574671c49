//! What holds whatever happens: random histories of arrivals, answers, failures, configurations and names.

use crate::fixture::pool;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use traffic::{Admission, Arrival, Class, Failure, LoadBalancer, Outcome, Permit, Tick, Ticket, Woken};
use types::config::Health;
use types::traffic::ServerState;

#[derive(Clone, Debug)]
enum Step {
    Passes(u64),
    Arrives(u8, u64, u64),
    Ends(usize, u8),
    Retries(usize),
    GivesUp(usize),
    Checked(u8, bool),
    Resolved(u8, u8),
    Reshaped(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u64..60_000).prop_map(Step::Passes),
        12 => (0_u8..4, 0_u64..50, 1_u64..1_000).prop_map(|(class, client, millis)| Step::Arrives(class, client, millis)),
        9 => (0_usize..64, 0_u8..12).prop_map(|(which, how)| Step::Ends(which, how)),
        3 => (0_usize..64).prop_map(Step::Retries),
        1 => (0_usize..64).prop_map(Step::GivesUp),
        1 => (1_u8..7, any::<bool>()).prop_map(|(which, well)| Step::Checked(which, well)),
        1 => (0_u8..4, 0_u8..4).prop_map(|(from, count)| Step::Resolved(from, count)),
        1 => (0_u8..16, 0_u8..16).prop_map(|(which, drain)| Step::Reshaped(which, drain)),
    ]
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 80))
}

const NAME: &str = "app.internal:80";
const SERVERS: [&str; 4] = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", NAME];
/// Between looks for those who waited long enough, and between ticks.
const LATE: u64 = 5_000 + 5_000;

struct History {
    balancer: LoadBalancer,
    config: types::config::Pool,
    now: u64,
    held: Vec<Permit>,
    /// Who waits, and until when at most.
    waiting: BTreeMap<Ticket, u64>,
    /// First dispatches, and retries.
    sent: u64,
    retried: u64,
}

impl History {
    fn new(each: u32, begin: u32, seed: u64) -> Self {
        let mut config = pool(&SERVERS, begin);
        config.max_concurrency = each;
        let second = Duration::from_secs(1);
        config.health =
            Some(Health { path: "/".to_owned(), interval: second, timeout: second, fall: 1, rise: 1 });
        Self {
            balancer: LoadBalancer::new(&config, Tick(0), seed),
            config,
            now: 0,
            held: Vec::new(),
            waiting: BTreeMap::new(),
            sent: 0,
            retried: 0,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Passes(micros) => self.passes(micros),
            Step::Arrives(class, client, millis) => {
                let class = Class::ALL[usize::from(class)];
                let deadline = Duration::from_millis(millis);
                match self
                    .balancer
                    .arrive(Tick(self.now), Arrival { class, client, subnet: client, own: false, deadline })
                {
                    Admission::Go(permit) => self.go(permit, true),
                    Admission::Wait(ticket) => {
                        let until = self.now + millis * 1_000 + LATE;
                        assert!(self.waiting.insert(ticket, until).is_none());
                    }
                    Admission::Shed(shed) => assert!(shed.retry_after >= Duration::from_secs(1)),
                }
            }
            Step::Ends(which, how) => {
                let Some(permit) = self.take(which) else { return };
                self.end(permit, how);
            }
            Step::Retries(which) => {
                let Some(permit) = self.take(which) else { return };
                let before = permit.server();
                if let Some(again) =
                    self.balancer.retry(Tick(self.now), permit, Outcome::Failed(Failure::Reset))
                {
                    assert_ne!(again.server(), before);
                    self.retried += 1;
                    self.go(again, false);
                }
                assert!(self.retried <= 50 + self.sent / 10, "{} of {}", self.retried, self.sent);
            }
            Step::GivesUp(which) => {
                let Some(ticket) = self.waiting.keys().nth(which % self.waiting.len().max(1)).copied() else {
                    return;
                };
                self.waiting.remove(&ticket);
                self.balancer.gave_up(Tick(self.now), ticket);
            }
            Step::Checked(which, well) => {
                let found = if well { Ok(()) } else { Err(Failure::Status(500)) };
                self.balancer.health(Tick(self.now), address(which), found);
            }
            Step::Resolved(from, count) => {
                let found: Vec<SocketAddr> = (0..count).map(|more| address(4 + from + more)).collect();
                self.balancer.resolved(Tick(self.now), NAME, &found);
            }
            Step::Reshaped(which, drain) => self.reshape(which, drain),
        }
        self.look();
    }

    fn end(&mut self, permit: Permit, how: u8) {
        let latency = Duration::from_micros(self.now - permit.since().0);
        let outcome = match how {
            0 => Outcome::Left,
            1 => Outcome::Failed(Failure::Connect("refused".to_owned())),
            2 => Outcome::Failed(Failure::Timeout),
            3 => Outcome::Failed(Failure::Certificate { expected: "a".to_owned(), why: "b".to_owned() }),
            4 => Outcome::Answered { latency, status: 503 },
            5 => Outcome::Unsent,
            _ => Outcome::Answered { latency, status: 200 },
        };
        self.balancer.done(Tick(self.now), permit, outcome);
    }

    fn reshape(&mut self, which: u8, drain: u8) {
        let mut config = self.config.clone();
        for (index, server) in config.servers.iter_mut().enumerate() {
            server.drain = drain & 1 << index != 0;
        }
        let mut index = 0;
        config.servers.retain(|_| {
            index += 1;
            which & 1 << (index - 1) == 0
        });
        self.balancer.reshape(&config, Tick(self.now));
    }

    fn take(&mut self, which: usize) -> Option<Permit> {
        (!self.held.is_empty()).then(|| self.held.swap_remove(which % self.held.len()))
    }

    fn passes(&mut self, micros: u64) {
        let end = self.now + micros;
        while self.now < end {
            let next = self.balancer.next().0.clamp(self.now + 1, self.now + 5_000);
            self.now = next.min(end);
            self.balancer.tick(Tick(self.now));
            self.look();
        }
    }

    fn go(&mut self, permit: Permit, first: bool) {
        self.sent += u64::from(first);
        let seen = self.balancer.seen(Tick(self.now));
        let server = seen.servers.iter().find(|server| server.address == permit.server().to_string());
        let server = server.expect("only servers that are there get requests");
        assert_ne!(server.state, ServerState::Draining);
        assert!(server.inflight <= self.config.max_concurrency);
        assert!(server.state.serves() || seen.panic_mode);
        self.held.push(permit);
        // What is stuck at servers that are out holds no places, and what drains or is gone goes on beside the others.
        let servers = seen.servers.iter().filter(|server| server.state.serves());
        let inflight: u32 = servers.map(|server| server.inflight).sum();
        // A request that is asked again keeps the place that it had.
        assert!(!first || seen.panic_mode || inflight <= seen.limit, "{inflight} of {}", seen.limit);
    }

    fn look(&mut self) {
        let woken: Vec<(Ticket, Woken)> = self.balancer.woken().collect();
        for (ticket, woken) in woken {
            assert!(self.waiting.remove(&ticket).is_some(), "woken twice, or who had given up");
            match woken {
                Woken::Go(permit) => self.go(permit, true),
                Woken::Shed(shed) => assert!(shed.retry_after >= Duration::from_secs(1)),
            }
        }
        assert!(self.waiting.values().all(|until| *until >= self.now), "somebody waits for too long");
        let seen = self.balancer.seen(Tick(self.now));
        assert_eq!(seen.inflight as usize, self.held.len());
        assert_eq!(seen.waiting as usize, self.waiting.len());
        assert!(seen.servers.iter().map(|server| server.inflight).sum::<u32>() <= seen.inflight);
    }

    fn ends(mut self) {
        while let Some(permit) = self.take(0) {
            let latency = Duration::from_millis(10);
            self.balancer.done(Tick(self.now), permit, Outcome::Answered { latency, status: 200 });
            self.look();
        }
        self.passes(3_000_000);
        // A client that was let in meanwhile goes as well.
        while let Some(permit) = self.take(0) {
            self.balancer.done(Tick(self.now), permit, Outcome::Left);
            self.look();
        }
        self.passes(3_000_000);
        assert!(self.waiting.is_empty());
        let seen = self.balancer.seen(Tick(self.now));
        assert_eq!((seen.inflight, seen.waiting), (0, 0));
        assert!(seen.servers.iter().all(|server| server.inflight == 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(
        each in 1_u32..6,
        begin in 1_u32..12,
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 1..300),
    ) {
        let mut history = History::new(each, begin, seed);
        for step in steps {
            history.step(step);
        }
        history.ends();
    }
}
