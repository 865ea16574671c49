//! Crowds from few subnets: unrecognized clients far beyond the usual number, most of them from a handful of subnets.
//!
//! Servers often have limits of their own that count over seconds, and the first tenth of a second of a flood can use up
//! all that they allow. Latency does not show such a limit, and refusals show it too late. So the subnets that send the
//! crowd are held back from its first moment: together they get a part of what unrecognized clients usually ask. All
//! other clients, first-time ones of other subnets included, are not affected.
//!
//! Clients are counted, not requests: a page with a hundred resources, or a load generator at one address, is one. A
//! crowd from everywhere is not held back here; the measured limits (`ceiling`, `concurrency`) handle it. Nothing is
//! held back before the usual is known, or where no recognized clients have to be protected.

use crate::client_filter::ClientFilter;
use crate::demand::Demand;
use crate::tick::Tick;
use std::time::Duration;

/// Arriving clients beyond this multiple of the usual, and beyond this rate, are a crowd ...
const TIMES: f64 = 10.0;
const LEAST_PER_SEC: f64 = 20.0;
/// ... when they exceed it by this many, and by as many as usually come in a second.
const EXCESS: f64 = 12.0;
/// A subnet is part of the crowd when it sent this many of the excess, at least this many clients, and more than all
/// subnets usually send in a second: it is not where the usual clients come from.
const PART: f64 = 1.0 / 8.0;
const CLIENTS_LEAST: f64 = 4.0;
const UNUSUAL: f64 = 1.5;
/// Excess that is remembered, as a multiple of what makes a crowd: it leaks away when the crowd ends.
const EXCESS_MOST: f64 = 4.0;
/// Subnets that are counted. A crowd from more than these comes from everywhere.
const SUBNETS: usize = 64;
/// Time in which the count of a subnet fades to a third, in seconds.
const FADES_SECS: f64 = 1.0;
/// Usual requests a second of recognized clients from which they have to be protected.
const RECOGNIZED_LEAST: f64 = 0.1;
/// What the crowd gets: this part of the usual requests of unrecognized clients, and at least this rate per second.
const SHARE: f64 = 0.1;
const RATE_LEAST: f64 = 0.5;
/// For this long it gets no more than that: three times as long as most limits look back. Then twice as much in each of
/// the next intervals, while servers are not overloaded.
const HOLDS: Duration = Duration::from_secs(30);
const DOUBLES_SECS: f64 = 5.0;
/// Time in which the highest usual rate is forgotten by two thirds, in seconds: a day.
const PEAK_SECS: f64 = 86_400.0;
/// Time without a client of the crowd held back after which it has ended.
const ENDED: Duration = Duration::from_secs(5);
/// For this long after clients were last held back, refusals of servers may be consequences: the ceiling is guarded.
const RECENT: Duration = Duration::from_secs(60);
/// Time after which a client counts as another arrival, and from which on a crowd that passes whole becomes usual.
const SAME: Duration = Duration::from_secs(1);

/// Detection of crowds at one pool, and what is let through of one.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    /// Unrecognized clients and their requests, and requests of recognized clients.
    clients: Demand,
    requests: Demand,
    recognized: Demand,
    /// The highest usual rate of requests.
    peak: f64,
    /// Clients that were counted since a tick.
    seen: ClientFilter<64>,
    since: Tick,
    /// Clients beyond the usual: a leaky bucket.
    excess: f64,
    leaked: Tick,
    subnets: Vec<Subnet>,
    pace: Option<Pace>,
    /// When clients were last held back.
    held_at: Option<Tick>,
    turned: Tick,
}

#[derive(Clone, Copy, Debug)]
struct Subnet {
    number: u64,
    /// Its clients, fading.
    clients: f64,
    /// Whether it is part of the crowd.
    held: bool,
}

/// What passes of a crowd.
#[derive(Clone, Debug)]
struct Pace {
    since: Tick,
    /// Requests a second at first, and now.
    least: f64,
    rate: f64,
    tokens: f64,
    filled: Tick,
    /// Requests of this window, and a second.
    asked: u32,
    asks: f64,
    /// Fraction of the clients that pass, the same ones for a while.
    share: f64,
    /// When a request was held back last.
    bound: Tick,
}

impl Crowd {
    pub(crate) fn new(now: Tick) -> Self {
        Self {
            clients: Demand::default(),
            requests: Demand::default(),
            recognized: Demand::default(),
            peak: 0.0,
            seen: ClientFilter::default(),
            since: now,
            excess: 0.0,
            leaked: now,
            subnets: Vec::new(),
            pace: None,
            held_at: None,
            turned: now,
        }
    }

