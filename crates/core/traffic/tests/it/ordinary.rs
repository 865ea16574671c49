//! The ordinary day: what is well is not refused, and hardly waits.

use crate::fixture::{SEC, pool};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;
use traffic::{Admission, Arrival, Class, LoadBalancer, Outcome, Permit, Shed, Tick, Ticket, Woken};

const MS: u64 = 1_000;

/// One request: whose, how long the server works for it, and whether its client asks again as soon as it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    client: u64,
    takes: u64,
    again: bool,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    Asks(Wanted),
    Answers(u64),
    Ticks,
}

/// A request that is answered or refused.
#[derive(Clone, Copy, Debug)]
struct Done {
    wanted: Wanted,
    at: u64,
    took: u64,
    refused: bool,
}

/// An edge before one server, with this number of places or as many as are wanted.
struct Day {
    balancer: LoadBalancer,
    now: u64,
    order: u64,
    heap: BinaryHeap<Reverse<(u64, u64, Happens)>>,
    places: usize,
    /// How many times as long as usual every answer takes now.
    slowness: u64,
    busy: usize,
    line: VecDeque<u64>,
    next: u64,
    waiting: BTreeMap<Ticket, (Wanted, u64)>,
    /// Sent requests: what was wanted, since when, with which permit, and since when at the server.
    sent: BTreeMap<u64, (Wanted, u64, Permit)>,
    done: Vec<Done>,
}

impl Day {
    fn new(places: Option<usize>) -> Self {
        Self::with(places, 100)
    }

    /// With `each` concurrent requests to the server, at most.
    fn with(places: Option<usize>, each: u32) -> Self {
        let mut config = pool(&["10.0.0.1:80"], 8);
        config.max_concurrency = each;
        let mut day = Self {
            balancer: LoadBalancer::new(&config, Tick(0), 3),
            now: 0,
            order: 0,
            heap: BinaryHeap::new(),
            places: places.unwrap_or(usize::MAX),
            slowness: 1,
            busy: 0,
            line: VecDeque::new(),
            next: 0,
            waiting: BTreeMap::new(),
            sent: BTreeMap::new(),
            done: Vec::new(),
        };
        day.at(0, Happens::Ticks);
        day
    }

    fn at(&mut self, at: u64, happens: Happens) {
        self.order += 1;
        self.heap.push(Reverse((at, self.order, happens)));
    }

    /// Requests of one client at an instant, each with the time it takes.
    fn asks(&mut self, at: u64, client: u64, takes: impl IntoIterator<Item = u64>) {
        takes
            .into_iter()
            .for_each(|takes| self.at(at, Happens::Asks(Wanted { client, takes, again: false })));
    }

    fn until(&mut self, end: u64) {
        while self.heap.peek().is_some_and(|Reverse((at, ..))| *at <= end) {
            let Some(Reverse((at, _, happens))) = self.heap.pop() else { break };
            self.now = at;
            match happens {
                Happens::Asks(wanted) => self.arrives(wanted),
                Happens::Answers(id) => self.answers(id),
                Happens::Ticks => {
                    self.balancer.tick(Tick(at));
                    self.at(at + 10 * MS, Happens::Ticks);
                }
            }
            let woken: Vec<(Ticket, Woken)> = self.balancer.woken().collect();
            for (ticket, woken) in woken {
                let (wanted, since) = self.waiting.remove(&ticket).unwrap();
                match woken {
                    Woken::Go(permit) => self.sends(wanted, since, permit),
                    Woken::Shed(shed) => self.refused(wanted, since, &shed),
                }
            }
        }
        self.now = end;
    }

    fn arrives(&mut self, wanted: Wanted) {
        let deadline = Duration::from_secs(30);
        let arrival = Arrival {
            class: Class::FirstTime,
            client: wanted.client,
            subnet: wanted.client,
            own: false,
            deadline,
        };
        match self.balancer.arrive(Tick(self.now), arrival) {
            Admission::Go(permit) => self.sends(wanted, self.now, permit),
            Admission::Wait(ticket) => {
                self.waiting.insert(ticket, (wanted, self.now));
            }
            Admission::Shed(shed) => self.refused(wanted, self.now, &shed),
        }
    }

    fn refused(&mut self, wanted: Wanted, since: u64, _shed: &Shed) {
        self.done.push(Done { wanted, at: self.now, took: self.now - since, refused: true });
        if wanted.again {
            self.at(self.now + 100, Happens::Asks(wanted));
        }
    }

    fn sends(&mut self, wanted: Wanted, since: u64, permit: Permit) {
        self.next += 1;
        self.sent.insert(self.next, (wanted, since, permit));
        self.line.push_back(self.next);
        self.work();
    }

    fn work(&mut self) {
        while self.busy < self.places
            && let Some(id) = self.line.pop_front()
        {
            self.busy += 1;
            let takes = self.sent[&id].0.takes * self.slowness;
            self.at(self.now + takes, Happens::Answers(id));
        }
    }

    fn answers(&mut self, id: u64) {
        self.busy -= 1;
        let (wanted, since, permit) = self.sent.remove(&id).unwrap();
        let latency = Duration::from_micros(self.now - permit.since().0);
        self.balancer.done(Tick(self.now), permit, Outcome::Answered { latency, status: 200 });
        self.done.push(Done { wanted, at: self.now, took: self.now - since, refused: false });
        if wanted.again {
            self.at(self.now + 20, Happens::Asks(wanted));
        }
        self.work();
    }

    /// How many were refused, and the longest that one waited beyond what its response takes.
    fn worst(&self, from: u64) -> (usize, u64) {
        let done = || self.done.iter().filter(|done| done.at >= from);
        let waited = done().map(|done| done.took.saturating_sub(done.wanted.takes)).max();
        (done().filter(|done| done.refused).count(), waited.unwrap_or_default())
    }
}

