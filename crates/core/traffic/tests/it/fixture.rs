//! A world in virtual time: clients that do not wait to be served before they come, an edge, and a server that sleeps.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;
use traffic::{Admission, Arrival, Class, LoadBalancer, Outcome, Permit, Tick, Ticket, Woken};
use types::config::Pool;

pub(crate) const SEC: u64 = 1_000_000;

/// A server that does `permits` requests at the same time, each for `service`, and lets the rest wait in the order in which they came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerShape {
    pub(crate) permits: u32,
    pub(crate) service: u64,
    /// Whether times vary (exponentially) or are always the same.
    pub(crate) varies: bool,
}

impl ServerShape {
    pub(crate) fn capacity(self) -> f64 {
        f64::from(self.permits) * 1e6 / self.service as f64
    }
}

/// What a server refuses immediately, whatever its capacity.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refuses {
    /// Nothing.
    Nothing,
    /// What is beyond this number a second.
    Beyond(f64),
    /// What is beyond the first number within the last tenths of a second, refused ones counted too: one more than it
    /// bears a second, and no client is served.
    Counting(f64, usize),
    /// Everything, between two instants.
    All(u64, u64),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Surge {
    pub(crate) server: ServerShape,
    pub(crate) refuses: Refuses,
    /// Requests a second of recognized clients, as part of the capacity.
    pub(crate) recognized: f64,
    /// Requests a second of all others, as part of the capacity: in quiet times and in the surge.
    pub(crate) quiet: f64,
    pub(crate) flood: f64,
    /// Requests a second of a crowd from few subnets, as part of the capacity, in the surge; and from how many subnets.
    pub(crate) crowd: f64,
    pub(crate) crowd_subnets: u64,
    /// Sign-ins of three steps that begin each second.
    pub(crate) flows: f64,
    /// When the surge begins and ends, and when the world does.
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) end: u64,
    /// How often a client tries in all.
    pub(crate) tries: u32,
    /// Each request has a luck of its own instead of its client's.
    pub(crate) random: bool,
    /// The flood asks for an urgent path.
    pub(crate) priority: bool,
    /// The server changes at the middle of the surge.
    pub(crate) then: Option<ServerShape>,
    /// How long until the edge next gets no processor for 20 to 50 ms, in the mean; 0 where that never happens.
    pub(crate) stalls: u64,
    pub(crate) seed: u64,
}

/// What came of the requests of one kind that were first made in a stretch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Served {
    pub(crate) asked: u32,
    pub(crate) served: u32,
    /// At the first try.
    pub(crate) at_once: u32,
}

impl Served {
    pub(crate) fn part(self) -> f64 {
        f64::from(self.served) / f64::from(self.asked.max(1))
    }
}