    /// Counts a request of a recognized client.
    pub(crate) fn recognized(&mut self) {
        self.recognized.asked();
    }

    /// Counts a request of an unrecognized client. Returns whether it passes. `luck` is the client's, in 0.0..1.0; it is
    /// asked for only where the client is part of a crowd.
    pub(crate) fn pass(
        &mut self,
        (client, subnet): (u64, u64),
        luck: impl FnOnce() -> f64,
        now: Tick,
    ) -> bool {
        if now.since(self.since) >= SAME {
            self.seen = ClientFilter::default();
            self.since = now;
        }
        let is_new = self.seen.add(client);
        if is_new {
            self.arrives(subnet, now);
        }
        let passes = match &mut self.pace {
            Some(pace) if self.subnets.iter().any(|known| known.held && known.number == subnet) => {
                pace.pass(luck(), now)
            }
            _ => true,
        };
        if passes {
            self.requests.asked();
            if is_new {
                self.clients.asked();
            }
        }
        passes
    }

    /// A client arrives.
    fn arrives(&mut self, subnet: u64, now: Tick) {
        let Some(usual) = self.clients.usual() else { return };
        let leak = (TIMES * usual).max(LEAST_PER_SEC) * now.since(self.leaked).as_secs_f64();
        self.leaked = now;
        let excess = EXCESS + usual;
        self.excess = (self.excess - leak).max(0.0).min(EXCESS_MOST * excess) + 1.0;
        let is_crowd = self.excess > excess;
        let part = (PART * self.excess).max(CLIENTS_LEAST).max(UNUSUAL * usual);
        let is_protected = self.recognized.usual().is_some_and(|rate| rate >= RECOGNIZED_LEAST);
        let Some(known) = self.counted(subnet) else { return };
        known.clients += 1.0;
        if is_crowd && is_protected && known.clients >= part {
            known.held = true;
            let rate = (SHARE * self.peak).max(RATE_LEAST);
            self.pace.get_or_insert_with(|| Pace::new(rate, now));
        }
    }

    /// The count of a subnet; `None` where too many are counted.
    fn counted(&mut self, number: u64) -> Option<&mut Subnet> {
        let at = self.subnets.iter().position(|known| known.number == number);
        if at.is_none() && self.subnets.len() < SUBNETS {
            self.subnets.push(Subnet { number, clients: 0.0, held: false });
        }
        let last = self.subnets.len().checked_sub(1)?;
        self.subnets.get_mut(at.unwrap_or(last)).filter(|known| known.number == number)
    }

    /// Whether clients are held back.
    pub(crate) fn is_held(&self) -> bool {
        self.pace.is_some()
    }

    /// Whether clients were held back a short time ago.
    pub(crate) fn is_recent(&self, now: Tick) -> bool {
        self.held_at.is_some_and(|at| now.since(at) < RECENT)
    }

    /// After how long a request that is held back may be repeated, in seconds.
    pub(crate) fn wait_secs(&self) -> f64 {
        self.pace.as_ref().map_or(0.0, |pace| pace.asks / pace.rate)
    }

    /// Ends a window. `limited`: measured limits are in force.
    pub(crate) fn turn(&mut self, limited: bool, now: Tick) {
        let secs = now.since(self.turned).as_secs_f64();
        self.turned = now;
        let unbound = self.pace.as_ref().map(|pace| now.since(pace.bound));
        let is_over = unbound.is_none_or(|span| span >= ENDED);
        // What passes whole has become usual.
        let quiet = !limited && unbound.is_none_or(|span| span >= SAME);
        for demand in [&mut self.clients, &mut self.requests, &mut self.recognized] {
            demand.turn(secs, quiet);
        }
        self.peak = (self.peak * (-secs / PEAK_SECS).exp()).max(self.requests.usual().unwrap_or_default());
        let fade = (-secs / FADES_SECS).exp();
        self.subnets.retain_mut(|subnet| {
            subnet.clients *= fade;
            subnet.held &= !is_over;
            subnet.held || subnet.clients >= 0.5
        });
        if is_over {
            self.pace = None;
        } else if let Some(pace) = &mut self.pace {
            pace.turn(limited, secs, now);
        }
        if self.is_held() {
            self.held_at = Some(now);
        }
    }
}

impl Pace {
    fn new(rate: f64, now: Tick) -> Self {
        let (tokens, share) = (0.0, 1.0);
        Self { since: now, least: rate, rate, tokens, filled: now, asked: 0, asks: 0.0, share, bound: now }
    }

