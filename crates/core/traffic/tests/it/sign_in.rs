//! The surge of a sign-in page whose API limits it: the API counts calls over ten seconds, refused ones too, and the page
//! repeats a refused call, which makes it three. One excess, and no client can sign in until calls fall far below
//! the limit.

use crate::fixture::SEC;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;
use traffic::{Admission, Arrival, Class, LoadBalancer, Outcome, Permit, Tick, Ticket, Woken};

/// Visits a second of recognized and of first-time clients: the page, then the sign-in.
const VISITS: f64 = 3.0;
/// Calls of the page that the API allows in ten seconds.
const CALLS: usize = 90;
const ATTEMPTS: usize = 3;

/// Clients of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Recognized,
    First,
    Flood,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    Comes(Who),
    Answers(u64),
    Ticks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Visit {
    who: Who,
    client: u64,
    born: u64,
    signs_in: bool,
}

/// Visits of a phase: begun and completed.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    asked: u32,
    served: u32,
}

impl Count {
    fn part(self) -> f64 {
        f64::from(self.served) / f64::from(self.asked.max(1))
    }
}

/// Limit of the page's own API client: halves with each refusal, recovers by one call a second each second.
struct Budget {
    rate: f64,
    tokens: f64,
    at: u64,
}

impl Budget {
    fn flow(&mut self, now: u64) {
        let secs = (now - self.at) as f64 / 1e6;
        self.at = now;
        self.rate = (self.rate + secs).min(100.0);
        self.tokens = (self.tokens + self.rate * secs).min(self.rate);
    }
}

struct World {
    now: u64,
    order: u64,
    heap: BinaryHeap<Reverse<(u64, u64, Happens)>>,
    balancer: LoadBalancer,
    waiting: BTreeMap<Ticket, Visit>,
    working: BTreeMap<u64, (Visit, Permit, u64, u16)>,
    calls: VecDeque<u64>,
    budget: Budget,
    /// Whether the page names its clients, so that the API limits each of them.
    fixed: u64,
    /// Instants at which the flood begins and ends.
    flood: (u64, u64),
    dice: u64,
    counts: BTreeMap<(u8, Who), Count>,
}