/// Sixty resources over one connection, of a site without other clients.
#[test]
fn page_of_one_client_is_served_immediately() {
    let mut day = Day::new(None);
    for load in 0..6 {
        day.asks(load * SEC, 1, [60 * MS; 60]);
    }
    day.until(10 * SEC);
    assert_eq!((day.done.len(), day.worst(0)), (360, (0, 0)));
}

/// Pages of many kinds of resources, each second another client: a mixture is not slowness, whichever part of it comes.
#[test]
fn mixed_latencies_are_not_slowness() {
    let millis = [2, 5, 10, 20, 50, 100, 150, 200];
    let mut day = Day::new(None);
    for second in 0..60_u64 {
        // For ten seconds only the slow half is asked for.
        let from = if (30..40).contains(&second) { 4 } else { 0 };
        let page = (0..30).map(|n| millis[from + (n + second as usize) % (8 - from)] * MS);
        day.asks(second * SEC, second, page.collect::<Vec<_>>());
    }
    day.until(62 * SEC);
    assert_eq!((day.done.len(), day.worst(0)), (1_800, (0, 0)));
}

/// A load generator: few connections of one address that ask again immediately.
#[test]
fn clients_of_one_address_get_all_that_servers_can_do() {
    for (places, takes, clients) in
        [(None, 100 * MS, 24), (Some(1), MS, 24), (Some(4), 20 * MS, 90), (Some(2), 10 * MS, 300)]
    {
        let mut day = Day::new(places);
        for _ in 0..clients {
            day.at(0, Happens::Asks(Wanted { client: 1, takes, again: true }));
        }
        day.until(10 * SEC);
        let can = places.unwrap_or(clients).min(clients) as u64 * 10 * SEC / takes;
        let (refused, _) = day.worst(0);
        let answered = day.done.len() - refused;
        assert_eq!(refused, 0, "{places:?} {clients}");
        assert!(answered as u64 * 100 >= 95 * can, "{places:?} {clients}: {answered} of {can}");
    }
}

/// Twenty connections with twenty calls each, before an edge that has seen nothing.
#[test]
fn concurrent_calls_of_many_clients_on_a_fresh_edge_wait_for_less_than_a_second() {
    let mut day = Day::new(None);
    (0..20).for_each(|client| day.asks(SEC, client, [10 * MS; 20]));
    // And a hundred browsers that come back after a restart.
    (100..200).for_each(|client| day.asks(5 * SEC + client * MS, client, [30 * MS]));
    day.until(10 * SEC);
    let (refused, waited) = day.worst(0);
    assert_eq!((day.done.len(), refused), (500, 0));
    assert!(waited < SEC, "{waited}");
}

/// Clients that wait at the server for an event are no work, and keep no client out.
#[test]
fn long_polls_block_no_client() {
    let mut day = Day::new(None);
    (0..60).for_each(|client| day.asks(client * 10 * MS, client, [25 * SEC]));
    (0..500).for_each(|n| day.asks(n * 40 * MS, 1_000 + n, [5 * MS]));
    day.until(30 * SEC);
    let (refused, waited) = day.worst(0);
    assert_eq!((day.done.len(), refused), (560, 0));
    // Eight are let in, then twice as many each half second without an answer.
    assert!(waited <= 3 * SEC / 2, "{waited}");
    // Most of all places are theirs.
    let mut day = Day::with(None, 250);
    (0..240).for_each(|client| day.asks(client * 50 * MS, client, [40 * SEC]));
    (0..500).for_each(|n| day.asks(n * 40 * MS, 1_000 + n, [5 * MS]));
    day.until(60 * SEC);
    let (refused, waited) = day.worst(0);
    assert_eq!((day.done.len(), refused), (740, 0));
    assert!(waited <= SEC, "{waited}");
}

/// All servers are five times slower for a while, and no client asks more than before.
#[test]
fn slow_servers_refuse_no_client() {
    for (takes, gap) in [(20 * MS, 20 * MS), (50 * MS, 8 * MS), (100 * MS, 15 * MS)] {
        let mut day = Day::new(None);
        let count = 60 * SEC / gap;
        (0..count).for_each(|n| day.asks(n * gap, n % 997, [takes * (1 + n % 3)]));
        day.until(20 * SEC);
        day.slowness = 5;
        day.until(40 * SEC);
        day.slowness = 1;
        day.until(65 * SEC);
        let (refused, waited) = day.worst(0);
        assert_eq!((day.done.len() as u64, refused), (count, 0), "{takes} {gap}");
        assert!(waited <= 12 * takes + 2 * SEC, "{takes} {gap} {waited}");
        // Once it is over, no client waits.
        assert!(day.worst(50 * SEC).1 <= 50 * MS, "{:?}", day.worst(50 * SEC));
    }
}

/// One client fills a small server with two hundred connections. It is not refused, and others hardly notice it.
#[test]
fn one_client_that_asks_for_too_much_holds_up_only_itself() {
    let mut day = Day::new(Some(10));
    (0..400).for_each(|n| day.asks(n * 50 * MS, 1_000 + n % 40, [50 * MS]));
    day.until(10 * SEC);
    for _ in 0..200 {
        day.at(10 * SEC, Happens::Asks(Wanted { client: 1, takes: 50 * MS, again: true }));
    }
    day.until(20 * SEC);
    let others = day.done.iter().filter(|done| done.wanted.client >= 1_000);
    let (late, refused) = others.fold((0, 0), |(late, refused), done| {
        (late + u32::from(done.took > 400 * MS), refused + u32::from(done.refused))
    });
    assert_eq!((day.worst(0).0, refused), (0, 0));
    // Until it is noticed all places are the client's.
    assert!(late <= 30, "{late}");
}