    fn pass(&mut self, luck: f64, now: Tick) -> bool {
        self.asked = self.asked.saturating_add(1);
        let more = self.rate * now.since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + more).min(1.0 + self.rate / 4.0);
        self.filled = now;
        let passes = luck < self.share && self.tokens >= 1.0;
        if passes {
            self.tokens -= 1.0;
        } else {
            self.bound = now;
        }
        passes
    }

    fn turn(&mut self, limited: bool, secs: f64, now: Tick) {
        let asked = f64::from(std::mem::take(&mut self.asked)) / secs.max(1e-3);
        let weight = if self.asks > 0.0 { 0.3 } else { 1.0 };
        self.asks += weight * (asked - self.asks);
        if limited {
            self.since = now;
            self.rate = self.least;
        } else if now.since(self.since) >= HOLDS {
            self.rate *= (secs / DOUBLES_SECS).exp2();
        }
        // A little more than fits, so that what passes does not depend on who asks often.
        self.share = (1.2 * self.rate / self.asks.max(1e-9)).min(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{mix, unit};

    struct World {
        crowd: Crowd,
        window: u64,
    }

    impl World {
        fn quiet(recognized: bool) -> Self {
            let mut world = Self { crowd: Crowd::new(Tick(0)), window: 0 };
            world.run(300, 1, 20, recognized);
            world
        }

        /// Lets clients arrive: `clients` in each of the next windows of a tenth of a second, from `subnets` subnets.
        /// Returns how many passed of all.
        fn run(&mut self, windows: u64, clients: u64, subnets: u64, recognized: bool) -> u64 {
            let mut passed = 0;
            for window in self.window..self.window + windows {
                for n in 0..clients {
                    let now = Tick(window * 100_000 + n * 100_000 / clients);
                    let client = window * 10_000 + n;
                    let subnet = 1_000 * subnets + mix(client, 3) % subnets;
                    let luck = unit(mix(client, 2));
                    passed += u64::from(self.crowd.pass((client, subnet), || luck, now));
                }
                if recognized {
                    self.crowd.recognized();
                }
                self.crowd.turn(false, Tick((window + 1) * 100_000));
            }
            self.window += windows;
            passed
        }
    }

    #[test]
    fn usual_arrivals_and_a_morning_rush_pass() {
        let mut world = World::quiet(true);
        for (windows, clients, subnets) in [(100, 2, 1), (100, 4, 2), (200, 8, 2), (200, 16, 1)] {
            assert_eq!(world.run(windows, clients, subnets, true), windows * clients);
        }
    }

    #[test]
    fn crowd_of_three_subnets_is_held_back_in_its_first_moment() {
        let mut world = World::quiet(true);
        let first = world.run(1, 240, 3, true);
        assert!((12..=60).contains(&first), "{first}");
        let later = world.run(100, 240, 3, true);
        assert!((3..=30).contains(&later), "{later}");
    }

    #[test]
    fn clients_of_other_subnets_pass_meanwhile() {
        let mut world = World::quiet(true);
        for _ in 0..100 {
            world.run(1, 240, 3, true);
            assert_eq!(world.run(1, 1, 20, true), 1);
        }
    }

    #[test]
    fn crowd_from_everywhere_passes() {
        let mut world = World::quiet(true);
        assert_eq!(world.run(50, 200, 5_000, true), 10_000);
    }

    #[test]
    fn crowd_before_healthy_servers_gets_more_after_half_a_minute() {
        let mut world = World::quiet(true);
        world.run(300, 50, 2, true);
        world.run(700, 50, 2, true);
        assert_eq!(world.run(100, 50, 2, true), 5_000);
    }

    #[test]
    fn it_is_over_some_seconds_after_the_crowd() {
        let mut world = World::quiet(true);
        world.run(50, 240, 3, true);
        assert!(world.crowd.is_held());
        world.run(60, 1, 20, true);
        assert!(!world.crowd.is_held());
        assert_eq!(world.run(100, 1, 3, true), 100);
    }

    #[test]
    fn nothing_is_held_back_without_recognized_clients_or_history() {
        assert_eq!(World::quiet(false).run(20, 240, 3, false), 4_800);
        let mut world = World { crowd: Crowd::new(Tick(0)), window: 0 };
        assert_eq!(world.run(10, 240, 3, true), 2_400);
    }

    #[test]
    fn one_client_is_no_crowd() {
        let mut world = World::quiet(true);
        for n in 0..10_000_u64 {
            assert!(world.crowd.pass((7, 7), || 0.99, Tick(30_000_000 + n * 10)));
        }
    }
}