impl World {
    fn run(flood: (u64, u64), fixed: u64, end: u64, seed: u64) -> Self {
        let pool = crate::fixture::pool(&["10.0.0.1:80"], 8);
        let mut world = Self {
            now: 0,
            order: 0,
            heap: BinaryHeap::new(),
            balancer: LoadBalancer::new(&pool, Tick(0), seed),
            waiting: BTreeMap::new(),
            working: BTreeMap::new(),
            calls: VecDeque::new(),
            budget: Budget { rate: 100.0, tokens: 100.0, at: 0 },
            fixed,
            flood,
            dice: seed,
            counts: BTreeMap::new(),
        };
        world.at(0, Happens::Comes(Who::Recognized));
        world.at(0, Happens::Comes(Who::First));
        world.at(flood.0, Happens::Comes(Who::Flood));
        world.at(0, Happens::Ticks);
        while let Some(Reverse((at, _, happens))) = world.heap.pop() {
            if at > end {
                break;
            }
            world.now = at;
            world.happens(happens);
            let woken: Vec<_> = world.balancer.woken().collect();
            for (ticket, woken) in woken {
                let visit = world.waiting.remove(&ticket).unwrap();
                if let Woken::Go(permit) = woken {
                    world.work(visit, permit);
                }
            }
        }
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

    /// Before the flood, in it, after it, after the page was fixed.
    fn phase(&self, at: u64) -> u8 {
        u8::from(at >= self.flood.0) + u8::from(at >= self.flood.1) + u8::from(at >= self.fixed)
    }

    fn happens(&mut self, happens: Happens) {
        match happens {
            Happens::Comes(who) => self.comes(who),
            Happens::Answers(id) => self.answers(id),
            Happens::Ticks => {
                self.balancer.tick(Tick(self.now));
                self.at(self.now + 5_000, Happens::Ticks);
            }
        }
    }

    fn comes(&mut self, who: Who) {
        let rate = match (who, self.phase(self.now)) {
            (Who::Flood, 1) => 2_400.0,
            (Who::Flood, _) => return,
            (_, 0 | 1) => VISITS,
            _ => 2.0 * VISITS,
        };
        // Evenly distributed about the mean: the limit has room for little chance.
        let gap = (0.5 + self.roll()) * 1e6 / rate;
        self.at(self.now + gap as u64 + 1, Happens::Comes(who));
        let number = (self.roll() * 1e9) as u64;
        let client = match who {
            Who::Recognized => 1 + number % 40,
            Who::First => 1_000 + number % 200,
            Who::Flood => 10_000 + number % 2_100,
        };
        let visit = Visit { who, client, born: self.now, signs_in: who == Who::Flood };
        self.counts.entry((self.phase(self.now), who)).or_default().asked += 1;
        self.asks(visit);
    }

    fn asks(&mut self, visit: Visit) {
        let (class, subnet) = match visit.who {
            Who::Recognized => (Class::Recognized, visit.client),
            Who::First => (Class::FirstTime, 100 + visit.client % 20),
            Who::Flood => (Class::FirstTime, 10 + visit.client % 3),
        };
        let deadline = Duration::from_secs(5);
        let arrival = Arrival { class, client: visit.client, subnet, own: false, deadline };
        match self.balancer.arrive(Tick(self.now), arrival) {
            Admission::Go(permit) => self.work(visit, permit),
            Admission::Wait(ticket) => _ = self.waiting.insert(ticket, visit),
            Admission::Shed(_) => {}
        }
    }

    fn work(&mut self, visit: Visit, permit: Permit) {
        let (status, takes) = if visit.signs_in { self.sign_in() } else { (200, 5_000) };
        self.order += 1;
        let id = self.order;
        self.working.insert(id, (visit, permit, self.now, status));
        self.at(self.now + takes, Happens::Answers(id));
    }

    /// Status and time of a sign-in.
    fn sign_in(&mut self) -> (u16, u64) {
        if self.now >= self.fixed {
            return (200, 30_000);
        }
        self.budget.flow(self.now);
        if self.budget.tokens < 1.0 {
            return (503, 6_000);
        }
        self.budget.tokens -= 1.0;
        for _ in 0..ATTEMPTS {
            self.calls.push_back(self.now);
            while self.calls.front().is_some_and(|at| at + 10 * SEC <= self.now) {
                self.calls.pop_front();
            }
            if self.calls.len() <= CALLS {
                return (200, 30_000);
            }
            self.budget.rate = (self.budget.rate / 2.0).max(5.0);
        }
        (503, 12_000)
    }

    fn answers(&mut self, id: u64) {
        let (visit, permit, began, status) = self.working.remove(&id).unwrap();
        let latency = Duration::from_micros(self.now - began);
        self.balancer.done(Tick(self.now), permit, Outcome::Answered { latency, status });
        if status == 200 && visit.signs_in {
            self.counts.entry((self.phase(visit.born), visit.who)).or_default().served += 1;
        } else if status == 200 {
            self.asks(Visit { signs_in: true, ..visit });
        }
    }
}

#[test]
fn recognized_clients_sign_in_during_the_flood_and_while_limits_conflict() {
    let mut all: BTreeMap<(u8, Who), Count> = BTreeMap::new();
    for seed in 1..=8 {
        let world = World::run((60 * SEC, 85 * SEC), 135 * SEC, 300 * SEC, seed);
        for (phase, name) in [(1, "flood"), (2, "after it"), (3, "fixed")] {
            let count = |who| world.counts.get(&(phase, who)).copied().unwrap_or_default();
            let (recognized, first) = (count(Who::Recognized), count(Who::First));
            println!("{seed} {name:<8} recognized {:.3}, first-time {:.3}", recognized.part(), first.part());
            assert!(recognized.part() >= 0.93, "{seed} {name}");
            for (who, count) in [(Who::Recognized, recognized), (Who::First, first)] {
                let sum = all.entry((phase, who)).or_default();
                (sum.asked, sum.served) = (sum.asked + count.asked, sum.served + count.served);
            }
        }
    }
    let part = |phase, who| all[&(phase, who)].part();
    assert!(part(1, Who::Recognized) >= 0.98 && part(1, Who::First) >= 0.95);
    // Recognized clients leave half of what first-time clients ask for.
    assert!(part(2, Who::Recognized) >= 0.95 && part(2, Who::First) >= 0.25);
    assert!(part(3, Who::Recognized) >= 0.99 && part(3, Who::First) >= 0.9);
}