impl Surge {
    /// What can be answered a second.
    pub(crate) fn capacity(&self) -> f64 {
        match self.refuses {
            Refuses::Nothing | Refuses::All(..) => self.server.capacity(),
            Refuses::Beyond(rate) | Refuses::Counting(rate, _) => rate,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Story {
    pub(crate) recognized: Served,
    pub(crate) first: Served,
    pub(crate) flows: Served,
    pub(crate) crowd: Served,
    /// By slot of the world: answers in time; requests first made; and those of them that were answered in the end.
    pub(crate) good: Vec<u32>,
    pub(crate) asked: Vec<u32>,
    pub(crate) met: Vec<u32>,
    pub(crate) latencies: Vec<u64>,
    pub(crate) limits: Vec<u32>,
    pub(crate) attempts: u64,
    pub(crate) sent: u64,
    pub(crate) refused: u64,
}

impl Story {
    /// Answers in time beside what could be answered, over the surge.
    pub(crate) fn goodput(&self, surge: &Surge) -> f64 {
        let slots = (surge.from / SLOT) as usize..(surge.to / SLOT) as usize;
        let secs = (surge.to - surge.from) as f64 / 1e6;
        f64::from(self.good[slots].iter().sum::<u32>()) / secs / surge.capacity()
    }

    pub(crate) fn p99(&mut self) -> u64 {
        self.latencies.sort_unstable();
        self.latencies.get(self.latencies.len() * 99 / 100).copied().unwrap_or_default()
    }

    /// How long after the surge until nine of ten who come are served, in every second from then on.
    pub(crate) fn normal_after(&self, surge: &Surge) -> Duration {
        let to = (surge.to / SLOT) as usize;
        let bad = (to..self.asked.len())
            .filter(|slot| f64::from(self.met[*slot]) < 0.9 * f64::from(self.asked[*slot]));
        let last = bad.max().map_or(0, |slot| slot + 1 - to);
        Duration::from_micros(last as u64 * SLOT)
    }
}

pub(crate) const SLOT: u64 = SEC;
const DEADLINE: u64 = SEC;
/// How long a server takes to refuse.
const REFUSAL: u64 = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    Comes(Kind),
    Tries(u32),
    Answers(u32, u64),
    Refuses(u32, u64),
    GivesUp(u32, u32),
    Ticks,
    Changes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Recognized,
    Other,
    Flow,
    Crowd,
}

#[derive(Debug)]
struct Request {
    kind: Kind,
    client: u64,
    born: u64,
    tries: u32,
    step: u32,
    began: u64,
    permit: Option<Permit>,
    ticket: Option<Ticket>,
}

pub(crate) struct World {
    surge: Surge,
    server: ServerShape,
    now: u64,
    order: u64,
    heap: BinaryHeap<Reverse<(u64, u64, Happens)>>,
    requests: BTreeMap<u32, Request>,
    next: u32,
    waiting: BTreeMap<Ticket, u32>,
    balancer: LoadBalancer,
    busy: u32,
    line: VecDeque<(u32, u64)>,
    limit: Limit,
    dice: u64,
    /// When the edge gets no processor.
    stall: (u64, u64),
    pub(crate) story: Story,
}

pub(crate) fn pool(servers: &[&str], begin: u32) -> Pool {
    Pool { max_concurrency: 1_000, initial_concurrency: begin, ..testkit::edge::pool("auth", servers) }
}

/// How a server knows that it was asked too often.
#[derive(Debug, Default)]
struct Limit {
    tokens: f64,
    filled: u64,
    /// Calls in each tenth of a second that still counts, the latest last.
    tenths: VecDeque<(u64, u32)>,
}

impl Limit {
    fn refuses(&mut self, what: Refuses, now: u64) -> bool {
        match what {
            Refuses::Nothing => false,
            Refuses::All(from, to) => (from..to).contains(&now),
            Refuses::Beyond(rate) => {
                let more = rate * (now - self.filled) as f64 / 1e6;
                self.tokens = (self.tokens + more).min((rate / 10.0).max(2.0));
                self.filled = now;
                let enough = self.tokens >= 1.0;
                self.tokens -= f64::from(u8::from(enough));
                !enough
            }
            Refuses::Counting(rate, tenths) => {
                let tenth = now / (SEC / 10);
                match self.tenths.back_mut().filter(|(at, _)| *at == tenth) {
                    Some((_, count)) => *count += 1,
                    None => self.tenths.push_back((tenth, 1)),
                }
                while self.tenths.front().is_some_and(|(at, _)| at + tenths as u64 <= tenth) {
                    self.tenths.pop_front();
                }
                let asked: u32 = self.tenths.iter().map(|(_, count)| count).sum();
                f64::from(asked) > rate * tenths as f64 / 10.0
            }
        }
    }
}

impl World {
    pub(crate) fn run(surge: Surge) -> Story {
        let mut world = Self {
            server: surge.server,
            surge,
            now: 0,
            order: 0,
            heap: BinaryHeap::new(),
            requests: BTreeMap::new(),
            next: 0,
            waiting: BTreeMap::new(),
            balancer: LoadBalancer::new(&pool(&["10.0.0.1:80"], 8), Tick(0), surge.seed),
            busy: 0,
            line: VecDeque::new(),
            limit: Limit::default(),
            dice: surge.seed,
            stall: (0, 0),
            story: Story::default(),
        };
        let slots = (surge.end / SLOT) as usize + 4;
        world.story.good = vec![0; slots];
        world.story.asked = vec![0; slots];
        world.story.met = vec![0; slots];
        world.at(0, Happens::Ticks);
        if surge.crowd > 0.0 {
            world.at(surge.from, Happens::Comes(Kind::Crowd));
        }
        for kind in [Kind::Recognized, Kind::Other, Kind::Flow] {
            world.at(0, Happens::Comes(kind));
        }
        if surge.then.is_some() {
            world.at((surge.from + surge.to) / 2, Happens::Changes);
        }
        while let Some(Reverse((at, _, happens))) = world.heap.pop() {
            if at > surge.end + 2 * SEC {
                break;
            }
            world.now = world.noticed(at).max(world.now);
            world.happens(happens);
            world.wake();
        }
        world.story
    }

    fn at(&mut self, at: u64, happens: Happens) {
        self.order += 1;
        self.heap.push(Reverse((at, self.order, happens)));
    }

    /// When the edge comes to see what happens now.
    fn noticed(&mut self, at: u64) -> u64 {
        while self.surge.stalls > 0 && self.stall.1 <= at {
            let from = self.stall.1 + self.exponential(self.surge.stalls as f64);
            self.stall = (from, from + 20_000 + (self.roll() * 30_000.0) as u64);
        }
        if (self.stall.0..self.stall.1).contains(&at) { self.stall.1 } else { at }
    }

    fn roll(&mut self) -> f64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> u64 {
        (-mean * (1.0 - self.roll()).ln()) as u64
    }

    fn happens(&mut self, happens: Happens) {
        match happens {
            Happens::Comes(kind) => self.comes(kind),
            Happens::Tries(id) => self.tries(id),
            Happens::Answers(id, began) => self.answers(id, began),
            Happens::Refuses(id, began) => self.refused(id, began),
            Happens::GivesUp(id, tries) => self.gives_up(id, tries),
            Happens::Ticks => {
                self.balancer.tick(Tick(self.now));
                if self.story.limits.len() as u64 * SLOT <= self.now {
                    let limit = self.balancer.seen(Tick(self.now)).limit;
                    self.story.limits.push(limit);
                }
                self.at(self.now + 5_000, Happens::Ticks);
            }
            Happens::Changes => self.server = self.surge.then.unwrap_or(self.server),
        }
    }

    fn in_surge(&self, at: u64) -> bool {
        (self.surge.from..self.surge.to).contains(&at)
    }

    /// Whether one that comes now belongs to the surge; a sign-in only when it can end within it.
    fn counts(&self, kind: Kind, born: u64) -> bool {
        self.in_surge(if kind == Kind::Flow { born + 8 * SEC } else { born }) && self.in_surge(born)
    }

    fn comes(&mut self, kind: Kind) {
        let capacity = self.surge.capacity();
        let rate = match kind {
            Kind::Recognized => self.surge.recognized * capacity,
            Kind::Other if self.in_surge(self.now) => self.surge.flood * capacity,
            Kind::Other => self.surge.quiet * capacity,
            Kind::Flow => self.surge.flows,
            Kind::Crowd if self.in_surge(self.now) => self.surge.crowd * capacity,
            Kind::Crowd => 0.0,
        };
        if self.now >= self.surge.end {
            return;
        }
        if rate <= 0.0 {
            return;
        }
        let gap = self.exponential(1e6 / rate).max(1);
        // A change of rate is noticed immediately.
        let next = self.now + gap;
        let next = if self.now < self.surge.from { next.min(self.surge.from) } else { next };
        self.at(next, Happens::Comes(kind));
        let client = match kind {
            Kind::Recognized => 1 + (self.roll() * 500.0) as u64,
            Kind::Other | Kind::Flow | Kind::Crowd => 1_000 + (self.roll() * 1e15) as u64,
        };
        let id = self.next;
        self.next += 1;
        let request = Request {
            kind,
            client,
            born: self.now,
            tries: 0,
            step: 0,
            began: self.now,
            permit: None,
            ticket: None,
        };
        self.requests.insert(id, request);
        self.story.asked[(self.now / SLOT) as usize] += 1;
        if self.counts(kind, self.now) {
            self.count(kind).asked += 1;
        }
        self.tries(id);
    }

    fn count(&mut self, kind: Kind) -> &mut Served {
        match kind {
            Kind::Recognized => &mut self.story.recognized,
            Kind::Other => &mut self.story.first,
            Kind::Flow => &mut self.story.flows,
            Kind::Crowd => &mut self.story.crowd,
        }
    }

    fn tries(&mut self, id: u32) {
        let now = self.now;
        let other = (self.roll() * 1e15) as u64;
        let Some(request) = self.requests.get_mut(&id) else { return };
        request.tries += 1;
        request.began = now;
        self.story.attempts += 1;
        let class = match request.kind {
            Kind::Recognized => Class::Recognized,
            Kind::Other if self.surge.priority => Class::Priority,
            Kind::Other | Kind::Flow | Kind::Crowd => Class::FirstTime,
        };
        let subnet = if request.kind == Kind::Crowd {
            request.client % self.surge.crowd_subnets
        } else {
            request.client
        };
        let client = if self.surge.random { other } else { request.client };
        let arrival =
            Arrival { class, client, subnet, own: false, deadline: Duration::from_micros(DEADLINE) };
        let tries = request.tries;
        match self.balancer.arrive(Tick(now), arrival) {
            Admission::Go(permit) => {
                self.at(now + DEADLINE, Happens::GivesUp(id, tries));
                self.send(id, permit);
            }
            Admission::Wait(ticket) => {
                request.ticket = Some(ticket);
                self.waiting.insert(ticket, id);
                self.at(now + DEADLINE, Happens::GivesUp(id, tries));
            }
            Admission::Shed(shed) => {
                assert!(shed.retry_after >= Duration::from_secs(1));
                assert!(shed.retry_after <= Duration::from_secs(90));
                self.fails(id);
            }
        }
    }

    fn send(&mut self, id: u32, permit: Permit) {
        let began = self.now;
        self.story.sent += 1;
        if let Some(request) = self.requests.get_mut(&id) {
            request.permit = Some(permit);
        }
        if self.limit.refuses(self.surge.refuses, began) {
            self.at(began + REFUSAL, Happens::Refuses(id, began));
        } else {
            self.line.push_back((id, began));
            self.work();
        }
    }

    fn refused(&mut self, id: u32, began: u64) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        let Some(permit) = request.permit.take_if(|permit| permit.since() == Tick(began)) else { return };
        let latency = Duration::from_micros(self.now - began);
        self.story.refused += 1;
        self.balancer.done(Tick(self.now), permit, Outcome::Answered { latency, status: 503 });
        self.fails(id);
    }

    fn work(&mut self) {
        while self.busy < self.server.permits
            && let Some((id, began)) = self.line.pop_front()
        {
            self.busy += 1;
            let mean = self.server.service;
            let takes = if self.server.varies { self.exponential(mean as f64).max(100) } else { mean };
            self.at(self.now + takes, Happens::Answers(id, began));
        }
    }

    fn answers(&mut self, id: u32, began: u64) {
        self.busy -= 1;
        self.work();
        let Some(request) = self.requests.get_mut(&id) else { return };
        // Its client may have left and come again meanwhile: then no client waits for this response.
        let Some(permit) = request.permit.take_if(|permit| permit.since() == Tick(began)) else { return };
        let latency = Duration::from_micros(self.now - began);
        self.balancer.done(Tick(self.now), permit, Outcome::Answered { latency, status: 200 });
        self.served(id);
    }

    fn served(&mut self, id: u32) {
        let now = self.now;
        let in_surge = self.in_surge(now);
        let Some(request) = self.requests.get_mut(&id) else { return };
        if let Some(good) = self.story.good.get_mut((now / SLOT) as usize) {
            *good += 1;
        }
        if in_surge {
            self.story.latencies.push(now - request.began);
        }
        if request.kind == Kind::Flow && request.step < 2 {
            request.step += 1;
            request.tries = 0;
            let pause = SEC + (self.roll() * 2e6) as u64;
            self.at(now + pause, Happens::Tries(id));
            return;
        }
        let Some(request) = self.requests.remove(&id) else { return };
        self.story.met[(request.born / SLOT) as usize] += 1;
        if self.counts(request.kind, request.born) {
            let at_once = u32::from(request.tries == 1);
            let count = self.count(request.kind);
            count.served += 1;
            count.at_once += at_once;
        }
    }

    fn gives_up(&mut self, id: u32, tries: u32) {
        let Some(request) = self.requests.get_mut(&id).filter(|request| request.tries == tries) else {
            return;
        };
        // Another step of the same sign-in has begun.
        if self.now < request.began + DEADLINE {
            return;
        }
        if let Some(ticket) = request.ticket.take() {
            self.waiting.remove(&ticket);
            self.balancer.gave_up(Tick(self.now), ticket);
        } else if let Some(permit) = request.permit.take() {
            self.balancer.done(Tick(self.now), permit, Outcome::Left);
        } else {
            return;
        }
        self.fails(id);
    }

    fn fails(&mut self, id: u32) {
        let tries = self.surge.tries;
        if self.requests.get(&id).is_some_and(|request| request.tries < tries) {
            let pause = SEC / 5 + (self.roll() * 4e5) as u64;
            self.at(self.now + pause, Happens::Tries(id));
        } else {
            self.requests.remove(&id);
        }
    }

    fn wake(&mut self) {
        let woken: Vec<(Ticket, Woken)> = self.balancer.woken().collect();
        for (ticket, woken) in woken {
            // Woken once, and only who waits.
            let id = self.waiting.remove(&ticket).unwrap();
            if let Some(request) = self.requests.get_mut(&id) {
                request.ticket = None;
            }
            match woken {
                Woken::Go(permit) => self.send(id, permit),
                Woken::Shed(_) => self.fails(id),
            }
        }
    }
}
